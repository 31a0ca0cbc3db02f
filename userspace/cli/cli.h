/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of lastline(1) share, some of them with lastline-mqtt(1). */
#ifndef LASTLINE_CLI_H
#define LASTLINE_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdnoreturn.h>

#include "deadline.h"
#include "lastline.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* Exit statuses; lastline(1) has them. */
enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_NOTHING = 3,	/* no line, or none in time */
};

/**
 * struct command - one of the commands
 * @name:  what to type; "" where it is the whole program
 * @run:   does it, with @name as argv[0]; returns the exit status
 * @about: what it does, for --help
 * @usage: how it is used, and its options
 * @takes_words: what follows the channel is not ours to read
 */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
	const char *usage;
	bool takes_words;
};

extern const struct command list_command, info_command, get_command, watch_command,
	pub_command, add_command, remove_command, clear_command, top_command, bench_command;

/* options.c */
int next_option(const struct command *command, int argc, char **argv,
		const struct option *options);
const char *only_channel(const struct command *command, int argc, char **argv);

/* explain.c */
const char *command_call(const struct command *command);
noreturn void usage_error(const struct command *command, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));
void complain(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
noreturn void give_up(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
int explain(const char *which, int error);
void explain_in(const char *file, unsigned int line);
struct lastline *open_or_explain(const char *which, int flags);

/* parse.c */
uint64_t parse_duration(const struct command *command, const char *text);
unsigned long parse_number(const struct command *command, const char *text, unsigned long max);
uint64_t parse_rate(const struct command *command, const char *text);

/* new_channel.c */
struct lastline_add new_channel(void);
const char *name_problem(const char *name);

/* print.c */
void print_bytes(const char *data, size_t size);
#define AGE_TEXT	16
#define TIME_TEXT	40

const char *age_text(char *text, size_t size, uint64_t monotonic_ns);
const char *time_text(char *text, size_t size, uint64_t realtime_ns);

#endif /* LASTLINE_CLI_H */
