// SPDX-License-Identifier: GPL-2.0-only
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "splitter.h"

/**
 * lastline_splitter_line_start - find the start of the line that these bytes end
 * @data: the bytes, without the line's own newline
 * @len:  number of bytes
 *
 * Return: the offset after the last newline of @data, 0 if there is none.
 */
u32 lastline_splitter_line_start(const char *data, u32 len)
{
	unsigned long word;

	/* The memcpy() is one unaligned load where the machine supports it. */
	while (len >= sizeof(word)) {
		memcpy(&word, data + len - sizeof(word), sizeof(word));
		if (lastline_splitter_newlines(word))
			break;
		len -= sizeof(word);
	}
	while (len && data[len - 1] != '\n')
		len--;
	return len;
}

/**
 * lastline_splitter_split - find the last complete line of a write
 * @partial:  bytes of the partial line that precedes the write
 * @data:     the last bytes of the write, at least one
 * @len:      number of bytes in @data
 * @whole:    @data is the whole write, so the partial line directly precedes it
 * @line_max: longest line, and longest partial line
 * @split:    the result; undefined on error
 *
 * Only the line to publish and the new partial line must fit: earlier lines of the same
 * write would be overwritten at once, so their length does not matter. If @data is not the
 * whole write, any @len > @line_max is enough for a write that ends in a newline, and
 * lastline_splitter_window() bytes are enough for any write.
 *
 * Return: 0, or -EMSGSIZE if the line or the partial line would be too long.
 */
int lastline_splitter_split(u32 partial, const char *data, u32 len, bool whole,
			    u32 line_max, struct lastline_split *split)
{
	u32 end = lastline_splitter_line_start(data, len);

	split->partial = len - end;
	split->joined = 0;
	split->line = 0;
	split->length = 0;

	if (!end) {
		/* The sum of the two lengths could overflow. */
		if (!whole || len > line_max || partial > line_max - len)
			return -EMSGSIZE;
		return 0;
	}
	if (split->partial > line_max)
		return -EMSGSIZE;

	split->line = lastline_splitter_line_start(data, end - 1);
	split->length = end - split->line;
	if (!split->line) {
		if (!whole)
			return -EMSGSIZE;
		split->joined = partial;
	}
	if (split->length > line_max || split->joined > line_max - split->length)
		return -EMSGSIZE;
	return 0;
}

/**
 * lastline_splitter_keep - update the partial line after a write
 * @splitter: the splitter; its buffer must exist if @split->partial is not 0
 * @data:     the data given to lastline_splitter_split()
 * @len:      its length
 * @split:    the result of lastline_splitter_split()
 */
void lastline_splitter_keep(struct lastline_splitter *splitter, const char *data, u32 len,
			    const struct lastline_split *split)
{
	u32 kept = split->length ? 0 : splitter->len;

	if (split->partial)
		memcpy(splitter->buf + kept, data + len - split->partial, split->partial);
	/* Writers check the length without the lock that protects it. */
	WRITE_ONCE(splitter->len, kept + split->partial);
}
