// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the mapped view promises to programs, one sentence per test.
 *
 * The reader of <linux/lastline.h> looks at slots that latest.c made. A test that
 * needs to overtake it while it copies hands it a page that cannot be written, and
 * publishes when that is noticed.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include <linux/mm.h>
#include <linux/types.h>

#include "kselftest_harness.h"
#include "latest.h"

#define LINE_MAX	200

FIXTURE(map)
{
	struct latest latest;
	const struct lastline_map *map;
	char buf[LINE_MAX];
	__u64 generation;
};

FIXTURE_SETUP(map)
{
	size_t size;
	void *map;

	memset(self, 0, sizeof(*self));
	latest_init(&self->latest, LINE_MAX);
	size = latest_map_size(&self->latest);
	map = aligned_alloc(PAGE_SIZE, size);
	memset(map, 0, size);
	latest_attach(&self->latest, map);
	self->map = map;
	self->generation = 99;
}

FIXTURE_TEARDOWN(map)
{
	free(self->latest.map);
}

/* Publishes @length bytes @byte, behind others. */
static struct lastline_slot *publish(struct latest *latest, char byte, u32 length)
{
	const u32 offset = LINE_MAX + 1 - length;
	struct lastline_slot *slot;

	spin_lock(&latest->lock);
	slot = latest_begin(latest);
	memset(slot->data, '~', offset);
	memset(slot->data + offset, byte, length);
	latest_publish(latest, slot, offset, length, 1);
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

TEST_F(map, the_structures_have_no_holes_and_one_size_everywhere)
{
	EXPECT_EQ(64U, sizeof(struct lastline_map));
	EXPECT_EQ(8U, offsetof(struct lastline_map, version));
	EXPECT_EQ(24U, offsetof(struct lastline_map, spare));
	EXPECT_EQ(24U, sizeof(struct lastline_slot));
	EXPECT_EQ(24U, offsetof(struct lastline_slot, data));
}

TEST_F(map, while_nothing_was_published_there_is_nothing)
{
	EXPECT_EQ(0U, lastline_map_generation(self->map));
	EXPECT_EQ(0, lastline_map_read(self->map, self->buf, LINE_MAX, &self->generation));
	EXPECT_EQ(0U, self->generation);
	EXPECT_EQ(0, lastline_map_read(self->map, self->buf, 0, NULL));
}

TEST_F(map, the_latest_line_is_read_with_its_length_and_generation)
{
	u32 n, length;

	for (n = 1; n <= 3 * LINE_MAX; n++) {
		length = 1 + n % LINE_MAX;
		publish(&self->latest, n, length);
		memset(self->buf, ~n, LINE_MAX);
		EXPECT_EQ(n, lastline_map_generation(self->map));
		ASSERT_EQ((int)length, lastline_map_read(self->map, self->buf, LINE_MAX,
							 &self->generation));
		EXPECT_EQ(n, self->generation);
		EXPECT_TRUE(holds(self->buf, n, length));
		EXPECT_TRUE(holds(self->buf + length, ~n, LINE_MAX - length));
	}
}

TEST_F(map, a_line_can_be_read_again)
{
	int i;

	publish(&self->latest, 'a', 7);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(7, lastline_map_read(self->map, self->buf, LINE_MAX, NULL));
		EXPECT_EQ(1U, lastline_map_generation(self->map));
	}
}

TEST_F(map, the_generation_has_64_bits)
{
	const u64 start = (1ULL << 32) - 3;
	u64 n;

	atomic64_set(latest_atomic(&self->latest.map->generation), start);
	for (n = start + 1; n < start + 3 * LASTLINE_MAP_SLOTS; n++) {
		publish(&self->latest, n, 9);
		EXPECT_EQ(n, lastline_map_generation(self->map));
		EXPECT_EQ(9, lastline_map_read(self->map, self->buf, 9, &self->generation));
		EXPECT_EQ(n, self->generation);
		EXPECT_TRUE(holds(self->buf, n, 9));
	}
}

TEST_F(map, the_longest_line_is_read)
{
	publish(&self->latest, 'a', LINE_MAX);
	EXPECT_EQ(LINE_MAX, lastline_map_read(self->map, self->buf, self->map->line_max, NULL));
	EXPECT_TRUE(holds(self->buf, 'a', LINE_MAX));
}

TEST_F(map, a_line_needs_just_its_room)
{
	publish(&self->latest, 'a', 7);
	self->buf[7] = 'z';
	EXPECT_EQ(7, lastline_map_read(self->map, self->buf, 7, NULL));
	EXPECT_TRUE(holds(self->buf, 'a', 7));
	EXPECT_EQ('z', self->buf[7]);
}

TEST_F(map, with_less_room_it_is_refused)
{
	u32 size;

	publish(&self->latest, 'a', 7);
	for (size = 0; size < 7; size++) {
		EXPECT_EQ(-EMSGSIZE,
			  lastline_map_read(self->map, self->buf, size, &self->generation));
	}
	EXPECT_EQ(99U, self->generation);
	EXPECT_TRUE(holds(self->buf, 0, LINE_MAX));
}

/* A reader that had read the generation before the slot was opened again. */
TEST_F(map, a_line_that_is_being_overwritten_is_refused)
{
	struct lastline_slot *slot = publish(&self->latest, 'a', 7);

	atomic64_set(latest_atomic(&slot->generation), LASTLINE_MAP_FILLING);
	EXPECT_EQ(-EAGAIN, lastline_map_read(self->map, self->buf, LINE_MAX,
					     &self->generation));
	EXPECT_EQ(99U, self->generation);
}

TEST_F(map, a_line_that_was_overwritten_is_refused)
{
	struct lastline_slot *slot = publish(&self->latest, 'a', 7);

	atomic64_set(latest_atomic(&slot->generation), 1 + LASTLINE_MAP_SLOTS);
	EXPECT_EQ(-EAGAIN, lastline_map_read(self->map, self->buf, LINE_MAX, NULL));
	atomic64_set(latest_atomic(&slot->generation), 1 + (1ULL << 32));
	EXPECT_EQ(-EAGAIN, lastline_map_read(self->map, self->buf, LINE_MAX, NULL));
}

/* Not even the length: they could be of two lines. */
TEST_F(map, nothing_is_believed_of_a_line_that_is_being_overwritten)
{
	struct lastline_slot *slot = publish(&self->latest, 'a', 7);

	atomic64_set(latest_atomic(&slot->generation), LASTLINE_MAP_FILLING);
	slot->offset = ~0U;
	slot->length = LINE_MAX;
	EXPECT_EQ(-EAGAIN, lastline_map_read(self->map, self->buf, LINE_MAX, NULL));
	EXPECT_EQ(-EAGAIN, lastline_map_read(self->map, self->buf, 0, NULL));
}

TEST_F(map, a_line_is_read_while_the_next_slot_is_being_filled_or_was_given_up)
{
	struct lastline_slot *slot;

	publish(&self->latest, 'a', 7);
	slot = latest_begin(&self->latest);
	memset(slot->data, 'x', LINE_MAX + 1);
	EXPECT_EQ(7, lastline_map_read(self->map, self->buf, LINE_MAX, NULL));
	EXPECT_TRUE(holds(self->buf, 'a', 7));
	latest_abort(slot, LINE_MAX + 1);
	EXPECT_EQ(7, lastline_map_read(self->map, self->buf, LINE_MAX, &self->generation));
	EXPECT_TRUE(holds(self->buf, 'a', 7));
	EXPECT_EQ(1U, self->generation);
}

/* What happens when the reader touches @page. */
static struct overtaker {
	struct latest *latest;
	void *page;
	u32 publications;
	bool begin;	/* and open one more slot */
} overtaker;

static void overtake(int signal)
{
	u32 i;

	for (i = 0; i < overtaker.publications; i++)
		publish(overtaker.latest, 'b', LINE_MAX);
	if (overtaker.begin)
		latest_begin(overtaker.latest);
	mprotect(overtaker.page, PAGE_SIZE, PROT_READ | PROT_WRITE);
}

/* Reads a line of 7 bytes; overtakes the reader before it has copied one. */
static int read_overtaken(struct latest *latest, u32 publications, bool begin)
{
	const struct sigaction action = { .sa_handler = overtake };
	int ret;

	publish(latest, 'a', 7);
	overtaker = (struct overtaker){ latest, NULL, publications, begin };
	overtaker.page = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (overtaker.page == MAP_FAILED || sigaction(SIGSEGV, &action, NULL))
		return -EIO;
	ret = lastline_map_read(latest->map, overtaker.page, PAGE_SIZE, NULL);
	if (ret > 0 && !holds(overtaker.page, 'a', ret))
		ret = -EILSEQ;
	munmap(overtaker.page, PAGE_SIZE);
	return ret;
}

TEST_F(map, a_line_is_intact_where_it_lies_until_its_slot_is_filled_again)
{
	struct lastline_view view;
	u32 n;

	publish(&self->latest, 'a', 7);
	ASSERT_EQ(1, lastline_map_look(self->map, &view));
	EXPECT_EQ(7U, view.length);
	EXPECT_EQ(1U, view.generation);
	for (n = 0; n < LASTLINE_MAP_SLOTS; n++) {
		EXPECT_TRUE(holds(view.data, 'a', 7));
		EXPECT_EQ(1, lastline_map_intact(&view));
		if (n < LASTLINE_MAP_SLOTS - 1)
			publish(&self->latest, 'b', 9);
	}
	latest_begin(&self->latest);
	EXPECT_EQ(0, lastline_map_intact(&view));
}

/* Like any line: a slot that was never used may not be taken for one. */
TEST_F(map, nothing_is_intact_until_its_slot_is_filled)
{
	struct lastline_view view;
	u32 n;

	ASSERT_EQ(1, lastline_map_look(self->map, &view));
	EXPECT_EQ(0U, view.length);
	EXPECT_EQ(0U, view.generation);
	for (n = 1; n < LASTLINE_MAP_SLOTS; n++)
		publish(&self->latest, 'b', 9);
	EXPECT_EQ(1, lastline_map_intact(&view));
	latest_begin(&self->latest);
	EXPECT_EQ(0, lastline_map_intact(&view));
}

TEST_F(map, a_line_that_is_overwritten_while_it_is_copied_is_refused)
{
	EXPECT_EQ(-EAGAIN, read_overtaken(&self->latest, LASTLINE_MAP_SLOTS - 1, true));
	EXPECT_EQ(-EAGAIN, read_overtaken(&self->latest, LASTLINE_MAP_SLOTS, false));
	EXPECT_EQ(-EAGAIN, read_overtaken(&self->latest, 3 * LASTLINE_MAP_SLOTS, false));
}

TEST_F(map, a_line_is_read_though_newer_ones_come_while_it_is_copied)
{
	u32 publications;

	for (publications = 0; publications < LASTLINE_MAP_SLOTS; publications++)
		EXPECT_EQ(7, read_overtaken(&self->latest, publications, false));
	EXPECT_EQ(7, read_overtaken(&self->latest, LASTLINE_MAP_SLOTS - 2, true));
}

TEST_HARNESS_MAIN
