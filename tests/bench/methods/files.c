// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file in memory as the place of the newest line.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

static bool file_create(struct channel *channel)
{
	int fd;

	name_channel(channel, "/dev/shm");
	fd = open(channel->path, O_CREAT | O_WRONLY, 0600);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void file_destroy(struct channel *channel)
{
	unlink(channel->path);
}

static bool tmpfs_open(struct end *end)
{
	end->fd = open(end->channel->path, end->role == WRITER ? O_WRONLY : O_RDONLY);
	return end->fd >= 0;
}

static ssize_t tmpfs_write(struct end *end, const void *line, size_t len)
{
	return pwrite(end->fd, line, len, 0);
}

static ssize_t tmpfs_read(struct end *end, void *buf, size_t size)
{
	return pread(end->fd, buf, size, 0);
}

/* Readers poll, and may get half of a line and half of another. */
const struct method method_tmpfs = {
	.name = "tmpfs",
	.traits = BROADCASTS | CONFLATES | MULTIWRITES,
	.create = file_create,
	.destroy = file_destroy,
	.open = tmpfs_open,
	.close = fd_close,
	.write = tmpfs_write,
	.read = tmpfs_read,
	.peek = tmpfs_read,
};

/* A directory of its own, so that no other change wakes the reader. */
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

static void rename_close(struct end *end)
{
	if (end->role == READER)
		close(end->fd);
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
	if (rename(temporary, path))
		return -1;
	return ret;
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

const struct method method_rename = {
	.name = "rename",
	.traits = SLEEPS | BROADCASTS | CONFLATES | POLLS,
	.create = rename_create,
	.destroy = rename_destroy,
	.open = rename_open,
	.close = rename_close,
	.write = rename_write,
	.read = rename_read,
};
