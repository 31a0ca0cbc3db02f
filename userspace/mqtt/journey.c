// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a line comes from and which channels it was in: MQTT 5 user properties.
 *
 *	lastline-origin		ID/CHANNEL
 *	lastline-generation	of that channel
 *	lastline-time		nanoseconds, CLOCK_REALTIME
 *	lastline-via		BOOT/NUMBER, once for each channel on the way
 *
 * By the last one a bridge knows a line that is about to come back to where it was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journey.h"
#include "mqtt.h"

#define ORIGIN		"lastline-origin"
#define GENERATION	"lastline-generation"
#define TIME		"lastline-time"
#define VIA		"lastline-via"
#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define BOOT_DIGITS	16	/* of the boot's 128 bits half are enough to be told apart */

/* The boot that this is, and with it the machine. */
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
		die("%s: %s", BOOT_ID, strerror(errno));
	while (digits < BOOT_DIGITS && (c = getc(file)) != EOF) {
		if (c != '-')
			id[digits++] = c;
	}
	fclose(file);
	return id;
}

static void place_text(char place[JOURNEY_PLACE], int number)
{
	snprintf(place, JOURNEY_PLACE, "%s/%d", this_boot(), number);
}

/**
 * journey_begin - of a line that was published here
 * @journey: gets it, without a place
 * @id:      of this bridge
 * @channel: as the user named it
 * @line:    the line
 */
void journey_begin(struct journey *journey, const char *id, const char *channel,
		   const struct lastline_line *line)
{
	*journey = (struct journey){
		.generation = line->generation,
		.time_ns = line->realtime_ns,
	};
	snprintf(journey->origin, sizeof(journey->origin), "%s/%s", id, channel);
}

/**
 * journey_stop - a channel on its way
 * @journey: of the line
 * @number:  of the channel
 *
 * Return: false if it has been in too many already.
 */
bool journey_stop(struct journey *journey, int number)
{
	if (journey->hops >= JOURNEY_HOPS)
		return false;
	place_text(journey->places[journey->hops++], number);
	return true;
}

static void add(mosquitto_property **properties, const char *name, const char *value)
{
	check(mosquitto_property_add_string_pair(properties, MQTT_PROP_USER_PROPERTY, name,
						 value));
}

/**
 * journey_write - as properties of a message
 * @journey:    it
 * @properties: get it; to be freed by mosquitto_property_free_all()
 */
void journey_write(const struct journey *journey, mosquitto_property **properties)
{
	char number[24];
	unsigned int i;

	if (*journey->origin) {
		add(properties, ORIGIN, journey->origin);
		snprintf(number, sizeof(number), "%llu",
			 (unsigned long long)journey->generation);
		add(properties, GENERATION, number);
		snprintf(number, sizeof(number), "%llu",
			 (unsigned long long)journey->time_ns);
		add(properties, TIME, number);
	}
	for (i = 0; i < journey->hops; i++)
		add(properties, VIA, journey->places[i]);
}

/* A property of that name, with all that it takes in a packet. */
static size_t property_size(const char *name, size_t value)
{
	return 1 + 2 + strlen(name) + 2 + value;
}

/**
 * journey_size - how much properties make a message longer
 * @journey: as which
 *
 * Return: bytes, at most.
 */
size_t journey_size(const struct journey *journey)
{
	size_t number = 20;	/* digits of 64 bits */

	return property_size(ORIGIN, strlen(journey->origin)) +
		property_size(GENERATION, number) + property_size(TIME, number) +
		journey->hops * property_size(VIA, JOURNEY_PLACE);
}

/* What does not fit is none of ours. */
static void read_one(struct journey *journey, const char *name, const char *value)
{
	if (!strcmp(name, ORIGIN) && strlen(value) < JOURNEY_ORIGIN) {
		strcpy(journey->origin, value);
	} else if (!strcmp(name, GENERATION)) {
		journey->generation = strtoull(value, NULL, 10);
	} else if (!strcmp(name, TIME)) {
		journey->time_ns = strtoull(value, NULL, 10);
	} else if (!strcmp(name, VIA) && strlen(value) < JOURNEY_PLACE) {
		if (journey->hops < JOURNEY_HOPS)
			strcpy(journey->places[journey->hops], value);
		if (journey->hops <= JOURNEY_HOPS)
			journey->hops++;
	}
}

/**
 * journey_read - out of a message's properties
 * @journey:    gets it; of a message without such properties an empty one
 * @properties: them, or NULL
 */
void journey_read(struct journey *journey, const mosquitto_property *properties)
{
	char *name, *value;
	bool again = false;

	*journey = (struct journey){};
	for (;;) {
		properties = mosquitto_property_read_string_pair(properties,
								 MQTT_PROP_USER_PROPERTY,
								 &name, &value, again);
		if (!properties)
			return;
		read_one(journey, name, value);
		free(name);
		free(value);
		again = true;
	}
}

/**
 * journey_visited - is a channel one that it was in, or was it in too many?
 * @journey: of the line
 * @number:  of the channel
 *
 * Return: whether it is going round.
 */
bool journey_visited(const struct journey *journey, int number)
{
	char place[JOURNEY_PLACE];
	unsigned int i;

	if (journey->hops > JOURNEY_HOPS)
		return true;
	place_text(place, number);
	for (i = 0; i < journey->hops; i++) {
		if (!strcmp(journey->places[i], place))
			return true;
	}
	return false;
}

/**
 * journey_same - are these the same publication?
 * @a: one
 * @b: another one
 *
 * A generation alone may come again, after the driver was loaded anew.
 *
 * Return: whether they are; of lines without an origin nobody knows.
 */
bool journey_same(const struct journey *a, const struct journey *b)
{
	return *a->origin && a->generation == b->generation && a->time_ns == b->time_ns &&
	       !strcmp(a->origin, b->origin);
}
