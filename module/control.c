// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/lastline-control: adding and removing channels at run time.
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

static u32 default_line_max;	/* the module parameter */

/* The name must be a file name that needs no quoting in a shell. */
static bool is_valid_name(const char *name)
{
	const char *c;

	for (c = name; *c; c++) {
		if (!isascii(*c) || !(isalnum(*c) || strchr("._-", *c)))
			return false;
	}
	return c > name && strcmp(name, ".") && strcmp(name, "..");
}

/* Checks @add and converts it. @params->name points into @add. */
static int parse_add(const struct lastline_add *add, struct lastline_channel_params *params)
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
	if (memchr_inv(add->reserved, 0, sizeof(add->reserved)))
		return -EINVAL;
	if (strnlen(add->name, sizeof(add->name)) == sizeof(add->name))
		return -EINVAL;
	if (add->name[0] && !is_valid_name(add->name))
		return -EINVAL;

	*params = (struct lastline_channel_params) {
		.number = add->number,
		.fops = &lastline_fops[add->mode],
		.mode = add->mode,
		.line_max = line_max,
		.name = add->name[0] ? add->name : NULL,
		.dynamic = true,
		.umode = add->permissions,
		.uid = make_kuid(current_user_ns(), add->uid),
		.gid = make_kgid(current_user_ns(), add->gid),
	};
	if (!uid_valid(params->uid) || !gid_valid(params->gid))
		return -EINVAL;
	return 0;
}

static int add_channel(const void __user *from)
{
	struct lastline_channel_params params;
	struct lastline_add add;
	int ret;

	if (copy_from_user(&add, from, sizeof(add)))
		return -EFAULT;
	ret = parse_add(&add, &params);
	if (ret)
		return ret;
	return lastline_channel_add(&params);
}

static int remove_channel(unsigned long number)
{
	int ret;

	if (number >= LASTLINE_CHANNELS_MAX)
		return -ENODEV;
	ret = lastline_channel_remove(number);
	return ret ? ret : number;
}

static int find_channel(const void __user *from)
{
	char name[LASTLINE_NAME_MAX];

	if (copy_from_user(name, from, sizeof(name)))
		return -EFAULT;
	if (strnlen(name, sizeof(name)) == sizeof(name))
		return -EINVAL;
	return lastline_channel_find(name);
}

static long control_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	/* Whatever the permissions of the node are. */
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

/* compat_ptr_ioctl() also fits REMOVE, whose argument is a number below 2^31. */
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
 * lastline_control_register - create the control device
 * @line_max: default line limit of new channels
 *
 * Return: 0 or a negative error.
 */
int lastline_control_register(u32 line_max)
{
	default_line_max = line_max;
	return misc_register(&control);
}

/**
 * lastline_control_unregister - delete the control device
 */
void lastline_control_unregister(void)
{
	misc_deregister(&control);
}
