// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/lastline-control: channels that are added and removed at run time.
 */
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <uapi/linux/lastline.h>

#include "channel.h"
#include "control.h"
#include "file.h"

static u32 default_line_max;	/* what the module was loaded with */

/* Could it be the name of a file that every shell can type? */
static bool is_good_name(const char *name)
{
	const char *c;

	for (c = name; *c; c++) {
		if (!isascii(*c) || !(isalnum(*c) || strchr("._-", *c)))
			return false;
	}
	return c > name && strcmp(name, ".") && strcmp(name, "..");
}

/* Sets up @traits as @add says; the name stays where it is. */
static int understand(const struct lastline_add *add, struct channel_traits *traits)
{
	u32 line_max = add->line_max ? add->line_max : default_line_max;

	if (add->number < -1 || add->number >= LASTLINE_CHANNELS_MAX)
		return -EINVAL;
	if (add->mode > LASTLINE_MODE_RECORD)
		return -EINVAL;
	if (line_max < LASTLINE_LINE_MAX_MIN || line_max > LASTLINE_LINE_MAX_MAX)
		return -EINVAL;
	if (add->permissions & ~0777)
		return -EINVAL;
	if (memchr_inv(add->spare, 0, sizeof(add->spare)))
		return -EINVAL;
	if (strnlen(add->name, sizeof(add->name)) == sizeof(add->name))
		return -EINVAL;
	if (add->name[0] && !is_good_name(add->name))
		return -EINVAL;

	*traits = (struct channel_traits) {
		.number = add->number,
		.fops = &lastline_fops[add->mode],
		.mode = add->mode,
		.line_max = line_max,
		.name = add->name[0] ? add->name : NULL,
		.added = true,
		.umode = add->permissions,
		.uid = make_kuid(current_user_ns(), add->uid),
		.gid = make_kgid(current_user_ns(), add->gid),
	};
	if (!uid_valid(traits->uid) || !gid_valid(traits->gid))
		return -EINVAL;
	return 0;
}

static int add_channel(const void __user *from)
{
	struct channel_traits traits;
	struct lastline_add add;
	int ret;

	if (copy_from_user(&add, from, sizeof(add)))
		return -EFAULT;
	ret = understand(&add, &traits);
	if (ret)
		return ret;
	return channel_add(&traits);
}

static int remove_channel(unsigned long number)
{
	int ret;

	if (number >= LASTLINE_CHANNELS_MAX)
		return -ENODEV;
	ret = channel_remove(number);
	return ret ? ret : number;
}

static int find_channel(const void __user *from)
{
	char name[LASTLINE_NAME_MAX];

	if (copy_from_user(name, from, sizeof(name)))
		return -EFAULT;
	if (strnlen(name, sizeof(name)) == sizeof(name))
		return -EINVAL;
	return channel_find(name);
}

static long control_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	/* Not the permissions of the node alone: somebody may have loosened them. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	switch (cmd) {
	case LASTLINE_CTL_ADD:
		return add_channel((void __user *)arg);
	case LASTLINE_CTL_REMOVE:
		return remove_channel(arg);
	case LASTLINE_CTL_FIND:
		return find_channel((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

/* The argument is a pointer but for REMOVE, where 32 bits are as good. */
static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice control = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lastline-control",
	.fops = &control_fops,
	.mode = 0600,
};

/**
 * control_register - make the node
 * @line_max: longest line of channels for which nothing else is asked
 *
 * Return: 0 or a negative error.
 */
int control_register(u32 line_max)
{
	default_line_max = line_max;
	return misc_register(&control);
}

/**
 * control_unregister - take it away
 */
void control_unregister(void)
{
	misc_deregister(&control);
}
