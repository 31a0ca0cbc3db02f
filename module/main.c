// SPDX-License-Identifier: GPL-2.0-only
/*
 * lastline: character devices that keep the newest line, and nothing else.
 *
 * Module parameters, load and unload.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include <uapi/linux/lastline.h>

#include "channel.h"
#include "compat.h"
#include "control.h"
#include "file.h"
#include "sysfs.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* A module parameter with a range. */
struct ranged {
	unsigned int value;
	unsigned int min;
	unsigned int max;
	unsigned int base;	/* of kstrtouint(): 0 or 8 */
};

static int ranged_set(const char *text, const struct kernel_param *param)
{
	struct ranged *ranged = param->arg;
	unsigned int value;

	if (!kstrtouint(text, ranged->base, &value) &&
	    value >= ranged->min && value <= ranged->max) {
		ranged->value = value;
		return 0;
	}
	if (ranged->base == 8)
		pr_err("%s=%s is out of range, use %04o to %04o\n", param->name, text,
		       ranged->min, ranged->max);
	else
		pr_err("%s=%s is out of range, use %u to %u\n", param->name, text,
		       ranged->min, ranged->max);
	return -EINVAL;
}

static int ranged_get(char *buf, const struct kernel_param *param)
{
	const struct ranged *ranged = param->arg;

	return sysfs_emit(buf, ranged->base == 8 ? "%04o\n" : "%u\n", ranged->value);
}

static const struct kernel_param_ops ranged_ops = {
	.set = ranged_set,
	.get = ranged_get,
};

static struct ranged devices = {
	.value = 8,
	.min = LASTLINE_DEVICES_MIN,
	.max = LASTLINE_DEVICES_MAX,
};

module_param_cb(devices, &ranged_ops, &devices, 0444);
__MODULE_PARM_TYPE(devices, "uint");
MODULE_PARM_DESC(devices, "number of channels, 1 to 256 (default 8)");

static struct ranged line_max = {
	.value = 4096,
	.min = LASTLINE_LINE_MAX_MIN,
	.max = LASTLINE_LINE_MAX_MAX,
};

module_param_cb(line_max, &ranged_ops, &line_max, 0444);
__MODULE_PARM_TYPE(line_max, "uint");
MODULE_PARM_DESC(line_max,
		 "longest line in bytes with its newline, 64 to 1048576 (default 4096)");

static struct ranged mode = {
	.value = 0666,
	.max = 0777,
	.base = 8,
};

module_param_cb(mode, &ranged_ops, &mode, 0444);
__MODULE_PARM_TYPE(mode, "octal");
MODULE_PARM_DESC(mode, "permissions of the nodes, octal (default 0666)");

static struct class *class;
static dev_t first_devt;

/* Allocated by the driver core, because a class can outlive the module for a moment. */
static int create_class(void)
{
	class = compat_class_create("lastline");
	if (IS_ERR(class))
		return PTR_ERR(class);
	class->dev_groups = lastline_groups;
	return 0;
}

static int add_channels(void)
{
	struct lastline_channel_params params = {
		.fops = &lastline_fops[LASTLINE_MODE_LINE],
		.mode = LASTLINE_MODE_LINE,
		.line_max = line_max.value,
		.umode = mode.value,
		.uid = GLOBAL_ROOT_UID,
		.gid = GLOBAL_ROOT_GID,
	};
	int ret;

	lastline_channels_init(class, first_devt);
	for (; params.number < devices.value; params.number++) {
		ret = lastline_channel_add(&params);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int __init lastline_init(void)
{
	int ret;

	ret = alloc_chrdev_region(&first_devt, 0, LASTLINE_CHANNELS_MAX, "lastline");
	if (ret)
		return ret;
	ret = create_class();
	if (ret)
		goto unregister_region;
	ret = add_channels();
	if (ret)
		goto remove_channels;
	ret = lastline_control_register(line_max.value);
	if (ret)
		goto remove_channels;
	return 0;

remove_channels:
	lastline_channels_remove_all();
	class_destroy(class);
unregister_region:
	unregister_chrdev_region(first_devt, LASTLINE_CHANNELS_MAX);
	return ret;
}
module_init(lastline_init);

static void __exit lastline_exit(void)
{
	lastline_control_unregister();
	lastline_channels_remove_all();
	class_destroy(class);
	unregister_chrdev_region(first_devt, LASTLINE_CHANNELS_MAX);
}
module_exit(lastline_exit);

MODULE_AUTHOR("The lastline developers");
MODULE_DESCRIPTION("Character devices that keep the newest line, and nothing else");
MODULE_LICENSE("GPL");
MODULE_VERSION("1.0.0");
