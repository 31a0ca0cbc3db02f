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

int splitter_split(u32 unfinished, const char *data, u32 len, bool whole,
		   u32 line_max, struct split *split);
void splitter_keep(struct splitter *s, const char *data, u32 len,
		   const struct split *split);

#endif /* LASTLINE_SPLITTER_H */
