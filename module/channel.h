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

#include "ring.h"

/**
 * struct lastline_channel - a channel, /dev/lastlineN
 * @dev:      device in sysfs; its reference count is the lifetime of the channel
 * @cdev:     character device; holds a reference to @dev, and each open file holds a
 *            reference to @cdev
 * @name:     name or NULL; constant
 * @dynamic:  added through the control device, not when the module was loaded; constant
 * @uid:      owner of the node; constant
 * @gid:      group of the node; constant
 * @umode:    permissions of the node; constant
 * @mode:     LASTLINE_MODE_*; constant
 * @removed:  the channel has been removed, and its number is free again; written under
 *            @lock, read without it
 * @lock:     see below
 * @readers:  open files that can read; written under @lock, read without it
 * @writers:  open files that can write; written under @lock, read without it
 * @ring:     the slots; has its own lock
 * @wait:     wait queue of readers and pollers
 * @fasync:   files that requested SIGIO; protected by the fasync code's own lock
 * @sleepers: threads that sleep in a read
 */
struct lastline_channel {
	struct device dev;
	struct cdev cdev;
	const char *name;
	bool dynamic;
	kuid_t uid;
	kgid_t gid;
	umode_t umode;
	u8 mode;

	bool removed;
	/*
	 * Protects @removed, @readers, @writers, their notification in sysfs, and
	 * lastline_ring_attach().
	 */
	struct mutex lock;
	unsigned int readers;
	unsigned int writers;

	/* A read that finds a line does not touch this cache line, unless it takes @ring.lock. */
	struct lastline_ring ring ____cacheline_aligned_in_smp;
	wait_queue_head_t wait;
	struct fasync_struct *fasync;
	atomic_t sleepers;
};

static inline struct lastline_channel *dev_to_channel(const struct device *dev)
{
	return container_of(dev, struct lastline_channel, dev);
}

static inline unsigned int lastline_channel_number(const struct lastline_channel *channel)
{
	return MINOR(channel->dev.devt);
}

/**
 * lastline_channel_is_removed - check whether a channel has been removed
 * @channel: the channel
 *
 * Return: true if it has been removed and only its open files still use it.
 */
static inline bool lastline_channel_is_removed(const struct lastline_channel *channel)
{
	return READ_ONCE(channel->removed);
}

/**
 * lastline_channel_generation - get the generation of the newest line
 * @channel: the channel, open or not
 *
 * Return: the generation, 0 if nothing has been published.
 */
static inline u64 lastline_channel_generation(const struct lastline_channel *channel)
{
	/* Pairs with the release in lastline_ring_attach(). */
	const struct lastline_map *map = smp_load_acquire(&channel->ring.map);

	return map ? lastline_ring_generation(map) : 0;
}

/**
 * struct lastline_channel_params - properties of a new channel
 * @number:   N of /dev/lastlineN, or -1 for the lowest free number
 * @fops:     file operations
 * @mode:     LASTLINE_MODE_*
 * @line_max: longest line in bytes
 * @name:     name or NULL; copied
 * @dynamic:  added through the control device
 * @umode:    permissions of the node
 * @uid:      owner of the node
 * @gid:      group of the node
 */
struct lastline_channel_params {
	int number;
	const struct file_operations *fops;
	u8 mode;
	u32 line_max;
	const char *name;
	bool dynamic;
	umode_t umode;
	kuid_t uid;
	kgid_t gid;
};

void lastline_channels_init(struct class *class, dev_t first);
void lastline_channels_remove_all(void);
int lastline_channel_add(const struct lastline_channel_params *params);
int lastline_channel_remove(unsigned long number);
int lastline_channel_find(const char *name);

u64 lastline_channel_time_ns(struct lastline_channel *channel);
int lastline_channel_open(struct lastline_channel *channel, fmode_t fmode);
void lastline_channel_close(struct lastline_channel *channel, fmode_t fmode);
void lastline_channel_wake_queue(struct lastline_channel *channel);
void lastline_channel_send_sigio(struct lastline_channel *channel);

/**
 * lastline_channel_wake_readers - wake the readers and pollers
 * @channel: the channel
 *
 * Called without locks, after a change that lets a read return data.
 */
static inline void lastline_channel_wake_readers(struct lastline_channel *channel)
{
	/*
	 * (E) Full barrier between the change and the check for waiters. Pairs with (F),
	 * the full barrier between joining the queue and checking for the change. At
	 * least one side sees the other, so no wake-up is lost.
	 */
	smp_mb();
	/* No lock needed: (E) is directly above. */
	if (unlikely(waitqueue_active(&channel->wait)))
		lastline_channel_wake_queue(channel);
}

/**
 * lastline_channel_wake - wake everything that waits for a line
 * @channel: the channel
 *
 * Called without locks, after lastline_ring_commit(). Sends SIGIO as well.
 */
static inline void lastline_channel_wake(struct lastline_channel *channel)
{
	lastline_channel_wake_readers(channel);
	/* (E) orders this check, too. */
	if (unlikely(READ_ONCE(channel->fasync)))
		lastline_channel_send_sigio(channel);
}

#endif /* LASTLINE_CHANNEL_H */
