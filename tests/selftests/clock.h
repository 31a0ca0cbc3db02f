/* SPDX-License-Identifier: GPL-2.0-only */
/* Time in nanoseconds, as the ioctls use it. */
#ifndef LASTLINE_CLOCK_H
#define LASTLINE_CLOCK_H

#include <time.h>

#include <linux/types.h>

static inline __u64 now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

#endif /* LASTLINE_CLOCK_H */
