/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LASTLINE_CHANNEL_H
#define LASTLINE_CHANNEL_H

#include <linux/cache.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include "latest.h"

/**
 * struct channel - one minor: one latest line, one generation, one wait queue
 * @dev:      the device in sysfs; its reference count is the channel's life
 * @cdev:     the character device; holds a reference to @dev, and each open
 *            file holds one to it
 * @name:     or NULL; constant
 * @added:    at run time, not when the module was loaded; constant
 * @uid:      owner of the node; constant, as the next three
 * @gid:      its group
 * @umode:    its permissions
 * @mode:     LASTLINE_MODE_*
 * @removed:  is its number free again? Looked at without @lock
 * @lock:     see below
 * @readers:  open files that can read; read without @lock
 * @writers:  open files that can write; read without @lock
 * @latest:   the line; has its own lock
 * @wait:     readers that sleep, and those who poll
 * @fasync:   files that want SIGIO; protected by the fasync code's own lock
 * @sleepers: threads asleep in a read
 */
struct channel {
	struct device dev;
	struct cdev cdev;
	const char *name;
	bool added;
	kuid_t uid;
	kgid_t gid;
	umode_t umode;
	u8 mode;

	bool removed;

	/*
	 * Protects @removed, the two counts, what is told of them in sysfs, and the
	 * attaching of slots to @latest.
	 */
	struct mutex lock;
	unsigned int readers;
	unsigned int writers;

	/* What writers and sleepers change, on one cache line; who only reads needs none of it. */
	struct latest latest ____cacheline_aligned_in_smp;
	wait_queue_head_t wait;
	struct fasync_struct *fasync;
	atomic_t sleepers;
};

static inline struct channel *dev_to_channel(const struct device *dev)
{
	return container_of(dev, struct channel, dev);
}

static inline unsigned int channel_minor(const struct channel *channel)
{
	return MINOR(channel->dev.devt);
}

/**
 * channel_is_removed - is it gone for all but those who have it open?
 * @channel: the channel
 *
 * Return: true if it was removed.
 */
static inline bool channel_is_removed(const struct channel *channel)
{
	return READ_ONCE(channel->removed);
}

/**
 * channel_generation - the generation of the latest line
 * @channel: the channel, open or not
 *
 * Return: the generation, 0 if nothing was published.
 */
static inline u64 channel_generation(const struct channel *channel)
{
	/* Pairs with the release in latest_attach(). */
	const struct lastline_map *map = smp_load_acquire(&channel->latest.map);

	return map ? latest_generation(map) : 0;
}

/**
 * struct channel_traits - what a new channel is like
 * @number:   N of /dev/lastlineN, or -1 for the lowest that is free
 * @fops:     its file operations
 * @mode:     LASTLINE_MODE_*
 * @line_max: longest line in bytes
 * @name:     or NULL
 * @added:    at run time, not when the module is loaded
 * @umode:    permissions of the node
 * @uid:      its owner
 * @gid:      its group
 */
struct channel_traits {
	int number;
	const struct file_operations *fops;
	u8 mode;
	u32 line_max;
	const char *name;
	bool added;
	umode_t umode;
	kuid_t uid;
	kgid_t gid;
};

void channels_init(struct class *class, dev_t first);
int channel_add(const struct channel_traits *traits);
int channel_remove(unsigned long number);
int channel_find(const char *name);
void channel_remove_all(void);

u64 channel_time_ns(struct channel *channel);
int channel_open(struct channel *channel, fmode_t mode);
void channel_close(struct channel *channel, fmode_t mode);
void channel_wake_waiting(struct channel *channel);
void channel_signal_waiting(struct channel *channel);

/**
 * channel_wake_readers - wake those who sleep or poll
 * @channel: the channel
 *
 * After something that makes a read possible, without any lock.
 */
static inline void channel_wake_readers(struct channel *channel)
{
	/*
	 * (E) The full barrier stands between the news and our look at who waits. It
	 * pairs with (F), the full barrier between a reader's joining the queue and
	 * its look at the news. One of the two always sees the other, so no wake-up
	 * is lost.
	 */
	smp_mb();
	/* Unlocked: (E) is right above. */
	if (unlikely(waitqueue_active(&channel->wait)))
		channel_wake_waiting(channel);
}

/**
 * channel_wake - tell everybody who waits that a line was published
 * @channel: the channel
 *
 * After latest_publish(), without any lock.
 */
static inline void channel_wake(struct channel *channel)
{
	channel_wake_readers(channel);
	/* (E) is good for this, too. */
	if (unlikely(READ_ONCE(channel->fasync)))
		channel_signal_waiting(channel);
}

#endif /* LASTLINE_CHANNEL_H */
