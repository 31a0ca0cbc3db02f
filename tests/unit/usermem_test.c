// SPDX-License-Identifier: GPL-2.0-only
/*
 * The copies between user memory and slots, at the lengths around blocks, words and
 * MEMCPY_MIN. The fuzzer has any length, any bytes, and iterators.
 *
 * User memory is this program's own; include/linux/uaccess.h checks each access to it,
 * and makes a byte fault if a test wants that.
 */
#include <linux/types.h>

#include "kselftest_harness.h"
#include "usermem.h"

struct user_memory user_memory;

#define SHORT_MAX	(2 * BLOCK + WORD + 3)
#define LEN_MAX		(MEMCPY_MIN + BLOCK + 1)
#define GUARD		32	/* bytes on either side */
#define ROOM		(GUARD + WORD + LEN_MAX + GUARD)

/* Each has its guards. Those of the source are newlines, so that a look there shows. */
static char source[ROOM], destination[ROOM], expected[ROOM];

/* What the source is made of: text, and bytes that resemble a newline. */
static const char fillers[9] = "a\x00\x09\x0b\x7f\x80\x8a\x8b\xff";

/* All short lengths, and those around the one at which other instructions copy. */
static u32 next_length(u32 len)
{
	return len == SHORT_MAX ? MEMCPY_MIN - 1 : len + 1;
}

static void fault_at(const char *from, size_t len)
{
	user_memory.fault_from = from;
	user_memory.fault_to = from + len;
}

/* A source without newlines, each byte of which differs from the next one. */
static char *make_source(u32 align, u32 len)
{
	char *data = source + GUARD + align;
	u32 i;

	memset(source, '\n', sizeof(source));
	for (i = 0; i < len; i++)
		data[i] = fillers[(i + len) % sizeof(fillers)];
	return data;
}

/* Gives the destination other bytes than those that are expected. */
static char *make_destination(u32 align, const char *data, u32 len)
{
	char *to = destination + GUARD + align;
	u32 i;

	memset(destination, 0x5a, sizeof(destination));
	for (i = 0; i < len; i++)
		to[i] = ~data[i];
	memcpy(expected, destination, sizeof(destination));
	memcpy(expected + GUARD + align, data, len);
	return to;
}

/* Is the destination what is expected, with all around it? */
static bool is_copied(void)
{
	return !memcmp(destination, expected, sizeof(destination));
}

/* The same when only a part of @len bytes was copied. */
static bool is_at_most_copied(char *to, const char *from, u32 len)
{
	memcpy(to, from, len);
	return is_copied();
}

/* Reads @len bytes, of which the one before the line is a newline, unless @start is 0. */
static bool reads(char *from, u32 len, u32 to_align, u32 start)
{
	const struct usermem mem = { .buf = from, .len = len };
	char *to = make_destination(to_align, from, len);
	u32 searched = ~0U;

	if (!usermem_read_line(&mem, 0, to, len, &searched) || user_memory.open)
		return false;
	/* No search for a newline that is not there, and none behind what is searched. */
	return is_copied() && searched < len && searched >= start && (start || !searched) &&
	       splitter_line_start(to, searched) == start;
}

/* Refuses to read, and says how much of the destination it may have written. */
static bool refuses(char *from, u32 len, u32 written)
{
	const struct usermem mem = { .buf = from, .len = len };
	char *to = make_destination(0, from, len);
	u32 searched = ~0U;

	if (!written)
		memcpy(expected, destination, sizeof(expected));
	return !usermem_read_line(&mem, 0, to, len, &searched) && !user_memory.open &&
	       searched == written && (written ? is_at_most_copied(to, from, len) : is_copied());
}

TEST(line_is_read_and_other_bytes_are_refused_at_every_length_and_alignment)
{
	u32 len, align;
	char *from;

	for (len = 1; len <= LEN_MAX; len = next_length(len)) {
		for (align = 0; align < WORD * WORD; align++) {
			from = make_source(align / WORD, len);
			ASSERT_TRUE(refuses(from, len, 0));
			from[len - 1] = '\n';
			ASSERT_TRUE(reads(from, len, align % WORD, 0)) {
				TH_LOG("%u bytes, alignment %u", len, align);
			}
		}
	}
}

/* All pairs of places in what takes blocks, one that overlaps, words and bytes. */
TEST(later_of_two_newlines_is_found_at_every_two_places_among_any_bytes)
{
	u32 len, first, second, i;
	char *from;

	for (len = 2; len <= SHORT_MAX; len++) {
		for (i = 0; i < sizeof(fillers); i++) {
			from = make_source(0, len);
			memset(from, fillers[i], len - 1);
			from[len - 1] = '\n';
			ASSERT_TRUE(reads(from, len, 0, 0));
			for (second = 0; second < len - 1; second++) {
				from[second] = '\n';
				for (first = 0; first <= second; first++) {
					from[first] = '\n';
					ASSERT_TRUE(reads(from, len, 0, second + 1)) {
						TH_LOG("%u and %u of %u", first, second, len);
					}
					from[first] = fillers[i];
					from[second] = '\n';
				}
				from[second] = fillers[i];
			}
		}
	}
}

TEST(read_fails_if_any_byte_faults_and_succeeds_beside_a_missing_page)
{
	u32 len, place;
	char *from;

	for (len = 1; len <= LEN_MAX; len = next_length(len)) {
		from = make_source(len % WORD, len);
		from[len - 1] = '\n';
		for (place = 0; place < len; place++) {
			fault_at(from + place, 1);
			/* The last byte comes first, and nothing before it. */
			ASSERT_TRUE(refuses(from, len, place == len - 1 ? 0 : len)) {
				TH_LOG("byte %u of %u", place, len);
			}
		}
		fault_at(from + len, GUARD);
		ASSERT_TRUE(reads(from, len, 0, 0));
		fault_at(from - GUARD, GUARD);
		ASSERT_TRUE(reads(from, len, 0, 0));
		user_memory.bad = true;
		ASSERT_TRUE(refuses(from, len, 0));
		user_memory.bad = false;
	}
}

/*
 * To the user
 */

/* Writes @len bytes to a user who has room for @room. */
static bool writes(const char *from, u32 len, u32 to_align, u32 room)
{
	const struct usermem mem = { .buf = make_destination(to_align, from, len), .len = room };

	return usermem_write(&mem, from, len) && !user_memory.open && is_copied();
}

TEST(bytes_are_written_at_every_length_and_alignment_and_none_behind_them)
{
	u32 len, align;
	char *from;

	for (len = 1; len <= LEN_MAX; len = next_length(len)) {
		for (align = 0; align < WORD * WORD; align++) {
			from = make_source(align / WORD, len);
			ASSERT_TRUE(writes(from, len, align % WORD, len + align % 2 * GUARD)) {
				TH_LOG("%u bytes, alignment %u", len, align);
			}
		}
	}
	EXPECT_TRUE(writes(from, 0, 0, 0));
}

TEST(write_fails_if_any_byte_faults_and_succeeds_beside_a_missing_page)
{
	struct usermem mem = {};
	u32 len, place;
	char *from;

	for (len = 1; len <= LEN_MAX; len = next_length(len)) {
		from = make_source(len % WORD, len);
		mem.buf = make_destination(0, from, len);
		mem.len = len;
		for (place = 0; place < len; place++) {
			fault_at(mem.buf + place, 1);
			ASSERT_FALSE(usermem_write(&mem, from, len)) {
				TH_LOG("byte %u of %u", place, len);
			}
			ASSERT_FALSE(user_memory.open);
			ASSERT_NE(from[place], mem.buf[place]);
		}
		ASSERT_TRUE(is_at_most_copied(mem.buf, from, len));
		fault_at(mem.buf + len, GUARD);
		ASSERT_TRUE(writes(from, len, 0, len));
		fault_at(mem.buf - GUARD, GUARD);
		ASSERT_TRUE(writes(from, len, 0, len));

		user_memory.bad = true;
		make_destination(0, from, len);
		memcpy(expected, destination, sizeof(expected));
		ASSERT_FALSE(usermem_write(&mem, from, len));
		ASSERT_TRUE(is_copied());
		user_memory.bad = false;
	}
}

TEST_HARNESS_MAIN
