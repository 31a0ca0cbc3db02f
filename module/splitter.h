/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The splitter finds the last complete line of a write and keeps the partial line after it.
 *
 * It is plain C on memory that the caller owns: it neither allocates, locks nor accesses
 * user memory. The caller serialises all calls for one splitter.
 */
#ifndef LASTLINE_SPLITTER_H
#define LASTLINE_SPLITTER_H

#include <linux/types.h>

#define SPLITTER_BYTES(c)	(~0UL / 0xff * (c))	/* c in each byte of a word */

/**
 * struct lastline_splitter - the partial line of one open file
 * @buf: line_max bytes; NULL until the first partial line
 * @len: bytes in use
 */
struct lastline_splitter {
	char *buf;
	u32 len;
};

/**
 * struct lastline_split - the parts of one write
 * @joined:  bytes of the partial line that begin the line
 * @line:    offset of the line's other bytes in the data
 * @length:  bytes of the line in the data, including its newline; 0 means no line
 * @partial: bytes at the end of the data that become the partial line, or are appended
 *           to it if there is no line
 */
struct lastline_split {
	u32 joined;
	u32 line;
	u32 length;
	u32 partial;
};

/**
 * lastline_splitter_window - how many bytes of a write can matter
 * @len:      bytes of the write
 * @line_max: longest line
 *
 * The longest partial line, the longest line before it, and one byte to see that the line
 * begins there.
 *
 * Return: the number of bytes at the end of the write that lastline_splitter_split() needs.
 */
static inline u32 lastline_splitter_window(size_t len, u32 line_max)
{
	return len < 2 * line_max + 1 ? len : 2 * line_max + 1;
}

/**
 * lastline_splitter_newlines - check a word for newlines
 * @word: bytes in any order
 *
 * Return: not 0 if and only if a byte is a newline. The bits do not show which one.
 */
static __always_inline unsigned long lastline_splitter_newlines(unsigned long word)
{
	word ^= SPLITTER_BYTES('\n');
	return (word - SPLITTER_BYTES(0x01)) & ~word & SPLITTER_BYTES(0x80);
}

/**
 * lastline_splitter_is_text - check four words for plain text
 * @a: first word
 * @b: second word
 * @c: third word
 * @d: fourth word
 *
 * This is cheaper than lastline_splitter_newlines(). Adding 0x75 to each byte sets the top
 * bit of the bytes 0x0b to 0x8a only: lower bytes do not reach it, and higher bytes
 * overflow. A carry into the next byte does no harm, because the byte that overflowed
 * already makes the result false.
 *
 * Return: true if all bytes are from 0x0b to 0x8a, so none is a newline. False if the
 * words must be checked for newlines.
 */
static __always_inline bool lastline_splitter_is_text(unsigned long a, unsigned long b,
						      unsigned long c, unsigned long d)
{
	const unsigned long addend = SPLITTER_BYTES(0x75), top = SPLITTER_BYTES(0x80);

	return ((a + addend) & (b + addend) & (c + addend) & (d + addend) & top) == top;
}

u32 lastline_splitter_line_start(const char *data, u32 len);
int lastline_splitter_split(u32 partial, const char *data, u32 len, bool whole,
			    u32 line_max, struct lastline_split *split);
void lastline_splitter_keep(struct lastline_splitter *splitter, const char *data, u32 len,
			    const struct lastline_split *split);

#endif /* LASTLINE_SPLITTER_H */
