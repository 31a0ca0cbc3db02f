// SPDX-License-Identifier: LGPL-2.1-or-later
/* Waiting for lines and readers. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "deadline.h"
#include "internal.h"

int lastline_wait_until(struct lastline *const *channels, size_t count, uint64_t deadline_ns)
{
	struct pollfd *fds;
	size_t i;
	int ret;

	if (!count || count > INT_MAX)
		return -EINVAL;
	fds = calloc(count, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = channels[i]->fd, .events = POLLIN };
	ret = poll_until(fds, count, deadline_ns);
	for (i = 0; !ret && i < count && !fds[i].revents; i++)
		;
	free(fds);
	return ret ? ret : (int)i;
}

int lastline_wait(struct lastline *const *channels, size_t count, uint64_t timeout_ns)
{
	return lastline_wait_until(channels, count, deadline_in(timeout_ns));
}

/* Does not count @channel itself. Reading the attribute arms poll() for the next change. */
static int count_other_readers(const struct lastline *channel, int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	return atoi(text) - (channel->flags != O_WRONLY);
}

int lastline_wait_reader_until(struct lastline *channel, uint64_t deadline_ns)
{
	struct pollfd fds[] = { { .events = POLLPRI }, { .fd = channel->fd } };
	char path[64];
	int ret;

	snprintf(path, sizeof(path), SYSFS "/lastline%d/readers", channel->number);
	fds[0].fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fds[0].fd < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	for (;;) {
		ret = count_other_readers(channel, fds[0].fd);
		if (ret)
			break;
		ret = poll_until(fds, 2, deadline_ns);
		/* The channel was removed; a new one may have its number now. */
		if (!ret && fds[1].revents)
			ret = -ENODEV;
		if (ret)
			break;
	}
	close(fds[0].fd);
	return ret;
}

int lastline_wait_reader(struct lastline *channel, uint64_t timeout_ns)
{
	return lastline_wait_reader_until(channel, deadline_in(timeout_ns));
}
