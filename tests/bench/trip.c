// SPDX-License-Identifier: GPL-2.0-only
/*
 * The round trip of two processes: each sleeps until the other one's line is there, and
 * answers. On a real machine each has a CPU of its own.
 *
 * On one CPU the scheduler may run a woken process at once. It then answers before the
 * other one sleeps, which saves a wake-up. Batch tasks do not preempt each other: each of
 * their trips has two sleeps, two wake-ups and two switches.
 */
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static void hear(struct pair *pair)
{
	CHECK(get(pair) == LINE_BYTES);
}

static void speak(struct pair *pair)
{
	CHECK(put(pair) == LINE_BYTES);
}

static void echo(struct channel *there, struct channel *back, int ready)
{
	struct pair pair = {};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(1);
	if (!pair_join(&pair, there, back, LINE_BYTES))
		_exit(1);
	CHECK(write(ready, "", 1) == 1);
	for (;;) {
		hear(&pair);
		speak(&pair);
	}
}

static void round_trip(void *pair)
{
	speak(pair);
	hear(pair);
}

static void set_policy(pid_t pid, int policy)
{
	CHECK(!sched_setscheduler(pid, policy, &(struct sched_param){}));
}

void measure_trip(const struct method *method)
{
	struct channel there, back;
	struct pair pair = {};
	int ready[2];
	pid_t child;
	char byte;

	if (!(method->traits & SLEEPS) || !channel_create(&there, method, 0))
		return;
	CHECK(channel_create(&back, method, 1));
	CHECK(!pipe(ready));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		close(ready[0]);
		echo(&there, &back, ready[1]);
	}
	close(ready[1]);
	/* An end of file means that the child does not have this method. */
	if (read(ready[0], &byte, 1) == 1) {
		CHECK(pair_join(&pair, &back, &there, LINE_BYTES));
		set_policy(0, SCHED_BATCH);
		set_policy(child, SCHED_BATCH);
		measure(&(struct figure){ "roundtrip", method, "size", LINE_BYTES }, round_trip,
			&pair, 0, 0);
		set_policy(0, SCHED_OTHER);
		pair_close(&pair);
	}
	close(ready[0]);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	channel_destroy(&back);
	channel_destroy(&there);
}
