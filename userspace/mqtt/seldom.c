// SPDX-License-Identifier: GPL-2.0-only
/* What is said at a rate that people can read. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "mqtt.h"

#define APART_NS	(60 * NS_PER_S)

/**
 * complain_seldom - as complain(), but once a minute
 * @seldom: of whom, and about what
 * @format: as of printf()
 */
void complain_seldom(struct seldom *seldom, const char *format, ...)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	char text[512];
	va_list args;

	if (now < seldom->next_ns) {
		seldom->held++;
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (seldom->held)
		complain("%s (and %lu times before)", text, seldom->held);
	else
		complain("%s", text);
	*seldom = (struct seldom){ .next_ns = now + APART_NS };
}

/**
 * check - an error that nothing can be done about ends the program
 * @error: of libmosquitto; 0: none
 */
void check(int error)
{
	if (error)
		give_up("%s", error == MOSQ_ERR_ERRNO ? strerror(errno) :
			mosquitto_strerror(error));
}

/**
 * check_event - likewise
 * @error: of sd_event; negative, if it is one
 */
void check_event(int error)
{
	if (error < 0)
		give_up("%s", strerror(-error));
}
