/* SPDX-License-Identifier: GPL-2.0-only */
/* The origin of a line and the channels it has passed through, sent as message properties. */
#ifndef LASTLINE_ORIGIN_H
#define LASTLINE_ORIGIN_H

#include <mosquitto.h>
#include <stdbool.h>
#include <stdint.h>

#include "lastline.h"

#define ORIGIN_HOPS_MAX		8	/* a line with more hops is in a loop */
#define ORIGIN_SOURCE_SIZE	192	/* bytes, including the final NUL */
#define ORIGIN_HOP_SIZE		32

/**
 * struct origin - where a line comes from
 * @source:     ID/CHANNEL of the first bridge; "" if another MQTT client sent the line
 * @generation: generation of the line on that channel
 * @time_ns:    time of publication on that channel, CLOCK_REALTIME; 0 if unknown
 * @hops:       channels the line has passed through, as BOOT/NUMBER
 * @hop_count:  number of hops; larger than ORIGIN_HOPS_MAX if there were too many
 */
struct origin {
	char source[ORIGIN_SOURCE_SIZE];
	uint64_t generation;
	uint64_t time_ns;
	char hops[ORIGIN_HOPS_MAX][ORIGIN_HOP_SIZE];
	unsigned int hop_count;
};

void origin_init(struct origin *origin, const char *id, const char *channel,
		 const struct lastline_line *line);
bool origin_add_hop(struct origin *origin, int number);
void origin_to_properties(const struct origin *origin, mosquitto_property **properties);
size_t origin_properties_size(const struct origin *origin);
void origin_from_properties(struct origin *origin, const mosquitto_property *properties);
bool origin_is_loop(const struct origin *origin, int number);
bool origin_equal(const struct origin *a, const struct origin *b);

#endif /* LASTLINE_ORIGIN_H */
