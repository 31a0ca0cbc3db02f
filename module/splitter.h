/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Splitter: bytes in, the last complete line and the unfinished line out.
 *
 * Pure C on memory that the caller owns: no allocation, no locking, no user
 * space. The caller serialises everything that it does with one splitter.
 */
#ifndef LASTLINE_SPLITTER_H
#define LASTLINE_SPLITTER_H

#include <linux/types.h>

#define SPLITTER_BYTES(c)	(~0UL / 0xff * (c))	/* c in each byte of a word */

/**
 * struct splitter - the unfinished line of one open file
 * @buf: room for line_max bytes; NULL until the first unfinished byte
 * @len: bytes in use
 */
struct splitter {
	char *buf;
	u32 len;
};

/**
 * struct split - where the bytes of one write belong
 * @joined: bytes of the unfinished line that begin the line
 * @line:   offset in the data at which the line goes on
 * @length: bytes of the line in the data, its newline included; 0: no line
 * @rest:   bytes at the end of the data that are the new unfinished line, or
 *          that lengthen the old one if there is no line
 */
struct split {
	u32 joined;
	u32 line;
	u32 length;
	u32 rest;
};

/**
 * splitter_window - how much of a write can matter
 * @len:      bytes of the write
 * @line_max: longest line
 *
 * The longest unfinished line, the longest line before it, and one byte to
 * see that the line begins there.
 *
 * Return: the number of bytes at the end of the write that splitter_split()
 * has to see.
 */
static inline u32 splitter_window(size_t len, u32 line_max)
{
	return len < 2 * line_max + 1 ? len : 2 * line_max + 1;
}

/**
 * splitter_newlines - are there newlines among these bytes?
 * @word: bytes in any order
 *
 * Return: not 0 if and only if there is one; the bits do not tell which.
 */
static __always_inline unsigned long splitter_newlines(unsigned long word)
{
	word ^= SPLITTER_BYTES('\n');
	return (word - SPLITTER_BYTES(0x01)) & ~word & SPLITTER_BYTES(0x80);
}

/**
 * splitter_is_text - are all these bytes from 0x0b to 0x8a?
 * @a: bytes
 * @b: bytes
 * @c: bytes
 * @d: bytes
 *
 * A cheaper look than splitter_newlines() at words of plain text: with 0x75 more,
 * just these bytes come to 0x80 or more. The others fail: those below directly; and
 * those above wrap, so that it does not matter what their carry does to the next.
 *
 * Return: true if so, and there is no newline; false if it takes a second look.
 */
static __always_inline bool splitter_is_text(unsigned long a, unsigned long b,
					     unsigned long c, unsigned long d)
{
	const unsigned long more = SPLITTER_BYTES(0x75), top = SPLITTER_BYTES(0x80);

	return ((a + more) & (b + more) & (c + more) & (d + more) & top) == top;
}

u32 splitter_line_start(const char *data, u32 len);
int splitter_split(u32 unfinished, const char *data, u32 len, bool whole,
		   u32 line_max, struct split *split);
void splitter_keep(struct splitter *s, const char *data, u32 len,
		   const struct split *split);

#endif /* LASTLINE_SPLITTER_H */
