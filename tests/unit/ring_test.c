// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring of slots: what the fuzzer does not cover. It publishes, discards and reads lines
 * in any order.
 */
#include <errno.h>

#include <linux/compiler.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "kselftest_harness.h"
#include "ring.h"

#define LINE_MAX	64
#define SLOTS		LASTLINE_MAP_SLOTS
#define ROOM		(LINE_MAX + 1)	/* bytes in a slot */
#define FILLING		LASTLINE_MAP_FILLING

static void set_up(struct lastline_ring *ring, u32 line_max)
{
	size_t size;

	*ring = (struct lastline_ring){};
	lastline_ring_init(ring, line_max);
	size = lastline_ring_map_size(ring);
	lastline_ring_attach(ring, memset(aligned_alloc(PAGE_SIZE, size), 0, size));
}

/* Publishes a line of this byte, from @offset to @end in its slot. */
static struct lastline_slot *publish_bytes(struct lastline_ring *ring, char byte, u32 offset,
					   u32 end)
{
	struct lastline_slot *slot;

	spin_lock(&ring->lock);
	slot = lastline_ring_reserve(ring);
	memset(slot->data, '~', offset);
	memset(slot->data + offset, byte, end - offset);
	lastline_ring_commit(ring, slot, offset, end - offset, byte + 1000);
	spin_unlock(&ring->lock);
	return slot;
}

/* Publishes a line of this byte and of the maximum length. */
static struct lastline_slot *publish(struct lastline_ring *ring, char byte)
{
	return publish_bytes(ring, byte, 1, ROOM);
}

static bool all_equal(const char *data, char byte, u32 length)
{
	u32 i;

	for (i = 0; i < length; i++) {
		if (data[i] != byte)
			return false;
	}
	return true;
}

/* Is @line the one that publish() published with @byte? */
static bool is_line_of(const struct lastline_line *line, char byte)
{
	return line->length == LINE_MAX && all_equal(line->data, byte, LINE_MAX) &&
	       line->time_ns == (u64)byte + 1000;
}

/* The latest line, which must be valid: there is no concurrent writer. */
#define SNAPSHOT() ({								\
	const struct lastline_line latest = lastline_ring_snapshot(self->ring.map);	\
										\
	ASSERT_TRUE(lastline_ring_still_valid(&latest));			\
	latest;									\
})

#define READ(size)	lastline_map_read(self->ring.map, self->buf, size, &self->generation)

FIXTURE(ring)
{
	struct lastline_ring ring;
	char buf[LINE_MAX];
	__u64 generation;
};

FIXTURE_SETUP(ring)
{
	memset(self, 0, sizeof(*self));
	set_up(&self->ring, LINE_MAX);
	self->generation = 99;
}

FIXTURE_TEARDOWN(ring)
{
	free(self->ring.map);
}

/* Not even the length is valid: it may belong to another line than the offset. */
TEST_F(ring, line_of_reused_slot_is_invalid_and_not_read)
{
	static const u64 others[] = { FILLING, 0, 1 + SLOTS, 1 + (1ULL << 32) };
	struct lastline_slot *slot = publish(&self->ring, 'a');
	struct lastline_line line = SNAPSHOT();
	u32 i;

	slot->offset = ~0U;
	slot->length = LINE_MAX;
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		atomic64_set(lastline_ring_atomic(&slot->generation), others[i]);
		EXPECT_FALSE(lastline_ring_still_valid(&line));
		EXPECT_EQ(-EAGAIN, READ(LINE_MAX));
		EXPECT_EQ(-EAGAIN, READ(0));
		EXPECT_EQ(99U, self->generation);
	}
}

/* The next line in that slot needs the length, to zero the bytes after itself. */
TEST_F(ring, discarding_untouched_slot_keeps_its_length)
{
	struct lastline_slot before, *slot;
	u32 i;

	for (i = 0; i < SLOTS; i++)
		publish_bytes(&self->ring, 'a', 3, 9);
	slot = lastline_ring_slot(self->ring.map, SLOTS + 1);
	before = *slot;
	EXPECT_EQ(slot, lastline_ring_reserve(&self->ring));
	lastline_ring_discard(slot, 0);
	EXPECT_EQ(before.offset, slot->offset);
	EXPECT_EQ(before.length, slot->length);
	EXPECT_EQ(FILLING, slot->generation);
	publish_bytes(&self->ring, 'b', 0, 1);
	EXPECT_TRUE(all_equal(slot->data + 1, 0, ROOM - 1));
}

/* Generations are not reused: that would make an overwritten line valid again. */
TEST_F(ring, clear_removes_line_and_zeroes_all_slots)
{
	struct lastline_line line, old;
	u32 i;

	for (i = 0; i < SLOTS; i++)
		publish(&self->ring, 'a');
	old = SNAPSHOT();
	lastline_ring_clear(&self->ring);
	line = SNAPSHOT();
	EXPECT_EQ(old.generation + 1, line.generation);
	EXPECT_EQ(0U, line.length);
	EXPECT_EQ(0U, line.time_ns);
	EXPECT_FALSE(lastline_ring_still_valid(&old));
	for (i = 0; i < SLOTS; i++)
		EXPECT_TRUE(all_equal(lastline_ring_slot(self->ring.map, i)->data, 0, ROOM));
	publish(&self->ring, 'b');
	line = SNAPSHOT();
	EXPECT_EQ(old.generation + 2, line.generation);
	EXPECT_TRUE(is_line_of(&line, 'b'));
}

TEST_F(ring, clear_without_line_changes_nothing)
{
	lastline_ring_clear(&self->ring);
	EXPECT_EQ(0U, lastline_ring_generation(self->ring.map));
	publish(&self->ring, 'a');
	lastline_ring_clear(&self->ring);
	lastline_ring_clear(&self->ring);
	EXPECT_EQ(2U, lastline_ring_generation(self->ring.map));
}

TEST(map_has_room_for_longest_lines_and_no_page_more)
{
	u32 line_max, size;

	for (line_max = LASTLINE_LINE_MAX_MIN; line_max <= 5000; line_max++) {
		struct lastline_ring ring;

		set_up(&ring, line_max);
		EXPECT_EQ(ALIGN(sizeof(struct lastline_slot) + line_max + 1, 64),
			  ring.map->stride);
		size = sizeof(struct lastline_map) + SLOTS * ring.map->stride;
		EXPECT_EQ(PAGE_ALIGN(size), lastline_ring_map_size(&ring));
		free(ring.map);
	}
}

TEST_HARNESS_MAIN
