// SPDX-License-Identifier: GPL-2.0-only
/*
 * The splitter. Every buffer is exactly as large as the contract wants it, so that the
 * sanitizer sees one byte too many.
 */
#include <linux/types.h>

#include "kselftest_harness.h"
#include "splitter.h"

/* The newline search looks at this many bytes at a time. */
#define WORD		sizeof(long)
#define LINE_MAX	8

struct bytes {
	const char *data;
	size_t len;
};

/* A literal keeps its NULs. */
#define BYTES(text)	{ text, sizeof(text) - 1 }

static bool same_bytes(const char *data, size_t len, struct bytes expected)
{
	return len == expected.len && (!len || !memcmp(data, expected.data, len));
}

/**
 * struct open_file - one open file, as in the driver
 * @splitter:     its partial line
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

/**
 * struct step - a write and its effects
 * @data:    what is written
 * @ret:     its result
 * @line:    the line published last; NULL if that does not change
 * @partial: the partial line, ditto
 */
struct step {
	struct bytes data;
	int ret;
	struct bytes line;
	struct bytes partial;
};

#define LINE(data, line, partial)	{ BYTES(data), 0, BYTES(line), BYTES(partial) }
#define NO_LINE(data, partial)		{ BYTES(data), 0, {}, BYTES(partial) }
#define TOO_LONG(data)			{ BYTES(data), -EMSGSIZE, {}, {} }

static struct bytes save(char *to, const char *data, u32 len)
{
	if (len)
		memcpy(to, data, len);
	return (struct bytes){ to, len };
}

static bool is_right(struct open_file *file, const struct step *step, bool whole)
{
	const u32 publications = file->publications + !!step->line.data;
	const u32 len = step->data.len, seen = whole ? len : splitter_window(len, LINE_MAX);
	struct bytes line = step->line, partial = step->partial;
	char old_line[LINE_MAX], old_partial[LINE_MAX];

	if (!line.data)
		line = save(old_line, file->line, file->length);
	if (!partial.data)
		partial = save(old_partial, file->splitter.buf, file->splitter.len);
	return write_seen(file, step->data, seen) == step->ret &&
	       same_bytes(file->line, file->length, line) &&
	       same_bytes(file->splitter.buf, file->splitter.len, partial) &&
	       file->publications == publications;
}

/* The number of the first step that is wrong; -1 if none is. */
static int first_wrong(const struct step *steps, int number, bool whole)
{
	struct open_file file;
	int i;

	open_file(&file, LINE_MAX);
	for (i = 0; i < number && is_right(&file, &steps[i], whole); i++)
		;
	close_file(&file);
	return i < number ? i : -1;
}

/* The splitter sees all of each write, or only the splitter_window() bytes at its end. */
#define RUN(...) do {								\
	const struct step steps[] = { __VA_ARGS__ };				\
										\
	EXPECT_EQ(-1, first_wrong(steps, ARRAY_SIZE(steps), true));		\
	EXPECT_EQ(-1, first_wrong(steps, ARRAY_SIZE(steps), false));		\
} while (0)

TEST(last_complete_line_is_published_and_the_rest_begins_the_next_line)
{
	RUN(LINE("abc\n", "abc\n", ""),
	    LINE("one\ntwo\nthree\nfour\nfive\nsix\nseven\nlast\n", "last\n", ""),
	    LINE("one\ntwo\nabc", "two\n", "abc"),
	    NO_LINE("d", "abcd"),
	    NO_LINE("e", "abcde"),
	    LINE("!\n", "abcde!\n", ""),
	    NO_LINE("ab", "ab"),
	    LINE("cd\nef\n", "ef\n", ""),
	    NO_LINE("abcde", "abcde"),
	    LINE("f\ngh", "abcdef\n", "gh"),
	    LINE("i\n", "ghi\n", ""));
}

TEST(newline_alone_is_an_empty_line_or_ends_the_partial_line)
{
	RUN(LINE("\n", "\n", ""),
	    LINE("abc\n\n", "\n", ""),
	    LINE("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", "\n", ""),
	    NO_LINE("abc", "abc"),
	    LINE("\n", "abc\n", ""));
}

TEST(line_may_contain_any_byte_but_the_newline)
{
	RUN(LINE("\0\n", "\0\n", ""),
	    LINE("\xff\0\xff\0\r\n\0\xff", "\xff\0\xff\0\r\n", "\0\xff"),
	    LINE("\x8a\x0b\x09\0\n", "\0\xff\x8a\x0b\x09\0\n", ""));
}

TEST(line_of_line_max_fits_and_one_byte_more_is_refused)
{
	RUN(LINE("1234567\n", "1234567\n", ""),
	    LINE("an overwritten line may be longer\nabcdefg\n", "abcdefg\n", ""),
	    TOO_LONG("12345678\n"),
	    TOO_LONG("before\n12345678\n"),
	    TOO_LONG("before\nbefore\nbefore\n12345678\n"),
	    TOO_LONG("before\n12345678\nrest"));
}

TEST(partial_line_of_line_max_fits_and_one_byte_more_is_refused)
{
	RUN(TOO_LONG("123456789"),
	    TOO_LONG("abc\n123456789"),
	    TOO_LONG("123456789 123456789 123456789"),
	    NO_LINE("1234567", "1234567"),
	    TOO_LONG("89"),
	    NO_LINE("8", "12345678"),
	    TOO_LONG("9"),
	    LINE("9\nabcdefg\nABCDEFGH", "abcdefg\n", "ABCDEFGH"));
}

TEST(joined_line_of_line_max_fits_and_one_byte_more_is_refused)
{
	RUN(NO_LINE("1234", "1234"),
	    TOO_LONG("5678\n"),
	    TOO_LONG("1234567\n"),
	    LINE("567\n", "1234567\n", ""),
	    NO_LINE("1234567", "1234567"),
	    LINE("\n", "1234567\n", ""),
	    NO_LINE("12345678", "12345678"),
	    TOO_LONG("\n"));
}

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

TEST(window_is_two_longest_lines_and_one_byte_or_all_of_a_shorter_write)
{
	static const struct {
		size_t len;
		u32 line_max;
		u32 window;
	} cases[] = {
		{ 1, 64, 1 }, { 128, 64, 128 }, { 129, 64, 129 }, { 130, 64, 129 },
		{ ~(size_t)0, 64, 129 }, { ~(size_t)0, 1 << 20, (2U << 20) + 1 },
#if __SIZEOF_SIZE_T__ > 4
		{ (size_t)1 << 32 | 1, 64, 129 },
#endif
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		EXPECT_EQ(cases[i].window, splitter_window(cases[i].len, cases[i].line_max));
}

/*
 * The newline search
 */

/* Is the last line found, if newlines are at @first and @last of @len bytes? */
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

/* The bytes around the data are newlines, which must not be found. */
TEST(newlines_are_found_at_every_place_length_and_alignment_among_any_bytes)
{
	char memory[8 * WORD];
	u32 filler, len, align;

	for (filler = 0; filler <= 0xff; filler++) {
		for (len = 1; filler != '\n' && len <= 3 * WORD + 1; len++) {
			for (align = 0; align < WORD; align++) {
				memset(memory, '\n', sizeof(memory));
				ASSERT_TRUE(finds_all(memory + 2 * WORD + align, len, filler)) {
					TH_LOG("filler %#x, length %u, alignment %u", filler, len,
					       align);
				}
			}
		}
	}
	EXPECT_EQ(0U, splitter_line_start(memory + WORD, 0));
}

static unsigned long to_word(const unsigned char *bytes)
{
	unsigned long word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static bool is_text_by_bytes(const unsigned char *bytes)
{
	u32 i;

	for (i = 0; i < 4 * WORD; i++) {
		if (bytes[i] < 0x0b || bytes[i] > 0x8a)
			return false;
	}
	return true;
}

/* Do both searches by words find out about these bytes? */
static bool is_exact(const unsigned char *bytes)
{
	u32 i;

	for (i = 0; i < 4; i++) {
		if (!!splitter_newlines(to_word(bytes + i * WORD)) !=
		    !!memchr(bytes + i * WORD, '\n', WORD))
			return false;
	}
	return splitter_is_text(to_word(bytes), to_word(bytes + WORD),
				to_word(bytes + 2 * WORD), to_word(bytes + 3 * WORD)) ==
	       is_text_by_bytes(bytes);
}

TEST(word_search_is_exact_for_any_byte_at_every_place_among_any_bytes)
{
	unsigned char bytes[4 * WORD];
	u32 filler, byte, place;

	for (filler = 0; filler <= 0xff; filler++) {
		memset(bytes, filler, sizeof(bytes));
		for (place = 0; place < sizeof(bytes); place++) {
			for (byte = 0; byte <= 0xff; byte++) {
				bytes[place] = byte;
				ASSERT_TRUE(is_exact(bytes)) {
					TH_LOG("byte %#x at %u among %#x", byte, place, filler);
				}
			}
			bytes[place] = filler;
		}
	}
}

/* One byte could carry into the next one, or hide it. */
TEST(word_search_is_exact_for_any_two_bytes_beside_each_other)
{
	unsigned char bytes[4 * WORD];
	u32 first, second, place;

	memset(bytes, 'a', sizeof(bytes));
	for (place = 0; place < WORD; place++) {
		for (first = 0; first <= 0xff; first++) {
			for (second = 0; second <= 0xff; second++) {
				bytes[place] = first;
				bytes[place + 1] = second;
				ASSERT_TRUE(is_exact(bytes)) {
					TH_LOG("bytes %#x %#x at %u", first, second, place);
				}
			}
		}
		bytes[place] = 'a';
	}
}

/*
 * Every short write, byte by byte. Longer ones are for the fuzzer.
 */

#define SHORT_MAX	4	/* line_max */
#define SHORT_WRITE	(2 * SHORT_MAX + 4)

/* Writes @all but for @partial bytes that came before; the splitter sees @seen of that. */
static bool agrees(const char *all, u32 partial, u32 len, u32 line_max, u32 seen)
{
	const struct bytes before = { all, partial }, data = { all + partial, len - partial };
	u32 line = 0, end = 0, i;
	struct open_file file;
	bool agreed;
	int ret;

	for (i = 0; i < len; i++) {
		if (all[i] == '\n') {
			line = end;
			end = i + 1;
		}
	}
	open_file(&file, line_max);
	if (partial)
		write_seen(&file, before, partial);
	ret = write_seen(&file, data, seen);
	if (end - line > line_max || len - end > line_max)
		agreed = ret == -EMSGSIZE && !file.publications && file.splitter.len == partial;
	else
		agreed = !ret && file.publications == !!end &&
			 same_bytes(file.line, file.length,
				    (struct bytes){ all + line, end - line }) &&
			 same_bytes(file.splitter.buf, file.splitter.len,
				    (struct bytes){ all + end, len - end });
	close_file(&file);
	return agreed;
}

/* The same for as much of the write as the splitter may see. */
static bool agrees_always(const char *all, u32 partial, u32 len, u32 line_max)
{
	u32 seen = splitter_window(len - partial, line_max);

	if (all[len - 1] == '\n' && seen > line_max)
		seen = line_max + 1;
	for (; seen <= len - partial; seen++) {
		if (!agrees(all, partial, len, line_max, seen))
			return false;
	}
	return true;
}

TEST(every_short_write_is_split_as_its_bytes_say_and_its_end_is_enough)
{
	u32 line_max, partial, len, pattern, i;
	char all[SHORT_MAX + SHORT_WRITE] = "PART";

	for (line_max = 1; line_max <= SHORT_MAX; line_max++) {
		for (len = 1; len <= 2 * line_max + 4; len++) {
			for (pattern = 0; pattern < 1U << len; pattern++) {
				for (i = 0; i < len; i++)
					all[SHORT_MAX + i] = pattern >> i & 1 ? '\n' : 'a' + i;
				for (partial = 0; partial <= line_max; partial++) {
					ASSERT_TRUE(agrees_always(all + SHORT_MAX - partial,
								  partial, partial + len,
								  line_max)) {
						TH_LOG("pattern %#x of %u after %u, at most %u",
						       pattern, len, partial, line_max);
					}
				}
			}
		}
	}
}

TEST_HARNESS_MAIN
