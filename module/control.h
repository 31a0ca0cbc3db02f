/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LASTLINE_CONTROL_H
#define LASTLINE_CONTROL_H

#include <linux/types.h>

int lastline_control_register(u32 line_max);
void lastline_control_unregister(void);

#endif /* LASTLINE_CONTROL_H */
