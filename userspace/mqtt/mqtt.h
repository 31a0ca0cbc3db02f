/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of lastline-mqtt(1) share.
 *
 * One thread, one sd_event loop. No line is taken from a channel before it can be sent:
 * what waits, waits in the driver, which keeps the newest line and nothing else.
 */
#ifndef LASTLINE_MQTT_H
#define LASTLINE_MQTT_H

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <systemd/sd-event.h>

#include "deadline.h"
#include "errors.h"
#include "lastline.h"
#include "new_channel.h"
#include "options.h"
#include "parse.h"
#include "util.h"

struct journey;
struct outgoing;

/**
 * struct mapping - a channel and a topic that are joined
 * @channel:     as lastline_open() takes it; with a * where @topic has wildcards
 * @topic:       the topic, or what to subscribe to
 * @interval_ns: from one line to the next at least; 0: no limit
 * @qos:         0 or 1
 */
struct mapping {
	char *channel;
	char *topic;
	uint64_t interval_ns;
	int qos;
};

/**
 * struct mappings - several
 * @list:  them
 * @count: how many
 */
struct mappings {
	struct mapping *list;
	size_t count;
};

/**
 * struct settings - what the command line and the file ask for
 * @broker:        as it was given
 * @host:          of the broker
 * @port:          of the broker
 * @tls:           whether to speak TLS
 * @id:            name of this bridge at the broker, and as an origin of lines
 * @user:          or NULL
 * @password_file: its first line; or NULL
 * @ca_file:       who may have signed the broker's certificate; NULL: who the system trusts
 * @cert_file:     our own certificate, or NULL
 * @key_file:      its key, or NULL
 * @state_topic:   gets "online" and "offline"; "": none
 * @keepalive:     seconds, half of the time until a silent broker counts as gone
 * @max_lag_ns:    received lines that are so late mean a queue at the broker; 0: never
 * @max_channels:  how many wildcards may fill
 * @publish:       channels to publish
 * @subscribe:     topics to subscribe to
 * @status:        only ask a bridge that runs
 * @json:          for programs
 */
struct settings {
	char *broker;
	char *host;
	int port;
	bool tls;
	char *id;
	char *user;
	char *password_file;
	char *ca_file;
	char *cert_file;
	char *key_file;
	char *state_topic;
	int keepalive;
	uint64_t max_lag_ns;
	unsigned long max_channels;
	struct mappings publish;
	struct mappings subscribe;
	bool status;
	bool json;
};

/**
 * struct bridge - the whole of it
 * @settings: what is asked for
 * @event:    the loop
 * @link:     to the broker
 * @outgoing: channels that are published, a list
 * @incoming: topics that are subscribed to
 * @status:   who asks for the metrics
 * @began_ns: CLOCK_MONOTONIC
 */
struct bridge {
	struct settings *settings;
	sd_event *event;
	struct link *link;
	struct outgoing *outgoing;
	struct incoming_list *incoming;
	struct status *status;
	uint64_t began_ns;
};

/* settings.c */
extern const struct command mqtt_command;

struct settings *settings_parse(int argc, char **argv);
struct settings *settings_again(int argc, char **argv);
void settings_free(struct settings *settings);
bool settings_same_link(const struct settings *a, const struct settings *b);
bool mappings_join(const struct mappings *mappings, const struct mapping *mapping);
bool mapping_same(const struct mapping *a, const struct mapping *b);
struct mapping mapping_copy(const struct mapping *mapping);
void mapping_free(struct mapping *mapping);

/* seldom.c */
void check(int error);
void check_event(int error);

#endif /* LASTLINE_MQTT_H */
