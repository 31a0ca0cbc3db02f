// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints each line of a channel. Reads it without a system call, and sleeps only while
 * there is nothing new.
 *
 *	mapped [/dev/lastline0]
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/lastline.h>

/* Sleeps until there is a newer line than generation @seen. */
static int wait_for_line(int fd, const struct lastline_map *map, __u64 seen)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	/* Reading the map does not consume the line: skip it, and check that it is the one seen. */
	if (lseek(fd, 0, SEEK_END) < 0)
		return -1;	/* ENODEV: the channel was removed */
	if (lastline_map_generation(map) == seen)
		poll(&pfd, 1, -1);
	return 0;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/lastline0";
	const struct lastline_map *map;
	struct lastline_info info;
	__u64 seen = 0;
	char *line;
	int fd, len;

	fd = open(path, O_RDONLY);
	if (fd < 0 || ioctl(fd, LASTLINE_IOC_INFO, &info)) {
		perror(path);
		return 1;
	}
	map = mmap(NULL, info.map_size, PROT_READ, MAP_SHARED, fd, 0);
	line = malloc(info.line_max);
	if (map == MAP_FAILED || !line || map->version != LASTLINE_MAP_VERSION) {
		perror(path);
		return 1;
	}

	for (;;) {
		if (lastline_map_generation(map) == seen) {
			if (wait_for_line(fd, map, seen) < 0) {
				perror(path);
				return 1;
			}
			continue;
		}
		/* -EAGAIN: overwritten during the copy, so there is a newer line. */
		len = lastline_map_read(map, line, info.line_max, &seen);
		if (len > 0)
			printf("%llu: %.*s", (unsigned long long)seen, len, line);
		fflush(stdout);
	}
}
