// SPDX-License-Identifier: GPL-2.0-only
/*
 * The round trip of two processes: each sleeps until the other one's line is
 * there, and answers. Both run on one CPU where there is only one; on a real
 * machine each has its own.
 *
 * On one CPU the scheduler may let the one that is woken have the CPU at once. It
 * then answers before the other one sleeps, whom nobody has to wake any more: a
 * cheaper trip. How many are of that kind depends on what each has run for so far, so
 * that figure is of a fixed number of trips of a new pair. Batch tasks do not take the
 * CPU from each other: each of their trips has two sleeps, two wake-ups, two switches.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define LINE_SIZE	64
#define WARM_UP		32
#define NEW_TRIPS	512	/* of a new pair of processes */

/* One of the two processes: it hears one channel and speaks into the other. */
struct party {
	struct end reader;
	struct end writer;
	char line[LINE_SIZE];
	char buf[LINE_SIZE];
};

static bool party_open(struct party *party, struct channel *hears, struct channel *speaks)
{
	fill_line(party->line, LINE_SIZE, 0);
	return end_open(&party->reader, hears, READER) && end_open(&party->writer, speaks, WRITER);
}

static void hear(struct party *party)
{
	const struct method *method = party->reader.channel->method;

	CHECK(method->read(&party->reader, party->buf, LINE_SIZE) == LINE_SIZE);
}

static void speak(struct party *party)
{
	const struct method *method = party->writer.channel->method;

	CHECK(method->write(&party->writer, party->line, LINE_SIZE) == LINE_SIZE);
}

static void echo(struct channel *there, struct channel *back, int ready)
{
	struct party party;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(1);
	if (!party_open(&party, there, back))
		_exit(1);
	CHECK(write(ready, "", 1) == 1);
	for (;;) {
		hear(&party);
		speak(&party);
	}
}

static uint64_t round_trip(struct party *party)
{
	uint64_t start = now();

	speak(party);
	hear(party);
	return now() - start;
}

/* How many trips a figure is to have. */
static unsigned int trips_within_budget(struct party *party)
{
	uint64_t start = now();

	for (unsigned int i = 0; i < WARM_UP; i++)
		round_trip(party);
	return rounds_within_budget(now() - start, WARM_UP);
}

static void emit_trips(const char *measure, struct party *party, unsigned int trips)
{
	const struct method *method = party->reader.channel->method;
	struct sample sample;

	sample_alloc(&sample, trips);
	for (unsigned int i = 0; i < trips; i++)
		sample.ns[i] = round_trip(party);
	emit_sample(&(struct figure){ measure, method, "size", LINE_SIZE }, &sample, 0);
	sample_free(&sample);
}

static void set_policy(pid_t pid, int policy)
{
	CHECK(!sched_setscheduler(pid, policy, &(struct sched_param){}));
}

void measure_trip(const struct method *method)
{
	struct channel there, back;
	struct party party;
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
	/* An end of file: the other one does not have this method. */
	if (read(ready[0], &byte, 1) == 1) {
		CHECK(party_open(&party, &back, &there));
		trips_within_budget(&party);
		emit_trips("roundtrip:new", &party, NEW_TRIPS);
		set_policy(0, SCHED_BATCH);
		set_policy(child, SCHED_BATCH);
		emit_trips("roundtrip", &party, trips_within_budget(&party));
		set_policy(0, SCHED_OTHER);
		end_close(&party.reader);
		end_close(&party.writer);
	}
	close(ready[0]);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	channel_destroy(&back);
	channel_destroy(&there);
}
