// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"
#include "options.h"
#include "parse.h"
#include "util.h"

static const struct {
	const char *name;
	double ns;
} units[] = {
	{ "", 1e9 }, { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 },
	{ "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 },
};

/**
 * parse_duration - parse a time such as "100ms", "2s" or "1.5m"; the default unit is seconds
 * @command: the command, for errors
 * @text:    its argument
 *
 * Return: nanoseconds. Exits if @text is invalid.
 */
uint64_t parse_duration(const struct command *command, const char *text)
{
	double value;
	char *unit;
	size_t i;

	value = strtod(text, &unit);
	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (unit == text || strcmp(unit, units[i].name))
			continue;
		value *= units[i].ns;
		/* At most about a hundred years; also excludes infinity and NaN. */
		if (value >= 0 && value < 3.2e18)
			return llround(value);
	}
	usage_error(command, "invalid time: %s (examples: 100ms, 2s, 1.5m)", text);
}

/**
 * parse_number - parse a decimal number
 * @command: the command, for errors
 * @text:    its argument
 * @max:     largest valid value
 *
 * Return: the number. Exits if @text is invalid.
 */
unsigned long parse_number(const struct command *command, const char *text, unsigned long max)
{
	unsigned long value;

	errno = 0;
	value = strtoul(text, NULL, 10);
	if (!*text || text[strspn(text, "0123456789")] || errno || value > max)
		usage_error(command, "invalid number: %s (0 to %lu)", text, max);
	return value;
}

/**
 * parse_rate - parse a number of lines per second
 * @command: the command, for errors
 * @text:    its argument
 *
 * Return: nanoseconds between two lines. Exits if @text is invalid.
 */
uint64_t parse_rate(const struct command *command, const char *text)
{
	char *end;
	double rate = strtod(text, &end);

	if (end == text || *end || !(rate > 0.000001 && rate < 1e9))
		usage_error(command, "invalid rate: %s (lines per second)", text);
	return NS_PER_S / rate;
}
