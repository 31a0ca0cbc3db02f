// SPDX-License-Identifier: LGPL-2.1-or-later
/* Functions for an open channel. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "deadline.h"
#include "internal.h"

#define PEEK_MAX_RETRIES	1000	/* while writers overwrite the line being copied */
#define PRINTF_STACK	512	/* lastline_printf() allocates memory for longer lines */

static int open_node(const char *which, int number, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/lastline%d", number);
	fd = open(strchr(which, '/') ? which : path,
		  (flags & (O_ACCMODE | O_NONBLOCK)) | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	/* The channel was removed, but its node still exists. */
	return errno == ENXIO ? -ENODEV : -errno;
}

int lastline_open(struct lastline **channel, const char *which, int flags)
{
	struct lastline_info info;
	struct lastline *new;
	int number, fd, ret;

	/* Checks a path, too, because opening another device may have side effects or block. */
	number = lastline_find(which);
	if (number < 0)
		return number;
	fd = open_node(which, number, flags);
	if (fd < 0)
		return fd;
	if (ioctl(fd, LASTLINE_IOC_INFO, &info)) {
		ret = -errno;
		goto close;
	}
	/* The node may have been replaced by another one since. */
	ret = -ENODEV;
	if (info.number != (unsigned int)number)
		goto close;
	ret = -ENOMEM;
	new = malloc(sizeof(*new));
	if (!new)
		goto close;
	*new = (struct lastline){
		.fd = fd,
		.number = number,
		.line_max = info.line_max,
		.mode = info.mode,
		.flags = flags & O_ACCMODE,
		.map_size = info.map_size,
	};
	*channel = new;
	return 0;

close:
	close(fd);
	return ret;
}

void lastline_close(struct lastline *channel)
{
	if (!channel)
		return;
	if (channel->map)
		munmap((void *)channel->map, channel->map_size);
	close(channel->fd);
	free(channel->buf);
	free(channel);
}

int lastline_fd(const struct lastline *channel)
{
	return channel->fd;
}

/*
 * Publishing
 */

static int publish_vector(struct lastline *channel, const struct iovec *vector, int count)
{
	return writev(channel->fd, vector, count) < 0 ? -errno : 0;
}

int lastline_publish(struct lastline *channel, const void *data, size_t size)
{
	const struct iovec vector[] = { { (void *)data, size }, { (void *)"\n", 1 } };
	const char *newline;

	if (channel->mode == LASTLINE_MODE_RECORD)
		return size ? publish_vector(channel, vector, 1) : -EINVAL;

	newline = size ? memchr(data, '\n', size) : NULL;
	if (!newline)
		return publish_vector(channel, vector, 2);
	if (newline + 1 != (const char *)data + size)
		return -EINVAL;
	return publish_vector(channel, vector, 1);
}

static int publish_longer(struct lastline *channel, const char *format, va_list args)
{
	char *text;
	int size, ret;

	size = vasprintf(&text, format, args);
	if (size < 0)
		return -ENOMEM;
	ret = lastline_publish(channel, text, size);
	free(text);
	return ret;
}

int lastline_vprintf(struct lastline *channel, const char *format, va_list args)
{
	char text[PRINTF_STACK];
	va_list again;
	int size, ret;

	va_copy(again, args);
	size = vsnprintf(text, sizeof(text), format, args);
	if (size < 0)
		ret = -errno;
	else if ((size_t)size < sizeof(text))
		ret = lastline_publish(channel, text, size);
	else
		ret = publish_longer(channel, format, again);
	va_end(again);
	return ret;
}

int lastline_printf(struct lastline *channel, const char *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = lastline_vprintf(channel, format, args);
	va_end(args);
	return ret;
}

int lastline_clear(struct lastline *channel)
{
	return ioctl(channel->fd, LASTLINE_IOC_CLEAR) ? -errno : 0;
}

/*
 * Reading
 */

/*
 * Allocates room for the longest line and a terminating 0. It is zeroed because valgrind
 * does not know that the ioctl writes to it.
 */
static int alloc_buf(struct lastline *channel)
{
	if (!channel->buf)
		channel->buf = calloc(1, channel->line_max + 1);
	return channel->buf ? 0 : -ENOMEM;
}

int lastline_take_until(struct lastline *channel, struct lastline_line *line,
			uint64_t deadline_ns)
{
	struct lastline_take take = { .deadline_ns = deadline_ns, .size = channel->line_max };
	int size;

	if (alloc_buf(channel))
		return -ENOMEM;
	take.buf = (uintptr_t)channel->buf;
	size = ioctl(channel->fd, LASTLINE_IOC_TAKE, &take);
	if (size < 0)
		return -errno;
	channel->buf[size] = '\0';
	*line = (struct lastline_line){
		.data = channel->buf,
		.size = size,
		.generation = take.taken.generation,
		.monotonic_ns = take.taken.monotonic_ns,
		.realtime_ns = take.taken.realtime_ns,
		.missed = take.taken.missed_last,
	};
	return 0;
}

int lastline_take(struct lastline *channel, struct lastline_line *line, uint64_t timeout_ns)
{
	return lastline_take_until(channel, line, deadline_in(timeout_ns));
}

int lastline_skip(struct lastline *channel)
{
	return lseek(channel->fd, 0, SEEK_END) ? -errno : 0;
}

int lastline_rewind(struct lastline *channel)
{
	return lseek(channel->fd, 0, SEEK_SET) ? -errno : 0;
}

int lastline_follow(struct lastline *channel,
		    int (*each)(const struct lastline_line *line, void *arg), void *arg)
{
	struct lastline_line line;
	int ret;

	do {
		ret = lastline_take(channel, &line, LASTLINE_FOREVER);
		if (!ret)
			ret = each(&line, arg);
	} while (!ret);
	return ret;
}

/*
 * Without reading
 */

int lastline_info(struct lastline *channel, struct lastline_info *info)
{
	return ioctl(channel->fd, LASTLINE_IOC_INFO, info) ? -errno : 0;
}

#if __GCC_ATOMIC_LLONG_LOCK_FREE == 2

int lastline_map(struct lastline *channel, const struct lastline_map **map)
{
	const struct lastline_map *new;

	if (!channel->map) {
		if (channel->flags == O_WRONLY)
			return -EBADF;
		new = mmap(NULL, channel->map_size, PROT_READ, MAP_SHARED, channel->fd, 0);
		if (new == MAP_FAILED)
			return -errno;
		if (new->version != LASTLINE_MAP_VERSION) {
			munmap((void *)new, channel->map_size);
			return -ENOSYS;
		}
		channel->map = new;
	}
	*map = channel->map;
	return 0;
}

/* Copies the newest line; its size is 0 if there is none. */
static int peek(struct lastline *channel, const struct lastline_map *map,
		struct lastline_line *line)
{
	struct lastline_view view;
	uint64_t monotonic_ns;

	if (!lastline_map_look(map, &view))
		return -EBUSY;
	monotonic_ns = __atomic_load_n(&view.slot->monotonic_ns, __ATOMIC_RELAXED);
	memcpy(channel->buf, view.data, view.length);
	if (!lastline_map_intact(&view))
		return -EBUSY;
	channel->buf[view.length] = '\0';
	*line = (struct lastline_line){
		.data = channel->buf,
		.size = view.length,
		.generation = view.generation,
		.monotonic_ns = monotonic_ns,
		.realtime_ns = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC) + monotonic_ns,
	};
	return 0;
}

int lastline_peek(struct lastline *channel, struct lastline_line *line)
{
	const struct lastline_map *map;
	struct lastline_line newest;
	int ret, i;

	ret = lastline_map(channel, &map);
	if (!ret)
		ret = alloc_buf(channel);
	if (ret)
		return ret;
	if (__atomic_load_n(&map->flags, __ATOMIC_RELAXED) & LASTLINE_MAP_REMOVED)
		return -ENODEV;
	for (i = 0; i < PEEK_MAX_RETRIES; i++) {
		ret = peek(channel, map, &newest);
		if (!ret)
			break;
	}
	if (!ret && !newest.size)
		ret = -EAGAIN;
	if (!ret)
		*line = newest;
	return ret;
}

#else

int lastline_map(struct lastline *channel, const struct lastline_map **map)
{
	return -ENOSYS;
}

int lastline_peek(struct lastline *channel, struct lastline_line *line)
{
	return -ENOSYS;
}

#endif
