// SPDX-License-Identifier: GPL-2.0-only
/*
 * A channel's life. The table of channels holds one reference to each, from
 * channel_add() to channel_remove(); the cdev holds another one, from then until it
 * is deleted and the last file is closed. The last reference frees the channel with
 * its slots.
 *
 * A channel that is removed while somebody has it open is the same for him but for
 * channel_is_removed(). A new one may have its number by then.
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
static DEFINE_XARRAY_ALLOC(channels);	/* by number */
static DEFINE_MUTEX(channels_lock);	/* for all changes to it; outside channel->lock */
static atomic_t channels_alive = ATOMIC_INIT(0);	/* made and not yet freed */

static void channel_release(struct device *dev)
{
	struct channel *channel = dev_to_channel(dev);

	vfree(channel->latest.map);
	kfree(channel->name);
	kfree(channel);
	if (atomic_dec_and_test(&channels_alive))
		wake_up_var(&channels_alive);
}

/* The kind is there so that no permission at all is not taken for "as usual", 0600. */
static char *channel_devnode(compat_devnode_const struct device *dev, umode_t *umode,
			     kuid_t *uid, kgid_t *gid)
{
	const struct channel *channel = dev_to_channel(dev);

	if (umode)
		*umode = S_IFCHR | channel->umode;
	if (uid)
		*uid = channel->uid;
	if (gid)
		*gid = channel->gid;
	return NULL;
}

/*
 * For rules: one that makes /dev/lastline/NAME of it, and one for those alone that nobody
 * asked for in particular.
 */
static int channel_uevent(compat_uevent_const struct device *dev, struct kobj_uevent_env *env)
{
	const struct channel *channel = dev_to_channel(dev);
	int ret = 0;

	if (channel->added)
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
 * channels_init - where channels are to be made
 * @class: their class
 * @first: device number of channel 0, a minor of 0; LASTLINE_CHANNELS_MAX are ours
 */
void channels_init(struct class *class, dev_t first)
{
	device_class = class;
	first_devt = first;
}

/* One that nobody sees yet. */
static struct channel *create(const struct channel_traits *traits)
{
	struct channel *channel;

	channel = kzalloc(sizeof(*channel), GFP_KERNEL);
	if (!channel)
		return NULL;

	atomic_inc(&channels_alive);
	device_initialize(&channel->dev);
	channel->dev.class = device_class;
	channel->dev.type = &channel_type;
	/* There is nothing to suspend; it spares the attributes. */
	device_set_pm_not_required(&channel->dev);
	cdev_init(&channel->cdev, traits->fops);
	channel->cdev.owner = THIS_MODULE;
	latest_init(&channel->latest, traits->line_max);
	init_waitqueue_head(&channel->wait);
	mutex_init(&channel->lock);
	channel->mode = traits->mode;
	channel->added = traits->added;
	channel->umode = traits->umode;
	channel->uid = traits->uid;
	channel->gid = traits->gid;
	if (!traits->name)
		return channel;
	channel->name = kstrdup(traits->name, GFP_KERNEL);
	if (channel->name)
		return channel;
	put_device(&channel->dev);
	return NULL;
}

static struct channel *find(const char *name)
{
	struct channel *channel;
	unsigned long number;

	lockdep_assert_held(&channels_lock);
	xa_for_each(&channels, number, channel) {
		if (channel->name && !strcmp(channel->name, name))
			return channel;
	}
	return NULL;
}

/* Puts it into the table. Returns its number. */
static int enter(struct channel *channel, int number)
{
	u32 free;
	int ret;

	if (channel->name && find(channel->name))
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

/* Gives it its number, its directory in sysfs and its node. */
static int show(struct channel *channel, int number)
{
	int ret;

	channel->dev.devt = MKDEV(MAJOR(first_devt), number);
	ret = dev_set_name(&channel->dev, "lastline%d", number);
	if (ret)
		return ret;
	return cdev_device_add(&channel->cdev, &channel->dev);
}

/**
 * channel_add - make a channel
 * @traits: what it is to be like
 *
 * Return: its number, -EEXIST if that or the name are taken, -ENOSPC if all numbers
 * are, or another error.
 */
int channel_add(const struct channel_traits *traits)
{
	struct channel *channel;
	int number, ret;

	channel = create(traits);
	if (!channel)
		return -ENOMEM;

	mutex_lock(&channels_lock);
	number = enter(channel, traits->number);
	if (number >= 0) {
		ret = show(channel, number);
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

/* From here on nothing but an error comes from it, and nobody sleeps for more. */
static void retire(struct channel *channel)
{
	mutex_lock(&channel->lock);
	WRITE_ONCE(channel->removed, true);
	if (channel->latest.map)
		WRITE_ONCE(channel->latest.map->flags, LASTLINE_MAP_REMOVED);
	/* There will be no more news of it. */
	sysfs_notify(&channel->dev.kobj, NULL, "readers");
	mutex_unlock(&channel->lock);

	/* (E) between @removed and who waits; pairs with (F). */
	smp_mb();
	__wake_up(&channel->wait, TASK_INTERRUPTIBLE, 0, poll_to_key(EPOLLHUP | EPOLLERR));
	kill_fasync(&channel->fasync, SIGIO, POLL_HUP);
}

static void remove(struct channel *channel)
{
	lockdep_assert_held(&channels_lock);
	retire(channel);
	cdev_device_del(&channel->cdev, &channel->dev);
	put_device(&channel->dev);
}

/**
 * channel_remove - take a channel out of the world
 * @number: its number, which is free afterwards
 *
 * Return: 0, or -ENODEV if there is no such channel.
 */
int channel_remove(unsigned long number)
{
	struct channel *channel;

	mutex_lock(&channels_lock);
	channel = xa_erase(&channels, number);
	if (channel)
		remove(channel);
	mutex_unlock(&channels_lock);
	return channel ? 0 : -ENODEV;
}

/**
 * channel_find - look a channel up by name
 * @name: its name
 *
 * Return: its number, or -ENODEV if no channel has that name.
 */
int channel_find(const char *name)
{
	const struct channel *channel;
	int ret = -ENODEV;

	mutex_lock(&channels_lock);
	channel = find(name);
	if (channel)
		ret = channel_minor(channel);
	mutex_unlock(&channels_lock);
	return ret;
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
	struct channel *channel;
	unsigned long number;

	mutex_lock(&channels_lock);
	xa_for_each(&channels, number, channel) {
		xa_erase(&channels, number);
		remove(channel);
	}
	mutex_unlock(&channels_lock);
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

/* Wakes who polls the attribute in sysfs, if it is still there. */
static void notify_readers(struct channel *channel, fmode_t mode)
{
	lockdep_assert_held(&channel->lock);
	if (mode & FMODE_READ && !channel->removed)
		sysfs_notify(&channel->dev.kobj, NULL, "readers");
}

static int add_file(struct channel *channel, fmode_t mode)
{
	int ret;

	/* Whoever opens it may have found the node just before it went. */
	if (channel->removed)
		return -ENODEV;
	ret = attach_slots(channel);
	if (ret)
		return ret;
	count_files(channel, mode, 1);
	notify_readers(channel, mode);
	return 0;
}

/**
 * channel_time_ns - when the latest line was published
 * @channel: the channel, open or not
 *
 * Return: nanoseconds of CLOCK_MONOTONIC, 0 if there is no line.
 */
u64 channel_time_ns(struct channel *channel)
{
	/* Pairs with the release in latest_attach(). */
	if (!smp_load_acquire(&channel->latest.map))
		return 0;
	return latest_look(&channel->latest).time_ns;
}

/**
 * channel_open - a file of this channel is opened
 * @channel: the channel
 * @mode:    what the file can do
 *
 * Return: 0, -ENODEV if it was removed, or -ENOMEM if there is no memory for the
 * slots.
 */
int channel_open(struct channel *channel, fmode_t mode)
{
	int ret;

	mutex_lock(&channel->lock);
	ret = add_file(channel, mode);
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
	notify_readers(channel, mode);
	mutex_unlock(&channel->lock);
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
