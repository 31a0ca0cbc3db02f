/* SPDX-License-Identifier: GPL-2.0-only */
/* Measurements of lastline bench. */
#ifndef LASTLINE_BENCH_H
#define LASTLINE_BENCH_H

#include <stdint.h>

#include "lastline.h"

#define LINE_BYTES	64
#define ROUNDS		9	/* odd, for the median */

/**
 * struct subject - the channel and the pipe that are measured
 * @channel: channel, open for reading and writing
 * @map:     its mapped view, or NULL if not supported
 * @pipe:    read and write end of the pipe to compare with
 * @line:    the line to write
 */
struct subject {
	struct lastline *channel;
	const struct lastline_map *map;
	int pipe[2];
	char line[LINE_BYTES];
};

/**
 * struct figure - duration of a call
 * @ns:      median of all rounds; 0: not supported here
 * @fastest: shortest round
 * @slowest: longest round
 */
struct figure {
	double ns;
	double fastest;
	double slowest;
};

enum {
	CALL_WRITE,
	CALL_WRITE_READ,
	CALL_WRITE_TAKE,
	CALL_PEEK,
	CALL_NEWER,
	CALL_PIPE,
	CALLS,
};

/**
 * struct wakes - time from a write until a sleeping reader has the line
 * @samples: number of samples
 * @median:  median in nanoseconds
 * @p99:     99th percentile in nanoseconds
 */
struct wakes {
	unsigned int samples;
	double median;
	double p99;
};

enum {
	WAKE_CHANNEL,
	WAKE_PIPE,
	WAKES,
};

int measure_calls(const struct subject *subject, uint64_t duration_ns, struct figure *figures);
int measure_wakes(const struct subject *subject, uint64_t duration_ns, struct wakes *wakes);
double percentile(double *values, unsigned int count, double part);

#endif /* LASTLINE_BENCH_H */
