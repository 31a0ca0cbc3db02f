// SPDX-License-Identifier: GPL-2.0-only
/*
 * A channel's life. The table holds one reference to each channel, from
 * channel_create() to channel_remove_all(); the cdev holds another one for as
 * long as a file is open. The last reference frees the channel with its slots.
 *
 * The table is filled at load and emptied at unload, which the module loader
 * serialises, so it needs no lock beyond the XArray's own.
 */
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait_bit.h>
#include <linux/xarray.h>

#include "channel.h"

static DEFINE_XARRAY(channels);			/* by minor */
static atomic_t channels_alive = ATOMIC_INIT(0);	/* created and not yet freed */

static void channel_release(struct device *dev)
{
	struct channel *channel = dev_to_channel(dev);

	vfree(channel->latest.area);
	kfree(channel);
	if (atomic_dec_and_test(&channels_alive))
		wake_up_var(&channels_alive);
}

/**
 * channel_create - make a channel and its node
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
	cdev_init(&channel->cdev, traits->fops);
	channel->cdev.owner = THIS_MODULE;
	channel->mode = traits->mode;
	latest_init(&channel->latest, traits->line_max);
	init_waitqueue_head(&channel->wait);
	mutex_init(&channel->lock);

	ret = dev_set_name(&channel->dev, "lastline%u", MINOR(devt));
	if (ret)
		goto put;
	ret = xa_insert(&channels, MINOR(devt), channel, GFP_KERNEL);
	if (ret)
		goto put;
	/* From here on the node can be opened. */
	ret = cdev_device_add(&channel->cdev, &channel->dev);
	if (ret)
		goto erase;
	return 0;

erase:
	xa_erase(&channels, MINOR(devt));
put:
	put_device(&channel->dev);
	return ret;
}

/**
 * channel_remove_all - remove every channel and wait until the last is freed
 *
 * For module unload: no file is open, but a reference may outlive the removal
 * for a moment (a debug kernel delays each release on purpose), and its release
 * runs this module's code.
 */
void channel_remove_all(void)
{
	struct channel *channel;
	unsigned long minor;

	xa_for_each(&channels, minor, channel) {
		xa_erase(&channels, minor);
		cdev_device_del(&channel->cdev, &channel->dev);
		put_device(&channel->dev);
	}
	wait_var_event(&channels_alive, !atomic_read(&channels_alive));
}

static int attach_slots(struct channel *channel)
{
	void *area;

	if (channel->latest.area)
		return 0;
	area = vmalloc_user(latest_area_size(&channel->latest));
	if (!area)
		return -ENOMEM;
	latest_attach(&channel->latest, area);
	return 0;
}

/* Needs channel->lock. */
static void count_files(struct channel *channel, fmode_t mode, int change)
{
	if (mode & FMODE_WRITE)
		WRITE_ONCE(channel->writers, channel->writers + change);
	if (mode & FMODE_READ) {
		WRITE_ONCE(channel->readers, channel->readers + change);
		sysfs_notify(&channel->dev.kobj, NULL, "readers");
	}
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
}

/**
 * channel_wake - tell everybody who waits that a line was published
 * @channel: the channel
 *
 * After latest_publish(), without any lock.
 */
void channel_wake(struct channel *channel)
{
	/*
	 * (F) The full barrier in wq_has_sleeper() stands between our publishing
	 * and our look at the queue. It pairs with (G), the full barrier between
	 * a reader's joining the queue and its look at the generation: in
	 * set_current_state() for one who sleeps, in lastline_poll() for one who
	 * polls. One of the two always sees the other, so no wake-up is lost.
	 */
	if (wq_has_sleeper(&channel->wait))
		wake_up_interruptible_poll(&channel->wait, EPOLLIN | EPOLLRDNORM);
	kill_fasync(&channel->fasync, SIGIO, POLL_IN);
}
