/* SPDX-License-Identifier: GPL-2.0-only */
/* Copying and setting memory are accesses, see compiler.h. */
#ifndef UNIT_LINUX_STRING_H
#define UNIT_LINUX_STRING_H

#include <string.h>

#include <linux/compiler.h>

#define memcpy(to, from, len)	(BEFORE_ACCESS(), memcpy(to, from, len))
#define memset(to, byte, len)	(BEFORE_ACCESS(), memset(to, byte, len))

#endif /* UNIT_LINUX_STRING_H */
