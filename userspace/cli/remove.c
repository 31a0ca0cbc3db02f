// SPDX-License-Identifier: GPL-2.0-only
/* lastline remove and lastline clear. */
#include <fcntl.h>

#include "cli.h"

static int remove_channel(const char *which)
{
	int ret = lastline_find(which);

	if (ret >= 0)
		ret = lastline_remove(ret);
	return ret < 0 ? control_error(which, ret) : STATUS_OK;
}

static int clear_channel(const char *which)
{
	struct lastline *channel;
	int ret;

	ret = lastline_open(&channel, which, O_WRONLY);
	if (ret)
		return channel_error(which, ret);
	ret = lastline_clear(channel);
	lastline_close(channel);
	return ret ? channel_error(which, ret) : STATUS_OK;
}

/* Runs @act for each channel, also after an error. */
static int run_for_all(const struct command *command, int argc, char **argv,
		       int (*act)(const char *which))
{
	int status = STATUS_OK, ret;

	next_option(command, argc, argv);
	if (optind == argc)
		usage_error(command, "no channel given");
	for (; optind < argc; optind++) {
		ret = act(argv[optind]);
		status = ret ? ret : status;
	}
	return status;
}

static int run_remove(int argc, char **argv)
{
	return run_for_all(&remove_command, argc, argv, remove_channel);
}

const struct command remove_command = {
	.name = "remove",
	.run = run_remove,
	.about = "remove channels (root)",
	.usage = "CHANNEL...\n"
		 "Remove channels, even while they are open. Processes that use them get the\n"
		 "error ENODEV.\n",
};

static int run_clear(int argc, char **argv)
{
	return run_for_all(&clear_command, argc, argv, clear_channel);
}

const struct command clear_command = {
	.name = "clear",
	.run = run_clear,
	.about = "remove the newest line",
	.usage = "CHANNEL...\n"
		 "Remove the newest line, as if none had been published. This wakes no reader.\n",
};
