/* SPDX-License-Identifier: GPL-2.0-only */
/* The connection to the broker. */
#ifndef LASTLINE_LINK_H
#define LASTLINE_LINK_H

#include "mqtt.h"

/**
 * struct message - what is published
 * @topic:      where to
 * @payload:    its bytes
 * @size:       how many
 * @qos:        0 or 1
 * @properties: or NULL
 * @overhead:   bytes that these take
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
void link_give_up(struct link *link, const char *why);
void link_tick(struct link *link);
void link_free(struct link *link);

bool link_connected(const struct link *link);
bool link_has_properties(const struct link *link);
unsigned long link_reconnects(const struct link *link);

void link_want(struct link *link, struct outgoing *outgoing);
void link_forget(struct link *link, struct outgoing *outgoing);
int link_publish(struct link *link, struct outgoing *outgoing, const struct message *message);
int link_subscribe(struct link *link, int *mid, const char *topic, int qos);
void link_unsubscribe(struct link *link, const char *topic);

#endif /* LASTLINE_LINK_H */
