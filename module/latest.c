// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: the latest line
 *
 * A channel keeps its latest line in a small ring of slots. The line of
 * generation g lies in slot g mod LATEST_SLOTS, so the slot that a writer fills
 * next is the one with the oldest line, and a reader has LATEST_SLOTS - 1
 * publications of time to copy what it found.
 *
 * Each slot says which generation it holds, or 0 while it is being filled:
 *
 *	writer, under latest->lock		reader, without a lock
 *	--------------------------		----------------------
 *	latest_begin:				latest_generation:
 *	  slot->generation = 0			  g = generation    (A, acquire)
 *	  (B) write barrier			latest_take:
 *	the caller fills the slot		  read offset, length, time
 *	latest_publish:				latest_intact: (D) read barrier
 *	  write offset, length, time		  slot->generation == g ?
 *	  slot->generation = g			the caller copies the bytes
 *	  generation = g        (C, release)	latest_intact: (D) read barrier
 *						  slot->generation == g ?
 *
 * (A) and (C): a reader that sees g sees everything of slot g.
 * (B) and (D): a reader that copied a byte of a newer line also sees that the
 * slot no longer holds g. Without either it could take a torn line for whole.
 *
 * A slot whose filling was given up stays at 0 until the next writer fills it;
 * it was never the slot of the latest line.
 */
#include <linux/align.h>
#include <linux/compiler.h>

#include "latest.h"

#define LATEST_SLOTS	4	/* a power of two, so that the modulo is a mask */

/**
 * struct latest_slot - one place that can hold a line
 * @generation: of the line in it; 0 while there is none
 * @time_ns:    when the line was published
 * @offset:     of the line in @data
 * @length:     of the line, its newline included
 * @data:       line_max + 1 bytes: a line, and one byte more to see whether what
 *              stands before a longest line is a newline
 */
struct latest_slot {
	atomic64_t generation;
	u64 time_ns;
	u32 offset;
	u32 length;
	char data[];
};

static struct latest_slot *slot_of(const struct latest *latest, u64 generation)
{
	return latest->area + (generation & (LATEST_SLOTS - 1)) * latest->stride;
}

/**
 * latest_init - prepare a channel's slots; none is there yet
 * @latest:   the slots
 * @line_max: longest line in bytes
 */
void latest_init(struct latest *latest, u32 line_max)
{
	spin_lock_init(&latest->lock);
	atomic64_set(&latest->generation, 0);
	latest->line_max = line_max;
	latest->stride = ALIGN(sizeof(struct latest_slot) + line_max + 1,
			       __alignof__(struct latest_slot));
	latest->area = NULL;
}

/**
 * latest_area_size - memory that latest_attach() wants
 * @latest: the slots
 *
 * Return: bytes.
 */
size_t latest_area_size(const struct latest *latest)
{
	return (size_t)latest->stride * LATEST_SLOTS;
}

/**
 * latest_attach - give the slots their memory
 * @latest: the slots
 * @area:   latest_area_size() bytes, zeroed; stays the caller's to free
 *
 * Before the first latest_begin(), latest_take() needs none.
 */
void latest_attach(struct latest *latest, void *area)
{
	latest->area = area;
}

/**
 * latest_begin - open the next slot for a line
 * @latest: the slots
 *
 * The caller holds @latest->lock until it has filled the slot and called
 * latest_publish(), or has given up, for which nothing is to be done.
 *
 * Return: room for line_max + 1 bytes.
 */
char *latest_begin(struct latest *latest)
{
	struct latest_slot *slot;

	slot = slot_of(latest, atomic64_read(&latest->generation) + 1);
	atomic64_set(&slot->generation, 0);
	/* (B) pairs with (D) of latest_intact(). */
	smp_wmb();
	return slot->data;
}

/**
 * latest_publish - make the line in the open slot the latest one
 * @latest:  the slots
 * @offset:  where the line begins in the room that latest_begin() gave
 * @length:  bytes of the line, its newline included
 * @time_ns: now
 *
 * The caller still holds @latest->lock.
 *
 * Return: the generation of the line.
 */
u64 latest_publish(struct latest *latest, u32 offset, u32 length, u64 time_ns)
{
	u64 generation = atomic64_read(&latest->generation) + 1;
	struct latest_slot *slot = slot_of(latest, generation);

	WRITE_ONCE(slot->offset, offset);
	WRITE_ONCE(slot->length, length);
	WRITE_ONCE(slot->time_ns, time_ns);
	atomic64_set(&slot->generation, generation);
	/* (C) pairs with (A) of latest_generation(). */
	atomic64_set_release(&latest->generation, generation);
	return generation;
}

/**
 * latest_take - look at the latest line
 * @latest: the slots; something must have been published
 * @line:   the line, on success
 *
 * With @latest->lock held this cannot fail and the line stays. Without, the
 * caller copies it and then asks latest_intact() whether the copy is good.
 *
 * Return: false if the slot was overwritten meanwhile; try again.
 */
bool latest_take(const struct latest *latest, struct latest_line *line)
{
	const struct latest_slot *slot;

	line->generation = latest_generation(latest);
	slot = slot_of(latest, line->generation);
	line->slot = slot;
	line->data = slot->data + READ_ONCE(slot->offset);
	line->length = READ_ONCE(slot->length);
	line->time_ns = READ_ONCE(slot->time_ns);
	/* An offset and a length of two lines must never be used together. */
	return latest_intact(line);
}

/**
 * latest_intact - was the line still there until now?
 * @line: what latest_take() gave
 *
 * Return: true if everything read from @line so far belongs to it.
 */
bool latest_intact(const struct latest_line *line)
{
	/* (D) pairs with (B) of latest_begin(). */
	smp_rmb();
	return (u64)atomic64_read(&line->slot->generation) == line->generation;
}
