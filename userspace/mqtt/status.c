// SPDX-License-Identifier: GPL-2.0-only
/*
 * Metrics of a running bridge. A client that connects to the socket receives the descriptor
 * of a file with the metrics as JSON, so that a slow client cannot block the bridge.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "incoming.h"
#include "link.h"
#include "outgoing.h"
#include "status.h"

#define DIRECTORY	"/lastline-mqtt"	/* below /run or $XDG_RUNTIME_DIR */

/**
 * struct status - server for the metrics
 * @address: address of the socket
 * @source:  event source: a client connects
 * @bridge:  the bridge
 */
struct status {
	struct sockaddr_un address;
	sd_event_source *source;
	struct bridge *bridge;
};

/* The directory for runtime files, of the system or of a user, or NULL */
static const char *runtime_directory(void)
{
	return access("/run", W_OK) && access("/run" DIRECTORY, W_OK) ?
		getenv("XDG_RUNTIME_DIR") : "/run";
}

static bool set_address(struct sockaddr_un *address, const char *directory, const char *id)
{
	address->sun_family = AF_UNIX;
	return directory && snprintf(address->sun_path, sizeof(address->sun_path),
				     "%s" DIRECTORY "/%s", directory, id) <
		(int)sizeof(address->sun_path);
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("cannot create a socket: %s", strerror(errno));
	return fd;
}

static bool connects(int fd, const struct sockaddr_un *address)
{
	return !connect(fd, (const struct sockaddr *)address, sizeof(*address));
}

static json_t *bridge_json(const struct bridge *bridge)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:I, s:I, s:o, s:o}",
			 "id", bridge->settings->id, "broker", bridge->settings->broker,
			 "connected", link_is_connected(bridge->link),
			 "protocol", link_is_mqtt5(bridge->link) ? "5" : "3.1.1",
			 "reconnects", (json_int_t)link_reconnects(bridge->link),
			 "uptime_ns", (json_int_t)(now_ns(CLOCK_MONOTONIC) - bridge->started_ns),
			 "publish", outgoing_json(bridge), "subscribe", incoming_json(bridge));
}

static int metrics_file(const struct bridge *bridge)
{
	int fd = memfd_create("metrics", MFD_CLOEXEC);
	json_t *json;

	if (fd < 0)
		return -1;
	json = bridge_json(bridge);
	if (json_dumpfd(json, fd, JSON_INDENT(2))) {
		close(fd);
		fd = -1;
	}
	json_decref(json);
	return fd;
}

/**
 * union file_message - control message for a file descriptor
 * @buffer: the message
 * @align:  provides the alignment of a header
 */
union file_message {
	char buffer[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static struct msghdr make_message(union file_message *control, struct iovec *byte)
{
	return (struct msghdr){
		.msg_iov = byte,
		.msg_iovlen = 1,
		.msg_control = control->buffer,
		.msg_controllen = sizeof(control->buffer),
	};
}

static void send_file(int socket, int file)
{
	union file_message control = {};
	struct iovec byte = { "", 1 };
	struct msghdr message = make_message(&control, &byte);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &file, sizeof(file));
	sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int receive_file(int socket)
{
	union file_message control = {};
	const struct timeval timeout = { .tv_sec = 10 };
	struct iovec byte = { &(char){ 0 }, 1 };
	struct msghdr message = make_message(&control, &byte);
	struct cmsghdr *header;
	int file;

	setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&file, CMSG_DATA(header), sizeof(file));
	return file;
}

static int on_request(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct status *status = arg;
	int socket, file;

	socket = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (socket < 0)
		return 0;
	file = metrics_file(status->bridge);
	if (file >= 0) {
		send_file(socket, file);
		close(file);
	}
	close(socket);
	return 0;
}

/* Replaces the socket of a killed bridge. Prints errors. */
static int listen_on(const struct sockaddr_un *address)
{
	const struct sockaddr *generic = (const struct sockaddr *)address;
	int fd = new_socket(), probe = new_socket();

	if (connects(probe, address)) {
		warn("a bridge with id %s is already running; use another --id",
		     strrchr(address->sun_path, '/') + 1);
		close(probe);
		close(fd);
		return -EADDRINUSE;
	}
	close(probe);
	unlink(address->sun_path);
	if (bind(fd, generic, sizeof(*address)) || listen(fd, SOMAXCONN)) {
		warn("--status will not work: %s: %s", address->sun_path, strerror(errno));
		close(fd);
		return -EIO;
	}
	return fd;
}

/**
 * status_start - start serving the metrics
 * @bridge: the bridge
 * @first:  the program is starting; exit if another bridge with the same id is running,
 *          because the broker would close the connection of one whenever the other connects
 *
 * Return: the server, or NULL after printing an error.
 */
struct status *status_start(struct bridge *bridge, bool first)
{
	const char *directory = runtime_directory();
	struct status *status = calloc(1, sizeof(*status));
	char path[sizeof(status->address.sun_path)];
	int fd;

	if (!status)
		die("out of memory");
	status->bridge = bridge;
	if (!set_address(&status->address, directory, bridge->settings->id)) {
		warn("--status will not work: XDG_RUNTIME_DIR is not set, or too long");
		free(status);
		return NULL;
	}
	snprintf(path, sizeof(path), "%s" DIRECTORY, directory);
	mkdir(path, 0755);
	fd = listen_on(&status->address);
	if (fd == -EADDRINUSE && first)
		exit(STATUS_FAILED);
	if (fd < 0) {
		free(status);
		return NULL;
	}
	check_event(sd_event_add_io(bridge->event, &status->source, fd, EPOLLIN, on_request,
				    status));
	check_event(sd_event_source_set_io_fd_own(status->source, true));
	return status;
}

/**
 * status_stop - stop serving the metrics
 * @status: the server, or NULL
 */
void status_stop(struct status *status)
{
	if (!status)
		return;
	unlink(status->address.sun_path);
	sd_event_source_disable_unref(status->source);
	free(status);
}

/* The metrics from the bridge whose socket is in @directory, or NULL */
static json_t *request_from(const char *directory, const char *id)
{
	struct sockaddr_un address;
	json_t *json = NULL;
	int fd, file;

	fd = new_socket();
	if (set_address(&address, directory, id) && connects(fd, &address)) {
		file = receive_file(fd);
		lseek(file, 0, SEEK_SET);
		json = json_loadfd(file, 0, NULL);
		close(file);
	}
	close(fd);
	return json;
}

static json_t *request(const char *id)
{
	json_t *json = request_from("/run", id);

	return json ? json : request_from(getenv("XDG_RUNTIME_DIR"), id);
}

static double number(const json_t *row, const char *name)
{
	return json_number_value(json_object_get(row, name));
}

static const char *text(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

static void print_publish(const json_t *rows)
{
	const json_t *row;
	size_t i;

	printf("\n%-20s %-28s %10s %10s %12s %8s %9s\n", "publish", "topic", "sent", "confirmed",
	       "conflated", "refused", "lag ms");
	json_array_foreach(rows, i, row)
		printf("%-20s %-28s %10.0f %10.0f %12.0f %8.0f %9.1f\n", text(row, "channel"),
		       text(row, "topic"), number(row, "sent"), number(row, "confirmed"),
		       number(row, "conflated"), number(row, "refused"),
		       number(row, "lag_ns") / 1e6);
}

static void print_subscribe(const json_t *rows)
{
	const json_t *row;
	size_t i;

	printf("\n%-28s %-20s %10s %10s %12s %8s %9s\n", "subscribe", "channel", "received",
	       "published", "missed", "refused", "age ms");
	json_array_foreach(rows, i, row)
		printf("%-28s %-20s %10.0f %10.0f %12.0f %8.0f %9.1f\n", text(row, "topic"),
		       text(row, "channel"), number(row, "received"), number(row, "published"),
		       number(row, "missed"), number(row, "refused"),
		       number(row, "age_ns") / 1e6);
}

static void print_report(const json_t *json)
{
	const json_t *publish = json_object_get(json, "publish");
	const json_t *subscribe = json_object_get(json, "subscribe");

	printf("%s: %s %s, MQTT %s, %.0f reconnects, up %.0f s\n", text(json, "id"),
	       json_is_true(json_object_get(json, "connected")) ? "connected to" :
	       "not connected to", text(json, "broker"), text(json, "protocol"),
	       number(json, "reconnects"), number(json, "uptime_ns") / 1e9);
	if (json_array_size(publish))
		print_publish(publish);
	if (json_array_size(subscribe))
		print_subscribe(subscribe);
}

/**
 * status_print - print the metrics of a running bridge
 * @settings: settings with its id
 *
 * Return: the exit status.
 */
int status_print(const struct settings *settings)
{
	json_t *json = request(settings->id);

	if (!json) {
		warn("cannot get the status: bridge %s is not running, or permission denied",
		     settings->id);
		return STATUS_FAILED;
	}
	if (settings->json) {
		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_report(json);
	}
	json_decref(json);
	return STATUS_OK;
}
