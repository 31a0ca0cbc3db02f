/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration under test. */
#ifndef UNIT_LINUX_KCONFIG_H
#define UNIT_LINUX_KCONFIG_H

#define CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS	1
#define IS_ENABLED(CONFIG_option)		(CONFIG_option)

#endif /* UNIT_LINUX_KCONFIG_H */
