/* SPDX-License-Identifier: GPL-2.0-only */
/* The sanitizers of the host look by themselves. */
#ifndef UNIT_LINUX_INSTRUMENTED_H
#define UNIT_LINUX_INSTRUMENTED_H

#include <stddef.h>

static inline void instrument_copy_to_user(void *to, const void *from, size_t len)
{
}

static inline void instrument_copy_from_user_before(const void *to, const void *from, size_t len)
{
}

static inline void instrument_copy_from_user_after(const void *to, const void *from, size_t len,
						   size_t left)
{
}

#endif /* UNIT_LINUX_INSTRUMENTED_H */
