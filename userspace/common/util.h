/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LASTLINE_UTIL_H
#define LASTLINE_UTIL_H

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#endif /* LASTLINE_UTIL_H */
