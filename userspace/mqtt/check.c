// SPDX-License-Identifier: GPL-2.0-only
/* Errors of libraries that end the program. */
#include <errno.h>
#include <string.h>

#include "mqtt.h"

/**
 * check_mosq - exit if a call that cannot be retried failed
 * @error: return value of a libmosquitto function
 */
void check_mosq(int error)
{
	if (error)
		die("libmosquitto failed: %s",
		    error == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(error));
}

/**
 * check_event - exit if a call that cannot be retried failed
 * @error: return value of an sd_event function
 */
void check_event(int error)
{
	if (error < 0)
		die("the event loop failed: %s", strerror(-error));
}
