// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attributes in /sys/class/lastline/lastlineN. userspace/abi/sysfs-class-lastline
 * documents them.
 */
#include "channel.h"
#include "sysfs.h"

static ssize_t generation_show(struct device *dev, struct device_attribute *attr,
			       char *buf)
{
	return sysfs_emit(buf, "%llu\n", lastline_channel_generation(dev_to_channel(dev)));
}
static DEVICE_ATTR_RO(generation);

static ssize_t line_max_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%u\n", dev_to_channel(dev)->ring.line_max);
}
static DEVICE_ATTR_RO(line_max);

static ssize_t mode_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char * const modes[] = {
		[LASTLINE_MODE_LINE] = "line",
		[LASTLINE_MODE_RECORD] = "record",
	};

	return sysfs_emit(buf, "%s\n", modes[dev_to_channel(dev)->mode]);
}
static DEVICE_ATTR_RO(mode);

static ssize_t monotonic_ns_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", lastline_channel_time_ns(dev_to_channel(dev)));
}
static DEVICE_ATTR_RO(monotonic_ns);

static ssize_t name_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const char *name = dev_to_channel(dev)->name;

	return sysfs_emit(buf, "%s\n", name ? name : "");
}
static DEVICE_ATTR_RO(name);

static ssize_t readers_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(dev_to_channel(dev)->readers));
}
static DEVICE_ATTR_RO(readers);

static ssize_t writers_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(dev_to_channel(dev)->writers));
}
static DEVICE_ATTR_RO(writers);

static struct attribute *lastline_attrs[] = {
	&dev_attr_generation.attr,
	&dev_attr_line_max.attr,
	&dev_attr_mode.attr,
	&dev_attr_monotonic_ns.attr,
	&dev_attr_name.attr,
	&dev_attr_readers.attr,
	&dev_attr_writers.attr,
	NULL
};

static const struct attribute_group lastline_group = {
	.attrs = lastline_attrs,
};

const struct attribute_group *lastline_groups[] = {
	&lastline_group,
	NULL
};
