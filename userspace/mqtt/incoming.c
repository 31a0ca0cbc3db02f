// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topics that are subscribed to, and the channels that get their lines. A subscription with
 * wildcards gets a child for each topic that appears.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "incoming.h"
#include "link.h"
#include "outgoing.h"
#include "passage.h"

#define LATE_MAX	3	/* lines in a row that tell of a queue */

/**
 * struct incoming - a topic and its channel
 * @mapping:   which
 * @parent:    whose wildcards matched; NULL for what the user asked for
 * @channel:   NULL while there is none
 * @number:    of the channel
 * @absent:    that there is none was said
 * @again:     to be subscribed to, for the newest line
 * @mid:       of the subscription
 * @last:      journey of the last line
 * @received:  messages
 * @published: of these, those that are or were on the channel
 * @duplicates: that were there already, or are older than what is there
 * @loops:     that had been in the channel before
 * @refused:   that no line could be made of
 * @missed:    lines between those that came, as far as their generations tell
 * @bytes:     of payload
 * @age_ns:    from publication at the origin until here, of the last one, as far as the two
 *             clocks agree
 * @fastest_ns: smallest age from this origin on this connection
 * @late:      lines in a row that were too late
 * @complaint: about refused ones
 * @same:      the next one of the same topic, or that also has wildcards
 * @next:      in the list
 */
struct incoming {
	struct mapping mapping;
	struct incoming *parent;
	struct lastline *channel;
	int number;
	bool absent;
	bool again;
	int mid;
	struct journey last;
	unsigned long received, published, duplicates, loops, refused, missed, bytes;
	long long age_ns, fastest_ns;
	unsigned int late;
	struct log_ratelimit complaint;
	struct incoming *same;
	struct incoming *next;
};

/**
 * struct topic - those of one topic
 * @name:  the topic
 * @first: of them
 */
struct topic {
	const char *name;
	struct incoming *first;
};

/**
 * struct incoming_list - all of them
 * @first:      of them, in the order of the settings, children behind
 * @topics:     tree of struct topic, without those that have wildcards
 * @wild:       these
 * @children:   how many
 * @full:       about those that were too many
 */
struct incoming_list {
	struct incoming *first;
	void *topics;
	struct incoming *wild;
	unsigned long children;
	struct log_ratelimit full;
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
	incoming->same = topic->first;
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
		incoming->same = list->wild;
		list->wild = incoming;
	}
}

static struct incoming *new(const struct mapping *mapping)
{
	struct incoming *incoming = calloc(1, sizeof(*incoming));

	if (!incoming)
		die("out of memory");
	incoming->mapping = mapping_copy(mapping);
	incoming->fastest_ns = LLONG_MAX;
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
	warn_ratelimited(&incoming->complaint, "%s: a message does not get to %s: %s",
			 incoming->mapping.topic, incoming->mapping.channel, why);
}

/* For a topic that appeared. */
static int make_channel(const char *name)
{
	struct lastline_add add = new_channel_defaults();

	strcpy(add.name, name);
	return lastline_add(&add);
}

/* To look for the name of one that is not there takes longer than to make it. */
static int open_or_make(struct lastline **channel, const char *name)
{
	char which[16];
	int made, ret;

	made = make_channel(name);
	if (made >= 0) {
		snprintf(which, sizeof(which), "%d", made);
		return lastline_open(channel, which, O_WRONLY);
	}
	ret = lastline_open(channel, name, O_WRONLY);
	return ret == -ENODEV ? made : ret;
}

/* Said once, until it was there again. */
static void say_absent(struct incoming *incoming, int error)
{
	const char *name = incoming->mapping.channel;

	if (!incoming->absent && incoming->parent && (error == -EPERM || error == -EACCES))
		warn("only root may make channels; as root: lastline add %s", name);
	else if (!incoming->absent)
		channel_error(name, error);
	incoming->absent = true;
}

static void close_channel(struct incoming *incoming)
{
	lastline_close(incoming->channel);
	incoming->channel = NULL;
}

static int look_at(struct incoming *incoming)
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
		ret = open_or_make(&incoming->channel, name);
	else
		ret = lastline_open(&incoming->channel, name, O_WRONLY);
	if (!ret)
		ret = look_at(incoming);
	if (ret) {
		say_absent(incoming, ret);
		return false;
	}
	if (incoming->absent)
		warn("%s: is there now", name);
	incoming->absent = false;
	/* What was on the one before is not on this one. */
	incoming->last = (struct journey){};
	return true;
}

/* Also keeps the line for whoever publishes the channel. */
static int publish(struct bridge *bridge, struct incoming *incoming, const char *data,
		   size_t size, const struct journey *journey)
{
	struct lastline_info before, after;
	int ret;

	if (!outgoing_has(bridge, incoming->number))
		return lastline_publish(incoming->channel, data, size);
	ret = lastline_info(incoming->channel, &before);
	if (!ret)
		ret = lastline_publish(incoming->channel, data, size);
	if (!ret)
		ret = lastline_info(incoming->channel, &after);
	if (ret)
		return ret;
	/* As it would go on: lines go without their newline. */
	if (before.mode == LASTLINE_MODE_LINE && size > 1 && data[size - 1] == '\n')
		size--;
	passage_keep(incoming->number, data, size, before.generation, after.generation,
		     incoming->mapping.topic, journey);
	return 0;
}

static void count_missed(struct incoming *incoming, const struct journey *journey)
{
	if (*journey->origin && !strcmp(journey->origin, incoming->last.origin) &&
	    journey->generation > incoming->last.generation + 1)
		incoming->missed += journey->generation - incoming->last.generation - 1;
	incoming->last = *journey;
}

/* Not one that was there already, or was here before. */
static bool is_good(struct bridge *bridge, struct incoming *incoming,
		    const struct mosquitto_message *message, const struct journey *journey)
{
	if (outgoing_settles(bridge, incoming->number, message, journey->time_ns)) {
		incoming->duplicates++;
		return false;
	}
	if (journey_visited(journey, incoming->number)) {
		incoming->loops++;
		return false;
	}
	if (journey_same(journey, &incoming->last)) {
		incoming->duplicates++;
		return false;
	}
	return true;
}

static void publish_message(struct bridge *bridge, struct incoming *incoming,
			    const struct mosquitto_message *message,
			    const struct journey *journey)
{
	int ret;

	/* The retained message was taken away. */
	if (!message->payloadlen)
		ret = lastline_clear(incoming->channel);
	else
		ret = publish(bridge, incoming, message->payload, message->payloadlen, journey);
	switch (ret) {
	case 0:
		incoming->published++;
		count_missed(incoming, journey);
		break;
	case -EINVAL:
		refuse(incoming, "a line has no newline inside; a channel with records takes it");
		break;
	case -EMSGSIZE:
		refuse(incoming, "it is longer than the channel's lines may be");
		break;
	case -ENODEV:
		incoming->refused++;
		close_channel(incoming);
		say_absent(incoming, ret);
		break;
	default:
		refuse(incoming, strerror(-ret));
	}
}

/*
 * Lines that get later and later wait in a queue of the broker, for a connection that is too
 * slow. A new one begins without a queue. What the broker had already is no measure, and
 * neither is another origin, whose clock may differ, nor the one line that waited while its
 * bridge was cut off.
 */
static void watch_lag(struct bridge *bridge, struct incoming *incoming,
		      const struct mosquitto_message *message, const struct journey *journey)
{
	uint64_t max_ns = bridge->settings->max_lag_ns;

	if (message->retain || !journey->time_ns)
		return;
	if (incoming->age_ns < incoming->fastest_ns ||
	    strcmp(journey->origin, incoming->last.origin))
		incoming->fastest_ns = incoming->age_ns;
	if (!max_ns || (uint64_t)incoming->age_ns - incoming->fastest_ns <= max_ns)
		incoming->late = 0;
	else if (++incoming->late >= LATE_MAX)
		link_give_up(bridge->link, "lines come too late");
}

static void receive(struct bridge *bridge, struct incoming *incoming,
		    const struct mosquitto_message *message, const struct journey *journey)
{
	incoming->received++;
	incoming->bytes += message->payloadlen;
	if (journey->time_ns)
		incoming->age_ns = now_ns(CLOCK_REALTIME) - journey->time_ns;
	/* One that is absent is looked for by incoming_tick(), not for each message. */
	if (!incoming->channel && (incoming->absent || !open_channel(incoming))) {
		incoming->refused++;
		return;
	}
	if (!is_good(bridge, incoming, message, journey))
		return;
	watch_lag(bridge, incoming, message, journey);
	publish_message(bridge, incoming, message, journey);
}

/* Bytes of @topic that the wildcard at @pattern stands for. */
static size_t level(const char *pattern, const char *topic)
{
	return *pattern == '#' ? strlen(topic) : strcspn(topic, "/");
}

/* What the wildcards of @pattern stand for, one behind the other, / becoming -. */
static void matched(char *name, size_t size, const char *pattern, const char *topic)
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

static bool is_taken(const struct incoming_list *list, const char *name)
{
	const struct incoming *incoming;

	for (incoming = list->first; incoming; incoming = incoming->next) {
		if (!strcmp(incoming->mapping.channel, name))
			return true;
	}
	return false;
}

/* Fills in the *; false if that makes no name. */
static bool name_child(char *name, size_t size, const struct incoming *parent, const char *topic)
{
	const char *channel = parent->mapping.channel, *star = strchr(channel, '*');
	char words[LASTLINE_NAME_MAX + 1];

	matched(words, sizeof(words), parent->mapping.topic, topic);
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
		warn_ratelimited(&parent->complaint, "%s: no channel name comes of it", topic);
	} else if (is_taken(list, name) || outgoing_has_name(bridge, name)) {
		parent->refused++;
		warn_ratelimited(&parent->complaint, "%s: the channel %s is another one's", topic,
				 name);
	} else if (list->children >= bridge->settings->max_channels) {
		parent->refused++;
		warn_ratelimited(&list->full, "%s: no channel for it, %lu exist: --max-channels",
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

	for (incoming = topic ? topic->first : NULL; incoming; incoming = incoming->same) {
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

	for (incoming = bridge->incoming->wild; incoming; incoming = incoming->same) {
		if (has_child(topic, incoming) ||
		    mosquitto_topic_matches_sub(incoming->mapping.topic, name, &matches) ||
		    !matches)
			continue;
		add_child(bridge, incoming, name);
	}
}

/**
 * incoming_message - for the channels of its topic
 * @bridge:     that got it
 * @message:    it
 * @properties: of it, or NULL
 */
void incoming_message(struct bridge *bridge, const struct mosquitto_message *message,
		      const mosquitto_property *properties)
{
	const struct topic *topic;
	struct incoming *incoming;
	struct journey journey;

	journey_read(&journey, properties);
	add_children(bridge, message->topic);
	topic = find_topic(bridge->incoming, message->topic);
	for (incoming = topic ? topic->first : NULL; incoming; incoming = incoming->same)
		receive(bridge, incoming, message, &journey);
}

static void subscribe(struct bridge *bridge, struct incoming *incoming)
{
	int ret;

	incoming->again = false;
	if (!link_has_properties(bridge->link) &&
	    mappings_join(&bridge->settings->publish, &incoming->mapping)) {
		warn("%s: with MQTT 3.1.1, not joined to %s in both directions",
		     incoming->mapping.channel, incoming->mapping.topic);
		return;
	}
	ret = link_subscribe(bridge->link, &incoming->mid, incoming->mapping.topic,
			     incoming->mapping.qos);
	if (ret)
		warn("%s: %s", incoming->mapping.topic, mosquitto_strerror(ret));
}

/**
 * incoming_connected - subscribe to all
 * @bridge: that is connected
 */
void incoming_connected(struct bridge *bridge)
{
	struct incoming *incoming;

	for (incoming = bridge->incoming->first; incoming; incoming = incoming->next) {
		incoming->fastest_ns = LLONG_MAX;
		incoming->late = 0;
		if (!incoming->parent)
			subscribe(bridge, incoming);
	}
}

/**
 * incoming_tick - look for channels that were not there
 * @bridge: whose
 *
 * To subscribe again brings the newest line of one that is there now.
 */
void incoming_tick(struct bridge *bridge)
{
	struct incoming *incoming;

	for (incoming = bridge->incoming->first; incoming; incoming = incoming->next) {
		if (incoming->channel || is_wild(incoming->mapping.topic) ||
		    !open_channel(incoming))
			continue;
		/* Once for all of its children. */
		(incoming->parent ? incoming->parent : incoming)->again = true;
	}
	for (incoming = bridge->incoming->first; incoming; incoming = incoming->next) {
		if (incoming->again && link_connected(bridge->link))
			subscribe(bridge, incoming);
	}
}

/**
 * incoming_granted - what the broker says of a subscription
 * @bridge: whose
 * @mid:    of the subscription
 * @qos:    that it grants; 128 and more: none
 */
void incoming_granted(struct bridge *bridge, int mid, int qos)
{
	const struct incoming *incoming;

	for (incoming = bridge->incoming->first; incoming; incoming = incoming->next) {
		if (incoming->parent || incoming->mid != mid)
			continue;
		if (qos >= MQTT_RC_UNSPECIFIED)
			warn("%s: the broker does not let us subscribe: %s",
			     incoming->mapping.topic, mosquitto_reason_string(qos));
		outgoing_granted(bridge, incoming->mapping.topic);
	}
}

/* Takes it out of the list, and its children behind it. */
static struct incoming *take_out(struct incoming **list, const struct mapping *mapping,
				 struct incoming **last)
{
	struct incoming **place, *found, *end;

	for (place = list; (found = *place); place = &found->next) {
		if (found->parent || !mapping_same(&found->mapping, mapping))
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

static void drop_all(struct bridge *bridge, struct incoming *old)
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
 * incoming_set - which topics are subscribed to from now on
 * @bridge:   by whom
 * @mappings: them; what is there already goes on as it is
 */
void incoming_set(struct bridge *bridge, const struct mappings *mappings)
{
	struct incoming_list *list = bridge->incoming;
	struct incoming *old = list->first, *incoming, *last, **end = &list->first;
	size_t i;

	for (i = 0; i < mappings->count; i++) {
		incoming = take_out(&old, &mappings->list[i], &last);
		if (!incoming) {
			incoming = new(&mappings->list[i]);
			incoming->again = true;
			last = incoming;
		}
		*end = incoming;
		end = &last->next;
	}
	*end = NULL;
	drop_all(bridge, old);
	rebuild_tree(list);
	incoming_tick(bridge);
}

/**
 * incoming_new - none yet
 *
 * Return: an empty list.
 */
struct incoming_list *incoming_new(void)
{
	struct incoming_list *list = calloc(1, sizeof(*list));

	if (!list)
		die("out of memory");
	return list;
}

/**
 * incoming_free - an empty list
 * @list: it
 */
void incoming_free(struct incoming_list *list)
{
	tdestroy(list->topics, free);
	free(list);
}

static json_t *one_json(const struct incoming *incoming)
{
	return json_pack("{s:s, s:s, s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "topic", incoming->mapping.topic, "channel", incoming->mapping.channel,
			 "qos", incoming->mapping.qos, "there", !!incoming->channel,
			 "received", (json_int_t)incoming->received,
			 "published", (json_int_t)incoming->published,
			 "duplicates", (json_int_t)incoming->duplicates,
			 "loops", (json_int_t)incoming->loops,
			 "refused", (json_int_t)incoming->refused,
			 "missed", (json_int_t)incoming->missed,
			 "bytes", (json_int_t)incoming->bytes,
			 "age_ns", (json_int_t)incoming->age_ns);
}

/**
 * incoming_json - what came of them
 * @bridge: whose
 *
 * Return: an array.
 */
json_t *incoming_json(const struct bridge *bridge)
{
	json_t *array = json_array();
	const struct incoming *incoming;

	for (incoming = bridge->incoming->first; incoming; incoming = incoming->next)
		json_array_append_new(array, one_json(incoming));
	return array;
}
