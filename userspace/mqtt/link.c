// SPDX-License-Identifier: GPL-2.0-only
/*
 * The connection to the broker.
 *
 * Each attempt to connect creates a new libmosquitto client. Otherwise the library would
 * send the messages that it kept from the previous connection, which are stale. For the same
 * reason a line is read only when neither libmosquitto nor the kernel has unsent data, and
 * when fewer QoS 1 messages are in flight than the broker accepts.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "incoming.h"
#include "link.h"
#include "outgoing.h"
#include "password.h"

#define STABLE_NS	(10 * NS_PER_S)	/* after a shorter connection, back off */
#define BACKOFF_MAX_S	60
#define CLOSE_NS	(2 * NS_PER_S)	/* for sending the last messages */
#define IN_FLIGHT_MAX	20		/* libmosquitto's default, for MQTT 3.1.1 */
#define CA_PATH		"/etc/ssl/certs"
/*
 * Largest packet that the broker may send: a line or record, its topic and properties. The
 * library keeps an incomplete packet in memory.
 */
#define PACKET_MAX	(LASTLINE_LINE_MAX_MAX + UINT16_MAX + 65536)

/* Channels that have a line to send, first in, first out */
TAILQ_HEAD(outgoing_queue, outgoing);

/**
 * struct link - the connection to the broker
 * @bridge:           bridge that the link belongs to
 * @mosq:             client of this attempt, or NULL between two attempts
 * @io:               event source: the socket
 * @retry:            event source: time to retry
 * @queue:            channels that have a line to send
 * @in_flight_by_mid: channels with a message in flight, by message ID
 * @in_flight:        number of messages in flight
 * @in_flight_max:    number of messages in flight that the broker accepts
 * @qos_max:          largest QoS that the broker accepts
 * @packet_max:       largest packet that the broker accepts, in bytes
 * @socket_connected: the socket is connected
 * @connected:        the broker has accepted the connection
 * @force_ipv4:       use IPv4 in this attempt
 * @mqtt311:          use MQTT 3.1.1, because the broker refused MQTT 5
 * @error:            last error of libmosquitto; 0 means none
 * @attempts:         failed attempts since the last stable connection
 * @reconnects:       number of connections without the first one
 * @connected_ns:     time when @connected became true, CLOCK_MONOTONIC; 0 means never
 * @problem:          last error text from libmosquitto or the broker
 */
struct link {
	struct bridge *bridge;
	struct mosquitto *mosq;
	sd_event_source *io;
	sd_event_source *retry;
	struct outgoing_queue queue;
	struct outgoing *in_flight_by_mid[UINT16_MAX + 1];
	unsigned int in_flight;
	unsigned int in_flight_max;
	int qos_max;
	uint32_t packet_max;
	bool socket_connected;
	bool connected;
	bool force_ipv4;
	bool mqtt311;
	int error;
	unsigned int attempts;
	unsigned long reconnects;
	uint64_t connected_ns;
	char problem[256];
};

/* Can the next line be sent now? */
static bool has_room(const struct link *link)
{
	return link->connected && link->in_flight < link->in_flight_max &&
	       !mosquitto_want_write(link->mosq);
}

static void set_events(struct link *link)
{
	uint32_t events = EPOLLIN;

	/* During the TLS handshake mosquitto_want_write() is always true. */
	if (!link->socket_connected || (link->connected && mosquitto_want_write(link->mosq)) ||
	    (!TAILQ_EMPTY(&link->queue) && has_room(link)))
		events |= EPOLLOUT;
	check_event(sd_event_source_set_io_events(link->io, events));
}

/* Prints the state of the connection, and shows it in systemctl status. */
static void __attribute__((__format__(__printf__, 1, 2))) report_state(const char *format, ...)
{
	char state[512];
	va_list args;

	va_start(args, format);
	vsnprintf(state, sizeof(state), format, args);
	va_end(args);
	warn("%s", state);
	sd_notifyf(0, "STATUS=%s", state);
}

static void dequeue(struct link *link, struct outgoing *outgoing)
{
	if (outgoing->send.queued)
		TAILQ_REMOVE(&link->queue, outgoing, send.entry);
	outgoing->send.queued = false;
}

/* Returns the channel whose message this is, or NULL. */
static struct outgoing *finish_in_flight(struct link *link, int mid)
{
	struct outgoing *outgoing = link->in_flight_by_mid[mid];

	if (outgoing) {
		outgoing->send.mid = 0;
		link->in_flight_by_mid[mid] = NULL;
		link->in_flight--;
	}
	return outgoing;
}

static void close_connection(struct link *link)
{
	link->io = sd_event_source_disable_unref(link->io);
	mosquitto_destroy(link->mosq);
	link->mosq = NULL;
	link->connected = false;
	outgoing_disconnected(link->bridge);
}

static bool was_stable(const struct link *link)
{
	return now_ns(CLOCK_MONOTONIC) - link->connected_ns > STABLE_NS;
}

/*
 * After a stable connection retry within a second, at a random time so that many machines do
 * not connect at once. Then double the delay each time.
 */
static uint64_t backoff(struct link *link)
{
	uint64_t limit = NS_PER_S, jitter;

	if (link->connected && was_stable(link))
		link->attempts = 0;
	if (getrandom(&jitter, sizeof(jitter), 0) != sizeof(jitter))
		jitter = 0;
	if (!link->attempts++)
		return jitter % limit;
	limit <<= link->attempts < 8 ? link->attempts - 2 : 6;
	if (limit > BACKOFF_MAX_S * NS_PER_S)
		limit = BACKOFF_MAX_S * NS_PER_S;
	return limit / 2 + jitter % (limit / 2);
}

static void start_retry_timer(struct link *link, uint64_t delay_ns)
{
	check_event(sd_event_source_set_time(link->retry,
					     (now_ns(CLOCK_MONOTONIC) + delay_ns) / 1000));
	check_event(sd_event_source_set_enabled(link->retry, SD_EVENT_ONESHOT));
}

static void disconnect(struct link *link, const char *why)
{
	uint64_t delay_ns = backoff(link);

	if (!link->socket_connected)
		link->force_ipv4 = !link->force_ipv4;

	report_state("%s %s: %s; retrying in %.1f s",
		     link->connected ? "lost the connection to" : "cannot connect to",
		     link->bridge->settings->broker, why, (double)delay_ns / NS_PER_S);
	close_connection(link);
	start_retry_timer(link, delay_ns);
}

/* Disconnects. The library's own message is more specific than the text for its error code. */
static void fail(struct link *link, int error)
{
	int saved = errno;
	const char *why = link->problem;

	if (!*why && error == MOSQ_ERR_ERRNO && saved)
		why = strerror(saved);
	else if (!*why && error == MOSQ_ERR_KEEPALIVE)
		why = "no answer from the broker";
	else if (!*why && link->connected && !was_stable(link))
		why = "closed by the broker; does another client use the same --id?";
	else if (!*why)
		why = mosquitto_strerror(error ? error : MOSQ_ERR_CONN_LOST);
	disconnect(link, why);
}

/* libmosquitto checks the host name itself, and OpenSSL has no reason for that failure. */
static const char *certificate_problem(struct mosquitto *mosq)
{
	const SSL *ssl = mosquitto_ssl_get(mosq);
	long error = ssl ? SSL_get_verify_result(ssl) : X509_V_ERR_UNSPECIFIED;

	return error == X509_V_ERR_UNSPECIFIED ? "it is for another host" :
		X509_verify_cert_error_string(error);
}

static void on_log(struct mosquitto *mosq, void *arg, int level, const char *text)
{
	struct link *link = arg;

	if (level != MOSQ_LOG_ERR)
		return;
	if (strstr(text, "certificate verify failed"))
		snprintf(link->problem, sizeof(link->problem),
			 "invalid certificate of the broker: %s", certificate_problem(mosq));
	else if (!*link->problem)
		snprintf(link->problem, sizeof(link->problem), "%s", text);
}

/* Remembers an error; on_io() or link_tick() disconnects then. */
static void note_error(struct link *link, int error)
{
	if (error)
		link->error = error;
}

static void read_limits(struct link *link, const mosquitto_property *properties)
{
	uint16_t receive_max = link->mqtt311 ? IN_FLIGHT_MAX : UINT16_MAX;
	uint8_t qos_max = 1, retains = 1;

	link->packet_max = UINT32_MAX;
	mosquitto_property_read_int16(properties, MQTT_PROP_RECEIVE_MAXIMUM, &receive_max, false);
	mosquitto_property_read_byte(properties, MQTT_PROP_MAXIMUM_QOS, &qos_max, false);
	mosquitto_property_read_int32(properties, MQTT_PROP_MAXIMUM_PACKET_SIZE,
				      &link->packet_max, false);
	mosquitto_property_read_byte(properties, MQTT_PROP_RETAIN_AVAILABLE, &retains, false);
	link->in_flight_max = receive_max;
	link->qos_max = qos_max;
	if (!retains)
		warn("%s does not retain messages: new subscribers wait for the next line",
		     link->bridge->settings->broker);
}

/* With QoS 0, because there may be no time to wait for an answer. */
static void publish_state(struct link *link, const char *state)
{
	const char *topic = link->bridge->settings->state_topic;

	if (*topic)
		note_error(link, mosquitto_publish_v5(link->mosq, NULL, topic, strlen(state),
						      state, 0, true, NULL));
}

static void read_refusal(struct link *link, int reason)
{
	if (reason == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION ||
	    reason == CONNACK_REFUSED_PROTOCOL_VERSION) {
		snprintf(link->problem, sizeof(link->problem),
			 "the broker does not support MQTT %s, trying %s",
			 link->mqtt311 ? "3.1.1" : "5", link->mqtt311 ? "5" : "3.1.1");
		link->mqtt311 = !link->mqtt311;
		return;
	}
	snprintf(link->problem, sizeof(link->problem), "%s",
		 link->mqtt311 ? mosquitto_connack_string(reason) :
		 mosquitto_reason_string(reason));
}

static void on_connect(struct mosquitto *mosq, void *arg, int reason, int flags,
		       const mosquitto_property *properties)
{
	struct link *link = arg;

	if (reason) {
		read_refusal(link, reason);
		return;
	}
	if (link->connected_ns)
		link->reconnects++;
	link->connected_ns = now_ns(CLOCK_MONOTONIC);
	link->connected = true;
	link->problem[0] = '\0';
	read_limits(link, properties);
	report_state("connected to %s with MQTT %s", link->bridge->settings->broker,
		     link->mqtt311 ? "3.1.1" : "5");
	publish_state(link, "online");
	incoming_connected(link->bridge);
	outgoing_connected(link->bridge);
}

/* Handles only reasons from the broker; other errors are return values of functions. */
static void on_disconnect(struct mosquitto *mosq, void *arg, int reason,
			  const mosquitto_property *properties)
{
	struct link *link = arg;

	if (reason == MQTT_RC_SESSION_TAKEN_OVER)
		snprintf(link->problem, sizeof(link->problem),
			 "another client uses the id %s", link->bridge->settings->id);
	else if (reason >= MQTT_RC_UNSPECIFIED)
		snprintf(link->problem, sizeof(link->problem), "%s",
			 mosquitto_reason_string(reason));
}

static void on_publish(struct mosquitto *mosq, void *arg, int mid, int reason,
		       const mosquitto_property *properties)
{
	struct link *link = arg;
	struct outgoing *outgoing = finish_in_flight(link, mid);

	if (outgoing)
		outgoing_confirmed(outgoing, reason);
}

static void on_message(struct mosquitto *mosq, void *arg, const struct mosquitto_message *message,
		       const mosquitto_property *properties)
{
	struct link *link = arg;

	incoming_message(link->bridge, message, properties);
}

static void on_subscribe(struct mosquitto *mosq, void *arg, int mid, int count,
			 const int *granted, const mosquitto_property *properties)
{
	struct link *link = arg;

	if (count)
		incoming_subscribed(link->bridge, mid, granted[0]);
}

/* libmosquitto's own error would not name the file. */
static bool is_readable(struct link *link, const char *name)
{
	if (!name || !access(name, R_OK))
		return true;
	snprintf(link->problem, sizeof(link->problem), "%s: %s", name, strerror(errno));
	return false;
}

static int set_user(struct link *link)
{
	const struct settings *settings = link->bridge->settings;
	const char *why;
	char *password;
	int ret;

	if (!settings->user)
		return 0;
	if (!settings->password_file)
		return mosquitto_username_pw_set(link->mosq, settings->user, NULL);
	why = password_read(settings->password_file, &password);
	if (why) {
		snprintf(link->problem, sizeof(link->problem), "%s: %s",
			 settings->password_file, why);
		return MOSQ_ERR_AUTH;
	}
	ret = mosquitto_username_pw_set(link->mosq, settings->user, password);
	password_free(password);
	return ret;
}

static int set_tls(struct link *link)
{
	const struct settings *settings = link->bridge->settings;

	if (!settings->tls)
		return 0;
	if (!is_readable(link, settings->ca_file) || !is_readable(link, settings->cert_file) ||
	    !is_readable(link, settings->key_file))
		return MOSQ_ERR_TLS;
	return mosquitto_tls_set(link->mosq, settings->ca_file,
				 settings->ca_file ? NULL : CA_PATH, settings->cert_file,
				 settings->key_file, NULL);
}

static void set_callbacks(struct mosquitto *mosq)
{
	mosquitto_connect_v5_callback_set(mosq, on_connect);
	mosquitto_disconnect_v5_callback_set(mosq, on_disconnect);
	mosquitto_publish_v5_callback_set(mosq, on_publish);
	mosquitto_message_v5_callback_set(mosq, on_message);
	mosquitto_subscribe_v5_callback_set(mosq, on_subscribe);
	mosquitto_log_callback_set(mosq, on_log);
}

/*
 * Limits the size of received messages, which could be 256 MiB otherwise. The asynchronous
 * connect takes no properties. The synchronous one stores them before it fails because of
 * the invalid port.
 */
static void set_properties(struct link *link)
{
	mosquitto_property *properties = NULL;

	if (link->mqtt311)
		return;
	check_mosq(mosquitto_property_add_int32(&properties, MQTT_PROP_MAXIMUM_PACKET_SIZE,
						PACKET_MAX));
	mosquitto_connect_bind_v5(link->mosq, link->bridge->settings->host, -1, 0, NULL,
				  properties);
	mosquitto_property_free_all(&properties);
}

/* Creates and configures a client, but does not connect it. */
static int create_client(struct link *link)
{
	const struct settings *settings = link->bridge->settings;
	int ret;

	/* A clean session, so that the broker does not queue messages while disconnected. */
	link->mosq = mosquitto_new(settings->id, true, link);
	if (!link->mosq)
		die("cannot create an MQTT client: %s", strerror(errno));
	set_callbacks(link->mosq);
	check_mosq(mosquitto_int_option(link->mosq, MOSQ_OPT_PROTOCOL_VERSION,
					link->mqtt311 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5));
	check_mosq(mosquitto_int_option(link->mosq, MOSQ_OPT_TCP_NODELAY, 1));
	check_mosq(mosquitto_int_option(link->mosq, MOSQ_OPT_SEND_MAXIMUM, UINT16_MAX));
	set_properties(link);
	if (*settings->state_topic)
		check_mosq(mosquitto_will_set(link->mosq, settings->state_topic, strlen("offline"),
					      "offline", 0, true));
	ret = set_user(link);
	return ret ? ret : set_tls(link);
}

/* Limits unsent data in the kernel, and the time that sent data may stay unacknowledged. */
static void set_socket(struct link *link, int fd)
{
	unsigned int unsent = 1, timeout_ms = link->bridge->settings->keepalive * 2000;

	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

/* Sends one line; EPOLLOUT triggers the next one. */
static void send_next(struct link *link)
{
	struct outgoing *outgoing = TAILQ_FIRST(&link->queue);

	if (!outgoing || !has_room(link))
		return;
	dequeue(link, outgoing);
	outgoing_send(outgoing);
}

/* libmosquitto does not report this error with TLS. */
static void read_socket_error(struct link *link, int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	snprintf(link->problem, sizeof(link->problem), "%s", strerror(error));
}

static bool is_usable(const struct link *link)
{
	return !link->error && mosquitto_socket(link->mosq) >= 0;
}

/* Call after anything that may have noted an error, or changed the events to wait for. */
static void set_events_or_fail(struct link *link)
{
	if (is_usable(link))
		set_events(link);
	else
		fail(link, link->error);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct link *link = arg;

	if (!link->socket_connected && events & (EPOLLERR | EPOLLHUP)) {
		read_socket_error(link, fd);
		fail(link, MOSQ_ERR_CONN_LOST);
		return 0;
	}
	/* The TLS handshake is part of mosquitto_loop_read(). */
	if (!link->socket_connected || events & ~EPOLLOUT)
		note_error(link, mosquitto_loop_read(link->mosq, 1));
	link->socket_connected = true;
	if (is_usable(link) && mosquitto_want_write(link->mosq))
		note_error(link, mosquitto_loop_write(link->mosq, 1));
	if (is_usable(link) && events & EPOLLOUT)
		send_next(link);
	set_events_or_fail(link);
	return 0;
}

/**
 * link_open - try to connect now
 * @link: the link
 */
void link_open(struct link *link)
{
	const struct settings *settings = link->bridge->settings;
	int ret;

	link->problem[0] = '\0';
	link->socket_connected = false;
	link->error = 0;
	errno = 0;
	ret = create_client(link);
	/*
	 * libmosquitto tries only the first address of the host, which may be an IPv6 address
	 * that the broker does not listen on. A local IPv4 address makes it use IPv4. The
	 * name lookup may block for seconds, which is acceptable without a connection.
	 */
	if (!ret)
		ret = mosquitto_connect_bind_async(link->mosq, settings->host, settings->port,
						   settings->keepalive,
						   link->force_ipv4 ? "0.0.0.0" : NULL);
	if (ret == MOSQ_ERR_EAI)
		snprintf(link->problem, sizeof(link->problem), "host %s not found", settings->host);
	if (ret) {
		fail(link, ret);
		return;
	}
	set_socket(link, mosquitto_socket(link->mosq));
	check_event(sd_event_add_io(link->bridge->event, &link->io, mosquitto_socket(link->mosq),
				    EPOLLIN | EPOLLOUT, on_io, link));
}

static int on_retry(sd_event_source *source, uint64_t usec, void *arg)
{
	link_open(arg);
	return 0;
}

/**
 * link_tick - send and check keepalive messages; called every second
 * @link: the link
 */
void link_tick(struct link *link)
{
	if (!link->mosq)
		return;
	note_error(link, mosquitto_loop_misc(link->mosq));
	if (is_usable(link) && link->socket_connected && mosquitto_want_write(link->mosq))
		note_error(link, mosquitto_loop_write(link->mosq, 1));
	set_events_or_fail(link);
}

/**
 * link_reconnect - disconnect soon, and reconnect without backoff
 * @link: the link
 * @why:  reason, for the message
 */
void link_reconnect(struct link *link, const char *why)
{
	snprintf(link->problem, sizeof(link->problem), "%s", why);
	note_error(link, MOSQ_ERR_CONN_LOST);
	link->attempts = 0;
}

/**
 * link_close - publish "offline" and disconnect; waits at most CLOSE_NS
 * @link: the link
 */
void link_close(struct link *link)
{
	uint64_t end = add_ns(now_ns(CLOCK_MONOTONIC), CLOSE_NS);
	struct pollfd poll = { .events = POLLOUT };

	check_event(sd_event_source_set_enabled(link->retry, SD_EVENT_OFF));
	if (link->connected) {
		publish_state(link, "offline");
		mosquitto_disconnect(link->mosq);
		while ((poll.fd = mosquitto_socket(link->mosq)) >= 0 &&
		       !poll_until(&poll, 1, end) && !mosquitto_loop_write(link->mosq, 1))
			;
	}
	if (link->mosq)
		close_connection(link);
	/* The settings may name another broker now. */
	link->attempts = 0;
	link->mqtt311 = false;
	link->force_ipv4 = false;
}

/**
 * link_new - create a link that is not connected
 * @bridge: the bridge
 *
 * Return: the link; the caller frees it with link_free().
 */
struct link *link_new(struct bridge *bridge)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		die("out of memory");
	link->bridge = bridge;
	TAILQ_INIT(&link->queue);
	check_event(sd_event_add_time(bridge->event, &link->retry, CLOCK_MONOTONIC, 0, 1000,
				      on_retry, link));
	check_event(sd_event_source_set_enabled(link->retry, SD_EVENT_OFF));
	return link;
}

/**
 * link_free - free a link after link_close()
 * @link: the link
 */
void link_free(struct link *link)
{
	sd_event_source_disable_unref(link->retry);
	free(link);
}

/**
 * link_is_connected - check the connection
 * @link: the link
 *
 * Return: true if the broker has accepted the connection.
 */
bool link_is_connected(const struct link *link)
{
	return link->connected;
}

/**
 * link_is_mqtt5 - check the protocol
 * @link: the link
 *
 * Return: true with MQTT 5, false with MQTT 3.1.1, which has no message properties.
 */
bool link_is_mqtt5(const struct link *link)
{
	return !link->mqtt311;
}

/**
 * link_reconnects - count the connections
 * @link: the link
 *
 * Return: number of connections without the first one.
 */
unsigned long link_reconnects(const struct link *link)
{
	return link->reconnects;
}

/**
 * link_queue - call outgoing_send() as soon as a line can be sent
 * @link:     the link
 * @outgoing: channel with an unseen line
 */
void link_queue(struct link *link, struct outgoing *outgoing)
{
	if (outgoing->send.queued || !link->connected)
		return;
	TAILQ_INSERT_TAIL(&link->queue, outgoing, send.entry);
	outgoing->send.queued = true;
	set_events(link);
}

/**
 * link_cancel - remove a channel from the queue and from the messages in flight
 * @link:     the link
 * @outgoing: the channel
 */
void link_cancel(struct link *link, struct outgoing *outgoing)
{
	dequeue(link, outgoing);
	finish_in_flight(link, outgoing->send.mid);
}

/* Adds fixed header, length and bytes of the topic, message ID, length of the properties. */
static bool fits_packet(const struct link *link, const struct message *message)
{
	return 5 + 2 + strlen(message->topic) + 2 + 4 + message->overhead + message->size <=
		link->packet_max;
}

/**
 * link_publish - send a retained message
 * @link:     the link
 * @outgoing: channel to call outgoing_confirmed() for
 * @message:  the message
 *
 * Return: 0 or an error of libmosquitto. After any error but MOSQ_ERR_OVERSIZE_PACKET the
 * link disconnects.
 */
int link_publish(struct link *link, struct outgoing *outgoing, const struct message *message)
{
	int qos = message->qos > link->qos_max ? link->qos_max : message->qos;
	int mid, ret;

	/* libmosquitto would return the same error, but keep the message. */
	if (!fits_packet(link, message))
		return MOSQ_ERR_OVERSIZE_PACKET;
	ret = mosquitto_publish_v5(link->mosq, &mid, message->topic, message->size,
				   message->payload, qos, true, message->properties);
	/* The message IDs have wrapped around to one that is still in flight. */
	if (!ret && qos && link->in_flight_by_mid[mid])
		ret = MOSQ_ERR_PROTOCOL;
	note_error(link, ret);
	if (ret)
		return ret;
	if (qos) {
		link->in_flight_by_mid[mid] = outgoing;
		outgoing->send.mid = mid;
		link->in_flight++;
	} else {
		outgoing_confirmed(outgoing, 0);
	}
	return 0;
}

/**
 * link_subscribe - subscribe to a topic
 * @link:  the link
 * @mid:   result: message ID that incoming_subscribed() is called with
 * @topic: topic filter
 * @qos:   0 or 1
 *
 * Return: 0 or an error of libmosquitto.
 */
int link_subscribe(struct link *link, int *mid, const char *topic, int qos)
{
	int ret = mosquitto_subscribe_v5(link->mosq, mid, topic, qos, 0, NULL);

	set_events(link);
	return ret;
}

/**
 * link_unsubscribe - unsubscribe from a topic
 * @link:  the link
 * @topic: topic filter
 */
void link_unsubscribe(struct link *link, const char *topic)
{
	if (!link->connected)
		return;
	mosquitto_unsubscribe(link->mosq, NULL, topic);
	set_events(link);
}
