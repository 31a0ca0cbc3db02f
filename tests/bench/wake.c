// SPDX-License-Identifier: GPL-2.0-only
/*
 * One line for many sleeping readers: the time until all have woken, read their line and
 * sleep again. If a method does not broadcast, each reader has its own channel.
 *
 * All threads run on one CPU. The readers have a higher priority than the writer, so they
 * run before its system call returns, and the time of its writes includes everything. If a
 * method DEFERS, the last reader posts a semaphore.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define READERS_MAX	1000
#define STACK_BYTES	65536
#define SETTLE_US	20000	/* until all readers sleep */

/* All readers. They run one at a time. */
static struct crowd {
	const struct method *method;
	unsigned int count;		/* wanted */
	unsigned int started;		/* threads */
	volatile unsigned int placed;	/* threads that have chosen a channel */
	volatile unsigned int lines;	/* received by all of them */
	volatile unsigned int absent;	/* failed to open their channel */
	volatile bool leave;		/* read once more and end */
	unsigned int channel_count;	/* one, or one each */
	struct channel channels[READERS_MAX];
	struct end writers[READERS_MAX];
	pthread_t threads[READERS_MAX];
	char line[LINE_BYTES];
	sem_t done;			/* posted by the last reader if the method DEFERS */
} crowd;

static void *sleep_and_read(void *argument)
{
	unsigned int number = crowd.placed++;
	char buf[LINE_BYTES];
	struct end end;

	if (!end_open(&end, &crowd.channels[min(number, crowd.channel_count - 1)], READER)) {
		crowd.absent++;
		return NULL;
	}
	while (!crowd.leave) {
		CHECK(crowd.method->read(&end, buf, sizeof(buf)) == LINE_BYTES);
		if (++crowd.lines == crowd.count && crowd.method->traits & DEFERS)
			sem_post(&crowd.done);
	}
	end_close(&end);
	return NULL;
}

static void write_all(void)
{
	for (unsigned int i = 0; i < crowd.channel_count; i++)
		crowd.method->write(&crowd.writers[i], crowd.line, LINE_BYTES);
}

static void wake_all(void *unused)
{
	crowd.lines = 0;
	write_all();
	if (crowd.method->traits & DEFERS)
		sem_wait(&crowd.done);
	CHECK(crowd.lines == crowd.count);
}

/* Returns false if this machine does not allow so many threads or this priority. */
static bool start_readers(void)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	while (crowd.started < crowd.count &&
	       !pthread_create(&crowd.threads[crowd.started], &attr, sleep_and_read, NULL))
		crowd.started++;
	pthread_attr_destroy(&attr);
	usleep(SETTLE_US);
	return crowd.started == crowd.count && !crowd.absent;
}

static void measure_crowd(void)
{
	if (start_readers())
		measure(&(struct figure){ "wake", crowd.method, "readers", crowd.count },
			wake_all, NULL, 0, 0);
	crowd.leave = true;
	write_all();
	while (crowd.started)
		pthread_join(crowd.threads[--crowd.started], NULL);
}

static void wake_readers(const struct method *method, unsigned int count)
{
	unsigned int made = 0, opened = 0;

	crowd = (struct crowd){
		.method = method,
		.count = count,
		.channel_count = method->traits & BROADCASTS ? 1 : count,
	};
	fill_line(crowd.line, LINE_BYTES, 0);
	sem_init(&crowd.done, 0, 0);
	while (made < crowd.channel_count && channel_create(&crowd.channels[made], method, made))
		made++;
	while (made == crowd.channel_count && opened < made &&
	       end_open(&crowd.writers[opened], &crowd.channels[opened], WRITER))
		opened++;
	if (opened == crowd.channel_count)
		measure_crowd();
	while (opened--)
		end_close(&crowd.writers[opened]);
	while (made--)
		channel_destroy(&crowd.channels[made]);
}

void measure_wake(const struct method *method)
{
	static const unsigned int counts[] = { 1, 10, 100, READERS_MAX };

	if (!(method->traits & SLEEPS))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		if (!method->crowd || counts[i] <= method->crowd)
			wake_readers(method, counts[i]);
	}
}
