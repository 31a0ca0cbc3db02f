// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writers and readers on several CPUs at once. Readers take the newest line again
 * and again, whether it is new or not, so that none waits for the writer.
 *
 * A machine whose CPUs are virtual, or busy with something else, does not do n
 * times the work on n of them, whatever the work is. Each run therefore has a
 * control beside it: the same threads on the same CPUs, with calls that have nothing
 * in common. What the control does not reach is not the method's fault.
 */
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define LINE_SIZE	64
#define THREADS_MAX	5
#define RUN_US		100000
#define RUNS		21

/**
 * struct worker - a thread that writes or reads as fast as it can
 * @place:  its CPU
 * @end:    what it works on
 * @line:   what it writes, or has read
 * @begin:  where all wait for each other
 * @stop:   when to end
 * @calls:  done
 * @ns:     time for them
 * @thread: the thread
 */
struct worker {
	alignas(128) unsigned int place;	/* nothing in common with the next */
	struct end end;
	char line[LINE_SIZE];
	pthread_barrier_t *begin;
	const volatile bool *stop;
	unsigned long calls;
	uint64_t ns;
	pthread_t thread;
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	const struct method *method = worker->end.channel->method;
	unsigned long calls = 0;
	uint64_t start;

	pin(worker->place);
	pthread_barrier_wait(worker->begin);
	start = now();
	for (; !*worker->stop; calls++) {
		if (worker->end.role == WRITER)
			method->write(&worker->end, worker->line, LINE_SIZE);
		else
			method->peek(&worker->end, worker->line, LINE_SIZE);
	}
	worker->calls = calls;
	worker->ns = now() - start;
	return NULL;
}

struct rates {
	double writes;
	double reads;
};

static void run_workers(struct worker *workers, unsigned int count)
{
	pthread_barrier_t begin;
	volatile bool stop = false;

	pthread_barrier_init(&begin, NULL, count);
	for (unsigned int i = 0; i < count; i++) {
		fill_line(workers[i].line, LINE_SIZE, 0);
		workers[i].place = i;
		workers[i].begin = &begin;
		workers[i].stop = &stop;
		CHECK(!pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	usleep(RUN_US);
	stop = true;
	for (unsigned int i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&begin);
}

/* Writers have the first CPUs, readers the next ones. */
static bool run(const struct method *method, unsigned int writers, unsigned int readers,
		struct rates *rates)
{
	static struct worker workers[THREADS_MAX];
	unsigned int count = writers + readers, opened = 0;
	struct channel channel;

	if (!channel_create(&channel, method, 0))
		return false;
	while (opened < count &&
	       end_open(&workers[opened].end, &channel, opened < writers ? WRITER : READER))
		opened++;
	if (opened == count) {
		run_workers(workers, count);
		*rates = (struct rates){};
		for (unsigned int i = 0; i < count; i++)
			*(i < writers ? &rates->writes : &rates->reads) +=
				workers[i].calls * 1e9 / workers[i].ns;
	}
	for (unsigned int i = 0; i < opened; i++)
		end_close(&workers[i].end);
	channel_destroy(&channel);
	return opened == count;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/* Rates of several runs, each compared with the control next to it. */
struct series {
	double reads[RUNS];
	double writes[RUNS];
	double reads_to_control[RUNS];
	double writes_to_control[RUNS];
};

static bool take_series(const struct method *method, unsigned int writers,
			unsigned int readers, struct series *series)
{
	struct rates rates, control;

	for (unsigned int i = 0; i < RUNS; i++) {
		if (!run(&method_null_zero, writers, readers, &control) ||
		    !run(method, writers, readers, &rates))
			return false;
		series->reads[i] = rates.reads;
		series->writes[i] = rates.writes;
		series->reads_to_control[i] = readers ? rates.reads / control.reads : 0;
		series->writes_to_control[i] = writers ? rates.writes / control.writes : 0;
	}
	return true;
}

static void emit(const char *measure, const struct method *method, unsigned int cpus,
		 double *values)
{
	emit_value(&(struct figure){ measure, method, "cpus", cpus }, median(values, RUNS));
}

void measure_scale(const struct method *method)
{
	static const unsigned int counts[] = { 1, 2, 4 };
	struct series series;

	if (!method->peek)
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		unsigned int count = counts[i];

		if (1 + count > options.cpu_count || !take_series(method, 1, count, &series))
			break;
		emit("readers", method, count, series.reads);
		emit("readers:to-control", method, count, series.reads_to_control);
		emit("readers:writer", method, count, series.writes);
		emit("readers:writer-to-control", method, count, series.writes_to_control);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		unsigned int count = counts[i];

		if (!(method->traits & MULTIWRITES) || count > options.cpu_count ||
		    !take_series(method, count, 0, &series))
			break;
		emit("writers", method, count, series.writes);
		emit("writers:to-control", method, count, series.writes_to_control);
	}
}
