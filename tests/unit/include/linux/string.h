/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's, but a test may watch what is copied, and what is wiped. */
#ifndef UNIT_LINUX_STRING_H
#define UNIT_LINUX_STRING_H

#include <string.h>

#include <linux/compiler.h>

#define memcpy(to, from, len)	(BEFORE_ACCESS('c'), memcpy(to, from, len))
#define memset(to, byte, len)	(BEFORE_ACCESS('s'), memset(to, byte, len))

#endif /* UNIT_LINUX_STRING_H */
