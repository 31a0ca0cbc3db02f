// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing to an open file: lines and records.
 *
 * The fast path copies user memory straight into a slot. The slow path copies it into a
 * private buffer first; it handles partial lines, pages that are not present, and errors.
 * The mode, LASTLINE_MODE_*, is a constant in each caller, so the compiler drops the other
 * mode's code.
 */
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "file.h"
#include "trace.h"
#include "usermem.h"

/* Of a write that is longer than any line, this many bytes are searched first. */
#define TAIL_SCAN_BYTES	512

static __always_inline void publish(struct lastline_channel *channel,
				    struct lastline_slot *slot, u32 offset, u32 length)
{
	u64 generation;

	lockdep_assert_held(&channel->ring.lock);
	generation = lastline_ring_commit(&channel->ring, slot, offset, length,
					  ktime_get_ns());
	trace_lastline_publish(channel, generation, length);
}

/*
 * The common case: copies the last @len bytes of the write straight into a slot. @whole is
 * true if they are the entire write. Publishes nothing and returns false if the slow path is
 * needed: a page is not present, or, in line mode, there is a partial line, the write does not
 * end in a newline, or its last line may begin before these bytes.
 */
static __always_inline bool write_fast(struct lastline_file *file, const struct usermem *from,
				       u32 len, bool whole, int mode)
{
	struct lastline_channel *channel = file->channel;
	struct lastline_ring *ring = &channel->ring;
	struct lastline_slot *slot;
	u32 dirty = len, start = 0, tail;
	bool copied, done = false;

	/*
	 * Another thread may be changing the partial line right now. Then the two writes
	 * overlap, and this one comes first.
	 */
	if (mode == LASTLINE_MODE_LINE && READ_ONCE(file->splitter.len))
		return false;

	spin_lock(&ring->lock);
	slot = lastline_ring_reserve(ring);
	pagefault_disable();
	if (mode == LASTLINE_MODE_LINE)
		copied = usermem_read_line(from, from->len - len, slot->data, len, &tail,
					   &dirty);
	else
		copied = usermem_read_all(from, slot->data);
	pagefault_enable();
	if (copied) {
		if (mode == LASTLINE_MODE_LINE && tail)
			start = lastline_splitter_line_start(slot->data, tail);
		done = whole || start;
	}
	if (done)
		publish(channel, slot, start, len - start);
	else
		lastline_ring_discard(slot, dirty);
	spin_unlock(&ring->lock);

	if (done)
		lastline_channel_wake(channel);
	return done;
}

/*
 * A write that is longer than any line. Most lines are short, so a few bytes from its end
 * are usually enough; otherwise line_max bytes and the byte before them are.
 */
static noinline bool write_large(struct lastline_file *file, struct usermem from)
{
	u32 line_max = file->channel->ring.line_max;

	return write_fast(file, &from, min_t(u32, TAIL_SCAN_BYTES, line_max), false,
			  LASTLINE_MODE_LINE) ||
	       write_fast(file, &from, line_max + 1, false, LASTLINE_MODE_LINE);
}

/* Publishes @joined bytes of the partial line, followed by @length bytes of @data. */
static void publish_joined(struct lastline_file *file, u32 joined, const char *data,
			   u32 length)
{
	struct lastline_ring *ring = &file->channel->ring;
	struct lastline_slot *slot;

	lockdep_assert_held(&file->lock);
	spin_lock(&ring->lock);
	slot = lastline_ring_reserve(ring);
	memcpy(slot->data, file->splitter.buf, joined);
	memcpy(slot->data + joined, data, length);
	publish(file->channel, slot, 0, joined + length);
	spin_unlock(&ring->lock);
}

static void set_partial_owner(struct lastline_file *file)
{
	lockdep_assert_held(&file->lock);
	if (file->partial_owner == task_tgid(current))
		return;
	put_pid(file->partial_owner);
	file->partial_owner = get_pid(task_tgid(current));
}

/*
 * Publishes @data, which is in kernel memory: a record, or the last complete line, and then
 * keeps the partial line. A failure changes nothing. @buf is for the first partial line of
 * the file; it becomes NULL if the file takes it over.
 */
static int publish_copied(struct lastline_file *file, const char *data, u32 len, bool whole,
			  char **buf, int mode)
{
	struct lastline_splitter *splitter = &file->splitter;
	struct lastline_split split = { .length = len };
	int ret = 0;

	spin_lock(&file->lock);
	if (mode == LASTLINE_MODE_LINE)
		ret = lastline_splitter_split(splitter->len, data, len, whole,
					      file->channel->ring.line_max, &split);
	if (!ret) {
		if (split.partial && !splitter->buf) {
			WRITE_ONCE(splitter->buf, *buf);
			*buf = NULL;
		}
		if (split.length)
			publish_joined(file, split.joined, data + split.line, split.length);
		lastline_splitter_keep(splitter, data, len, &split);
		if (split.partial)
			set_partial_owner(file);
	}
	spin_unlock(&file->lock);

	if (!ret && split.length)
		lastline_channel_wake(file->channel);
	return ret;
}

/* Handles every case: partial lines, a page that is not present, errors. */
static noinline int write_slow(struct lastline_file *file, struct usermem from, int mode)
{
	u32 line_max = file->channel->ring.line_max;
	u32 len = from.len;
	char *buf = NULL;
	char *data;
	int ret;

	if (mode == LASTLINE_MODE_LINE)
		len = lastline_splitter_window(from.len, line_max);
	data = file_alloc_buf(file, len);
	if (!data)
		return -ENOMEM;
	ret = -EFAULT;
	if (!usermem_read(&from, from.len - len, data, len))
		goto free_data;
	if (mode == LASTLINE_MODE_LINE && data[len - 1] != '\n' &&
	    !READ_ONCE(file->splitter.buf)) {
		ret = -ENOMEM;
		buf = file_alloc_buf(file, line_max);
		if (!buf)
			goto free_data;
	}
	ret = publish_copied(file, data, len, len == from.len, &buf, mode);
	kvfree(buf);
free_data:
	kvfree(data);
	return ret;
}

static __always_inline ssize_t write_bytes(struct lastline_file *file,
					   const struct usermem *from, int mode)
{
	bool done;
	int ret;

	if (file_is_removed(file))
		return -ENODEV;
	/* One comparison excludes both 0 and everything longer than a line. */
	if (likely(from->len - 1 < file->channel->ring.line_max)) {
		done = write_fast(file, from, from->len, true, mode);
	} else {
		if (!from->len)
			return 0;
		if (mode == LASTLINE_MODE_RECORD)
			return -EMSGSIZE;
		done = write_large(file, *from);
	}
	if (!done) {
		ret = write_slow(file, *from, mode);
		if (ret)
			return ret;
	}
	if (from->iter)
		iov_iter_advance(from->iter, from->len);
	return from->len;
}

ssize_t lastline_write(struct file *filp, const char __user *buf, size_t len, loff_t *pos)
{
	const struct usermem from = { .buf = (char __user *)buf, .len = len };

	return write_bytes(filp->private_data, &from, LASTLINE_MODE_LINE);
}

ssize_t lastline_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	const struct usermem from = { .iter = iter, .len = iov_iter_count(iter) };

	return write_bytes(iocb->ki_filp->private_data, &from, LASTLINE_MODE_LINE);
}

ssize_t lastline_write_record(struct file *filp, const char __user *buf, size_t len,
			      loff_t *pos)
{
	const struct usermem from = { .buf = (char __user *)buf, .len = len };

	return write_bytes(filp->private_data, &from, LASTLINE_MODE_RECORD);
}

ssize_t lastline_write_record_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	const struct usermem from = { .iter = iter, .len = iov_iter_count(iter) };

	return write_bytes(iocb->ki_filp->private_data, &from, LASTLINE_MODE_RECORD);
}

/**
 * lastline_file_finish_line - publish the partial line with a newline
 * @file: the open file
 *
 * Return: 0, also if there is no partial line; -EMSGSIZE if it has line_max bytes and so no
 * room for the newline; -ENODEV if the channel has been removed.
 */
int lastline_file_finish_line(struct lastline_file *file)
{
	struct lastline_splitter *splitter = &file->splitter;
	bool published = false;
	int ret = 0;

	if (file_is_removed(file))
		return -ENODEV;
	spin_lock(&file->lock);
	if (splitter->len == file->channel->ring.line_max) {
		ret = -EMSGSIZE;
	} else if (splitter->len) {
		publish_joined(file, splitter->len, "\n", 1);
		WRITE_ONCE(splitter->len, 0);
		published = true;
	}
	spin_unlock(&file->lock);

	if (published)
		lastline_channel_wake(file->channel);
	return ret;
}
