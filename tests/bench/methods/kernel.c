// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pipes, eventfd, message queues and files; and the table of all methods that need no
 * library.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define PIPE_BYTES	65536	/* capacity of a pipe */
#define MQ_BYTES	8192	/* longest message that the kernel allows by default */

/* A pipe or FIFO queues all lines; a full one blocks the writer. */
static bool pipe_create(struct channel *channel)
{
	int fds[2];

	CHECK(!pipe(fds));
	channel->fds[READER] = fds[0];
	channel->fds[WRITER] = fds[1];
	return true;
}

static bool fifo_create(struct channel *channel)
{
	name_channel(channel, "/tmp");
	CHECK(!mkfifo(channel->path, 0600));
	return true;
}

/* A reader with both sides open gets no end of file when a writer closes. */
static bool fifo_reopen_open(struct end *end)
{
	if (end->role == READER)
		end->fd = open(end->channel->path, O_RDWR);
	return end->role == WRITER || end->fd >= 0;
}

/* "echo line >fifo" */
static ssize_t fifo_reopen_write(struct end *end, const void *line, size_t len)
{
	int fd = open(end->channel->path, O_WRONLY);
	ssize_t ret = write(fd, line, len);

	close(fd);
	return ret;
}

/* An eventfd reports that something is new, but carries no line. */
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

static bool mq_create(struct channel *channel)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = MQ_BYTES };
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
}

/* Replaces the message in a full queue. */
static ssize_t mq_replace(struct end *end, const void *line, size_t len)
{
	while (mq_send(end->fd, line, len, 0)) {
		if (errno != EAGAIN)
			return -1;
		mq_receive(end->fd, end->handle, MQ_BYTES, NULL);
	}
	return len;
}

/* mq_receive() needs a buffer for the longest message. */
static ssize_t mq_get(struct end *end, void *buf, size_t size)
{
	ssize_t len = mq_receive(end->fd, end->handle, MQ_BYTES, NULL);

	if (len > 0)
		memcpy(buf, end->handle, min((size_t)len, size));
	return len;
}

/* Uses a separate directory, so that no other change wakes the reader. */
static bool rename_create(struct channel *channel)
{
	name_channel(channel, "/dev/shm");
	rmdir(channel->path);
	return !mkdir(channel->path, 0700);
}

static void rename_destroy(struct channel *channel)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/line", channel->path);
	unlink(path);
	rmdir(channel->path);
}

static bool rename_open(struct end *end)
{
	if (end->role == WRITER)
		return true;
	end->fd = inotify_init1(0);
	return end->fd >= 0 && inotify_add_watch(end->fd, end->channel->path, IN_MOVED_TO) >= 0;
}

static ssize_t rename_write(struct end *end, const void *line, size_t len)
{
	char path[96], temporary[96];
	ssize_t ret;
	int fd;

	snprintf(path, sizeof(path), "%s/line", end->channel->path);
	snprintf(temporary, sizeof(temporary), "%s/new", end->channel->path);
	fd = open(temporary, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	ret = write(fd, line, len);
	close(fd);
	return rename(temporary, path) ? -1 : ret;
}

static ssize_t rename_read(struct end *end, void *buf, size_t size)
{
	char events[sizeof(struct inotify_event) + NAME_MAX + 1], path[96];
	ssize_t ret;
	int fd;

	if (read(end->fd, events, sizeof(events)) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/line", end->channel->path);
	fd = open(path, O_RDONLY);
	ret = read(fd, buf, size);
	close(fd);
	return ret;
}

static bool null_zero_open(struct end *end)
{
	end->fd = end->role == WRITER ? open("/dev/null", O_WRONLY) : open("/dev/zero", O_RDONLY);
	return end->fd >= 0;
}

/* Methods with .max of LINE_BYTES cost the same for every size. */
const struct method *const methods[] = {
	&method_lastline,
	&method_mapped,
	&(const struct method){
		.name = "pipe", .traits = SLEEPS | POLLS | UNNAMED, .max = PIPE_BYTES,
		.create = pipe_create, .write = fd_write, .read = fd_read
	},
	&(const struct method){
		.name = "fifo-reopen", .traits = SLEEPS | POLLS, .max = PIPE_BYTES,
		.create = fifo_create, .open = fifo_reopen_open,
		.write = fifo_reopen_write, .read = fd_read
	},
	&(const struct method){
		.name = "eventfd", .max = LINE_BYTES,
		.traits = SLEEPS | CONFLATES | POLLS | UNNAMED | NO_LINE,
		.create = eventfd_create, .write = eventfd_put, .read = eventfd_get
	},
	&(const struct method){
		.name = "mq", .traits = SLEEPS | CONFLATES | POLLS, .max = MQ_BYTES,
		.create = mq_create, .destroy = mq_destroy, .open = mq_open_end,
		.close = mq_close_end, .write = mq_replace, .read = mq_get
	},
	&(const struct method){
		.name = "rename", .traits = SLEEPS | BROADCASTS | CONFLATES | POLLS,
		.create = rename_create, .destroy = rename_destroy, .open = rename_open,
		.write = rename_write, .read = rename_read
	},
	&method_seqlock,
	&(const struct method){
		.name = "null-zero", .traits = CONFLATES | BROADCASTS | NO_LINE,
		.open = null_zero_open, .write = fd_write, .read = fd_read, .peek = fd_read
	},
	NULL,
};
