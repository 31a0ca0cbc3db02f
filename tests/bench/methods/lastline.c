// SPDX-License-Identifier: GPL-2.0-only
/*
 * lastline with read() and write(), and with the mapped view, which reads without a system
 * call.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/lastline.h>

#include "bench.h"

static bool open_device(struct end *end)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/lastline%u", end->channel->number);
	end->fd = open(path, end->role == WRITER ? O_WRONLY : O_RDONLY);
	return end->fd >= 0;
}

static bool lastline_open(struct end *end)
{
	if (!open_device(end))
		return false;
	/* Skip the line of an earlier measure. */
	if (end->role == READER)
		lseek(end->fd, 0, SEEK_END);
	return true;
}

/* After SEEK_SET the next read returns the newest line, seen or not. */
static ssize_t lastline_peek(struct end *end, void *buf, size_t size)
{
	lseek(end->fd, 0, SEEK_SET);
	return read(end->fd, buf, size);
}

const struct method method_lastline = {
	.name = "lastline",
	.traits = SLEEPS | BROADCASTS | CONFLATES | POLLS,
	.open = lastline_open,
	.write = fd_write,
	.read = fd_read,
	.peek = lastline_peek,
};

static bool mapped_open(struct end *end)
{
	struct lastline_info info;

	if (!open_device(end))
		return false;
	if (end->role == WRITER)
		return true;
	CHECK(!ioctl(end->fd, LASTLINE_IOC_INFO, &info));
	end->map_size = info.map_size;
	end->map = mmap(NULL, end->map_size, PROT_READ, MAP_SHARED, end->fd, 0);
	if (end->map == MAP_FAILED) {
		close(end->fd);
		return false;
	}
	end->seen = lastline_map_generation(end->map);
	return true;
}

static __always_inline bool mapped_look(struct end *end)
{
	return lastline_map_generation(end->map) != end->seen;
}

static __always_inline ssize_t mapped_peek(struct end *end, void *buf, size_t size)
{
	__u64 generation = 0;	/* nothing published */
	int len;

	do {
		len = lastline_map_read(end->map, buf, size, &generation);
	} while (len == -EAGAIN);
	end->seen = generation;
	return len;
}

/*
 * Reading from the map does not mark the line as seen. SEEK_END does, so that poll() waits
 * for the next line. A line published in between is found in the map.
 */
static void mapped_await(struct end *end)
{
	struct pollfd pfd = { .fd = end->fd, .events = POLLIN };

	lseek(end->fd, 0, SEEK_END);
	if (!mapped_look(end))
		poll(&pfd, 1, -1);
}

static ssize_t mapped_read(struct end *end, void *buf, size_t size)
{
	while (!mapped_look(end))
		mapped_await(end);
	return mapped_peek(end, buf, size);
}

static void mapped_looks(struct end *end, unsigned int count)
{
	for (; count && !mapped_look(end); count--)
		hide(count);
}

static void mapped_peeks(struct end *end, void *buf, size_t size, unsigned int count)
{
	for (; count; count--) {
		mapped_peek(end, buf, size);
		hide(count);
	}
}

const struct method method_mapped = {
	.name = "mapped",
	.traits = SLEEPS | BROADCASTS | CONFLATES,
	.open = mapped_open,
	.write = fd_write,
	.read = mapped_read,
	.looks = mapped_looks,
	.peeks = mapped_peeks,
};
