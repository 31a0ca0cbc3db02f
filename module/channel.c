// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lifetime of a channel: add, open, wake, close, remove.
 *
 * Ownership. The table of channels holds a reference to each channel from
 * lastline_channel_add() to lastline_channel_remove(). The cdev holds another one until it
 * is deleted and its last file is closed. The last reference frees the channel and its
 * slots.
 *
 * Locking. Mutexes: channels_lock, then channel->lock. Spinlocks: file->lock, then
 * ring->lock; the fast write path takes only ring->lock. Wake-ups and SIGIO run without any
 * of them. The uevent, devnode and sysfs callbacks take no lock, because adding and removing
 * the device waits for them under channels_lock.
 *
 * Files that are open when their channel is removed keep it, marked as removed. A new
 * channel may have the same number by then.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/vmalloc.h>
#include <linux/wait_bit.h>
#include <linux/xarray.h>

#include "channel.h"
#include "compat.h"

static struct class *device_class;
static dev_t first_devt;
static DEFINE_XARRAY_ALLOC(channels);	/* by number; changed under channels_lock */
static DEFINE_MUTEX(channels_lock);	/* taken before channel->lock */
static atomic_t channel_count = ATOMIC_INIT(0);	/* allocated and not yet freed */

static void channel_release(struct device *dev)
{
	struct lastline_channel *channel = dev_to_channel(dev);

	vfree(channel->ring.map);
	kfree(channel->name);
	kfree(channel);
	if (atomic_dec_and_test(&channel_count))
		wake_up_var(&channel_count);
}

/* Without S_IFCHR, devtmpfs would replace a mode of 0 by its default, 0600. */
static char *channel_devnode(compat_devnode_const struct device *dev, umode_t *umode,
			     kuid_t *uid, kgid_t *gid)
{
	const struct lastline_channel *channel = dev_to_channel(dev);

	if (umode)
		*umode = S_IFCHR | channel->umode;
	if (uid)
		*uid = channel->uid;
	if (gid)
		*gid = channel->gid;
	return NULL;
}

/* For udev rules: whether the ADD ioctl set owner and permissions, and the link's name. */
static int channel_uevent(compat_uevent_const struct device *dev, struct kobj_uevent_env *env)
{
	const struct lastline_channel *channel = dev_to_channel(dev);
	int ret = 0;

	if (channel->dynamic)
		ret = add_uevent_var(env, "LASTLINE_ADDED=1");
	if (!ret && channel->name)
		ret = add_uevent_var(env, "LASTLINE_NAME=%s", channel->name);
	return ret;
}

static const struct device_type channel_type = {
	.name = "channel",
	.uevent = channel_uevent,
	.devnode = channel_devnode,
	.release = channel_release,
};

/**
 * lastline_channels_init - set the class and the device numbers of all channels
 * @class: the class
 * @first: device number of channel 0, with minor 0; LASTLINE_CHANNELS_MAX are reserved
 */
void lastline_channels_init(struct class *class, dev_t first)
{
	device_class = class;
	first_devt = first;
}

static struct lastline_channel *channel_alloc(const struct lastline_channel_params *params)
{
	struct lastline_channel *channel;

	channel = kzalloc(sizeof(*channel), GFP_KERNEL);
	if (!channel)
		return NULL;

	atomic_inc(&channel_count);
	device_initialize(&channel->dev);
	channel->dev.class = device_class;
	channel->dev.type = &channel_type;
	/* There is nothing to suspend, so no power attributes in sysfs. */
	device_set_pm_not_required(&channel->dev);
	cdev_init(&channel->cdev, params->fops);
	channel->cdev.owner = THIS_MODULE;
	lastline_ring_init(&channel->ring, params->line_max);
	init_waitqueue_head(&channel->wait);
	mutex_init(&channel->lock);
	channel->mode = params->mode;
	channel->dynamic = params->dynamic;
	channel->umode = params->umode;
	channel->uid = params->uid;
	channel->gid = params->gid;
	if (!params->name)
		return channel;
	channel->name = kstrdup(params->name, GFP_KERNEL);
	if (channel->name)
		return channel;
	put_device(&channel->dev);
	return NULL;
}

static struct lastline_channel *channel_find(const char *name)
{
	struct lastline_channel *channel;
	unsigned long number;

	lockdep_assert_held(&channels_lock);
	xa_for_each(&channels, number, channel) {
		if (channel->name && !strcmp(channel->name, name))
			return channel;
	}
	return NULL;
}

/* Enters the channel in the table. Returns its number. */
static int channel_assign_number(struct lastline_channel *channel, int number)
{
	u32 free;
	int ret;

	if (channel->name && channel_find(channel->name))
		return -EEXIST;
	if (number >= 0) {
		ret = xa_insert(&channels, number, channel, GFP_KERNEL);
		if (ret)
			return ret == -EBUSY ? -EEXIST : ret;
		return number;
	}
	ret = xa_alloc(&channels, &free, channel, XA_LIMIT(0, LASTLINE_CHANNELS_MAX - 1),
		       GFP_KERNEL);
	if (ret)
		return ret == -EBUSY ? -ENOSPC : ret;
	return free;
}

/* Creates the directory in sysfs and the node. */
static int channel_register(struct lastline_channel *channel, int number)
{
	int ret;

	channel->dev.devt = MKDEV(MAJOR(first_devt), number);
	ret = dev_set_name(&channel->dev, "lastline%d", number);
	if (ret)
		return ret;
	return cdev_device_add(&channel->cdev, &channel->dev);
}

/**
 * lastline_channel_add - add a channel
 * @params: its properties
 *
 * Return: its number, -EEXIST if the number or the name is in use, -ENOSPC if all numbers
 * are in use, or another error.
 */
int lastline_channel_add(const struct lastline_channel_params *params)
{
	struct lastline_channel *channel;
	int number, ret;

	channel = channel_alloc(params);
	if (!channel)
		return -ENOMEM;

	mutex_lock(&channels_lock);
	number = channel_assign_number(channel, params->number);
	if (number >= 0) {
		ret = channel_register(channel, number);
		if (ret) {
			xa_erase(&channels, number);
			number = ret;
		}
	}
	mutex_unlock(&channels_lock);
	if (number < 0)
		put_device(&channel->dev);
	return number;
}

/* Makes all later operations fail, and wakes everything that waits for the channel. */
static void channel_mark_removed(struct lastline_channel *channel)
{
	mutex_lock(&channel->lock);
	WRITE_ONCE(channel->removed, true);
	if (channel->ring.map)
		WRITE_ONCE(channel->ring.map->flags, LASTLINE_MAP_REMOVED);
	/* The last notification: the attribute is about to be removed. */
	sysfs_notify(&channel->dev.kobj, NULL, "readers");
	mutex_unlock(&channel->lock);

	/* (E) between setting @removed and waking; pairs with (F). */
	smp_mb();
	__wake_up(&channel->wait, TASK_INTERRUPTIBLE, 0, poll_to_key(EPOLLHUP | EPOLLERR));
	kill_fasync(&channel->fasync, SIGIO, POLL_HUP);
}

static void channel_unregister(struct lastline_channel *channel)
{
	lockdep_assert_held(&channels_lock);
	channel_mark_removed(channel);
	cdev_device_del(&channel->cdev, &channel->dev);
	put_device(&channel->dev);
}

/**
 * lastline_channel_remove - remove a channel
 * @number: its number, which is free afterwards
 *
 * Return: 0, or -ENODEV if there is no such channel.
 */
int lastline_channel_remove(unsigned long number)
{
	struct lastline_channel *channel;

	mutex_lock(&channels_lock);
	channel = xa_erase(&channels, number);
	if (channel)
		channel_unregister(channel);
	mutex_unlock(&channels_lock);
	return channel ? 0 : -ENODEV;
}

/**
 * lastline_channel_find - find a channel by name
 * @name: its name
 *
 * Return: its number, or -ENODEV if no channel has that name.
 */
int lastline_channel_find(const char *name)
{
	const struct lastline_channel *channel;
	int ret = -ENODEV;

	mutex_lock(&channels_lock);
	channel = channel_find(name);
	if (channel)
		ret = lastline_channel_number(channel);
	mutex_unlock(&channels_lock);
	return ret;
}

/**
 * lastline_channels_remove_all - remove every channel and wait until the last is freed
 *
 * For module unload, and for a module load that fails. A reference can outlive the
 * removal: a file may have been opened before the load failed, and debug kernels delay
 * releases on purpose. channel_release() is code of this module, so wait until it has
 * freed the last channel; only its return may still be running then.
 */
void lastline_channels_remove_all(void)
{
	struct lastline_channel *channel;
	unsigned long number;

	mutex_lock(&channels_lock);
	xa_for_each(&channels, number, channel) {
		xa_erase(&channels, number);
		channel_unregister(channel);
	}
	mutex_unlock(&channels_lock);
	wait_var_event(&channel_count, !atomic_read(&channel_count));
}

static int attach_slots(struct lastline_channel *channel)
{
	void *map;

	lockdep_assert_held(&channel->lock);
	if (channel->ring.map)
		return 0;
	map = vmalloc_user(lastline_ring_map_size(&channel->ring));
	if (!map)
		return -ENOMEM;
	lastline_ring_attach(&channel->ring, map);
	return 0;
}

static void count_files(struct lastline_channel *channel, fmode_t fmode, int change)
{
	lockdep_assert_held(&channel->lock);
	if (fmode & FMODE_WRITE)
		WRITE_ONCE(channel->writers, channel->writers + change);
	if (fmode & FMODE_READ)
		WRITE_ONCE(channel->readers, channel->readers + change);
}

/* Wakes pollers of the attribute in sysfs, which a removed channel no longer has. */
static void notify_readers(struct lastline_channel *channel, fmode_t fmode)
{
	lockdep_assert_held(&channel->lock);
	if (fmode & FMODE_READ && !channel->removed)
		sysfs_notify(&channel->dev.kobj, NULL, "readers");
}

static int add_file(struct lastline_channel *channel, fmode_t fmode)
{
	int ret;

	/* The node may have been opened just before it was deleted. */
	if (channel->removed)
		return -ENODEV;
	ret = attach_slots(channel);
	if (ret)
		return ret;
	count_files(channel, fmode, 1);
	notify_readers(channel, fmode);
	return 0;
}

/**
 * lastline_channel_time_ns - get the time of the latest publication
 * @channel: the channel, open or not
 *
 * Return: CLOCK_MONOTONIC in nanoseconds, 0 if there is no line.
 */
u64 lastline_channel_time_ns(struct lastline_channel *channel)
{
	/* Pairs with the release in lastline_ring_attach(). */
	if (!smp_load_acquire(&channel->ring.map))
		return 0;
	return lastline_ring_stat(&channel->ring).time_ns;
}

/**
 * lastline_channel_open - count a new open file
 * @channel: the channel
 * @fmode:   FMODE_READ and FMODE_WRITE of the file
 *
 * Allocates the slots when a channel is first opened.
 *
 * Return: 0, -ENODEV if the channel has been removed, or -ENOMEM.
 */
int lastline_channel_open(struct lastline_channel *channel, fmode_t fmode)
{
	int ret;

	mutex_lock(&channel->lock);
	ret = add_file(channel, fmode);
	mutex_unlock(&channel->lock);
	return ret;
}

/**
 * lastline_channel_close - stop counting an open file
 * @channel: the channel
 * @fmode:   as in lastline_channel_open()
 */
void lastline_channel_close(struct lastline_channel *channel, fmode_t fmode)
{
	mutex_lock(&channel->lock);
	count_files(channel, fmode, -1);
	notify_readers(channel, fmode);
	mutex_unlock(&channel->lock);
}

/**
 * lastline_channel_wake_queue - wake the wait queue
 * @channel: the channel
 *
 * The slow part of lastline_channel_wake_readers(). It wakes exclusive waiters, too: the
 * line is new to each of them.
 */
void lastline_channel_wake_queue(struct lastline_channel *channel)
{
	__wake_up(&channel->wait, TASK_INTERRUPTIBLE, 0, poll_to_key(EPOLLIN | EPOLLRDNORM));
}

/**
 * lastline_channel_send_sigio - send SIGIO to the files that requested it
 * @channel: the channel
 *
 * The slow part of lastline_channel_wake().
 */
void lastline_channel_send_sigio(struct lastline_channel *channel)
{
	kill_fasync(&channel->fasync, SIGIO, POLL_IN);
}
