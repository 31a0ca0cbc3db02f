// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a channel's slots promise, one sentence per test.
 *
 * A test that needs to be overtaken at an exact place does not race for it: the
 * accesses of latest.h are counted, and it is interrupted before one of them. Or
 * it takes an older line, as a reader would that was interrupted right after it
 * had read the generation.
 */
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sched.h>

#include <linux/compiler.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "kselftest_harness.h"
#include "latest.h"

/* There is room for this many bytes in a slot. */
static u32 room_of(const struct latest *latest)
{
	return latest->line_max + 1;
}

/* Memory for the slots, as clean as the contract wants it. */
static void set_up(struct latest *latest, u32 line_max)
{
	size_t size;
	char *map;
	u32 i;

	*latest = (struct latest){};
	latest_init(latest, line_max);
	size = latest_map_size(latest);
	map = aligned_alloc(PAGE_SIZE, size);
	memset(map, 0, size);
	latest_attach(latest, map);

	/* The sanitizer shall see a byte too many in each slot, and behind them all. */
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++)
		ASAN_POISON_MEMORY_REGION(latest_slot(latest->map, i)->data + room_of(latest),
					  latest->map->stride - sizeof(struct lastline_slot) -
					  room_of(latest));
	map = (char *)latest_slot(latest->map, LASTLINE_MAP_SLOTS - 1) + latest->map->stride;
	ASAN_POISON_MEMORY_REGION(map, (char *)latest->map + size - map);
}

static void tear_down(struct latest *latest)
{
	ASAN_UNPOISON_MEMORY_REGION(latest->map, latest_map_size(latest));
	free(latest->map);
}

static void set_generation(struct latest *latest, u64 generation)
{
	atomic64_set(latest_atomic(&latest->map->generation), generation);
}

/* What latest_take() gives to one who is held up when it has read @generation. */
static struct latest_line take_older(const struct latest *latest, u64 generation)
{
	const struct lastline_slot *slot = latest_slot(latest->map, generation);

	return (struct latest_line) {
		.generation = generation,
		.time_ns = READ_ONCE(slot->monotonic_ns),
		.data = slot->data + READ_ONCE(slot->offset),
		.length = READ_ONCE(slot->length),
		.slot = slot,
	};
}

/* Takes the latest line, which must be there: nobody else is about. */
#define TAKE(latest) ({								\
	const struct latest_line taken = latest_take((latest)->map);		\
										\
	ASSERT_TRUE(latest_intact(&taken));					\
	taken;									\
})

#define LINE_MAX	64
#define SLOTS		LASTLINE_MAP_SLOTS

FIXTURE(latest)
{
	struct latest latest;
};

FIXTURE_SETUP(latest)
{
	set_up(&self->latest, LINE_MAX);
}

FIXTURE_TEARDOWN(latest)
{
	tear_down(&self->latest);
}

/* Publishes "<n>\n" at an offset of its own and at time n + 1000. */
static u64 publish(struct latest *latest, u64 n)
{
	const u32 offset = n % 32;
	struct lastline_slot *slot;
	char text[LINE_MAX];
	u64 ret;
	u32 len;

	len = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)n);
	spin_lock(&latest->lock);
	slot = latest_begin(latest);
	memset(slot->data, 'x', offset);
	memcpy(slot->data + offset, text, len);
	ret = latest_publish(latest, slot, offset, len, n + 1000);
	spin_unlock(&latest->lock);
	return ret;
}

/* Fills all of the next slot and publishes nothing. */
static void give_up(struct latest *latest)
{
	struct lastline_slot *slot;

	spin_lock(&latest->lock);
	slot = latest_begin(latest);
	memset(slot->data, 'x', LINE_MAX + 1);
	latest_abort(slot, LINE_MAX + 1);
	spin_unlock(&latest->lock);
}

/* Is @line what publish() made of @n? */
static bool says(const struct latest_line *line, u64 n)
{
	char text[LINE_MAX];
	u32 len = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)n);

	return line->length == len && !memcmp(line->data, text, len) &&
	       line->time_ns == n + 1000;
}

TEST_F(latest, generation_0_means_that_nothing_was_published)
{
	EXPECT_EQ(0U, latest_generation(self->latest.map));
}

TEST_F(latest, line_max_can_be_looked_up)
{
	EXPECT_EQ((u32)LINE_MAX, self->latest.line_max);
	EXPECT_EQ((u32)LINE_MAX, self->latest.map->line_max);
}

TEST_F(latest, the_head_tells_where_the_slots_are)
{
	const struct lastline_map *map = self->latest.map;
	struct latest_line line;
	u64 n;

	EXPECT_EQ((u32)LASTLINE_MAP_VERSION, map->version);
	EXPECT_EQ((u32)LINE_MAX, map->line_max);
	EXPECT_LE(sizeof(struct lastline_slot) + LINE_MAX, map->stride);
	EXPECT_LE(sizeof(*map) + (size_t)LASTLINE_MAP_SLOTS * map->stride,
		  latest_map_size(&self->latest));
	for (n = 1; n <= 3 * SLOTS; n++) {
		publish(&self->latest, n);
		line = TAKE(&self->latest);
		EXPECT_EQ((void *)(map + 1) + n % SLOTS * map->stride, line.slot);
	}
}

TEST_F(latest, publishing_changes_nothing_in_the_head_but_the_generation)
{
	struct lastline_map head = *self->latest.map;
	u64 n;

	for (n = 1; n <= 3 * SLOTS; n++) {
		publish(&self->latest, n);
		head.generation = n;
		EXPECT_EQ(0, memcmp(&head, self->latest.map, sizeof(head)));
		give_up(&self->latest);
		EXPECT_EQ(0, memcmp(&head, self->latest.map, sizeof(head)));
	}
}

TEST_F(latest, what_the_head_has_to_spare_is_zero)
{
	const struct lastline_map *map = self->latest.map;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(map->spare); i++)
		EXPECT_EQ(0U, map->spare[i]);
}

TEST_F(latest, before_the_first_publication_the_line_is_empty)
{
	struct latest_line line = TAKE(&self->latest);

	EXPECT_EQ(0U, line.generation);
	EXPECT_EQ(0U, line.length);
	EXPECT_EQ(0U, line.time_ns);
	give_up(&self->latest);
	line = TAKE(&self->latest);
	EXPECT_EQ(0U, line.generation);
	EXPECT_EQ(0U, line.length);
	EXPECT_EQ(0U, line.time_ns);
}

TEST_F(latest, each_publication_counts_one_generation)
{
	u64 n;

	for (n = 1; n <= 3 * SLOTS; n++) {
		EXPECT_EQ(n, publish(&self->latest, n));
		EXPECT_EQ(n, latest_generation(self->latest.map));
	}
}

TEST_F(latest, a_taken_line_is_the_latest)
{
	struct latest_line line;
	u64 n;

	for (n = 1; n <= 3 * SLOTS; n++) {
		publish(&self->latest, n);
		line = TAKE(&self->latest);
		EXPECT_EQ(n, line.generation);
		EXPECT_TRUE(says(&line, n));
		EXPECT_TRUE(latest_intact(&line));
	}
}

TEST_F(latest, the_latest_line_can_be_taken_again)
{
	struct latest_line first, second;

	publish(&self->latest, 7);
	first = TAKE(&self->latest);
	second = TAKE(&self->latest);
	EXPECT_EQ(first.data, second.data);
	EXPECT_EQ(first.generation, second.generation);
	EXPECT_TRUE(says(&second, 7));
}

TEST_F(latest, the_lock_can_be_taken_after_init)
{
	EXPECT_EQ(0, pthread_mutex_trylock(&self->latest.lock));
	spin_unlock(&self->latest.lock);
}

TEST_F(latest, there_are_slots_enough_to_copy_a_line_while_others_are_published)
{
	EXPECT_LE(4, SLOTS);
}

/* Whichever slot it lies in. */
TEST_F(latest, a_line_is_intact_until_its_slot_is_filled_again)
{
	struct latest_line line;
	u64 turn, n;

	for (turn = 0; turn < SLOTS; turn++) {
		publish(&self->latest, 1);
		line = TAKE(&self->latest);
		for (n = 2; n <= SLOTS; n++) {
			publish(&self->latest, n);
			EXPECT_TRUE(latest_intact(&line));
			EXPECT_TRUE(says(&line, 1));
		}
		latest_begin(&self->latest);
		EXPECT_FALSE(latest_intact(&line));
		publish(&self->latest, n);
		EXPECT_FALSE(latest_intact(&line));
	}
}

TEST_F(latest, a_lapped_line_is_never_intact_again)
{
	struct latest_line line;
	u64 n;

	publish(&self->latest, 1);
	line = TAKE(&self->latest);
	for (n = 1; n < SLOTS; n++)
		publish(&self->latest, 1);
	for (n = 0; n < 4 * SLOTS; n++) {
		publish(&self->latest, 1);
		EXPECT_FALSE(latest_intact(&line));
	}
}

TEST_F(latest, a_line_is_not_intact_when_the_same_slot_is_2_to_the_32_generations_on)
{
	const u64 lap = 1ULL << 32;
	struct latest_line line;

	publish(&self->latest, 1);
	line = TAKE(&self->latest);
	set_generation(&self->latest, lap);
	EXPECT_EQ(lap + 1, publish(&self->latest, 2));
	EXPECT_FALSE(latest_intact(&line));
}

TEST_F(latest, generations_have_64_bits)
{
	const u64 start = (1ULL << 32) - 3;
	struct latest_line line;
	u64 n;

	set_generation(&self->latest, start);
	for (n = start + 1; n < start + 3 * SLOTS; n++) {
		EXPECT_EQ(n, publish(&self->latest, n));
		line = TAKE(&self->latest);
		EXPECT_EQ(n, line.generation);
		EXPECT_TRUE(says(&line, n));
	}
}

TEST_F(latest, a_slot_being_filled_is_not_intact)
{
	struct latest_line line;
	u64 n;

	publish(&self->latest, 1);
	for (n = 2; n <= SLOTS; n++) {
		publish(&self->latest, n);
		line = take_older(&self->latest, 1);
		EXPECT_TRUE(latest_intact(&line));
		EXPECT_TRUE(says(&line, 1));
	}
	latest_begin(&self->latest);
	line = take_older(&self->latest, 1);
	EXPECT_FALSE(latest_intact(&line));
}

/* Neither for the line that was in it nor for the one that was to be. */
TEST_F(latest, a_slot_that_was_given_up_is_not_intact)
{
	struct latest_line line;
	u64 n;

	for (n = 1; n <= SLOTS; n++)
		publish(&self->latest, n);
	give_up(&self->latest);
	line = take_older(&self->latest, 1);
	EXPECT_FALSE(latest_intact(&line));
	line = take_older(&self->latest, SLOTS + 1);
	EXPECT_FALSE(latest_intact(&line));
}

TEST_F(latest, a_slot_that_holds_a_newer_line_is_not_taken_for_the_older_one)
{
	struct latest_line line;
	u64 n;

	for (n = 0; n <= SLOTS; n++)
		publish(&self->latest, 1);
	line = take_older(&self->latest, 1);
	EXPECT_FALSE(latest_intact(&line));
}

TEST_F(latest, giving_up_leaves_the_latest_line_intact)
{
	struct latest_line before, after;
	u64 turn, i;

	for (turn = 1; turn <= SLOTS; turn++) {
		EXPECT_EQ(turn, publish(&self->latest, turn));
		before = TAKE(&self->latest);
		for (i = 0; i < 2 * SLOTS; i++)
			give_up(&self->latest);
		EXPECT_EQ(turn, latest_generation(self->latest.map));
		EXPECT_TRUE(latest_intact(&before));
		EXPECT_TRUE(says(&before, turn));
		after = TAKE(&self->latest);
		EXPECT_EQ(before.data, after.data);
	}
}

TEST_F(latest, giving_up_ends_only_the_oldest_line)
{
	struct latest_line lines[SLOTS];
	u64 n;

	for (n = 0; n < SLOTS; n++) {
		publish(&self->latest, n);
		lines[n] = TAKE(&self->latest);
	}
	give_up(&self->latest);
	EXPECT_FALSE(latest_intact(&lines[0]));
	for (n = 1; n < SLOTS; n++) {
		EXPECT_TRUE(latest_intact(&lines[n]));
		EXPECT_TRUE(says(&lines[n], n));
	}
}

TEST_F(latest, a_line_follows_one_that_was_given_up)
{
	struct latest_line line;

	publish(&self->latest, 1);
	give_up(&self->latest);
	EXPECT_EQ(2U, publish(&self->latest, 20));
	line = TAKE(&self->latest);
	EXPECT_EQ(2U, line.generation);
	EXPECT_TRUE(says(&line, 20));
}

TEST_F(latest, a_line_lies_where_it_was_put)
{
	struct latest_line line;
	struct lastline_slot *slot;
	u32 offset;

	for (offset = 0; offset <= LINE_MAX; offset++) {
		slot = latest_begin(&self->latest);
		latest_publish(&self->latest, slot, offset, LINE_MAX + 1 - offset,
			       ~0ULL - offset);
		line = TAKE(&self->latest);
		EXPECT_EQ(slot, line.slot);
		EXPECT_EQ(slot->data + offset, line.data);
		EXPECT_EQ(LINE_MAX + 1 - offset, line.length);
		EXPECT_EQ(~0ULL - offset, line.time_ns);
	}
}

/*
 * What is to be seen in a slot that somebody has mapped
 */

/* Is there nothing in @slot from byte @begin on? */
static bool is_empty(const struct latest *latest, const struct lastline_slot *slot, u32 begin)
{
	u32 i;

	for (i = begin; i < room_of(latest); i++) {
		if (slot->data[i])
			return false;
	}
	return true;
}

/* Fills the first @end bytes of the next slot; the line begins at @offset. */
static struct lastline_slot *publish_bytes(struct latest *latest, u32 offset, u32 end)
{
	struct lastline_slot *slot = latest_begin(latest);

	memset(slot->data, 'a', end);
	latest_publish(latest, slot, offset, end - offset, 1);
	return slot;
}

/* Fills and gives up the next slot. */
static struct lastline_slot *abort_bytes(struct latest *latest, u32 length)
{
	struct lastline_slot *slot = latest_begin(latest);

	memset(slot->data, 'x', length);
	latest_abort(slot, length);
	return slot;
}

/* Publishes until the next slot is filled up to @end. */
static void publish_round(struct latest *latest, u32 offset, u32 end)
{
	u32 i;

	for (i = 0; i < LASTLINE_MAP_SLOTS; i++)
		publish_bytes(latest, offset, end);
}

TEST_F(latest, behind_a_shorter_line_is_zero)
{
	const struct lastline_slot *slot;
	u32 old_end, end;

	for (old_end = 1; old_end <= LINE_MAX + 1; old_end++) {
		for (end = 1; end <= LINE_MAX + 1; end++) {
			publish_round(&self->latest, old_end / 2, old_end);
			slot = publish_bytes(&self->latest, end - 1 - end / 3, end);
			ASSERT_TRUE(is_empty(&self->latest, slot, end)) {
				TH_LOG("from %u to %u bytes", old_end, end);
			}
			ASSERT_EQ('a', slot->data[end - 1]);
			ASSERT_EQ('a', slot->data[0]);
		}
	}
}

/* Else its bytes, not known to the next line, would not be wiped behind that. */
TEST_F(latest, a_slot_that_was_given_up_untouched_is_as_it_was)
{
	struct lastline_slot before, *slot;

	publish_round(&self->latest, 3, 9);
	slot = latest_slot(self->latest.map, latest_generation(self->latest.map) + 1);
	before = *slot;
	EXPECT_EQ(slot, abort_bytes(&self->latest, 0));
	EXPECT_EQ(before.offset, slot->offset);
	EXPECT_EQ(before.length, slot->length);
	EXPECT_EQ(LASTLINE_MAP_FILLING, slot->generation);
	publish_bytes(&self->latest, 0, 1);
	EXPECT_TRUE(is_empty(&self->latest, slot, 1));
}

/* A line that was read before must not come back: the generation goes on. */
TEST_F(latest, clearing_leaves_no_line_and_no_byte)
{
	struct latest_line line, old;
	u32 i;

	publish_round(&self->latest, 3, 9);
	old = TAKE(&self->latest);
	latest_clear(&self->latest);
	line = TAKE(&self->latest);
	EXPECT_EQ(old.generation + 1, line.generation);
	EXPECT_EQ(0U, line.length);
	EXPECT_EQ(0U, line.time_ns);
	EXPECT_FALSE(latest_intact(&old));
	for (i = 0; i < SLOTS; i++)
		EXPECT_TRUE(is_empty(&self->latest, latest_slot(self->latest.map, i), 0));
	publish(&self->latest, line.generation + 1);
	line = TAKE(&self->latest);
	EXPECT_TRUE(says(&line, old.generation + 2));
}

TEST_F(latest, clearing_when_there_is_no_line_changes_nothing)
{
	latest_clear(&self->latest);
	EXPECT_EQ(0U, latest_generation(self->latest.map));
	publish(&self->latest, 1);
	latest_clear(&self->latest);
	latest_clear(&self->latest);
	EXPECT_EQ(2U, latest_generation(self->latest.map));
}

TEST_F(latest, a_slot_that_was_given_up_is_zero)
{
	const struct lastline_slot *slot;
	u32 old_end, end;

	for (old_end = 1; old_end <= LINE_MAX + 1; old_end++) {
		for (end = 1; end <= LINE_MAX + 1; end++) {
			publish_round(&self->latest, old_end / 2, old_end);
			slot = abort_bytes(&self->latest, end);
			ASSERT_TRUE(is_empty(&self->latest, slot, 0)) {
				TH_LOG("%u bytes after %u", end, old_end);
			}
			ASSERT_EQ(LASTLINE_MAP_FILLING, slot->generation);
			ASSERT_EQ(0U, slot->offset);
			ASSERT_EQ(0U, slot->length);
		}
	}
}

TEST_F(latest, behind_a_line_that_follows_one_that_was_given_up_is_zero)
{
	const struct lastline_slot *slot;
	u32 aborted, end;

	for (aborted = 0; aborted <= LINE_MAX + 1; aborted++) {
		for (end = 1; end <= LINE_MAX + 1; end++) {
			abort_bytes(&self->latest, aborted);
			slot = publish_bytes(&self->latest, end / 2, end);
			ASSERT_TRUE(is_empty(&self->latest, slot, end));
		}
	}
}

TEST_F(latest, giving_up_wipes_no_other_slot)
{
	struct latest_line lines[SLOTS];
	u32 n, i;

	for (n = 0; n < 3 * SLOTS; n++) {
		publish(&self->latest, n);
		lines[n % SLOTS] = TAKE(&self->latest);
		if (n < SLOTS)
			continue;
		give_up(&self->latest);
		for (i = n + 2 - SLOTS; i <= n; i++)
			EXPECT_TRUE(says(&lines[i % SLOTS], i));
	}
}

static bool holds(const struct latest_line *line, char byte)
{
	u32 i;

	for (i = 0; i < line->length; i++) {
		if (line->data[i] != byte)
			return false;
	}
	return true;
}

/* Fills each slot to its end; the slots beside it must not notice. */
static bool longest_lines_fit(u32 line_max)
{
	struct latest_line lines[LASTLINE_MAP_SLOTS];
	const u32 slots = LASTLINE_MAP_SLOTS;
	struct lastline_slot *slot;
	struct latest latest;
	bool fit = true;
	u32 n, other;

	set_up(&latest, line_max);
	for (n = 0; n < 3 * slots; n++) {
		slot = latest_begin(&latest);
		memset(slot->data, 'a' + n, line_max + 1);
		latest_publish(&latest, slot, 1, line_max, n);
		lines[n % slots] = latest_take(latest.map);
		for (other = n < slots ? 0 : n + 1 - slots; fit && other <= n; other++) {
			fit = lines[other % slots].length == line_max &&
			      lines[other % slots].time_ns == other &&
			      holds(&lines[other % slots], 'a' + other) &&
			      latest_intact(&lines[other % slots]);
		}
	}
	tear_down(&latest);
	return fit;
}

TEST(the_longest_line_and_the_byte_before_it_fit)
{
	u32 line_max;

	for (line_max = 64; line_max <= 64 + 2 * 64; line_max++) {
		EXPECT_TRUE(longest_lines_fit(line_max)) {
			TH_LOG("line_max %u", line_max);
		}
	}
	EXPECT_TRUE(longest_lines_fit(1 << 20));
	EXPECT_TRUE(longest_lines_fit((1 << 20) - 1));
}

TEST(no_two_slots_share_a_cache_line)
{
	struct latest latest;
	u32 line_max;

	for (line_max = 64; line_max <= 64 + 2 * 64; line_max++) {
		set_up(&latest, line_max);
		EXPECT_EQ(0U, sizeof(struct lastline_map) % 64);
		EXPECT_EQ(0U, latest.map->stride % 64);
		tear_down(&latest);
	}
}

TEST(the_map_is_just_the_pages_that_it_takes)
{
	u32 line_max, size;

	for (line_max = LASTLINE_LINE_MAX_MIN; line_max <= 5000; line_max++) {
		struct latest latest;

		set_up(&latest, line_max);
		size = sizeof(struct lastline_map) + LASTLINE_MAP_SLOTS * latest.map->stride;
		EXPECT_EQ(0U, latest_map_size(&latest) % PAGE_SIZE);
		EXPECT_LE(size, latest_map_size(&latest));
		EXPECT_GT(size + PAGE_SIZE, latest_map_size(&latest));
		tear_down(&latest);
	}
}

/*
 * Readers and writers at the same time. Everything about a line derives from its
 * generation, so that a reader can tell whether all of it belongs together.
 */

#define MIXED_MAX	256	/* line_max */

static u64 mix(u64 generation)
{
	u64 z = generation * 0x9e3779b97f4a7c15;

	return z ^ z >> 29;
}

static u32 length_of(u64 generation)
{
	return 1 + mix(generation) % MIXED_MAX;
}

static u32 offset_of(u64 generation)
{
	return (mix(generation) >> 32) % (MIXED_MAX + 2 - length_of(generation));
}

static char byte_of(u64 generation, u32 i)
{
	return (mix(generation) >> 8 * (i % 8)) + i;
}

static void write_line(struct latest *latest, bool give_up)
{
	u64 generation;
	u32 length, offset, i;
	struct lastline_slot *slot;

	spin_lock(&latest->lock);
	generation = latest_generation(latest->map) + 1;
	length = length_of(generation);
	offset = offset_of(generation);
	slot = latest_begin(latest);
	for (i = 0; i < length; i++)
		WRITE_ONCE(slot->data[offset + i],
			   byte_of(give_up ? ~generation : generation, i));
	if (give_up)
		latest_abort(slot, offset + length);
	else
		latest_publish(latest, slot, offset, length, mix(generation));
	spin_unlock(&latest->lock);
}

/* Has the slot of @generation certainly been opened again? */
static bool is_lapped(const struct latest *latest, u64 generation)
{
	return latest_generation(latest->map) >= generation + LASTLINE_MAP_SLOTS;
}

/* Has the slot of @generation perhaps been opened again, by now? */
static bool may_be_lapped(const struct latest *latest, u64 generation)
{
	/* Looks at the generation only after latest_intact() looked at the slot. */
	smp_rmb();
	return latest_generation(latest->map) + 1 >= generation + LASTLINE_MAP_SLOTS;
}

static bool is_whole(const struct latest_line *line, const char *copy)
{
	u32 i;

	for (i = 0; i < line->length; i++) {
		if (copy[i] != byte_of(line->generation, i))
			return false;
	}
	return true;
}

/**
 * struct reader - one who reads
 * @latest:    what it reads
 * @last:      generation of the latest line that it took
 * @until:     it may stop when this generation was published
 * @intact:    lines that it took whole, without the lock
 * @torn:      lines that it dropped because they had been overwritten
 * @complaint: what went wrong; NULL if all is well
 */
struct reader {
	struct latest *latest;
	u64 last;
	u64 until;
	u32 intact;
	u32 torn;
	const char *complaint;
};

/* Copies a line; if @dawdle, stops half way until somebody else has lapped it. */
static void copy_line(const struct reader *reader, const struct latest_line *line, char *copy,
		      bool dawdle)
{
	u32 i;

	for (i = 0; i < line->length; i++) {
		while (dawdle && i == line->length / 2 &&
		       !is_lapped(reader->latest, line->generation) &&
		       latest_generation(reader->latest->map) != reader->until)
			sched_yield();
		copy[i] = READ_ONCE(line->data[i]);
	}
}

/* Takes the latest line, or the one that was it @lag publications ago. */
static struct latest_line take_line(const struct latest *latest, u32 lag)
{
	u64 generation = latest_generation(latest->map);

	if (!lag || generation <= lag)
		return latest_take(latest->map);
	return take_older(latest, generation - lag);
}

static const char *read_unlocked(struct reader *reader, u32 lag, bool dawdle)
{
	const struct latest *latest = reader->latest;
	const struct latest_line line = take_line(latest, lag);
	char copy[MIXED_MAX];
	bool lapped;

	if (!latest_intact(&line)) {
		reader->torn++;
		if (!may_be_lapped(latest, line.generation))
			return "a line was not to be had though nobody overwrote it";
		return NULL;
	}
	if (line.length != length_of(line.generation) || line.time_ns != mix(line.generation))
		return "length or time of another line";
	if (!lag && line.generation < reader->last)
		return "an older line after a newer one";

	copy_line(reader, &line, copy, dawdle);
	lapped = is_lapped(latest, line.generation);
	if (!latest_intact(&line)) {
		reader->torn++;
		if (!may_be_lapped(latest, line.generation))
			return "a line was not intact though nobody overwrote it";
		return NULL;
	}
	if (lapped)
		return "a line was intact though it had been overwritten";
	if (!is_whole(&line, copy))
		return "a torn line was intact";
	reader->intact++;
	if (!lag)
		reader->last = line.generation;
	return NULL;
}

static const char *read_locked(struct reader *reader)
{
	struct latest *latest = reader->latest;
	const char *complaint = NULL;
	char copy[MIXED_MAX];
	struct latest_line line;

	spin_lock(&latest->lock);
	line = latest_take(latest->map);
	copy_line(reader, &line, copy, false);
	if (!latest_intact(&line))
		complaint = "a line was overwritten under the lock";
	else if (!is_whole(&line, copy))
		complaint = "a torn line under the lock";
	else if (line.generation < reader->last)
		complaint = "an older line after a newer one, under the lock";
	reader->last = line.generation;
	spin_unlock(&latest->lock);
	return complaint;
}

static void set_up_mixed(struct latest *latest, u32 publications)
{
	u32 i;

	set_up(latest, MIXED_MAX);
	for (i = 0; i < publications; i++)
		write_line(latest, false);
}

/*
 * One thread, interrupted before each single access in turn
 */

/* More than it takes to read or write the longest line. */
#define ACCESSES	(MIXED_MAX + 32)

/**
 * struct interrupt - what shall happen, and before which access
 * @accesses_left: accesses until then; 0: it happened, or nothing shall
 * @handler:       called with @arg
 * @arg:           for @handler
 */
static __thread struct interrupt {
	u32 accesses_left;
	void (*handler)(void *arg);
	void *arg;
} interrupt;

/**
 * struct notes - the kinds of the accesses, in their order
 * @kinds: as before_access() has them; a string
 * @len:   of that
 * @on:    note them down
 */
static __thread struct notes {
	char kinds[32];
	u32 len;
	bool on;
} notes;

void before_access(char what)
{
	if (notes.on && notes.len < sizeof(notes.kinds) - 1)
		notes.kinds[notes.len++] = what;
	if (interrupt.accesses_left && !--interrupt.accesses_left)
		interrupt.handler(interrupt.arg);
}

/* Calls @handler before one of the next accesses; 1 is the very next. */
static void interrupt_before(u32 access, void (*handler)(void *arg), void *arg)
{
	interrupt = (struct interrupt){ access, handler, arg };
}

static void do_not_interrupt(void)
{
	interrupt.accesses_left = 0;
}

static void begin_notes(void)
{
	notes = (struct notes){ .on = true };
}

static bool notes_end_with(const char *kinds)
{
	u32 len = strlen(kinds);

	return notes.len >= len && !strcmp(notes.kinds + notes.len - len, kinds);
}

/*
 * The machines that run this may never show what a missing barrier does, so it
 * is to be noticed in this way if one goes. The letters are before_access()'s.
 */
TEST(barriers_stand_where_other_machines_need_them)
{
	struct lastline_slot *slot;
	struct latest_line line;
	struct latest latest;

	/* One who finds the memory finds its head in there. */
	begin_notes();
	set_up(&latest, MIXED_MAX);
	EXPECT_TRUE(notes_end_with("l"));

	/* Whatever is read of the slot comes behind. */
	begin_notes();
	latest_generation(latest.map);
	EXPECT_TRUE(notes_end_with("a"));

	/* The same. */
	begin_notes();
	line = latest_take(latest.map);
	EXPECT_EQ('a', notes.kinds[0]);

	/* What was read of the slot, and the caller's copying, come before. */
	begin_notes();
	latest_intact(&line);
	EXPECT_STREQ("Rr", notes.kinds);

	/* The caller's bytes come behind. */
	begin_notes();
	slot = latest_begin(&latest);
	EXPECT_TRUE(notes_end_with("wW"));

	/* All that belongs to the slot comes before. */
	begin_notes();
	latest_publish(&latest, slot, 0, 1, 0);
	EXPECT_TRUE(notes_end_with("wl"));

	tear_down(&latest);
}

struct lines_to_write {
	struct latest *latest;
	u32 publications;
	bool give_up;
};

static void write_lines(void *arg)
{
	const struct lines_to_write *lines = arg;
	u32 i;

	for (i = 0; i < lines->publications; i++)
		write_line(lines->latest, false);
	if (lines->give_up)
		write_line(lines->latest, true);
}

TEST(a_reader_that_is_overtaken_at_any_access_takes_nothing_torn)
{
	struct lines_to_write lines;
	struct reader reader = {};
	struct latest latest;
	u32 access, turn;

	set_up_mixed(&latest, 1);
	reader.latest = &latest;
	lines.latest = &latest;
	for (access = 1; access <= ACCESSES; access++) {
		for (turn = 0; turn < 64; turn++) {
			lines.publications = turn % 16;
			lines.give_up = turn & 16;
			write_line(&latest, false);
			interrupt_before(access, write_lines, &lines);
			ASSERT_EQ(NULL, read_unlocked(&reader, 0, false)) {
				TH_LOG("access %u, %u publications", access, lines.publications);
			}
			do_not_interrupt();
		}
	}
	EXPECT_LT(0U, reader.intact);
	EXPECT_LT(0U, reader.torn);
	tear_down(&latest);
}

/* Reads each line that may still be there; the latest one must be. */
static void read_lines(void *arg)
{
	struct reader *reader = arg;
	u64 generation = latest_generation(reader->latest->map);
	u32 lag, intact = reader->intact;

	for (lag = 0; lag <= LASTLINE_MAP_SLOTS && !reader->complaint; lag++) {
		reader->complaint = read_unlocked(reader, lag, false);
		if (!lag && !reader->complaint &&
		    (reader->intact == intact || reader->last != generation))
			reader->complaint = "the latest line was not to be had";
	}
}

TEST(a_writer_that_is_interrupted_at_any_access_leaves_the_latest_line_to_be_taken)
{
	struct reader reader = {};
	struct latest latest;
	u32 access, turn;

	set_up_mixed(&latest, 16);
	reader.latest = &latest;
	for (access = 1; access <= ACCESSES; access++) {
		for (turn = 0; turn < 64; turn++) {
			interrupt_before(access, read_lines, &reader);
			write_line(&latest, turn % 4 == 0);
			do_not_interrupt();
			ASSERT_EQ(NULL, reader.complaint) {
				TH_LOG("access %u: %s", access, reader.complaint);
			}
		}
	}
	EXPECT_LT(0U, reader.intact);
	EXPECT_LT(0U, reader.torn);
	tear_down(&latest);
}

/*
 * Threads
 */

#define WRITERS		2
#define READERS		3
#define PUBLICATIONS	100000	/* by each writer */
#define LAST		(1ULL + WRITERS * PUBLICATIONS)	/* the main thread publishes one */

static void *writer_main(void *arg)
{
	struct latest *latest = arg;
	u32 i;

	for (i = 0; i < PUBLICATIONS; i++) {
		if (i % 8 == 0)
			write_line(latest, true);
		write_line(latest, false);
		/* Else few CPUs would show the readers few of the lines. */
		if (i % 16 == 0)
			sched_yield();
	}
	return NULL;
}

static void *reader_main(void *arg)
{
	struct reader *reader = arg;
	u32 i, slots = LASTLINE_MAP_SLOTS;

	for (i = 0; reader->last < LAST && !reader->complaint; i++) {
		if (i % 64 == 63)
			reader->complaint = read_locked(reader);
		else
			reader->complaint = read_unlocked(reader, i % slots, i % 32 == 0);
	}
	return NULL;
}

TEST(readers_never_take_a_torn_line_for_intact_nor_an_older_one_after_a_newer)
{
	pthread_t threads[READERS + WRITERS];
	struct reader readers[READERS] = {};
	struct latest latest;
	u32 torn = 0;
	int i;

	set_up_mixed(&latest, 1);
	for (i = 0; i < READERS; i++) {
		readers[i].latest = &latest;
		readers[i].until = LAST;
	}
	for (i = 0; i < READERS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, reader_main, &readers[i]));
	for (; i < READERS + WRITERS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, writer_main, &latest));
	for (i = 0; i < READERS + WRITERS; i++)
		pthread_join(threads[i], NULL);

	EXPECT_EQ(LAST, latest_generation(latest.map));
	for (i = 0; i < READERS; i++) {
		TH_LOG("reader %d: %u intact, %u torn", i, readers[i].intact, readers[i].torn);
		EXPECT_EQ(NULL, readers[i].complaint) {
			TH_LOG("reader %d, after generation %llu: %s", i,
			       (unsigned long long)readers[i].last, readers[i].complaint);
		}
		EXPECT_LT(0U, readers[i].intact);
		torn += readers[i].torn;
	}
	EXPECT_LT(0U, torn);
	tear_down(&latest);
}

TEST_HARNESS_MAIN
