/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An open file of a channel, shared by fops.c, read.c, write.c and ioctl.c.
 *
 * Ownership. An open file holds a reference to its channel's cdev, which keeps the channel
 * and its slots alive. It owns its two buffers. lastline_release() frees it.
 *
 * Locking. @lock protects the reading position and the partial line; channel.c has the order
 * of all locks. User memory is accessed under a spinlock only with page faults disabled. If
 * that fails, the slow path copies through a private buffer and accesses user memory without
 * a lock. So no process waits for another one's page, and threads that share an open file do
 * not wait for one that sleeps.
 */
#ifndef LASTLINE_FILE_H
#define LASTLINE_FILE_H

#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <uapi/linux/lastline.h>

#include "channel.h"
#include "compat.h"
#include "splitter.h"

/*
 * Flag in lastline_file.seen_gen: the file was just opened or rewound. It makes seen_gen
 * differ from every generation.
 */
#define LASTLINE_REWOUND	BIT_ULL(63)

/**
 * struct lastline_rest - what a short read left of a line
 * @buf:  copy of the line
 * @next: first byte not read yet
 * @left: number of bytes not read yet
 */
struct lastline_rest {
	char *buf;
	const char *next;
	u32 left;
};

/**
 * struct lastline_file - one open file
 * @channel:  the channel
 * @map:      its slots; with it, readers do not touch the cache line that writers modify
 * @memcg:    memory cgroup of the opener; the buffers are charged to it
 * @waited:   a thread has polled this file, or slept in a read of it; never cleared, because
 *            poll() does not report when it leaves the wait queue
 * @lock:     see the top of this file
 * @read_seq: incremented when a read or lseek() consumes, skips or rewinds; a slow read uses
 *            it to detect that another one came first
 * @seen_gen: newest generation that this file read or skipped, or that was the latest when
 *            it was opened; only later ones can be missed. LASTLINE_REWOUND is set if the
 *            newest line is unseen even if it has this generation. Also read without @lock
 * @taken:    description of the last line read; its realtime is filled in on request
 * @rest:     rest of the last line read; @left is also read without @lock
 * @splitter: the partial line; its fields are also read without @lock
 * @partial_owner: process that wrote the end of the partial line
 */
struct lastline_file {
	struct lastline_channel *channel;
	const struct lastline_map *map;
	struct mem_cgroup *memcg;
	bool waited;

	/* Protects everything below. */
	spinlock_t lock;
	u64 read_seq;
	u64 seen_gen;
	struct lastline_taken taken;
	struct lastline_rest rest;
	struct lastline_splitter splitter;
	struct pid *partial_owner;
};

static __always_inline bool file_is_removed(const struct lastline_file *file)
{
	return unlikely(lastline_channel_is_removed(file->channel));
}

static inline u32 file_rest_left(const struct lastline_file *file)
{
	return READ_ONCE(file->rest.left);
}

/* Is the newest line, which has this generation, unseen? */
static inline bool file_has_unseen(const struct lastline_file *file, u64 generation)
{
	return generation != READ_ONCE(file->seen_gen);
}

/* Marks everything up to @generation as seen. */
static __always_inline void file_skip_to(struct lastline_file *file, u64 generation)
{
	lockdep_assert_held(&file->lock);
	file->read_seq++;
	WRITE_ONCE(file->seen_gen, generation);
}

/*
 * Makes the newest line unseen. While seen_gen is 0, any line is. Called with @lock held, or
 * before the file is visible.
 */
static inline void file_rewind(struct lastline_file *file)
{
	file->read_seq++;
	if (file->seen_gen)
		WRITE_ONCE(file->seen_gen, file->seen_gen | LASTLINE_REWOUND);
}

/* Allocates a buffer that is charged to the opener. */
static inline char *file_alloc_buf(struct lastline_file *file, size_t size)
{
	struct mem_cgroup *old = compat_set_active_memcg(file->memcg);
	char *buf = kvmalloc(size, GFP_KERNEL_ACCOUNT);

	compat_set_active_memcg(old);
	return buf;
}

/* fops.c: file operations, indexed by LASTLINE_MODE_* */
extern const struct file_operations lastline_fops[];

/* read.c */
ssize_t lastline_read(struct file *filp, char __user *buf, size_t len, loff_t *pos);
ssize_t lastline_read_iter(struct kiocb *iocb, struct iov_iter *iter);
ssize_t lastline_read_until(struct file *filp, struct lastline_take *take);

/* write.c */
ssize_t lastline_write(struct file *filp, const char __user *buf, size_t len, loff_t *pos);
ssize_t lastline_write_iter(struct kiocb *iocb, struct iov_iter *iter);
ssize_t lastline_write_record(struct file *filp, const char __user *buf, size_t len,
			      loff_t *pos);
ssize_t lastline_write_record_iter(struct kiocb *iocb, struct iov_iter *iter);
int lastline_file_finish_line(struct lastline_file *file);

/* ioctl.c */
long lastline_ioctl(struct file *filp, unsigned int cmd, unsigned long arg);

#endif /* LASTLINE_FILE_H */
