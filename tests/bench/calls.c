// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost of poll, epoll, open and close.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

static int epoll;	/* watches the reader of the pair */

static void nothing(void *pair)
{
}

static void measure_call(const char *name, operation *call, struct pair *pair)
{
	static double own_cost;
	struct sample samples[PARTS];

	if (!own_cost) {
		timed(nothing, NULL, NULL, 16384, samples);
		own_cost = sample_typical(&samples[FIRST]);
		samples_free(samples);
	}
	measure(&(struct figure){ name, pair->channel.method }, call, pair, 0, own_cost);
}

static int polled(struct pair *pair)
{
	struct pollfd pfd = { .fd = pair->reader.fd, .events = POLLIN };

	return poll(&pfd, 1, 0);
}

static int epolled(void)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, 0);
}

static void poll_once(void *pair)
{
	polled(pair);
}

static void epoll_once(void *pair)
{
	epolled();
}

/* What an event loop does for each line. */
static void epoll_cycle(void *pair)
{
	CHECK(put(pair) > 0);
	CHECK(epolled() == 1);
	CHECK(get(pair) > 0);
}

static void watch(struct pair *pair, uint32_t edge)
{
	struct epoll_event event = { .events = EPOLLIN | edge };

	epoll_ctl(epoll, EPOLL_CTL_DEL, pair->reader.fd, NULL);
	CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, pair->reader.fd, &event));
}

void measure_poll(const struct method *method)
{
	struct pair pair;

	if (!(method->traits & POLLS) || !pair_open(&pair, method, LINE_BYTES))
		return;
	epoll = epoll_create1(0);
	CHECK(epoll >= 0);
	CHECK(!polled(&pair));
	measure_call("poll:nothing", poll_once, &pair);
	watch(&pair, 0);
	measure_call("epoll:nothing", epoll_once, &pair);
	measure_call("epoll:cycle", epoll_cycle, &pair);
	watch(&pair, EPOLLET);
	measure_call("epoll:edge-cycle", epoll_cycle, &pair);
	CHECK(put(&pair) > 0);
	watch(&pair, 0);
	CHECK(polled(&pair) == 1);
	measure_call("poll:line", poll_once, &pair);
	CHECK(epolled() == 1);
	measure_call("epoll:line", epoll_once, &pair);
	close(epoll);
	pair_close(&pair);
}

/* Returns false if the method has nothing to open for this role. */
static bool open_and_close(struct pair *pair, enum role role)
{
	struct end end;
	bool opened = end_open(&end, &pair->channel, role) && (end.fd >= 0 || end.map);

	end_close(&end);
	return opened;
}

static void open_reader(void *pair)
{
	open_and_close(pair, READER);
}

static void open_writer(void *pair)
{
	open_and_close(pair, WRITER);
}

/* While another reader has the channel open */
void measure_open(const struct method *method)
{
	struct pair pair = {};

	if (!method->open || !channel_create(&pair.channel, method, 0))
		return;
	if (end_open(&pair.reader, &pair.channel, READER)) {
		if (open_and_close(&pair, READER))
			measure_call("open+close:reader", open_reader, &pair);
		if (open_and_close(&pair, WRITER))
			measure_call("open+close:writer", open_writer, &pair);
		end_close(&pair.reader);
	}
	channel_destroy(&pair.channel);
}
