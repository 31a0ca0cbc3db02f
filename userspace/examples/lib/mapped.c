// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads each line without a system call and without a copy, and sleeps while there is
 * nothing new. Ends when the channel is removed.
 *
 *	mapped CHANNEL
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <lastline.h>

static unsigned int sum(const char *data, unsigned int length)
{
	unsigned int i, sum = 0;

	for (i = 0; i < length; i++)
		sum += (unsigned char)data[i];
	return sum;
}

static int print_sums(struct lastline *channel, const struct lastline_map *map)
{
	struct lastline_view view;
	uint64_t seen = 0;
	unsigned int bytes;
	int ret;

	for (;;) {
		if (lastline_map_generation(map) == seen) {
			/* Reading the map does not consume the line, so skip it before the wait. */
			ret = lastline_skip(channel);
			if (!ret && lastline_map_generation(map) == seen)
				ret = lastline_wait(&channel, 1, LASTLINE_FOREVER);
			if (ret < 0)
				return ret;
			continue;
		}
		if (!lastline_map_look(map, &view))
			continue;
		bytes = sum(view.data, view.length);
		/* The bytes are valid only if no newer line has overwritten them. */
		if (!lastline_map_intact(&view))
			continue;
		seen = view.generation;
		printf("%llu: %u bytes, sum %u\n", (unsigned long long)seen, view.length, bytes);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	const struct lastline_map *map;
	struct lastline *channel;
	int ret;

	if (argc != 2)
		return 2;
	ret = lastline_open(&channel, argv[1], O_RDONLY);
	if (!ret) {
		ret = lastline_map(channel, &map);
		if (!ret)
			ret = print_sums(channel, map);
		lastline_close(channel);
	}
	if (ret != -ENODEV)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
	return ret == -ENODEV ? 0 : 1;
}
