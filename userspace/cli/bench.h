/* SPDX-License-Identifier: GPL-2.0-only */
/* What lastline bench measures. */
#ifndef LASTLINE_BENCH_H
#define LASTLINE_BENCH_H

#include <stdint.h>

#include "lastline.h"

#define LINE_BYTES	64
#define ROUNDS		9	/* of which the median counts; odd */

/**
 * struct subject - what is measured
 * @channel: a channel of lastline, open for both
 * @map:     its mapped view, or NULL where there is none
 * @pipe:    the yardstick, its ends to read and to write
 * @line:    what is written
 */
struct subject {
	struct lastline *channel;
	const struct lastline_map *map;
	int pipe[2];
	char line[LINE_BYTES];
};

/**
 * struct figure - something that takes so long
 * @ns:      the median of all rounds; 0: there is no such thing here
 * @fastest: of a round
 * @slowest: of a round
 */
struct figure {
	double ns;
	double fastest;
	double slowest;
};

/* What it costs to do it once; all but the last are of lastline. */
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
 * struct wakes - how long it takes until a reader that sleeps has the line
 * @samples: times that it slept, of all
 * @median:  in nanoseconds, as the next one
 * @p99:     99 of 100 are not slower
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
double at_part(double *values, unsigned int count, double part);

#endif /* LASTLINE_BENCH_H */
