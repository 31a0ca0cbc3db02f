/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times of CLOCK_MONOTONIC in nanoseconds, for the library and the commands. */
#ifndef LASTLINE_DEADLINE_H
#define LASTLINE_DEADLINE_H

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>

#include <linux/lastline.h>

#define NS_PER_S	UINT64_C(1000000000)

static inline uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Returns LASTLINE_FOREVER instead of overflowing. */
static inline uint64_t add_ns(uint64_t time, uint64_t ns)
{
	return ns < LASTLINE_FOREVER - time ? time + ns : LASTLINE_FOREVER;
}

/* 0 and LASTLINE_FOREVER have the same meaning for timeouts and deadlines. */
static inline uint64_t deadline_in(uint64_t timeout_ns)
{
	if (!timeout_ns || timeout_ns == LASTLINE_FOREVER)
		return timeout_ns;
	return add_ns(now_ns(CLOCK_MONOTONIC), timeout_ns);
}

/*
 * poll() with a deadline. Returns 0 if there is an event, -ETIMEDOUT, -EAGAIN for a
 * deadline of 0, or another negative errno.
 */
static inline int poll_until(struct pollfd *fds, nfds_t count, uint64_t deadline_ns)
{
	struct timespec left = {};
	uint64_t now;
	int ret;

	if (deadline_ns && deadline_ns != LASTLINE_FOREVER) {
		now = now_ns(CLOCK_MONOTONIC);
		if (now < deadline_ns) {
			left.tv_sec = (deadline_ns - now) / NS_PER_S;
			left.tv_nsec = (deadline_ns - now) % NS_PER_S;
		}
	}
	ret = ppoll(fds, count, deadline_ns == LASTLINE_FOREVER ? NULL : &left, NULL);
	if (ret > 0)
		return 0;
	if (ret < 0)
		return -errno;
	return deadline_ns ? -ETIMEDOUT : -EAGAIN;
}

#endif /* LASTLINE_DEADLINE_H */
