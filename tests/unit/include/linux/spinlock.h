/* SPDX-License-Identifier: GPL-2.0-only */
/* For one thread: locking or unlocking twice is an error. */
#ifndef UNIT_LINUX_SPINLOCK_H
#define UNIT_LINUX_SPINLOCK_H

#include <stdlib.h>

#define spinlock_t	int

static inline void spin_lock_init(spinlock_t *lock)
{
	*lock = 1;
}

static inline void spin_lock(spinlock_t *lock)
{
	if ((*lock)-- != 1)
		abort();
}

static inline void spin_unlock(spinlock_t *lock)
{
	if ((*lock)++ != 0)
		abort();
}

#endif /* UNIT_LINUX_SPINLOCK_H */
