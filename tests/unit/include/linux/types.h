/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's header defines __u32 etc.; the module uses the short names. */
#ifndef UNIT_LINUX_TYPES_H
#define UNIT_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include_next <linux/types.h>

typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;

#endif /* UNIT_LINUX_TYPES_H */
