// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "options.h"

#define OPTIONS_MAX	32

/* "lastline get", or "lastline-mqtt" for a program without subcommands. */
static const char *full_name(const struct command *command)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s%s%s", program_invocation_short_name,
		 *command->name ? " " : "", command->name);
	return name;
}

/**
 * usage_error - print what is wrong with the arguments and exit with STATUS_USAGE
 * @command: the command
 * @format:  as for printf()
 */
noreturn void usage_error(const struct command *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vwarn(format, args);
	va_end(args);
	fprintf(stderr, "Try: %s --help\n", full_name(command));
	exit(STATUS_USAGE);
}

static bool has_letter(const struct command_option *option)
{
	return option->val < 128;
}

static int argument_kind(const struct command_option *option)
{
	if (!option->argument)
		return no_argument;
	return *option->argument == '[' ? optional_argument : required_argument;
}

/* "  -w, --wait[=TIME]"; returns its length. */
static int option_synopsis(const struct command_option *option, char *text, size_t size)
{
	char letter[] = "    ";

	if (has_letter(option))
		snprintf(letter, sizeof(letter), "-%c, ", option->val);
	return snprintf(text, size, "  %s--%s%s%s", letter, option->name,
			argument_kind(option) == required_argument ? " " : "",
			option->argument ? option->argument : "");
}

static void print_help(const struct command *command)
{
	const struct command_option *option;
	int width = 0, length;
	const char *help;
	char text[64];

	printf("usage: %s %s", full_name(command), command->usage);
	for (option = command->options; option && option->name; option++) {
		length = option_synopsis(option, text, sizeof(text));
		width = length > width ? length : width;
	}
	if (width)
		putchar('\n');
	for (option = command->options; option && option->name; option++) {
		option_synopsis(option, text, sizeof(text));
		help = option->help;
		while (true) {
			length = strcspn(help, "\n");
			printf("%-*s  %.*s\n", width, text, length, help);
			if (!help[length])
				break;
			help += length + 1;
			*text = '\0';
		}
	}
}

/**
 * next_option - getopt_long() that handles --help and errors
 * @command: the command with its options
 * @argc:    number of arguments, including the name of the command
 * @argv:    the arguments
 *
 * Return: @val of the option, or -1 after the last one.
 */
int next_option(const struct command *command, int argc, char **argv)
{
	const struct command_option *option = command->options;
	struct option all[OPTIONS_MAX] = { { "help", no_argument, NULL, 'h' } };
	char letters[3 * OPTIONS_MAX];
	size_t count = 1, used;
	int kind, val;

	used = sprintf(letters, "%s:h", command->stop_at_channel ? "+" : "");
	for (; option && option->name; option++) {
		kind = argument_kind(option);
		all[count++] = (struct option){ option->name, kind, NULL, option->val };
		if (has_letter(option))
			used += sprintf(letters + used, "%c%.*s", option->val, kind, "::");
	}
	val = getopt_long(argc, argv, letters, all, NULL);
	switch (val) {
	case 'h':
		print_help(command);
		exit(STATUS_OK);
	case ':':
		usage_error(command, "option %s requires an argument", argv[optind - 1]);
	case '?':
		if (optopt > 0 && optopt < 128)
			usage_error(command, "unknown option: -%c", optopt);
		usage_error(command, "unknown option: %s", argv[optind - 1]);
	}
	return val;
}

/**
 * only_json_option - parse the options of a command that only has --json
 * @command: the command
 * @argc:    number of arguments, including the name of the command
 * @argv:    the arguments
 *
 * Return: whether --json was given.
 */
bool only_json_option(const struct command *command, int argc, char **argv)
{
	bool json = false;

	while (next_option(command, argc, argv) >= 0)
		json = true;
	return json;
}

/**
 * channel_argument - the only argument after the options
 * @command: the command
 * @argc:    number of arguments, after next_option() returned -1
 * @argv:    the arguments
 *
 * Return: the channel. Exits if there is none, or more than one.
 */
const char *channel_argument(const struct command *command, int argc, char **argv)
{
	if (optind == argc)
		usage_error(command, "no channel given");
	if (optind + 1 < argc)
		usage_error(command, "only one channel is allowed: %s", argv[optind + 1]);
	return argv[optind];
}
