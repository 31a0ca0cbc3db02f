// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adds and removes channels while other threads use them (stress_calls.h). Then unloads and
 * loads the module while threads use it.
 *
 *	add_remove_stress [SECONDS]	for each part, 3 by default
 *
 * Needs root and the module file (module.h). Uses the last STRESS_CHANNELS channel numbers.
 */
#include <pthread.h>

#include "module.h"
#include "stress_calls.h"

#define TIMEOUT_S	40	/* a thread that runs longer hangs */

static int ko;
static char parameters[MODULE_PARAMETERS_SIZE];
static atomic_uint running, loads;

static void open_and_use(int flags)
{
	struct session s;

	if (!session_open(&s, flags))
		return;
	make_calls(&s, random_below(8));
	session_close(&s);
}

/* Only a new line or the removal of the channel wakes a blocking read. */
static void use_channel(void)
{
	open_and_use(random_below(2) ? O_NONBLOCK : 0);
}

static void unload_and_load(void)
{
	current_call = "unload";
	if (unload()) {
		expect_error(errno == EAGAIN || errno == EBUSY);
	} else if (load(ko, parameters)) {
		report(WRONG_RESULT, "load: %s", strerror(errno));
		stress->stop = true;
	} else {
		loads++;
	}
	usleep(random_below(30000));
}

/* Sleeps at least half of the time, so that sometimes nothing is open. */
static void use_and_pause(void)
{
	__u64 start = now_ns(CLOCK_MONOTONIC);

	change_channel();
	change_channel();
	open_and_use(O_NONBLOCK);
	usleep((now_ns(CLOCK_MONOTONIC) - start) / 1000 + random_below(10000));
}

struct job {
	void (*work)(void);
	unsigned int threads;
};

static const struct job channel_jobs[] = { { change_channel, 2 }, { use_channel, 10 }, { } };
static const struct job module_jobs[] = { { unload_and_load, 1 }, { use_and_pause, 4 }, { } };

static void *run(void *work)
{
	stress_init_thread();
	while (!stress->stop)
		((void (*)(void))work)();
	running--;
	return NULL;
}

static void start_threads(const struct job *job)
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

static bool stop_threads(void)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + TIMEOUT_S * 1000000000ULL;

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

	stress_init(1);
	stress->unloading = unloading;
	start_threads(jobs);
	sleep(seconds);
	for (i = 0; unloading && !loads && i < TIMEOUT_S; i++)
		sleep(1);
	ended = stop_threads();
	ksft_test_result(ended, "%s: removal wakes all threads\n", name);
	if (!ended)
		ksft_exit_fail();
	ksft_test_result(!violations[WRONG_RESULT],
			 "%s: calls return only errors that the contract allows\n", name);
	ksft_test_result(!violations[TORN_LINE],
			 "%s: every line is whole and in the right channel\n", name);
	ksft_test_result(!violations[GOES_BACKWARDS],
			 "%s: generations, counts and sequence numbers never decrease\n", name);
	ksft_print_msg("amount: %lu added, %lu removed, %lu calls, %lu lines read, %u loads\n",
		       stress->added, stress->removed, stress->calls, stress->taken, loads);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 3;

	ksft_print_header();
	if (access("/dev/lastline-control", W_OK))
		ksft_exit_skip("no /dev/lastline-control: load the module and run as root\n");
	ko = open_module();
	if (ko < 0)
		ksft_exit_skip("no module file: set LASTLINE_KO to the path of lastline.ko\n");
	ksft_set_plan(9);
	save_module_parameters(parameters);
	test("add and remove", channel_jobs, false, seconds);
	test("load and unload", module_jobs, true, seconds);
	ksft_test_result(loads, "the module can be unloaded while threads use it\n");
	ksft_finished();
}
