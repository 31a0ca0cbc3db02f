/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of liblastline, not installed. */
#ifndef LASTLINE_INTERNAL_H
#define LASTLINE_INTERNAL_H

#include <stdint.h>

#include "lastline.h"

#define SYSFS	"/sys/class/lastline"

/**
 * struct lastline - an open channel
 * @fd:       file descriptor
 * @number:   N of /dev/lastlineN
 * @line_max: longest line in bytes
 * @mode:     LASTLINE_MODE_*
 * @flags:    O_RDONLY, O_WRONLY or O_RDWR
 * @map_size: size of the mapped view in bytes
 * @map:      the mapped view; NULL until lastline_map()
 * @buf:      @line_max bytes and a terminating 0; NULL until the first line is read
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
