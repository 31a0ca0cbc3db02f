// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the lines of several channels as they arrive, until one of the channels is removed.
 *
 *	first CHANNEL...
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <lastline.h>

#define CHANNELS_MAX	16

/* @names has the name of each of @channels. */
static int print_lines(struct lastline **channels, char **names, int count)
{
	struct lastline_line line;
	int i, ret;

	for (;;) {
		i = lastline_wait(channels, count, LASTLINE_FOREVER);
		if (i < 0)
			return i;
		ret = lastline_take(channels[i], &line, 0);
		/* The line may have been cleared, or taken by another thread. */
		if (ret == -EAGAIN)
			continue;
		if (ret)
			return ret;
		printf("%s: %s", names[i], line.data);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct lastline *channels[CHANNELS_MAX];
	int i, count = 0, ret = 0;

	if (argc < 2 || argc > CHANNELS_MAX + 1)
		return 2;
	for (i = 1; !ret && i < argc; i++) {
		ret = lastline_open(&channels[count], argv[i], O_RDONLY);
		if (!ret)
			count++;
	}
	if (!ret)
		ret = print_lines(channels, argv + 1, count);
	fprintf(stderr, "%s\n", strerror(-ret));
	for (i = 0; i < count; i++)
		lastline_close(channels[i]);
	return 1;
}
