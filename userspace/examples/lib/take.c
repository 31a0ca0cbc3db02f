// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints each new line with the time of its publication and the number of lines missed
 * before it. Ends when no line has been published for half a second.
 *
 *	take CHANNEL
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <lastline.h>

#define HALF_A_SECOND	500000000	/* nanoseconds */

static void print(const struct lastline_line *line)
{
	printf("%llu.%06llu (%llu missed): %s",
	       (unsigned long long)line->realtime_ns / 1000000000,
	       (unsigned long long)line->realtime_ns / 1000 % 1000000,
	       (unsigned long long)line->missed, line->data);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct lastline_line line;
	struct lastline *channel;
	int ret;

	if (argc != 2)
		return 2;
	ret = lastline_open(&channel, argv[1], O_RDONLY);
	if (ret) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	while (!(ret = lastline_take(channel, &line, HALF_A_SECOND)))
		print(&line);
	if (ret == -ETIMEDOUT)
		printf("nothing new\n");
	else
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
	lastline_close(channel);
	return ret == -ETIMEDOUT ? 0 : 1;
}
