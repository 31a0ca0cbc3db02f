/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_ALIGN_H
#define UNIT_LINUX_ALIGN_H

#include <stddef.h>

static inline size_t ALIGN(size_t size, size_t to)
{
	return (size + to - 1) / to * to;
}

#endif /* UNIT_LINUX_ALIGN_H */
