/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_COMPILER_H
#define UNIT_LINUX_COMPILER_H

/* A program may define it to run code before each access to shared memory. */
void before_access(void);
#pragma weak before_access

#define BEFORE_ACCESS()	(before_access ? before_access() : (void)0)

#define READ_ONCE(x)								\
	(BEFORE_ACCESS(), *(const __volatile__ __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)							\
	(BEFORE_ACCESS(), *(__volatile__ __typeof__(x) *)&(x) = (value))

#define __user
#define unlikely(x)	__builtin_expect(!!(x), 0)

#endif /* UNIT_LINUX_COMPILER_H */
