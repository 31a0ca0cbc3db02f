// SPDX-License-Identifier: GPL-2.0-only
/* Errors of the libraries that nothing can be done about. */
#include <errno.h>
#include <string.h>

#include "mqtt.h"

/**
 * check - an error that nothing can be done about ends the program
 * @error: of libmosquitto; 0: none
 */
void check(int error)
{
	if (error)
		die("%s", error == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(error));
}

/**
 * check_event - likewise
 * @error: of sd_event; negative, if it is one
 */
void check_event(int error)
{
	if (error < 0)
		die("%s", strerror(-error));
}
