// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of system calls; the driver is compared with a model of the contract.
 *
 *	syscall_fuzz [--seed N] [--seconds S]
 *
 * The first part runs programs of 6 to 40 operations. After each operation its result and
 * the state of all channels and files are compared with the model. The second part runs
 * processes that race on channels that are added and removed (syscall_fuzz_race.c). Each
 * part runs for S seconds, 10 by default.
 *
 * A program that fails is shortened as long as it still fails. The test then prints its
 * calls. The same seed generates the same programs.
 *
 * Needs root. Uses the channel numbers from 4000 on and any free lower ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "syscall_fuzz.h"

#define SHRINK_S	30		/* time limit for shortening a program */
#define PATIENCE_S	60		/* time without any call until a program counts as hung */

struct shared *shared;

static __u64 random_state;

/*
 * Generating programs
 */

static __u32 draw(__u32 below)
{
	return next_random(&random_state) % below;
}

static struct op draw_op(void)
{
	unsigned int sum = 0, i, rest;
	struct op op = {};

	for (i = 0; i < KINDS; i++)
		sum += op_kinds[i].weight;
	rest = draw(sum);
	while (rest >= op_kinds[op.kind].weight)
		rest -= op_kinds[op.kind++].weight;
	/* Rarely another process: starting one is slow. */
	if (draw(6) == 0)
		op.by = draw(BY_COUNT);
	for (i = 0; i < OP_ARGS; i++)
		op.arg[i] = next_random(&random_state);
	return op;
}

/*
 * Most programs begin with a channel and two open files, because few operations are useful
 * without. An operation that ends a sleep often follows a sleep.
 */
static void draw_program(struct program *program)
{
	static const enum kind first[] = { ADD, OPEN, OPEN, WRITE };
	static const enum kind waking[] = { WRITE, FSYNC, SEEK, REMOVE };
	struct op *op;
	unsigned int i;

	program->count = 6 + draw(PROGRAM_MAX - 6);
	for (i = 0; i < program->count; i++) {
		op = &program->ops[i];
		*op = draw_op();
		if (i < ARRAY_SIZE(first) && draw(8)) {
			op->kind = first[i];
			op->by = BY_SELF;
		} else if (i && op[-1].kind == SLEEP) {
			op->kind = waking[draw(ARRAY_SIZE(waking))];
		}
	}
	/* The parameters of the first channel are accessible. */
	program->ops[0].arg[0] &= ~0x3c0;
}

/*
 * Failures
 */

static bool fails(const struct program *program)
{
	run_program(program);
	return shared->failure.failed;
}

/* Removes each operation without which the program still fails. */
static void shrink(struct program *program)
{
	time_t end = time(NULL) + SHRINK_S;
	struct program shorter;
	unsigned int i;
	bool shrunk;

	do {
		shrunk = false;
		for (i = program->count; i-- && time(NULL) < end;) {
			shorter = *program;
			shorter.count--;
			memmove(&shorter.ops[i], &shorter.ops[i + 1],
				(shorter.count - i) * sizeof(shorter.ops[0]));
			if (!fails(&shorter))
				continue;
			*program = shorter;
			shrunk = true;
		}
	} while (shrunk);
}

static void report(struct program *program)
{
	const struct failure first = shared->failure;

	ksft_print_msg("program %u of this seed fails\n", shared->programs);
	ksft_print_msg("operation %u: %s\n", first.at, first.text);
	shrink(program);
	ksft_print_msg("the shortest program that fails:\n");
	trace = true;
	if (fails(program))
		ksft_print_msg("%s\n", shared->failure.text);
	else
		ksft_print_msg("does not always fail\n");
	/* A shorter program may fail for another reason. */
	shared->failure = first;
}

/*
 * Running programs, in a process of its own because it may hang
 */

static void fuzz(unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	static struct program program;

	while (time(NULL) < end) {
		draw_program(&program);
		run_program(&program);
		shared->programs++;
		if (shared->failure.failed) {
			report(&program);
			return;
		}
	}
}

/* Returns false if the fuzzer does not end, or not regularly. */
static bool await_end(pid_t fuzzer)
{
	__u64 calls = 0;
	int status, tries;

	for (tries = 0; tries < PATIENCE_S * 10; tries++) {
		if (waitpid(fuzzer, &status, WNOHANG) == fuzzer)
			return WIFEXITED(status) && !WEXITSTATUS(status);
		if (shared->calls != calls)
			tries = 0;
		calls = shared->calls;
		usleep(100000);
	}
	kill(fuzzer, SIGKILL);
	return false;
}

static bool run_part_one(unsigned int seconds)
{
	pid_t fuzzer;

	fflush(stdout);
	fuzzer = fork();
	if (!fuzzer) {
		set_up();
		fuzz(seconds);
		fflush(stdout);
		_exit(0);
	}
	if (await_end(fuzzer))
		return true;
	ksft_print_msg("program %u of this seed hangs or kills its process, after: %s\n",
		       shared->programs, shared->call);
	return false;
}

static const char *const race_texts[RACE_WRONGS] = {
	[TORN] = "every line is whole and was written to the channel it is read from",
	[BACKWARDS] = "no generation, count or line of a writer goes back",
	[ERROR] = "every error is one that the contract allows",
	[STUCK] = "removal wakes every sleeper, and every killed process ends",
};

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ }
	};
	unsigned int seconds = 10, wrong, i;
	__u64 seed = time(NULL);
	int option;
	bool ended;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 't')
			seconds = strtoull(optarg, NULL, 0);
		else
			ksft_exit_fail_msg("see the top of syscall_fuzz.c for the options\n");
	}
	control = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		ksft_exit_skip("cannot open /dev/lastline-control: %s\n", strerror(errno));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ksft_set_plan(2 + RACE_WRONGS);
	ksft_print_msg("seed %llu\n", seed);
	random_state = seed;

	ended = run_part_one(seconds);
	ksft_test_result(!shared->failure.failed, "every program does what the model does\n");
	ksft_test_result(ended, "every program ends\n");
	wrong = race(seed, seconds);
	for (i = 0; i < RACE_WRONGS; i++)
		ksft_test_result(!(wrong & 1 << i), "%s\n", race_texts[i]);
	ksft_print_msg("amount: %u programs, %llu calls\n", shared->programs, shared->calls);
	ksft_finished();
}
