// SPDX-License-Identifier: GPL-2.0-only
/*
 * lastline by the mapped view: lines are written as ever, and read without a
 * system call.
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

static bool mapped_open(struct end *end)
{
	struct lastline_info info;
	char path[32];

	snprintf(path, sizeof(path), "/dev/lastline%u", end->channel->number);
	end->fd = open(path, end->role == WRITER ? O_WRONLY : O_RDONLY);
	if (end->fd < 0)
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

static void mapped_close(struct end *end)
{
	if (end->map)
		munmap(end->map, end->map_size);
	close(end->fd);
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
 * The open file knows nothing of what was read in the map, so it has to be told
 * before poll() can wait for more; what came in between shows in the map.
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
	.close = mapped_close,
	.write = fd_write,
	.read = mapped_read,
	.look = mapped_look,
	.peek = mapped_peek,
	.looks = mapped_looks,
	.peeks = mapped_peeks,
};
