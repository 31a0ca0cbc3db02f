/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of liblastline share; nobody else sees it. */
#ifndef LASTLINE_INTERNAL_H
#define LASTLINE_INTERNAL_H

#include <stdint.h>

#include "lastline.h"

#define SYSFS	"/sys/class/lastline"

/**
 * struct lastline - an open channel
 * @fd:       the open file
 * @number:   N of /dev/lastlineN; constant, as the next four
 * @line_max: longest line in bytes
 * @mode:     LASTLINE_MODE_*
 * @flags:    O_RDONLY, O_WRONLY or O_RDWR
 * @map_size: of the mapped view, in bytes
 * @map:      that, or NULL until somebody wants it
 * @buf:      line_max bytes and a 0, or NULL until somebody wants it
 */
struct lastline {
	int fd;
	int number;
	uint32_t line_max;
	uint32_t mode;
	int flags;
	size_t map_size;
	const struct lastline_map *map;
	char *buf;
};

#endif /* LASTLINE_INTERNAL_H */
