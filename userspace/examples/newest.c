// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the newest line of a channel once a second, and how many were missed before it.
 *
 *	newest [/dev/lastline0]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/lastline.h>

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/lastline0";
	struct lastline_info info;
	struct lastline_taken taken;
	ssize_t len;
	char *line;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0 || ioctl(fd, LASTLINE_IOC_INFO, &info)) {
		perror(path);
		return 1;
	}
	line = malloc(info.line_max);
	if (!line)
		return 1;

	for (;;) {
		/* Sleeps until there is a line that this open file has not seen. */
		len = read(fd, line, info.line_max);
		if (len < 0 || ioctl(fd, LASTLINE_IOC_TAKEN, &taken)) {
			perror(path);
			return 1;
		}
		printf("%llu (%llu missed): %.*s", (unsigned long long)taken.generation,
		       (unsigned long long)taken.missed_last, (int)len, line);
		fflush(stdout);
		sleep(1);
	}
}
