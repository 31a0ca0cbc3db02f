// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading from an open file, and waiting for a line.
 *
 * The fast path copies from the slot to the user under the file's lock. The slow path
 * copies a snapshot into a private buffer, then to the user without a lock. It remembers
 * lastline_file.read_seq and starts again if another thread has read in the meantime.
 */
#include <linux/hrtimer.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "file.h"
#include "trace.h"
#include "usermem.h"

/*
 * Cheap check, without @lock, whether a read might return data. The caller either rechecks
 * under @lock or is already on the wait queue.
 */
static __always_inline bool may_have_data(const struct lastline_file *file)
{
	if (file_has_unseen(file, lastline_ring_generation(file->map)))
		return true;
	/* (H) pairs with (G) in keep_rest(). */
	smp_rmb();
	return file_rest_left(file);
}

static __always_inline void consume_line(struct lastline_file *file,
					 const struct lastline_line *line)
{
	u64 missed = line->generation - (file->seen_gen & ~LASTLINE_REWOUND);

	/* This line itself is not missed. The difference is 0 if it is read again. */
	if (missed)
		missed--;
	file_skip_to(file, line->generation);
	file->taken.generation = line->generation;
	file->taken.monotonic_ns = line->time_ns;
	file->taken.missed += missed;
	file->taken.missed_last = missed;
	trace_lastline_read(file->channel, line->generation, missed);
}

static void consume_rest(struct lastline_file *file, u32 len)
{
	lockdep_assert_held(&file->lock);
	file->read_seq++;
	file->rest.next += len;
	WRITE_ONCE(file->rest.left, file->rest.left - len);
}

/* Describes the line that was just read, if the caller asked for it. */
static __always_inline void fill_result(const struct lastline_file *file,
					struct lastline_take *result)
{
	lockdep_assert_held(&file->lock);
	if (!result)
		return;
	result->left = file_rest_left(file);
	result->taken = file->taken;
}

static noinline ssize_t read_rest(struct lastline_file *file, struct usermem to)
{
	u32 len = min_t(size_t, to.len, file_rest_left(file));

	if (!usermem_write(&to, file->rest.next, len))
		return 0;
	consume_rest(file, len);
	return len;
}

static __always_inline ssize_t read_latest(struct lastline_file *file,
					   const struct usermem *to)
{
	const struct lastline_line line = lastline_ring_snapshot(file->map);

	if (!lastline_ring_still_valid(&line))
		return 0;
	if (!file_has_unseen(file, line.generation))
		return -EAGAIN;
	/*
	 * Too long for the buffer, or cleared: then length - 1 wraps around to U32_MAX, which
	 * no buffer reaches (MAX_RW_COUNT).
	 */
	if (line.length - 1 >= to->len)
		return 0;
	/* Races with a writer on purpose; the check below detects it. */
	if (!data_race(usermem_write(to, line.data, line.length)))
		return 0;
	if (lastline_ring_still_valid(&line)) {
		consume_line(file, &line);
		return line.length;
	}
	usermem_revert(to, line.length);
	return 0;
}

/*
 * The common case: the user's memory is present and large enough. Returns the number of
 * bytes, -EAGAIN if there is nothing to read, or 0 if the slow path must decide.
 */
static __always_inline ssize_t read_fast(struct lastline_file *file, const struct usermem *to,
					 struct lastline_take *result)
{
	ssize_t ret;

	spin_lock(&file->lock);
	pagefault_disable();
	if (file_rest_left(file))
		ret = read_rest(file, *to);
	else
		ret = read_latest(file, to);
	pagefault_enable();
	if (ret > 0)
		fill_result(file, result);
	spin_unlock(&file->lock);
	return ret;
}

/**
 * struct read_snapshot - private copy of what a slow read is about to return
 * @read_seq: file->read_seq at the time of the copy
 * @buf:      the bytes
 * @size:     size of @buf
 * @len:      number of bytes to copy; if it exceeds @size, nothing was copied
 * @is_rest:  the bytes are the file's rest, not a new line
 * @line:     the new line
 */
struct read_snapshot {
	u64 read_seq;
	char *buf;
	u32 size;
	u32 len;
	bool is_rest;
	struct lastline_line line;
};

/*
 * Copies the newest line to the snapshot if its buffer is large enough. The ring's lock is
 * the last resort, because it stops writers.
 */
static void snapshot_latest(struct lastline_ring *ring, struct read_snapshot *snapshot)
{
	int i;

	for (i = 0; i < LASTLINE_RING_MAX_RETRIES; i++) {
		snapshot->line = lastline_ring_snapshot(ring->map);
		if (!lastline_ring_still_valid(&snapshot->line))
			continue;
		if (snapshot->line.length > snapshot->size)
			return;
		/* Races with a writer on purpose; the check below detects it. */
		data_race(memcpy(snapshot->buf, snapshot->line.data, snapshot->line.length));
		if (lastline_ring_still_valid(&snapshot->line))
			return;
	}
	spin_lock(&ring->lock);
	snapshot->line = lastline_ring_snapshot(ring->map);
	if (snapshot->line.length <= snapshot->size)
		memcpy(snapshot->buf, snapshot->line.data, snapshot->line.length);
	spin_unlock(&ring->lock);
}

/*
 * Copies the rest of a line, or else the newest line if it is unseen. A cleared line counts
 * as seen.
 */
static int snapshot_read(struct lastline_file *file, struct read_snapshot *snapshot)
{
	int ret = 0;

	spin_lock(&file->lock);
	snapshot->read_seq = file->read_seq;
	snapshot->is_rest = file_rest_left(file);
	if (snapshot->is_rest) {
		snapshot->len = file_rest_left(file);
		if (snapshot->len <= snapshot->size)
			memcpy(snapshot->buf, file->rest.next, snapshot->len);
	} else if (file_has_unseen(file, lastline_ring_generation(file->map))) {
		snapshot_latest(&file->channel->ring, snapshot);
		snapshot->len = snapshot->line.length;
		if (!snapshot->len) {
			file_skip_to(file, snapshot->line.generation);
			ret = -EAGAIN;
		}
	} else {
		ret = -EAGAIN;
	}
	spin_unlock(&file->lock);
	return ret;
}

/*
 * The file takes over the snapshot's buffer, and the snapshot gets the file's old one, for the
 * caller to free. The line is consumed afterwards.
 */
static void keep_rest(struct lastline_file *file, struct read_snapshot *snapshot, u32 delivered)
{
	swap(file->rest.buf, snapshot->buf);
	file->rest.next = file->rest.buf + delivered;
	WRITE_ONCE(file->rest.left, snapshot->len - delivered);
	/*
	 * (G) pairs with (H): a thread that sees that the line was read also sees its rest. No
	 * wake-up follows for the rest.
	 */
	smp_wmb();
}

/*
 * Marks @delivered bytes of the snapshot as read. Returns false if another thread has read
 * from this file since the snapshot.
 */
static bool commit_read(struct lastline_file *file, struct read_snapshot *snapshot,
			u32 delivered, struct lastline_take *result)
{
	bool committed;

	spin_lock(&file->lock);
	committed = file->read_seq == snapshot->read_seq;
	if (committed) {
		if (snapshot->is_rest) {
			consume_rest(file, delivered);
		} else {
			if (delivered < snapshot->len)
				keep_rest(file, snapshot, delivered);
			consume_line(file, &snapshot->line);
		}
		fill_result(file, result);
	}
	spin_unlock(&file->lock);
	return committed;
}

/*
 * Handles every case: a short buffer, a page that is not present, a line that was overwritten
 * during each attempt. Does not sleep for a line.
 */
static noinline ssize_t read_slow(struct lastline_file *file, struct usermem to,
				  struct lastline_take *result)
{
	struct read_snapshot snapshot = {};
	ssize_t ret;
	u32 len;

	for (;;) {
		ret = snapshot_read(file, &snapshot);
		if (ret)
			break;
		if (snapshot.len > snapshot.size) {
			kvfree(snapshot.buf);
			snapshot.size = snapshot.len;
			snapshot.buf = file_alloc_buf(file, snapshot.size);
			ret = -ENOMEM;
			if (!snapshot.buf)
				break;
			continue;
		}
		len = min_t(size_t, to.len, snapshot.len);
		might_fault();
		ret = -EFAULT;
		if (!usermem_write(&to, snapshot.buf, len))
			break;
		ret = len;
		if (commit_read(file, &snapshot, len, result))
			break;
		usermem_revert(&to, len);
		/* Concurrent readers of the same file can force retries. */
		ret = -ERESTARTSYS;
		if (signal_pending(current))
			break;
		cond_resched();
	}
	kvfree(snapshot.buf);
	return ret;
}

/* Reads without sleeping for a line. @result, if not NULL, gets the line's description. */
static __always_inline ssize_t try_read(struct lastline_file *file, const struct usermem *to,
					struct lastline_take *result)
{
	ssize_t ret = -EAGAIN;

	if (file_is_removed(file))
		return -ENODEV;
	if (may_have_data(file))
		ret = read_fast(file, to, result);
	if (likely(ret > 0))
		return ret;
	if (!to->len)
		return 0;
	return ret ? ret : read_slow(file, *to, result);
}

/*
 * Sleeps until a read may return data or an error. Returns -ETIMEDOUT at @deadline, on
 * CLOCK_MONOTONIC, if it is not NULL.
 */
static int wait_for_line(struct lastline_file *file, ktime_t *deadline)
{
	struct lastline_channel *channel = file->channel;
	DECLARE_WAITQUEUE(wait, current);
	/* As in poll(): real-time tasks have no timer slack. */
	u64 slack = rt_task(current) ? 0 : current->timer_slack_ns;
	bool timed_out = false;
	int ret = 0;

	WRITE_ONCE(file->waited, true);
	add_wait_queue(&channel->wait, &wait);
	atomic_inc(&channel->sleepers);
	for (;;) {
		/* (F) Full barrier; see lastline_channel_wake_readers(). */
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		if (may_have_data(file) || file_is_removed(file))
			break;
		if (signal_pending(current)) {
			ret = -ERESTARTSYS;
			break;
		}
		if (timed_out) {
			ret = -ETIMEDOUT;
			break;
		}
		trace_lastline_wait(channel, READ_ONCE(file->seen_gen) & ~LASTLINE_REWOUND);
		timed_out = !schedule_hrtimeout_range(deadline, slack, HRTIMER_MODE_ABS);
	}
	__set_current_state(TASK_RUNNING);
	atomic_dec(&channel->sleepers);
	remove_wait_queue(&channel->wait, &wait);
	return ret;
}

static noinline ssize_t wait_and_read(struct lastline_file *file, struct usermem to,
				      ktime_t *deadline, struct lastline_take *result)
{
	ssize_t ret;

	do {
		ret = wait_for_line(file, deadline);
		if (!ret)
			ret = try_read(file, &to, result);
	} while (ret == -EAGAIN);
	return ret;
}

ssize_t lastline_read(struct file *filp, char __user *buf, size_t len, loff_t *pos)
{
	const struct usermem to = { .buf = buf, .len = len };
	ssize_t ret;

	ret = try_read(filp->private_data, &to, NULL);
	if (ret != -EAGAIN || filp->f_flags & O_NONBLOCK)
		return ret;
	return wait_and_read(filp->private_data, to, NULL, NULL);
}

ssize_t lastline_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	const struct usermem to = { .iter = iter, .len = iov_iter_count(iter) };
	struct file *filp = iocb->ki_filp;
	ssize_t ret;

	ret = try_read(filp->private_data, &to, NULL);
	if (ret != -EAGAIN || filp->f_flags & O_NONBLOCK || iocb->ki_flags & IOCB_NOWAIT)
		return ret;
	return wait_and_read(filp->private_data, to, NULL, NULL);
}

/**
 * lastline_read_until - read with a deadline
 * @filp: the open file
 * @take: buffer, size and deadline; gets the description of the line
 *
 * Return: number of bytes or a negative error.
 */
ssize_t lastline_read_until(struct file *filp, struct lastline_take *take)
{
	const struct usermem to = { .buf = u64_to_user_ptr(take->buf), .len = take->size };
	/* ktime_t is signed. */
	ktime_t deadline = ns_to_ktime(min_t(u64, take->deadline_ns, KTIME_MAX));
	ssize_t ret;

	ret = try_read(filp->private_data, &to, take);
	if (ret != -EAGAIN || filp->f_flags & O_NONBLOCK || !take->deadline_ns)
		return ret;
	return wait_and_read(filp->private_data, to,
			     take->deadline_ns == LASTLINE_FOREVER ? NULL : &deadline, take);
}
