/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LASTLINE_SYSFS_H
#define LASTLINE_SYSFS_H

#include <linux/sysfs.h>

/* The attributes of each channel. */
extern const struct attribute_group *lastline_groups[];

#endif /* LASTLINE_SYSFS_H */
