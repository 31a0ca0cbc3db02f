// SPDX-License-Identifier: GPL-2.0-only
/*
 * Publishes ten lines a second, whether or not there is a reader.
 *
 *	publish CHANNEL COUNT
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lastline.h>

int main(int argc, char **argv)
{
	struct lastline *channel;
	int i, ret;

	if (argc != 3)
		return 2;
	ret = lastline_open(&channel, argv[1], O_WRONLY);
	if (ret) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	for (i = 1; !ret && i <= atoi(argv[2]); i++) {
		ret = lastline_printf(channel, "count=%d", i);
		usleep(100000);
	}
	/* The same for text that is not a format. */
	if (!ret)
		ret = lastline_publish(channel, "done", 4);
	if (ret)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
	lastline_close(channel);
	return ret ? 1 : 0;
}
