// SPDX-License-Identifier: GPL-2.0-only
/*
 * One line for many readers that sleep: what it takes until all have been woken,
 * have their line and sleep again. Where one channel does not reach all readers,
 * each has its own.
 *
 * All run on one CPU. The readers have a higher priority than the writer, so they
 * all have their turn before its system call is back, and the time around its
 * writes is the time of everything. Where a line is only on its way by then, the
 * last reader says when it is done.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define LINE_SIZE	64
#define READERS_MAX	1000
#define STACK_BYTES	65536
#define WARM_UP		4
#define SETTLE_US	20000	/* until all sleep who were about to */

struct crowd;

/**
 * struct sleeper - a reader
 * @crowd:   it and its like
 * @channel: what it reads
 * @thread:  the thread that does
 */
struct sleeper {
	struct crowd *crowd;
	struct channel *channel;
	pthread_t thread;
};

/**
 * struct crowd - all readers
 * @method:   how they get their lines
 * @count:    how many they are
 * @started:  how many of them came to be
 * @lines:    lines that they got, all together. They run one at a time
 * @absent:   could not be opened
 * @leave:    read once more and end
 * @channels: one, or one each
 * @writers:  the ends to write to
 * @sleepers: the readers
 * @line:     what they get
 * @done:     the last one has it, if the method DEFERS
 */
struct crowd {
	const struct method *method;
	unsigned int count;
	unsigned int started;
	volatile unsigned int lines;
	volatile unsigned int absent;
	volatile bool leave;
	unsigned int channel_count;
	struct channel channels[READERS_MAX];
	struct end writers[READERS_MAX];
	struct sleeper sleepers[READERS_MAX];
	char line[LINE_SIZE];
	sem_t done;
};

static void *sleep_and_read(void *argument)
{
	struct sleeper *sleeper = argument;
	struct crowd *crowd = sleeper->crowd;
	char buf[LINE_SIZE];
	struct end end;

	if (!end_open(&end, sleeper->channel, READER)) {
		crowd->absent++;
		return NULL;
	}
	while (!crowd->leave) {
		CHECK(crowd->method->read(&end, buf, sizeof(buf)) == LINE_SIZE);
		if (++crowd->lines == crowd->count && crowd->method->traits & DEFERS)
			sem_post(&crowd->done);
	}
	end_close(&end);
	return NULL;
}

static void wake_all(struct crowd *crowd)
{
	for (unsigned int i = 0; i < crowd->channel_count; i++)
		crowd->method->write(&crowd->writers[i], crowd->line, LINE_SIZE);
}

static uint64_t timed_wake(struct crowd *crowd)
{
	uint64_t start = now(), ns;

	crowd->lines = 0;
	wake_all(crowd);
	if (crowd->method->traits & DEFERS)
		sem_wait(&crowd->done);
	ns = now() - start;
	CHECK(crowd->lines == crowd->count);
	return ns;
}

/* False if this machine cannot have so many, or none of that priority. */
static bool start_sleepers(struct crowd *crowd)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	for (unsigned int i = 0; i < crowd->count; i++) {
		struct sleeper *sleeper = &crowd->sleepers[i];

		sleeper->crowd = crowd;
		sleeper->channel = &crowd->channels[min(i, crowd->channel_count - 1)];
		if (pthread_create(&sleeper->thread, &attr, sleep_and_read, sleeper))
			break;
		crowd->started++;
	}
	pthread_attr_destroy(&attr);
	usleep(SETTLE_US);
	return crowd->started == crowd->count && !crowd->absent;
}

static void measure_crowd(struct crowd *crowd)
{
	struct sample sample;
	uint64_t start;

	if (start_sleepers(crowd)) {
		start = now();
		for (unsigned int i = 0; i < WARM_UP; i++)
			timed_wake(crowd);
		sample_alloc(&sample, rounds_within_budget(now() - start, WARM_UP));
		for (unsigned int i = 0; i < sample.count; i++)
			sample.ns[i] = timed_wake(crowd);
		emit_sample(&(struct figure){ "wake", crowd->method, "readers", crowd->count },
			    &sample, 0);
		sample_free(&sample);
	}
	crowd->leave = true;
	wake_all(crowd);
	for (unsigned int i = 0; i < crowd->started; i++)
		pthread_join(crowd->sleepers[i].thread, NULL);
}

static void wake_readers(const struct method *method, unsigned int count)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	unsigned int made = 0, opened = 0;

	CHECK(crowd);
	crowd->method = method;
	crowd->count = count;
	crowd->channel_count = method->traits & BROADCASTS ? 1 : count;
	fill_line(crowd->line, LINE_SIZE, 0);
	sem_init(&crowd->done, 0, 0);
	while (made < crowd->channel_count && channel_create(&crowd->channels[made], method, made))
		made++;
	if (made < crowd->channel_count)
		goto destroy;
	while (opened < made && end_open(&crowd->writers[opened], &crowd->channels[opened], WRITER))
		opened++;
	if (opened == made)
		measure_crowd(crowd);
	while (opened--)
		end_close(&crowd->writers[opened]);
destroy:
	while (made--)
		channel_destroy(&crowd->channels[made]);
	free(crowd);
}

void measure_wake(const struct method *method)
{
	static const unsigned int counts[] = { 1, 10, 100, READERS_MAX };

	if (!(method->traits & SLEEPS))
		return;
	pin(0);
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		if (!method->crowd || counts[i] <= method->crowd)
			wake_readers(method, counts[i]);
	}
}
