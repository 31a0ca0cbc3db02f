// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs random sequences of system calls and compares the driver with a model of the contract.
 *
 *	syscall_fuzz [--seed N] [--seconds S]
 *
 * The first part runs random programs of 6 to 40 operations. After each operation, the test
 * compares the result and the state of all channels and files with the model. The second part
 * is in syscall_fuzz_race.c. Each part runs for S seconds, 10 by default.
 *
 * If a program fails, the test removes operations as long as the program still fails, and then
 * prints its calls. The same seed generates the same programs.
 *
 * Needs root. Uses the channel numbers from 4000 and any lower ones that are free.
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
#define TIMEOUT_S	60		/* a program that makes no call for so long hangs */

struct shared *shared;

static __u64 random_state;

/*
 * Generating programs
 */

static __u32 random_below(__u32 below)
{
	return next_random(&random_state) % below;
}

static struct op random_op(void)
{
	unsigned int sum = 0, i, rest;
	struct op op = {};

	for (i = 0; i < KINDS; i++)
		sum += op_kinds[i].weight;
	rest = random_below(sum);
	while (rest >= op_kinds[op.kind].weight)
		rest -= op_kinds[op.kind++].weight;
	/* Rarely use another process, because starting one is slow. */
	if (random_below(6) == 0)
		op.actor = random_below(ACTORS);
	for (i = 0; i < OP_ARGS; i++)
		op.arg[i] = next_random(&random_state);
	return op;
}

/*
 * Most programs start with a channel and two open files, because few operations work without
 * these. After SLEEP comes an operation that may wake the reader.
 */
static void random_program(struct program *program)
{
	static const enum kind first[] = { ADD, OPEN, OPEN, WRITE };
	static const enum kind waking[] = { WRITE, FSYNC, SEEK, REMOVE };
	struct op *op;
	unsigned int i;

	program->count = 6 + random_below(PROGRAM_MAX - 6);
	for (i = 0; i < program->count; i++) {
		op = &program->ops[i];
		*op = random_op();
		if (i < ARRAY_SIZE(first) && random_below(8)) {
			op->kind = first[i];
			op->actor = SELF;
		} else if (i && op[-1].kind == SLEEP) {
			op->kind = waking[random_below(ARRAY_SIZE(waking))];
		}
	}
	/* Pass the parameters of the first channel in accessible memory. */
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
	ksft_print_msg("operation %u: %s\n", first.op, first.text);
	shrink(program);
	ksft_print_msg("shortened program:\n");
	print_calls = true;
	if (fails(program))
		ksft_print_msg("%s\n", shared->failure.text);
	else
		ksft_print_msg("the failure is not reproducible\n");
	/* A shorter program may fail for another reason. */
	shared->failure = first;
}

/*
 * Running programs, in a child process because they may hang
 */

static void fuzz(unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	static struct program program;

	while (time(NULL) < end) {
		random_program(&program);
		run_program(&program);
		shared->programs++;
		if (shared->failure.failed) {
			report(&program);
			return;
		}
	}
}

/* Returns false if the fuzzer hangs or crashes. */
static bool wait_for_end(pid_t fuzzer)
{
	__u64 calls = 0;
	int status, tries;

	for (tries = 0; tries < TIMEOUT_S * 10; tries++) {
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

static bool fuzz_in_child(unsigned int seconds)
{
	pid_t fuzzer;

	fflush(stdout);
	fuzzer = fork();
	if (!fuzzer) {
		fuzz_init();
		fuzz(seconds);
		fflush(stdout);
		_exit(0);
	}
	if (wait_for_end(fuzzer))
		return true;
	ksft_print_msg("program %u of this seed hangs or crashes after: %s\n",
		       shared->programs, shared->call);
	return false;
}

static const char *const race_tests[RACE_VIOLATIONS] = {
	[TORN] = "every line is whole and in the right channel",
	[BACKWARDS] = "generations, counts and sequence numbers never decrease",
	[ERROR] = "calls return only errors that the contract allows",
	[STUCK] = "removal wakes all threads, and killed processes exit",
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
	ksft_set_plan(2 + RACE_VIOLATIONS);
	ksft_print_msg("seed %llu\n", seed);
	random_state = seed;

	ended = fuzz_in_child(seconds);
	ksft_test_result(!shared->failure.failed, "the driver behaves like the model\n");
	ksft_test_result(ended, "no program hangs or crashes\n");
	wrong = race(seed, seconds);
	for (i = 0; i < RACE_VIOLATIONS; i++)
		ksft_test_result(!(wrong & 1 << i), "%s\n", race_tests[i]);
	ksft_print_msg("amount: %u programs, %llu calls\n", shared->programs, shared->calls);
	ksft_finished();
}
