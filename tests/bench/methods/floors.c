// SPDX-License-Identifier: GPL-2.0-only
/*
 * What nothing can be cheaper than: a system call that does nothing, the least
 * that a write and a read can do, and the bench itself.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

static ssize_t nothing_write(struct end *end, const void *line, size_t len)
{
	return len;
}

static ssize_t nothing_read(struct end *end, void *buf, size_t size)
{
	return size;
}

const struct method method_nothing = {
	.name = "nothing",
	.traits = CONFLATES | NO_LINE,
	.write = nothing_write,
	.read = nothing_read,
};

static ssize_t getppid_write(struct end *end, const void *line, size_t len)
{
	syscall(SYS_getppid);
	return len;
}

static ssize_t getppid_read(struct end *end, void *buf, size_t size)
{
	syscall(SYS_getppid);
	return size;
}

const struct method method_getppid = {
	.name = "getppid",
	.traits = NO_LINE,
	.max = 64,	/* no other size would say more */
	.write = getppid_write,
	.read = getppid_read,
};

static bool null_zero_open(struct end *end)
{
	if (end->role == WRITER)
		end->fd = open("/dev/null", O_WRONLY);
	else
		end->fd = open("/dev/zero", O_RDONLY);
	return end->fd >= 0;
}

const struct method method_null_zero = {
	.name = "null-zero",
	.traits = CONFLATES | BROADCASTS | MULTIWRITES | NO_LINE,
	.open = null_zero_open,
	.close = fd_close,
	.write = fd_write,
	.read = fd_read,
	.peek = fd_read,
};
