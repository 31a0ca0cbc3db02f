/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LASTLINE_CHANNEL_H
#define LASTLINE_CHANNEL_H

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
 * @latest:   the line; has its own lock
 * @wait:     readers that sleep, and those who poll
 * @fasync:   files that want SIGIO; protected by the fasync code's own lock
 * @sleepers: threads asleep in a read
 * @lock:     see below
 * @readers:  open files that can read; read without @lock
 * @writers:  open files that can write; read without @lock
 */
struct channel {
	struct device dev;
	struct cdev cdev;
	struct list_head node;

	struct latest latest;
	wait_queue_head_t wait;
	struct fasync_struct *fasync;
	atomic_t sleepers;

	/* Protects what follows, and the attaching of slots to @latest. */
	struct mutex lock;
	unsigned int readers;
	unsigned int writers;
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
void channel_wake_readers(struct channel *channel);
void channel_wake_sleepers(struct channel *channel);

/**
 * channel_wake - tell everybody who waits that a line was published
 * @channel: the channel
 *
 * After latest_publish(), without any lock.
 */
static inline void channel_wake(struct channel *channel)
{
	/*
	 * (E) The full barrier stands between our publishing and our look at who
	 * waits. It pairs with (F), the full barrier between a reader's joining
	 * the queue and its look at the generation: in set_current_state() for
	 * one who sleeps, in lastline_poll() for one who polls. One of the two
	 * always sees the other, so no wake-up is lost.
	 */
	smp_mb();
	/* Unlocked: (E) is right above. */
	if (unlikely(waitqueue_active(&channel->wait) || READ_ONCE(channel->fasync)))
		channel_wake_sleepers(channel);
}

#endif /* LASTLINE_CHANNEL_H */
