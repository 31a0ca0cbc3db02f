// SPDX-License-Identifier: GPL-2.0-only
/*
 * Channels that are published.
 *
 * A channel is in one of these states: there is none; it waits for a line (its source is
 * on); it has a line and waits for its turn; its line is in flight; its interval is not yet
 * over. Only in its turn a line is taken, so that it is the newest there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "link.h"
#include "outgoing.h"
#include "passage.h"

#define HELD_NS		NS_PER_S	/* after a subscription, for what the broker has */
#define REFUSED_NS	(10 * NS_PER_S)	/* until the broker is asked again */

/* Whether lines are looked for at all. */
static void watch(struct outgoing *outgoing, bool on)
{
	if (outgoing->ready)
		check_event(sd_event_source_set_enabled(outgoing->ready,
							on ? SD_EVENT_ON : SD_EVENT_OFF));
}

static int on_line(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct outgoing *outgoing = arg;

	watch(outgoing, false);
	link_want(outgoing->bridge->link, outgoing);
	return 0;
}

static int on_interval(sd_event_source *source, uint64_t usec, void *arg)
{
	watch(arg, true);
	return 0;
}

/* The next line may go, at once or when the interval is over. */
static void go_on(struct outgoing *outgoing)
{
	uint64_t when_ns = outgoing->next_ns;

	if (when_ns < outgoing->held_ns)
		when_ns = outgoing->held_ns;
	if (!outgoing->channel || !link_connected(outgoing->bridge->link) ||
	    when_ns == LASTLINE_FOREVER)
		return;
	if (now_ns(CLOCK_MONOTONIC) >= when_ns) {
		watch(outgoing, true);
		return;
	}
	check_event(sd_event_source_set_time(outgoing->timer, when_ns / 1000 + 1));
	check_event(sd_event_source_set_enabled(outgoing->timer, SD_EVENT_ONESHOT));
}

/*
 * On a channel that is joined to a topic in both directions, what the broker has may be newer
 * than what was here before. Until that is known, nothing goes.
 */
static void hold(struct outgoing *outgoing)
{
	const struct bridge *bridge = outgoing->bridge;

	outgoing->held_ns = 0;
	if (link_has_properties(bridge->link) &&
	    mappings_join(&bridge->settings->subscribe, &outgoing->mapping))
		outgoing->held_ns = LASTLINE_FOREVER;
}

static void close_channel(struct outgoing *outgoing)
{
	link_forget(outgoing->bridge->link, outgoing);
	sd_event_source_disable_unref(outgoing->ready);
	sd_event_source_disable_unref(outgoing->timer);
	lastline_close(outgoing->channel);
	outgoing->ready = NULL;
	outgoing->timer = NULL;
	outgoing->channel = NULL;
}

static void add_sources(struct outgoing *outgoing)
{
	sd_event *event = outgoing->bridge->event;

	check_event(sd_event_add_io(event, &outgoing->ready, lastline_fd(outgoing->channel),
				    EPOLLIN, on_line, outgoing));
	watch(outgoing, false);
	check_event(sd_event_add_time(event, &outgoing->timer, CLOCK_MONOTONIC, 0, 1,
				      on_interval, outgoing));
	check_event(sd_event_source_set_enabled(outgoing->timer, SD_EVENT_OFF));
}

/* Said once, until it was there again. */
static void say_absent(struct outgoing *outgoing, int error)
{
	if (!outgoing->absent)
		channel_error(outgoing->mapping.channel, error);
	outgoing->absent = true;
}

static void open_channel(struct outgoing *outgoing)
{
	struct lastline_info info;
	int ret;

	ret = lastline_open(&outgoing->channel, outgoing->mapping.channel,
			    O_RDONLY | O_NONBLOCK);
	if (ret) {
		say_absent(outgoing, ret);
		return;
	}
	if (outgoing->absent)
		warn("%s: is there now", outgoing->mapping.channel);
	outgoing->absent = false;
	ret = lastline_info(outgoing->channel, &info);
	if (ret) {
		lastline_close(outgoing->channel);
		outgoing->channel = NULL;
		return;
	}
	outgoing->number = info.number;
	outgoing->record = info.mode == LASTLINE_MODE_RECORD;
	add_sources(outgoing);
	go_on(outgoing);
}

/* Where the line comes from; false if it shall not go there. */
static bool trace(struct outgoing *outgoing, const struct lastline_line *line, size_t size,
		  struct journey *journey)
{
	const struct passage *passage;

	passage = passage_find(outgoing->number, line->data, size, line->generation);
	if (!passage) {
		journey_begin(journey, outgoing->bridge->settings->id, outgoing->mapping.channel,
			      line);
		return journey_stop(journey, outgoing->number);
	}
	/* Back to where it came from, or where nobody could see that it comes back. */
	if (!strcmp(passage->topic, outgoing->mapping.topic) ||
	    !link_has_properties(outgoing->bridge->link))
		return false;
	*journey = passage->journey;
	return journey_stop(journey, outgoing->number);
}

/* A line goes without its newline, but an empty payload would mean that there is none. */
static size_t payload_size(const struct outgoing *outgoing, const struct lastline_line *line)
{
	if (!outgoing->record && line->size > 1)
		return line->size - 1;
	return line->size;
}

static int publish(struct outgoing *outgoing, const struct lastline_line *line)
{
	struct link *link = outgoing->bridge->link;
	mosquitto_property *properties = NULL;
	size_t size = payload_size(outgoing, line);
	struct journey journey;
	int ret;

	if (!trace(outgoing, line, size, &journey)) {
		go_on(outgoing);
		return 0;
	}
	if (link_has_properties(link))
		journey_write(&journey, &properties);
	outgoing->held_ns = 0;
	outgoing->sent_ns = line->monotonic_ns;
	outgoing->next_ns = add_ns(now_ns(CLOCK_MONOTONIC), outgoing->mapping.interval_ns);
	outgoing->bytes += size;
	outgoing->sent++;
	ret = link_publish(link, outgoing, &(struct message){
		.topic = outgoing->mapping.topic,
		.payload = line->data,
		.size = size,
		.qos = outgoing->mapping.qos,
		.properties = properties,
		.overhead = journey_size(&journey),
	});
	mosquitto_property_free_all(&properties);
	return ret;
}

static void refuse(struct outgoing *outgoing, const char *why)
{
	outgoing->refused++;
	warn_ratelimited(&outgoing->complaint, "%s: a line does not get to %s: %s",
			 outgoing->mapping.channel, outgoing->mapping.topic, why);
	go_on(outgoing);
}

/**
 * outgoing_turn - send the newest line
 * @outgoing: whose turn it is
 */
void outgoing_turn(struct outgoing *outgoing)
{
	struct lastline_line line;
	int ret;

	ret = lastline_take(outgoing->channel, &line, 0);
	if (ret == -EAGAIN) {
		/* Cleared meanwhile. */
		go_on(outgoing);
		return;
	}
	if (ret) {
		close_channel(outgoing);
		say_absent(outgoing, ret);
		return;
	}
	outgoing->conflated += line.missed;
	ret = publish(outgoing, &line);
	if (ret == MOSQ_ERR_OVERSIZE_PACKET)
		refuse(outgoing, "the broker takes none as large as this");
	/* After other errors the link is about to be lost, and then the line comes again. */
}

/**
 * outgoing_confirmed - the broker answered, or with QoS 0 the kernel has it
 * @outgoing: whose line
 * @reason:   code of MQTT 5
 */
void outgoing_confirmed(struct outgoing *outgoing, int reason)
{
	if (reason >= MQTT_RC_UNSPECIFIED) {
		/* It may be of another mind later. */
		lastline_rewind(outgoing->channel);
		outgoing->next_ns = add_ns(now_ns(CLOCK_MONOTONIC), REFUSED_NS);
		refuse(outgoing, mosquitto_reason_string(reason));
		return;
	}
	outgoing->confirmed++;
	outgoing->lag_ns = now_ns(CLOCK_MONOTONIC) - outgoing->sent_ns;
	if (outgoing->lag_ns > outgoing->lag_max_ns)
		outgoing->lag_max_ns = outgoing->lag_ns;
	go_on(outgoing);
}

/**
 * outgoing_connected - the newest line of each channel goes
 * @bridge: that is connected
 */
void outgoing_connected(struct bridge *bridge)
{
	struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		hold(outgoing);
		go_on(outgoing);
	}
}

/**
 * outgoing_granted - what the broker has of a topic is on its way, or there is nothing
 * @bridge: that subscribed
 * @topic:  to which
 */
void outgoing_granted(struct bridge *bridge, const char *topic)
{
	struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		if (!outgoing->held_ns || strcmp(outgoing->mapping.topic, topic))
			continue;
		outgoing->held_ns = add_ns(now_ns(CLOCK_MONOTONIC), HELD_NS);
		go_on(outgoing);
	}
}

/* Is the line that was held newer than what the broker has? If not it is done with. */
static bool is_newer(struct outgoing *outgoing, const struct mosquitto_message *message,
		     uint64_t time_ns)
{
	struct lastline_line line;
	size_t size;

	outgoing->held_ns = 0;
	if (lastline_take(outgoing->channel, &line, 0))
		return false;
	size = payload_size(outgoing, &line);
	if (!time_ns || line.realtime_ns <= time_ns ||
	    (size == (size_t)message->payloadlen && !memcmp(line.data, message->payload, size)))
		return false;
	lastline_rewind(outgoing->channel);
	return true;
}

/**
 * outgoing_settles - a message came on a topic that its channel is also published to
 * @bridge:  that got it
 * @number:  of the channel
 * @message: it
 * @time_ns: when it was published first, CLOCK_REALTIME; 0: nobody knows
 *
 * Return: whether the channel has a newer line that waited for this, and goes now.
 */
bool outgoing_settles(struct bridge *bridge, int number, const struct mosquitto_message *message,
		      uint64_t time_ns)
{
	struct outgoing *outgoing;
	bool newer = false;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		if (!outgoing->channel || !outgoing->held_ns || outgoing->number != number ||
		    strcmp(outgoing->mapping.topic, message->topic))
			continue;
		newer |= is_newer(outgoing, message, time_ns);
		go_on(outgoing);
	}
	return newer;
}

/**
 * outgoing_lost - nothing goes for a while, and nobody knows what has arrived
 * @bridge: that is not connected any more
 *
 * Not even what was confirmed: a broker that starts anew may have forgotten it.
 */
void outgoing_lost(struct bridge *bridge)
{
	struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		link_forget(bridge->link, outgoing);
		if (!outgoing->channel)
			continue;
		watch(outgoing, false);
		check_event(sd_event_source_set_enabled(outgoing->timer, SD_EVENT_OFF));
		lastline_rewind(outgoing->channel);
	}
}

/**
 * outgoing_tick - look for channels that were not there
 * @bridge: whose
 */
void outgoing_tick(struct bridge *bridge)
{
	struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		if (!outgoing->channel)
			open_channel(outgoing);
	}
}

/**
 * outgoing_has - is a channel published?
 * @bridge: by whom
 * @number: of the channel
 *
 * Return: whether it is.
 */
bool outgoing_has(const struct bridge *bridge, int number)
{
	const struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		if (outgoing->channel && outgoing->number == number)
			return true;
	}
	return false;
}

/**
 * outgoing_has_name - is a channel published?
 * @bridge:  by whom
 * @channel: its name
 *
 * Return: whether it is.
 */
bool outgoing_has_name(const struct bridge *bridge, const char *channel)
{
	const struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		if (!strcmp(outgoing->mapping.channel, channel))
			return true;
	}
	return false;
}

/* Takes it out of the list, if it is there. */
static struct outgoing *take_out(struct outgoing **list, const struct mapping *mapping)
{
	struct outgoing **place, *found;

	for (place = list; (found = *place); place = &found->next) {
		if (mapping_same(&found->mapping, mapping)) {
			*place = found->next;
			return found;
		}
	}
	return NULL;
}

static struct outgoing *new(struct bridge *bridge, const struct mapping *mapping)
{
	struct outgoing *outgoing = calloc(1, sizeof(*outgoing));

	if (!outgoing)
		die("out of memory");
	outgoing->mapping = mapping_copy(mapping);
	outgoing->bridge = bridge;
	hold(outgoing);
	return outgoing;
}

/**
 * outgoing_set - which channels are published from now on
 * @bridge:   by whom
 * @mappings: them; what is there already goes on as it is
 */
void outgoing_set(struct bridge *bridge, const struct mappings *mappings)
{
	struct outgoing *old = bridge->outgoing, *outgoing, **end;
	size_t i;

	end = &bridge->outgoing;
	for (i = 0; i < mappings->count; i++) {
		outgoing = take_out(&old, &mappings->list[i]);
		*end = outgoing ? outgoing : new(bridge, &mappings->list[i]);
		end = &(*end)->next;
	}
	*end = NULL;
	while (old) {
		outgoing = old;
		old = old->next;
		close_channel(outgoing);
		mapping_free(&outgoing->mapping);
		free(outgoing);
	}
	outgoing_tick(bridge);
}

static json_t *one_json(const struct outgoing *outgoing)
{
	return json_pack("{s:s, s:s, s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "channel", outgoing->mapping.channel, "topic", outgoing->mapping.topic,
			 "qos", outgoing->mapping.qos, "there", !!outgoing->channel,
			 "sent", (json_int_t)outgoing->sent,
			 "confirmed", (json_int_t)outgoing->confirmed,
			 "conflated", (json_int_t)outgoing->conflated,
			 "refused", (json_int_t)outgoing->refused,
			 "bytes", (json_int_t)outgoing->bytes,
			 "lag_ns", (json_int_t)outgoing->lag_ns,
			 "lag_max_ns", (json_int_t)outgoing->lag_max_ns);
}

/**
 * outgoing_json - what came of them
 * @bridge: whose
 *
 * Return: an array.
 */
json_t *outgoing_json(const struct bridge *bridge)
{
	json_t *array = json_array();
	const struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next)
		json_array_append_new(array, one_json(outgoing));
	return array;
}
