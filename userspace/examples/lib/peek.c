// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the newest line, and whether it is new, without ever waiting.
 *
 *	peek CHANNEL
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <lastline.h>

static int look(struct lastline *channel)
{
	struct lastline_line line;
	int ret;

	/* Does not consume the line: the next call returns it again. */
	ret = lastline_peek(channel, &line);
	if (ret == -EAGAIN) {
		printf("no line\n");
		return 0;
	}
	if (ret)
		return ret;
	printf("newest: %s", line.data);

	ret = lastline_take(channel, &line, 0);
	if (!ret)
		printf("taken: %s", line.data);
	else if (ret == -EAGAIN)
		printf("nothing new\n");
	return ret == -EAGAIN ? 0 : ret;
}

int main(int argc, char **argv)
{
	struct lastline *channel;
	int ret;

	if (argc != 2)
		return 2;
	ret = lastline_open(&channel, argv[1], O_RDONLY);
	if (!ret) {
		ret = look(channel);
		if (!ret)
			ret = look(channel);
		lastline_close(channel);
	}
	if (ret)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
	return ret ? 1 : 0;
}
