// SPDX-License-Identifier: GPL-2.0-only
/*
 * Published channels.
 *
 * A channel is in one of these states: missing; waiting for a line (@ready is on); in the
 * queue of the link; its line is in flight; waiting for the end of its interval. The line
 * is read when the channel leaves the queue, so it is the newest one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "forward.h"
#include "link.h"
#include "metrics.h"
#include "outgoing.h"

#define HOLD_NS			NS_PER_S	/* for the retained message to arrive */
#define REFUSED_RETRY_NS	(10 * NS_PER_S)

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
	link_queue(outgoing->bridge->link, outgoing);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	watch(arg, true);
	return 0;
}

/* Waits for the next line, now or when the interval is over. */
static void schedule_next(struct outgoing *outgoing)
{
	uint64_t when_ns = outgoing->next_ns;

	if (when_ns < outgoing->hold_until_ns)
		when_ns = outgoing->hold_until_ns;
	if (!outgoing->channel || !link_is_connected(outgoing->bridge->link) ||
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
 * If the channel and the topic are connected in both directions, the retained message may be
 * newer than the line of the channel. Nothing is sent until it has arrived.
 */
static void hold(struct outgoing *outgoing)
{
	const struct bridge *bridge = outgoing->bridge;

	outgoing->hold_until_ns = 0;
	if (link_is_mqtt5(bridge->link) &&
	    mappings_contain(&bridge->settings->subscribe, &outgoing->mapping))
		outgoing->hold_until_ns = LASTLINE_FOREVER;
}

static void close_channel(struct outgoing *outgoing)
{
	link_cancel(outgoing->bridge->link, outgoing);
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
				      on_timer, outgoing));
	check_event(sd_event_source_set_enabled(outgoing->timer, SD_EVENT_OFF));
}

/* Warns once until the channel exists again. */
static void warn_missing(struct outgoing *outgoing, int error)
{
	if (!outgoing->missing)
		channel_error(outgoing->mapping.channel, error);
	outgoing->missing = true;
}

static void open_channel(struct outgoing *outgoing)
{
	struct lastline_info info;
	int ret;

	ret = lastline_open(&outgoing->channel, outgoing->mapping.channel,
			    O_RDONLY | O_NONBLOCK);
	if (ret) {
		warn_missing(outgoing, ret);
		return;
	}
	if (outgoing->missing)
		warn("%s: the channel exists now", outgoing->mapping.channel);
	outgoing->missing = false;
	ret = lastline_info(outgoing->channel, &info);
	if (ret) {
		lastline_close(outgoing->channel);
		outgoing->channel = NULL;
		return;
	}
	outgoing->number = info.number;
	outgoing->record = info.mode == LASTLINE_MODE_RECORD;
	add_sources(outgoing);
	schedule_next(outgoing);
}

/* Sets @origin. Returns false if the line must not be published. */
static bool find_origin(struct outgoing *outgoing, const struct lastline_line *line, size_t size,
			struct origin *origin)
{
	const struct forwarded *forwarded;

	forwarded = forward_find(outgoing->number, line->data, size, line->generation);
	if (!forwarded) {
		origin_init(origin, outgoing->bridge->settings->id, outgoing->mapping.channel,
			    line);
		return origin_add_hop(origin, outgoing->number);
	}
	/* Do not send a line back to its topic. Without properties loops are not detected. */
	if (!strcmp(forwarded->topic, outgoing->mapping.topic) ||
	    !link_is_mqtt5(outgoing->bridge->link))
		return false;
	*origin = forwarded->origin;
	return origin_add_hop(origin, outgoing->number);
}

/* Lines are sent without the newline, but an empty payload would delete the retained message. */
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
	struct origin origin;
	int ret;

	if (!find_origin(outgoing, line, size, &origin)) {
		schedule_next(outgoing);
		return 0;
	}
	if (link_is_mqtt5(link))
		origin_to_properties(&origin, &properties);
	outgoing->hold_until_ns = 0;
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
		.overhead = origin_properties_size(&origin),
	});
	mosquitto_property_free_all(&properties);
	return ret;
}

static void refuse(struct outgoing *outgoing, const char *why)
{
	outgoing->refused++;
	warn_ratelimited(&outgoing->ratelimit, "%s: cannot publish to %s: %s",
			 outgoing->mapping.channel, outgoing->mapping.topic, why);
	schedule_next(outgoing);
}

/**
 * outgoing_send - read and send the newest line
 * @outgoing: channel that has left the queue of the link
 */
void outgoing_send(struct outgoing *outgoing)
{
	struct lastline_line line;
	int ret;

	ret = lastline_take(outgoing->channel, &line, 0);
	if (ret == -EAGAIN) {
		/* The channel was cleared. */
		schedule_next(outgoing);
		return;
	}
	if (ret) {
		close_channel(outgoing);
		warn_missing(outgoing, ret);
		return;
	}
	outgoing->conflated += line.missed;
	ret = publish(outgoing, &line);
	if (ret == MOSQ_ERR_OVERSIZE_PACKET)
		refuse(outgoing, "it is larger than the broker accepts");
	/* After other errors the link disconnects, and the line is sent again. */
}

/**
 * outgoing_confirmed - handle the result of a publication
 * @outgoing: channel whose line was in flight
 * @reason:   MQTT 5 reason code; 0 with QoS 0
 */
void outgoing_confirmed(struct outgoing *outgoing, int reason)
{
	if (reason >= MQTT_RC_UNSPECIFIED) {
		/* The broker may accept it later. */
		lastline_rewind(outgoing->channel);
		outgoing->next_ns = add_ns(now_ns(CLOCK_MONOTONIC), REFUSED_RETRY_NS);
		refuse(outgoing, mosquitto_reason_string(reason));
		return;
	}
	outgoing->confirmed++;
	outgoing->lag_ns = now_ns(CLOCK_MONOTONIC) - outgoing->sent_ns;
	if (outgoing->lag_ns > outgoing->lag_max_ns)
		outgoing->lag_max_ns = outgoing->lag_ns;
	schedule_next(outgoing);
}

/**
 * outgoing_connected - start to send the newest line of each channel
 * @bridge: the bridge
 */
void outgoing_connected(struct bridge *bridge)
{
	struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		hold(outgoing);
		schedule_next(outgoing);
	}
}

/**
 * outgoing_subscribed - the broker has answered a subscription
 * @bridge: the bridge
 * @topic:  topic of the subscription, whose retained message arrives soon, if it has one
 */
void outgoing_subscribed(struct bridge *bridge, const char *topic)
{
	struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		if (!outgoing->hold_until_ns || strcmp(outgoing->mapping.topic, topic))
			continue;
		outgoing->hold_until_ns = add_ns(now_ns(CLOCK_MONOTONIC), HOLD_NS);
		schedule_next(outgoing);
	}
}

/* Compares the held line with the retained message, and skips the line if it is older. */
static bool is_newer(struct outgoing *outgoing, const struct mosquitto_message *message,
		     uint64_t time_ns)
{
	struct lastline_line line;
	size_t size;

	outgoing->hold_until_ns = 0;
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
 * outgoing_resolve_hold - compare a received message with the line on hold
 * @bridge:  the bridge
 * @number:  channel that the message is for
 * @message: the message
 * @time_ns: time of publication at the origin, CLOCK_REALTIME; 0 if unknown
 *
 * Return: true if the line of the channel is newer. It is sent, and the message is dropped.
 */
bool outgoing_resolve_hold(struct bridge *bridge, int number,
			   const struct mosquitto_message *message, uint64_t time_ns)
{
	struct outgoing *outgoing;
	bool newer = false;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		if (!outgoing->channel || !outgoing->hold_until_ns || outgoing->number != number ||
		    strcmp(outgoing->mapping.topic, message->topic))
			continue;
		newer |= is_newer(outgoing, message, time_ns);
		schedule_next(outgoing);
	}
	return newer;
}

/**
 * outgoing_disconnected - stop sending, and send each newest line again later
 * @bridge: the bridge
 *
 * This includes confirmed lines, because a restarted broker may have lost them.
 */
void outgoing_disconnected(struct bridge *bridge)
{
	struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		link_cancel(bridge->link, outgoing);
		if (!outgoing->channel)
			continue;
		watch(outgoing, false);
		check_event(sd_event_source_set_enabled(outgoing->timer, SD_EVENT_OFF));
		lastline_rewind(outgoing->channel);
	}
}

/**
 * outgoing_tick - look for missing channels
 * @bridge: the bridge
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
 * outgoing_has_number - check whether a channel is published
 * @bridge: the bridge
 * @number: number of the channel
 *
 * Return: true if it is.
 */
bool outgoing_has_number(const struct bridge *bridge, int number)
{
	const struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next) {
		if (outgoing->channel && outgoing->number == number)
			return true;
	}
	return false;
}

/**
 * outgoing_has_name - check whether a channel is published
 * @bridge:  the bridge
 * @channel: channel, as named in the settings
 *
 * Return: true if it is.
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

/* Removes the channel of a mapping from the list. Returns NULL if there is none. */
static struct outgoing *remove_mapping(struct outgoing **list, const struct mapping *mapping)
{
	struct outgoing **place, *found;

	for (place = list; (found = *place); place = &found->next) {
		if (mapping_equal(&found->mapping, mapping)) {
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
 * outgoing_set - set the channels to publish
 * @bridge:   the bridge
 * @mappings: the channels; those that are published already are not interrupted
 */
void outgoing_set(struct bridge *bridge, const struct mappings *mappings)
{
	struct outgoing *old = bridge->outgoing, *outgoing, **end;
	size_t i;

	end = &bridge->outgoing;
	for (i = 0; i < mappings->count; i++) {
		outgoing = remove_mapping(&old, &mappings->list[i]);
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

/**
 * outgoing_json - metrics of the published channels
 * @bridge: the bridge
 *
 * Return: a JSON array.
 */
json_t *outgoing_json(const struct bridge *bridge)
{
	json_t *array = json_array();
	const struct outgoing *outgoing;

	for (outgoing = bridge->outgoing; outgoing; outgoing = outgoing->next)
		metrics_append(array, &outgoing->mapping, outgoing->channel, (struct metric[]){
			{ "sent", outgoing->sent },
			{ "confirmed", outgoing->confirmed },
			{ "conflated", outgoing->conflated },
			{ "refused", outgoing->refused },
			{ "bytes", outgoing->bytes },
			{ "lag_ns", outgoing->lag_ns },
			{ "lag_max_ns", outgoing->lag_max_ns },
			{}
		});
	return array;
}
