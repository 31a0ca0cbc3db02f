/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the parts of lastline-mqtt(1).
 *
 * There is one thread with one sd_event loop. A channel is read only when its line can be
 * sent. Until then the line stays in the driver, which keeps only the newest one.
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

struct origin;
struct outgoing;

/**
 * struct mapping - a channel and the topic it is connected to
 * @channel:     name or number, as for lastline_open(); contains a * if @topic has wildcards
 * @topic:       topic to publish to, or topic filter to subscribe to
 * @interval_ns: minimum time between two lines; 0 means no limit
 * @qos:         0 or 1
 */
struct mapping {
	char *channel;
	char *topic;
	uint64_t interval_ns;
	int qos;
};

/**
 * struct mappings - an array of mappings
 * @list:  the elements
 * @count: number of elements
 */
struct mappings {
	struct mapping *list;
	size_t count;
};

/**
 * struct settings - settings from the command line and the configuration file
 * @broker:        URL of the broker, as given
 * @host:          host name or address of the broker
 * @port:          TCP port of the broker
 * @tls:           connect with TLS
 * @id:            MQTT client identifier, also the first part of each line's origin
 * @user:          user name at the broker, or NULL
 * @password_file: file with the password in its first line, or NULL
 * @ca_file:       trusted certificate authorities; NULL means those of the system
 * @cert_file:     client certificate, or NULL
 * @key_file:      private key of the client certificate, or NULL
 * @state_topic:   topic for "online" and "offline"; "" means none
 * @keepalive:     MQTT keepalive in seconds
 * @max_lag_ns:    reconnect when lines are this much later than the fastest; 0 means never
 * @max_channels:  maximum number of channels for topics that match wildcards
 * @publish:       mappings of --publish
 * @subscribe:     mappings of --subscribe
 * @status:        print the metrics of the running bridge and exit
 * @json:          print them as JSON
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
 * struct bridge - the state of the program
 * @settings:   current settings
 * @event:      event loop
 * @link:       connection to the broker
 * @outgoing:   list of published channels
 * @incoming:   subscribed topics
 * @status:     server for the metrics, or NULL
 * @started_ns: start time, CLOCK_MONOTONIC
 */
struct bridge {
	struct settings *settings;
	sd_event *event;
	struct link *link;
	struct outgoing *outgoing;
	struct incoming_list *incoming;
	struct status *status;
	uint64_t started_ns;
};

/* settings.c */
extern const struct command mqtt_command;

struct settings *settings_parse(int argc, char **argv);
struct settings *settings_reload(int argc, char **argv);
void settings_free(struct settings *settings);
bool settings_same_connection(const struct settings *a, const struct settings *b);
bool mappings_contain(const struct mappings *mappings, const struct mapping *mapping);
bool mapping_equal(const struct mapping *a, const struct mapping *b);
struct mapping mapping_copy(const struct mapping *mapping);
void mapping_free(struct mapping *mapping);

/* check.c */
void check_mosq(int error);
void check_event(int error);

#endif /* LASTLINE_MQTT_H */
