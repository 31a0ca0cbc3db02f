/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a lock lies matters for speed only. */
#ifndef UNIT_LINUX_CACHE_H
#define UNIT_LINUX_CACHE_H

#define ____cacheline_aligned_in_smp

#endif /* UNIT_LINUX_CACHE_H */
