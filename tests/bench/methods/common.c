// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared by the methods.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

void check_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "bench: %s:%d: check failed: %s (%m)\n", file, line, condition);
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
	if (channel->method->destroy) {
		channel->method->destroy(channel);
	} else if (channel->method->traits & UNNAMED) {
		close(channel->fds[READER]);
		if (channel->fds[WRITER] != channel->fds[READER])
			close(channel->fds[WRITER]);
	} else if (*channel->path) {
		unlink(channel->path);
	}
}

bool end_open(struct end *end, struct channel *channel, enum role role)
{
	memset(end, 0, sizeof(*end));
	end->channel = channel;
	end->role = role;
	end->fd = channel->method->traits & UNNAMED ? channel->fds[role] : -1;
	return !channel->method->open || channel->method->open(end);
}

void end_close(struct end *end)
{
	if (end->channel->method->close)
		end->channel->method->close(end);
	if (end->map)
		munmap(end->map, end->map_size);
	if (end->fd >= 0 && !(end->channel->method->traits & UNNAMED))
		close(end->fd);
}

/* Opens both ends: reads from @from, writes to @to. */
bool pair_join(struct pair *pair, struct channel *from, struct channel *to, size_t size)
{
	if (!end_open(&pair->reader, from, READER))
		return false;
	if (!end_open(&pair->writer, to, WRITER)) {
		end_close(&pair->reader);
		return false;
	}
	pair->size = size;
	pair->line = malloc(size);
	pair->buf = calloc(1, size);
	CHECK(pair->line && pair->buf);
	fill_line(pair->line, size, 0);
	return true;
}

/* Opens both ends of a new channel; false if the method does not support this size. */
bool pair_open(struct pair *pair, const struct method *method, size_t size)
{
	if ((method->max && size > method->max) || !channel_create(&pair->channel, method, 0))
		return false;
	if (pair_join(pair, &pair->channel, &pair->channel, size))
		return true;
	channel_destroy(&pair->channel);
	return false;
}

void pair_close(struct pair *pair)
{
	free(pair->line);
	free(pair->buf);
	end_close(&pair->writer);
	end_close(&pair->reader);
	if (pair->channel.method)
		channel_destroy(&pair->channel);
}

/* A line of @size bytes, with a number if it has room for one. */
void fill_line(char *line, size_t size, unsigned int number)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%010u ", number);

	memset(line, 'x', size - 1);
	if (size > sizeof(text))
		memcpy(line, text, len);
	line[size - 1] = '\n';
}

ssize_t fd_write(struct end *end, const void *line, size_t len)
{
	return write(end->fd, line, len);
}

ssize_t fd_read(struct end *end, void *buf, size_t size)
{
	return read(end->fd, buf, size);
}

void name_channel(struct channel *channel, const char *directory)
{
	snprintf(channel->path, sizeof(channel->path), "%s/bench-%s-%u", directory,
		 channel->method->name, channel->number);
	unlink(channel->path);
}
