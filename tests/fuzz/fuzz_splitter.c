// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several open files write to one channel, as in write.c: the fast path with usermem.h, the
 * slow path with the splitter. After each call the published line and all partial lines are
 * compared with a reference that searches byte by byte. All memory has exactly the size that
 * the functions require, so the sanitizer reports an access to one byte more.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <linux/types.h>

#include "fuzz.h"
#include "usermem.h"

#define FILES		3
#define MAX_LINE_MAX	100
#define MAX_WRITE	255	/* more than the splitter's window */

struct user_memory user_memory;

struct channel {
	u32 line_max;
	u32 tail_scan;		/* bytes of a large write that are searched first */
	char *slot;		/* room for line_max + 1 bytes */
	char line[MAX_LINE_MAX];	/* last line published */
	u32 length;
	u32 publications;
};

static void publish(struct channel *channel, const char *line, u32 length)
{
	assert(length && length <= channel->line_max);
	memcpy(channel->line, line, length);
	channel->length = length;
	channel->publications++;
}

/*
 * The reference
 */

struct partial {
	char bytes[MAX_LINE_MAX];
	u32 len;
};

static int reference_write(struct channel *channel, struct partial *partial,
			   const char *data, u32 len)
{
	u32 all_len = partial->len + len, line = 0, end = 0, i;
	char all[MAX_LINE_MAX + MAX_WRITE];

	memcpy(all, partial->bytes, partial->len);
	memcpy(all + partial->len, data, len);
	for (i = 0; i < all_len; i++) {
		if (all[i] == '\n') {
			line = end;
			end = i + 1;
		}
	}
	if (end - line > channel->line_max || all_len - end > channel->line_max)
		return -EMSGSIZE;
	if (end)
		publish(channel, all + line, end - line);
	partial->len = all_len - end;
	memcpy(partial->bytes, all + end, partial->len);
	return 0;
}

/*
 * Line mode of write.c, without locks
 */

static bool write_fast(struct channel *channel, struct lastline_splitter *splitter,
		       const struct usermem *from, u32 len, bool whole)
{
	u32 start = 0, tail, dirty;

	if (splitter->len)
		return false;
	if (!usermem_read_line(from, from->len - len, channel->slot, len, &tail, &dirty))
		return false;
	if (tail)
		start = lastline_splitter_line_start(channel->slot, tail);
	if (!whole && !start)
		return false;
	publish(channel, channel->slot + start, len - start);
	return true;
}

static void publish_joined(struct channel *channel, const struct lastline_splitter *splitter,
			   u32 joined, const char *data, u32 length)
{
	assert(joined <= splitter->len);
	if (joined)
		memcpy(channel->slot, splitter->buf, joined);
	memcpy(channel->slot + joined, data, length);
	publish(channel, channel->slot, joined + length);
}

static int write_split(struct channel *channel, struct lastline_splitter *splitter,
		       const char *data, u32 len, bool whole)
{
	struct lastline_split split;
	int ret;

	ret = lastline_splitter_split(splitter->len, data, len, whole, channel->line_max, &split);
	if (ret)
		return ret;
	if (split.partial && !splitter->buf)
		splitter->buf = malloc(channel->line_max);
	if (split.length)
		publish_joined(channel, splitter, split.joined, data + split.line,
			       split.length);
	lastline_splitter_keep(splitter, data, len, &split);
	return 0;
}

static int write_slow(struct channel *channel, struct lastline_splitter *splitter,
		      const struct usermem *from)
{
	u32 len = lastline_splitter_window(from->len, channel->line_max);
	char *data = malloc(len);
	int ret = -EFAULT;

	if (usermem_read(from, from->len - len, data, len))
		ret = write_split(channel, splitter, data, len, len == from->len);
	free(data);
	return ret;
}

static int write_bytes(struct channel *channel, struct lastline_splitter *splitter,
		       const struct usermem *from)
{
	bool done;

	if (!from->len)
		return 0;
	if (from->len <= channel->line_max)
		done = write_fast(channel, splitter, from, from->len, true);
	else
		done = write_fast(channel, splitter, from, channel->tail_scan, false) ||
		       write_fast(channel, splitter, from, channel->line_max + 1, false);
	return done ? 0 : write_slow(channel, splitter, from);
}

static int finish_line(struct channel *channel, struct lastline_splitter *splitter)
{
	if (splitter->len == channel->line_max)
		return -EMSGSIZE;
	if (splitter->len) {
		publish_joined(channel, splitter, splitter->len, "\n", 1);
		splitter->len = 0;
	}
	return 0;
}

/*
 * The fuzzer
 */

static struct channel channel, expected;
static struct lastline_splitter splitters[FILES];
static struct partial partials[FILES];

static void check(void)
{
	u32 i;

	assert(channel.publications == expected.publications);
	assert(channel.length == expected.length);
	assert(!memcmp(channel.line, expected.line, expected.length));
	for (i = 0; i < FILES; i++) {
		assert(splitters[i].len == partials[i].len);
		assert(!partials[i].len ||
		       !memcmp(splitters[i].buf, partials[i].bytes, partials[i].len));
	}
}

/* A fault in a byte that is not needed is no error. A write that fails changes nothing. */
static void check_write(u32 file, const struct usermem *from, int ret)
{
	u32 seen = lastline_splitter_window(from->len, channel.line_max);
	const char *tail = from->buf + from->len - seen;

	if (ret != -EFAULT)
		assert(ret == reference_write(&expected, &partials[file], from->buf,
					      from->len));
	else
		assert(user_memory.bad || user_present(tail, seen) < seen);
}

static void write_from(struct input *in, u32 file, char *data, u32 len, bool use_iter)
{
	struct iov_iter iter = { .at = data, .count = len };
	const struct usermem from = { data, len, use_iter ? &iter : NULL };
	u32 fault = draw_byte(in);
	int ret;

	/* Most writes have no fault. */
	user_memory.bad = fault == 0xff;
	if (fault > 0xc0 && fault < 0xff && len) {
		user_memory.fault_from = data + (fault - 0xc1) * len / 0x3e;
		user_memory.fault_to = user_memory.fault_from + 1;
	}
	ret = write_bytes(&channel, &splitters[file], &from);
	assert(!user_memory.open);
	assert(iter.at == data && iter.count == len);
	check_write(file, &from, ret);
	user_memory = (struct user_memory){};
}

static void write_some(struct input *in, u32 file)
{
	u32 how = draw_byte(in), align = how % 16, len = draw(in, MAX_WRITE + 1), i;
	char *memory, *data;

	if (len > in->left)
		len = in->left;
	memory = malloc(align + len);
	data = memory + align;
	for (i = 0; i < len; i++)
		data[i] = draw_text(in);
	write_from(in, file, data, len, how & 16);
	free(memory);
}

static void finish(u32 file)
{
	int ret = finish_line(&channel, &splitters[file]);

	if (partials[file].len)
		assert(ret == reference_write(&expected, &partials[file], "\n", 1));
	else
		assert(!ret);
}

/* As if the process that wrote the partial line was killed. */
static void drop(u32 file)
{
	splitters[file].len = 0;
	partials[file].len = 0;
}

static void close_file(u32 file)
{
	finish(file);
	drop(file);
	free(splitters[file].buf);
	splitters[file].buf = NULL;
}

static void do_call(struct input *in)
{
	u32 what = draw_byte(in), file = what % FILES;

	what = what / FILES % 8;
	if (what == 0)
		finish(file);
	else if (what == 1)
		drop(file);
	else if (what == 2)
		close_file(file);
	else
		write_some(in, file);
}

static void set_up(struct input *in)
{
	channel = (struct channel){ .line_max = 1 + draw(in, MAX_LINE_MAX) };
	channel.tail_scan = 1 + draw(in, channel.line_max);
	channel.slot = malloc(channel.line_max + 1);
	expected = (struct channel){ .line_max = channel.line_max };
}

int fuzz_input(const unsigned char *data, size_t size)
{
	struct input in = { data, size };
	u32 i;

	set_up(&in);
	while (in.left) {
		do_call(&in);
		check();
	}
	for (i = 0; i < FILES; i++)
		close_file(i);
	check();
	free(channel.slot);
	return 0;
}
