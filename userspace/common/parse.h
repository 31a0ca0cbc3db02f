/* SPDX-License-Identifier: GPL-2.0-only */
/* Arguments that are numbers, times and rates. */
#ifndef LASTLINE_PARSE_H
#define LASTLINE_PARSE_H

#include <stdint.h>

struct command;

uint64_t parse_duration(const struct command *command, const char *text);
unsigned long parse_number(const struct command *command, const char *text, unsigned long max);
uint64_t parse_rate(const struct command *command, const char *text);

#endif /* LASTLINE_PARSE_H */
