// SPDX-License-Identifier: GPL-2.0-only
/*
 * Settings from the command line and the configuration file. A line of the file is a long
 * option without the dashes.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "origin.h"
#include "mqtt.h"
#include "password.h"

#define PORT		1883
#define TLS_PORT	8883
#define ID_MAX		64	/* bytes */
#define CHANNEL_MAX	(ORIGIN_SOURCE_SIZE - ID_MAX - 2)
/* Without --qos */
#define PUBLISH_QOS	1
#define SUBSCRIBE_QOS	0

/* Options without a short form */
enum {
	CA_FILE = 128,
	CERT_FILE,
	ID,
	KEEPALIVE,
	KEY_FILE,
	MAX_CHANNELS,
	MAX_LAG,
	MAX_RATE,
	PASSWORD_FILE,
	QOS,
	STATE_TOPIC,
	STATUS,
	USER,
	VERSION_OPTION,
};

static const struct command_option options[] = {
	{ 'b', "broker", "URL", "mqtt://HOST[:PORT] or mqtts://HOST[:PORT]\n"
	  "(default: mqtt://localhost)" },
	{ 'p', "publish", "CHANNEL=TOPIC", "publish the lines of a channel, retained" },
	{ 's', "subscribe", "TOPIC=CHANNEL", "write messages to a channel; if TOPIC has\n"
	  "wildcards, CHANNEL must have a *" },
	{ MAX_RATE, "max-rate", "N", "lines per second of each --publish that follows" },
	{ QOS, "qos", "N", "0 or 1, for the mappings that follow\n"
	  "(default: 1 for --publish, 0 for --subscribe)" },
	{ MAX_CHANNELS, "max-channels", "N", "channels for wildcards, at most (default: 64)" },
	{ MAX_LAG, "max-lag", "TIME", "reconnect if lines are this late (default: 5s)" },
	{ 'c', "config", "FILE", "read options from FILE; SIGHUP reloads it" },
	{ ID, "id", "NAME", "unique name of this bridge (default: host name)" },
	{ USER, "user", "NAME", "user name at the broker" },
	{ PASSWORD_FILE, "password-file", "FILE", "file with the password in its first line" },
	{ CA_FILE, "ca-file", "FILE", "trusted certificate authorities\n"
	  "(default: those of the system)" },
	{ CERT_FILE, "cert-file", "FILE", "certificate of this bridge" },
	{ KEY_FILE, "key-file", "FILE", "private key of the certificate" },
	{ KEEPALIVE, "keepalive", "TIME", "reconnect if the broker is silent twice as long\n"
	  "(default: 15s)" },
	{ STATE_TOPIC, "state-topic", "TOPIC", "topic for \"online\" and \"offline\"\n"
	  "(default: lastline-mqtt/ID)" },
	{ STATUS, "status", NULL, "print the metrics of the running bridge" },
	{ 'j', "json", NULL, "with --status, print JSON" },
	{ VERSION_OPTION, "version", NULL, "print the version" },
	{},
};

/**
 * struct parsing - state of the parser
 * @settings: settings parsed so far
 * @next:     interval_ns and qos of the mappings that follow; a qos of -1 means the default
 * @in_file:  parsing a configuration file
 */
struct parsing {
	struct settings *settings;
	struct mapping next;
	bool in_file;
};

/* The configuration file as it was last read, up to a NUL */
static char *file_name, *file_text;
static bool file_has_nul;

static char *copy(const char *text)
{
	char *copied = strdup(text);

	if (!copied)
		die("out of memory");
	return copied;
}

static void replace(char **text, const char *with)
{
	free(*text);
	*text = copy(with);
}

static void broker_error(const struct settings *settings)
{
	usage_error(&mqtt_command,
		    "invalid broker: %s (mqtt://HOST[:PORT] or mqtts://HOST[:PORT])",
		    settings->broker);
}

/* [mqtt://|mqtts://]HOST[:PORT] */
static void set_broker(struct settings *settings, const char *text)
{
	char *host, *port;

	replace(&settings->broker, text);
	if (strstr(text, "://") && strncmp(text, "mqtt", 4))
		broker_error(settings);
	settings->tls = !strncmp(text, "mqtts://", 8);
	if (settings->tls)
		text += 8;
	else if (!strncmp(text, "mqtt://", 7))
		text += 7;
	if (strchr(text, '@'))
		usage_error(&mqtt_command,
			    "credentials in --broker: use --user and --password-file instead");
	replace(&settings->host, text);
	host = settings->host;
	settings->port = settings->tls ? TLS_PORT : PORT;
	host[strcspn(host, "/")] = '\0';
	port = host + strcspn(host, ":");
	/* [::1]:1883 */
	if (*host == '[' && strchr(host, ']')) {
		port = strchr(host, ']');
		*port++ = '\0';
		memmove(host, host + 1, strlen(host));
	}
	if (*port == ':') {
		*port = '\0';
		settings->port = parse_number(&mqtt_command, port + 1, UINT16_MAX);
	}
	if (!*host || strchr(text, '/') || !settings->port)
		broker_error(settings);
}

static void set_id(struct settings *settings, const char *text)
{
	if (!*text || strlen(text) > ID_MAX || strchr(text, '/') ||
	    mosquitto_pub_topic_check(text) || mosquitto_validate_utf8(text, strlen(text)))
		usage_error(&mqtt_command,
			    "invalid id: %s (1 to %d bytes of UTF-8 without / + #)",
			    text, ID_MAX);
	replace(&settings->id, text);
}

static void set_keepalive(struct settings *settings, const char *text)
{
	uint64_t ns = parse_duration(&mqtt_command, text);

	/* Limits of libmosquitto and of the protocol */
	if (ns < 5 * NS_PER_S || ns > UINT16_MAX * NS_PER_S)
		usage_error(&mqtt_command, "invalid time: --keepalive must be 5s to %us",
			    UINT16_MAX);
	settings->keepalive = ns / NS_PER_S;
}

static void topic_error(const char *topic, const char *why)
{
	usage_error(&mqtt_command, "invalid topic: \"%s\" (%s)", topic, why);
}

static void check_topic(const char *topic, int (*well_formed)(const char *), const char *why)
{
	if (!*topic)
		topic_error(topic, "it is empty");
	if (strlen(topic) > UINT16_MAX)
		topic_error(topic, "it is longer than 65535 bytes");
	if (mosquitto_validate_utf8(topic, strlen(topic)))
		topic_error(topic, "it is not UTF-8");
	if (well_formed(topic))
		topic_error(topic, why);
}

/* Splits @text at @equals and adds the mapping. */
static void add_mapping(struct parsing *parsing, struct mappings *to, const char *text,
			const char *equals, bool topic_first)
{
	struct mapping mapping = parsing->next;
	char *first;

	if (mapping.qos < 0)
		mapping.qos = topic_first ? SUBSCRIBE_QOS : PUBLISH_QOS;
	if (topic_first)
		mapping.interval_ns = 0;
	first = strndup(text, equals - text);
	if (!first)
		die("out of memory");
	mapping.topic = topic_first ? first : copy(equals + 1);
	mapping.channel = topic_first ? copy(equals + 1) : first;
	if (!*mapping.channel)
		usage_error(&mqtt_command, "no channel in %s", text);
	to->list = reallocarray(to->list, to->count + 1, sizeof(*to->list));
	if (!to->list)
		die("out of memory");
	to->list[to->count++] = mapping;
}

static void add_publish(struct parsing *parsing, const char *text)
{
	const char *equals = strchr(text, '=');

	if (!equals)
		usage_error(&mqtt_command, "--publish requires CHANNEL=TOPIC, not %s", text);
	check_topic(equals + 1, mosquitto_pub_topic_check,
		    "wildcards are allowed in --subscribe only");
	/* The channel is part of the origin property. */
	if (mosquitto_validate_utf8(text, equals - text) || equals - text > CHANNEL_MAX)
		usage_error(&mqtt_command, "invalid channel: %s (at most %d bytes of UTF-8)",
			    text, CHANNEL_MAX);
	add_mapping(parsing, &parsing->settings->publish, text, equals, false);
}

static void add_subscribe(struct parsing *parsing, const char *text)
{
	const char *equals = strrchr(text, '=');
	const struct mapping *mapping;
	const char *star;

	if (!equals)
		usage_error(&mqtt_command, "--subscribe requires TOPIC=CHANNEL, not %s", text);
	add_mapping(parsing, &parsing->settings->subscribe, text, equals, true);
	mapping = &parsing->settings->subscribe.list[parsing->settings->subscribe.count - 1];
	check_topic(mapping->topic, mosquitto_sub_topic_check,
		    "+ must be a whole level, and # the whole last level");
	star = strchr(mapping->channel, '*');
	if (!strpbrk(mapping->topic, "+#") != !star || (star && strchr(star + 1, '*')))
		usage_error(&mqtt_command,
			    "invalid mapping: %s (CHANNEL must have one * if TOPIC has wildcards, else none)",
			    text);
}

static void parse_words(struct parsing *parsing, int argc, char **argv);

/* Options that do not belong in a file, because they do not run the bridge */
static bool command_line_only(const char *name)
{
	static const char *const names[] = { "help", "json", "status", "version" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return false;
}

/* Parses a line "NAME VALUE" as the option --NAME VALUE. */
static void parse_line(struct parsing *parsing, unsigned int number, char *line)
{
	char *argv[4] = { (char *)mqtt_command.name }, *value;
	int argc = 2;

	set_error_location(file_name, number);
	line += strspn(line, " \t\r");
	if (!*line || *line == '#')
		return;
	for (value = line + strlen(line); isspace((unsigned char)value[-1]); )
		*--value = '\0';
	if (command_line_only(line))
		usage_error(&mqtt_command, "%s is allowed on the command line only", line);
	value = line + strcspn(line, " \t");
	if (*value) {
		*value++ = '\0';
		argv[argc++] = value + strspn(value, " \t");
	}
	if (asprintf(&argv[1], "--%s", line) < 0)
		die("out of memory");
	parse_words(parsing, argc, argv);
	free(argv[1]);
}

/* Sets errno and returns false if it fails. */
static bool read_file(void)
{
	FILE *file = fopen(file_name, "re");
	char *text = NULL;
	size_t size = 0;
	ssize_t len;
	int error;

	if (!file)
		return false;
	len = getdelim(&text, &size, '\0', file);
	error = ferror(file) || (len < 0 && !feof(file)) ? errno : 0;
	fclose(file);
	/* Without a byte, getdelim() leaves the buffer uninitialized. */
	if (!error) {
		replace(&file_text, len > 0 ? text : "");
		file_has_nul = len > 0 && !text[len - 1];
	}
	free(text);
	errno = error;
	return !error;
}

static void parse_file(struct parsing *parsing, const char *name)
{
	char *text, *line, *rest;
	unsigned int number = 0;

	if (parsing->in_file)
		usage_error(&mqtt_command, "config is allowed on the command line only");
	if (!file_name || strcmp(file_name, name)) {
		replace(&file_name, name);
		if (!read_file())
			die("cannot read %s: %s", name, strerror(errno));
	}
	text = copy(file_text);
	parsing->in_file = true;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		parse_line(parsing, ++number, line);
	if (file_has_nul)
		usage_error(&mqtt_command, "the line contains a NUL byte");
	parsing->in_file = false;
	set_error_location(NULL, 0);
	free(text);
}

/* Converts lines per second, where 0 means no limit. */
static uint64_t parse_interval(const char *text)
{
	return strcmp(text, "0") ? parse_rate(&mqtt_command, text) : 0;
}

static void set_option(struct parsing *parsing, int option, const char *value)
{
	struct settings *settings = parsing->settings;

	switch (option) {
	case 'b':
		set_broker(settings, value);
		break;
	case 'j':
		settings->json = true;
		break;
	case 'p':
		add_publish(parsing, value);
		break;
	case 's':
		add_subscribe(parsing, value);
		break;
	case CA_FILE:
		replace(&settings->ca_file, value);
		break;
	case CERT_FILE:
		replace(&settings->cert_file, value);
		break;
	case ID:
		set_id(settings, value);
		break;
	case KEEPALIVE:
		set_keepalive(settings, value);
		break;
	case KEY_FILE:
		replace(&settings->key_file, value);
		break;
	case MAX_CHANNELS:
		settings->max_channels = parse_number(&mqtt_command, value, LASTLINE_CHANNELS_MAX);
		break;
	case MAX_LAG:
		settings->max_lag_ns = parse_duration(&mqtt_command, value);
		break;
	case MAX_RATE:
		parsing->next.interval_ns = parse_interval(value);
		break;
	case PASSWORD_FILE:
		replace(&settings->password_file, value);
		break;
	case QOS:
		parsing->next.qos = parse_number(&mqtt_command, value, 1);
		break;
	case STATE_TOPIC:
		if (*value)
			check_topic(value, mosquitto_pub_topic_check, "it has wildcards");
		replace(&settings->state_topic, value);
		break;
	case STATUS:
		settings->status = true;
		break;
	case USER:
		replace(&settings->user, value);
		break;
	case VERSION_OPTION:
		puts("lastline-mqtt " VERSION);
		exit(STATUS_OK);
	}
}

/* Saves optind, because --config parses the lines of its file with getopt, too. */
static void parse_words(struct parsing *parsing, int argc, char **argv)
{
	int option, next;

	optind = 0;	/* makes getopt start again */
	while ((option = next_option(&mqtt_command, argc, argv)) >= 0) {
		next = optind;
		if (option == 'c')
			parse_file(parsing, optarg);
		else
			set_option(parsing, option, optarg);
		optind = next;
	}
	if (optind < argc)
		usage_error(&mqtt_command, "unexpected argument: %s", argv[optind]);
}

static void set_defaults(struct settings *settings)
{
	char host[ID_MAX + 1] = "";

	if (!settings->broker)
		set_broker(settings, "mqtt://localhost");
	if (!settings->id) {
		gethostname(host, sizeof(host) - 1);
		set_id(settings, host);
	}
	if (!settings->state_topic &&
	    asprintf(&settings->state_topic, "lastline-mqtt/%s", settings->id) < 0)
		die("out of memory");
}

static void check_combinations(const struct settings *settings)
{
	if (settings->status)
		return;
	if (!settings->publish.count && !settings->subscribe.count)
		usage_error(&mqtt_command, "nothing to do: give --publish or --subscribe");
	if (!settings->cert_file != !settings->key_file)
		usage_error(&mqtt_command, "--cert-file and --key-file require each other");
	if (!settings->tls && (settings->ca_file || settings->cert_file))
		usage_error(&mqtt_command,
			    "--ca-file and --cert-file require a --broker with mqtts://");
	if (settings->password_file && !settings->user)
		usage_error(&mqtt_command, "--password-file requires --user");
}

/* Does not keep the password, because the file is read for each connection. */
static void check_password(const struct settings *settings)
{
	const char *why;
	char *password;

	if (settings->status || !settings->password_file)
		return;
	why = password_read(settings->password_file, &password);
	if (why) {
		warn("%s: %s", settings->password_file, why);
		exit(STATUS_USAGE);
	}
	password_free(password);
}

static struct settings *parse(int argc, char **argv)
{
	struct parsing parsing = { .next.qos = -1 };

	parsing.settings = calloc(1, sizeof(*parsing.settings));
	if (!parsing.settings)
		die("out of memory");
	parsing.settings->keepalive = 15;
	parsing.settings->max_channels = 64;
	parsing.settings->max_lag_ns = 5 * NS_PER_S;
	parse_words(&parsing, argc, argv);
	set_defaults(parsing.settings);
	check_combinations(parsing.settings);
	return parsing.settings;
}

/**
 * settings_parse - parse the command line and the configuration file
 * @argc: number of arguments
 * @argv: arguments
 *
 * Exits if there is an error, or no password in its file.
 *
 * Return: the settings; the caller frees them with settings_free().
 */
struct settings *settings_parse(int argc, char **argv)
{
	struct settings *settings = parse(argc, argv);

	check_password(settings);
	return settings;
}

/**
 * settings_reload - read the configuration file again
 * @argc: number of arguments
 * @argv: arguments
 *
 * A child process parses the file first, because an error ends the process that parses it.
 * Only the child checks the password: its file may change before this process reads it.
 *
 * Return: the new settings, or NULL after printing an error.
 */
struct settings *settings_reload(int argc, char **argv)
{
	int status = 0;
	pid_t child;

	if (file_name && !read_file()) {
		warn("cannot read %s: %s", file_name, strerror(errno));
		return NULL;
	}
	child = fork();
	if (!child) {
		settings_free(settings_parse(argc, argv));
		_exit(STATUS_OK);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || status)
		return NULL;
	return parse(argc, argv);
}

/**
 * mapping_copy - copy a mapping and its strings
 * @mapping: the mapping
 *
 * Return: the copy; the caller frees it with mapping_free().
 */
struct mapping mapping_copy(const struct mapping *mapping)
{
	struct mapping copied = *mapping;

	copied.channel = copy(mapping->channel);
	copied.topic = copy(mapping->topic);
	return copied;
}

/**
 * mapping_free - free the strings of a mapping
 * @mapping: the mapping
 */
void mapping_free(struct mapping *mapping)
{
	free(mapping->channel);
	free(mapping->topic);
}

static bool same_endpoints(const struct mapping *a, const struct mapping *b)
{
	return !strcmp(a->channel, b->channel) && !strcmp(a->topic, b->topic);
}

/**
 * mappings_contain - check whether a channel and a topic are connected
 * @mappings: mappings to search
 * @mapping:  the channel and the topic
 *
 * Return: true if @mappings has one with the same channel and topic.
 */
bool mappings_contain(const struct mappings *mappings, const struct mapping *mapping)
{
	size_t i;

	for (i = 0; i < mappings->count; i++) {
		if (same_endpoints(&mappings->list[i], mapping))
			return true;
	}
	return false;
}

/**
 * mapping_equal - compare two mappings
 * @a: the first mapping
 * @b: the second mapping
 *
 * Return: true if all their settings are equal.
 */
bool mapping_equal(const struct mapping *a, const struct mapping *b)
{
	return same_endpoints(a, b) && a->interval_ns == b->interval_ns && a->qos == b->qos;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/**
 * settings_same_connection - compare the settings of the connection
 * @a: the first settings
 * @b: the second settings
 *
 * Return: true if no reconnect is needed to change from @a to @b.
 */
bool settings_same_connection(const struct settings *a, const struct settings *b)
{
	return same_text(a->broker, b->broker) && same_text(a->id, b->id) &&
	       same_text(a->user, b->user) && same_text(a->password_file, b->password_file) &&
	       same_text(a->ca_file, b->ca_file) && same_text(a->cert_file, b->cert_file) &&
	       same_text(a->key_file, b->key_file) &&
	       same_text(a->state_topic, b->state_topic) && a->keepalive == b->keepalive;
}

static void free_mappings(struct mappings *mappings)
{
	size_t i;

	for (i = 0; i < mappings->count; i++)
		mapping_free(&mappings->list[i]);
	free(mappings->list);
}

/**
 * settings_free - free settings and everything that they point to
 * @settings: the settings
 */
void settings_free(struct settings *settings)
{
	free_mappings(&settings->publish);
	free_mappings(&settings->subscribe);
	free(settings->broker);
	free(settings->host);
	free(settings->id);
	free(settings->user);
	free(settings->password_file);
	free(settings->ca_file);
	free(settings->cert_file);
	free(settings->key_file);
	free(settings->state_topic);
	free(settings);
}

const struct command mqtt_command = {
	.name = "",
	.about = "bridge between channels and MQTT topics",
	.usage = "[OPTION]...\n"
		 "Copy lines between channels and MQTT topics. While the broker is slow or\n"
		 "unreachable, only the newest line of each channel is kept.\n",
	.options = options,
};
