// SPDX-License-Identifier: GPL-2.0-only
/*
 * A writer and two readers of one channel's slots. Before each of their accesses to the
 * slots the input may switch to another one. The readers use both the module's own way
 * and that of the mapped view.
 *
 * The reference is a list of all lines, and what each slot holds byte by byte. Accesses
 * happen in program order here; for barriers see tests/models.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <ucontext.h>

#include <sanitizer/common_interface_defs.h>

#include <linux/compiler.h>
#include <linux/mm.h>

static void copy_slowly(void *to, const void *from, size_t len);

/* The mapped view is for programs, and does not call before_access(). */
#define __atomic_load_n(from, order)	(before_access(), __atomic_load_n(from, order))
#define __builtin_memcpy		copy_slowly

#include "fuzz.h"
#include "ring.h"

#define LINE_MAX_MOST	170	/* slots of several cache lines */
#define LINES_MOST	512
#define SLOTS		LASTLINE_MAP_SLOTS
#define DATA_MOST	(LINE_MAX_MOST + 1 + 64)

static struct input in;

/*
 * Fibres. They live from the first input to the last: main() runs each until it is idle.
 */

enum role {
	WRITER,
	READER,
	READER2,
	ROLES,
	MAIN = ROLES
};

static struct fibre {
	ucontext_t context;
	const void *bottom;	/* of the stack, for the sanitizer */
	size_t size;
	bool idle;
} fibres[ROLES + 1];

static struct fibre *running = &fibres[MAIN];
static struct fibre *lock_owner;
static u32 steps_left;	/* until the input is asked which fibre is next */

static void arrive(void *fake_stack)
{
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
	/* The first switch of all comes from main(). */
	if (!fibres[MAIN].bottom) {
		fibres[MAIN].bottom = bottom;
		fibres[MAIN].size = size;
	}
}

static void switch_to(struct fibre *next)
{
	struct fibre *before = running;
	void *fake_stack;

	running = next;
	__sanitizer_start_switch_fiber(&fake_stack, next->bottom, next->size);
	swapcontext(&before->context, &next->context);
	arrive(fake_stack);
}

void before_access(void)
{
	struct fibre *next;
	u32 turn;

	if (running == &fibres[MAIN] || (steps_left && steps_left--) || !in.left)
		return;
	turn = draw_byte(&in);
	steps_left = turn / ROLES;
	next = &fibres[turn % ROLES];
	if (next != running && !next->idle)
		switch_to(next);
}

static void copy_slowly(void *to, const void *from, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (i % 8 == 0)
			before_access();
		((char *)to)[i] = ((const char *)from)[i];
	}
}

static void lock(void)
{
	while (lock_owner)
		switch_to(lock_owner);
	lock_owner = running;
}

static void unlock(void)
{
	lock_owner = NULL;
}

/*
 * The reference
 */

struct line {
	u32 offset;
	u32 length;
	u64 time_ns;
	char data[DATA_MOST];	/* with what precedes it, and zeros behind */
};

static struct lastline_ring ring;

/**
 * struct reference - all that was ever in the channel
 * @base:      generation at the beginning
 * @lines:     by generation, from @base on; that one is empty
 * @slots:     what each slot holds; its generation is in @held
 * @held:      generation, or LASTLINE_MAP_FILLING
 * @opening:   generation for which a slot was opened, or will be at any moment
 * @opened:    generation for which a slot was opened
 * @announced: newest generation that may be seen
 * @newest:    newest generation that must be seen
 */
static struct reference {
	u64 base;
	struct line lines[LINES_MOST];
	struct line slots[SLOTS];
	u64 held[SLOTS];
	u64 opening;
	u64 opened;
	u64 announced;
	u64 newest;
} ref;

static const struct line *line_of(u64 generation)
{
	assert(generation >= ref.base && generation <= ref.announced);
	return &ref.lines[generation - ref.base];
}

/* As the ABI defines it. */
static struct lastline_slot *slot_of(u64 generation)
{
	return (void *)((char *)ring.map + sizeof(struct lastline_map) +
			generation % SLOTS * ring.map->stride);
}

static bool is_zero(const char *from, const char *to)
{
	static const char zeros[PAGE_SIZE];

	assert(from <= to && to - from <= (long)sizeof(zeros));
	return !memcmp(from, zeros, to - from);
}

/* Everything that a program can see in the mapping. */
static void check_map(void)
{
	const struct lastline_map *map = ring.map;
	const struct lastline_slot *slot;
	const struct line *line;
	u32 i;

	assert(map->generation == ref.newest);
	assert(map->version == LASTLINE_MAP_VERSION);
	assert(map->line_max == ring.line_max);
	assert(map->stride % 64 == 0);
	assert(map->stride > sizeof(*slot) + ring.line_max);
	assert(is_zero((const char *)map->reserved, (const char *)(map + 1)));
	for (i = 0; i < SLOTS; i++) {
		slot = slot_of(i);
		line = &ref.slots[i];
		assert(slot->generation == ref.held[i]);
		assert(slot->offset == line->offset);
		assert(slot->length == line->length);
		assert(slot->generation == LASTLINE_MAP_FILLING ||
		       slot->monotonic_ns == line->time_ns);
		assert(!memcmp(slot->data, line->data, map->stride - sizeof(*slot)));
	}
	assert(is_zero((const char *)slot_of(SLOTS - 1) + map->stride,
		       (const char *)map + lastline_ring_map_size(&ring)));
}

/*
 * The writer
 */

/* A line with others before it; no byte is what was there before. */
static struct line draw_line(u32 seed)
{
	u32 end = 1 + draw(&in, ring.line_max + 1), i;
	u32 from = end > ring.line_max;	/* the final byte is part of the line */
	struct line line = { .offset = from + draw(&in, end - from), .time_ns = seed };

	line.length = end - line.offset;
	for (i = 0; i < end; i++)
		line.data[i] = 1 + (seed * 37 + i) % 255;
	return line;
}

/* Not all was written, as if a page were missing. */
static void abort_line(struct lastline_slot *slot, const struct line *line)
{
	u32 end = line->offset + line->length, i = ref.opened % SLOTS;

	copy_slowly(slot->data, line->data, draw(&in, end + 1));
	lastline_ring_discard(slot, end);
	ref.slots[i] = (struct line){};
	ref.held[i] = LASTLINE_MAP_FILLING;
}

static void publish(struct lastline_slot *slot, const struct line *line)
{
	u64 generation = ref.opened;

	copy_slowly(slot->data, line->data, line->offset + line->length);
	ref.slots[generation % SLOTS] = *line;
	ref.held[generation % SLOTS] = generation;
	ref.lines[generation - ref.base] = *line;
	ref.announced = generation;
	assert(lastline_ring_commit(&ring, slot, line->offset, line->length, line->time_ns) ==
	       generation);
	ref.newest = generation;
}

static void write_line(void)
{
	u32 seed = in.left, how = draw_byte(&in);
	const struct line line = draw_line(seed);
	struct lastline_slot *slot;

	lock();
	ref.opening = ref.newest + 1;
	slot = lastline_ring_reserve(&ring);
	ref.opened = ref.opening;
	assert(slot == slot_of(ref.opened));
	if (how % 4)
		publish(slot, &line);
	else
		abort_line(slot, &line);
	check_map();
	unlock();
}

/*
 * The readers
 */

static struct reader {
	u64 seen;	/* newest generation */
	u64 from;	/* what it sees now has this generation or a newer one */
} readers[ROLES];

static void check_generation(struct reader *reader, u64 generation)
{
	assert(generation >= reader->from && generation <= ref.announced);
	reader->seen = generation;
}

static void check_bytes(u64 generation, const char *data, u32 length)
{
	const struct line *line = line_of(generation);

	assert(length == line->length);
	assert(!memcmp(data, line->data + line->offset, length));
}

static bool is_gone(u64 generation)
{
	return ref.opened >= generation + SLOTS;
}

/* @intact is the answer for a line whose slot had been opened again if @gone. */
static bool check_intact(u64 generation, bool gone, bool intact)
{
	assert(!gone || !intact);
	assert(intact || ref.opening >= generation + SLOTS);
	return intact;
}

static bool is_intact(const struct lastline_line *line)
{
	bool gone = is_gone(line->generation);

	return check_intact(line->generation, gone, lastline_ring_still_valid(line));
}

/* Behind a line, up to the next slot. */
static bool is_wiped_behind(const struct lastline_slot *slot, const char *end)
{
	return is_zero(end, (const char *)slot + ring.map->stride);
}

static void read_unlocked(struct reader *reader)
{
	const struct lastline_line line = lastline_ring_snapshot(ring.map);
	char copy[LINE_MAX_MOST];
	bool wiped;

	check_generation(reader, line.generation);
	if (!is_intact(&line))
		return;
	assert(line.length == line_of(line.generation)->length);
	copy_slowly(copy, line.data, line.length);
	wiped = is_wiped_behind(line.slot, line.data + line.length);
	if (!is_intact(&line))
		return;
	assert(wiped);
	assert(line.time_ns == line_of(line.generation)->time_ns);
	check_bytes(line.generation, copy, line.length);
}

static void read_locked(struct reader *reader)
{
	struct lastline_line line;

	lock();
	line = lastline_ring_snapshot(ring.map);
	check_generation(reader, line.generation);
	assert(line.generation == ref.newest);
	assert(is_intact(&line));
	assert(line.time_ns == line_of(line.generation)->time_ns);
	check_bytes(line.generation, line.data, line.length);
	unlock();
}

/* Reads a line where it is. */
static void look(struct reader *reader)
{
	struct lastline_view view;
	char copy[LINE_MAX_MOST];
	bool wiped, gone;

	if (!lastline_map_look(ring.map, &view)) {
		check_generation(reader, view.generation);
		check_intact(view.generation, false, false);
		return;
	}
	check_generation(reader, view.generation);
	assert(view.length == line_of(view.generation)->length);
	copy_slowly(copy, view.data, view.length);
	wiped = is_wiped_behind(view.slot, view.data + view.length);
	gone = is_gone(view.generation);
	if (!check_intact(view.generation, gone, lastline_map_intact(&view)))
		return;
	assert(wiped);
	check_bytes(view.generation, copy, view.length);
}

/* Was there a line since the read began that is longer than @size? */
static bool is_too_short(const struct reader *reader, u32 size)
{
	u64 generation;

	for (generation = reader->from; generation <= ref.announced; generation++) {
		if (line_of(generation)->length > size)
			return true;
	}
	return false;
}

static void read_map(struct reader *reader)
{
	u32 size = draw(&in, ring.line_max + 1);
	char *buf = malloc(size);
	__u64 generation = ~0ULL;
	int ret;

	ret = lastline_map_read(ring.map, buf, size, &generation);
	if (ret == -EAGAIN) {
		assert(ref.opening >= reader->from + SLOTS);
	} else if (ret == -EMSGSIZE) {
		assert(is_too_short(reader, size));
	} else {
		assert(ret >= 0);
		check_generation(reader, generation);
		check_bytes(generation, buf, ret);
	}
	free(buf);
}

static void read_somehow(struct reader *reader)
{
	u32 how = draw_byte(&in) % 8;

	reader->from = reader->seen > ref.newest ? reader->seen : ref.newest;
	if (how == 0)
		read_locked(reader);
	else if (how == 1)
		check_generation(reader, lastline_map_generation(ring.map));
	else if (how <= 3)
		read_map(reader);
	else if (how <= 5)
		look(reader);
	else
		read_unlocked(reader);
}

/*
 * All of them
 */

static void fibre_main(void)
{
	arrive(NULL);
	for (;;) {
		while (in.left) {
			before_access();
			if (running == &fibres[WRITER])
				write_line();
			else
				read_somehow(&readers[running - fibres]);
		}
		running->idle = true;
		switch_to(&fibres[MAIN]);
	}
}

static void make_fibres(void)
{
	static char stacks[ROLES][1 << 18];
	u32 i;

	for (i = 0; i < ROLES; i++) {
		fibres[i].bottom = stacks[i];
		fibres[i].size = sizeof(stacks[i]);
		getcontext(&fibres[i].context);
		fibres[i].context.uc_stack.ss_sp = stacks[i];
		fibres[i].context.uc_stack.ss_size = sizeof(stacks[i]);
		makecontext(&fibres[i].context, fibre_main, 0);
	}
}

/* Zeroes all but the list: a line is not looked at before it is written. */
static void reset_reference(u64 base)
{
	u32 i;

	memset(ref.slots, 0, sizeof(ref.slots));
	memset(ref.held, 0, sizeof(ref.held));
	ref.held[base % SLOTS] = base;
	ref.lines[0] = (struct line){};
	ref.base = base;
	ref.opening = base;
	ref.opened = base;
	ref.announced = base;
	ref.newest = base;
	for (i = 0; i < ROLES; i++)
		readers[i].seen = base;
}

/* Some channels begin just before generation 2^32. */
static void set_up(void)
{
	u64 base = draw_byte(&in);
	size_t size;

	ring = (struct lastline_ring){};
	lastline_ring_init(&ring, 1 + draw(&in, LINE_MAX_MOST));
	size = lastline_ring_map_size(&ring);
	lastline_ring_attach(&ring, memset(aligned_alloc(PAGE_SIZE, size), 0, size));
	base = base < 0x80 ? 0 : (1ULL << 32) - base % 8;
	ring.map->generation = base;
	slot_of(base)->generation = base;
	reset_reference(base);
}

int fuzz_input(const unsigned char *data, size_t size)
{
	u32 i;

	/* A line takes at least one byte of the input. */
	in = (struct input){ data, size < LINES_MOST ? size : LINES_MOST - 1 };
	if (!fibres[0].size)
		make_fibres();
	set_up();
	steps_left = 0;
	for (i = 0; i < ROLES; i++)
		fibres[i].idle = false;
	for (i = 0; i < ROLES; i++) {
		while (!fibres[i].idle)
			switch_to(&fibres[i]);
	}
	check_map();
	free(ring.map);
	return 0;
}
