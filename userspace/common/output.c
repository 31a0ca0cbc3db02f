// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "deadline.h"
#include "errors.h"
#include "output.h"

/**
 * print_bytes - write to stdout and flush
 * @data: bytes to write
 * @size: number of bytes
 */
void print_bytes(const char *data, size_t size)
{
	if (fwrite(data, 1, size, stdout) != size || fflush(stdout))
		die("cannot write to standard output: %s", strerror(errno));
}

/**
 * format_age - format the age of a line in at most 7 characters
 * @text:         buffer
 * @size:         size of @text
 * @monotonic_ns: when the line was published; 0: no line
 *
 * Return: @text.
 */
const char *format_age(char *text, size_t size, uint64_t monotonic_ns)
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
 * format_time - format a time as local time with microseconds
 * @text:        buffer
 * @size:        size of @text
 * @realtime_ns: the time (CLOCK_REALTIME)
 *
 * Return: @text.
 */
const char *format_time(char *text, size_t size, uint64_t realtime_ns)
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
