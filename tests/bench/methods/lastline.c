// SPDX-License-Identifier: GPL-2.0-only
/*
 * lastline by read() and write().
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

static bool lastline_open(struct end *end)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/lastline%u", end->channel->number);
	end->fd = open(path, end->role == WRITER ? O_WRONLY : O_RDONLY);
	if (end->fd < 0)
		return false;
	/* What an earlier measure left there is not for this one. */
	if (end->role == READER)
		lseek(end->fd, 0, SEEK_END);
	return true;
}

/* "Once more": the next read begins with what is there. */
static ssize_t lastline_peek(struct end *end, void *buf, size_t size)
{
	lseek(end->fd, 0, SEEK_SET);
	return read(end->fd, buf, size);
}

const struct method method_lastline = {
	.name = "lastline",
	.traits = SLEEPS | BROADCASTS | CONFLATES | POLLS | MULTIWRITES,
	.open = lastline_open,
	.close = fd_close,
	.write = fd_write,
	.read = fd_read,
	.peek = lastline_peek,
};
