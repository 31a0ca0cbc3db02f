/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a line comes from and which channels it was in, as it travels with it. */
#ifndef LASTLINE_JOURNEY_H
#define LASTLINE_JOURNEY_H

#include <mosquitto.h>
#include <stdbool.h>
#include <stdint.h>

#include "lastline.h"

#define JOURNEY_HOPS	8	/* channels that a line may pass; more are taken for a loop */
#define JOURNEY_ORIGIN	192	/* bytes of an origin, its final 0 included */
#define JOURNEY_PLACE	32	/* of a place */

/**
 * struct journey - a line's
 * @origin:     ID/CHANNEL of the bridge that published it first; "": from somebody else
 * @generation: there
 * @time_ns:    when it was published on that channel, CLOCK_REALTIME
 * @places:     the channels it was in, as BOOT/NUMBER
 * @hops:       how many; more than JOURNEY_HOPS, if there were too many
 */
struct journey {
	char origin[JOURNEY_ORIGIN];
	uint64_t generation;
	uint64_t time_ns;
	char places[JOURNEY_HOPS][JOURNEY_PLACE];
	unsigned int hops;
};

void journey_begin(struct journey *journey, const char *id, const char *channel,
		   const struct lastline_line *line);
bool journey_stop(struct journey *journey, int number);
void journey_write(const struct journey *journey, mosquitto_property **properties);
size_t journey_size(const struct journey *journey);
void journey_read(struct journey *journey, const mosquitto_property *properties);
bool journey_visited(const struct journey *journey, int number);
bool journey_same(const struct journey *a, const struct journey *b);

#endif /* LASTLINE_JOURNEY_H */
