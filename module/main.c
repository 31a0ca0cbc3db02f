// SPDX-License-Identifier: GPL-2.0-only
/*
 * lastline: /dev/lastlineN keeps the newest line, and nothing else.
 *
 * Loading and unloading: the parameters, the device class, the channels.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include <uapi/linux/lastline.h>

#include "channel.h"
#include "compat.h"
#include "file.h"
#include "sysfs.h"

static unsigned int devices = 8;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "number of channels, 1 to 256 (default 8)");

static unsigned int line_max = 4096;
module_param(line_max, uint, 0444);
MODULE_PARM_DESC(line_max,
		 "longest line in bytes with its newline, 64 to 1048576 (default 4096)");

static u16 mode = 0666;

static int mode_set(const char *value, const struct kernel_param *param)
{
	/* Octal with or without the leading 0, as chmod(1) takes it. */
	return kstrtou16(value, 8, param->arg);
}

static int mode_get(char *buf, const struct kernel_param *param)
{
	return sysfs_emit(buf, "%04o\n", *(u16 *)param->arg);
}

static const struct kernel_param_ops mode_ops = {
	.set = mode_set,
	.get = mode_get,
};

module_param_cb(mode, &mode_ops, &mode, 0444);
MODULE_PARM_DESC(mode, "permissions of the nodes, octal (default 0666)");

static char *lastline_devnode(compat_devnode_const struct device *dev, umode_t *node_mode)
{
	if (node_mode)
		*node_mode = dev_to_channel(dev)->mode;
	return NULL;
}

static struct class lastline_class = {
	.name = "lastline",
	.devnode = lastline_devnode,
	.dev_groups = lastline_groups,
};

static dev_t first_devt;

static int check_parameters(void)
{
	if (devices < LASTLINE_DEVICES_MIN || devices > LASTLINE_DEVICES_MAX) {
		pr_err("devices=%u is out of range, use %u to %u\n", devices,
		       LASTLINE_DEVICES_MIN, LASTLINE_DEVICES_MAX);
		return -EINVAL;
	}
	if (line_max < LASTLINE_LINE_MAX_MIN || line_max > LASTLINE_LINE_MAX_MAX) {
		pr_err("line_max=%u is out of range, use %u to %u\n", line_max,
		       LASTLINE_LINE_MAX_MIN, LASTLINE_LINE_MAX_MAX);
		return -EINVAL;
	}
	if (mode > 0777) {
		pr_err("mode=%04o is out of range, use 0000 to 0777\n", mode);
		return -EINVAL;
	}
	return 0;
}

static int __init lastline_init(void)
{
	const struct channel_traits traits = {
		.class = &lastline_class,
		.fops = &lastline_fops,
		.line_max = line_max,
		.mode = mode,
	};
	unsigned int i;
	int ret;

	ret = check_parameters();
	if (ret)
		return ret;
	ret = alloc_chrdev_region(&first_devt, 0, devices, "lastline");
	if (ret)
		return ret;
	ret = class_register(&lastline_class);
	if (ret)
		goto unregister_region;
	for (i = 0; i < devices; i++) {
		ret = channel_create(MKDEV(MAJOR(first_devt), i), &traits);
		if (ret)
			goto remove_channels;
	}
	return 0;

remove_channels:
	channel_remove_all();
	class_unregister(&lastline_class);
unregister_region:
	unregister_chrdev_region(first_devt, devices);
	return ret;
}
module_init(lastline_init);

static void __exit lastline_exit(void)
{
	channel_remove_all();
	class_unregister(&lastline_class);
	unregister_chrdev_region(first_devt, devices);
}
module_exit(lastline_exit);

MODULE_AUTHOR("The lastline developers");
MODULE_DESCRIPTION("Character devices that keep the newest line, and nothing else");
MODULE_LICENSE("GPL");
MODULE_VERSION("1.0.0");
