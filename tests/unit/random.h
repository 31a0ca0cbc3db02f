/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers, the same in each run unless a test seeds them. */
#ifndef UNIT_RANDOM_H
#define UNIT_RANDOM_H

#include <linux/types.h>

static u64 random_state;

/* splitmix64 */
static inline u64 draw_bits(void)
{
	u64 z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Every number from 0 to @below - 1. */
static inline u32 draw_number(u32 below)
{
	return draw_bits() % below;
}

#endif /* UNIT_RANDOM_H */
