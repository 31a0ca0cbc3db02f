// SPDX-License-Identifier: GPL-2.0-only
/* lastline(1): finds the command and its options. */
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
	     "The newest line of a channel, and nothing else.\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-8s %s\n", commands[i]->name, commands[i]->about);
	puts("\nCHANNEL is a number (0), a name (engine) or a path (/dev/lastline/engine).\n"
	     "\"lastline COMMAND --help\" tells its options, lastline(1) the whole.\n"
	     "Status: 0, 1 if it failed, 2 if it was called wrongly, 3 without a line.");
}

/**
 * next_option - as getopt_long(), but deals with --help and errors
 * @command: whose
 * @argc:    arguments, the command's name included
 * @argv:    them
 * @options: long ones; those with a letter for val have that as a short one, too
 *
 * Return: val of the option, or -1 if there is none left.
 */
int next_option(const struct command *command, int argc, char **argv,
		const struct option *options)
{
	char letters[64];
	size_t used, count;
	int i, option;

	for (count = 0; options[count].name; count++)
		;
	struct option all[count + 2];

	/* With "+", what follows the channel is none of ours. */
	strcpy(letters, command->takes_words ? "+:h" : ":h");
	used = strlen(letters);
	memcpy(all, options, count * sizeof(*all));
	all[count] = (struct option){ "help", no_argument, NULL, 'h' };
	all[count + 1] = (struct option){};
	for (i = 0; options[i].name; i++) {
		if (options[i].val > 127)
			continue;
		letters[used++] = options[i].val;
		for (option = options[i].has_arg; option; option--)
			letters[used++] = ':';
	}
	letters[used] = '\0';

	option = getopt_long(argc, argv, letters, all, NULL);
	switch (option) {
	case 'h':
		printf("usage: lastline %s %s", command->name, command->usage);
		exit(STATUS_OK);
	case ':':
		usage_error(command, "%s wants an argument", argv[optind - 1]);
	case '?':
		if (optopt)
			usage_error(command, "there is no option -%c", optopt);
		usage_error(command, "there is no option %s", argv[optind - 1]);
	}
	return option;
}

/**
 * only_channel - the one argument behind the options
 * @command: whose
 * @argc:    arguments, after next_option() returned -1
 * @argv:    them
 *
 * Return: it.
 */
const char *only_channel(const struct command *command, int argc, char **argv)
{
	if (optind == argc)
		usage_error(command, "which channel?");
	if (optind + 1 < argc)
		usage_error(command, "only one channel, not also %s", argv[optind + 1]);
	return argv[optind];
}

int main(int argc, char **argv)
{
	size_t i;

	/* Who started us may ignore it, and then nobody could wait for a command. */
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
	fprintf(stderr, "lastline: there is no command %s\nTry: lastline --help\n", argv[1]);
	return STATUS_USAGE;
}
