// SPDX-License-Identifier: GPL-2.0-only
/*
 * The splitter. Every buffer has exactly the size that the splitter requires, so the
 * sanitizer reports an access to one byte more.
 */
#include <linux/types.h>

#include "kselftest_harness.h"
#include "splitter.h"

/* The newline search checks this many bytes at a time. */
#define WORD		sizeof(long)

static bool same_bytes(const char *data, u32 len, const char *expected, u32 expected_len)
{
	return len == expected_len && (!len || !memcmp(data, expected, len));
}

/**
 * struct open_file - one open file, as in the driver
 * @splitter:     the partial line
 * @line_max:     longest line
 * @publications: number of lines published
 * @line:         the last line published
 * @length:       its length
 */
struct open_file {
	struct lastline_splitter splitter;
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

static void publish(struct open_file *file, const char *data, const struct lastline_split *split)
{
	if (split->joined)
		memcpy(file->line, file->splitter.buf, split->joined);
	memcpy(file->line + split->joined, data + split->line, split->length);
	file->length = split->joined + split->length;
	file->publications++;
}

/* Writes data that ends with @tail, all that the splitter gets; @whole: @tail is the data. */
static int write_tail(struct open_file *file, const char *tail, u32 len, bool whole)
{
	struct lastline_splitter *splitter = &file->splitter;
	struct lastline_split split;
	char *copy;
	int ret;

	copy = malloc(len);
	memcpy(copy, tail, len);
	memset(&split, 0xff, sizeof(split));
	ret = lastline_splitter_split(splitter->len, copy, len, whole, file->line_max, &split);
	if (!ret) {
		if (split.partial && !splitter->buf)
			splitter->buf = malloc(file->line_max);
		if (split.length)
			publish(file, copy, &split);
		lastline_splitter_keep(splitter, copy, len, &split);
	}
	free(copy);
	return ret;
}

TEST(lengths_up_to_u32_max_do_not_overflow)
{
	const u32 max = ~0U;
	struct lastline_split split;

	EXPECT_EQ(0, lastline_splitter_split(max - 1, "a", 1, true, max, &split));
	EXPECT_EQ(-EMSGSIZE, lastline_splitter_split(max, "a", 1, true, max, &split));
	EXPECT_EQ(0, lastline_splitter_split(max - 1, "\n", 1, true, max, &split));
	EXPECT_EQ(max - 1, split.joined);
	EXPECT_EQ(-EMSGSIZE, lastline_splitter_split(max, "\n", 1, true, max, &split));
	EXPECT_EQ(0, lastline_splitter_split(max, "\n\n", 2, true, max, &split));
	EXPECT_EQ(0U, split.joined);
}

TEST(window_is_two_longest_lines_and_one_byte)
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
		EXPECT_EQ(cases[i].window,
			  lastline_splitter_window(cases[i].len, cases[i].line_max));
}

/*
 * The newline search
 */

/* Is the last line found, if the only newlines are at @first and @last? -1: there is none. */
static bool finds(const char *data, u32 len, int first, int last)
{
	const u32 line = first < 0 ? 0 : first + 1;
	struct lastline_split split;

	if (lastline_splitter_split(1, data, len, true, ~0U, &split))
		return false;
	if (last < 0)
		return !split.length && split.partial == len;
	return split.partial == len - last - 1 && split.line == line &&
	       split.length == last + 1 - line && split.joined == !line;
}

/* Tries no, one and two newlines at every position of @len bytes of @filler. */
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
TEST(newlines_are_found_at_any_position_length_and_alignment)
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
	EXPECT_EQ(0U, lastline_splitter_line_start(memory + WORD, 0));
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

/* Do both word checks give the right result for these bytes? */
static bool word_checks_agree(const unsigned char *bytes)
{
	u32 i;

	for (i = 0; i < 4; i++) {
		if (!!lastline_splitter_newlines(to_word(bytes + i * WORD)) !=
		    !!memchr(bytes + i * WORD, '\n', WORD))
			return false;
	}
	return lastline_splitter_is_text(to_word(bytes), to_word(bytes + WORD),
					 to_word(bytes + 2 * WORD),
					 to_word(bytes + 3 * WORD)) == is_text_by_bytes(bytes);
}

/* A carry or borrow from one byte could change the result for the next one. */
TEST(word_checks_are_exact_for_any_two_adjacent_bytes)
{
	unsigned char bytes[4 * WORD];
	u32 first, second, at;

	memset(bytes, 'a', sizeof(bytes));
	for (at = 0; at < sizeof(bytes) - 1; at++) {
		for (first = 0; first <= 0xff; first++) {
			for (second = 0; second <= 0xff; second++) {
				bytes[at] = first;
				bytes[at + 1] = second;
				ASSERT_TRUE(word_checks_agree(bytes)) {
					TH_LOG("bytes %#x %#x at %u", first, second, at);
				}
			}
		}
		bytes[at] = 'a';
	}
}

/*
 * Every short write, compared with a search byte by byte. The fuzzer tests longer ones.
 */

#define SHORT_MAX	4	/* line_max */
#define SHORT_WRITE	(2 * SHORT_MAX + 4)

/* Writes @all after its first @partial bytes, the partial line; the splitter gets @seen bytes. */
static bool agrees(const char *all, u32 partial, u32 len, u32 line_max, u32 seen)
{
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
		write_tail(&file, all, partial, true);
	ret = write_tail(&file, all + len - seen, seen, seen == len - partial);
	if (end - line > line_max || len - end > line_max)
		agreed = ret == -EMSGSIZE && !file.publications && file.splitter.len == partial;
	else
		agreed = !ret && file.publications == !!end &&
			 same_bytes(file.line, file.length, all + line, end - line) &&
			 same_bytes(file.splitter.buf, file.splitter.len, all + end, len - end);
	close_file(&file);
	return agreed;
}

/* The same for each length that the splitter may get. */
static bool agrees_always(const char *all, u32 partial, u32 len, u32 line_max)
{
	u32 seen = lastline_splitter_window(len - partial, line_max);

	if (all[len - 1] == '\n' && seen > line_max)
		seen = line_max + 1;
	for (; seen <= len - partial; seen++) {
		if (!agrees(all, partial, len, line_max, seen))
			return false;
	}
	return true;
}

TEST(every_short_write_is_split_correctly_from_its_tail)
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
