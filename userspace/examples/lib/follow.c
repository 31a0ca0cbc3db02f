// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints every line that it can keep up with, until the line "stop".
 *
 *	follow CHANNEL
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <lastline.h>

#define STOPPED	1	/* positive: errors are negative */

struct sum {
	unsigned long long lines;
	unsigned long long missed;
};

static int each(const struct lastline_line *line, void *arg)
{
	struct sum *sum = arg;

	sum->lines++;
	sum->missed += line->missed;
	printf("%s", line->data);
	fflush(stdout);
	return strcmp(line->data, "stop\n") ? 0 : STOPPED;
}

int main(int argc, char **argv)
{
	struct lastline *channel;
	struct sum sum = { 0, 0 };
	int ret;

	if (argc != 2)
		return 2;
	ret = lastline_open(&channel, argv[1], O_RDONLY);
	if (!ret) {
		ret = lastline_follow(channel, each, &sum);
		lastline_close(channel);
	}
	if (ret != STOPPED) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	printf("%llu lines, %llu missed\n", sum.lines, sum.missed);
	return 0;
}
