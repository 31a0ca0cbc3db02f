// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writers and readers on several CPUs at once. Readers take the newest line again and
 * again, seen or not, so that none waits for the writer.
 *
 * A machine whose CPUs are virtual or busy does not do n times the work on n of them,
 * whatever the work is. Each run therefore has a control beside it: the same threads on
 * the same CPUs, with calls that share nothing.
 */
#include <pthread.h>
#include <stdalign.h>
#include <unistd.h>

#include "bench.h"

#define THREADS_MAX	5
#define RUN_US		100000
#define RUNS		21

/* Threads that write or read as fast as they can */
static struct worker {
	alignas(128) unsigned int place;	/* its CPU; shares no cache line with the next */
	struct end end;
	char line[LINE_BYTES];
	pthread_barrier_t *begin;		/* of all workers */
	const volatile bool *stop;
	double rate;				/* calls a second */
	pthread_t thread;
} workers[THREADS_MAX];

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
			method->write(&worker->end, worker->line, LINE_BYTES);
		else
			method->peek(&worker->end, worker->line, LINE_BYTES);
	}
	worker->rate = calls * 1e9 / (now() - start);
	return NULL;
}

static void run_workers(unsigned int count)
{
	pthread_barrier_t begin;
	volatile bool stop = false;

	pthread_barrier_init(&begin, NULL, count);
	for (unsigned int i = 0; i < count; i++) {
		struct worker *worker = &workers[i];

		fill_line(worker->line, LINE_BYTES, 0);
		worker->place = i;
		worker->begin = &begin;
		worker->stop = &stop;
		CHECK(!pthread_create(&worker->thread, NULL, work, worker));
	}
	usleep(RUN_US);
	stop = true;
	for (unsigned int i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&begin);
}

/* Calls a second of all writers and all readers. Writers have the first CPUs. */
static bool run(const struct method *method, unsigned int writers, unsigned int readers,
		double rates[2])
{
	unsigned int count = writers + readers, opened = 0;
	struct channel channel;

	if (!channel_create(&channel, method, 0))
		return false;
	while (opened < count &&
	       end_open(&workers[opened].end, &channel, opened < writers ? WRITER : READER))
		opened++;
	rates[WRITER] = 0;
	rates[READER] = 0;
	if (opened == count)
		run_workers(count);
	for (unsigned int i = 0; i < opened; i++) {
		rates[workers[i].end.role] += workers[i].rate;
		end_close(&workers[i].end);
	}
	channel_destroy(&channel);
	return opened == count;
}

/*
 * Emits medians of several runs, for each role whose measure has a name: the rates, and
 * their ratios to the control.
 */
static bool emit_runs(const struct method *method, unsigned int cpus, unsigned int writers,
		      unsigned int readers, const char *const names[2][2])
{
	double rates[2], control[2], values[2][2][RUNS];

	for (unsigned int i = 0; i < RUNS; i++) {
		if (!run(&method_null_zero, writers, readers, control) ||
		    !run(method, writers, readers, rates))
			return false;
		for (unsigned int role = WRITER; role <= READER; role++) {
			values[role][0][i] = rates[role];
			values[role][1][i] = rates[role] / control[role];
		}
	}
	for (int role = READER; role >= WRITER; role--) {
		for (unsigned int i = 0; names[role][0] && i < 2; i++)
			emit_value(&(struct figure){ names[role][i], method, "cpus", cpus },
				   median(values[role][i], RUNS));
	}
	return true;
}

void measure_scale(const struct method *method)
{
	static const char *const reader_names[2][2] = {
		[WRITER] = { "readers:writer", "readers:writer-to-control" },
		[READER] = { "readers", "readers:to-control" },
	};
	static const char *const writer_names[2][2] = {
		[WRITER] = { "writers", "writers:to-control" },
	};
	unsigned int cpus;

	if (!method->peek)
		return;
	for (cpus = 1; cpus <= 4 && 1 + cpus <= options.cpu_count; cpus *= 2) {
		if (!emit_runs(method, cpus, 1, cpus, reader_names))
			break;
	}
	for (cpus = 1; method->traits & MULTIWRITES && cpus <= 4 && cpus <= options.cpu_count;
	     cpus *= 2) {
		if (!emit_runs(method, cpus, cpus, 0, writer_names))
			break;
	}
}
