// SPDX-License-Identifier: GPL-2.0-only
/* lastline get: print the newest line once. */
#include <fcntl.h>

#include "cli.h"

static int get(int argc, char **argv)
{
	struct lastline *channel;
	struct lastline_line line;
	bool next = false, wait = false;
	uint64_t timeout_ns = 0;
	const char *which;
	int option, ret = 0;

	while ((option = next_option(&get_command, argc, argv)) >= 0) {
		if (option == 'n') {
			next = true;
			continue;
		}
		wait = true;
		timeout_ns = optarg ? parse_duration(&get_command, optarg) : LASTLINE_FOREVER;
	}
	which = channel_argument(&get_command, argc, argv);
	if (next && !wait)
		timeout_ns = LASTLINE_FOREVER;
	channel = open_or_exit(which, O_RDONLY);
	if (next)
		ret = lastline_skip(channel);
	if (!ret)
		ret = lastline_take(channel, &line, timeout_ns);
	if (ret)
		return channel_error(which, ret);
	print_bytes(line.data, line.size);
	lastline_close(channel);
	return STATUS_OK;
}

static const struct command_option options[] = {
	{ 'w', "wait", "[=TIME]", "if there is no line yet, wait for one, at most TIME" },
	{ 'n', "next", NULL, "ignore the newest line and wait for the next one" },
	{},
};

const struct command get_command = {
	.name = "get",
	.run = get,
	.about = "print the newest line",
	.usage = "[OPTION]... CHANNEL\n"
		 "Print the newest line. The exit status is 3 if there is none.\n",
	.options = options,
};
