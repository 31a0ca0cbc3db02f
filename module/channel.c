// SPDX-License-Identifier: GPL-2.0-only
/*
 * A channel's life. The list holds one reference to each channel, from
 * channel_create() to channel_remove_all(); the cdev holds another one, from
 * channel_add() until it is deleted and the last file is closed. The last
 * reference frees the channel with its slots.
 *
 * The list is filled at load and emptied at unload, which the module loader
 * serialises, so it needs no lock.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait_bit.h>

#include "channel.h"

static LIST_HEAD(channels);
static atomic_t channels_alive = ATOMIC_INIT(0);	/* created and not yet freed */

static void channel_release(struct device *dev)
{
	struct channel *channel = dev_to_channel(dev);

	vfree(channel->latest.map);
	kfree(channel);
	if (atomic_dec_and_test(&channels_alive))
		wake_up_var(&channels_alive);
}

/**
 * channel_create - make a channel; nobody sees it yet
 * @devt:   its number
 * @traits: what it is like
 *
 * Return: 0 or a negative error.
 */
int channel_create(dev_t devt, const struct channel_traits *traits)
{
	struct channel *channel;
	int ret;

	channel = kzalloc(sizeof(*channel), GFP_KERNEL);
	if (!channel)
		return -ENOMEM;

	atomic_inc(&channels_alive);
	device_initialize(&channel->dev);
	channel->dev.class = traits->class;
	channel->dev.devt = devt;
	channel->dev.release = channel_release;
	/* There is nothing to suspend; it spares the attributes. */
	device_set_pm_not_required(&channel->dev);
	cdev_init(&channel->cdev, traits->fops);
	channel->cdev.owner = THIS_MODULE;
	latest_init(&channel->latest, traits->line_max);
	init_waitqueue_head(&channel->wait);
	mutex_init(&channel->lock);

	ret = dev_set_name(&channel->dev, "lastline%u", MINOR(devt));
	if (ret) {
		put_device(&channel->dev);
		return ret;
	}
	list_add_tail(&channel->node, &channels);
	return 0;
}

/**
 * channel_add_all - make the nodes of all channels
 *
 * Each can be opened from here on.
 *
 * Return: 0 or a negative error.
 */
int channel_add_all(void)
{
	struct channel *channel;
	int ret;

	list_for_each_entry(channel, &channels, node) {
		ret = cdev_device_add(&channel->cdev, &channel->dev);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * channel_remove_all - remove every channel and wait until the last is freed
 *
 * For a load that fails and for unloading. A reference may outlive the removal:
 * that of a file which was opened while the load was about to fail, or, on a debug
 * kernel that delays each release on purpose, for a moment. Its release runs this
 * module's code, but for its last instructions behind the count.
 */
void channel_remove_all(void)
{
	struct channel *channel, *next;

	list_for_each_entry_safe(channel, next, &channels, node) {
		list_del(&channel->node);
		if (device_is_registered(&channel->dev))
			cdev_device_del(&channel->cdev, &channel->dev);
		put_device(&channel->dev);
	}
	wait_var_event(&channels_alive, !atomic_read(&channels_alive));
}

/* The slots are allocated when a channel is opened for the first time. */
static int attach_slots(struct channel *channel)
{
	void *map;

	lockdep_assert_held(&channel->lock);
	if (channel->latest.map)
		return 0;
	map = vmalloc_user(latest_map_size(&channel->latest));
	if (!map)
		return -ENOMEM;
	latest_attach(&channel->latest, map);
	return 0;
}

static void count_files(struct channel *channel, fmode_t mode, int change)
{
	lockdep_assert_held(&channel->lock);
	if (mode & FMODE_WRITE)
		WRITE_ONCE(channel->writers, channel->writers + change);
	if (mode & FMODE_READ)
		WRITE_ONCE(channel->readers, channel->readers + change);
}

/* Wakes who polls the attribute in sysfs. */
static void notify_readers(struct channel *channel, fmode_t mode)
{
	if (mode & FMODE_READ)
		sysfs_notify(&channel->dev.kobj, NULL, "readers");
}

/**
 * channel_open - a file of this channel is opened
 * @channel: the channel
 * @mode:    what the file can do
 *
 * Return: 0, or -ENOMEM if there is no memory for the slots.
 */
int channel_open(struct channel *channel, fmode_t mode)
{
	int ret;

	mutex_lock(&channel->lock);
	ret = attach_slots(channel);
	if (!ret)
		count_files(channel, mode, 1);
	mutex_unlock(&channel->lock);
	if (!ret)
		notify_readers(channel, mode);
	return ret;
}

/**
 * channel_close - the last descriptor of such a file is gone
 * @channel: the channel
 * @mode:    what the file could do
 */
void channel_close(struct channel *channel, fmode_t mode)
{
	mutex_lock(&channel->lock);
	count_files(channel, mode, -1);
	mutex_unlock(&channel->lock);
	notify_readers(channel, mode);
}

/**
 * channel_wake_waiting - the part of channel_wake_readers() when somebody waits
 * @channel: the channel
 *
 * All of them, exclusive or not: each open file has news of its own.
 */
void channel_wake_waiting(struct channel *channel)
{
	__wake_up(&channel->wait, TASK_INTERRUPTIBLE, 0, poll_to_key(EPOLLIN | EPOLLRDNORM));
}

/**
 * channel_signal_waiting - the part of channel_wake() when somebody wants SIGIO
 * @channel: the channel
 */
void channel_signal_waiting(struct channel *channel)
{
	kill_fasync(&channel->fasync, SIGIO, POLL_IN);
}
