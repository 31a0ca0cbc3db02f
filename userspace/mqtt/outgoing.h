/* SPDX-License-Identifier: GPL-2.0-only */
/* Channels that are published. */
#ifndef LASTLINE_OUTGOING_H
#define LASTLINE_OUTGOING_H

#include <jansson.h>
#include <sys/queue.h>

#include "journey.h"
#include "mqtt.h"

/**
 * struct turn - what the link knows of a channel
 * @entry:  its place among those who wait until a line can go
 * @queued: whether it has one
 * @mid:    id of its message that is in flight; 0: none
 */
struct turn {
	TAILQ_ENTRY(outgoing) entry;
	bool queued;
	int mid;
};

/**
 * struct outgoing - a channel that is published
 * @mapping:     which, and where to
 * @bridge:      of which it is a part
 * @channel:     NULL while there is none
 * @number:      of the channel
 * @record:      it has records, not lines
 * @absent:      that there is none was said
 * @ready:       source: there is a line to take; off while none may be sent
 * @timer:       source: the interval is over
 * @next_ns:     not again before, CLOCK_MONOTONIC
 * @sent_ns:     when the line in flight was published on the channel, CLOCK_MONOTONIC
 * @held_ns:     not before that, CLOCK_MONOTONIC: the broker may have something newer
 * @turn:        the link's
 * @sent:        messages given to the broker
 * @confirmed:   of these, those that it has; with QoS 0, that libmosquitto has
 * @conflated:   lines that were overwritten before
 * @refused:     lines that did not go, or that the broker would not have
 * @bytes:       of payload
 * @lag_ns:      from publication on the channel until confirmed, of the last one
 * @lag_max_ns:  the largest
 * @complaint:   about refused ones
 * @next:        in the list
 */
struct outgoing {
	struct mapping mapping;
	struct bridge *bridge;
	struct lastline *channel;
	int number;
	bool record;
	bool absent;
	sd_event_source *ready;
	sd_event_source *timer;
	uint64_t next_ns;
	uint64_t sent_ns;
	uint64_t held_ns;
	struct turn turn;
	unsigned long sent, confirmed, conflated, refused, bytes;
	uint64_t lag_ns, lag_max_ns;
	struct log_ratelimit complaint;
	struct outgoing *next;
};

void outgoing_set(struct bridge *bridge, const struct mappings *mappings);
void outgoing_tick(struct bridge *bridge);
void outgoing_connected(struct bridge *bridge);
void outgoing_lost(struct bridge *bridge);
void outgoing_turn(struct outgoing *outgoing);
void outgoing_confirmed(struct outgoing *outgoing, int reason);
void outgoing_granted(struct bridge *bridge, const char *topic);
bool outgoing_settles(struct bridge *bridge, int number, const struct mosquitto_message *message,
		      uint64_t time_ns);
bool outgoing_has(const struct bridge *bridge, int number);
bool outgoing_has_name(const struct bridge *bridge, const char *channel);
json_t *outgoing_json(const struct bridge *bridge);

#endif /* LASTLINE_OUTGOING_H */
