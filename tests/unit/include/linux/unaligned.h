/* SPDX-License-Identifier: GPL-2.0-only */
/* Where new kernels have it. */
#include <asm/unaligned.h>
