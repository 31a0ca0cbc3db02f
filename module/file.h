/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LASTLINE_FILE_H
#define LASTLINE_FILE_H

#include <linux/fs.h>

/* What can be done with an open /dev/lastlineN, by LASTLINE_MODE_*. */
extern const struct file_operations lastline_fops[];

#endif /* LASTLINE_FILE_H */
