// SPDX-License-Identifier: GPL-2.0-only
/* The options of a command. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

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
		printf("usage: %s %s", command_call(command), command->usage);
		exit(STATUS_OK);
	case ':':
		usage_error(command, "%s wants an argument", argv[optind - 1]);
	case '?':
		if (optopt > 0 && optopt < 128)
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
