// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slots of a channel: what the fuzzer, which publishes, aborts and reads lines in any
 * order, does not do.
 */
#include <errno.h>

#include <linux/compiler.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "kselftest_harness.h"
#include "latest.h"

#define LINE_MAX	64
#define SLOTS		LASTLINE_MAP_SLOTS
#define ROOM		(LINE_MAX + 1)	/* bytes in a slot */
#define FILLING		LASTLINE_MAP_FILLING

static void set_up(struct latest *latest, u32 line_max)
{
	size_t size;

	*latest = (struct latest){};
	latest_init(latest, line_max);
	size = latest_map_size(latest);
	latest_attach(latest, memset(aligned_alloc(PAGE_SIZE, size), 0, size));
}

/* Fills the first @end bytes of the next slot with @byte; the line begins at @offset. */
static struct lastline_slot *publish_bytes(struct latest *latest, char byte, u32 offset, u32 end)
{
	struct lastline_slot *slot;

	spin_lock(&latest->lock);
	slot = latest_begin(latest);
	memset(slot->data, '~', offset);
	memset(slot->data + offset, byte, end - offset);
	latest_publish(latest, slot, offset, end - offset, byte + 1000);
	spin_unlock(&latest->lock);
	return slot;
}

/* Publishes a longest line of this byte. */
static struct lastline_slot *publish(struct latest *latest, char byte)
{
	return publish_bytes(latest, byte, 1, ROOM);
}

static bool holds(const char *data, char byte, u32 length)
{
	u32 i;

	for (i = 0; i < length; i++) {
		if (data[i] != byte)
			return false;
	}
	return true;
}

/* Is @line what publish() made of @byte? */
static bool is_of(const struct latest_line *line, char byte)
{
	return line->length == LINE_MAX && holds(line->data, byte, LINE_MAX) &&
	       line->time_ns == (u64)byte + 1000;
}

/* Takes the latest line, which is intact as nobody else writes. */
#define TAKE() ({								\
	const struct latest_line taken = latest_take(self->latest.map);		\
										\
	ASSERT_TRUE(latest_intact(&taken));					\
	taken;									\
})

#define READ(size)	lastline_map_read(self->latest.map, self->buf, size, &self->generation)

FIXTURE(latest)
{
	struct latest latest;
	char buf[LINE_MAX];
	__u64 generation;
};

FIXTURE_SETUP(latest)
{
	memset(self, 0, sizeof(*self));
	set_up(&self->latest, LINE_MAX);
	self->generation = 99;
}

FIXTURE_TEARDOWN(latest)
{
	free(self->latest.map);
}

/* Not even the length may be trusted: it could be of another line than the offset. */
TEST_F(latest, slot_of_another_generation_is_not_intact_and_its_line_not_read)
{
	static const u64 others[] = { FILLING, 0, 1 + SLOTS, 1 + (1ULL << 32) };
	struct lastline_slot *slot = publish(&self->latest, 'a');
	struct latest_line line = TAKE();
	u32 i;

	slot->offset = ~0U;
	slot->length = LINE_MAX;
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		atomic64_set(latest_atomic(&slot->generation), others[i]);
		EXPECT_FALSE(latest_intact(&line));
		EXPECT_EQ(-EAGAIN, READ(LINE_MAX));
		EXPECT_EQ(-EAGAIN, READ(0));
		EXPECT_EQ(99U, self->generation);
	}
}

/* Otherwise the next line in that slot would not know what to zero. */
TEST_F(latest, untouched_aborted_slot_keeps_its_length)
{
	struct lastline_slot before, *slot;
	u32 i;

	for (i = 0; i < SLOTS; i++)
		publish_bytes(&self->latest, 'a', 3, 9);
	slot = latest_slot(self->latest.map, SLOTS + 1);
	before = *slot;
	EXPECT_EQ(slot, latest_begin(&self->latest));
	latest_abort(slot, 0);
	EXPECT_EQ(before.offset, slot->offset);
	EXPECT_EQ(before.length, slot->length);
	EXPECT_EQ(FILLING, slot->generation);
	publish_bytes(&self->latest, 'b', 0, 1);
	EXPECT_TRUE(holds(slot->data + 1, 0, ROOM - 1));
}

/* A line that was read before must not come back: the generation goes on. */
TEST_F(latest, clearing_leaves_no_line_and_no_byte)
{
	struct latest_line line, old;
	u32 i;

	for (i = 0; i < SLOTS; i++)
		publish(&self->latest, 'a');
	old = TAKE();
	latest_clear(&self->latest);
	line = TAKE();
	EXPECT_EQ(old.generation + 1, line.generation);
	EXPECT_EQ(0U, line.length);
	EXPECT_EQ(0U, line.time_ns);
	EXPECT_FALSE(latest_intact(&old));
	for (i = 0; i < SLOTS; i++)
		EXPECT_TRUE(holds(latest_slot(self->latest.map, i)->data, 0, ROOM));
	publish(&self->latest, 'b');
	line = TAKE();
	EXPECT_EQ(old.generation + 2, line.generation);
	EXPECT_TRUE(is_of(&line, 'b'));
}

TEST_F(latest, clearing_without_a_line_changes_nothing)
{
	latest_clear(&self->latest);
	EXPECT_EQ(0U, latest_generation(self->latest.map));
	publish(&self->latest, 'a');
	latest_clear(&self->latest);
	latest_clear(&self->latest);
	EXPECT_EQ(2U, latest_generation(self->latest.map));
}

TEST(map_is_no_more_pages_than_slots_for_the_longest_line_and_one_byte_need)
{
	u32 line_max, size;

	for (line_max = LASTLINE_LINE_MAX_MIN; line_max <= 5000; line_max++) {
		struct latest latest;

		set_up(&latest, line_max);
		EXPECT_EQ(ALIGN(sizeof(struct lastline_slot) + line_max + 1, 64),
			  latest.map->stride);
		size = sizeof(struct lastline_map) + SLOTS * latest.map->stride;
		EXPECT_EQ(PAGE_ALIGN(size), latest_map_size(&latest));
		free(latest.map);
	}
}

TEST_HARNESS_MAIN
