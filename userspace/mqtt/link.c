// SPDX-License-Identifier: GPL-2.0-only
/*
 * The connection to the broker.
 *
 * Each attempt has a mosquitto of its own: what libmosquitto still holds of a connection
 * that was lost would be sent by the next one, and is old by then. For the same reason it
 * is given a line only when it has nothing else to write, and no more lines with QoS 1 than
 * the broker takes at a time; the kernel, only when it has sent what it had.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "incoming.h"
#include "link.h"
#include "outgoing.h"

#define WORKED_NS	(10 * NS_PER_S)	/* a connection that lasted so long was a good one */
#define BACKOFF_MAX	60		/* seconds */
#define CLOSE_NS	(2 * NS_PER_S)	/* at the end, for what is to be said then */
#define IN_FLIGHT_MAX	20		/* where the broker does not say; as libmosquitto */
#define CA_PATH		"/etc/ssl/certs"
/*
 * Longest message that the broker may send: a line or record, its topic and properties. All
 * of one is kept in memory until it is whole.
 */
#define PACKET_MAX	(LASTLINE_LINE_MAX_MAX + UINT16_MAX + 65536)

/* Channels that have a line, in the order in which they came. */
TAILQ_HEAD(outgoing_queue, outgoing);

/**
 * struct link - the connection
 * @bridge:        of which it is a part
 * @mosq:          of this attempt, or NULL between two
 * @io:            source: its socket
 * @retry:         source: time for the next attempt
 * @waiting:       who has a line
 * @sent:          whose line is in flight, by its message id
 * @in_flight:     how many are
 * @in_flight_max: how many the broker takes
 * @qos_max:       that it takes
 * @packet_max:    bytes that it takes in a message, with all that is around it
 * @reached:       the socket is connected
 * @only_ipv4:     try only such addresses this time
 * @connected:     and so is MQTT
 * @old_protocol:  the broker speaks 3.1.1 only
 * @failed:        what libmosquitto said when it was to send something
 * @attempts:      since the last connection that worked
 * @reconnects:    connections but the first
 * @since_ns:      when it was connected, CLOCK_MONOTONIC; 0: never
 * @problem:       what libmosquitto or the broker said last
 */
struct link {
	struct bridge *bridge;
	struct mosquitto *mosq;
	sd_event_source *io;
	sd_event_source *retry;
	struct outgoing_queue waiting;
	struct outgoing *sent[UINT16_MAX + 1];
	unsigned int in_flight;
	unsigned int in_flight_max;
	int qos_max;
	uint32_t packet_max;
	bool reached;
	bool connected;
	bool only_ipv4;
	bool old_protocol;
	int failed;
	unsigned int attempts;
	unsigned long reconnects;
	uint64_t since_ns;
	char problem[256];
};

/* May a line go now? */
static bool has_room(const struct link *link)
{
	return link->connected && link->in_flight < link->in_flight_max &&
	       !mosquitto_want_write(link->mosq);
}

static void set_events(struct link *link)
{
	uint32_t events = EPOLLIN;

	/* While TLS shakes hands, it wants to write all the time. */
	if (!link->reached || (link->connected && mosquitto_want_write(link->mosq)) ||
	    (!TAILQ_EMPTY(&link->waiting) && has_room(link)))
		events |= EPOLLOUT;
	check_event(sd_event_source_set_io_events(link->io, events));
}

static void say_state(const struct link *link, const char *state)
{
	warn("%s %s", link->bridge->settings->broker, state);
	sd_notifyf(0, "STATUS=%s %s", link->bridge->settings->broker, state);
}

/* Out of the queue. */
static void stop_waiting(struct link *link, struct outgoing *outgoing)
{
	if (outgoing->turn.queued)
		TAILQ_REMOVE(&link->waiting, outgoing, turn.entry);
	outgoing->turn.queued = false;
}

/* Whose line was in flight, if it was one of ours. */
static struct outgoing *landed(struct link *link, int mid)
{
	struct outgoing *outgoing = link->sent[mid];

	if (outgoing) {
		outgoing->turn.mid = 0;
		link->sent[mid] = NULL;
		link->in_flight--;
	}
	return outgoing;
}

/* Nothing of it is left, and nothing of it will be sent. */
static void take_down(struct link *link)
{
	link->io = sd_event_source_disable_unref(link->io);
	mosquitto_destroy(link->mosq);
	link->mosq = NULL;
	link->connected = false;
	outgoing_lost(link->bridge);
}

static bool has_worked(const struct link *link)
{
	return now_ns(CLOCK_MONOTONIC) - link->since_ns > WORKED_NS;
}

/*
 * After a connection that worked at once, but not all machines at once; after others later
 * and later.
 */
static uint64_t backoff(struct link *link)
{
	uint64_t longest = NS_PER_S, lot;

	if (link->connected && has_worked(link))
		link->attempts = 0;
	if (getrandom(&lot, sizeof(lot), 0) != sizeof(lot))
		lot = 0;
	if (!link->attempts++)
		return lot % longest;
	longest <<= link->attempts < 8 ? link->attempts - 2 : 6;
	if (longest > BACKOFF_MAX * NS_PER_S)
		longest = BACKOFF_MAX * NS_PER_S;
	return longest / 2 + lot % (longest / 2);
}

static void try_again(struct link *link, uint64_t delay_ns)
{
	check_event(sd_event_source_set_time(link->retry,
					     (now_ns(CLOCK_MONOTONIC) + delay_ns) / 1000));
	check_event(sd_event_source_set_enabled(link->retry, SD_EVENT_ONESHOT));
}

static void drop(struct link *link, const char *why)
{
	uint64_t delay_ns = backoff(link);
	char state[384];

	if (!link->reached)
		link->only_ipv4 = !link->only_ipv4;

	snprintf(state, sizeof(state), "%s: %s; next attempt in %.1f s",
		 link->connected ? "is lost" : "cannot be had", why, (double)delay_ns / NS_PER_S);
	say_state(link, state);
	take_down(link);
	try_again(link, delay_ns);
}

/* What the library said itself is more than its errors' names. */
static void fail(struct link *link, int error)
{
	int saved = errno;
	const char *why = link->problem;

	if (!*why && error == MOSQ_ERR_ERRNO && saved)
		why = strerror(saved);
	else if (!*why && error == MOSQ_ERR_KEEPALIVE)
		why = "it does not answer";
	else if (!*why && link->connected && !has_worked(link))
		why = "it was closed soon; does another client have this --id?";
	else if (!*why)
		why = mosquitto_strerror(error ? error : MOSQ_ERR_CONN_LOST);
	drop(link, why);
}

/* All that libmosquitto checks itself is the host's name, and it does not say that it did. */
static const char *certificate_problem(struct mosquitto *mosq)
{
	const SSL *ssl = mosquitto_ssl_get(mosq);
	long error = ssl ? SSL_get_verify_result(ssl) : X509_V_ERR_UNSPECIFIED;

	return error == X509_V_ERR_UNSPECIFIED ? "it is another host's" :
		X509_verify_cert_error_string(error);
}

static void on_log(struct mosquitto *mosq, void *arg, int level, const char *text)
{
	struct link *link = arg;

	if (level != MOSQ_LOG_ERR)
		return;
	if (strstr(text, "certificate verify failed"))
		snprintf(link->problem, sizeof(link->problem), "the broker's certificate: %s",
			 certificate_problem(mosq));
	else if (!*link->problem)
		snprintf(link->problem, sizeof(link->problem), "%s", text);
}

/* The connection is no good any more; on_io() or link_tick() drops it. */
static void note(struct link *link, int error)
{
	if (error)
		link->failed = error;
}

static void read_limits(struct link *link, const mosquitto_property *properties)
{
	uint16_t receive_max = link->old_protocol ? IN_FLIGHT_MAX : UINT16_MAX;
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
		warn("%s retains nothing: who comes later has to wait for the next line",
		     link->bridge->settings->broker);
}

/* With QoS 0, which waits for nothing: it may be the last that is said. */
static void publish_state(struct link *link, const char *state)
{
	const char *topic = link->bridge->settings->state_topic;

	if (*topic)
		note(link, mosquitto_publish_v5(link->mosq, NULL, topic, strlen(state), state, 0,
						true, NULL));
}

static void on_refused(struct link *link, int reason)
{
	if (reason == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION ||
	    reason == CONNACK_REFUSED_PROTOCOL_VERSION) {
		snprintf(link->problem, sizeof(link->problem), "no MQTT %s there, trying %s",
			 link->old_protocol ? "3.1.1" : "5", link->old_protocol ? "5" : "3.1.1");
		link->old_protocol = !link->old_protocol;
		return;
	}
	snprintf(link->problem, sizeof(link->problem), "%s",
		 link->old_protocol ? mosquitto_connack_string(reason) :
		 mosquitto_reason_string(reason));
}

static void on_connect(struct mosquitto *mosq, void *arg, int reason, int flags,
		       const mosquitto_property *properties)
{
	struct link *link = arg;

	if (reason) {
		on_refused(link, reason);
		return;
	}
	if (link->since_ns)
		link->reconnects++;
	link->since_ns = now_ns(CLOCK_MONOTONIC);
	link->connected = true;
	link->problem[0] = '\0';
	read_limits(link, properties);
	say_state(link, link->old_protocol ? "is connected (MQTT 3.1.1)" : "is connected");
	publish_state(link, "online");
	incoming_connected(link->bridge);
	outgoing_connected(link->bridge);
}

/* Only what the broker says of it: of all else the functions' values tell. */
static void on_disconnect(struct mosquitto *mosq, void *arg, int reason,
			  const mosquitto_property *properties)
{
	struct link *link = arg;

	if (reason == MQTT_RC_SESSION_TAKEN_OVER)
		snprintf(link->problem, sizeof(link->problem),
			 "another client has the id %s", link->bridge->settings->id);
	else if (reason >= MQTT_RC_UNSPECIFIED)
		snprintf(link->problem, sizeof(link->problem), "%s",
			 mosquitto_reason_string(reason));
}

static void on_publish(struct mosquitto *mosq, void *arg, int mid, int reason,
		       const mosquitto_property *properties)
{
	struct link *link = arg;
	struct outgoing *outgoing = landed(link, mid);

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
		incoming_granted(link->bridge, mid, granted[0]);
}

/* Says which file, and why it cannot be read. */
static bool can_read(struct link *link, const char *name)
{
	if (!name || !access(name, R_OK))
		return true;
	snprintf(link->problem, sizeof(link->problem), "%s: %s", name, strerror(errno));
	return false;
}

/* The first line of the file, to be freed. */
static char *read_password(const char *name)
{
	FILE *file = fopen(name, "re");
	char *password = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getline(&password, &size, file) >= 0)
		password[strcspn(password, "\r\n")] = '\0';
	fclose(file);
	return password;
}

static int set_user(struct link *link)
{
	const struct settings *settings = link->bridge->settings;
	char *password = NULL;
	int ret;

	if (!settings->user)
		return 0;
	if (!can_read(link, settings->password_file))
		return MOSQ_ERR_AUTH;
	if (settings->password_file)
		password = read_password(settings->password_file);
	ret = mosquitto_username_pw_set(link->mosq, settings->user, password);
	if (password)
		explicit_bzero(password, strlen(password));
	free(password);
	return ret;
}

static int set_tls(struct link *link)
{
	const struct settings *settings = link->bridge->settings;

	if (!settings->tls)
		return 0;
	if (!can_read(link, settings->ca_file) || !can_read(link, settings->cert_file) ||
	    !can_read(link, settings->key_file))
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
 * The connect that does not wait takes no properties. The other one keeps them before it
 * finds that there is no port -1. Without them, a broker could send us messages of 256 MiB.
 */
static void set_properties(struct link *link)
{
	mosquitto_property *properties = NULL;

	if (link->old_protocol)
		return;
	check(mosquitto_property_add_int32(&properties, MQTT_PROP_MAXIMUM_PACKET_SIZE,
					   PACKET_MAX));
	mosquitto_connect_bind_v5(link->mosq, link->bridge->settings->host, -1, 0, NULL,
				  properties);
	mosquitto_property_free_all(&properties);
}

/* A fresh mosquitto that knows all but where to go. */
static int set_up(struct link *link)
{
	const struct settings *settings = link->bridge->settings;
	int ret;

	/* Without a session there: the broker would queue for us what gets old. */
	link->mosq = mosquitto_new(settings->id, true, link);
	if (!link->mosq)
		die("%s", strerror(errno));
	set_callbacks(link->mosq);
	check(mosquitto_int_option(link->mosq, MOSQ_OPT_PROTOCOL_VERSION,
				   link->old_protocol ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5));
	check(mosquitto_int_option(link->mosq, MOSQ_OPT_TCP_NODELAY, 1));
	check(mosquitto_int_option(link->mosq, MOSQ_OPT_SEND_MAXIMUM, UINT16_MAX));
	set_properties(link);
	if (*settings->state_topic)
		check(mosquitto_will_set(link->mosq, settings->state_topic, strlen("offline"),
					 "offline", 0, true));
	ret = set_user(link);
	return ret ? ret : set_tls(link);
}

/* Lost lines are no use: who does not confirm for so long is gone, and so are they. */
static void set_socket(struct link *link, int fd)
{
	unsigned int unsent = 1, timeout_ms = link->bridge->settings->keepalive * 2000;

	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

/* Whose turn it is. The kernel says when it is the next one's. */
static void let_one_go(struct link *link)
{
	struct outgoing *outgoing = TAILQ_FIRST(&link->waiting);

	if (!outgoing || !has_room(link))
		return;
	stop_waiting(link, outgoing);
	outgoing_turn(outgoing);
}

/* Of TLS, libmosquitto says nothing. */
static void say_unreachable(struct link *link, int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	snprintf(link->problem, sizeof(link->problem), "%s", strerror(error));
}

static bool is_good(const struct link *link)
{
	return !link->failed && mosquitto_socket(link->mosq) >= 0;
}

/* After anything that may have failed. */
static void go_on(struct link *link)
{
	if (is_good(link))
		set_events(link);
	else
		fail(link, link->failed);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct link *link = arg;

	if (!link->reached && events & (EPOLLERR | EPOLLHUP)) {
		say_unreachable(link, fd);
		fail(link, MOSQ_ERR_CONN_LOST);
		return 0;
	}
	/* TLS shakes hands in what is called reading. */
	if (!link->reached || events & ~EPOLLOUT)
		note(link, mosquitto_loop_read(link->mosq, 1));
	link->reached = true;
	if (is_good(link) && mosquitto_want_write(link->mosq))
		note(link, mosquitto_loop_write(link->mosq, 1));
	if (is_good(link) && events & EPOLLOUT)
		let_one_go(link);
	go_on(link);
	return 0;
}

/**
 * link_open - try to connect, now
 * @link: it
 */
void link_open(struct link *link)
{
	const struct settings *settings = link->bridge->settings;
	int ret;

	link->problem[0] = '\0';
	link->reached = false;
	link->failed = 0;
	errno = 0;
	ret = set_up(link);
	/*
	 * Of a name's addresses only the first is tried, which may be one of IPv6 where
	 * nobody listens: with an address of our own that is none of IPv6, it is another one.
	 * To look up the name may take seconds, in which nothing else happens; without a
	 * connection there is not much to do.
	 */
	if (!ret)
		ret = mosquitto_connect_bind_async(link->mosq, settings->host, settings->port,
						   settings->keepalive,
						   link->only_ipv4 ? "0.0.0.0" : NULL);
	if (ret == MOSQ_ERR_EAI)
		snprintf(link->problem, sizeof(link->problem), "%s: no such host", settings->host);
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
 * link_tick - once a second: keepalive
 * @link: it
 */
void link_tick(struct link *link)
{
	if (!link->mosq)
		return;
	note(link, mosquitto_loop_misc(link->mosq));
	if (is_good(link) && link->reached && mosquitto_want_write(link->mosq))
		note(link, mosquitto_loop_write(link->mosq, 1));
	go_on(link);
}

/**
 * link_give_up - it is no good: connect anew, soon
 * @link: it
 * @why:  that is
 */
void link_give_up(struct link *link, const char *why)
{
	snprintf(link->problem, sizeof(link->problem), "%s", why);
	note(link, MOSQ_ERR_CONN_LOST);
	link->attempts = 0;
}

/**
 * link_close - say goodbye, and wait until it is said, but not for long
 * @link: it
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
		take_down(link);
	/* The next broker may be another one. */
	link->attempts = 0;
	link->old_protocol = false;
	link->only_ipv4 = false;
}

/**
 * link_new - not connected yet
 * @bridge: of which it is a part
 *
 * Return: it, to be freed by link_free().
 */
struct link *link_new(struct bridge *bridge)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		die("out of memory");
	link->bridge = bridge;
	TAILQ_INIT(&link->waiting);
	check_event(sd_event_add_time(bridge->event, &link->retry, CLOCK_MONOTONIC, 0, 1000,
				      on_retry, link));
	check_event(sd_event_source_set_enabled(link->retry, SD_EVENT_OFF));
	return link;
}

/**
 * link_free - after link_close()
 * @link: it
 */
void link_free(struct link *link)
{
	sd_event_source_disable_unref(link->retry);
	free(link);
}

/**
 * link_connected - is it?
 * @link: it
 *
 * Return: whether lines can go.
 */
bool link_connected(const struct link *link)
{
	return link->connected;
}

/**
 * link_has_properties - can messages have some?
 * @link: it
 *
 * Return: whether the broker speaks MQTT 5.
 */
bool link_has_properties(const struct link *link)
{
	return !link->old_protocol;
}

/**
 * link_reconnects - how often was it connected anew?
 * @link: it
 *
 * Return: that.
 */
unsigned long link_reconnects(const struct link *link)
{
	return link->reconnects;
}

/**
 * link_want - one has a line
 * @link:     that is to take it, by outgoing_turn(), when it can
 * @outgoing: who has
 */
void link_want(struct link *link, struct outgoing *outgoing)
{
	if (outgoing->turn.queued || !link->connected)
		return;
	TAILQ_INSERT_TAIL(&link->waiting, outgoing, turn.entry);
	outgoing->turn.queued = true;
	set_events(link);
}

/**
 * link_forget - it has no line any more, and none in flight
 * @link:     that forgets it
 * @outgoing: who
 */
void link_forget(struct link *link, struct outgoing *outgoing)
{
	stop_waiting(link, outgoing);
	landed(link, outgoing->turn.mid);
}

/* As it is in the packet: what begins it, lengths of topic and properties, the id. */
static bool fits(const struct link *link, const struct message *message)
{
	return 5 + 2 + strlen(message->topic) + 2 + 4 + message->overhead + message->size <=
		link->packet_max;
}

/**
 * link_publish - send a message, retained
 * @link:     by which
 * @outgoing: who is told when it is confirmed
 * @message:  it
 *
 * Return: 0 or an error of libmosquitto; but for that of too large messages, the link is
 * about to be dropped.
 */
int link_publish(struct link *link, struct outgoing *outgoing, const struct message *message)
{
	int qos = message->qos > link->qos_max ? link->qos_max : message->qos;
	int mid, ret;

	/* If libmosquitto says so, it has kept the message nevertheless. */
	if (!fits(link, message))
		return MOSQ_ERR_OVERSIZE_PACKET;
	ret = mosquitto_publish_v5(link->mosq, &mid, message->topic, message->size,
				   message->payload, qos, true, message->properties);
	/* An id that is still in flight after all others have been used. */
	if (!ret && qos && link->sent[mid])
		ret = MOSQ_ERR_PROTOCOL;
	note(link, ret);
	if (ret)
		return ret;
	if (qos) {
		link->sent[mid] = outgoing;
		outgoing->turn.mid = mid;
		link->in_flight++;
	} else {
		outgoing_confirmed(outgoing, 0);
	}
	return 0;
}

/**
 * link_subscribe - to a topic
 * @link:  by which
 * @mid:   gets the number by which incoming_granted() is told
 * @topic: which
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
 * link_unsubscribe - and get no more of it
 * @link:  by which
 * @topic: which
 */
void link_unsubscribe(struct link *link, const char *topic)
{
	if (!link->connected)
		return;
	mosquitto_unsubscribe(link->mosq, NULL, topic);
	set_events(link);
}
