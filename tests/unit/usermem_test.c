// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the copies between user memory and slots promise, one sentence per test.
 *
 * User memory is this program's own; include/linux/uaccess.h looks after each
 * access to it, and lets a byte fault if a test wants that.
 */
#include <linux/types.h>

#include "kselftest_harness.h"
#include "random.h"
#include "usermem.h"

struct user_memory user_memory;

static void fault_at(const char *from, size_t len)
{
	user_memory.fault_from = from;
	user_memory.fault_to = from + len;
}

static void fault_nowhere(void)
{
	user_memory.fault_from = NULL;
	user_memory.fault_to = NULL;
}

#define READ_MAX	300
#define WRITE_MAX	600
#define ALIGNMENTS	16
#define GUARD		32	/* bytes on either side */
#define ROOM		(GUARD + ALIGNMENTS + WRITE_MAX + GUARD)

/*
 * One copy: source and destination with their guards. What surrounds the source
 * is newlines, so that a look beyond it shows.
 */
static char source[ROOM], destination[ROOM], expected[ROOM];

enum filling {
	TEXT,
	HIGH,		/* from 0x80 on, such as in UTF-8 */
	CONTROL,	/* below 0x20 */
	ANY,
	FILLINGS
};

static char draw_byte(enum filling filling)
{
	const u64 bits = draw_bits();
	char byte;

	switch (filling) {
	case TEXT:
		return ' ' + bits % ('~' - ' ' + 1);
	case HIGH:
		byte = 0x80 | bits;
		return bits & 0x100 ? '\x8a' : byte;
	case CONTROL:
		byte = bits & 0x1f;
		return byte == '\n' ? '\x0b' : byte;
	default:
		byte = bits;
		return byte == '\n' ? '\0' : byte;
	}
}

/* Draws a source without newlines. */
static char *draw_source(u32 align, u32 len, enum filling filling)
{
	char *data = source + GUARD + align;
	u32 i;

	memset(source, '\n', sizeof(source));
	for (i = 0; i < len; i++)
		data[i] = draw_byte(filling);
	return data;
}

/* Gives the destination other bytes than those that are to come. */
static char *clear_destination(u32 align, const char *data, u32 len)
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

/* Has the destination become what it should be, with all around it? */
static bool is_copied(void)
{
	return !memcmp(destination, expected, sizeof(destination));
}

/* Where the line begins that ends with the final byte. */
static u32 line_start_by_bytes(const char *data, u32 len)
{
	for (len--; len && data[len - 1] != '\n'; len--)
		;
	return len;
}

/* Reads @len bytes at @from, and says what is wrong with the copy. */
static const char *read_complaint(char *from, u32 len, u32 to_align)
{
	const struct usermem mem = { .buf = from, .len = len };
	char *to = clear_destination(to_align, from, len);
	u32 start = line_start_by_bytes(from, len);
	u32 searched = ~0U;

	if (usermem_read_line(&mem, 0, to, len, &searched) != (from[len - 1] == '\n'))
		return "it does not tell whether the final byte is a newline";
	if (user_memory.open)
		return "user access stays open";
	if (from[len - 1] != '\n') {
		if (searched || to[0] != (char)~from[0] || to[len - 1] != (char)~from[len - 1])
			return "something is copied of what does not end a line";
		return NULL;
	}
	if (!is_copied())
		return "not the bytes, or bytes around them";
	if (searched > len - 1)
		return "more searched than there is before the final byte";
	if (searched < start)
		return "a newline behind what was searched";
	if (splitter_line_start(to, searched) != start)
		return "a wrong start of the line";
	if (!start && searched)
		return "a search for a newline that is not there";
	return NULL;
}

/* Is the copy right? */
static bool reads_this(char *from, u32 len, u32 to_align)
{
	const char *complaint = read_complaint(from, len, to_align);

	if (complaint)
		fprintf(stderr, "# %u bytes: %s\n", len, complaint);
	return !complaint;
}

/* The same, as it is and with a newline at the end, which stays there. */
static bool reads(char *from, u32 len, u32 to_align)
{
	bool right = reads_this(from, len, to_align);

	from[len - 1] = '\n';
	return right && reads_this(from, len, to_align);
}

TEST(a_line_is_read_at_every_length_and_alignment)
{
	u32 len, from_align, to_align;
	char *from;

	for (len = 1; len <= READ_MAX; len++) {
		for (from_align = 0; from_align < ALIGNMENTS; from_align++) {
			from = draw_source(from_align, len, (len + from_align) % FILLINGS);
			for (to_align = 0; to_align < ALIGNMENTS; to_align++)
				ASSERT_TRUE(reads_this(from, len, to_align));
			from[len - 1] = '\n';
			for (to_align = 0; to_align < ALIGNMENTS; to_align++)
				ASSERT_TRUE(reads_this(from, len, to_align));
		}
	}
}

TEST(the_last_of_many_lines_is_found_at_every_length_and_alignment)
{
	u32 len, from_align, to_align, newlines;
	char *from;

	for (len = 2; len <= READ_MAX; len++) {
		for (from_align = 0; from_align < ALIGNMENTS; from_align++) {
			from = draw_source(from_align, len, (len + from_align) % FILLINGS);
			for (to_align = 0; to_align < ALIGNMENTS; to_align++) {
				newlines = 1 + draw_number(4);
				while (newlines--)
					from[draw_number(len - 1)] = '\n';
				ASSERT_TRUE(reads(from, len, to_align));
				from[draw_number(len - 1)] = 'a';
			}
		}
	}
}

TEST(a_newline_is_found_at_every_place_among_any_bytes)
{
	u32 len, place, filling;
	char *from;
	char byte;

	for (len = 2; len <= READ_MAX; len++) {
		filling = len % FILLINGS;
		from = draw_source(len % ALIGNMENTS, len, filling);
		for (place = 0; place < len - 1; place++) {
			byte = from[place];
			from[place] = '\n';
			ASSERT_TRUE(reads(from, len, place % ALIGNMENTS));
			from[place] = byte;
		}
	}
}

/* All pairs of places in what takes a block, one that overlaps it, and words. */
TEST(the_later_of_two_newlines_is_found_at_every_two_places)
{
	u32 len, first, second, filling;
	char *from;
	char byte;

	for (len = 3; len <= 2 * BLOCK + 3; len++) {
		for (filling = 0; filling < FILLINGS; filling++) {
			from = draw_source(0, len, filling);
			from[len - 1] = '\n';
			for (second = 1; second < len - 1; second++) {
				byte = from[second];
				from[second] = '\n';
				for (first = 0; first < second; first++) {
					from[first] = '\n';
					ASSERT_TRUE(reads_this(from, len, 0));
					from[first] = draw_byte(filling);
				}
				from[second] = byte;
			}
		}
	}
}

TEST(bytes_that_resemble_a_newline_are_none_to_the_search)
{
	static const unsigned char alike[] = { 0x00, 0x09, 0x0b, 0x7f, 0x80, 0x8a, 0x8b, 0xff };
	u32 len, i, place;
	char *from;

	for (len = 1; len <= READ_MAX; len++) {
		from = draw_source(0, len, TEXT);
		for (i = 0; i < ARRAY_SIZE(alike); i++) {
			memset(from, alike[i], len);
			ASSERT_TRUE(reads(from, len, 0));
			if (len == 1)
				continue;
			place = draw_number(len - 1);
			from[place] = '\n';
			ASSERT_TRUE(reads(from, len, 0));
		}
	}
}

TEST(what_was_to_be_left_out_is_left_out)
{
	const u32 len = 100;
	char *from = draw_source(0, 2 * len, ANY), *to;
	struct usermem mem = { .buf = from };
	u32 skip, searched;

	from[2 * len - 1] = '\n';
	mem.len = 2 * len;
	for (skip = 0; skip < 2 * len; skip++) {
		to = clear_destination(0, from + skip, 2 * len - skip);
		EXPECT_TRUE(usermem_read_line(&mem, skip, to, 2 * len - skip, &searched));
		EXPECT_TRUE(is_copied());
		EXPECT_EQ(0U, searched);
	}
}

TEST(a_read_of_a_byte_that_is_not_there_fails)
{
	struct usermem mem;
	u32 len, place, searched;
	char *from, *to;

	for (len = 1; len <= READ_MAX; len++) {
		from = draw_source(len % ALIGNMENTS, len, len % FILLINGS);
		from[len - 1] = '\n';
		to = clear_destination(0, from, len);
		mem = (struct usermem){ .buf = from, .len = len };
		for (place = 0; place < len; place++) {
			fault_at(from + place, 1);
			ASSERT_FALSE(usermem_read_line(&mem, 0, to, len, &searched)) {
				TH_LOG("byte %u of %u", place, len);
			}
			ASSERT_FALSE(user_memory.open);
		}
		/* Whatever was copied, nothing around it was written. */
		memcpy(to, from, len);
		ASSERT_TRUE(is_copied());
	}
}

TEST(a_read_up_to_a_page_that_is_not_there_succeeds)
{
	char *from;
	u32 len;

	for (len = 1; len <= READ_MAX; len++) {
		from = draw_source(len % ALIGNMENTS, len, len % FILLINGS);
		fault_at(from + len, GUARD);
		ASSERT_TRUE(reads(from, len, 0));
		fault_at(from - GUARD, GUARD);
		ASSERT_TRUE(reads(from, len, 0));
	}
}

TEST(a_read_of_a_bad_address_fails)
{
	u32 len, searched;
	struct usermem mem;
	char *from, *to;

	user_memory.bad = true;
	for (len = 1; len <= READ_MAX; len++) {
		from = draw_source(0, len, TEXT);
		from[len - 1] = '\n';
		mem = (struct usermem){ .buf = from, .len = len };
		to = clear_destination(0, from, len);
		memcpy(expected, destination, sizeof(expected));
		ASSERT_FALSE(usermem_read_line(&mem, 0, to, len, &searched));
		ASSERT_TRUE(is_copied());
	}
}

TEST(an_iterator_is_read_like_a_buffer_and_stays_where_it_was)
{
	const u32 len = 100, skip = 7;
	char *from = draw_source(3, skip + len, ANY), *to;
	struct iov_iter iter = { .at = from, .count = skip + len };
	const struct usermem mem = { .buf = NULL, .len = skip + len, .iter = &iter };
	u32 searched, end;

	from[skip + 40] = '\n';
	for (end = 0; end < 2; end++) {
		to = clear_destination(0, from + skip, len);
		EXPECT_EQ(end == 1, usermem_read_line(&mem, skip, to, len, &searched));
		EXPECT_TRUE(is_copied());
		EXPECT_EQ(from, iter.at);
		EXPECT_EQ((size_t)skip + len, iter.count);
		from[skip + len - 1] = '\n';
	}
	EXPECT_EQ(41U, splitter_line_start(to, searched));

	fault_at(from + skip + 50, 1);
	EXPECT_FALSE(usermem_read_line(&mem, skip, to, len, &searched));
	EXPECT_EQ(from, iter.at);
	EXPECT_EQ((size_t)skip + len, iter.count);
}

/*
 * To the user
 */

TEST(bytes_are_written_at_every_length_and_alignment)
{
	u32 len, from_align, to_align;
	struct usermem mem;
	char *from;

	for (len = 0; len <= WRITE_MAX; len++) {
		for (from_align = 0; from_align < ALIGNMENTS; from_align++) {
			from = draw_source(from_align, len, ANY);
			for (to_align = 0; to_align < ALIGNMENTS; to_align++) {
				mem = (struct usermem){
					.buf = clear_destination(to_align, from, len),
					.len = len,
				};
				ASSERT_TRUE(usermem_write(&mem, from, len));
				ASSERT_FALSE(user_memory.open);
				ASSERT_TRUE(is_copied()) {
					TH_LOG("%u bytes from %u to %u", len, from_align,
					       to_align);
				}
			}
		}
	}
}

TEST(a_line_is_written_no_further_though_there_is_more_room)
{
	struct usermem mem = { .len = WRITE_MAX };
	char *from;
	u32 len;

	for (len = 1; len <= WRITE_MAX / 2; len++) {
		from = draw_source(0, len, ANY);
		mem.buf = clear_destination(0, from, len);
		ASSERT_TRUE(usermem_write(&mem, from, len));
		ASSERT_TRUE(is_copied());
	}
}

TEST(a_write_to_a_byte_that_is_not_there_fails)
{
	struct usermem mem;
	u32 len, place;
	char *from;

	for (len = 1; len <= WRITE_MAX; len++) {
		from = draw_source(len % ALIGNMENTS, len, ANY);
		mem.buf = clear_destination(len / ALIGNMENTS % ALIGNMENTS, from, len);
		mem.len = len;
		mem.iter = NULL;
		for (place = 0; place < len; place++) {
			fault_at(mem.buf + place, 1);
			ASSERT_FALSE(usermem_write(&mem, from, len)) {
				TH_LOG("byte %u of %u", place, len);
			}
			ASSERT_FALSE(user_memory.open);
			ASSERT_NE(from[place], mem.buf[place]);
		}
		/* Whatever was copied, nothing around it was written. */
		memcpy(mem.buf, from, len);
		ASSERT_TRUE(is_copied());
	}
}

TEST(a_write_up_to_a_page_that_is_not_there_succeeds)
{
	struct usermem mem = {};
	char *from;
	u32 len;

	for (len = 1; len <= WRITE_MAX; len++) {
		from = draw_source(0, len, ANY);
		mem.len = len;
		mem.buf = clear_destination(len % ALIGNMENTS, from, len);
		fault_at(mem.buf + len, GUARD);
		ASSERT_TRUE(usermem_write(&mem, from, len));
		ASSERT_TRUE(is_copied());
		mem.buf = clear_destination(len % ALIGNMENTS, from, len);
		fault_at(mem.buf - GUARD, GUARD);
		ASSERT_TRUE(usermem_write(&mem, from, len));
		ASSERT_TRUE(is_copied());
	}
}

TEST(a_write_to_a_bad_address_fails)
{
	struct usermem mem = {};
	char *from;
	u32 len;

	user_memory.bad = true;
	for (len = 1; len <= WRITE_MAX; len++) {
		from = draw_source(0, len, ANY);
		mem.len = len;
		mem.buf = clear_destination(0, from, len);
		memcpy(expected, destination, sizeof(expected));
		ASSERT_FALSE(usermem_write(&mem, from, len));
		ASSERT_TRUE(is_copied());
	}
}

TEST(an_iterator_is_advanced_by_what_was_written_and_can_be_taken_back)
{
	const u32 len = 100;
	char *from = draw_source(0, len, ANY), *to = clear_destination(0, from, len);
	struct iov_iter iter = { .at = to, .count = 2 * len };
	const struct usermem mem = { .len = 2 * len, .iter = &iter };

	EXPECT_TRUE(usermem_write(&mem, from, len));
	EXPECT_TRUE(is_copied());
	EXPECT_EQ(to + len, iter.at);
	EXPECT_EQ((size_t)len, iter.count);
	usermem_unwrite(&mem, len);
	EXPECT_EQ(to, iter.at);
	EXPECT_EQ(2 * (size_t)len, iter.count);

	fault_at(to + 50, 1);
	EXPECT_FALSE(usermem_write(&mem, from, len));
	EXPECT_EQ(to, iter.at);
	EXPECT_EQ(2 * (size_t)len, iter.count);
	fault_nowhere();
}

TEST_HARNESS_MAIN
