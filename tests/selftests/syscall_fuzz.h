/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by all parts of syscall_fuzz. */
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
#define NUMBERS		6		/* channel numbers that programs use */

/* The process that performs an operation. */
enum actor { SELF, CHILD, KILLED_CHILD, ACTORS };

enum kind {
	WRITE, READ, SLEEP, FSYNC, SEEK, IOCTL, FCNTL, OPEN, CLOSE, DUP, MMAP, REMAP, ADD, REMOVE,
	KINDS
};

/* One operation. Any argument is valid: it selects a descriptor, a size and so on. */
struct op {
	enum kind kind;
	enum actor actor;
	uint32_t arg[OP_ARGS];
};

struct program {
	unsigned int count;
	struct op ops[PROGRAM_MAX];
};

struct op_kind {
	unsigned int weight;		/* relative frequency */
	enum actor last_actor;		/* last value of enum actor that is allowed */
	void (*run)(const struct op *op);
};

/* The first difference between the driver and the model. */
struct failure {
	bool failed;
	unsigned int op;		/* index of the operation */
	char text[FAILURE_TEXT];	/* call, result and expected result */
};

extern const struct op_kind op_kinds[KINDS];
extern int control;			/* /dev/lastline-control */
extern volatile bool print_calls;

/* Memory shared by all processes, so that it survives a crash. */
struct shared {
	volatile __u64 calls;
	unsigned int programs;
	struct program program;		/* current program */
	char call[256];			/* text of its last call */
	struct failure failure;
};

extern struct shared *shared;

static inline __u32 next_random(__u64 *state)
{
	/* Knuth's MMIX generator. Only its upper bits are random enough. */
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 32;
}

/* syscall_fuzz_run.c */
void fuzz_init(void);
void run_program(const struct program *program);

/* syscall_fuzz_race.c */
enum race_violation { TORN, BACKWARDS, ERROR, STUCK, RACE_VIOLATIONS };

unsigned int race(__u64 seed, unsigned int seconds);

#endif /* SYSCALL_FUZZ_H */
