// SPDX-License-Identifier: GPL-2.0-only
/*
 * What methods have in common.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

void check_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "bench: %s:%d: not so: %s (%m)\n", file, line, condition);
	exit(1);
}

bool channel_create(struct channel *channel, const struct method *method, unsigned int number)
{
	memset(channel, 0, sizeof(*channel));
	channel->method = method;
	channel->number = number;
	return !method->create || method->create(channel);
}

void channel_destroy(struct channel *channel)
{
	if (channel->method->destroy)
		channel->method->destroy(channel);
}

bool end_open(struct end *end, struct channel *channel, enum role role)
{
	memset(end, 0, sizeof(*end));
	end->channel = channel;
	end->role = role;
	end->fd = -1;
	return !channel->method->open || channel->method->open(end);
}

void end_close(struct end *end)
{
	if (end->channel->method->close)
		end->channel->method->close(end);
}

bool method_takes(const struct method *method, size_t size)
{
	return !method->max || size <= method->max;
}

bool take_fd(struct end *end)
{
	end->fd = end->channel->fds[end->role];
	return true;
}

void close_fds(struct channel *channel)
{
	close(channel->fds[READER]);
	if (channel->fds[WRITER] != channel->fds[READER])
		close(channel->fds[WRITER]);
}

ssize_t fd_write(struct end *end, const void *line, size_t len)
{
	return write(end->fd, line, len);
}

ssize_t fd_read(struct end *end, void *buf, size_t size)
{
	return read(end->fd, buf, size);
}

void fd_close(struct end *end)
{
	close(end->fd);
}

bool name_channel(struct channel *channel, const char *directory)
{
	snprintf(channel->path, sizeof(channel->path), "%s/bench-%s-%u", directory,
		 channel->method->name, channel->number);
	unlink(channel->path);
	return true;
}
