// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the ring of slots
 *
 * A channel keeps its newest line in a ring of LASTLINE_MAP_SLOTS slots. The line of
 * generation g is in slot g mod LASTLINE_MAP_SLOTS. A writer fills the slot of the oldest
 * line, so a reader can copy a line safely while at most LASTLINE_MAP_SLOTS - 1 newer
 * lines are published.
 *
 * Each slot holds the generation of its line, or the mark "filling":
 *
 *	writer, under ring->lock		reader, without a lock
 *	------------------------		----------------------
 *	lastline_ring_reserve:			lastline_ring_snapshot:
 *	  slot->generation = filling		  g = map->generation   (A, acquire)
 *	  (B) write barrier			  read offset, length, time
 *	the caller fills the slot		still_valid: (D) read barrier
 *	lastline_ring_commit:			  slot->generation == g ?
 *	  write offset, length, time		the caller copies the bytes
 *	  slot->generation = g			still_valid: (D) read barrier
 *	  map->generation = g   (C, release)	  slot->generation == g ?
 *
 * (A) and (C): a reader that sees g sees everything in slot g.
 * (B) and (D): a reader that copied a byte of a newer line also sees that the slot no
 * longer holds g. Without either barrier it could return a torn line.
 * The store of slot->generation in lastline_ring_commit() needs no barrier of its own: a
 * reader gets g from map->generation, which (C) stores last.
 *
 * A discarded slot stays marked "filling" until the next writer fills it; it is never the
 * slot of the newest line. Before the first publication slot 0 is empty and holds
 * generation 0, so that state needs no special case.
 *
 * Clearing publishes an empty line and zeroes the other slots. The generation never goes
 * back: a repeated generation would make an overwritten line valid again.
 *
 * Mapped readers can see the whole buffer, so bytes left over from a longer line, or from
 * an aborted write, are zeroed.
 */
#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "compat.h"
#include "ring.h"

/**
 * lastline_ring_init - initialise a ring that has no slots yet
 * @ring:     the ring, zeroed
 * @line_max: longest line in bytes
 */
void lastline_ring_init(struct lastline_ring *ring, u32 line_max)
{
	BUILD_BUG_ON(sizeof(struct lastline_map) % 64 != 0);
	BUILD_BUG_ON(sizeof(atomic64_t) != sizeof_field(struct lastline_map, generation));

	spin_lock_init(&ring->lock);
	ring->line_max = line_max;
}

/*
 * Bytes from one slot to the next. Each holds a line and one byte more, which shows
 * whether a newline precedes a line of line_max bytes. Slots share no cache line.
 */
static u32 stride(const struct lastline_ring *ring)
{
	return ALIGN(sizeof(struct lastline_slot) + ring->line_max + 1, 64);
}

/**
 * lastline_ring_map_size - size of the memory for lastline_ring_attach()
 * @ring: the ring
 *
 * Return: bytes, whole pages.
 */
size_t lastline_ring_map_size(const struct lastline_ring *ring)
{
	return PAGE_ALIGN(sizeof(struct lastline_map) +
			  (size_t)stride(ring) * LASTLINE_MAP_SLOTS);
}

/**
 * lastline_ring_attach - give the ring its slots
 * @ring: the ring
 * @map:  lastline_ring_map_size() bytes, zeroed; the caller still owns them
 */
void lastline_ring_attach(struct lastline_ring *ring, void *map)
{
	struct lastline_map *head = map;

	head->version = LASTLINE_MAP_VERSION;
	head->stride = stride(ring);
	head->line_max = ring->line_max;
	/* Pairs with the acquires in lastline_channel_generation() and _time_ns(). */
	smp_store_release(&ring->map, head);
}

static void wipe(struct lastline_slot *slot, u32 length)
{
	memset(slot->data, 0, max(slot->offset + slot->length, length));
	WRITE_ONCE(slot->offset, 0);
	WRITE_ONCE(slot->length, 0);
}

/**
 * lastline_ring_discard - give a reserved slot back without publishing it
 * @slot:   the slot from lastline_ring_reserve()
 * @length: bytes of its data that may have been written
 *
 * The caller still holds the ring's lock.
 */
void lastline_ring_discard(struct lastline_slot *slot, u32 length)
{
	if (length)
		wipe(slot, length);
}

static void clear_slot(struct lastline_slot *slot)
{
	atomic64_set(lastline_ring_atomic(&slot->generation), LASTLINE_MAP_FILLING);
	/* (B), as in lastline_ring_reserve() */
	smp_wmb();
	wipe(slot, 0);
	WRITE_ONCE(slot->monotonic_ns, 0);
}

/**
 * lastline_ring_clear - remove the newest line and zero all slots
 * @ring: the ring
 *
 * The caller holds the ring's lock.
 */
void lastline_ring_clear(struct lastline_ring *ring)
{
	u64 generation = lastline_ring_generation(ring->map);
	u32 i;

	/* Nothing has been published, or nothing since the last clear. */
	if (!lastline_ring_slot(ring->map, generation)->length)
		return;
	generation = lastline_ring_commit(ring, lastline_ring_reserve(ring), 0, 0, 0);
	for (i = 1; i < LASTLINE_MAP_SLOTS; i++)
		clear_slot(lastline_ring_slot(ring->map, generation + i));
}

/**
 * lastline_ring_stat - get generation, time and length of the newest line
 * @ring: the ring
 *
 * Return: the line. It may have been overwritten since, so @data must not be read.
 */
struct lastline_line lastline_ring_stat(struct lastline_ring *ring)
{
	struct lastline_line line;
	int i;

	for (i = 0; i < LASTLINE_RING_MAX_RETRIES; i++) {
		line = lastline_ring_snapshot(ring->map);
		if (lastline_ring_still_valid(&line))
			return line;
	}
	spin_lock(&ring->lock);
	line = lastline_ring_snapshot(ring->map);
	spin_unlock(&ring->lock);
	return line;
}
