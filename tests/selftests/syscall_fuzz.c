// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of system calls; the driver is compared with a model of the contract.
 *
 *	syscall_fuzz [--seed N] [--seconds S] [--processes P]
 *	syscall_fuzz --program 'TEXT'
 *
 * The first part runs programs of 6 to 40 operations. After each operation its result and
 * the state of all channels and files are compared with the model. If the kernel has KCOV
 * and the driver was built with KCOV_INSTRUMENT=y, programs that reach new code are kept,
 * and most later programs are mutations of these. The second part runs P processes that
 * race on channels that are added and removed (syscall_fuzz_race.c); --processes 0 omits
 * it. Each part runs for S seconds, 10 by default.
 *
 * A program that fails is shortened as long as it still fails. The test then prints its
 * calls, and its text for --program. The same seed generates the same programs.
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

#include <linux/kcov.h>

#include "kselftest.h"
#include "syscall_fuzz.h"

#define CORPUS_MAX	4096
#define KCOV_WORDS	131072
#define EDGES		65536
#define SHRINK_S	30		/* time limit for shortening a program */
#define PATIENCE_S	60		/* time without any call until a program counts as hung */

struct shared *shared;

static struct program corpus[CORPUS_MAX];
static unsigned int corpus_count;
static __u64 random_state;
static unsigned long *kcov;	/* places reached in the driver, after their count; or NULL */

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

	for (i = 0; i < op_kind_count; i++)
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

static unsigned int kind_of(const char *name)
{
	unsigned int i;

	for (i = 0; i < op_kind_count; i++) {
		if (!strcmp(op_kinds[i].name, name))
			return i;
	}
	return ksft_exit_fail_msg("unknown operation: %s\n", name);
}

/*
 * Most programs begin with a channel and two open files, because few operations are useful
 * without. An operation that ends a sleep often follows a sleep.
 */
static void draw_program(struct program *program)
{
	static const char *const first[] = { "add", "open", "open", "write" };
	static const char *const waking[] = { "write", "fsync", "seek", "remove" };
	const char *name;
	unsigned int i;

	program->count = 6 + draw(PROGRAM_MAX - 6);
	for (i = 0; i < program->count; i++) {
		program->ops[i] = draw_op();
		name = NULL;
		if (i < ARRAY_SIZE(first) && draw(8)) {
			name = first[i];
			program->ops[i].by = BY_SELF;
		} else if (i && !strcmp(op_kinds[program->ops[i - 1].kind].name, "sleep")) {
			name = waking[draw(ARRAY_SIZE(waking))];
		}
		if (name)
			program->ops[i].kind = kind_of(name);
	}
	/* The parameters of the first channel are accessible. */
	program->ops[0].arg[0] &= ~0x3c0;
}

static void delete(struct program *program, unsigned int at)
{
	program->count--;
	memmove(&program->ops[at], &program->ops[at + 1],
		(program->count - at) * sizeof(program->ops[0]));
}

static void mutate(struct program *program)
{
	unsigned int at = draw(program->count);
	struct op *op = &program->ops[at];

	switch (draw(6)) {
	case 0:
		*op = draw_op();
		break;
	case 1:
		if (program->count < PROGRAM_MAX)
			program->ops[program->count++] = draw_op();
		break;
	case 2:
		if (program->count > 1)
			delete(program, at);
		break;
	default:
		op->arg[draw(OP_ARGS)] = next_random(&random_state);
	}
}

static void make_program(struct program *program)
{
	unsigned int times;

	if (!corpus_count || draw(4) == 0) {
		draw_program(program);
		return;
	}
	*program = corpus[draw(corpus_count)];
	for (times = 1 + draw(4); times; times--)
		mutate(program);
}

/*
 * Text of a program: "write:1,2,3,4@0 read:5,6,7,8@2", with the process after each @
 */

static void print_program(const struct program *program)
{
	const struct op *op;

	printf("# repeat with: syscall_fuzz --program '");
	for (op = program->ops; op < program->ops + program->count; op++)
		printf("%s%s:%u,%u,%u,%u@%u", op == program->ops ? "" : " ",
		       op_kinds[op->kind].name, op->arg[0], op->arg[1], op->arg[2], op->arg[3],
		       op->by);
	printf("'\n");
}

static void parse_op(struct op *op, const char *text)
{
	unsigned int by;
	char name[10];

	if (sscanf(text, "%9[a-z]:%u,%u,%u,%u@%u", name, &op->arg[0], &op->arg[1], &op->arg[2],
		   &op->arg[3], &by) != OP_ARGS + 2 || by >= BY_COUNT)
		ksft_exit_fail_msg("not an operation: %s\n", text);
	op->kind = kind_of(name);
	op->by = by;
}

static void parse_program(struct program *program, char *text)
{
	char *word;

	for (word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		if (program->count == PROGRAM_MAX)
			ksft_exit_fail_msg("more than %d operations\n", PROGRAM_MAX);
		parse_op(&program->ops[program->count++], word);
	}
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
			delete(&shorter, i);
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
	print_program(program);
	/* A shorter program may fail for another reason. */
	shared->failure = first;
}

/*
 * Running programs, in a process of its own because it may hang
 */

static void set_up_kcov(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, KCOV_INIT_TRACE, KCOV_WORDS))
		return;
	kcov = mmap(NULL, KCOV_WORDS * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (kcov == MAP_FAILED || ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
		kcov = NULL;
}

/* Did the driver come from one place to another for the first time? */
static bool reached_something_new(void)
{
	static bool edges[EDGES];
	unsigned long before = 0, i;
	bool *edge, new = false;

	for (i = 1; kcov && i <= kcov[0]; i++) {
		edge = &edges[(__u64)(kcov[i] ^ before << 20) * 0x9e3779b97f4a7c15ULL >> 48];
		new |= !*edge;
		*edge = true;
		before = kcov[i];
	}
	return new;
}

static void fuzz(unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	static struct program program;

	set_up_kcov();
	while (time(NULL) < end) {
		make_program(&program);
		if (kcov)
			kcov[0] = 0;
		run_program(&program);
		shared->programs++;
		if (shared->failure.failed) {
			report(&program);
			return;
		}
		if (reached_something_new())
			corpus[corpus_count < CORPUS_MAX ? corpus_count++ : draw(CORPUS_MAX)] =
				program;
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

static bool run_part_one(unsigned int seconds, struct program *only)
{
	pid_t fuzzer;

	fflush(stdout);
	fuzzer = fork();
	if (!fuzzer) {
		set_up();
		trace = only->count;
		if (!trace)
			fuzz(seconds);
		else if (fails(only))
			ksft_print_msg("%s\n", shared->failure.text);
		fflush(stdout);
		_exit(0);
	}
	if (await_end(fuzzer))
		return true;
	ksft_print_msg("a program hangs or kills its process:\n");
	print_program(&shared->program);
	return false;
}

static const char *const about_texts[ABOUTS] = {
	[ABOUT_RESULT] = "every call returns what the contract says",
	[ABOUT_BYTES] = "every read returns the expected bytes and writes nothing behind them",
	[ABOUT_STATE] = "poll, FIONREAD, INFO and TAKEN report the state of the model",
	[ABOUT_VIEW] = "every mapping shows the latest lines and no stale bytes",
	[ABOUT_SIGIO] = "SIGIO is sent for each event and for nothing else",
};

static const char *const race_texts[RACE_WRONGS] = {
	[TORN] = "every line is whole and was written to the channel it is read from",
	[BACKWARDS] = "no generation, count or line of a writer goes back",
	[ERROR] = "every error is one that the contract allows",
	[STUCK] = "removal wakes every sleeper, and every killed process ends",
};

static unsigned long parse_number(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 0);

	if (!*text || *end)
		ksft_exit_fail_msg("not a number: %s\n", text);
	return number;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "processes", required_argument, NULL, 'p' },
		{ "program", required_argument, NULL, 'o' },
		{ }
	};
	unsigned int seconds = 10, processes = 4, wrong = 0, i;
	__u64 seed = time(NULL);
	static struct program only;
	int option;
	bool ended;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seed = parse_number(optarg);
		else if (option == 't')
			seconds = parse_number(optarg);
		else if (option == 'p')
			processes = parse_number(optarg);
		else if (option == 'o')
			parse_program(&only, optarg);
		else
			ksft_exit_fail_msg("see the top of syscall_fuzz.c for the options\n");
	}
	if (only.count)
		processes = 0;
	control = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		ksft_exit_skip("cannot open /dev/lastline-control: %s\n", strerror(errno));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ksft_set_plan(ABOUTS + 1 + (processes ? RACE_WRONGS : 0));
	ksft_print_msg("seed %llu\n", seed);
	random_state = seed;

	ended = run_part_one(seconds, &only);
	for (i = 0; i < ABOUTS; i++)
		ksft_test_result(!shared->failure.failed || shared->failure.about != i, "%s\n",
				 about_texts[i]);
	ksft_test_result(ended, "every program ends\n");
	if (processes)
		wrong = race(seed, seconds, processes);
	for (i = 0; processes && i < RACE_WRONGS; i++)
		ksft_test_result(!(wrong & 1 << i), "%s\n", race_texts[i]);
	ksft_print_msg("amount: %u programs, %llu calls\n", shared->programs, shared->calls);
	ksft_finished();
}
