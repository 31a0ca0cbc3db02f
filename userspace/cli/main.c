// SPDX-License-Identifier: GPL-2.0-only
/* lastline(1): find and run the subcommand. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const struct command *const commands[] = {
	&list_command, &info_command, &get_command, &watch_command, &pub_command,
	&add_command, &remove_command, &clear_command, &top_command, &bench_command,
};

static void print_help(void)
{
	size_t i;

	puts("usage: lastline COMMAND [OPTION]... [CHANNEL]\n"
	     "Read and publish the newest line of channels.\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-8s %s\n", commands[i]->name, commands[i]->about);
	puts("\nCHANNEL is a number (0), a name (engine) or a path (/dev/lastline/engine).\n"
	     "\"lastline COMMAND --help\" lists its options; lastline(1) is the manual.\n"
	     "Exit status: 0 success, 1 failure, 2 wrong arguments, 3 no line or no reader.");
}

int main(int argc, char **argv)
{
	size_t i;

	/* SIGCHLD may be inherited as ignored, and then waitpid() would fail. */
	signal(SIGCHLD, SIG_DFL);
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_help();
		return argc < 2 ? STATUS_USAGE : STATUS_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("lastline " VERSION);
		return STATUS_OK;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(argv[1], commands[i]->name))
			return commands[i]->run(argc - 1, argv + 1);
	}
	fprintf(stderr, "lastline: unknown command: %s\nTry: lastline --help\n", argv[1]);
	return STATUS_USAGE;
}
