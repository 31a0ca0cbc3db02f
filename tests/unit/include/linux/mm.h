/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_MM_H
#define UNIT_LINUX_MM_H

#include <linux/align.h>

#define PAGE_SIZE		4096UL
#define PAGE_ALIGN(size)	ALIGN(size, PAGE_SIZE)

#endif /* UNIT_LINUX_MM_H */
