// SPDX-License-Identifier: GPL-2.0-only
/* lastline get: the newest line, once. */
#include <fcntl.h>
#include <stdlib.h>

#include "cli.h"

static int get(int argc, char **argv)
{
	static const struct option options[] = {
		{ "wait", optional_argument, NULL, 'w' },
		{ "next", no_argument, NULL, 'n' },
		{},
	};
	struct lastline *channel;
	struct lastline_line line;
	uint64_t timeout_ns = 0;
	bool next = false, waits = false;
	const char *which;
	int option, ret = 0;

	while ((option = next_option(&get_command, argc, argv, options)) >= 0) {
		if (option == 'n') {
			next = true;
			continue;
		}
		waits = true;
		timeout_ns = optarg ? parse_duration(&get_command, optarg) : LASTLINE_FOREVER;
	}
	which = only_channel(&get_command, argc, argv);
	if (next && !waits)
		timeout_ns = LASTLINE_FOREVER;
	channel = open_or_explain(which, O_RDONLY);
	if (next)
		ret = lastline_skip(channel);
	if (!ret)
		ret = lastline_take(channel, &line, timeout_ns);
	if (ret)
		return explain(which, ret);
	print_bytes(line.data, line.size);
	lastline_close(channel);
	return STATUS_OK;
}

const struct command get_command = {
	.name = "get",
	.run = get,
	.about = "the newest line, once",
	.usage = "[OPTION]... CHANNEL\n"
		 "Prints the newest line. Status 3 if there is none.\n\n"
		 "  -w, --wait[=TIME]  if there is none, wait for one, at most so long (2s, 100ms)\n"
		 "  -n, --next         not the present one: wait for the next\n",
};
