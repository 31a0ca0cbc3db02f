// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls on an open /dev/lastlineN, translated into what the channel, its
 * slots and the splitter can do.
 *
 * Locking. Each open file has one spinlock for what it has seen and for its
 * unfinished line; the channel's slots have theirs, which nests inside. Both are
 * held only for copying in memory: page faults are disabled under them, nobody
 * sleeps with either, and what would have to fault goes the slow way, through a
 * private buffer and without a lock. So no process ever waits for another one's
 * page, and threads that share an open file never wait for one that sleeps.
 *
 * What the slow way read may be stale when it is done. It therefore remembers
 * lastline_file.turn and begins again if that has moved.
 */
#include <linux/hrtimer.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <asm/ioctls.h>
#include <uapi/linux/lastline.h>

#include "channel.h"
#include "compat.h"
#include "file.h"
#include "splitter.h"
#include "usermem.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* How much is copied at first of a write that is larger than any line, in bytes. */
#define FIRST_LOOK	512

/**
 * struct remainder - what a reader with a short buffer has still to get
 * @buf:  the line it began
 * @next: the first byte it did not get
 * @left: bytes from there on
 */
struct remainder {
	char *buf;
	const char *next;
	u32 left;
};

/**
 * struct lastline_file - what belongs to one open file
 * @channel:     the channel; the open file keeps it alive
 * @map:         its slots: all that a reader needs of it
 * @memcg:       memory cgroup of the opener, charged for the buffers below
 * @lock:        see below
 * @turn:        +1 with each change to what the next read gets
 * @seen:        what the next read gets has another generation; 0 if it may be any.
 *               Looked at without @lock
 * @passed:      the newest generation that this file took, skipped, or that was
 *               there when it was opened: later ones can be missed
 * @taken:       the line taken last and what was missed; times are filled in
 *               when somebody asks
 * @remainder:   of the line taken last; looked at without @lock
 * @splitter:    the unfinished line; looked at without @lock
 * @writer:      process that wrote the end of the unfinished line
 */
struct lastline_file {
	struct channel *channel;
	const struct lastline_map *map;
	struct mem_cgroup *memcg;

	/* Protects everything below. */
	spinlock_t lock;
	u64 turn;
	u64 seen;
	u64 passed;
	struct lastline_taken taken;
	struct remainder remainder;
	struct splitter splitter;
	struct pid *writer;
};

/* Memory that belongs to one open file. */
static char *alloc_buffer(struct lastline_file *file, size_t size)
{
	struct mem_cgroup *old = compat_set_active_memcg(file->memcg);
	char *buf = kvmalloc(size, GFP_KERNEL_ACCOUNT);

	compat_set_active_memcg(old);
	return buf;
}

/*
 * Reading
 */

static u32 remaining(const struct lastline_file *file)
{
	return READ_ONCE(file->remainder.left);
}

/* Is there a line that this file has not seen? */
static bool is_behind(const struct lastline_file *file, u64 generation)
{
	return generation != READ_ONCE(file->seen);
}

static __always_inline bool is_removed(const struct lastline_file *file)
{
	return unlikely(channel_is_removed(file->channel));
}

/*
 * Is it worth a look whether a read gets something now? Without @lock, for one who
 * then looks with it, or who has joined the queue: whoever makes it so wakes him.
 */
static __always_inline bool is_worth_a_look(const struct lastline_file *file)
{
	if (is_behind(file, latest_generation(file->map)))
		return true;
	/* (H) pairs with (G) in settle(). */
	smp_rmb();
	return remaining(file);
}

/* This file took @line. */
static __always_inline void take(struct lastline_file *file, const struct latest_line *line)
{
	u64 missed = line->generation - file->passed;

	lockdep_assert_held(&file->lock);
	/* None, if it is the same line again; else, all but this one. */
	missed -= !!missed;
	file->turn++;
	WRITE_ONCE(file->seen, line->generation);
	file->passed = line->generation;
	file->taken.generation = line->generation;
	file->taken.monotonic_ns = line->time_ns;
	file->taken.missed += missed;
	file->taken.missed_last = missed;
	trace_read(file->channel, line->generation, missed);
}

/* @len bytes of the remainder are with the user. */
static void advance(struct lastline_file *file, u32 len)
{
	lockdep_assert_held(&file->lock);
	file->turn++;
	file->remainder.next += len;
	WRITE_ONCE(file->remainder.left, file->remainder.left - len);
}

/* What is known of the line that was just read, for one who asked for it. */
static __always_inline void tell(const struct lastline_file *file, struct lastline_take *told)
{
	lockdep_assert_held(&file->lock);
	if (!told)
		return;
	told->left = remaining(file);
	told->taken = file->taken;
}

static noinline ssize_t read_remainder(struct lastline_file *file, struct usermem to)
{
	u32 len = min_t(size_t, to.len, remaining(file));

	if (!usermem_write(&to, file->remainder.next, len))
		return 0;
	advance(file, len);
	return len;
}

static __always_inline ssize_t read_latest(struct lastline_file *file,
					   const struct usermem *to)
{
	const struct latest_line line = latest_take(file->map);

	if (!latest_intact(&line))
		return 0;
	if (!is_behind(file, line.generation))
		return -EAGAIN;
	/* Too long, or none, which wraps around. */
	if (line.length - 1 >= to->len)
		return 0;
	/* Races with a writer on purpose; latest_intact() tells. */
	if (!data_race(usermem_write(to, line.data, line.length)))
		return 0;
	if (latest_intact(&line)) {
		take(file, &line);
		return line.length;
	}
	usermem_unwrite(to, line.length);
	return 0;
}

/*
 * The common case: the user's memory is there, and it is large enough.
 * Returns the bytes read, -EAGAIN if there is nothing to read, or 0 if it takes
 * read_slow() to tell.
 */
static __always_inline ssize_t read_fast(struct lastline_file *file, const struct usermem *to,
					 struct lastline_take *told)
{
	ssize_t ret;

	if (!usermem_is_atomic(to))
		return 0;

	spin_lock(&file->lock);
	pagefault_disable();
	if (remaining(file))
		ret = read_remainder(file, *to);
	else
		ret = read_latest(file, to);
	pagefault_enable();
	if (ret > 0)
		tell(file, told);
	spin_unlock(&file->lock);
	return ret;
}

/**
 * struct draft - what a slow read is about to deliver
 * @turn:      file->turn when it was drawn up
 * @buf:       private copy of the bytes
 * @size:      room in @buf
 * @len:       bytes wanted in @buf; it was too small if this is more than @size
 * @remainder: the bytes are the file's remainder, not a new line
 * @line:      the new line
 */
struct draft {
	u64 turn;
	char *buf;
	u32 size;
	u32 len;
	bool remainder;
	struct latest_line line;
};

/*
 * Copies the latest line into a private buffer, if it is large enough. The lock is
 * the last resort: a reader should not stop writers.
 */
static void draw_latest(struct latest *latest, struct draft *draft)
{
	int i;

	for (i = 0; i < LATEST_LAPPED_MAX; i++) {
		draft->line = latest_take(latest->map);
		if (!latest_intact(&draft->line))
			continue;
		if (draft->line.length > draft->size)
			return;
		/* Races with a writer on purpose; latest_intact() tells. */
		data_race(memcpy(draft->buf, draft->line.data, draft->line.length));
		if (latest_intact(&draft->line))
			return;
	}
	spin_lock(&latest->lock);
	draft->line = latest_take(latest->map);
	if (draft->line.length <= draft->size)
		memcpy(draft->buf, draft->line.data, draft->line.length);
	spin_unlock(&latest->lock);
}

/* There is nothing to be had of @generation, or of any before it. */
static void pass(struct lastline_file *file, u64 generation)
{
	lockdep_assert_held(&file->lock);
	file->turn++;
	file->passed = generation;
	WRITE_ONCE(file->seen, generation);
}

/*
 * Copies what a read should get into a private buffer. A line that was cleared away
 * counts as seen.
 */
static int draw_up(struct lastline_file *file, struct draft *draft)
{
	int ret = 0;

	spin_lock(&file->lock);
	draft->turn = file->turn;
	draft->remainder = remaining(file);
	if (draft->remainder) {
		draft->len = remaining(file);
		if (draft->len <= draft->size)
			memcpy(draft->buf, file->remainder.next, draft->len);
	} else if (is_behind(file, latest_generation(file->map))) {
		draw_latest(&file->channel->latest, draft);
		draft->len = draft->line.length;
		if (!draft->len) {
			pass(file, draft->line.generation);
			ret = -EAGAIN;
		}
	} else {
		ret = -EAGAIN;
	}
	spin_unlock(&file->lock);
	return ret;
}

/*
 * @delivered bytes of @draft are with the user: let the file know, unless
 * another thread was quicker. What is over becomes the remainder, and
 * draft->buf whatever is to be freed.
 */
static bool settle(struct lastline_file *file, struct draft *draft, u32 delivered,
		   struct lastline_take *told)
{
	bool settled;

	spin_lock(&file->lock);
	settled = file->turn == draft->turn;
	if (settled && draft->remainder) {
		advance(file, delivered);
	} else if (settled) {
		if (delivered < draft->len) {
			swap(file->remainder.buf, draft->buf);
			file->remainder.next = file->remainder.buf + delivered;
			WRITE_ONCE(file->remainder.left, draft->len - delivered);
			/*
			 * (G) pairs with (H): whoever sees that the line was taken
			 * also sees that something remains of it. Nobody wakes him
			 * for that.
			 */
			smp_wmb();
		}
		take(file, &draft->line);
	}
	if (settled)
		tell(file, told);
	spin_unlock(&file->lock);
	return settled;
}

/*
 * Any case: a short buffer, a page that is not there, a pipe, a reader lapped
 * too often. Never sleeps for a line.
 */
static noinline ssize_t read_slow(struct lastline_file *file, struct usermem to,
				  struct lastline_take *told)
{
	struct draft draft = {};
	ssize_t ret;
	u32 len;

	for (;;) {
		ret = draw_up(file, &draft);
		if (ret)
			break;
		if (draft.len > draft.size) {
			kvfree(draft.buf);
			draft.size = draft.len;
			draft.buf = alloc_buffer(file, draft.size);
			ret = -ENOMEM;
			if (!draft.buf)
				break;
			continue;
		}
		len = min_t(size_t, to.len, draft.len);
		might_fault();
		ret = -EFAULT;
		if (!usermem_write(&to, draft.buf, len))
			break;
		ret = len;
		if (settle(file, &draft, len, told))
			break;
		usermem_unwrite(&to, len);
		/* Other threads could keep this one going round for long. */
		ret = -ERESTARTSYS;
		if (signal_pending(current))
			break;
		cond_resched();
	}
	kvfree(draft.buf);
	return ret;
}

/* Reads without sleeping for a line. What is known of it goes to @told, if not NULL. */
static __always_inline ssize_t read_now(struct lastline_file *file, const struct usermem *to,
					struct lastline_take *told)
{
	ssize_t ret = -EAGAIN;

	if (is_removed(file))
		return -ENODEV;
	if (is_worth_a_look(file))
		ret = read_fast(file, to, told);
	if (likely(ret > 0))
		return ret;
	if (!to->len)
		return 0;
	return ret ? ret : read_slow(file, *to, told);
}

/*
 * Sleeps until a read may get something, or an error; -ETIMEDOUT at @deadline on
 * CLOCK_MONOTONIC, if it is not NULL.
 */
static int wait_for_line(struct lastline_file *file, unsigned int state, ktime_t *deadline)
{
	struct channel *channel = file->channel;
	DECLARE_WAITQUEUE(wait, current);
	/* As poll() has it: who is in real time wants to be woken in time. */
	u64 slack = rt_task(current) ? 0 : current->timer_slack_ns;
	bool timed_out = false;
	int ret = 0;

	add_wait_queue(&channel->wait, &wait);
	atomic_inc(&channel->sleepers);
	for (;;) {
		/* (F) has the full barrier; see channel_wake_readers(). */
		set_current_state(state);
		if (is_worth_a_look(file) || is_removed(file))
			break;
		if (signal_pending(current)) {
			ret = -ERESTARTSYS;
			break;
		}
		if (timed_out) {
			ret = -ETIMEDOUT;
			break;
		}
		trace_wait(channel, READ_ONCE(file->seen));
		timed_out = !schedule_hrtimeout_range(deadline, slack, HRTIMER_MODE_ABS);
	}
	__set_current_state(TASK_RUNNING);
	atomic_dec(&channel->sleepers);
	remove_wait_queue(&channel->wait, &wait);
	return ret;
}

/* Sleeps until there is a line, and reads it; as read_now() and wait_for_line(). */
static noinline ssize_t read_later(struct lastline_file *file, struct usermem to,
				   ktime_t *deadline, struct lastline_take *told)
{
	unsigned int state = TASK_INTERRUPTIBLE;
	ssize_t ret;

	/* Who fills a pipe holds its mutex: others that want it could not freeze. */
	if (usermem_is_atomic(&to))
		state |= TASK_FREEZABLE;
	do {
		ret = wait_for_line(file, state, deadline);
		if (!ret)
			ret = read_now(file, &to, told);
	} while (ret == -EAGAIN);
	return ret;
}

static ssize_t lastline_read(struct file *filp, char __user *buf, size_t len, loff_t *pos)
{
	const struct usermem to = { .buf = buf, .len = len };
	ssize_t ret;

	ret = read_now(filp->private_data, &to, NULL);
	if (ret != -EAGAIN || filp->f_flags & O_NONBLOCK)
		return ret;
	return read_later(filp->private_data, to, NULL, NULL);
}

static ssize_t lastline_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	const struct usermem to = { .iter = iter, .len = iov_iter_count(iter) };
	struct file *filp = iocb->ki_filp;
	ssize_t ret;

	ret = read_now(filp->private_data, &to, NULL);
	if (ret != -EAGAIN || filp->f_flags & O_NONBLOCK || iocb->ki_flags & IOCB_NOWAIT)
		return ret;
	return read_later(filp->private_data, to, NULL, NULL);
}

/*
 * Writing
 */

static __always_inline void publish(struct channel *channel, struct lastline_slot *slot,
				    u32 offset, u32 length)
{
	u64 generation;

	lockdep_assert_held(&channel->latest.lock);
	generation = latest_publish(&channel->latest, slot, offset, length, ktime_get_ns());
	trace_publish(channel, generation, length);
}

/*
 * The common case: the last @len bytes of a write end in a newline, hold all of
 * the last line (they do if they are the @whole write), nothing unfinished stands
 * before it, and the user's memory is there. They go straight into a slot. Returns
 * false if that is not so.
 */
static __always_inline bool write_fast(struct lastline_file *file,
				       const struct usermem *from, u32 len, bool whole)
{
	struct channel *channel = file->channel;
	struct latest *latest = &channel->latest;
	struct lastline_slot *slot;
	u32 searched, start = 0;
	bool read, done = false;

	/*
	 * Another thread may be changing the unfinished line right now; then the
	 * two writes overlap, and this one comes first.
	 */
	if (READ_ONCE(file->splitter.len))
		return false;

	spin_lock(&latest->lock);
	slot = latest_begin(latest);
	pagefault_disable();
	read = usermem_read_line(from, from->len - len, slot->data, len, &searched);
	pagefault_enable();
	if (read) {
		if (searched)
			start = splitter_line_start(slot->data, searched);
		done = whole || start;
	}
	if (done)
		publish(channel, slot, start, len - start);
	else
		latest_abort(slot, read ? len : searched);
	spin_unlock(&latest->lock);

	if (done)
		channel_wake(channel);
	return done;
}

/*
 * A write that is larger than any line. Lines tend to be short, so its last bytes
 * tend to be enough; else it takes as many as a line may have, and one more.
 */
static noinline bool write_large(struct lastline_file *file, struct usermem from)
{
	u32 line_max = file->channel->latest.line_max;

	return write_fast(file, &from, min_t(u32, FIRST_LOOK, line_max), false) ||
	       write_fast(file, &from, line_max + 1, false);
}

/* Publishes @joined unfinished bytes and @length of @data. */
static void publish_joined(struct lastline_file *file, u32 joined, const char *data,
			   u32 length)
{
	struct latest *latest = &file->channel->latest;
	struct lastline_slot *slot;

	lockdep_assert_held(&file->lock);
	spin_lock(&latest->lock);
	slot = latest_begin(latest);
	memcpy(slot->data, file->splitter.buf, joined);
	memcpy(slot->data + joined, data, length);
	publish(file->channel, slot, 0, joined + length);
	spin_unlock(&latest->lock);
}

static void remember_writer(struct lastline_file *file)
{
	lockdep_assert_held(&file->lock);
	if (file->writer == task_tgid(current))
		return;
	put_pid(file->writer);
	file->writer = get_pid(task_tgid(current));
}

/* Splits @data, which is in kernel memory, and applies all of it or nothing. */
static int write_split(struct lastline_file *file, const char *data, u32 len, bool whole,
		       char **spare)
{
	struct splitter *splitter = &file->splitter;
	struct split split;
	int ret;

	spin_lock(&file->lock);
	ret = splitter_split(splitter->len, data, len, whole,
			     file->channel->latest.line_max, &split);
	if (!ret) {
		if (split.rest && !splitter->buf) {
			WRITE_ONCE(splitter->buf, *spare);
			*spare = NULL;
		}
		if (split.length)
			publish_joined(file, split.joined, data + split.line, split.length);
		splitter_keep(splitter, data, len, &split);
		if (split.rest)
			remember_writer(file);
	}
	spin_unlock(&file->lock);

	if (!ret && split.length)
		channel_wake(file->channel);
	return ret;
}

/* Any case: unfinished bytes before or after, a page that is not there, errors. */
static noinline int write_slow(struct lastline_file *file, struct usermem from)
{
	u32 line_max = file->channel->latest.line_max;
	u32 len = splitter_window(from.len, line_max);
	char *spare = NULL;
	char *data;
	int ret;

	data = alloc_buffer(file, len);
	if (!data)
		return -ENOMEM;
	ret = -EFAULT;
	if (!usermem_read(&from, from.len - len, data, len))
		goto free;
	if (data[len - 1] != '\n' && !READ_ONCE(file->splitter.buf)) {
		ret = -ENOMEM;
		spare = alloc_buffer(file, line_max);
		if (!spare)
			goto free;
	}
	ret = write_split(file, data, len, len == from.len, &spare);
	kvfree(spare);
free:
	kvfree(data);
	return ret;
}

static __always_inline ssize_t write_bytes(struct lastline_file *file,
					   const struct usermem *from)
{
	bool done;
	int ret;

	if (is_removed(file))
		return -ENODEV;
	/* One comparison sorts out both 0 and what is larger than any line. */
	if (likely(from->len - 1 < file->channel->latest.line_max))
		done = write_fast(file, from, from->len, true);
	else if (from->len)
		done = write_large(file, *from);
	else
		return 0;
	if (!done) {
		ret = write_slow(file, *from);
		if (ret)
			return ret;
	}
	if (from->iter)
		iov_iter_advance(from->iter, from->len);
	return from->len;
}

static ssize_t lastline_write(struct file *filp, const char __user *buf, size_t len,
			      loff_t *pos)
{
	const struct usermem from = { .buf = (char __user *)buf, .len = len };

	return write_bytes(filp->private_data, &from);
}

static ssize_t lastline_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	const struct usermem from = { .iter = iter, .len = iov_iter_count(iter) };

	return write_bytes(iocb->ki_filp->private_data, &from);
}

/* A record that lies in kernel memory. */
static void publish_record(struct lastline_file *file, const char *data, u32 len)
{
	spin_lock(&file->lock);
	publish_joined(file, 0, data, len);
	spin_unlock(&file->lock);
	channel_wake(file->channel);
}

static int write_record_slow(struct lastline_file *file, const struct usermem *from)
{
	char *data;

	data = alloc_buffer(file, from->len);
	if (!data)
		return -ENOMEM;
	if (!usermem_read_all(from, data)) {
		kvfree(data);
		return -EFAULT;
	}
	publish_record(file, data, from->len);
	kvfree(data);
	return 0;
}

/* The user's memory is there: straight into a slot. */
static bool write_record_fast(struct lastline_file *file, const struct usermem *from)
{
	struct channel *channel = file->channel;
	struct latest *latest = &channel->latest;
	struct lastline_slot *slot;
	bool done;

	spin_lock(&latest->lock);
	slot = latest_begin(latest);
	pagefault_disable();
	done = usermem_read_all(from, slot->data);
	pagefault_enable();
	if (done)
		publish(channel, slot, 0, from->len);
	else
		latest_abort(slot, from->len);
	spin_unlock(&latest->lock);

	if (done)
		channel_wake(channel);
	return done;
}

/* In record mode a write is what is published, whole. */
static ssize_t write_record(struct lastline_file *file, const struct usermem *from)
{
	int ret;

	if (is_removed(file))
		return -ENODEV;
	if (!from->len)
		return 0;
	if (from->len > file->channel->latest.line_max)
		return -EMSGSIZE;
	if (!write_record_fast(file, from)) {
		ret = write_record_slow(file, from);
		if (ret)
			return ret;
	}
	if (from->iter)
		iov_iter_advance(from->iter, from->len);
	return from->len;
}

static ssize_t lastline_write_record(struct file *filp, const char __user *buf, size_t len,
				     loff_t *pos)
{
	const struct usermem from = { .buf = (char __user *)buf, .len = len };

	return write_record(filp->private_data, &from);
}

static ssize_t lastline_write_record_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	const struct usermem from = { .iter = iter, .len = iov_iter_count(iter) };

	return write_record(iocb->ki_filp->private_data, &from);
}

/*
 * Publishes the unfinished line, if there is one, with a newline. One of line_max
 * bytes has no room for that.
 */
static int finish_line(struct lastline_file *file)
{
	struct splitter *splitter = &file->splitter;
	bool published = false;
	int ret = 0;

	if (is_removed(file))
		return -ENODEV;
	spin_lock(&file->lock);
	if (splitter->len == file->channel->latest.line_max) {
		ret = -EMSGSIZE;
	} else if (splitter->len) {
		publish_joined(file, splitter->len, "\n", 1);
		WRITE_ONCE(splitter->len, 0);
		published = true;
	}
	spin_unlock(&file->lock);

	if (published)
		channel_wake(file->channel);
	return ret;
}

static int lastline_fsync(struct file *filp, loff_t start, loff_t end, int datasync)
{
	return finish_line(filp->private_data);
}

/*
 * The rest
 */

/* Would a read get something now? */
static bool is_readable(struct lastline_file *file)
{
	struct latest_line line;
	bool readable = true;

	spin_lock(&file->lock);
	if (!remaining(file)) {
		line = latest_take(file->map);
		/* Not if it was cleared away; one that was overwritten is followed by another. */
		readable = is_behind(file, line.generation) &&
			   (line.length || !latest_intact(&line));
	}
	spin_unlock(&file->lock);
	return readable;
}

/* The length of the line that a read would get now, in bytes. */
static int readable_bytes(struct lastline_file *file)
{
	int bytes;

	spin_lock(&file->lock);
	bytes = remaining(file);
	if (!bytes && is_behind(file, latest_generation(file->map)))
		bytes = latest_look(&file->channel->latest).length;
	spin_unlock(&file->lock);
	return bytes;
}

static __poll_t lastline_poll(struct file *filp, poll_table *wait)
{
	struct lastline_file *file = filp->private_data;
	__poll_t events = EPOLLOUT | EPOLLWRNORM;

	poll_wait(filp, &file->channel->wait, wait);
	/*
	 * (F) Between our joining the queue and our look at the generation, see
	 * channel_wake_readers().
	 */
	smp_mb();
	if (is_removed(file))
		return EPOLLHUP | EPOLLERR;
	if (filp->f_mode & FMODE_READ && is_readable(file))
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

static int lastline_fasync(int fd, struct file *filp, int on)
{
	struct lastline_file *file = filp->private_data;
	int ret;

	ret = fasync_helper(fd, filp, on, &file->channel->fasync);
	/* (F) Between that and the next look at the generation, see channel_wake(). */
	smp_mb();
	return ret;
}

static loff_t lastline_llseek(struct file *filp, loff_t offset, int whence)
{
	struct lastline_file *file = filp->private_data;

	if (is_removed(file))
		return -ENODEV;
	/* So that tools take it for the stream that it is. */
	if (whence == SEEK_CUR)
		return -ESPIPE;
	if (offset || (whence != SEEK_SET && whence != SEEK_END))
		return -EINVAL;

	spin_lock(&file->lock);
	file->turn++;
	WRITE_ONCE(file->remainder.left, 0);
	if (whence == SEEK_END)
		pass(file, latest_generation(file->map));
	else
		WRITE_ONCE(file->seen, 0);
	spin_unlock(&file->lock);

	/* No news for others, but threads may wait with this very file. */
	if (whence == SEEK_SET)
		channel_wake_readers(file->channel);
	return 0;
}

/*
 * The mapped view. The mapping holds the file, and that the channel and the module.
 * Nobody but the kernel may ever write there: mprotect() cannot add what
 * VM_MAYWRITE and VM_MAYEXEC do not allow.
 */
static int lastline_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct lastline_file *file = filp->private_data;
	struct latest *latest = &file->channel->latest;

	if (is_removed(file))
		return -ENODEV;
	/* Its generations would tear where the machine has no 64-bit atomics. */
	if (IS_ENABLED(CONFIG_GENERIC_ATOMIC64))
		return -ENODEV;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EPERM;
	/* VM_SHARED is not there if the file cannot be written. */
	if (!(vma->vm_flags & VM_MAYSHARE) || vma->vm_pgoff ||
	    vma->vm_end - vma->vm_start > latest_map_size(latest))
		return -EINVAL;

	compat_vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	return remap_vmalloc_range(vma, latest->map, 0);
}

static u64 to_realtime(u64 monotonic_ns)
{
	if (!monotonic_ns)
		return 0;
	return ktime_to_ns(ktime_mono_to_real(ns_to_ktime(monotonic_ns)));
}

static int get_info(struct lastline_file *file, void __user *to)
{
	struct channel *channel = file->channel;
	struct latest *latest = &channel->latest;
	struct lastline_info info = {
		.line_max = latest->line_max,
		.readers = READ_ONCE(channel->readers),
		.writers = READ_ONCE(channel->writers),
		.sleepers = atomic_read(&channel->sleepers),
		.map_size = latest_map_size(latest),
		.number = channel_minor(channel),
		.mode = channel->mode,
	};
	struct latest_line line;

	line = latest_look(latest);
	info.generation = line.generation;
	info.monotonic_ns = line.time_ns;
	info.realtime_ns = to_realtime(line.time_ns);
	return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : 0;
}

static int get_taken(struct lastline_file *file, void __user *to)
{
	struct lastline_taken taken;

	spin_lock(&file->lock);
	taken = file->taken;
	spin_unlock(&file->lock);

	taken.realtime_ns = to_realtime(taken.monotonic_ns);
	return copy_to_user(to, &taken, sizeof(taken)) ? -EFAULT : 0;
}

static ssize_t read_until(struct file *filp, struct lastline_take *take)
{
	const struct usermem to = { .buf = u64_to_user_ptr(take->buf), .len = take->size };
	/* As far as the kernel's clock goes, which is 292 years. */
	ktime_t deadline = ns_to_ktime(min_t(u64, take->deadline_ns, KTIME_MAX));
	ssize_t ret;

	ret = read_now(filp->private_data, &to, take);
	if (ret != -EAGAIN || filp->f_flags & O_NONBLOCK || !take->deadline_ns)
		return ret;
	return read_later(filp->private_data, to,
			  take->deadline_ns == LASTLINE_FOREVER ? NULL : &deadline, take);
}

/*
 * A line that was taken is gone, so that the structure has to be writable before. What
 * is written is all from @left on.
 */
static ssize_t take_until(struct file *filp, struct lastline_take __user *user)
{
	const size_t written = offsetof(struct lastline_take, left);
	struct lastline_take take;
	ssize_t ret;

	if (!(filp->f_mode & FMODE_READ))
		return -EBADF;
	if (copy_from_user(&take, user, sizeof(take)))
		return -EFAULT;
	if (!take.size || take.spare)
		return -EINVAL;
	if (clear_user(&user->left, sizeof(take) - written))
		return -EFAULT;
	ret = read_until(filp, &take);
	if (ret <= 0)
		return ret;
	take.taken.realtime_ns = to_realtime(take.taken.monotonic_ns);
	if (copy_to_user(&user->left, &take.left, sizeof(take) - written))
		return -EFAULT;
	return ret;
}

static int clear(struct file *filp)
{
	struct lastline_file *file = filp->private_data;
	struct latest *latest = &file->channel->latest;

	if (!(filp->f_mode & FMODE_WRITE))
		return -EBADF;
	spin_lock(&latest->lock);
	latest_clear(latest);
	spin_unlock(&latest->lock);
	return 0;
}

static long lastline_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct lastline_file *file = filp->private_data;
	void __user *user = (void __user *)arg;

	if (is_removed(file))
		return -ENODEV;
	switch (cmd) {
	case LASTLINE_IOC_INFO:
		return get_info(file, user);
	case LASTLINE_IOC_TAKEN:
		return get_taken(file, user);
	case LASTLINE_IOC_CLEAR:
		return clear(filp);
	case LASTLINE_IOC_TAKE:
		return take_until(filp, user);
	case FIONREAD:
		return put_user(readable_bytes(file), (int __user *)user);
	default:
		return -ENOTTY;
	}
}

/* What this open file has had of the channel, for /proc/PID/fdinfo. */
static void lastline_show_fdinfo(struct seq_file *seq, struct file *filp)
{
	struct lastline_file *file = filp->private_data;
	u64 taken, missed;
	u32 unfinished;

	spin_lock(&file->lock);
	taken = file->taken.generation;
	missed = file->taken.missed;
	unfinished = file->splitter.len;
	spin_unlock(&file->lock);

	seq_printf(seq, "lastline-generation:\t%llu\n", latest_generation(file->map));
	seq_printf(seq, "lastline-taken:\t%llu\n", taken);
	seq_printf(seq, "lastline-missed:\t%llu\n", missed);
	seq_printf(seq, "lastline-unfinished:\t%u\n", unfinished);
}

static int lastline_open(struct inode *inode, struct file *filp)
{
	struct channel *channel = container_of(inode->i_cdev, struct channel, cdev);
	struct lastline_file *file;
	int ret;

	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	ret = channel_open(channel, filp->f_mode);
	if (ret) {
		kfree(file);
		return ret;
	}
	file->channel = channel;
	file->map = channel->latest.map;
	file->memcg = get_mem_cgroup_from_mm(current->mm);
	spin_lock_init(&file->lock);
	file->passed = latest_generation(file->map);
	filp->private_data = file;

	/* A stream, so that reads share no file position; but lseek() has a use. */
	stream_open(inode, filp);
	filp->f_mode |= FMODE_LSEEK | FMODE_NOWAIT;
	return 0;
}

/*
 * Is the process ending because of a signal? (PF_SIGNALED would not tell: threads
 * that a normal exit of another one takes along bear it too.)
 */
static bool is_killed(void)
{
	return current->flags & PF_EXITING && current->exit_code & 0x7f;
}

/*
 * A descriptor is closed, perhaps one of many, perhaps because its process ends. If
 * that was killed half way through a line, the line is dropped: nobody is to get
 * half of it, nor it with another process's line behind. (Not if all that it still
 * had of the file was an io_uring or a message on its way through a socket.)
 */
static int lastline_flush(struct file *filp, fl_owner_t id)
{
	struct lastline_file *file = filp->private_data;

	if (!is_killed())
		return 0;
	spin_lock(&file->lock);
	if (file->writer == task_tgid(current))
		WRITE_ONCE(file->splitter.len, 0);
	spin_unlock(&file->lock);
	return 0;
}

static int lastline_release(struct inode *inode, struct file *filp)
{
	struct lastline_file *file = filp->private_data;

	/* Of a line that is too long to be finished nobody is left to be told. */
	finish_line(file);
	put_pid(file->writer);
	channel_close(file->channel, filp->f_mode);
	mem_cgroup_put(file->memcg);
	kvfree(file->remainder.buf);
	kvfree(file->splitter.buf);
	kfree(file);
	return 0;
}

/* What both modes have in common. */
#define LASTLINE_FOPS						\
	.owner = THIS_MODULE,					\
	.open = lastline_open,					\
	.flush = lastline_flush,				\
	.release = lastline_release,				\
	.read = lastline_read,					\
	.read_iter = lastline_read_iter,			\
	.splice_read = copy_splice_read,			\
	.splice_write = iter_file_splice_write,			\
	.poll = lastline_poll,					\
	.mmap = lastline_mmap,					\
	.llseek = lastline_llseek,				\
	.fsync = lastline_fsync,				\
	.fasync = lastline_fasync,				\
	.show_fdinfo = lastline_show_fdinfo,			\
	.unlocked_ioctl = lastline_ioctl,			\
	.compat_ioctl = compat_ptr_ioctl

const struct file_operations lastline_fops[] = {
	[LASTLINE_MODE_LINE] = {
		LASTLINE_FOPS,
		.write = lastline_write,
		.write_iter = lastline_write_iter,
	},
	[LASTLINE_MODE_RECORD] = {
		LASTLINE_FOPS,
		.write = lastline_write_record,
		.write_iter = lastline_write_record_iter,
	},
};
