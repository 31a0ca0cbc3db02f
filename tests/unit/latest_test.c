// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slots of a channel, seen by the driver and by programs that map them. What happens
 * when readers and writers overtake each other within a call is for the fuzzer.
 */
#include <errno.h>
#include <sanitizer/asan_interface.h>

#include <linux/compiler.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "kselftest_harness.h"
#include "latest.h"

#define LINE_MAX	64
#define SLOTS		LASTLINE_MAP_SLOTS
#define ROOM		(LINE_MAX + 1)	/* bytes in a slot */
#define FILLING		LASTLINE_MAP_FILLING

/* Generations at which tests begin: the first ones, and those around 2^32. */
static const u64 starts[] = { 0, (1ULL << 32) - 3 };

/* Memory for the slots, as clean as the contract wants it. */
static void set_up(struct latest *latest, u32 line_max)
{
	u32 room = sizeof(struct lastline_slot) + line_max + 1, i;
	size_t size;
	char *end;

	*latest = (struct latest){};
	latest_init(latest, line_max);
	size = latest_map_size(latest);
	latest_attach(latest, memset(aligned_alloc(PAGE_SIZE, size), 0, size));

	/* The sanitizer shall see a byte too many in each slot, and behind them all. */
	for (i = 0; i < SLOTS; i++)
		ASAN_POISON_MEMORY_REGION((char *)latest_slot(latest->map, i) + room,
					  latest->map->stride - room);
	end = (char *)latest_slot(latest->map, SLOTS - 1) + latest->map->stride;
	ASAN_POISON_MEMORY_REGION(end, (char *)latest->map + size - end);
}

static void tear_down(struct latest *latest)
{
	ASAN_UNPOISON_MEMORY_REGION(latest->map, latest_map_size(latest));
	free(latest->map);
}

/* As if so many lines had been published; the last one is empty. */
static void set_generation(struct latest *latest, u64 generation)
{
	atomic64_set(latest_atomic(&latest->map->generation), generation);
	atomic64_set(latest_atomic(&latest_slot(latest->map, generation)->generation), generation);
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

static u32 length_of(char byte)
{
	return 1 + (unsigned char)byte % LINE_MAX;
}

/* Publishes a line of this byte, whose length and time derive from it. */
static struct lastline_slot *publish(struct latest *latest, char byte)
{
	return publish_bytes(latest, byte, ROOM - length_of(byte), ROOM);
}

/* Fills @length bytes of the next slot and aborts. */
static struct lastline_slot *abort_bytes(struct latest *latest, u32 length)
{
	struct lastline_slot *slot;

	spin_lock(&latest->lock);
	slot = latest_begin(latest);
	memset(slot->data, 'x', length);
	latest_abort(slot, length);
	spin_unlock(&latest->lock);
	return slot;
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
	return line->length == length_of(byte) && holds(line->data, byte, line->length) &&
	       line->time_ns == (u64)byte + 1000;
}

static bool is_empty(const struct latest_line *line)
{
	return !line->length && !line->time_ns;
}

/* What latest_take() returns to a reader that read @generation long ago. */
static struct latest_line take_older(const struct latest *latest, u64 generation)
{
	const struct lastline_slot *slot = latest_slot(latest->map, generation);

	return (struct latest_line) {
		.generation = generation,
		.time_ns = slot->monotonic_ns,
		.data = slot->data + slot->offset,
		.length = slot->length,
		.slot = slot,
	};
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
	tear_down(&self->latest);
}

TEST_F(latest, new_channel_has_an_empty_line_even_after_an_aborted_write)
{
	struct latest_line line;
	int i;

	for (i = 0; i < 2; i++) {
		line = TAKE();
		EXPECT_EQ(0U, line.generation);
		EXPECT_TRUE(is_empty(&line));
		EXPECT_EQ(0U, latest_generation(self->latest.map));
		EXPECT_EQ(0U, lastline_map_generation(self->latest.map));
		EXPECT_EQ(0, READ(LINE_MAX));
		EXPECT_EQ(0U, self->generation);
		EXPECT_EQ(0, READ(0));
		abort_bytes(&self->latest, ROOM);
	}
}

TEST(structures_have_no_holes_and_one_size_everywhere)
{
	EXPECT_EQ(64U, sizeof(struct lastline_map));
	EXPECT_EQ(8U, offsetof(struct lastline_map, version));
	EXPECT_EQ(24U, offsetof(struct lastline_map, spare));
	EXPECT_EQ(24U, sizeof(struct lastline_slot));
	EXPECT_EQ(24U, offsetof(struct lastline_slot, data));
}

TEST_F(latest, latest_line_is_taken_and_read_any_number_of_times)
{
	struct latest_line line;
	u32 start, n, i;

	for (start = 0; start < ARRAY_SIZE(starts); start++) {
		set_generation(&self->latest, starts[start]);
		for (n = 1; n <= 2 * LINE_MAX; n++) {
			publish(&self->latest, n);
			for (i = 0; i < 2; i++) {
				line = TAKE();
				EXPECT_EQ(starts[start] + n, line.generation);
				ASSERT_TRUE(is_of(&line, n));
				memset(self->buf, ~n, LINE_MAX);
				ASSERT_EQ((int)line.length, READ(line.length));
				EXPECT_EQ(line.generation, self->generation);
				EXPECT_TRUE(holds(self->buf, n, line.length));
				EXPECT_TRUE(holds(self->buf + line.length, ~n,
						  LINE_MAX - line.length));
			}
			EXPECT_EQ(starts[start] + n, latest_generation(self->latest.map));
			EXPECT_EQ(starts[start] + n, lastline_map_generation(self->latest.map));
		}
	}
}

/* Whichever slot it is in, an unused one included, and never again. */
TEST_F(latest, line_is_intact_until_its_slot_is_filled_again)
{
	struct lastline_view view;
	struct latest_line line;
	u32 turn, n;

	for (turn = 0; turn <= SLOTS; turn++) {
		if (turn)
			publish(&self->latest, 'a');
		line = TAKE();
		ASSERT_EQ(1, lastline_map_look(self->latest.map, &view));
		EXPECT_EQ(line.generation, view.generation);
		EXPECT_EQ(line.length, view.length);
		EXPECT_EQ(line.data, view.data);
		for (n = 1; n < SLOTS; n++) {
			publish(&self->latest, 'b' + n);
			EXPECT_TRUE(latest_intact(&line));
			EXPECT_EQ(1, lastline_map_intact(&view));
			EXPECT_TRUE(turn ? is_of(&line, 'a') : is_empty(&line));
		}
		latest_begin(&self->latest);
		EXPECT_FALSE(latest_intact(&line));
		EXPECT_EQ(0, lastline_map_intact(&view));
		for (n = 0; n < 4 * SLOTS; n++) {
			publish(&self->latest, 'a');
			EXPECT_FALSE(latest_intact(&line));
			EXPECT_EQ(0, lastline_map_intact(&view));
		}
	}
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

TEST_F(latest, line_is_refused_with_less_room_than_it_needs)
{
	u32 size;

	publish_bytes(&self->latest, 'a', 0, 7);
	for (size = 0; size < 7; size++)
		EXPECT_EQ(-EMSGSIZE, READ(size));
	EXPECT_EQ(99U, self->generation);
	EXPECT_TRUE(holds(self->buf, 0, LINE_MAX));
	EXPECT_EQ(7, READ(size));
}

TEST_F(latest, aborted_write_ends_only_the_oldest_line)
{
	struct latest_line lines[SLOTS], line;
	u32 turn, n, i;

	for (turn = 0; turn < 2 * SLOTS; turn++) {
		for (n = 0; n < SLOTS; n++) {
			publish(&self->latest, 'a' + n);
			lines[n] = TAKE();
		}
		for (i = 0; i < 2 * SLOTS; i++)
			abort_bytes(&self->latest, ROOM);
		EXPECT_FALSE(latest_intact(&lines[0]));
		for (n = 1; n < SLOTS; n++) {
			EXPECT_TRUE(latest_intact(&lines[n]));
			EXPECT_TRUE(is_of(&lines[n], 'a' + n));
		}
		/* Neither the old line of that slot nor the next one. */
		line = take_older(&self->latest, lines[0].generation);
		EXPECT_FALSE(latest_intact(&line));
		line = take_older(&self->latest, lines[0].generation + SLOTS);
		EXPECT_FALSE(latest_intact(&line));
		line = TAKE();
		EXPECT_EQ(lines[SLOTS - 1].data, line.data);
		EXPECT_EQ((int)line.length, READ(LINE_MAX));

		publish(&self->latest, 'z');
		line = TAKE();
		EXPECT_EQ(lines[SLOTS - 1].generation + 1, line.generation);
		EXPECT_TRUE(is_of(&line, 'z'));
	}
}

/*
 * Bytes of older lines, which programs that map the slots must not see
 */

TEST_F(latest, bytes_of_a_longer_line_or_of_an_aborted_write_are_zeroed)
{
	const struct lastline_slot *slot;
	u32 old, end, i;

	for (old = 1; old <= ROOM; old++) {
		for (end = 1; end <= ROOM; end++) {
			for (i = 0; i < SLOTS; i++)
				publish_bytes(&self->latest, 'o', old / 2, old);
			slot = publish_bytes(&self->latest, 'a', end - 1 - end / 3, end);
			ASSERT_TRUE(holds(slot->data + end, 0, ROOM - end)) {
				TH_LOG("from %u to %u bytes", old, end);
			}
			ASSERT_EQ('a', slot->data[end - 1]);

			slot = abort_bytes(&self->latest, end);
			ASSERT_TRUE(holds(slot->data, 0, ROOM)) {
				TH_LOG("%u bytes aborted after %u", end, old);
			}
			ASSERT_EQ(FILLING, slot->generation);
			ASSERT_EQ(0U, slot->offset);
			ASSERT_EQ(0U, slot->length);

			slot = publish_bytes(&self->latest, 'a', 0, old);
			ASSERT_TRUE(holds(slot->data + old, 0, ROOM - old));
		}
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
	EXPECT_EQ(slot, abort_bytes(&self->latest, 0));
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
	EXPECT_TRUE(is_empty(&line));
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

/*
 * Sizes
 */

/* Fills each slot to its end; the slots beside it must not notice. */
static bool longest_lines_fit(struct latest *latest)
{
	const u32 room = latest->line_max + 1;
	const struct lastline_slot *slots[SLOTS];
	u32 n, i;

	for (n = 0; n < 2 * SLOTS; n++) {
		slots[n % SLOTS] = publish_bytes(latest, 'a' + n, 1, room);
		for (i = n < SLOTS ? 0 : n + 1 - SLOTS; i <= n; i++) {
			if (slots[i % SLOTS]->data[0] != '~' ||
			    slots[i % SLOTS]->length != latest->line_max ||
			    !holds(slots[i % SLOTS]->data + 1, 'a' + i, latest->line_max))
				return false;
		}
	}
	return true;
}

TEST(longest_line_and_one_byte_fit_in_slots_that_share_no_cache_line)
{
	struct latest latest;
	u32 line_max;

	for (line_max = LASTLINE_LINE_MAX_MIN; line_max <= 1 << 20;
	     line_max = line_max == 200 ? (1 << 20) - 1 : line_max + 1) {
		set_up(&latest, line_max);
		EXPECT_TRUE(longest_lines_fit(&latest)) {
			TH_LOG("line_max %u", line_max);
		}
		EXPECT_EQ(0U, sizeof(struct lastline_map) % 64);
		EXPECT_EQ(0U, latest.map->stride % 64);
		tear_down(&latest);
	}
}

TEST(map_is_no_more_pages_than_the_slots_need)
{
	u32 line_max, size;

	for (line_max = LASTLINE_LINE_MAX_MIN; line_max <= 5000; line_max++) {
		struct latest latest;

		set_up(&latest, line_max);
		size = sizeof(struct lastline_map) + SLOTS * latest.map->stride;
		EXPECT_EQ(PAGE_ALIGN(size), latest_map_size(&latest));
		tear_down(&latest);
	}
}

TEST_HARNESS_MAIN
