/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands and their options. */
#ifndef LASTLINE_OPTIONS_H
#define LASTLINE_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdnoreturn.h>

/**
 * struct command_option - one option of a command
 * @val:      returned by next_option(); a character is the short option, too
 * @name:     long option, without the dashes
 * @argument: name of the argument in --help, in [brackets] if optional; NULL: no argument
 * @help:     description for --help; may have several lines
 */
struct command_option {
	int val;
	const char *name;
	const char *argument;
	const char *help;
};

/**
 * struct command - a subcommand, or a program without subcommands
 * @name:            name of the subcommand; "" for a program without any
 * @run:             main function, called with @name as argv[0]; returns the exit status
 * @about:           one-line description
 * @usage:           synopsis and description for --help
 * @options:         options besides --help; the last has no name; NULL: none
 * @stop_at_channel: options end at the first other argument
 */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
	const char *usage;
	const struct command_option *options;
	bool stop_at_channel;
};

noreturn void usage_error(const struct command *command, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));
int next_option(const struct command *command, int argc, char **argv);
bool only_json_option(const struct command *command, int argc, char **argv);
const char *channel_argument(const struct command *command, int argc, char **argv);

#endif /* LASTLINE_OPTIONS_H */
