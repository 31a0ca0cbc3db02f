// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "splitter.h"

/**
 * splitter_line_start - where the line begins that ends behind these bytes
 * @data: bytes before the line's own newline
 * @len:  how many
 *
 * Return: the offset just behind the last newline of @data, 0 if there is none.
 */
u32 splitter_line_start(const char *data, u32 len)
{
	unsigned long word;

	/* The memcpy() is one unaligned load, where the machine has it. */
	while (len >= sizeof(word)) {
		memcpy(&word, data + len - sizeof(word), sizeof(word));
		if (splitter_newlines(word))
			break;
		len -= sizeof(word);
	}
	while (len && data[len - 1] != '\n')
		len--;
	return len;
}

/**
 * splitter_split - find the last complete line of a write
 * @unfinished: bytes of the unfinished line that stands before the write
 * @data:       the last bytes of the write, at least one
 * @len:        how many
 * @whole:      @data is all of the write, so the unfinished line goes before it
 * @line_max:   longest line, and longest unfinished line
 * @split:      the answer; undefined on error
 *
 * Only the line that would be published and the bytes that would stay
 * unfinished are judged: the lines before them would be overwritten in the same
 * instant, whatever their length. If @data is not the whole write, any
 * @len > @line_max gives the right answer for a write that ends in a newline,
 * and splitter_window() bytes do for any write.
 *
 * Return: 0, or -EMSGSIZE if the line or the unfinished line would be too long.
 */
int splitter_split(u32 unfinished, const char *data, u32 len, bool whole,
		   u32 line_max, struct split *split)
{
	u32 end = splitter_line_start(data, len);

	split->rest = len - end;
	split->joined = 0;
	split->line = 0;
	split->length = 0;

	if (!end) {
		/* Compared so that the sum cannot overflow. */
		if (!whole || len > line_max || unfinished > line_max - len)
			return -EMSGSIZE;
		return 0;
	}
	if (split->rest > line_max)
		return -EMSGSIZE;

	split->line = splitter_line_start(data, end - 1);
	split->length = end - split->line;
	if (!split->line) {
		if (!whole)
			return -EMSGSIZE;
		split->joined = unfinished;
	}
	if (split->length > line_max || split->joined > line_max - split->length)
		return -EMSGSIZE;
	return 0;
}

/**
 * splitter_keep - make the rest of a write the unfinished line
 * @s:     the splitter; @s->buf must be there if @split->rest is not 0
 * @data:  as given to splitter_split()
 * @len:   as given to splitter_split()
 * @split: what splitter_split() answered
 */
void splitter_keep(struct splitter *s, const char *data, u32 len,
		   const struct split *split)
{
	u32 kept = split->length ? 0 : s->len;

	if (split->rest)
		memcpy(s->buf + kept, data + len - split->rest, split->rest);
	/* A write looks at the length without the lock that protects it. */
	WRITE_ONCE(s->len, kept + split->rest);
}
