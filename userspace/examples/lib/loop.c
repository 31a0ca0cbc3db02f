// SPDX-License-Identifier: GPL-2.0-only
/*
 * Follows a channel and a clock that ticks every 200 ms in one event loop, until the line
 * "stop".
 *
 *	loop CHANNEL
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <lastline.h>

static int watch(int loop, int fd)
{
	/* Edge-triggered: each publication is an event, even if the last line was not taken. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fd };

	return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

static int run(int loop, int clock, struct lastline *channel)
{
	unsigned long long ticks = 0;
	struct epoll_event event;
	struct lastline_line line;
	uint64_t expired;

	while (epoll_wait(loop, &event, 1, -1) == 1) {
		if (event.data.fd == clock) {
			if (read(clock, &expired, sizeof(expired)) > 0)
				ticks += expired;
			continue;
		}
		if (lastline_take(channel, &line, 0))
			continue;
		printf("after %llu ticks: %s", ticks, line.data);
		fflush(stdout);
		if (!strcmp(line.data, "stop\n"))
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	const struct itimerspec period = { { 0, 200000000 }, { 0, 200000000 } };
	int loop = epoll_create1(EPOLL_CLOEXEC);
	int clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct lastline *channel;
	int ret;

	if (argc != 2)
		return 2;
	ret = lastline_open(&channel, argv[1], O_RDONLY);
	if (ret) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	if (watch(loop, lastline_fd(channel)) || watch(loop, clock) ||
	    timerfd_settime(clock, 0, &period, NULL)) {
		perror("loop");
		return 1;
	}
	ret = run(loop, clock, channel);
	lastline_close(channel);
	return ret;
}
