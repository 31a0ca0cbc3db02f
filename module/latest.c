// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: the latest line
 *
 * A channel keeps its latest line in a small ring of slots. The line of
 * generation g lies in slot g mod LASTLINE_MAP_SLOTS, so the slot that a writer
 * fills next is the one with the oldest line, and a reader has the time of
 * LASTLINE_MAP_SLOTS - 1 publications to copy what it found.
 *
 * Each slot says which generation it holds, or that it is being filled:
 *
 *	writer, under latest->lock		reader, without a lock
 *	--------------------------		----------------------
 *	latest_begin:				latest_take:
 *	  slot->generation = filling		  g = generation   (A, acquire)
 *	  (B) write barrier			  read offset, length, time
 *	the caller fills the slot		latest_intact: (D) read barrier
 *	latest_publish:				  slot->generation == g ?
 *	  write offset, length, time		the caller copies the bytes
 *	  slot->generation = g			latest_intact: (D) read barrier
 *	  generation = g   (C, release)		  slot->generation == g ?
 *
 * (A) and (C): a reader that sees g sees everything of slot g.
 * (B) and (D): a reader that copied a byte of a newer line also sees that the
 * slot no longer holds g. Without either it could take a torn line for whole.
 *
 * A slot whose filling was given up stays "filling" until the next writer fills
 * it; it was never the slot of the latest line. Before the first publication slot 0
 * is empty and holds generation 0, as everything else says: no special case.
 *
 * A line can be taken away: an empty one is published, and the other slots wiped.
 * The generation goes on, for one that came back would make an old line intact.
 *
 * Readers may have all of it mapped. So what stands behind a line is wiped when a
 * longer one was there, and what was copied for nothing is wiped at once.
 */
#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "compat.h"
#include "latest.h"

/**
 * latest_init - prepare a channel's slots; none is there yet
 * @latest:   the slots, zeroed
 * @line_max: longest line in bytes
 */
void latest_init(struct latest *latest, u32 line_max)
{
	BUILD_BUG_ON(sizeof(struct lastline_map) % 64 != 0);
	BUILD_BUG_ON(sizeof(atomic64_t) != sizeof_field(struct lastline_map, generation));

	spin_lock_init(&latest->lock);
	latest->line_max = line_max;
}

/*
 * Bytes from one slot to the next: a line, and one byte more to see whether what
 * stands before a longest line is a newline. No two slots share a cache line.
 */
static u32 stride(const struct latest *latest)
{
	return ALIGN(sizeof(struct lastline_slot) + latest->line_max + 1, 64);
}

/**
 * latest_map_size - memory that latest_attach() wants
 * @latest: the slots
 *
 * Return: bytes, whole pages.
 */
size_t latest_map_size(const struct latest *latest)
{
	return PAGE_ALIGN(sizeof(struct lastline_map) +
			  (size_t)stride(latest) * LASTLINE_MAP_SLOTS);
}

/**
 * latest_attach - give the slots their memory
 * @latest: the slots
 * @map:    latest_map_size() bytes, zeroed; stays the caller's to free
 */
void latest_attach(struct latest *latest, void *map)
{
	struct lastline_map *head = map;

	head->version = LASTLINE_MAP_VERSION;
	head->stride = stride(latest);
	head->line_max = latest->line_max;
	/* channel_generation() may look at any moment; it sees 0 in there. */
	smp_store_release(&latest->map, head);
}

static void wipe(struct lastline_slot *slot, u32 length)
{
	memset(slot->data, 0, max(slot->offset + slot->length, length));
	WRITE_ONCE(slot->offset, 0);
	WRITE_ONCE(slot->length, 0);
}

/**
 * latest_abort - give up the open slot
 * @slot:   what latest_begin() gave
 * @length: bytes that may have been written to its data
 *
 * The caller still holds the lock of the slots.
 */
void latest_abort(struct lastline_slot *slot, u32 length)
{
	if (length)
		wipe(slot, length);
}

static void clear_slot(struct lastline_slot *slot)
{
	atomic64_set(latest_atomic(&slot->generation), LASTLINE_MAP_FILLING);
	/* (B), as in latest_begin() */
	smp_wmb();
	wipe(slot, 0);
	WRITE_ONCE(slot->monotonic_ns, 0);
}

/**
 * latest_clear - take the latest line away, and wipe all that was kept of others
 * @latest: the slots
 *
 * The caller holds the lock of the slots.
 */
void latest_clear(struct latest *latest)
{
	u64 generation = latest_generation(latest->map);
	u32 i;

	/* Nothing was published yet, nor cleared since. */
	if (!latest_slot(latest->map, generation)->length)
		return;
	generation = latest_publish(latest, latest_begin(latest), 0, 0, 0);
	for (i = 1; i < LASTLINE_MAP_SLOTS; i++)
		clear_slot(latest_slot(latest->map, generation + i));
}

/**
 * latest_look - what the latest line is, but for its bytes
 * @latest: the slots
 *
 * Return: the line; it may have been overwritten since, so @data is not to be read.
 */
struct latest_line latest_look(struct latest *latest)
{
	struct latest_line line;
	int i;

	for (i = 0; i < LATEST_LAPPED_MAX; i++) {
		line = latest_take(latest->map);
		if (latest_intact(&line))
			return line;
	}
	spin_lock(&latest->lock);
	line = latest_take(latest->map);
	spin_unlock(&latest->lock);
	return line;
}
