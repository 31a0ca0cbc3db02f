// SPDX-License-Identifier: GPL-2.0-only
/*
 * A writer and two readers of one ring. Before each access to the slots the input may switch
 * to another of the three. The readers use the driver's functions and those for mappings.
 *
 * The reference is a list of all lines, and the content of each slot. Accesses happen in
 * program order here; tests/models checks the barriers.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <ucontext.h>

#include <sanitizer/common_interface_defs.h>

#include <linux/compiler.h>
#include <linux/mm.h>

static void copy_in_steps(void *to, const void *from, size_t len);

/* The functions for mappings do not call before_access(). */
#define __atomic_load_n(from, order)	(before_access(), __atomic_load_n(from, order))
#define __builtin_memcpy		copy_in_steps

#include "fuzz.h"
#include "ring.h"

#define MAX_LINE_MAX	170	/* a slot has several cache lines */
#define MAX_LINES	512
#define SLOTS		LASTLINE_MAP_SLOTS
#define MAX_DATA	(MAX_LINE_MAX + 1 + 64)

static struct input in;

/*
 * Fibers. They are reused for each input: main() runs each until it is idle.
 */

enum role {
	WRITER,
	READER,
	READER2,
	ROLES,
	MAIN = ROLES
};

static struct fiber {
	ucontext_t context;
	const void *bottom;	/* of the stack, for the sanitizer */
	size_t size;
	bool idle;
} fibers[ROLES + 1];

static struct fiber *running = &fibers[MAIN];
static struct fiber *lock_owner;
static u32 steps_left;	/* before the input chooses the next fiber */

static void finish_switch(void *fake_stack)
{
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
	/* The first switch comes from main(). */
	if (!fibers[MAIN].bottom) {
		fibers[MAIN].bottom = bottom;
		fibers[MAIN].size = size;
	}
}

static void switch_to(struct fiber *next)
{
	struct fiber *before = running;
	void *fake_stack;

	running = next;
	__sanitizer_start_switch_fiber(&fake_stack, next->bottom, next->size);
	swapcontext(&before->context, &next->context);
	finish_switch(fake_stack);
}

void before_access(void)
{
	struct fiber *next;
	u32 choice;

	if (running == &fibers[MAIN] || (steps_left && steps_left--) || !in.left)
		return;
	choice = draw_byte(&in);
	steps_left = choice / ROLES;
	next = &fibers[choice % ROLES];
	if (next != running && !next->idle)
		switch_to(next);
}

static void copy_in_steps(void *to, const void *from, size_t len)
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
	char data[MAX_DATA];	/* of the slot: earlier bytes, the line, zeros */
};

static struct lastline_ring ring;

/**
 * struct reference - everything that was published, and the content of the slots
 * @base:      first generation
 * @lines:     lines by generation, from @base, whose line is empty
 * @slots:     content of each slot
 * @held:      generation in each slot, or LASTLINE_MAP_FILLING
 * @reserving: generation for which a slot is reserved now or has been reserved
 * @reserved:  generation for which a slot has been reserved
 * @visible:   newest generation that a reader may find
 * @newest:    newest generation; a reader must not find an older one
 */
static struct reference {
	u64 base;
	struct line lines[MAX_LINES];
	struct line slots[SLOTS];
	u64 held[SLOTS];
	u64 reserving;
	u64 reserved;
	u64 visible;
	u64 newest;
} ref;

static const struct line *line_of(u64 generation)
{
	assert(generation >= ref.base && generation <= ref.visible);
	return &ref.lines[generation - ref.base];
}

/* According to the ABI. */
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

/* Checks everything that is visible in a mapping. */
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

/* A line with bytes before it. Each byte differs from the one that the slot has there. */
static struct line draw_line(u32 seed)
{
	u32 end = 1 + draw(&in, ring.line_max + 1), i;
	u32 from = end > ring.line_max;	/* the line has at most line_max bytes */
	struct line line = { .offset = from + draw(&in, end - from), .time_ns = seed };

	line.length = end - line.offset;
	for (i = 0; i < end; i++)
		line.data[i] = 1 + (seed * 37 + i) % 255;
	return line;
}

/* Writes a part of the line only, as if a page were not present. */
static void discard_line(struct lastline_slot *slot, const struct line *line)
{
	u32 end = line->offset + line->length, i = ref.reserved % SLOTS;

	copy_in_steps(slot->data, line->data, draw(&in, end + 1));
	lastline_ring_discard(slot, end);
	ref.slots[i] = (struct line){};
	ref.held[i] = LASTLINE_MAP_FILLING;
}

static void publish(struct lastline_slot *slot, const struct line *line)
{
	u64 generation = ref.reserved;

	copy_in_steps(slot->data, line->data, line->offset + line->length);
	ref.slots[generation % SLOTS] = *line;
	ref.held[generation % SLOTS] = generation;
	ref.lines[generation - ref.base] = *line;
	ref.visible = generation;
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
	ref.reserving = ref.newest + 1;
	slot = lastline_ring_reserve(&ring);
	ref.reserved = ref.reserving;
	assert(slot == slot_of(ref.reserved));
	if (how % 4)
		publish(slot, &line);
	else
		discard_line(slot, &line);
	check_map();
	unlock();
}

/*
 * The readers
 */

static struct reader {
	u64 seen;	/* newest generation found so far */
	u64 oldest;	/* the read must find this generation or a newer one */
} readers[ROLES];

static void check_generation(struct reader *reader, u64 generation)
{
	assert(generation >= reader->oldest && generation <= ref.visible);
	reader->seen = generation;
}

static void check_bytes(u64 generation, const char *data, u32 length)
{
	const struct line *line = line_of(generation);

	assert(length == line->length);
	assert(!memcmp(data, line->data + line->offset, length));
}

static bool is_reused(u64 generation)
{
	return ref.reserved >= generation + SLOTS;
}

/* Checks the result @valid for a line; @reused: its slot had been reserved again before. */
static bool check_valid(u64 generation, bool reused, bool valid)
{
	assert(!reused || !valid);
	assert(valid || ref.reserving >= generation + SLOTS);
	return valid;
}

static bool is_valid(const struct lastline_line *line)
{
	bool reused = is_reused(line->generation);

	return check_valid(line->generation, reused, lastline_ring_still_valid(line));
}

/* Are all bytes after a line zero, up to the next slot? */
static bool is_zero_after(const struct lastline_slot *slot, const char *end)
{
	return is_zero(end, (const char *)slot + ring.map->stride);
}

static void read_unlocked(struct reader *reader)
{
	const struct lastline_line line = lastline_ring_snapshot(ring.map);
	char copy[MAX_LINE_MAX];
	bool zeroed;

	check_generation(reader, line.generation);
	if (!is_valid(&line))
		return;
	assert(line.length == line_of(line.generation)->length);
	copy_in_steps(copy, line.data, line.length);
	zeroed = is_zero_after(line.slot, line.data + line.length);
	if (!is_valid(&line))
		return;
	assert(zeroed);
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
	assert(is_valid(&line));
	assert(line.time_ns == line_of(line.generation)->time_ns);
	check_bytes(line.generation, line.data, line.length);
	unlock();
}

/* Reads a line without lastline_map_read(). */
static void read_view(struct reader *reader)
{
	struct lastline_view view;
	char copy[MAX_LINE_MAX];
	bool zeroed, reused;

	if (!lastline_map_look(ring.map, &view)) {
		check_generation(reader, view.generation);
		check_valid(view.generation, false, false);
		return;
	}
	check_generation(reader, view.generation);
	assert(view.length == line_of(view.generation)->length);
	copy_in_steps(copy, view.data, view.length);
	zeroed = is_zero_after(view.slot, view.data + view.length);
	reused = is_reused(view.generation);
	if (!check_valid(view.generation, reused, lastline_map_intact(&view)))
		return;
	assert(zeroed);
	check_bytes(view.generation, copy, view.length);
}

/* Can the read have found a line that is longer than @size? */
static bool is_too_short(const struct reader *reader, u32 size)
{
	u64 generation;

	for (generation = reader->oldest; generation <= ref.visible; generation++) {
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
		assert(ref.reserving >= reader->oldest + SLOTS);
	} else if (ret == -EMSGSIZE) {
		assert(is_too_short(reader, size));
	} else {
		assert(ret >= 0);
		check_generation(reader, generation);
		check_bytes(generation, buf, ret);
	}
	free(buf);
}

static void read_line(struct reader *reader)
{
	u32 how = draw_byte(&in) % 8;

	reader->oldest = reader->seen > ref.newest ? reader->seen : ref.newest;
	if (how == 0)
		read_locked(reader);
	else if (how == 1)
		check_generation(reader, lastline_map_generation(ring.map));
	else if (how <= 3)
		read_map(reader);
	else if (how <= 5)
		read_view(reader);
	else
		read_unlocked(reader);
}

/*
 * The fuzzer
 */

static void fiber_main(void)
{
	finish_switch(NULL);
	for (;;) {
		while (in.left) {
			before_access();
			if (running == &fibers[WRITER])
				write_line();
			else
				read_line(&readers[running - fibers]);
		}
		running->idle = true;
		switch_to(&fibers[MAIN]);
	}
}

static void make_fibers(void)
{
	static char stacks[ROLES][1 << 18];
	u32 i;

	for (i = 0; i < ROLES; i++) {
		fibers[i].bottom = stacks[i];
		fibers[i].size = sizeof(stacks[i]);
		getcontext(&fibers[i].context);
		fibers[i].context.uc_stack.ss_sp = stacks[i];
		fibers[i].context.uc_stack.ss_size = sizeof(stacks[i]);
		makecontext(&fibers[i].context, fiber_main, 0);
	}
}

/* Does not zero all of the list: a line is written before it is read. */
static void reset_reference(u64 base)
{
	u32 i;

	memset(ref.slots, 0, sizeof(ref.slots));
	memset(ref.held, 0, sizeof(ref.held));
	ref.held[base % SLOTS] = base;
	ref.lines[0] = (struct line){};
	ref.base = base;
	ref.reserving = base;
	ref.reserved = base;
	ref.visible = base;
	ref.newest = base;
	for (i = 0; i < ROLES; i++)
		readers[i].seen = base;
}

/* Sometimes the first generation is just below 2^32. */
static void set_up(void)
{
	u64 base = draw_byte(&in);
	size_t size;

	ring = (struct lastline_ring){};
	lastline_ring_init(&ring, 1 + draw(&in, MAX_LINE_MAX));
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

	/* Each line uses at least one byte of the input. */
	in = (struct input){ data, size < MAX_LINES ? size : MAX_LINES - 1 };
	if (!fibers[0].size)
		make_fibers();
	set_up();
	steps_left = 0;
	for (i = 0; i < ROLES; i++)
		fibers[i].idle = false;
	for (i = 0; i < ROLES; i++) {
		while (!fibers[i].idle)
			switch_to(&fibers[i]);
	}
	check_map();
	free(ring.map);
	return 0;
}
