/* SPDX-License-Identifier: GPL-2.0-only */
/* Published channels */
#ifndef LASTLINE_OUTGOING_H
#define LASTLINE_OUTGOING_H

#include <jansson.h>
#include <sys/queue.h>

#include "origin.h"
#include "mqtt.h"

/**
 * struct send_state - what the link needs to know about a channel
 * @entry:  entry in the queue of channels that have a line to send
 * @queued: @entry is in that queue
 * @mid:    ID of the message in flight; 0 means none
 */
struct send_state {
	TAILQ_ENTRY(outgoing) entry;
	bool queued;
	int mid;
};

/**
 * struct outgoing - a published channel
 * @mapping:       channel, topic and their settings
 * @bridge:        bridge that the channel belongs to
 * @channel:       open channel; NULL while it does not exist
 * @number:        number of the channel
 * @record:        the channel has records, not lines
 * @missing:       a warning that the channel does not exist was printed
 * @ready:         event source: the channel has an unseen line; off while none may be sent
 * @timer:         event source: the next line may be sent
 * @next_ns:       earliest time of the next line, CLOCK_MONOTONIC
 * @sent_ns:       time of publication of the line in flight, CLOCK_MONOTONIC
 * @hold_until_ns: send nothing before, because the broker may have a newer line; 0 means
 *                 no hold, LASTLINE_FOREVER until the broker has confirmed the subscription
 * @send:          state for the link
 * @sent:          messages sent to the broker
 * @confirmed:     messages confirmed by the broker; with QoS 0, accepted by libmosquitto
 * @conflated:     lines overwritten before they could be sent
 * @refused:       lines that were too large or refused by the broker
 * @bytes:         bytes of payload sent
 * @lag_ns:        time from publication to confirmation of the last line
 * @lag_max_ns:    largest @lag_ns
 * @ratelimit:     rate limit for warnings about refused lines
 * @next:          next list element
 */
struct outgoing {
	struct mapping mapping;
	struct bridge *bridge;
	struct lastline *channel;
	int number;
	bool record;
	bool missing;
	sd_event_source *ready;
	sd_event_source *timer;
	uint64_t next_ns;
	uint64_t sent_ns;
	uint64_t hold_until_ns;
	struct send_state send;
	unsigned long sent, confirmed, conflated, refused, bytes;
	uint64_t lag_ns, lag_max_ns;
	struct log_ratelimit ratelimit;
	struct outgoing *next;
};

void outgoing_set(struct bridge *bridge, const struct mappings *mappings);
void outgoing_tick(struct bridge *bridge);
void outgoing_connected(struct bridge *bridge);
void outgoing_disconnected(struct bridge *bridge);
void outgoing_send(struct outgoing *outgoing);
void outgoing_confirmed(struct outgoing *outgoing, int reason);
void outgoing_subscribed(struct bridge *bridge, const char *topic);
bool outgoing_resolve_hold(struct bridge *bridge, int number,
			   const struct mosquitto_message *message, uint64_t time_ns);
bool outgoing_has_number(const struct bridge *bridge, int number);
bool outgoing_has_name(const struct bridge *bridge, const char *channel);
json_t *outgoing_json(const struct bridge *bridge);

#endif /* LASTLINE_OUTGOING_H */
