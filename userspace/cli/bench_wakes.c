// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long it takes from a write until a thread that sleeps for it has the line: through
 * a channel and through a pipe in turn, so that whatever else goes on disturbs both alike.
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
#include "ending.h"

#define SAMPLES_MAX	100000
#define WARM_UP		20		/* samples that do not count */
#define SAMPLES_MIN	100		/* that do, however long they take */
#define SETTLE_NS	300000		/* until the reader is asleep again, most of the time */

/**
 * struct sleeper - a thread that sleeps for lines, and what it finds
 * @subject:  what is measured
 * @take:     sleeps for a line and takes it
 * @put:      writes one
 * @begin_ns: when the present line was written, set by the writer before
 * @done:     it has that line
 * @leave:    it may end
 * @error:    why it did
 * @ns:       how long each line took; only of those that it slept for
 * @count:    how many
 * @thread:   itself
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

/* How often this thread went to sleep. */
static long sleeps(void)
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
		before = sleeps();
		sleeper->error = sleeper->take(sleeper->subject);
		now = now_ns(CLOCK_MONOTONIC);
		if (sleeps() != before && sleeper->count < SAMPLES_MAX)
			sleeper->ns[sleeper->count++] =
				now - __atomic_load_n(&sleeper->begin_ns, __ATOMIC_ACQUIRE);
		leave = sleeper->error || __atomic_load_n(&sleeper->leave, __ATOMIC_ACQUIRE);
		sem_post(&sleeper->done);
	} while (!leave);
	return NULL;
}

/* The signals are the writer's, who never sleeps in a call that is measured. */
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
	ending_signals(&blocked);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	if (pthread_create(&sleeper->thread, NULL, sleep_for_lines, sleeper)) {
		sem_destroy(&sleeper->done);
		free(sleeper);
		sleeper = NULL;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return sleeper;
}

/* Writes a line, and waits until the thread has it. */
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
 * Only a line ends its sleep. Where none can be written any more, the channel was
 * removed, and the thread knows.
 */
static void stop(struct sleeper *sleeper, struct wakes *wakes)
{
	__atomic_store_n(&sleeper->leave, true, __ATOMIC_RELEASE);
	sleeper->put(sleeper->subject);
	pthread_join(sleeper->thread, NULL);
	wakes->samples = sleeper->count;
	wakes->median = at_part(sleeper->ns, sleeper->count, 0.5);
	wakes->p99 = at_part(sleeper->ns, sleeper->count, 0.99);
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
			if (ending_signal)
				return -EINTR;
			ret = wake(sleepers[i]);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/**
 * measure_wakes - how long a reader that sleeps takes to have the line
 * @subject:     what is measured
 * @duration_ns: how long that may take, more or less
 * @wakes:       gets what it found, WAKES of them
 *
 * Return: 0, -EINTR if a signal wants an end, or another negative errno.
 */
int measure_wakes(const struct subject *subject, uint64_t duration_ns, struct wakes *wakes)
{
	struct sleeper *sleepers[WAKES];
	int ret = -ENOMEM, i;

	/* What is there now does not count. */
	lastline_skip(subject->channel);
	sleepers[WAKE_CHANNEL] = start(subject, take_channel, put_channel);
	sleepers[WAKE_PIPE] = start(subject, take_pipe, put_pipe);
	if (sleepers[WAKE_CHANNEL] && sleepers[WAKE_PIPE])
		ret = wake_in_turn(sleepers, later(now_ns(CLOCK_MONOTONIC), duration_ns));
	for (i = 0; i < WAKES; i++) {
		if (sleepers[i])
			stop(sleepers[i], &wakes[i]);
	}
	return ret;
}
