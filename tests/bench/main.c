// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the chosen measures on the chosen methods.
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"

#define NATIVE_BUDGET	200000000	/* ns for each figure on a real machine */
#define AWAKE_NS	500000000	/* until the CPU reaches its highest frequency */

static const struct measure {
	const char *name;
	void (*run)(const struct method *method);
} measures[] = {
	{ "cost", measure_cost },
	{ "peek", measure_peek },
	{ "bulk", measure_bulk },
	{ "open", measure_open },
	{ "poll", measure_poll },
	{ "trip", measure_trip },
	{ "wake", measure_wake },
};

struct options options = {
	.budget = 16000000,	/* enough where times are exact */
	.sizes = { 1, 64, 512, 4096 },
};

static const char usage_text[] =
	"usage: bench [OPTION]...\n"
	"  --measure NAME  run only this measure; repeatable\n"
	"  --method NAME   run only this method; repeatable\n"
	"  --size BYTES    line size; repeatable\n"
	"  --budget NS     time for each figure, in nanoseconds\n"
	"  --native        for a real machine: medians and pinned CPUs\n"
	"Prints one JSON object per line.\n";

/* Names from the command line; none means all */
struct choice {
	const char *names[16];
	unsigned int count;
};

static void choose(struct choice *choice, const char *name)
{
	CHECK(choice->count < ARRAY_SIZE(choice->names));
	choice->names[choice->count++] = name;
}

static bool chosen(const struct choice *choice, const char *name)
{
	for (unsigned int i = 0; i < choice->count; i++) {
		if (!strcmp(choice->names[i], name))
			return true;
	}
	return !choice->count;
}

/* The CPUs that this process may use before it is pinned to one */
static void find_cpus(void)
{
	cpu_set_t set;

	CHECK(!sched_getaffinity(0, sizeof(set), &set));
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set) && options.cpu_count < ARRAY_SIZE(options.cpus))
			options.cpus[options.cpu_count++] = cpu;
	}
}

void pin(unsigned int place)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(options.cpus[place % options.cpu_count], &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set));
}

static void measure_all(const struct choice *which, const struct choice *how)
{
	find_cpus();
	pin(0);
	for (uint64_t start = now(); options.native && now() - start < AWAKE_NS;)
		;
	for (unsigned int i = 0; i < ARRAY_SIZE(measures); i++) {
		for (unsigned int j = 0; chosen(which, measures[i].name) && methods[j]; j++) {
			pin(0);
			if (chosen(how, methods[j]->name))
				measures[i].run(methods[j]);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "measure", required_argument, NULL, 'm' },
		{ "method", required_argument, NULL, 'w' },
		{ "size", required_argument, NULL, 's' },
		{ "budget", required_argument, NULL, 'b' },
		{ "native", no_argument, NULL, 'n' },
		{}
	};
	struct choice which = {}, how = {};
	unsigned int sizes = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'm':
			choose(&which, optarg);
			break;
		case 'w':
			choose(&how, optarg);
			break;
		case 's':
			CHECK(sizes < ARRAY_SIZE(options.sizes) - 1);
			options.sizes[sizes++] = strtoul(optarg, NULL, 0);
			options.sizes[sizes] = 0;
			break;
		case 'b':
			options.budget = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			options.native = true;
			options.budget = NATIVE_BUDGET;
			break;
		default:
			fputs(usage_text, stderr);
			return 2;
		}
	}

	/* A thousand channels need more than the default limits. */
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 65536, 65536 });
	setrlimit(RLIMIT_MSGQUEUE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	measure_all(&which, &how);
	return 0;
}
