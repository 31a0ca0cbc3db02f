/* SPDX-License-Identifier: GPL-2.0-only */
/* Subscribed topics */
#ifndef LASTLINE_INCOMING_H
#define LASTLINE_INCOMING_H

#include <jansson.h>

#include "mqtt.h"

struct incoming_list *incoming_new(void);
void incoming_free(struct incoming_list *list);
void incoming_set(struct bridge *bridge, const struct mappings *mappings);
void incoming_tick(struct bridge *bridge);
void incoming_connected(struct bridge *bridge);
void incoming_subscribed(struct bridge *bridge, int mid, int qos);
void incoming_message(struct bridge *bridge, const struct mosquitto_message *message,
		      const mosquitto_property *properties);
json_t *incoming_json(const struct bridge *bridge);

#endif /* LASTLINE_INCOMING_H */
