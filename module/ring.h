/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LASTLINE_RING_H
#define LASTLINE_RING_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>

#include <uapi/linux/lastline.h>

/* Lockless attempts to copy a line before a reader takes the ring's lock. */
#define LASTLINE_RING_MAX_RETRIES	3

/**
 * struct lastline_ring - the slots of one channel
 * @map:      the slots and the generation of the newest line; NULL until
 *            lastline_ring_attach(), constant from then on
 * @line_max: longest line in bytes, including its newline; constant
 * @lock:     see below
 *
 * Readers, like processes that mapped the channel, need only the map. A read that finds a
 * line does not touch this structure, which is on a cache line that writers modify, unless
 * it takes @lock.
 */
struct lastline_ring {
	struct lastline_map *map;
	u32 line_max;
	/*
	 * Serialises writers: protects all writing to @map. A reader takes it only after
	 * LASTLINE_RING_MAX_RETRIES failed attempts without it.
	 */
	spinlock_t lock;
};

/**
 * struct lastline_line - a line that is still in its slot
 * @generation: its generation
 * @time_ns:    time of its publication, CLOCK_MONOTONIC
 * @data:       its bytes
 * @length:     number of bytes, including the newline
 * @slot:       the slot
 *
 * Without the ring's lock the slot may be overwritten at any time: what was read from it
 * is valid only if lastline_ring_still_valid() returns true afterwards.
 */
struct lastline_line {
	u64 generation;
	u64 time_ns;
	const char *data;
	u32 length;
	const struct lastline_slot *slot;
};

/*
 * The map is shared with userspace, so its generations are plain integers. They are
 * accessed as atomics because a 32-bit machine would otherwise access them in two halves.
 */
static inline atomic64_t *lastline_ring_atomic(const u64 *generation)
{
	return (atomic64_t *)generation;
}

/**
 * lastline_ring_generation - get the generation of the newest line
 * @map: the slots
 *
 * Return: the generation, 0 if nothing has been published. A lastline_ring_snapshot()
 * after this call returns the line of this generation or a newer one.
 */
static inline u64 lastline_ring_generation(const struct lastline_map *map)
{
	/* (A) pairs with (C) in lastline_ring_commit(). */
	return atomic64_read_acquire(lastline_ring_atomic(&map->generation));
}

static inline struct lastline_slot *lastline_ring_slot(const struct lastline_map *map,
						       u64 generation)
{
	return (void *)(map + 1) + (generation & (LASTLINE_MAP_SLOTS - 1)) * map->stride;
}

/**
 * lastline_ring_reserve - reserve the next slot for a line
 * @ring: the ring
 *
 * The caller holds @ring->lock until it has filled the slot and called
 * lastline_ring_commit(), or has called lastline_ring_discard().
 *
 * Return: the slot, with room for line_max + 1 bytes of data.
 */
static inline struct lastline_slot *lastline_ring_reserve(struct lastline_ring *ring)
{
	u64 generation = atomic64_read(lastline_ring_atomic(&ring->map->generation)) + 1;
	struct lastline_slot *slot = lastline_ring_slot(ring->map, generation);

	atomic64_set(lastline_ring_atomic(&slot->generation), LASTLINE_MAP_FILLING);
	/* (B) pairs with (D) in lastline_ring_still_valid(). */
	smp_wmb();
	return slot;
}

/**
 * lastline_ring_commit - make the line in the reserved slot the latest one
 * @ring:    the ring
 * @slot:    the slot from lastline_ring_reserve()
 * @offset:  offset of the line in the slot's data
 * @length:  length of the line in bytes, including its newline; nothing was written
 *           after it
 * @time_ns: current time, CLOCK_MONOTONIC
 *
 * The caller still holds @ring->lock.
 *
 * Return: the generation of the line.
 */
static inline u64 lastline_ring_commit(struct lastline_ring *ring, struct lastline_slot *slot,
				       u32 offset, u32 length, u64 time_ns)
{
	u64 generation = atomic64_read(lastline_ring_atomic(&ring->map->generation)) + 1;
	u32 end = offset + length, old_end = slot->offset + slot->length;

	if (end < old_end)
		memset(slot->data + end, 0, old_end - end);
	WRITE_ONCE(slot->offset, offset);
	WRITE_ONCE(slot->length, length);
	WRITE_ONCE(slot->monotonic_ns, time_ns);
	atomic64_set(lastline_ring_atomic(&slot->generation), generation);
	/* (C) pairs with (A) in lastline_ring_generation(). */
	atomic64_set_release(lastline_ring_atomic(&ring->map->generation), generation);
	return generation;
}

/**
 * lastline_ring_still_valid - check that a line has not been overwritten
 * @line: the line from lastline_ring_snapshot()
 *
 * Return: true if everything that was read of @line so far belongs to it.
 */
static inline bool lastline_ring_still_valid(const struct lastline_line *line)
{
	/* (D) pairs with (B) in lastline_ring_reserve(). */
	smp_rmb();
	return (u64)atomic64_read(lastline_ring_atomic(&line->slot->generation)) ==
	       line->generation;
}

/**
 * lastline_ring_snapshot - find the newest line
 * @map: the slots
 *
 * With the ring's lock held the line stays. Without it, the caller checks
 * lastline_ring_still_valid() twice: before it uses @data and @length, which may belong to
 * different lines, and after it has copied the bytes.
 *
 * Return: the line; its length is 0 if there is none.
 */
static inline struct lastline_line lastline_ring_snapshot(const struct lastline_map *map)
{
	/* (A) */
	u64 generation = lastline_ring_generation(map);
	const struct lastline_slot *slot = lastline_ring_slot(map, generation);

	return (struct lastline_line) {
		.generation = generation,
		.time_ns = READ_ONCE(slot->monotonic_ns),
		.data = slot->data + READ_ONCE(slot->offset),
		.length = READ_ONCE(slot->length),
		.slot = slot,
	};
}

void lastline_ring_init(struct lastline_ring *ring, u32 line_max);
size_t lastline_ring_map_size(const struct lastline_ring *ring);
void lastline_ring_attach(struct lastline_ring *ring, void *map);
void lastline_ring_discard(struct lastline_slot *slot, u32 length);
void lastline_ring_clear(struct lastline_ring *ring);
struct lastline_line lastline_ring_stat(struct lastline_ring *ring);

#endif /* LASTLINE_RING_H */
