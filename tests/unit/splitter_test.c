// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the splitter promises, one sentence per test.
 *
 * Each test of the fixture runs twice: the splitter is shown all of each write,
 * or only the splitter_window() bytes at its end. Every buffer is exactly as
 * large as the contract wants it, so that the sanitizer sees one byte too many.
 */
#include <time.h>

#include <linux/types.h>

#include "kselftest_harness.h"
#include "random.h"
#include "splitter.h"

/* The newline search looks at this many bytes at a time. */
#define WORD	sizeof(long)

struct bytes {
	const char *data;
	size_t len;
};

#define BYTES(text)	((struct bytes){ text, sizeof(text) - 1 })

static bool same_bytes(const char *data, size_t len, struct bytes expected)
{
	return len == expected.len && (!len || !memcmp(data, expected.data, len));
}

/**
 * struct open_file - one open file, as the driver would have it
 * @splitter:     its unfinished line
 * @line_max:     longest line
 * @publications: lines published
 * @line:         the line published last
 * @length:       of that line
 */
struct open_file {
	struct splitter splitter;
	u32 line_max;
	u32 publications;
	char *line;
	u32 length;
};

static void open_file(struct open_file *file, u32 line_max)
{
	*file = (struct open_file){ .line_max = line_max, .line = malloc(line_max) };
}

static void close_file(struct open_file *file)
{
	free(file->splitter.buf);
	free(file->line);
}

static void publish(struct open_file *file, const char *data, const struct split *split)
{
	if (split->joined)
		memcpy(file->line, file->splitter.buf, split->joined);
	memcpy(file->line + split->joined, data + split->line, split->length);
	file->length = split->joined + split->length;
	file->publications++;
}

/* Writes @data; the splitter sees the last @seen bytes of it. */
static int write_seen(struct open_file *file, struct bytes data, u32 seen)
{
	struct splitter *splitter = &file->splitter;
	struct split split;
	char *copy;
	int ret;

	copy = malloc(seen);
	memcpy(copy, data.data + data.len - seen, seen);
	memset(&split, 0xff, sizeof(split));
	ret = splitter_split(splitter->len, copy, seen, seen == data.len, file->line_max,
			     &split);
	if (!ret) {
		if (split.rest && !splitter->buf)
			splitter->buf = malloc(file->line_max);
		if (split.length)
			publish(file, copy, &split);
		splitter_keep(splitter, copy, seen, &split);
	}
	free(copy);
	return ret;
}

/* Is @seen bytes of @data as good as all of them? */
static bool seen_is_enough(struct bytes data, u32 unfinished, u32 line_max, u32 seen)
{
	const char *tail = data.data + data.len - seen;
	struct split all, some;
	int ret;

	ret = splitter_split(unfinished, data.data, data.len, true, line_max, &all);
	if (ret != splitter_split(unfinished, tail, seen, seen == data.len, line_max, &some))
		return false;
	if (ret)
		return true;
	if (all.joined != some.joined || all.length != some.length || all.rest != some.rest)
		return false;
	return !all.length || data.len - all.line == seen - some.line;
}

/*
 * The reference: all bytes that an open file ever took, split anew at each write
 */

#define RANDOM_FILES	2000
#define RANDOM_WRITES	60	/* to each of them */
#define RANDOM_LINE_MAX	40
#define RANDOM_LENGTH	(4 * RANDOM_LINE_MAX)

struct reference {
	char all[RANDOM_WRITES * RANDOM_LENGTH];
	size_t len;
	size_t line;	/* where the line published last begins */
	size_t end;	/* where the unfinished line begins */
};

static int reference_write(struct reference *ref, struct bytes data, u32 line_max)
{
	size_t len = ref->len + data.len, line = 0, end = 0, i;

	memcpy(ref->all + ref->len, data.data, data.len);
	for (i = 0; i < len; i++) {
		if (ref->all[i] == '\n') {
			line = end;
			end = i + 1;
		}
	}
	if (end - line > line_max || len - end > line_max)
		return -EMSGSIZE;
	ref->len = len;
	ref->line = line;
	ref->end = end;
	return 0;
}

static bool agrees(const struct open_file *file, const struct reference *ref)
{
	const struct bytes line = { ref->all + ref->line, ref->end - ref->line };
	const struct bytes unfinished = { ref->all + ref->end, ref->len - ref->end };

	return same_bytes(file->line, file->length, line) &&
	       same_bytes(file->splitter.buf, file->splitter.len, unfinished);
}

/*
 * Sentences
 */

#define LINE_MAX	8

FIXTURE(file)
{
	struct open_file file;
};

FIXTURE_VARIANT(file)
{
	bool whole;
};

FIXTURE_VARIANT_ADD(file, that_shows_all_of_a_write)
{
	.whole = true,
};

FIXTURE_VARIANT_ADD(file, that_shows_its_end)
{
	.whole = false,
};

FIXTURE_SETUP(file)
{
	open_file(&self->file, LINE_MAX);
}

FIXTURE_TEARDOWN(file)
{
	close_file(&self->file);
}

/* For use in a test of the fixture; a literal keeps its NULs. */
#define WRITE(text)								\
	write_seen(&self->file, BYTES(text),					\
		   variant->whole ? sizeof(text) - 1 : splitter_window(sizeof(text) - 1, LINE_MAX))

#define EXPECT_LINE(text)							\
	EXPECT_TRUE(same_bytes(self->file.line, self->file.length, BYTES(text)))

#define EXPECT_UNFINISHED(text)							\
	EXPECT_TRUE(same_bytes(self->file.splitter.buf, self->file.splitter.len, BYTES(text)))

#define EXPECT_PUBLICATIONS(number)						\
	EXPECT_EQ(number ## U, self->file.publications)

TEST_F(file, a_line_is_published_with_its_newline)
{
	EXPECT_EQ(0, WRITE("abc\n"));
	EXPECT_LINE("abc\n");
	EXPECT_UNFINISHED("");
	EXPECT_PUBLICATIONS(1);
}

TEST_F(file, a_line_needs_no_buffer_for_unfinished_bytes)
{
	EXPECT_EQ(0, WRITE("abc\n"));
	EXPECT_EQ(0, WRITE("abc\ndef\n"));
	EXPECT_EQ(NULL, self->file.splitter.buf);
}

TEST_F(file, only_the_last_of_many_lines_is_published)
{
	EXPECT_EQ(0, WRITE("one\ntwo\nthree\nfour\nfive\nsix\nseven\nlast\n"));
	EXPECT_LINE("last\n");
	EXPECT_UNFINISHED("");
	EXPECT_PUBLICATIONS(1);
}

TEST_F(file, bytes_without_a_newline_publish_nothing)
{
	EXPECT_EQ(0, WRITE("a"));
	EXPECT_PUBLICATIONS(0);
	EXPECT_UNFINISHED("a");
}

TEST_F(file, bytes_without_a_newline_lengthen_the_unfinished_line)
{
	EXPECT_EQ(0, WRITE("a"));
	EXPECT_EQ(0, WRITE("bc"));
	EXPECT_EQ(0, WRITE("d"));
	EXPECT_PUBLICATIONS(0);
	EXPECT_UNFINISHED("abcd");
}

TEST_F(file, bytes_behind_the_last_newline_stay_unfinished)
{
	EXPECT_EQ(0, WRITE("one\ntwo\nthr"));
	EXPECT_LINE("two\n");
	EXPECT_UNFINISHED("thr");
}

TEST_F(file, the_unfinished_line_begins_the_next_one)
{
	EXPECT_EQ(0, WRITE("ab"));
	EXPECT_EQ(0, WRITE("cd"));
	EXPECT_EQ(0, WRITE("ef\n"));
	EXPECT_LINE("abcdef\n");
	EXPECT_UNFINISHED("");
	EXPECT_PUBLICATIONS(1);
}

TEST_F(file, the_unfinished_line_begins_only_the_first_of_many_lines)
{
	EXPECT_EQ(0, WRITE("ab"));
	EXPECT_EQ(0, WRITE("cd\nef\n"));
	EXPECT_LINE("ef\n");
	EXPECT_UNFINISHED("");
	EXPECT_PUBLICATIONS(1);
}

TEST_F(file, a_write_may_finish_one_line_and_begin_another)
{
	EXPECT_EQ(0, WRITE("abcde"));
	EXPECT_EQ(0, WRITE("f\ngh"));
	EXPECT_LINE("abcdef\n");
	EXPECT_UNFINISHED("gh");
	EXPECT_EQ(0, WRITE("i\n"));
	EXPECT_LINE("ghi\n");
	EXPECT_UNFINISHED("");
	EXPECT_PUBLICATIONS(2);
}

TEST_F(file, a_newline_alone_is_an_empty_line)
{
	EXPECT_EQ(0, WRITE("\n"));
	EXPECT_LINE("\n");
	EXPECT_EQ(0, WRITE("abc\n\n"));
	EXPECT_LINE("\n");
	EXPECT_EQ(0, WRITE("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"));
	EXPECT_LINE("\n");
	EXPECT_UNFINISHED("");
	EXPECT_PUBLICATIONS(3);
}

TEST_F(file, a_newline_alone_finishes_the_unfinished_line)
{
	EXPECT_EQ(0, WRITE("abc"));
	EXPECT_EQ(0, WRITE("\n"));
	EXPECT_LINE("abc\n");
	EXPECT_UNFINISHED("");
}

TEST_F(file, a_line_may_hold_any_byte_but_the_newline)
{
	EXPECT_EQ(0, WRITE("\0\n"));
	EXPECT_LINE("\0\n");
	EXPECT_EQ(0, WRITE("\xff\0\xff\0\r\n\0\xff"));
	EXPECT_LINE("\xff\0\xff\0\r\n");
	EXPECT_UNFINISHED("\0\xff");
	EXPECT_EQ(0, WRITE("\x8a\x0b\x09\0\n"));
	EXPECT_LINE("\0\xff\x8a\x0b\x09\0\n");
}

TEST_F(file, the_longest_line_fits)
{
	EXPECT_EQ(0, WRITE("1234567\n"));
	EXPECT_LINE("1234567\n");
	EXPECT_EQ(0, WRITE("line before\nabcdefg\n"));
	EXPECT_LINE("abcdefg\n");
}

TEST_F(file, one_byte_more_than_the_longest_line_is_refused)
{
	EXPECT_EQ(-EMSGSIZE, WRITE("12345678\n"));
	EXPECT_EQ(-EMSGSIZE, WRITE("before\n12345678\n"));
	EXPECT_EQ(-EMSGSIZE, WRITE("before\nbefore\nbefore\n12345678\n"));
	EXPECT_EQ(-EMSGSIZE, WRITE("before\n12345678\nrest"));
	EXPECT_PUBLICATIONS(0);
	EXPECT_UNFINISHED("");
}

TEST_F(file, the_longest_unfinished_line_fits)
{
	EXPECT_EQ(0, WRITE("12345678"));
	EXPECT_UNFINISHED("12345678");
	EXPECT_EQ(0, WRITE("\nabcdefg\nABCDEFGH"));
	EXPECT_LINE("abcdefg\n");
	EXPECT_UNFINISHED("ABCDEFGH");
}

TEST_F(file, the_longest_unfinished_line_fits_in_two_writes)
{
	EXPECT_EQ(0, WRITE("1234567"));
	EXPECT_EQ(0, WRITE("8"));
	EXPECT_UNFINISHED("12345678");
	EXPECT_PUBLICATIONS(0);
}

TEST_F(file, one_byte_more_than_the_longest_unfinished_line_is_refused)
{
	EXPECT_EQ(-EMSGSIZE, WRITE("123456789"));
	EXPECT_EQ(-EMSGSIZE, WRITE("abc\n123456789"));
	EXPECT_EQ(-EMSGSIZE, WRITE("123456789 123456789 123456789"));
	EXPECT_PUBLICATIONS(0);
	EXPECT_UNFINISHED("");

	EXPECT_EQ(0, WRITE("1234567"));
	EXPECT_EQ(-EMSGSIZE, WRITE("89"));
	EXPECT_UNFINISHED("1234567");
	EXPECT_EQ(0, WRITE("8"));
	EXPECT_EQ(-EMSGSIZE, WRITE("9"));
	EXPECT_UNFINISHED("12345678");
	EXPECT_PUBLICATIONS(0);
}

TEST_F(file, the_longest_joined_line_fits)
{
	EXPECT_EQ(0, WRITE("1234"));
	EXPECT_EQ(0, WRITE("567\n"));
	EXPECT_LINE("1234567\n");
	EXPECT_EQ(0, WRITE("1234567"));
	EXPECT_EQ(0, WRITE("\n"));
	EXPECT_LINE("1234567\n");
}

TEST_F(file, one_byte_more_than_the_longest_joined_line_is_refused)
{
	EXPECT_EQ(0, WRITE("1234"));
	EXPECT_EQ(-EMSGSIZE, WRITE("5678\n"));
	EXPECT_EQ(-EMSGSIZE, WRITE("1234567\n"));
	EXPECT_EQ(0, WRITE("5678"));
	EXPECT_EQ(-EMSGSIZE, WRITE("\n"));
	EXPECT_PUBLICATIONS(0);
	EXPECT_UNFINISHED("12345678");
}

TEST_F(file, lines_that_are_overwritten_in_the_same_write_may_have_any_length)
{
	EXPECT_EQ(0, WRITE("a line that is much longer than the longest one\nabc\n"));
	EXPECT_LINE("abc\n");
	EXPECT_EQ(0, WRITE("12345678"));
	EXPECT_EQ(0, WRITE("9\nabc\nde"));
	EXPECT_LINE("abc\n");
	EXPECT_UNFINISHED("de");
}

TEST_F(file, an_overlong_line_changes_nothing)
{
	EXPECT_EQ(0, WRITE("old\nunfin"));
	EXPECT_EQ(-EMSGSIZE, WRITE("ish\n"));
	EXPECT_EQ(-EMSGSIZE, WRITE("new\n12345678\n"));
	EXPECT_EQ(-EMSGSIZE, WRITE("new\n12345678\nrest"));
	EXPECT_LINE("old\n");
	EXPECT_UNFINISHED("unfin");
	EXPECT_EQ(0, WRITE("is\n"));
	EXPECT_LINE("unfinis\n");
	EXPECT_PUBLICATIONS(2);
}

TEST_F(file, an_overlong_unfinished_line_changes_nothing)
{
	EXPECT_EQ(0, WRITE("old\nunfin"));
	EXPECT_EQ(-EMSGSIZE, WRITE("ishe"));
	EXPECT_EQ(-EMSGSIZE, WRITE("\n123456789"));
	EXPECT_EQ(-EMSGSIZE, WRITE("new\nnew\n123456789"));
	EXPECT_LINE("old\n");
	EXPECT_UNFINISHED("unfin");
	EXPECT_EQ(0, WRITE("is\n"));
	EXPECT_LINE("unfinis\n");
	EXPECT_PUBLICATIONS(2);
}

/*
 * Numbers
 */

TEST(limits_hold_up_to_the_largest_number)
{
	const u32 most = ~0U;
	struct split split;

	EXPECT_EQ(0, splitter_split(most - 1, "a", 1, true, most, &split));
	EXPECT_EQ(-EMSGSIZE, splitter_split(most, "a", 1, true, most, &split));
	EXPECT_EQ(0, splitter_split(most - 1, "\n", 1, true, most, &split));
	EXPECT_EQ(most - 1, split.joined);
	EXPECT_EQ(-EMSGSIZE, splitter_split(most, "\n", 1, true, most, &split));
	EXPECT_EQ(0, splitter_split(most, "\n\n", 2, true, most, &split));
	EXPECT_EQ(0U, split.joined);
}

TEST(the_window_is_two_longest_lines_and_one_byte_or_all_of_a_shorter_write)
{
	EXPECT_EQ(1U, splitter_window(1, 64));
	EXPECT_EQ(128U, splitter_window(128, 64));
	EXPECT_EQ(129U, splitter_window(129, 64));
	EXPECT_EQ(129U, splitter_window(130, 64));
	EXPECT_EQ(129U, splitter_window(~(size_t)0, 64));
#if __SIZEOF_SIZE_T__ > 4
	EXPECT_EQ(129U, splitter_window((size_t)1 << 32 | 1, 64));
#endif
	EXPECT_EQ((2U << 20) + 1, splitter_window(~(size_t)0, 1 << 20));
}

/*
 * The newline search
 */

/* Everything within a word or two of @data that is not data is a newline. */
struct surrounded {
	char before[2 * WORD];
	char data[6 * WORD];
	char after[2 * WORD];
};

/* Is the last line found, if newlines stand at @first and @last of @len bytes? */
static bool finds(const char *data, u32 len, int first, int last)
{
	const u32 line = first < 0 ? 0 : first + 1;
	struct split split;

	if (splitter_split(1, data, len, true, ~0U, &split))
		return false;
	if (last < 0)
		return !split.length && split.rest == len;
	return split.rest == len - last - 1 && split.line == line &&
	       split.length == last + 1 - line && split.joined == !line;
}

/* Puts no, one and two newlines at all places of @len bytes of @filler. */
static bool finds_all(char *data, u32 len, char filler)
{
	int first, last;
	bool found;

	memset(data, filler, len);
	found = finds(data, len, -1, -1);
	for (last = 0; last < (int)len; last++) {
		data[last] = '\n';
		found = found && finds(data, len, -1, last);
		for (first = 0; first < last; first++) {
			data[first] = '\n';
			found = found && finds(data, len, first, last);
			data[first] = filler;
		}
		data[last] = filler;
	}
	return found;
}

/* Sorts out neighbours that word tricks confuse: 0x0b, 0x09, 0x8a and the rest. */
TEST(newlines_are_found_at_every_place_length_and_alignment_among_any_bytes)
{
	struct surrounded memory;
	unsigned int filler, len, align;

	for (filler = 0; filler <= 0xff; filler++) {
		if (filler == '\n')
			continue;
		for (len = 1; len <= 3 * WORD + 1; len++) {
			for (align = 0; align < WORD; align++) {
				memset(&memory, '\n', sizeof(memory));
				ASSERT_TRUE(finds_all(memory.data + align, len, filler)) {
					TH_LOG("filler %#x, length %u, alignment %u", filler, len,
					       align);
				}
			}
		}
	}
}

TEST(newlines_are_found_among_mixed_bytes_that_resemble_them)
{
	static const char alike[] = "\x0b\x8a\x09\x8b\x89\x00\x0b\x0b\x8a\x8a\x80\xff\x01\x1a\x2a";
	char data[5 * WORD];
	unsigned int turn, len, i;
	int last;

	for (turn = 0; turn < sizeof(alike); turn++) {
		for (len = 1; len <= sizeof(data); len++) {
			for (i = 0; i < len; i++)
				data[i] = alike[(i + turn) % (sizeof(alike) - 1)];
			ASSERT_TRUE(finds(data, len, -1, -1));
			for (last = 0; last < (int)len; last++) {
				data[last] = '\n';
				ASSERT_TRUE(finds(data, len, -1, last));
				data[last] = alike[(last + turn) % (sizeof(alike) - 1)];
			}
		}
	}
}

/* Any byte; every other one of those that word tricks confuse with a newline. */
static unsigned char draw_byte(void)
{
	static const unsigned char alike[] = {
		'\n', '\n', 0x00, 0x01, 0x09, 0x0b, 0x0c, 0x7f, 0x80, 0x89, 0x8a, 0x8b, 0xfe, 0xff
	};
	const u64 bits = draw_bits();

	return bits & 1 ? alike[(bits >> 8) % sizeof(alike)] : bits >> 8;
}

static unsigned long to_word(const unsigned char *bytes)
{
	unsigned long word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static bool newline_search_is_exact(const unsigned char *bytes)
{
	return !!splitter_newlines(to_word(bytes)) == !!memchr(bytes, '\n', WORD);
}

TEST(a_newline_in_a_word_is_noticed_and_no_other_byte_at_every_place_among_any_bytes)
{
	unsigned int filler, byte, place;
	unsigned char bytes[WORD];

	for (filler = 0; filler <= 0xff; filler++) {
		for (place = 0; place < WORD; place++) {
			memset(bytes, filler, WORD);
			for (byte = 0; byte <= 0xff; byte++) {
				bytes[place] = byte;
				ASSERT_TRUE(newline_search_is_exact(bytes)) {
					TH_LOG("byte %#x at %u among %#x", byte, place, filler);
				}
			}
		}
	}
}

TEST(a_newline_in_a_word_is_noticed_beside_any_byte)
{
	unsigned int first, second, place;
	unsigned char bytes[WORD];

	memset(bytes, 'a', WORD);
	for (place = 0; place + 1 < WORD; place++) {
		for (first = 0; first <= 0xff; first++) {
			for (second = 0; second <= 0xff; second++) {
				bytes[place] = first;
				bytes[place + 1] = second;
				ASSERT_TRUE(newline_search_is_exact(bytes)) {
					TH_LOG("bytes %#x %#x at %u", first, second, place);
				}
			}
		}
		bytes[place] = 'a';
	}
}

TEST(a_newline_in_a_random_word_is_noticed_and_no_other_byte)
{
	unsigned char bytes[WORD];
	int turn;
	u32 i;

	for (turn = 0; turn < 500000; turn++) {
		for (i = 0; i < WORD; i++)
			bytes[i] = draw_byte();
		ASSERT_TRUE(newline_search_is_exact(bytes));
	}
}

static bool is_text(const unsigned char *bytes)
{
	return splitter_is_text(to_word(bytes), to_word(bytes + WORD),
				to_word(bytes + 2 * WORD), to_word(bytes + 3 * WORD));
}

/* The definition. */
static bool is_text_by_bytes(const unsigned char *bytes)
{
	u32 i;

	for (i = 0; i < 4 * WORD; i++) {
		if (bytes[i] < 0x0b || bytes[i] > 0x8a)
			return false;
	}
	return true;
}

TEST(text_is_the_bytes_from_0x0b_to_0x8a_at_every_place_among_any_bytes)
{
	unsigned char bytes[4 * WORD];
	unsigned int filler, byte, place;

	for (filler = 0; filler <= 0xff; filler++) {
		for (place = 0; place < 4 * WORD; place++) {
			memset(bytes, filler, sizeof(bytes));
			for (byte = 0; byte <= 0xff; byte++) {
				bytes[place] = byte;
				ASSERT_EQ(is_text_by_bytes(bytes), is_text(bytes)) {
					TH_LOG("byte %#x at %u among %#x", byte, place, filler);
				}
			}
		}
	}
}

/* The byte that follows could carry into the newline, or hide it. */
TEST(text_has_no_newline_beside_any_byte)
{
	unsigned char bytes[4 * WORD];
	unsigned int byte, place;

	memset(bytes, 'a', sizeof(bytes));
	for (place = 0; place + 1 < 4 * WORD; place++) {
		for (byte = 0; byte <= 0xff; byte++) {
			bytes[place] = '\n';
			bytes[place + 1] = byte;
			ASSERT_FALSE(is_text(bytes));
			bytes[place] = byte;
			bytes[place + 1] = '\n';
			ASSERT_FALSE(is_text(bytes));
		}
		bytes[place] = 'a';
	}
}

TEST(random_text_has_no_newline)
{
	unsigned char bytes[4 * WORD];
	int turn, newlines = 0, texts = 0;
	u32 i, strange;

	for (turn = 0; turn < 200000; turn++) {
		for (i = 0; i < sizeof(bytes); i++)
			bytes[i] = 0x0b + draw_number(0x80 - 0x0b);
		for (strange = draw_number(4); strange; strange--)
			bytes[draw_number(sizeof(bytes))] = draw_byte();
		ASSERT_EQ(is_text_by_bytes(bytes), is_text(bytes));
		newlines += !!memchr(bytes, '\n', sizeof(bytes));
		texts += is_text(bytes);
	}
	/* Otherwise the dice are loaded. */
	EXPECT_LT(10000, newlines);
	EXPECT_LT(10000, texts);
}

static u32 line_start_by_bytes(const char *data, u32 len)
{
	while (len && data[len - 1] != '\n')
		len--;
	return len;
}

TEST(without_a_byte_before_it_a_line_starts_at_0)
{
	static const char newlines[] = "\n\n";

	EXPECT_EQ(0U, splitter_line_start(newlines + 1, 0));
}

/* The newlines around the data are not to be seen. */
TEST(a_line_starts_behind_the_last_newline_at_every_place_length_and_alignment)
{
	struct surrounded memory;
	u32 len, align, place;
	char *data;

	for (len = 1; len <= 5 * WORD; len++) {
		for (align = 0; align < WORD; align++) {
			memset(&memory, '\n', sizeof(memory));
			data = memory.data + align;
			memset(data, '\x8a', len);
			ASSERT_EQ(0U, splitter_line_start(data, len));
			for (place = 0; place < len; place++) {
				data[place] = '\n';
				ASSERT_EQ(place + 1, splitter_line_start(data, len));
				/* The last one counts, not the first one. */
				data[place / 2] = '\n';
				ASSERT_EQ(place + 1, splitter_line_start(data, len));
				data[place / 2] = '\x0b';
				data[place] = '\x09';
			}
		}
	}
}

TEST(a_line_starts_behind_the_last_newline_of_random_bytes)
{
	u32 len, i, turn;
	char *data;

	for (turn = 0; turn < 50000; turn++) {
		len = draw_number(200);
		data = malloc(len);
		for (i = 0; i < len; i++) {
			data[i] = draw_byte();
			if (data[i] == '\n' && draw_number(20))
				data[i] = '\x8a';
		}
		ASSERT_EQ(line_start_by_bytes(data, len), splitter_line_start(data, len));
		free(data);
	}
}

/* The least CPU time of many searches through a long unfinished line, in ns. */
static long search_ns(char *data, u32 len, char filler)
{
	struct timespec begin, end;
	struct split split;
	long least = -1, ns;
	int i;

	memset(data, filler, len);
	for (i = 0; i < 50; i++) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
		splitter_split(0, data, len, true, len, &split);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
		ns = (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec;
		if (least < 0 || ns < least)
			least = ns;
	}
	return least;
}

/* Tried again and again: a machine that is busy elsewhere is slow for a while. */
static bool is_found_as_fast(char *data, u32 len, char filler)
{
	int i;

	for (i = 0; i < 20; i++) {
		if (search_ns(data, len, filler) < 2 * search_ns(data, len, 'a'))
			return true;
	}
	return false;
}

/* Taking one for a newline costs a look at each byte before it, which shows. */
TEST(no_byte_but_the_newline_stops_the_search_by_words)
{
	static const unsigned char alike[] = { 0x00, 0x09, 0x0b, 0x7f, 0x80, 0x8a, 0x8b, 0xff };
	const u32 len = 1 << 16;
	char *data = malloc(len);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(alike); i++) {
		EXPECT_TRUE(is_found_as_fast(data, len, alike[i])) {
			TH_LOG("byte %#x", alike[i]);
		}
	}
	free(data);
}

/*
 * The end of a write
 */

/* Checks the two claims about how much of a write suffices. */
static bool end_is_enough(struct bytes data, u32 unfinished, u32 line_max)
{
	u32 seen = splitter_window(data.len, line_max);

	for (; seen <= data.len; seen++) {
		if (!seen_is_enough(data, unfinished, line_max, seen))
			return false;
	}
	if (data.data[data.len - 1] != '\n')
		return true;
	for (seen = line_max + 1; seen <= data.len; seen++) {
		if (!seen_is_enough(data, unfinished, line_max, seen))
			return false;
	}
	return true;
}

/* Digit i of @pattern tells whether byte i is a newline. */
static void draw(char *data, u32 len, unsigned int pattern)
{
	u32 i;

	for (i = 0; i < len; i++)
		data[i] = pattern >> i & 1 ? '\n' : 'a' + i;
}

TEST(the_end_of_every_short_write_is_enough)
{
	u32 line_max, unfinished, pattern;
	char memory[12];
	struct bytes data = { .data = memory };

	for (line_max = 1; line_max <= 4; line_max++) {
		for (data.len = 1; data.len <= 2 * line_max + 4; data.len++) {
			for (pattern = 0; pattern < 1U << data.len; pattern++) {
				draw(memory, data.len, pattern);
				for (unfinished = 0; unfinished <= line_max; unfinished++)
					ASSERT_TRUE(end_is_enough(data, unfinished, line_max));
			}
		}
	}
}

/*
 * Against the reference
 */

static bool agrees_on_write(u32 line_max, u32 unfinished, struct bytes data)
{
	struct bytes before = { "UNFINISHED", unfinished };
	struct reference *ref = calloc(1, sizeof(*ref));
	struct open_file file;
	bool agreed;

	open_file(&file, line_max);
	if (unfinished) {
		write_seen(&file, before, unfinished);
		reference_write(ref, before, line_max);
	}
	agreed = write_seen(&file, data, data.len) == reference_write(ref, data, line_max) &&
		 agrees(&file, ref);
	close_file(&file);
	free(ref);
	return agreed;
}

TEST(every_short_write_is_split_as_the_reference_splits_it)
{
	u32 line_max, unfinished, pattern;
	char memory[8];
	struct bytes data = { .data = memory };

	for (line_max = 1; line_max <= 3; line_max++) {
		for (data.len = 1; data.len <= 2 * line_max + 2; data.len++) {
			for (pattern = 0; pattern < 1U << data.len; pattern++) {
				draw(memory, data.len, pattern);
				for (unfinished = 0; unfinished <= line_max; unfinished++)
					ASSERT_TRUE(agrees_on_write(line_max, unfinished, data));
			}
		}
	}
}

static u64 seed(void)
{
	const char *given = getenv("SEED");
	struct timespec now;

	if (given && *given)
		return strtoull(given, NULL, 0);
	clock_gettime(CLOCK_REALTIME, &now);
	return (u64)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Lengths near the limits, and any. */
static u32 draw_length(u32 line_max)
{
	switch (draw_number(4)) {
	case 0:
		return 1 + draw_number(3);
	case 1:
		return line_max + draw_number(3);
	case 2:
		return 2 * line_max + draw_number(4);
	default:
		return 1 + draw_number(4 * line_max);
	}
}

static struct bytes draw_write(char *data, u32 line_max)
{
	static const char alike[] = { '\x0b', '\x09', '\x8a', '\0', '\xff', 'a' };
	u32 len = draw_length(line_max), i;
	u32 rarity = 1 << draw_number(7);

	for (i = 0; i < len; i++) {
		if (draw_number(2))
			data[i] = alike[draw_number(sizeof(alike))];
		else
			data[i] = draw_number(256);
		if (!draw_number(1 + rarity))
			data[i] = '\n';
		else if (data[i] == '\n')
			data[i] = '\r';
	}
	if (draw_number(2))
		data[len - 1] = '\n';
	return (struct bytes){ data, len };
}

/* Any number of bytes that the splitter may be shown of @data. */
static u32 draw_seen(struct bytes data, u32 line_max)
{
	u32 least = splitter_window(data.len, line_max);

	if (data.data[data.len - 1] == '\n' && data.len > line_max)
		least = line_max + 1;
	return least + draw_number(data.len - least + 1);
}

TEST(random_writes_are_split_as_the_reference_splits_them)
{
	struct reference *ref = malloc(sizeof(*ref));
	int i, write, ret, published = 0, refused = 0;
	char data[RANDOM_LENGTH];
	struct open_file file;
	struct bytes bytes;
	u32 line_max;

	random_state = seed();
	printf("# SEED=%llu\n", (unsigned long long)random_state);
	fflush(stdout);

	for (i = 0; i < RANDOM_FILES; i++) {
		line_max = 1 + draw_number(RANDOM_LINE_MAX);
		open_file(&file, line_max);
		*ref = (struct reference){};
		for (write = 0; write < RANDOM_WRITES; write++) {
			bytes = draw_write(data, line_max);
			ASSERT_TRUE(end_is_enough(bytes, file.splitter.len, line_max)) {
				TH_LOG("file %d, write %d", i, write);
			}
			ret = write_seen(&file, bytes, draw_seen(bytes, line_max));
			ASSERT_EQ(reference_write(ref, bytes, line_max), ret) {
				TH_LOG("file %d, write %d", i, write);
			}
			ASSERT_TRUE(agrees(&file, ref)) {
				TH_LOG("file %d, write %d", i, write);
			}
			refused += !!ret;
		}
		published += file.publications;
		close_file(&file);
	}
	free(ref);

	/* Otherwise the dice are loaded. */
	EXPECT_LT(RANDOM_FILES * RANDOM_WRITES / 10, published);
	EXPECT_LT(RANDOM_FILES * RANDOM_WRITES / 10, refused);
}

TEST_HARNESS_MAIN
