// SPDX-License-Identifier: GPL-2.0-only
/*
 * Channels are added and removed while other threads use them, see stress_calls.h. Then the
 * module is unloaded and loaded again whenever nothing is open.
 *
 *	add_remove_stress [SECONDS]	of each of the two, 3 unless given
 *
 * Needs root, the last few channel numbers for itself, and the module file, see module.h.
 */
#include <pthread.h>

#include "module.h"
#include "stress_calls.h"

#define PATIENCE_S	40	/* after which a thread counts as stuck */

static int ko;
static char parameters[MODULE_PARAMETERS_SIZE];
static atomic_uint running, loads;

static void visit(int flags)
{
	struct session s;

	if (!session_open(&s, flags))
		return;
	use(&s, draw(8));
	session_close(&s);
}

/* Only a line or the removal of the channel ends a blocking read. */
static void visit_any(void)
{
	visit(draw(2) ? O_NONBLOCK : 0);
}

static void unload_and_load(void)
{
	doing = "unload";
	if (unload()) {
		expect_error(errno == EAGAIN || errno == EBUSY);
	} else if (load(ko, parameters)) {
		complain(WRONG_RESULT, "load: %s", strerror(errno));
		stress->stop = true;
	} else {
		loads++;
	}
	usleep(draw(30000));
}

/* Spends at least half of the time outside, so that nothing is open now and then. */
static void use_half_time(void)
{
	__u64 begin = now_ns(CLOCK_MONOTONIC);

	change_channel();
	change_channel();
	visit(O_NONBLOCK);
	usleep((now_ns(CLOCK_MONOTONIC) - begin) / 1000 + draw(10000));
}

struct job {
	void (*work)(void);
	unsigned int threads;
};

static const struct job channel_jobs[] = { { change_channel, 2 }, { visit_any, 10 }, { } };
static const struct job module_jobs[] = { { unload_and_load, 1 }, { use_half_time, 4 }, { } };

static void *run(void *work)
{
	stress_begin_thread();
	while (!stress->stop)
		((void (*)(void))work)();
	running--;
	return NULL;
}

static void start(const struct job *job)
{
	pthread_t thread;
	unsigned int i;

	for (; job->work; job++) {
		for (i = 0; i < job->threads; i++) {
			if (pthread_create(&thread, NULL, run, job->work))
				ksft_exit_fail_msg("cannot create a thread\n");
			pthread_detach(thread);
			running++;
		}
	}
}

static bool all_end(void)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + PATIENCE_S * 1000000000ULL;

	stress->stop = true;
	while (running && now_ns(CLOCK_MONOTONIC) < end) {
		remove_channels();
		usleep(1000);
	}
	return !running;
}

static void test(const char *name, const struct job *jobs, bool unloading, unsigned int seconds)
{
	unsigned int i;
	bool ended;

	stress_set_up(1);
	stress->unloading = unloading;
	start(jobs);
	sleep(seconds);
	for (i = 0; unloading && !loads && i < PATIENCE_S; i++)
		sleep(1);
	ended = all_end();
	ksft_test_result(ended, "%s: no thread sleeps in a removed channel\n", name);
	if (!ended)
		ksft_exit_fail();
	ksft_test_result(!violations[WRONG_RESULT],
			 "%s: every error is in the contract\n", name);
	ksft_test_result(!violations[TORN_LINE],
			 "%s: every line is whole and in its channel\n", name);
	ksft_test_result(!violations[GOES_BACKWARDS],
			 "%s: no generation, count or writer goes backwards\n", name);
	ksft_print_msg("amount: %lu added, %lu removed, %lu calls, %lu lines read, %u loads\n",
		       stress->added, stress->removed, stress->calls, stress->taken, loads);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 3;

	ksft_print_header();
	if (access("/dev/lastline-control", W_OK))
		ksft_exit_skip("no /dev/lastline-control: load the module, become root\n");
	ko = open_module();
	if (ko < 0)
		ksft_exit_skip("no module file: set LASTLINE_KO to the path of lastline.ko\n");
	ksft_set_plan(9);
	save_module_parameters(parameters);
	test("add and remove", channel_jobs, false, seconds);
	test("load and unload", module_jobs, true, seconds);
	ksft_test_result(loads, "the module unloads while threads use it\n");
	ksft_finished();
}
