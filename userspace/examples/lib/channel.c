// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adds a channel, removes one, or lists all. Adding and removing need root.
 *
 *	channel add NAME
 *	channel remove CHANNEL
 *	channel list
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lastline.h>

static int add_channel(const char *name)
{
	struct lastline_add add = { .number = -1, .line_max = 65536, .permissions = 0666 };
	int number;

	if (strlen(name) >= sizeof(add.name))
		return -ENAMETOOLONG;
	strcpy(add.name, name);
	number = lastline_add(&add);
	if (number >= 0)
		printf("/dev/lastline%d\n", number);
	return number;
}

static int remove_channel(const char *channel)
{
	int number = lastline_find(channel);

	return number < 0 ? number : lastline_remove(number);
}

static int list_channels(void)
{
	struct lastline_status status;
	int *numbers, count, i;

	count = lastline_list(&numbers);
	if (count < 0)
		return count;
	for (i = 0; i < count; i++) {
		/* The channel may have been removed meanwhile. */
		if (lastline_status(numbers[i], &status))
			continue;
		printf("%d name=%s line_max=%u generation=%llu\n", numbers[i], status.name,
		       status.line_max, (unsigned long long)status.generation);
	}
	free(numbers);
	return 0;
}

int main(int argc, char **argv)
{
	int ret;

	if (argc == 3 && !strcmp(argv[1], "add"))
		ret = add_channel(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "remove"))
		ret = remove_channel(argv[2]);
	else if (argc == 2 && !strcmp(argv[1], "list"))
		ret = list_channels();
	else
		return 2;
	if (ret < 0)
		fprintf(stderr, "%s: %s\n", argv[argc - 1], strerror(-ret));
	return ret < 0 ? 1 : 0;
}
