/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_MINMAX_H
#define UNIT_LINUX_MINMAX_H

#include <linux/types.h>

static inline u32 max(u32 a, u32 b)
{
	return a > b ? a : b;
}

#endif /* UNIT_LINUX_MINMAX_H */
