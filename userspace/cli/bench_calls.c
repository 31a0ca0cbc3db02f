// SPDX-License-Identifier: GPL-2.0-only
/* Duration of calls that do not sleep. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "cli.h"
#include "signals.h"

#if __GCC_ATOMIC_LLONG_LOCK_FREE != 2
/* Mapping is not supported. */
#define lastline_map_generation(map)	0
#endif

static int by_value(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

/**
 * percentile - get a percentile of values
 * @values: the values; sorted afterwards
 * @count:  number of values
 * @part:   0.5 for the median
 *
 * Return: the percentile, or 0 without values.
 */
double percentile(double *values, unsigned int count, double part)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof(*values), by_value);
	return values[(unsigned int)((count - 1) * part + 0.5)];
}

static int write_line(int fd, const struct subject *subject)
{
	return write(fd, subject->line, LINE_BYTES) == LINE_BYTES ? 0 : -errno;
}

static int read_line(int fd)
{
	char line[LINE_BYTES];

	return read(fd, line, sizeof(line)) > 0 ? 0 : -errno;
}

static int call_write(const struct subject *subject)
{
	return write_line(lastline_fd(subject->channel), subject);
}

static int call_write_read(const struct subject *subject)
{
	int ret = call_write(subject);

	return ret ? ret : read_line(lastline_fd(subject->channel));
}

static int call_write_take(const struct subject *subject)
{
	struct lastline_line line;
	int ret = call_write(subject);

	return ret ? ret : lastline_take(subject->channel, &line, 0);
}

static int call_peek(const struct subject *subject)
{
	struct lastline_line line;

	return lastline_peek(subject->channel, &line);
}

static int call_newer(const struct subject *subject)
{
	/* No generation is UINT64_MAX. */
	return lastline_map_generation(subject->map) == UINT64_MAX;
}

static int call_pipe(const struct subject *subject)
{
	int ret = write_line(subject->pipe[1], subject);

	return ret ? ret : read_line(subject->pipe[0]);
}

static const struct {
	int (*call)(const struct subject *subject);
	bool mapped;
} calls[CALLS] = {
	[CALL_WRITE]		= { call_write },
	[CALL_WRITE_READ]	= { call_write_read },
	[CALL_WRITE_TAKE]	= { call_write_take },
	[CALL_PEEK]		= { call_peek, true },
	[CALL_NEWER]		= { call_newer, true },
	[CALL_PIPE]		= { call_pipe },
};

/* Returns how long all calls took, or a negative errno. */
static int64_t time_calls(const struct subject *subject, int call, unsigned long times)
{
	uint64_t begin = now_ns(CLOCK_MONOTONIC);
	unsigned long i;
	int ret;

	for (i = 0; i < times; i++) {
		ret = calls[call].call(subject);
		if (ret)
			return ret;
	}
	return now_ns(CLOCK_MONOTONIC) - begin;
}

/*
 * Finds out how many calls take about @duration_ns. Two measurements in a row must reach
 * it, because another process may have delayed one. This also warms up the caches.
 */
static int calibrate(const struct subject *subject, int call, int64_t duration_ns,
		     unsigned long *times)
{
	int filled = 0;
	int64_t took;

	*times = 1;
	while (filled < 2) {
		took = time_calls(subject, call, *times);
		if (took < 0 || caught_signal)
			return took < 0 ? took : -EINTR;
		if (took >= duration_ns / 2) {
			filled++;
		} else {
			filled = 0;
			*times *= 2;
		}
	}
	return 0;
}

/* Measures all calls in turn, so that other load affects them equally. */
static int measure_round(const struct subject *subject, const unsigned long *times, double *ns)
{
	int64_t took;
	int i;

	for (i = 0; i < CALLS; i++) {
		if (!times[i])
			continue;
		took = time_calls(subject, i, times[i]);
		if (took < 0 || caught_signal)
			return took < 0 ? took : -EINTR;
		ns[i] = (double)took / times[i];
	}
	return 0;
}

/**
 * measure_calls - measure the duration of each call
 * @subject:     channel and pipe
 * @duration_ns: approximate time to spend
 * @figures:     results, CALLS of them
 *
 * Return: 0, -EINTR after a signal, or another negative errno.
 */
int measure_calls(const struct subject *subject, uint64_t duration_ns, struct figure *figures)
{
	int64_t share = duration_ns / (CALLS * (ROUNDS + 1));
	double rounds[ROUNDS][CALLS] = {}, ns[ROUNDS];
	unsigned long times[CALLS] = {};
	int ret = 0, i, round;

	for (i = 0; !ret && i < CALLS; i++) {
		if (subject->map || !calls[i].mapped)
			ret = calibrate(subject, i, share, &times[i]);
	}
	for (round = 0; !ret && round < ROUNDS; round++)
		ret = measure_round(subject, times, rounds[round]);
	for (i = 0; !ret && i < CALLS; i++) {
		for (round = 0; round < ROUNDS; round++)
			ns[round] = rounds[round][i];
		figures[i].ns = percentile(ns, ROUNDS, 0.5);
		figures[i].fastest = ns[0];
		figures[i].slowest = ns[ROUNDS - 1];
	}
	return ret;
}
