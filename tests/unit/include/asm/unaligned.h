/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_ASM_UNALIGNED_H
#define UNIT_ASM_UNALIGNED_H

#include <string.h>

static inline unsigned long get_unaligned(const unsigned long *ptr)
{
	unsigned long value;

	memcpy(&value, ptr, sizeof(value));
	return value;
}

static inline void put_unaligned(unsigned long value, unsigned long *ptr)
{
	memcpy(ptr, &value, sizeof(value));
}

#endif /* UNIT_ASM_UNALIGNED_H */
