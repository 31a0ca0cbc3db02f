/* SPDX-License-Identifier: GPL-2.0-only */
/* Generations, and the barriers that order a slot's bytes against them. */
#ifndef UNIT_LINUX_ATOMIC_H
#define UNIT_LINUX_ATOMIC_H

#include <stdalign.h>

#include <linux/compiler.h>
#include <linux/types.h>

struct atomic64 {
	alignas(8) s64 counter;
};

#define atomic64_t	struct atomic64

/* No weaker than the kernel's: loads and stores before it, stores behind it. */
#define smp_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)
/* No weaker than the kernel's: loads before it, loads and stores behind it. */
#define smp_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)

/* As in READ_ONCE(), a test may step in. */
static inline s64 atomic64_read_order(const atomic64_t *v, int order)
{
	if (before_access)
		before_access();
	return __atomic_load_n(&v->counter, order);
}

static inline void atomic64_set_order(atomic64_t *v, s64 value, int order)
{
	if (before_access)
		before_access();
	__atomic_store_n(&v->counter, value, order);
}

#define atomic64_read(v)		atomic64_read_order(v, __ATOMIC_RELAXED)
#define atomic64_read_acquire(v)	atomic64_read_order(v, __ATOMIC_ACQUIRE)
#define atomic64_set(v, value)		atomic64_set_order(v, value, __ATOMIC_RELAXED)
#define atomic64_set_release(v, value)	atomic64_set_order(v, value, __ATOMIC_RELEASE)

#endif /* UNIT_LINUX_ATOMIC_H */
