// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel has for messages: a counter, a mailbox, a datagram.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define MQ_BYTES	65536	/* at most, in one message */

static bool eventfd_create(struct channel *channel)
{
	channel->fds[WRITER] = eventfd(0, 0);
	channel->fds[READER] = channel->fds[WRITER];
	return channel->fds[READER] >= 0;
}

static ssize_t eventfd_put(struct end *end, const void *line, size_t len)
{
	uint64_t one = 1;

	write(end->fd, &one, sizeof(one));
	return len;
}

static ssize_t eventfd_get(struct end *end, void *buf, size_t size)
{
	uint64_t sum;

	read(end->fd, &sum, sizeof(sum));
	return size;
}

/* Eight bytes, which say that there is something new, and not what. */
const struct method method_eventfd = {
	.name = "eventfd",
	.traits = SLEEPS | CONFLATES | POLLS | MULTIWRITES | UNNAMED | NO_LINE,
	.max = 64,	/* in the tables it stands beside the short lines */
	.create = eventfd_create,
	.destroy = close_fds,
	.open = take_fd,
	.write = eventfd_put,
	.read = eventfd_get,
};

/* The longest message that this machine grants. */
static long mq_longest(void)
{
	FILE *limit = fopen("/proc/sys/fs/mqueue/msgsize_max", "r");
	long bytes = 0;

	if (!limit)
		return 0;
	if (fscanf(limit, "%ld", &bytes) != 1)
		bytes = 0;
	fclose(limit);
	return min(bytes, MQ_BYTES);
}

static bool mq_create(struct channel *channel)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = mq_longest() };
	mqd_t queue;

	snprintf(channel->path, sizeof(channel->path), "/bench-mq-%u", channel->number);
	mq_unlink(channel->path);
	queue = mq_open(channel->path, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	if (queue < 0)
		return false;
	mq_close(queue);
	return true;
}

static void mq_destroy(struct channel *channel)
{
	mq_unlink(channel->path);
}

static bool mq_open_end(struct end *end)
{
	end->fd = mq_open(end->channel->path, end->role == WRITER ? O_RDWR | O_NONBLOCK : O_RDWR);
	end->handle = malloc(MQ_BYTES);
	return end->fd >= 0 && end->handle;
}

static void mq_close_end(struct end *end)
{
	free(end->handle);
	mq_close(end->fd);
}

/* A full mailbox: take the old line out, put the new one in. */
static ssize_t mq_replace(struct end *end, const void *line, size_t len)
{
	while (mq_send(end->fd, line, len, 0)) {
		if (errno != EAGAIN)
			return -1;
		mq_receive(end->fd, end->handle, MQ_BYTES, NULL);
	}
	return len;
}

/* A receiver must have room for the longest. */
static ssize_t mq_get(struct end *end, void *buf, size_t size)
{
	ssize_t len = mq_receive(end->fd, end->handle, MQ_BYTES, NULL);

	if (len > 0)
		memcpy(buf, end->handle, min((size_t)len, size));
	return len;
}

const struct method method_mq = {
	.name = "mq",
	.traits = SLEEPS | CONFLATES | POLLS | MULTIWRITES,
	.max = MQ_BYTES,
	.create = mq_create,
	.destroy = mq_destroy,
	.open = mq_open_end,
	.close = mq_close_end,
	.write = mq_replace,
	.read = mq_get,
};

static bool unix_create(struct channel *channel)
{
	return !socketpair(AF_UNIX, SOCK_DGRAM, 0, channel->fds);
}

const struct method method_unix = {
	.name = "unix",
	.traits = SLEEPS | POLLS | MULTIWRITES | UNNAMED,
	.max = 65536,
	.create = unix_create,
	.destroy = close_fds,
	.open = take_fd,
	.write = fd_write,
	.read = fd_read,
};
