/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LASTLINE_LATEST_H
#define LASTLINE_LATEST_H

#include <linux/atomic.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct latest_slot;

/**
 * struct latest - the slots of one channel and the generation of its latest line
 * @lock:       see below
 * @generation: of the latest line; 0 while nothing was published. Written under
 *              @lock, read without
 * @line_max:   longest line in bytes, its newline included; constant
 * @stride:     bytes from one slot to the next; constant
 * @area:       the slots; NULL until latest_attach(), constant from then on
 */
struct latest {
	/* Serialises writers. A reader takes it only when it was lapped too often. */
	spinlock_t lock;
	atomic64_t generation;
	u32 line_max;
	u32 stride;
	void *area;
};

/**
 * struct latest_line - a line as it lies in a slot
 * @generation: its generation
 * @time_ns:    when it was published
 * @data:       its bytes
 * @length:     how many, the newline included
 * @slot:       where it lies
 *
 * Good only for as long as latest_intact() says so: without @latest->lock the
 * slot may be overwritten at any moment.
 */
struct latest_line {
	u64 generation;
	u64 time_ns;
	const char *data;
	u32 length;
	const struct latest_slot *slot;
};

/**
 * latest_generation - the generation of the latest line
 * @latest: the slots
 *
 * Return: the generation, 0 if nothing was published. The line with this or a
 * newer generation is visible to a following latest_take().
 */
static inline u64 latest_generation(const struct latest *latest)
{
	/* (A) pairs with (C) of latest_publish(). */
	return atomic64_read_acquire(&latest->generation);
}

void latest_init(struct latest *latest, u32 line_max);
size_t latest_area_size(const struct latest *latest);
void latest_attach(struct latest *latest, void *area);

char *latest_begin(struct latest *latest);
u64 latest_publish(struct latest *latest, u32 offset, u32 length, u64 time_ns);

bool latest_take(const struct latest *latest, struct latest_line *line);
bool latest_intact(const struct latest_line *line);

#endif /* LASTLINE_LATEST_H */
