/* SPDX-License-Identifier: GPL-2.0-only */
/* For compat.h. The unit tests need nothing of it. */
#ifndef UNIT_LINUX_EXPORT_H
#define UNIT_LINUX_EXPORT_H

#endif /* UNIT_LINUX_EXPORT_H */
