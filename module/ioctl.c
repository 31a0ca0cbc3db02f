// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of an open channel. The ioctls of /dev/lastline-control are in control.c.
 */
#include <linux/ktime.h>
#include <linux/uaccess.h>

#include <asm/ioctls.h>

#include "file.h"

static u64 to_realtime(u64 monotonic_ns)
{
	if (!monotonic_ns)
		return 0;
	return ktime_to_ns(ktime_mono_to_real(ns_to_ktime(monotonic_ns)));
}

static int get_info(struct lastline_file *file, void __user *to)
{
	struct lastline_channel *channel = file->channel;
	struct lastline_line line = lastline_ring_stat(&channel->ring);
	struct lastline_info info = {
		.generation = line.generation,
		.monotonic_ns = line.time_ns,
		.realtime_ns = to_realtime(line.time_ns),
		.line_max = channel->ring.line_max,
		.readers = READ_ONCE(channel->readers),
		.writers = READ_ONCE(channel->writers),
		.sleepers = atomic_read(&channel->sleepers),
		.map_size = lastline_ring_map_size(&channel->ring),
		.number = lastline_channel_number(channel),
		.mode = channel->mode,
	};

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

/*
 * A line that was read cannot be put back, so the structure must be writable before. The
 * fields from @left on are written.
 */
static ssize_t take(struct file *filp, struct lastline_take __user *user)
{
	const size_t written = offsetof(struct lastline_take, left);
	struct lastline_take take;
	ssize_t ret;

	if (!(filp->f_mode & FMODE_READ))
		return -EBADF;
	if (copy_from_user(&take, user, sizeof(take)))
		return -EFAULT;
	if (!take.size || take.reserved)
		return -EINVAL;
	if (clear_user(&user->left, sizeof(take) - written))
		return -EFAULT;
	ret = lastline_read_until(filp, &take);
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
	struct lastline_ring *ring = &file->channel->ring;

	if (!(filp->f_mode & FMODE_WRITE))
		return -EBADF;
	spin_lock(&ring->lock);
	lastline_ring_clear(ring);
	spin_unlock(&ring->lock);
	return 0;
}

/* The length of the line that a read would return, in bytes; 0 if it would sleep. */
static int readable_bytes(struct lastline_file *file)
{
	int bytes;

	spin_lock(&file->lock);
	bytes = file_rest_left(file);
	if (!bytes && file_has_unseen(file, lastline_ring_generation(file->map)))
		bytes = lastline_ring_stat(&file->channel->ring).length;
	spin_unlock(&file->lock);
	return bytes;
}

long lastline_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct lastline_file *file = filp->private_data;
	void __user *user = (void __user *)arg;

	if (file_is_removed(file))
		return -ENODEV;
	switch (cmd) {
	case LASTLINE_IOC_INFO:
		return get_info(file, user);
	case LASTLINE_IOC_TAKEN:
		return get_taken(file, user);
	case LASTLINE_IOC_CLEAR:
		return clear(filp);
	case LASTLINE_IOC_TAKE:
		return take(filp, user);
	case FIONREAD:
		return put_user(readable_bytes(file), (int __user *)user);
	default:
		return -ENOTTY;
	}
}
