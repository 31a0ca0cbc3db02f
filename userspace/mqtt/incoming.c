// SPDX-License-Identifier: GPL-2.0-only
/*
 * Subscribed topics and the channels that their messages are written to. A subscription with
 * wildcards gets a child for each topic that a message arrives for.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "forward.h"
#include "incoming.h"
#include "link.h"
#include "metrics.h"
#include "outgoing.h"

#define LATE_MAX	3	/* this many late lines in a row mean a queue at the broker */

/**
 * struct incoming - a topic and its channel
 * @mapping:     channel, topic and their settings
 * @parent:      subscription with wildcards that the topic matches, or NULL
 * @channel:     open channel; NULL while it does not exist
 * @number:      number of the channel
 * @missing:     a warning that the channel does not exist was printed
 * @resubscribe: subscribe (again), to get the retained message
 * @mid:         message ID of the subscription
 * @last:        origin of the last line
 * @received:    messages received
 * @published:   messages written to the channel
 * @duplicates:  messages dropped because the channel has their line or a newer one
 * @loops:       messages dropped because their line has already passed through the channel
 * @refused:     messages that could not be written to a channel
 * @missed:      lines missing between those received, according to their generations
 * @bytes:       bytes of payload received
 * @age_ns:      time from publication at the origin to arrival, of the last line; relies on
 *               the clocks of both machines
 * @min_age_ns:  smallest @age_ns of the current origin since the connection was made
 * @late:        number of late lines in a row
 * @ratelimit:   rate limit for warnings about refused messages
 * @next_same:   next element with the same topic, or next one with wildcards
 * @next:        next list element
 */
struct incoming {
	struct mapping mapping;
	struct incoming *parent;
	struct lastline *channel;
	int number;
	bool missing;
	bool resubscribe;
	int mid;
	struct origin last;
	unsigned long received, published, duplicates, loops, refused, missed, bytes;
	long long age_ns, min_age_ns;
	unsigned int late;
	struct log_ratelimit ratelimit;
	struct incoming *next_same;
	struct incoming *next;
};

/**
 * struct topic - all elements of one topic
 * @name:  the topic
 * @first: first element, linked by @next_same
 */
struct topic {
	const char *name;
	struct incoming *first;
};

/**
 * struct incoming_list - all subscribed topics
 * @first:         list in the order of the settings, children after their parent
 * @topics:        search tree of struct topic, for topics without wildcards
 * @wild:          list of the topics with wildcards
 * @children:      number of elements that have a parent
 * @limit_reached: rate limit for warnings about too many children
 */
struct incoming_list {
	struct incoming *first;
	void *topics;
	struct incoming *wild;
	unsigned long children;
	struct log_ratelimit limit_reached;
};

static bool is_wild(const char *topic)
{
	return strpbrk(topic, "+#");
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct topic *)a)->name, ((const struct topic *)b)->name);
}

static struct topic *find_topic(const struct incoming_list *list, const char *name)
{
	struct topic key = { .name = name }, **found;

	found = tfind(&key, &list->topics, compare);
	return found ? *found : NULL;
}

static void add_to_tree(struct incoming_list *list, struct incoming *incoming)
{
	struct topic *topic = find_topic(list, incoming->mapping.topic);

	if (!topic) {
		topic = calloc(1, sizeof(*topic));
		if (!topic)
			die("out of memory");
		topic->name = incoming->mapping.topic;
		if (!tsearch(topic, &list->topics, compare))
			die("out of memory");
	}
	incoming->next_same = topic->first;
	topic->first = incoming;
}

static void rebuild_tree(struct incoming_list *list)
{
	struct incoming *incoming;

	tdestroy(list->topics, free);
	list->topics = NULL;
	list->wild = NULL;
	for (incoming = list->first; incoming; incoming = incoming->next) {
		if (!is_wild(incoming->mapping.topic)) {
			add_to_tree(list, incoming);
			continue;
		}
		incoming->next_same = list->wild;
		list->wild = incoming;
	}
}

static struct incoming *new(const struct mapping *mapping)
{
	struct incoming *incoming = calloc(1, sizeof(*incoming));

	if (!incoming)
		die("out of memory");
	incoming->mapping = mapping_copy(mapping);
	incoming->min_age_ns = LLONG_MAX;
	return incoming;
}

static void delete(struct incoming *incoming)
{
	lastline_close(incoming->channel);
	mapping_free(&incoming->mapping);
	free(incoming);
}

static void refuse(struct incoming *incoming, const char *why)
{
	incoming->refused++;
	warn_ratelimited(&incoming->ratelimit, "%s: cannot write a message to %s: %s",
			 incoming->mapping.topic, incoming->mapping.channel, why);
}

static int add_channel(const char *name)
{
	struct lastline_add add = new_channel_defaults();

	strcpy(add.name, name);
	return lastline_add(&add);
}

/* Tries to add first, because finding out that a name does not exist takes longer. */
static int add_or_open(struct lastline **channel, const char *name)
{
	char which[16];
	int number, ret;

	number = add_channel(name);
	if (number >= 0) {
		snprintf(which, sizeof(which), "%d", number);
		return lastline_open(channel, which, O_WRONLY);
	}
	ret = lastline_open(channel, name, O_WRONLY);
	return ret == -ENODEV ? number : ret;
}

/* Warns once until the channel exists again. */
static void warn_missing(struct incoming *incoming, int error)
{
	const char *name = incoming->mapping.channel;

	if (!incoming->missing && incoming->parent && (error == -EPERM || error == -EACCES))
		warn("%s: permission denied: only root may add channels; run: lastline add %s",
		     name, name);
	else if (!incoming->missing)
		channel_error(name, error);
	incoming->missing = true;
}

static void close_channel(struct incoming *incoming)
{
	lastline_close(incoming->channel);
	incoming->channel = NULL;
}

static int read_number(struct incoming *incoming)
{
	struct lastline_info info;
	int ret = lastline_info(incoming->channel, &info);

	if (ret)
		close_channel(incoming);
	incoming->number = info.number;
	return ret;
}

static bool open_channel(struct incoming *incoming)
{
	const char *name = incoming->mapping.channel;
	int ret;

	if (incoming->channel)
		return true;
	if (incoming->parent)
		ret = add_or_open(&incoming->channel, name);
	else
		ret = lastline_open(&incoming->channel, name, O_WRONLY);
	if (!ret)
		ret = read_number(incoming);
	if (ret) {
		warn_missing(incoming, ret);
		return false;
	}
	if (incoming->missing)
		warn("%s: the channel exists now", name);
	incoming->missing = false;
	/* This may be a new channel without the last line. */
	incoming->last = (struct origin){};
	return true;
}

/* Remembers the origin of the line if the channel is published, too. */
static int publish(struct bridge *bridge, struct incoming *incoming, const char *data,
		   size_t size, const struct origin *origin)
{
	struct lastline_info before, after;
	int ret;

	if (!outgoing_has_number(bridge, incoming->number))
		return lastline_publish(incoming->channel, data, size);
	ret = lastline_info(incoming->channel, &before);
	if (!ret)
		ret = lastline_publish(incoming->channel, data, size);
	if (!ret)
		ret = lastline_info(incoming->channel, &after);
	if (ret)
		return ret;
	/* Lines are forwarded without the newline. */
	if (before.mode == LASTLINE_MODE_LINE && size > 1 && data[size - 1] == '\n')
		size--;
	forward_remember(incoming->number, data, size, before.generation, after.generation,
			 incoming->mapping.topic, origin);
	return 0;
}

static void count_missed(struct incoming *incoming, const struct origin *origin)
{
	if (*origin->source && !strcmp(origin->source, incoming->last.source) &&
	    origin->generation > incoming->last.generation + 1)
		incoming->missed += origin->generation - incoming->last.generation - 1;
	incoming->last = *origin;
}

/* Returns false for duplicates, loops and lines that are older than that of the channel. */
static bool should_publish(struct bridge *bridge, struct incoming *incoming,
			   const struct mosquitto_message *message, const struct origin *origin)
{
	if (outgoing_resolve_hold(bridge, incoming->number, message, origin->time_ns)) {
		incoming->duplicates++;
		return false;
	}
	if (origin_is_loop(origin, incoming->number)) {
		incoming->loops++;
		return false;
	}
	if (origin_equal(origin, &incoming->last)) {
		incoming->duplicates++;
		return false;
	}
	return true;
}

static void write_message(struct bridge *bridge, struct incoming *incoming,
			  const struct mosquitto_message *message, const struct origin *origin)
{
	int ret;

	/* An empty message deletes the retained message. */
	if (!message->payloadlen)
		ret = lastline_clear(incoming->channel);
	else
		ret = publish(bridge, incoming, message->payload, message->payloadlen, origin);
	switch (ret) {
	case 0:
		incoming->published++;
		count_missed(incoming, origin);
		break;
	case -EINVAL:
		refuse(incoming, "it contains a newline; use a channel with records");
		break;
	case -EMSGSIZE:
		refuse(incoming, "it is longer than the line_max of the channel");
		break;
	case -ENODEV:
		incoming->refused++;
		close_channel(incoming);
		warn_missing(incoming, ret);
		break;
	default:
		refuse(incoming, strerror(-ret));
	}
}

/*
 * Lines that arrive later and later are in a queue of the broker, because the connection is
 * too slow. A new connection starts with an empty queue. Retained messages do not count, and
 * neither does a single late line, which may have waited for its own bridge to reconnect.
 * Only lines of the same origin are compared, because clocks differ.
 */
static void check_lag(struct bridge *bridge, struct incoming *incoming,
		      const struct mosquitto_message *message, const struct origin *origin)
{
	uint64_t max_ns = bridge->settings->max_lag_ns;

	if (message->retain || !origin->time_ns)
		return;
	if (incoming->age_ns < incoming->min_age_ns ||
	    strcmp(origin->source, incoming->last.source))
		incoming->min_age_ns = incoming->age_ns;
	if (!max_ns || (uint64_t)incoming->age_ns - incoming->min_age_ns <= max_ns)
		incoming->late = 0;
	else if (++incoming->late >= LATE_MAX)
		link_reconnect(bridge->link, "lines arrive too late (--max-lag)");
}

static void receive(struct bridge *bridge, struct incoming *incoming,
		    const struct mosquitto_message *message, const struct origin *origin)
{
	incoming->received++;
	incoming->bytes += message->payloadlen;
	if (origin->time_ns)
		incoming->age_ns = now_ns(CLOCK_REALTIME) - origin->time_ns;
	/* incoming_tick() looks for missing channels, so that each message need not. */
	if (!incoming->channel && (incoming->missing || !open_channel(incoming))) {
		incoming->refused++;
		return;
	}
	if (!should_publish(bridge, incoming, message, origin))
		return;
	check_lag(bridge, incoming, message, origin);
	write_message(bridge, incoming, message, origin);
}

/* Length of the part of @topic that the level or wildcard at @pattern matches. */
static size_t level(const char *pattern, const char *topic)
{
	return *pattern == '#' ? strlen(topic) : strcspn(topic, "/");
}

/* Joins the parts of @topic that the wildcards of @pattern match, with - for each slash. */
static void expand_wildcards(char *name, size_t size, const char *pattern, const char *topic)
{
	size_t used = 0, length, i;

	while (*pattern && *topic) {
		length = level(pattern, topic);
		if (*pattern == '+' || *pattern == '#') {
			if (used && used < size - 1)
				name[used++] = '-';
			for (i = 0; i < length && used < size - 1; i++)
				name[used++] = topic[i] == '/' ? '-' : topic[i];
		}
		topic += length;
		topic += *topic == '/';
		pattern += strcspn(pattern, "/");
		pattern += *pattern == '/';
	}
	name[used] = '\0';
}

static bool name_is_used(const struct incoming_list *list, const char *name)
{
	const struct incoming *incoming;

	for (incoming = list->first; incoming; incoming = incoming->next) {
		if (!strcmp(incoming->mapping.channel, name))
			return true;
	}
	return false;
}

/* Replaces the * of the channel; returns false if the result is not a valid name. */
static bool name_child(char *name, size_t size, const struct incoming *parent, const char *topic)
{
	const char *channel = parent->mapping.channel, *star = strchr(channel, '*');
	char words[LASTLINE_NAME_MAX + 1];

	expand_wildcards(words, sizeof(words), parent->mapping.topic, topic);
	return snprintf(name, size, "%.*s%s%s", (int)(star - channel), channel, words,
			star + 1) < (int)size && !channel_name_error(name);
}

static void add_child(struct bridge *bridge, struct incoming *parent, const char *topic)
{
	struct incoming_list *list = bridge->incoming;
	char name[LASTLINE_NAME_MAX];
	struct mapping mapping = { .channel = name, .topic = (char *)topic,
				   .qos = parent->mapping.qos };
	struct incoming *child;

	if (!name_child(name, sizeof(name), parent, topic)) {
		parent->refused++;
		warn_ratelimited(&parent->ratelimit,
				 "%s: cannot add a channel: its name would be invalid", topic);
	} else if (name_is_used(list, name) || outgoing_has_name(bridge, name)) {
		parent->refused++;
		warn_ratelimited(&parent->ratelimit,
				 "%s: cannot add a channel: %s is used for another topic",
				 topic, name);
	} else if (list->children >= bridge->settings->max_channels) {
		parent->refused++;
		warn_ratelimited(&list->limit_reached,
				 "%s: cannot add a channel: the limit of --max-channels is %lu",
				 topic, bridge->settings->max_channels);
	} else {
		child = new(&mapping);
		child->parent = parent;
		child->next = parent->next;
		parent->next = child;
		list->children++;
		add_to_tree(list, child);
	}
}

static bool has_child(const struct topic *topic, const struct incoming *parent)
{
	const struct incoming *incoming;

	for (incoming = topic ? topic->first : NULL; incoming; incoming = incoming->next_same) {
		if (incoming->parent == parent)
			return true;
	}
	return false;
}

static void add_children(struct bridge *bridge, const char *name)
{
	const struct topic *topic = find_topic(bridge->incoming, name);
	struct incoming *incoming;
	bool matches;

	for (incoming = bridge->incoming->wild; incoming; incoming = incoming->next_same) {
		if (has_child(topic, incoming) ||
		    mosquitto_topic_matches_sub(incoming->mapping.topic, name, &matches) ||
		    !matches)
			continue;
		add_child(bridge, incoming, name);
	}
}

/**
 * incoming_message - write a message to the channels of its topic
 * @bridge:     the bridge
 * @message:    the message
 * @properties: its properties, or NULL
 */
void incoming_message(struct bridge *bridge, const struct mosquitto_message *message,
		      const mosquitto_property *properties)
{
	const struct topic *topic;
	struct incoming *incoming;
	struct origin origin;

	origin_from_properties(&origin, properties);
	add_children(bridge, message->topic);
	topic = find_topic(bridge->incoming, message->topic);
	for (incoming = topic ? topic->first : NULL; incoming; incoming = incoming->next_same)
		receive(bridge, incoming, message, &origin);
}

static void subscribe_to(struct bridge *bridge, struct incoming *incoming)
{
	int ret;

	incoming->resubscribe = false;
	if (!link_is_mqtt5(bridge->link) &&
	    mappings_contain(&bridge->settings->publish, &incoming->mapping)) {
		warn("%s: cannot subscribe: %s is published there, which requires MQTT 5",
		     incoming->mapping.topic, incoming->mapping.channel);
		return;
	}
	ret = link_subscribe(bridge->link, &incoming->mid, incoming->mapping.topic,
			     incoming->mapping.qos);
	if (ret)
		warn("%s: cannot subscribe: %s", incoming->mapping.topic,
		     mosquitto_strerror(ret));
}

/**
 * incoming_connected - subscribe to all topics
 * @bridge: the bridge
 */
void incoming_connected(struct bridge *bridge)
{
	struct incoming *incoming;

	for (incoming = bridge->incoming->first; incoming; incoming = incoming->next) {
		incoming->min_age_ns = LLONG_MAX;
		incoming->late = 0;
		if (!incoming->parent)
			subscribe_to(bridge, incoming);
	}
}

/**
 * incoming_tick - look for missing channels
 * @bridge: the bridge
 *
 * Subscribes again for a channel that exists now, to get the retained message.
 */
void incoming_tick(struct bridge *bridge)
{
	struct incoming *incoming;

	for (incoming = bridge->incoming->first; incoming; incoming = incoming->next) {
		if (incoming->channel || is_wild(incoming->mapping.topic) ||
		    !open_channel(incoming))
			continue;
		/* One subscription serves all children. */
		(incoming->parent ? incoming->parent : incoming)->resubscribe = true;
	}
	for (incoming = bridge->incoming->first; incoming; incoming = incoming->next) {
		if (incoming->resubscribe && link_is_connected(bridge->link))
			subscribe_to(bridge, incoming);
	}
}

/**
 * incoming_subscribed - the broker has answered a subscription
 * @bridge: the bridge
 * @mid:    message ID of the subscription
 * @qos:    granted QoS; 128 or larger is a reason for a refusal
 */
void incoming_subscribed(struct bridge *bridge, int mid, int qos)
{
	const struct incoming *incoming;

	for (incoming = bridge->incoming->first; incoming; incoming = incoming->next) {
		if (incoming->parent || incoming->mid != mid)
			continue;
		if (qos >= MQTT_RC_UNSPECIFIED)
			warn("%s: cannot subscribe: refused by the broker: %s",
			     incoming->mapping.topic, mosquitto_reason_string(qos));
		outgoing_subscribed(bridge, incoming->mapping.topic);
	}
}

/* Removes the topic of a mapping and its children, up to @last, from the list. */
static struct incoming *remove_mapping(struct incoming **list, const struct mapping *mapping,
				       struct incoming **last)
{
	struct incoming **place, *found, *end;

	for (place = list; (found = *place); place = &found->next) {
		if (found->parent || !mapping_equal(&found->mapping, mapping))
			continue;
		for (end = found; end->next && end->next->parent == found; end = end->next)
			;
		*place = end->next;
		*last = end;
		return found;
	}
	return NULL;
}

static bool is_subscribed(const struct incoming_list *list, const char *topic)
{
	const struct incoming *incoming;

	for (incoming = list->first; incoming; incoming = incoming->next) {
		if (!incoming->parent && !strcmp(incoming->mapping.topic, topic))
			return true;
	}
	return false;
}

static void delete_all(struct bridge *bridge, struct incoming *old)
{
	struct incoming *next;

	for (; old; old = next) {
		next = old->next;
		if (old->parent)
			bridge->incoming->children--;
		else if (!is_subscribed(bridge->incoming, old->mapping.topic))
			link_unsubscribe(bridge->link, old->mapping.topic);
		delete(old);
	}
}

/**
 * incoming_set - set the topics to subscribe to
 * @bridge:   the bridge
 * @mappings: the topics; existing subscriptions are not interrupted
 */
void incoming_set(struct bridge *bridge, const struct mappings *mappings)
{
	struct incoming_list *list = bridge->incoming;
	struct incoming *old = list->first, *incoming, *last, **end = &list->first;
	size_t i;

	for (i = 0; i < mappings->count; i++) {
		incoming = remove_mapping(&old, &mappings->list[i], &last);
		if (!incoming) {
			incoming = new(&mappings->list[i]);
			incoming->resubscribe = true;
			last = incoming;
		}
		*end = incoming;
		end = &last->next;
	}
	*end = NULL;
	delete_all(bridge, old);
	rebuild_tree(list);
	incoming_tick(bridge);
}

/**
 * incoming_new - create an empty list
 *
 * Return: the list; the caller frees it with incoming_free().
 */
struct incoming_list *incoming_new(void)
{
	struct incoming_list *list = calloc(1, sizeof(*list));

	if (!list)
		die("out of memory");
	return list;
}

/**
 * incoming_free - free an empty list
 * @list: the list
 */
void incoming_free(struct incoming_list *list)
{
	tdestroy(list->topics, free);
	free(list);
}

/**
 * incoming_json - metrics of the subscribed topics
 * @bridge: the bridge
 *
 * Return: a JSON array.
 */
json_t *incoming_json(const struct bridge *bridge)
{
	json_t *array = json_array();
	const struct incoming *incoming;

	for (incoming = bridge->incoming->first; incoming; incoming = incoming->next)
		metrics_append(array, &incoming->mapping, incoming->channel, (struct metric[]){
			{ "received", incoming->received },
			{ "published", incoming->published },
			{ "duplicates", incoming->duplicates },
			{ "loops", incoming->loops },
			{ "refused", incoming->refused },
			{ "missed", incoming->missed },
			{ "bytes", incoming->bytes },
			{ "age_ns", incoming->age_ns },
			{}
		});
	return array;
}
