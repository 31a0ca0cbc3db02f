/* SPDX-License-Identifier: GPL-2.0-only */
/* A mutex: a thread that waits must not keep the owner of the lock off its CPU. */
#ifndef UNIT_LINUX_SPINLOCK_H
#define UNIT_LINUX_SPINLOCK_H

#include <pthread.h>
#include <stdlib.h>

#define spinlock_t	pthread_mutex_t

static inline void spin_lock_init(spinlock_t *lock)
{
	if (pthread_mutex_init(lock, NULL))
		abort();
}

static inline void spin_lock(spinlock_t *lock)
{
	if (pthread_mutex_lock(lock))
		abort();
}

static inline void spin_unlock(spinlock_t *lock)
{
	if (pthread_mutex_unlock(lock))
		abort();
}

#endif /* UNIT_LINUX_SPINLOCK_H */
