// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pipe and its named cousin. None of the three keeps the newest line: they
 * queue all, and a full one blocks the writer or turns the newest line away.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define PIPE_BYTES	65536	/* what a pipe holds unless told otherwise */

static bool pipe_create(struct channel *channel)
{
	int fds[2];

	CHECK(!pipe(fds));
	channel->fds[READER] = fds[0];
	channel->fds[WRITER] = fds[1];
	return true;
}

const struct method method_pipe = {
	.name = "pipe",
	.traits = SLEEPS | POLLS | MULTIWRITES | UNNAMED,
	.max = PIPE_BYTES,
	.create = pipe_create,
	.destroy = close_fds,
	.open = take_fd,
	.write = fd_write,
	.read = fd_read,
};

static bool fifo_create(struct channel *channel)
{
	name_channel(channel, "/tmp");
	CHECK(!mkfifo(channel->path, 0600));
	return true;
}

static void fifo_destroy(struct channel *channel)
{
	unlink(channel->path);
}

/* The reader holds both sides, or it would see an end of file with each close. */
static bool fifo_reopen_open(struct end *end)
{
	if (end->role == READER)
		end->fd = open(end->channel->path, O_RDWR);
	return true;
}

static void fifo_reopen_close(struct end *end)
{
	if (end->role == READER)
		close(end->fd);
}

/* "echo line >fifo" */
static ssize_t fifo_reopen_write(struct end *end, const void *line, size_t len)
{
	int fd = open(end->channel->path, O_WRONLY);
	ssize_t ret = write(fd, line, len);

	close(fd);
	return ret;
}

const struct method method_fifo_reopen = {
	.name = "fifo-reopen",
	.traits = SLEEPS | POLLS | MULTIWRITES,
	.max = PIPE_BYTES,
	.create = fifo_create,
	.destroy = fifo_destroy,
	.open = fifo_reopen_open,
	.close = fifo_reopen_close,
	.write = fifo_reopen_write,
	.read = fd_read,
};

static bool fifo_drop_open(struct end *end)
{
	/* As above. A writer that opens for writing alone fails without a reader. */
	end->fd = open(end->channel->path, end->role == READER ? O_RDWR : O_RDWR | O_NONBLOCK);
	return end->fd >= 0;
}

static ssize_t fifo_drop_write(struct end *end, const void *line, size_t len)
{
	ssize_t ret = write(end->fd, line, len);

	if (ret < 0 && errno == EAGAIN)
		return 0;
	return ret;
}

const struct method method_fifo_drop = {
	.name = "fifo-drop",
	.traits = SLEEPS | CONFLATES | DROPS | POLLS | MULTIWRITES,
	.max = PIPE_BYTES,
	.create = fifo_create,
	.destroy = fifo_destroy,
	.open = fifo_drop_open,
	.close = fd_close,
	.write = fifo_drop_write,
	.read = fd_read,
};
