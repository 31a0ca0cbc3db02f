// SPDX-License-Identifier: GPL-2.0-only
/*
 * Round trip between two processes: each sleeps until the other publishes a line, and
 * answers. On a real machine each has its own CPU.
 *
 * On one CPU, the scheduler could run a woken process immediately, which would answer
 * before the other one sleeps and save a wake-up. Batch tasks do not preempt each other, so
 * each trip has two sleeps, two wake-ups and two context switches.
 */
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static void receive(struct pair *pair)
{
	CHECK(get(pair) == LINE_BYTES);
}

static void send_line(struct pair *pair)
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
		receive(&pair);
		send_line(&pair);
	}
}

static void round_trip(void *pair)
{
	send_line(pair);
	receive(pair);
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
	/* End of file: the child could not open this method. */
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
