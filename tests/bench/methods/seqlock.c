// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared memory with a sequence lock, one writer, and a futex to sleep on. Any process that
 * maps it can corrupt it. A writer that is killed in a write leaves all readers spinning.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

struct shared {
	atomic_uint sequence;	/* odd while the line changes */
	atomic_uint sleepers;
	uint32_t len;
	char line[LINE_MAX_BYTES];
};

static bool seqlock_create(struct channel *channel)
{
	int fd;

	name_channel(channel, "/dev/shm");
	fd = open(channel->path, O_CREAT | O_RDWR, 0600);
	if (fd < 0)
		return false;
	CHECK(!ftruncate(fd, sizeof(struct shared)));
	close(fd);
	return true;
}

/* Readers need write access: they count themselves as sleepers. */
static bool seqlock_open(struct end *end)
{
	struct shared *shared;
	int fd = open(end->channel->path, O_RDWR);

	if (fd < 0)
		return false;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED)
		return false;
	end->map = shared;
	end->map_size = sizeof(*shared);
	end->seen = shared->sequence;
	return true;
}

static ssize_t seqlock_write(struct end *end, const void *line, size_t len)
{
	struct shared *shared = end->map;
	uint32_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed);

	atomic_store_explicit(&shared->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	shared->len = len;
	memcpy(shared->line, line, len);
	atomic_store_explicit(&shared->sequence, sequence + 2, memory_order_release);
	/* Sleepers count themselves before they read the sequence. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&shared->sleepers, memory_order_relaxed))
		syscall(SYS_futex, &shared->sequence, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	return len;
}

static void await_change(struct shared *shared, uint32_t seen)
{
	atomic_fetch_add(&shared->sleepers, 1);
	while (atomic_load(&shared->sequence) == seen)
		syscall(SYS_futex, &shared->sequence, FUTEX_WAIT, seen, NULL, NULL, 0);
	atomic_fetch_sub(&shared->sleepers, 1);
}

static __always_inline bool seqlock_look(struct end *end)
{
	const struct shared *shared = end->map;

	return atomic_load_explicit(&shared->sequence, memory_order_acquire) != end->seen;
}

static __always_inline ssize_t seqlock_peek(struct end *end, void *buf, size_t size)
{
	const struct shared *shared = end->map;
	uint32_t sequence, len;

	do {
		sequence = atomic_load_explicit(&shared->sequence, memory_order_acquire);
		len = min(shared->len, size);
		memcpy(buf, shared->line, len);
		atomic_thread_fence(memory_order_acquire);
	} while (sequence & 1 ||
		 sequence != atomic_load_explicit(&shared->sequence, memory_order_relaxed));
	end->seen = sequence;
	return len;
}

static ssize_t seqlock_read(struct end *end, void *buf, size_t size)
{
	if (!seqlock_look(end))
		await_change(end->map, end->seen);
	return seqlock_peek(end, buf, size);
}

static void seqlock_looks(struct end *end, unsigned int count)
{
	for (; count && !seqlock_look(end); count--)
		hide(count);
}

static void seqlock_peeks(struct end *end, void *buf, size_t size, unsigned int count)
{
	for (; count; count--) {
		seqlock_peek(end, buf, size);
		hide(count);
	}
}

const struct method method_seqlock = {
	.name = "seqlock",
	.traits = SLEEPS | BROADCASTS | CONFLATES,
	.max = LINE_MAX_BYTES,
	.create = seqlock_create,
	.open = seqlock_open,
	.write = seqlock_write,
	.read = seqlock_read,
	.looks = seqlock_looks,
	.peeks = seqlock_peeks,
};
