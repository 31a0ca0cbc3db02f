/* SPDX-License-Identifier: GPL-2.0-only */
/* The connection to the broker. */
#ifndef LASTLINE_LINK_H
#define LASTLINE_LINK_H

#include "mqtt.h"

/**
 * struct message - a message to publish
 * @topic:      topic
 * @payload:    payload
 * @size:       bytes of payload
 * @qos:        0 or 1
 * @properties: message properties, or NULL
 * @overhead:   upper limit of the bytes that the properties add to the packet
 */
struct message {
	const char *topic;
	const void *payload;
	size_t size;
	int qos;
	const mosquitto_property *properties;
	size_t overhead;
};

struct link *link_new(struct bridge *bridge);
void link_open(struct link *link);
void link_close(struct link *link);
void link_reconnect(struct link *link, const char *why);
void link_tick(struct link *link);
void link_free(struct link *link);

bool link_is_connected(const struct link *link);
bool link_is_mqtt5(const struct link *link);
unsigned long link_reconnects(const struct link *link);

void link_queue(struct link *link, struct outgoing *outgoing);
void link_cancel(struct link *link, struct outgoing *outgoing);
int link_publish(struct link *link, struct outgoing *outgoing, const struct message *message);
int link_subscribe(struct link *link, int *mid, const char *topic, int qos);
void link_unsubscribe(struct link *link, const char *topic);

#endif /* LASTLINE_LINK_H */
