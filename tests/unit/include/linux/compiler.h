/* SPDX-License-Identifier: GPL-2.0-only */
/* One access each, which the compiler neither tears nor repeats nor leaves out. */
#ifndef UNIT_LINUX_COMPILER_H
#define UNIT_LINUX_COMPILER_H

/* A test may have this, in order to step in between any two accesses. */
void before_access(void);
#pragma weak before_access

#define READ_ONCE(x)								\
	(before_access ? before_access() : (void)0,				\
	 *(const __volatile__ __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)							\
	(before_access ? before_access() : (void)0,				\
	 *(__volatile__ __typeof__(x) *)&(x) = (value))

#endif /* UNIT_LINUX_COMPILER_H */
