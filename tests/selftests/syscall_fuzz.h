/* SPDX-License-Identifier: GPL-2.0-only */
/* Declarations that all parts of syscall_fuzz share. */
#ifndef SYSCALL_FUZZ_H
#define SYSCALL_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#include <linux/types.h>

#define PROGRAM_MAX	40		/* operations */
#define OP_ARGS		4
#define FAILURE_TEXT	512
#define FIRST_NUMBER	4000		/* lowest channel number used by the test */
#define NUMBERS		6		/* numbers for programs; the race has as many above */

/* The process that performs an operation. */
enum by { BY_SELF, BY_CHILD, BY_KILLED, BY_COUNT };

enum kind {
	WRITE, READ, SLEEP, FSYNC, SEEK, IOCTL, FCNTL, OPEN, CLOSE, DUP, MMAP, REMAP, ADD, REMOVE,
	KINDS
};

/* One operation. Any argument is valid: it selects a descriptor, a size and so on. */
struct op {
	enum kind kind;
	enum by by;
	uint32_t arg[OP_ARGS];
};

struct program {
	unsigned int count;
	struct op ops[PROGRAM_MAX];
};

struct op_kind {
	unsigned int weight;		/* relative frequency */
	enum by by;			/* the last in enum by that may perform it */
	void (*run)(const struct op *op);
};

/* The first difference between the driver and the model. */
struct failure {
	bool failed;			/* there is one */
	unsigned int at;		/* index of the operation */
	char text[FAILURE_TEXT];	/* call, result and expected result */
};

extern const struct op_kind op_kinds[KINDS];
extern int control;			/* /dev/lastline-control */
extern volatile bool trace;		/* print each call */

/* Memory shared by all processes; it survives a process that dies. */
struct shared {
	volatile __u64 calls;
	unsigned int programs;
	struct program program;		/* the one that runs */
	char call[256];			/* text of its last call */
	struct failure failure;
};

extern struct shared *shared;

static inline __u32 next_random(__u64 *state)
{
	/* Knuth's MMIX; the upper half is good. */
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 32;
}

/* syscall_fuzz_run.c */
void set_up(void);
void run_program(const struct program *program);

/* syscall_fuzz_race.c */
enum wrong { TORN, BACKWARDS, ERROR, STUCK, RACE_WRONGS };

unsigned int race(__u64 seed, unsigned int seconds);

#endif /* SYSCALL_FUZZ_H */
