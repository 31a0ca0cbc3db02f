/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the stress tests. A line has a head with the numbers of its channel and writer,
 * its sequence number and its length, and a payload computed from these. So a reader detects
 * lines that are torn or belong to another channel.
 */
#ifndef LASTLINE_STRESS_H
#define LASTLINE_STRESS_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/lastline.h>

#include "clock.h"
#include "kselftest.h"

#define LINE_HEAD	32			/* bytes before the payload, 4 bits in each */
#define LINE_SHORTEST	(LINE_HEAD + 1)

struct line {
	__u32 channel;
	__u32 writer;
	__u32 sequence;
	__u32 length;		/* including the newline */
};

static inline void line_head(char head[LINE_HEAD], const struct line *line)
{
	const __u32 numbers[] = { line->channel, line->writer, line->sequence, line->length };
	unsigned int i;

	for (i = 0; i < LINE_HEAD; i++)
		head[i] = 'a' + (numbers[i / 8] >> i % 8 * 4 & 0xf);
}

/* Returns eight bytes of payload for offset @at. None of them is a newline. */
static inline __u64 line_word(const struct line *line, size_t at)
{
	__u64 seed = (line->sequence + at) ^ (__u64)line->writer << 40 ^ (__u64)line->channel << 32;

	return seed * 0x9e3779b97f4a7c15ULL | 0x8080808080808080ULL;
}

static inline void line_make(char *buf, const struct line *line)
{
	size_t end = line->length - 1, at;
	__u64 word;

	line_head(buf, line);
	for (at = LINE_HEAD; at < end; at += sizeof(word)) {
		word = line_word(line, at);
		memcpy(buf + at, &word, end - at < sizeof(word) ? end - at : sizeof(word));
	}
	buf[end] = '\n';
}

static inline __u32 line_number(const char *letters)
{
	__u32 number = 0;
	int i;

	for (i = 7; i >= 0; i--)
		number = number << 4 | ((letters[i] - 'a') & 0xf);
	return number;
}

/* Returns true if line_make() made these bytes, and sets @line. */
static inline bool line_check(const char *buf, size_t len, struct line *line)
{
	char head[LINE_HEAD];
	size_t at;
	__u64 word;

	if (len < LINE_SHORTEST || buf[len - 1] != '\n')
		return false;
	*line = (struct line) {
		.channel = line_number(buf),
		.writer = line_number(buf + 8),
		.sequence = line_number(buf + 16),
		.length = line_number(buf + 24),
	};
	line_head(head, line);
	if (line->length != len || memcmp(buf, head, LINE_HEAD))
		return false;
	for (at = LINE_HEAD; at + sizeof(word) < len; at += sizeof(word)) {
		word = line_word(line, at);
		if (memcmp(buf + at, &word, sizeof(word)))
			return false;
	}
	word = line_word(line, at);
	return !memcmp(buf + at, &word, len - 1 - at);
}

static __thread unsigned int seed = 1;

static inline unsigned int random_below(unsigned int below)
{
	return rand_r(&seed) % below;
}

enum violation { TORN_LINE, GOES_BACKWARDS, WRONG_RESULT, HANGS, WRONG_COUNT, VIOLATIONS };

static atomic_uint *violations;	/* count of each kind, in memory shared by all processes */

/* Counts a violation of the contract, and prints the first five of each kind. */
static inline void report(enum violation v, const char *format, ...)
{
	char text[256] = "# ";
	va_list arguments;

	if (atomic_fetch_add(&violations[v], 1) >= 5)
		return;
	va_start(arguments, format);
	vsnprintf(text + 2, sizeof(text) - 3, format, arguments);
	va_end(arguments);
	strcat(text, "\n");
	/* Not with stdio, because another thread may fork while this one holds its lock. */
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(KSFT_FAIL);
}

/* Adds a channel. If @number is -1, it gets the lowest free number. Returns that, or -1. */
static inline int add_channel(int control, int number, __u32 mode, __u32 line_max)
{
	struct lastline_add add = {
		.number = number,
		.mode = mode,
		.line_max = line_max,
		.permissions = 0600,
	};

	return ioctl(control, LASTLINE_CTL_ADD, &add);
}

static inline int open_channel(int number, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/lastline%d", number);
	return open(path, flags | O_CLOEXEC);
}

#endif /* LASTLINE_STRESS_H */
