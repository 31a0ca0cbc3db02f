// SPDX-License-Identifier: GPL-2.0-only
/* Lines, and times as people read them. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli.h"

/**
 * print_bytes - print a line or a record, at once
 * @data: its bytes
 * @size: how many
 */
void print_bytes(const char *data, size_t size)
{
	if (fwrite(data, 1, size, stdout) != size || fflush(stdout))
		give_up("cannot write: %s", strerror(errno));
}

/**
 * age_text - how old a line is, in at most 7 characters
 * @text:         gets it
 * @size:         room there
 * @monotonic_ns: when it was published; 0: there is none
 *
 * Return: @text.
 */
const char *age_text(char *text, size_t size, uint64_t monotonic_ns)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	double age = now > monotonic_ns ? (now - monotonic_ns) / 1e9 : 0;

	if (!monotonic_ns)
		snprintf(text, size, "-");
	else if (age < 1)
		snprintf(text, size, "%.0f ms", age * 1e3);
	else if (age < 120)
		snprintf(text, size, "%.1f s", age);
	else if (age < 7200)
		snprintf(text, size, "%.0f min", age / 60);
	else if (age < 172800)
		snprintf(text, size, "%.0f h", age / 3600);
	else
		snprintf(text, size, "%.0f d", age / 86400);
	return text;
}

/**
 * time_text - a moment, in local time and to the microsecond
 * @text:        gets it
 * @size:        room there
 * @realtime_ns: the moment
 *
 * Return: @text.
 */
const char *time_text(char *text, size_t size, uint64_t realtime_ns)
{
	time_t seconds = realtime_ns / NS_PER_S;
	unsigned int us = realtime_ns % NS_PER_S / 1000;
	struct tm tm;
	size_t used;

	localtime_r(&seconds, &tm);
	used = strftime(text, size, "%F %T", &tm);
	snprintf(text + used, size - used, ".%06u", us);
	return text;
}
