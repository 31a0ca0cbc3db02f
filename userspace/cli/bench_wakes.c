// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures the time from a write until a sleeping thread has the line. A channel and a
 * pipe are measured in turn, so that other load affects both equally.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "cli.h"
#include "signals.h"

#define SAMPLES_MAX	100000
#define WARM_UP		20		/* samples that are discarded */
#define SAMPLES_MIN	100		/* even if they take longer */
#define SETTLE_NS	300000		/* time for the reader to go to sleep */

/**
 * struct sleeper - a thread that sleeps for lines, and its samples
 * @subject:  channel and pipe
 * @take:     waits for a line and reads it
 * @put:      writes a line
 * @begin_ns: when the current line was written
 * @done:     posted by the thread when it has the line
 * @leave:    the thread ends after the next line
 * @error:    why the thread ended, or 0
 * @ns:       time until it had each line for which it had slept
 * @count:    number of samples in @ns
 * @thread:   the thread
 */
struct sleeper {
	const struct subject *subject;
	int (*take)(const struct subject *subject);
	int (*put)(const struct subject *subject);
	uint64_t begin_ns;
	sem_t done;
	bool leave;
	int error;
	double ns[SAMPLES_MAX];
	unsigned int count;
	pthread_t thread;
};

static int take_channel(const struct subject *subject)
{
	struct lastline_line line;

	return lastline_take(subject->channel, &line, LASTLINE_FOREVER);
}

static int put_channel(const struct subject *subject)
{
	int fd = lastline_fd(subject->channel);

	return write(fd, subject->line, LINE_BYTES) == LINE_BYTES ? 0 : -errno;
}

static int take_pipe(const struct subject *subject)
{
	char line[LINE_BYTES];

	return read(subject->pipe[0], line, sizeof(line)) > 0 ? 0 : -errno;
}

static int put_pipe(const struct subject *subject)
{
	return write(subject->pipe[1], subject->line, LINE_BYTES) == LINE_BYTES ? 0 : -errno;
}

/* Returns how many times this thread has slept. */
static long count_sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static void *sleep_for_lines(void *argument)
{
	struct sleeper *sleeper = argument;
	uint64_t now;
	long before;
	bool leave;

	do {
		before = count_sleeps();
		sleeper->error = sleeper->take(sleeper->subject);
		now = now_ns(CLOCK_MONOTONIC);
		if (count_sleeps() != before && sleeper->count < SAMPLES_MAX)
			sleeper->ns[sleeper->count++] =
				now - __atomic_load_n(&sleeper->begin_ns, __ATOMIC_ACQUIRE);
		leave = sleeper->error || __atomic_load_n(&sleeper->leave, __ATOMIC_ACQUIRE);
		sem_post(&sleeper->done);
	} while (!leave);
	return NULL;
}

/* Signals go to the main thread, which does not sleep in a measured call. */
static struct sleeper *start(const struct subject *subject,
			     int (*take)(const struct subject *subject),
			     int (*put)(const struct subject *subject))
{
	struct sleeper *sleeper = calloc(1, sizeof(*sleeper));
	sigset_t blocked, before;

	if (!sleeper)
		return NULL;
	sleeper->subject = subject;
	sleeper->take = take;
	sleeper->put = put;
	sem_init(&sleeper->done, 0, 0);
	termination_signals(&blocked);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	if (pthread_create(&sleeper->thread, NULL, sleep_for_lines, sleeper)) {
		sem_destroy(&sleeper->done);
		free(sleeper);
		sleeper = NULL;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return sleeper;
}

/* Writes a line and waits until the thread has it. */
static int wake(struct sleeper *sleeper)
{
	int ret;

	__atomic_store_n(&sleeper->begin_ns, now_ns(CLOCK_MONOTONIC), __ATOMIC_RELEASE);
	ret = sleeper->put(sleeper->subject);
	if (ret)
		return ret;
	while (sem_wait(&sleeper->done))
		;
	return sleeper->error;
}

/*
 * A line wakes the thread for the last time. If it cannot be written because the channel
 * was removed, the thread has been woken by the removal.
 */
static void stop(struct sleeper *sleeper, struct wakes *wakes)
{
	__atomic_store_n(&sleeper->leave, true, __ATOMIC_RELEASE);
	sleeper->put(sleeper->subject);
	pthread_join(sleeper->thread, NULL);
	wakes->samples = sleeper->count;
	wakes->median = percentile(sleeper->ns, sleeper->count, 0.5);
	wakes->p99 = percentile(sleeper->ns, sleeper->count, 0.99);
	sem_destroy(&sleeper->done);
	free(sleeper);
}

static int wake_in_turn(struct sleeper *const *sleepers, uint64_t deadline_ns)
{
	const struct timespec settle = { .tv_nsec = SETTLE_NS };
	const unsigned int enough = WARM_UP + SAMPLES_MIN;
	unsigned int times, i;
	int ret;

	for (times = 0; times < enough || now_ns(CLOCK_MONOTONIC) < deadline_ns; times++) {
		for (i = 0; i < WAKES; i++) {
			if (times == WARM_UP)
				sleepers[i]->count = 0;
			nanosleep(&settle, NULL);
			if (caught_signal)
				return -EINTR;
			ret = wake(sleepers[i]);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/**
 * measure_wakes - measure how long a sleeping reader takes to get a line
 * @subject:     channel and pipe
 * @duration_ns: approximate time to spend
 * @wakes:       results, WAKES of them
 *
 * Return: 0, -EINTR after a signal, or another negative errno.
 */
int measure_wakes(const struct subject *subject, uint64_t duration_ns, struct wakes *wakes)
{
	struct sleeper *sleepers[WAKES];
	int ret = -ENOMEM, i;

	/* The reader would not sleep if there were an unseen line. */
	lastline_skip(subject->channel);
	sleepers[WAKE_CHANNEL] = start(subject, take_channel, put_channel);
	sleepers[WAKE_PIPE] = start(subject, take_pipe, put_pipe);
	if (sleepers[WAKE_CHANNEL] && sleepers[WAKE_PIPE])
		ret = wake_in_turn(sleepers, add_ns(now_ns(CLOCK_MONOTONIC), duration_ns));
	for (i = 0; i < WAKES; i++) {
		if (sleepers[i])
			stop(sleepers[i], &wakes[i]);
	}
	return ret;
}
