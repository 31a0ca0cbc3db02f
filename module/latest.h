/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LASTLINE_LATEST_H
#define LASTLINE_LATEST_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>

#include <uapi/linux/lastline.h>

/* How often a reader tries to copy a line that is being overwritten, unlocked. */
#define LATEST_LAPPED_MAX	3

/**
 * struct latest - what writers need to publish in one channel
 * @map:      the slots, and the generation of the latest line; NULL until
 *            latest_attach(), constant from then on
 * @line_max: longest line in bytes, its newline included; constant
 * @lock:     see below
 *
 * Readers go by the map alone, like those who have it mapped: what is here lies on
 * a cache line that each writer takes to itself.
 */
struct latest {
	struct lastline_map *map;
	u32 line_max;

	/*
	 * Serialises writers: protects all writing to @map. A reader takes it only
	 * when it was lapped too often.
	 */
	spinlock_t lock;
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
	const struct lastline_slot *slot;
};

/*
 * The generations in the map are written as atomics: a 32-bit machine could
 * otherwise read half of one.
 */
static inline atomic64_t *latest_atomic(const u64 *generation)
{
	return (atomic64_t *)generation;
}

/**
 * latest_generation - the generation of the latest line
 * @map: the slots
 *
 * Return: the generation, 0 if nothing was published. The line with this or a
 * newer generation is visible to a following latest_take().
 */
static inline u64 latest_generation(const struct lastline_map *map)
{
	/* (A) pairs with (C) of latest_publish(). */
	return atomic64_read_acquire(latest_atomic(&map->generation));
}

static inline struct lastline_slot *latest_slot(const struct lastline_map *map, u64 generation)
{
	return (void *)(map + 1) + (generation & (LASTLINE_MAP_SLOTS - 1)) * map->stride;
}

/**
 * latest_begin - open the next slot for a line
 * @latest: the slots
 *
 * The caller holds @latest->lock until it has filled the slot and called
 * latest_publish(), or has given up and called latest_abort().
 *
 * Return: the slot; there is room for line_max + 1 bytes in its data.
 */
static inline struct lastline_slot *latest_begin(struct latest *latest)
{
	u64 generation = atomic64_read(latest_atomic(&latest->map->generation)) + 1;
	struct lastline_slot *slot = latest_slot(latest->map, generation);

	atomic64_set(latest_atomic(&slot->generation), LASTLINE_MAP_FILLING);
	/* (B) pairs with (D) of latest_intact(). */
	smp_wmb();
	return slot;
}

/**
 * latest_publish - make the line in the open slot the latest one
 * @latest:  the slots
 * @slot:    what latest_begin() gave
 * @offset:  where the line begins in its data
 * @length:  bytes of the line, its newline included; nothing was written behind
 * @time_ns: now
 *
 * The caller still holds @latest->lock.
 *
 * Return: the generation of the line.
 */
static inline u64 latest_publish(struct latest *latest, struct lastline_slot *slot,
				 u32 offset, u32 length, u64 time_ns)
{
	u64 generation = atomic64_read(latest_atomic(&latest->map->generation)) + 1;
	u32 end = offset + length, old_end = slot->offset + slot->length;

	if (end < old_end)
		memset(slot->data + end, 0, old_end - end);
	WRITE_ONCE(slot->offset, offset);
	WRITE_ONCE(slot->length, length);
	WRITE_ONCE(slot->monotonic_ns, time_ns);
	atomic64_set(latest_atomic(&slot->generation), generation);
	/* (C) pairs with (A) of latest_generation(). */
	atomic64_set_release(latest_atomic(&latest->map->generation), generation);
	return generation;
}

/**
 * latest_intact - was the line still there until now?
 * @line: what latest_take() gave
 *
 * Return: true if everything read from @line so far belongs to it.
 */
static inline bool latest_intact(const struct latest_line *line)
{
	/* (D) pairs with (B) of latest_begin(). */
	smp_rmb();
	return (u64)atomic64_read(latest_atomic(&line->slot->generation)) == line->generation;
}

/**
 * latest_take - look at the latest line
 * @map: the slots
 *
 * With the lock of the slots held the line stays. Without, the caller asks
 * latest_intact() both before it believes in @data and @length, which might be of two
 * lines, and after it copied the bytes.
 *
 * Return: the line; its length is 0 if there is none.
 */
static inline struct latest_line latest_take(const struct lastline_map *map)
{
	/* (A) */
	u64 generation = latest_generation(map);
	const struct lastline_slot *slot = latest_slot(map, generation);

	return (struct latest_line) {
		.generation = generation,
		.time_ns = READ_ONCE(slot->monotonic_ns),
		.data = slot->data + READ_ONCE(slot->offset),
		.length = READ_ONCE(slot->length),
		.slot = slot,
	};
}

void latest_init(struct latest *latest, u32 line_max);
size_t latest_map_size(const struct latest *latest);
void latest_attach(struct latest *latest, void *map);
void latest_abort(struct lastline_slot *slot, u32 length);
void latest_clear(struct latest *latest);
struct latest_line latest_look(struct latest *latest);

#endif /* LASTLINE_LATEST_H */
