// SPDX-License-Identifier: GPL-2.0-only
/* Numbers and times as people write them. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const struct {
	const char *name;
	double ns;
} units[] = {
	{ "", 1e9 }, { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 },
	{ "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 },
};

/**
 * parse_duration - "100ms", "2s", "1.5m"; seconds where there is no unit
 * @command: whose argument it is
 * @text:    it
 *
 * Return: nanoseconds. Ends the command if it is none.
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
		/* Less than a hundred years, and no infinity or NaN. */
		if (value >= 0 && value < 3.2e18)
			return llround(value);
	}
	usage_error(command, "%s is no time like 100ms, 2s or 1.5m", text);
}

/**
 * parse_number - digits
 * @command: whose argument it is
 * @text:    it
 * @max:     the largest that is good
 *
 * Return: the number. Ends the command if it is none, or larger.
 */
unsigned long parse_number(const struct command *command, const char *text, unsigned long max)
{
	unsigned long value;

	errno = 0;
	value = strtoul(text, NULL, 10);
	if (!*text || text[strspn(text, "0123456789")] || errno || value > max)
		usage_error(command, "%s is no number from 0 to %lu", text, max);
	return value;
}

/**
 * parse_rate - lines a second
 * @command: whose argument it is
 * @text:    it
 *
 * Return: nanoseconds from one line to the next. Ends the command if it is no rate.
 */
uint64_t parse_rate(const struct command *command, const char *text)
{
	char *end;
	double rate = strtod(text, &end);

	if (end == text || *end || !(rate > 0.000001 && rate < 1e9))
		usage_error(command, "%s is no number of lines a second", text);
	return NS_PER_S / rate;
}
