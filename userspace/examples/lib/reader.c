// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits up to ten seconds for a reader, then publishes a line.
 *
 *	reader CHANNEL
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <lastline.h>

#define TEN_SECONDS	10000000000	/* nanoseconds */

int main(int argc, char **argv)
{
	struct lastline *channel;
	int ret;

	if (argc != 2)
		return 2;
	ret = lastline_open(&channel, argv[1], O_WRONLY);
	if (!ret) {
		ret = lastline_wait_reader(channel, TEN_SECONDS);
		if (ret > 0)
			ret = lastline_printf(channel, "readers=%d", ret);
		lastline_close(channel);
	}
	if (ret)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
	return ret ? 1 : 0;
}
