// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of system calls, each compared with what the contract says.
 *
 *	calls [--seed N] [--seconds S | --programs N] [--processes P]
 *	calls --program 'TEXT'
 *
 * First, programs of some ten operations, each on channels of its own: what it returns
 * and changes is compared with a model (calls_model.c) after each operation. Where the
 * kernel has KCOV and the driver was built with KCOV_INSTRUMENT=y, programs that reach
 * something new are kept, and most later ones are made from those; else all are drawn
 * anew. Then P processes at once, on channels that come and go (calls_race.c); none
 * with --processes 0. Each part has S seconds, 10 unless it is given.
 *
 * A program that fails is made shorter as long as it still fails, and printed with all
 * its calls and as a text for --program. The seed leads to the same programs again.
 *
 * Needs root, and the numbers from 4000 on and all free ones below for itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "calls.h"

#define CORPUS_MAX	4096
#define SHRINK_S	30		/* to make a failing program shorter */
#define PATIENCE_S	60		/* until a program that does not end hangs */

struct shared *shared;

static struct program corpus[CORPUS_MAX];
static unsigned int corpus_count;
static __u64 random_state;
static bool guided;

/*
 * Programs
 */

static __u32 draw(__u32 below)
{
	return next_random(&random_state) % below;
}

static struct op draw_op(void)
{
	unsigned int all = 0, i, turn;
	struct op op = {};

	for (i = 0; i < op_kind_count; i++)
		all += op_kinds[i].weight;
	turn = draw(all);
	while (turn >= op_kinds[op.kind].weight)
		turn -= op_kinds[op.kind++].weight;
	/* Processes cost time. */
	if (draw(6) == 0)
		op.by = draw(BY_COUNT);
	for (i = 0; i < OP_ARGS; i++)
		op.arg[i] = next_random(&random_state);
	return op;
}

static unsigned int kind_of(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < op_kind_count; i++) {
		if (strlen(op_kinds[i].name) == len && !strncmp(op_kinds[i].name, name, len))
			break;
	}
	if (i == op_kind_count)
		ksft_exit_fail_msg("no operation is called %.*s\n", (int)len, name);
	return i;
}

/*
 * Most begin with a channel and two open files, without which there is little to do; and
 * after a sleep often comes what ends it.
 */
static void draw_program(struct program *program)
{
	static const char *const beginning[] = { "add", "open", "open", "write" };
	static const char *const waking[] = { "write", "fsync", "seek", "remove" };
	const char *name;
	unsigned int i;

	program->count = 6 + draw(PROGRAM_MAX - 6);
	for (i = 0; i < program->count; i++) {
		program->ops[i] = draw_op();
		name = NULL;
		if (i < ARRAY_SIZE(beginning) && draw(8))
			name = beginning[i];
		else if (i && !strcmp(op_kinds[program->ops[i - 1].kind].name, "sleep"))
			name = waking[draw(ARRAY_SIZE(waking))];
		if (!name)
			continue;
		program->ops[i].kind = kind_of(name, strlen(name));
		if (i < ARRAY_SIZE(beginning))
			program->ops[i].by = BY_SELF;
	}
	/* A channel without any mistake. */
	program->ops[0].arg[0] &= ~0x3c0;
	program->ops[0].arg[3] |= 0x1f;
}

static void insert(struct program *program, struct op op)
{
	unsigned int at = draw(program->count + 1);

	if (program->count == PROGRAM_MAX)
		return;
	memmove(&program->ops[at + 1], &program->ops[at],
		(program->count - at) * sizeof(program->ops[0]));
	program->ops[at] = op;
	program->count++;
}

static void delete(struct program *program, unsigned int at)
{
	program->count--;
	memmove(&program->ops[at], &program->ops[at + 1],
		(program->count - at) * sizeof(program->ops[0]));
}

/* The beginning of one and the end of another. */
static void splice_programs(struct program *program, const struct program *other)
{
	unsigned int i = draw(program->count + 1), j = draw(other->count);

	while (i < PROGRAM_MAX && j < other->count)
		program->ops[i++] = other->ops[j++];
	program->count = i;
}

static void mutate(struct program *program)
{
	struct op *op = &program->ops[draw(program->count)];

	switch (draw(8)) {
	case 0:
	case 1:
		insert(program, draw_op());
		break;
	case 2:
		insert(program, *op);
		break;
	case 3:
		if (program->count > 1)
			delete(program, draw(program->count));
		break;
	case 4:
		splice_programs(program, &corpus[draw(corpus_count)]);
		break;
	case 5:
		op->by = draw(BY_COUNT);
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
 * Text: "write:1,2,3,4 read:5,6,7,8@killed"
 */

static const char *const by_texts[BY_COUNT] = { "", "@child", "@killed", "@nobody" };

static void print_program(const struct program *program)
{
	const struct op *op;

	for (op = program->ops; op < program->ops + program->count; op++)
		printf("%s%s:%u,%u,%u,%u%s", op == program->ops ? "" : " ",
		       op_kinds[op->kind].name, op->arg[0], op->arg[1], op->arg[2], op->arg[3],
		       by_texts[op->by]);
}

static void parse_op(struct op *op, const char *text)
{
	const char *colon = strchr(text, ':'), *by = strchr(text, '@');

	if (!colon || sscanf(colon, ":%u,%u,%u,%u", &op->arg[0], &op->arg[1], &op->arg[2],
			     &op->arg[3]) != OP_ARGS)
		ksft_exit_fail_msg("no operation: %s\n", text);
	op->kind = kind_of(text, colon - text);
	op->by = BY_SELF;
	while (by && op->by < BY_COUNT && strcmp(by, by_texts[op->by]))
		op->by++;
	if (op->by == BY_COUNT)
		ksft_exit_fail_msg("nobody is called %s\n", by);
}

static void parse_program(struct program *program, char *text)
{
	char *word;

	program->count = 0;
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
	exact_run(program);
	return shared->failure.failed;
}

/* Leaves out whatever is not needed to fail. */
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

static void print_repeat(const struct program *program)
{
	printf("# repeat it by: calls --program '");
	print_program(program);
	printf("'\n");
}

static void report(struct program *program)
{
	const struct failure first = shared->failure;

	ksft_print_msg("operation %u: %s\n", first.at, first.text);
	shrink(program);
	trace = true;
	ksft_print_msg("the shortest program that fails:\n");
	if (!fails(program))
		ksft_print_msg("not every time\n");
	ksft_print_msg("%s\n", shared->failure.text);
	trace = false;
	/* What is told is what was found at first, even if a shorter one fails otherwise. */
	if (!shared->failure.failed)
		shared->failure = first;
	print_repeat(program);
}

/*
 * The fuzzer, in a process of its own: it may hang
 */

static bool is_over(const struct timespec *begin, unsigned int seconds, unsigned int programs)
{
	struct timespec now;

	if (programs)
		return shared->programs >= programs;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begin->tv_sec >= seconds;
}

static void keep(const struct program *program)
{
	/* The newest are the most promising, but the old ones had their time. */
	if (corpus_count < CORPUS_MAX)
		corpus[corpus_count++] = *program;
	else
		corpus[draw(CORPUS_MAX)] = *program;
	shared->kept++;
}

static void fuzz(unsigned int seconds, unsigned int programs)
{
	static struct program program;
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	guided = cover_set_up();
	if (!guided)
		ksft_print_msg("no KCOV here: not guided by what is reached in the driver\n");
	while (!is_over(&begin, seconds, programs)) {
		make_program(&program);
		cover_begin();
		exact_run(&program);
		shared->programs++;
		if (shared->failure.failed) {
			ksft_print_msg("program %u of this seed fails\n", shared->programs);
			report(&program);
			return;
		}
		if (cover_end())
			keep(&program);
		shared->places = cover_places();
	}
}

static void repeat(struct program *program)
{
	trace = true;
	if (fails(program))
		ksft_print_msg("operation %u: %s\n", shared->failure.at, shared->failure.text);
	shared->programs = 1;
}

/* Waits until the fuzzer ends, as long as it gets on. False if it did not end well. */
static bool await(pid_t fuzzer)
{
	__u64 calls = 0;
	int status, s;

	for (s = 0; s < PATIENCE_S * 10; s++) {
		if (waitpid(fuzzer, &status, WNOHANG) == fuzzer)
			return WIFEXITED(status) && !WEXITSTATUS(status);
		if (shared->calls != calls)
			s = 0;
		calls = shared->calls;
		usleep(100000);
	}
	kill(fuzzer, SIGKILL);
	return false;
}

static bool run_exact(unsigned int seconds, unsigned int programs, struct program *only)
{
	pid_t fuzzer;
	bool ended;

	fflush(stdout);
	fuzzer = fork();
	if (!fuzzer) {
		exact_set_up();
		if (only)
			repeat(only);
		else
			fuzz(seconds, programs);
		fflush(stdout);
		_exit(0);
	}
	ended = await(fuzzer);
	if (!ended) {
		ksft_print_msg("this program hangs or kills who runs it:\n");
		print_repeat(&shared->program);
	}
	return ended;
}

static const char *const about_texts[ABOUTS] = {
	[ABOUT_RESULT] = "every call returns what the contract says",
	[ABOUT_BYTES] = "every read gets the bytes it should, and no others",
	[ABOUT_STATE] = "poll, FIONREAD, INFO and TAKEN tell what is so",
	[ABOUT_VIEW] = "every mapping shows the latest line and nothing behind it",
	[ABOUT_SIGIO] = "SIGIO comes when it should, and only then",
};

static const char *const race_texts[RACE_WRONGS] = {
	[TORN] = "every line is whole and was written to that very channel",
	[BACKWARDS] = "no generation, count or writer goes back",
	[ERROR] = "every error is one of the contract",
	[STUCK] = "nobody sleeps in a channel that is gone, and who is killed ends",
};

static unsigned long number_of(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 0);

	if (!*text || *end)
		ksft_exit_fail_msg("no number: %s\n", text);
	return number;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "programs", required_argument, NULL, 'n' },
		{ "processes", required_argument, NULL, 'p' },
		{ "program", required_argument, NULL, 'o' },
		{},
	};
	unsigned int seconds = 10, programs = 0, processes = 4, i;
	__u64 seed = time(NULL);
	static struct program only;
	unsigned int wrong = 0;
	bool ended;
	int option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			seed = number_of(optarg);
			break;
		case 't':
			seconds = number_of(optarg);
			break;
		case 'n':
			programs = number_of(optarg);
			break;
		case 'p':
			processes = number_of(optarg);
			break;
		case 'o':
			parse_program(&only, optarg);
			processes = 0;
			break;
		default:
			ksft_exit_fail_msg("calls.c tells how to call it\n");
		}
	}
	control = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		ksft_exit_skip("no /dev/lastline-control here; load the module, become root\n");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ksft_set_plan(ABOUTS + 1 + (processes ? RACE_WRONGS : 0));
	ksft_print_msg("seed %llu\n", seed);
	random_state = seed;

	ended = run_exact(seconds, programs, only.count ? &only : NULL);
	for (i = 0; i < ABOUTS; i++)
		ksft_test_result(!shared->failure.failed || shared->failure.about != i, "%s\n",
				 about_texts[i]);
	ksft_test_result(ended, "every program ends\n");
	if (processes)
		wrong = race(seed, seconds, processes);
	for (i = 0; processes && i < RACE_WRONGS; i++)
		ksft_test_result(!(wrong & 1 << i), "%s\n", race_texts[i]);
	ksft_print_msg("amount: %u programs, %llu calls", shared->programs, shared->calls);
	if (shared->places)
		printf(", %u places reached in the driver", shared->places);
	printf("\n");
	ksft_finished();
}
