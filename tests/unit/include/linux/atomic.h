/* SPDX-License-Identifier: GPL-2.0-only */
/* These order at least as much as those of the kernel. */
#ifndef UNIT_LINUX_ATOMIC_H
#define UNIT_LINUX_ATOMIC_H

#include <stdalign.h>

#include <linux/compiler.h>
#include <linux/types.h>

struct atomic64 {
	alignas(8) s64 counter;
};

#define atomic64_t	struct atomic64

/* Loads before; loads and stores after. */
#define smp_rmb()	(BEFORE_ACCESS(), __atomic_thread_fence(__ATOMIC_ACQUIRE))
/* Loads and stores before; stores after. */
#define smp_wmb()	(BEFORE_ACCESS(), __atomic_thread_fence(__ATOMIC_RELEASE))
/* Loads and stores before. */
#define smp_store_release(p, value)						\
	(BEFORE_ACCESS(), __atomic_store_n(p, value, __ATOMIC_RELEASE))

static inline s64 atomic64_read(const atomic64_t *v)
{
	BEFORE_ACCESS();
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);
}

static inline s64 atomic64_read_acquire(const atomic64_t *v)
{
	BEFORE_ACCESS();
	return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE);
}

static inline void atomic64_set(atomic64_t *v, s64 value)
{
	BEFORE_ACCESS();
	__atomic_store_n(&v->counter, value, __ATOMIC_RELAXED);
}

static inline void atomic64_set_release(atomic64_t *v, s64 value)
{
	BEFORE_ACCESS();
	__atomic_store_n(&v->counter, value, __ATOMIC_RELEASE);
}

#endif /* UNIT_LINUX_ATOMIC_H */
