// SPDX-License-Identifier: GPL-2.0-only
/*
 * ZeroMQ with ZMQ_CONFLATE over ipc, publisher and subscriber. A thread of the library
 * sends, so a write returns before its line is sent. Compare figures of write and read
 * together.
 *
 * A separate program, because Debian's library cannot be linked statically.
 */
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

#include "bench.h"

#define JOIN_US	300000	/* until the publisher knows the subscription */

static bool zeromq_create(struct channel *channel)
{
	name_channel(channel, "/tmp");
	return true;
}

static bool zeromq_open(struct end *end)
{
	char address[96];
	int one = 1;

	snprintf(address, sizeof(address), "ipc://%s", end->channel->path);
	end->context = zmq_ctx_new();
	end->handle = zmq_socket(end->context, end->role == WRITER ? ZMQ_PUB : ZMQ_SUB);
	CHECK(end->handle);
	CHECK(!zmq_setsockopt(end->handle, ZMQ_CONFLATE, &one, sizeof(one)));
	if (end->role == WRITER) {
		CHECK(!zmq_bind(end->handle, address));
	} else {
		CHECK(!zmq_setsockopt(end->handle, ZMQ_SUBSCRIBE, "", 0));
		CHECK(!zmq_connect(end->handle, address));
	}
	usleep(JOIN_US);
	return true;
}

static void zeromq_close(struct end *end)
{
	int zero = 0;

	zmq_setsockopt(end->handle, ZMQ_LINGER, &zero, sizeof(zero));
	zmq_close(end->handle);
	zmq_ctx_term(end->context);
}

static ssize_t zeromq_write(struct end *end, const void *line, size_t len)
{
	return zmq_send(end->handle, line, len, 0);
}

static ssize_t zeromq_read(struct end *end, void *buf, size_t size)
{
	return zmq_recv(end->handle, buf, size, 0);
}

static const struct method method_zeromq = {
	.name = "zeromq",
	.traits = SLEEPS | BROADCASTS | CONFLATES | DEFERS,
	.crowd = 10,	/* beyond this, some subscribe too late for the first line */
	.create = zeromq_create,
	.open = zeromq_open,
	.close = zeromq_close,
	.write = zeromq_write,
	.read = zeromq_read,
};

const struct method *const methods[] = {
	&method_zeromq,
	NULL,
};
