/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of calls.c share. */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#include <linux/types.h>

#define PROGRAM_MAX	40		/* operations */
#define OP_ARGS		4
#define PROGRAM_TEXT	(PROGRAM_MAX * 64)
#define FAILURE_TEXT	512
#define FIRST_NUMBER	4000		/* of the channels that are ours */
#define NUMBERS		6		/* of these in programs; the race has as many behind them */

/* Who does it. */
enum by { BY_SELF, BY_CHILD, BY_KILLED, BY_NOBODY, BY_COUNT };

/**
 * struct op - one operation; any numbers are one
 * @kind: what to do, an index of op_kinds
 * @by:   who does it
 * @arg:  what that makes of them
 */
struct op {
	uint8_t kind;
	uint8_t by;
	uint32_t arg[OP_ARGS];
};

struct program {
	unsigned int count;
	struct op ops[PROGRAM_MAX];
};

/**
 * struct op_kind - what an operation can be
 * @name:   in the text of a program
 * @weight: how often it is drawn
 * @by:     the last in enum by that may do it
 * @run:    does it, in the model and really
 */
struct op_kind {
	const char *name;
	unsigned int weight;
	enum by by;
	void (*run)(const struct op *op);
};

/* What is checked; a test each. */
enum about { ABOUT_RESULT, ABOUT_BYTES, ABOUT_STATE, ABOUT_VIEW, ABOUT_SIGIO, ABOUTS };

/**
 * struct failure - the first thing in a program that is not as the contract says
 * @failed: there is one
 * @about:  what it is about
 * @at:     the operation; program->count for what comes at the end
 * @text:   what was called, what came and what should have
 */
struct failure {
	bool failed;
	enum about about;
	unsigned int at;
	char text[FAILURE_TEXT];
};

extern const struct op_kind op_kinds[];
extern const unsigned int op_kind_count;
extern int control;			/* /dev/lastline-control */
extern volatile bool trace;		/* print each call */

/* What survives a process that dies; shared by all. */
struct shared {
	volatile __u64 calls;
	volatile unsigned int programs;
	volatile unsigned int places;	/* in the driver */
	volatile unsigned int kept;	/* programs that reached something new */
	volatile bool finished;
	struct program program;		/* being run */
	struct failure failure;
};

extern struct shared *shared;

static inline __u32 next_random(__u64 *state)
{
	/* Knuth's MMIX; the upper half is good. */
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 32;
}

/* calls_exact.c */
void exact_set_up(void);
void exact_run(const struct program *program);

/* calls_cover.c */
bool cover_set_up(void);
void cover_begin(void);
void cover_child(void);
bool cover_end(void);
unsigned int cover_places(void);

/* calls_race.c */
enum wrong { TORN, BACKWARDS, ERROR, STUCK, RACE_WRONGS };

unsigned int race(__u64 seed, unsigned int seconds, unsigned int processes);

#endif /* CALLS_H */
