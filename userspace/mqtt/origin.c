// SPDX-License-Identifier: GPL-2.0-only
/*
 * The origin of a line and the channels it has passed through, as MQTT 5 user properties:
 *
 *	lastline-origin		ID/CHANNEL of the first bridge
 *	lastline-generation	generation of the line on that channel
 *	lastline-time		time of publication there, CLOCK_REALTIME in nanoseconds
 *	lastline-via		BOOT/NUMBER, once for each of these channels
 *
 * A bridge drops a line that has already passed through the channel it is for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mqtt.h"
#include "origin.h"

#define ORIGIN		"lastline-origin"
#define GENERATION	"lastline-generation"
#define TIME		"lastline-time"
#define VIA		"lastline-via"
#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define BOOT_DIGITS	16	/* half of the 128 bits are enough to distinguish boots */

/* The first digits of the boot ID, which also identify the machine. */
static const char *this_boot(void)
{
	static char id[BOOT_DIGITS + 1];
	unsigned int digits = 0;
	FILE *file;
	int c;

	if (*id)
		return id;
	file = fopen(BOOT_ID, "re");
	if (!file)
		die("cannot read %s: %s", BOOT_ID, strerror(errno));
	while (digits < BOOT_DIGITS && (c = getc(file)) != EOF) {
		if (c != '-')
			id[digits++] = c;
	}
	fclose(file);
	/* A shorter one could be that of another machine, too. */
	if (digits < BOOT_DIGITS)
		die("cannot read %s: it is too short", BOOT_ID);
	return id;
}

static void format_hop(char hop[ORIGIN_HOP_SIZE], int number)
{
	snprintf(hop, ORIGIN_HOP_SIZE, "%s/%d", this_boot(), number);
}

/**
 * origin_init - set the origin of a line that was published on this machine
 * @origin:  result, without a hop
 * @id:      identifier of this bridge
 * @channel: channel, as named in the settings
 * @line:    the line
 */
void origin_init(struct origin *origin, const char *id, const char *channel,
		 const struct lastline_line *line)
{
	*origin = (struct origin){
		.generation = line->generation,
		.time_ns = line->realtime_ns,
	};
	snprintf(origin->source, sizeof(origin->source), "%s/%s", id, channel);
}

/**
 * origin_add_hop - record that the line passes a channel of this machine
 * @origin: origin of the line
 * @number: number of the channel
 *
 * Return: false if the line has passed through too many channels already.
 */
bool origin_add_hop(struct origin *origin, int number)
{
	if (origin->hop_count >= ORIGIN_HOPS_MAX)
		return false;
	format_hop(origin->hops[origin->hop_count++], number);
	return true;
}

static void add(mosquitto_property **properties, const char *name, const char *value)
{
	check_mosq(mosquitto_property_add_string_pair(properties, MQTT_PROP_USER_PROPERTY, name,
						      value));
}

/**
 * origin_to_properties - add an origin to the properties of a message
 * @origin:     the origin
 * @properties: list to add to; the caller frees it with mosquitto_property_free_all()
 */
void origin_to_properties(const struct origin *origin, mosquitto_property **properties)
{
	char number[24];
	unsigned int i;

	if (*origin->source) {
		add(properties, ORIGIN, origin->source);
		snprintf(number, sizeof(number), "%llu",
			 (unsigned long long)origin->generation);
		add(properties, GENERATION, number);
		snprintf(number, sizeof(number), "%llu",
			 (unsigned long long)origin->time_ns);
		add(properties, TIME, number);
	}
	for (i = 0; i < origin->hop_count; i++)
		add(properties, VIA, origin->hops[i]);
}

/* Bytes of one user property in a packet. */
static size_t property_size(const char *name, size_t value)
{
	return 1 + 2 + strlen(name) + 2 + value;
}

/**
 * origin_properties_size - size of the properties in a packet
 * @origin: the origin
 *
 * Return: an upper limit in bytes.
 */
size_t origin_properties_size(const struct origin *origin)
{
	size_t number = 20;	/* digits of 64 bits */

	return property_size(ORIGIN, strlen(origin->source)) +
		property_size(GENERATION, number) + property_size(TIME, number) +
		origin->hop_count * property_size(VIA, ORIGIN_HOP_SIZE);
}

/* Ignores values that are longer than any that a bridge sends. */
static void read_property(struct origin *origin, const char *name, const char *value)
{
	if (!strcmp(name, ORIGIN) && strlen(value) < ORIGIN_SOURCE_SIZE) {
		strcpy(origin->source, value);
	} else if (!strcmp(name, GENERATION)) {
		origin->generation = strtoull(value, NULL, 10);
	} else if (!strcmp(name, TIME)) {
		origin->time_ns = strtoull(value, NULL, 10);
	} else if (!strcmp(name, VIA) && strlen(value) < ORIGIN_HOP_SIZE) {
		if (origin->hop_count < ORIGIN_HOPS_MAX)
			strcpy(origin->hops[origin->hop_count], value);
		if (origin->hop_count <= ORIGIN_HOPS_MAX)
			origin->hop_count++;
	}
}

/**
 * origin_from_properties - read an origin from the properties of a message
 * @origin:     result; empty if the message has no such properties
 * @properties: properties, or NULL
 */
void origin_from_properties(struct origin *origin, const mosquitto_property *properties)
{
	char *name, *value;
	bool skip_first = false;

	*origin = (struct origin){};
	for (;;) {
		properties = mosquitto_property_read_string_pair(properties,
								 MQTT_PROP_USER_PROPERTY,
								 &name, &value, skip_first);
		if (!properties)
			return;
		read_property(origin, name, value);
		free(name);
		free(value);
		skip_first = true;
	}
}

/**
 * origin_is_loop - check whether a line must not be published on a channel
 * @origin: origin of the line
 * @number: number of the channel
 *
 * Return: true if the line has passed through the channel, or through too many channels.
 */
bool origin_is_loop(const struct origin *origin, int number)
{
	char hop[ORIGIN_HOP_SIZE];
	unsigned int i;

	if (origin->hop_count > ORIGIN_HOPS_MAX)
		return true;
	format_hop(hop, number);
	for (i = 0; i < origin->hop_count; i++) {
		if (!strcmp(origin->hops[i], hop))
			return true;
	}
	return false;
}

/**
 * origin_equal - check whether two messages carry the same publication
 * @a: origin of the first message
 * @b: origin of the second message
 *
 * Compares the time, too: generations start again when the driver is reloaded.
 *
 * Return: true if they do; always false for messages without an origin.
 */
bool origin_equal(const struct origin *a, const struct origin *b)
{
	return *a->source && a->generation == b->generation && a->time_ns == b->time_ns &&
	       !strcmp(a->source, b->source);
}
