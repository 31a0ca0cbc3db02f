/* SPDX-License-Identifier: GPL-2.0-only */
/* The sanitizers check the copies without hints. */
#ifndef UNIT_LINUX_INSTRUMENTED_H
#define UNIT_LINUX_INSTRUMENTED_H

#define instrument_copy_to_user(to, from, len)			((void)0)
#define instrument_copy_from_user_before(to, from, len)		((void)0)
#define instrument_copy_from_user_after(to, from, len, left)	((void)(left))

#endif /* UNIT_LINUX_INSTRUMENTED_H */
