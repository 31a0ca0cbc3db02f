/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_LINUX_COMPILER_H
#define UNIT_LINUX_COMPILER_H

/*
 * A test may have this function, in order to watch or to step in. It is called
 * before each access: 'r' read, 'a' read with acquire order, 'w' write, 'l' write
 * with release order; and before each barrier: 'R' of reads, 'W' of writes.
 */
void before_access(char what);
#pragma weak before_access

#define BEFORE_ACCESS(what)	(before_access ? before_access(what) : (void)0)

/* One access each, which the compiler neither tears nor repeats nor leaves out. */
#define READ_ONCE(x)								\
	(BEFORE_ACCESS('r'), *(const __volatile__ __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)							\
	(BEFORE_ACCESS('w'), *(__volatile__ __typeof__(x) *)&(x) = (value))

#define __user
#define unlikely(x)	__builtin_expect(!!(x), 0)

#endif /* UNIT_LINUX_COMPILER_H */
