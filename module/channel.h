/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LASTLINE_CHANNEL_H
#define LASTLINE_CHANNEL_H

#include <linux/cache.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "latest.h"

/**
 * struct channel - one minor: one latest line, one generation, one wait queue
 * @dev:      the device in sysfs; its reference count is the channel's life
 * @cdev:     the character device; holds a reference to @dev, and each open
 *            file holds one to it
 * @node:     in the list of all channels
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
	struct list_head node;

	/* Protects the two counts, and the attaching of slots to @latest. */
	struct mutex lock;
	unsigned int readers;
	unsigned int writers;

	/* One cache line for all that a writer needs, and that a sleeper changes. */
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
 * @class:    its device class
 * @fops:     its file operations
 * @line_max: longest line in bytes
 */
struct channel_traits {
	struct class *class;
	const struct file_operations *fops;
	u32 line_max;
};

int channel_create(dev_t devt, const struct channel_traits *traits);
int channel_add_all(void);
void channel_remove_all(void);

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
