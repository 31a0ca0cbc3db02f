// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls around the job: poll and epoll, open and close.
 */
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

#define LINE_SIZE	64
#define WARM_UP		32

/**
 * struct subject - what the calls are made on
 * @channel: the channel
 * @writer:  the other end
 * @reader:  this end
 * @epoll:   knows the reader
 * @line:    to be written
 * @buf:     what was read
 */
struct subject {
	struct channel channel;
	struct end writer;
	struct end reader;
	int epoll;
	char line[LINE_SIZE];
	char buf[LINE_SIZE];
};

static void nothing(struct subject *subject)
{
}

static void timed_calls(void (*call)(struct subject *subject), struct subject *subject,
			struct sample *sample)
{
	uint64_t start = now();

	for (unsigned int i = 0; i < WARM_UP; i++)
		call(subject);
	sample_alloc(sample, rounds_within_budget(now() - start, WARM_UP));
	for (unsigned int i = 0; i < sample->count; i++) {
		start = now();
		call(subject);
		sample->ns[i] = now() - start;
	}
}

/* What the clock and the call of a function take. */
static double own_cost(void)
{
	static double cost;
	struct sample sample;

	if (!cost) {
		timed_calls(nothing, NULL, &sample);
		cost = sample_typical(&sample);
		sample_free(&sample);
	}
	return cost;
}

static void measure_call(const char *measure, void (*call)(struct subject *subject),
			 struct subject *subject)
{
	struct sample sample;

	timed_calls(call, subject, &sample);
	emit_sample(&(struct figure){ measure, subject->channel.method }, &sample, own_cost());
	sample_free(&sample);
}

static int polled(struct subject *subject)
{
	struct pollfd pfd = { .fd = subject->reader.fd, .events = POLLIN };

	return poll(&pfd, 1, 0);
}

static int epolled(struct subject *subject)
{
	struct epoll_event event;

	return epoll_wait(subject->epoll, &event, 1, 0);
}

static void poll_once(struct subject *subject)
{
	polled(subject);
}

static void epoll_once(struct subject *subject)
{
	epolled(subject);
}

static void put(struct subject *subject)
{
	CHECK(subject->channel.method->write(&subject->writer, subject->line, LINE_SIZE) > 0);
}

static void get(struct subject *subject)
{
	CHECK(subject->channel.method->read(&subject->reader, subject->buf, LINE_SIZE) > 0);
}

/* What an event loop does for each line. */
static void epoll_cycle(struct subject *subject)
{
	put(subject);
	CHECK(epolled(subject) == 1);
	get(subject);
}

static void watch(struct subject *subject, uint32_t edge)
{
	struct epoll_event event = { .events = EPOLLIN | edge };

	epoll_ctl(subject->epoll, EPOLL_CTL_DEL, subject->reader.fd, NULL);
	CHECK(!epoll_ctl(subject->epoll, EPOLL_CTL_ADD, subject->reader.fd, &event));
}

static void poll_and_epoll(struct subject *subject)
{
	CHECK(!polled(subject));
	measure_call("poll:nothing", poll_once, subject);
	watch(subject, 0);
	measure_call("epoll:nothing", epoll_once, subject);
	measure_call("epoll:cycle", epoll_cycle, subject);
	watch(subject, EPOLLET);
	measure_call("epoll:edge-cycle", epoll_cycle, subject);
	put(subject);
	watch(subject, 0);
	CHECK(polled(subject) == 1);
	measure_call("poll:line", poll_once, subject);
	CHECK(epolled(subject) == 1);
	measure_call("epoll:line", epoll_once, subject);
	get(subject);
}

void measure_poll(const struct method *method)
{
	struct subject subject = { .epoll = -1 };

	if (!(method->traits & POLLS) || !channel_create(&subject.channel, method, 0))
		return;
	fill_line(subject.line, LINE_SIZE, 0);
	if (end_open(&subject.reader, &subject.channel, READER)) {
		if (end_open(&subject.writer, &subject.channel, WRITER)) {
			subject.epoll = epoll_create1(0);
			CHECK(subject.epoll >= 0);
			poll_and_epoll(&subject);
			close(subject.epoll);
			end_close(&subject.writer);
		}
		end_close(&subject.reader);
	}
	channel_destroy(&subject.channel);
}

static void open_and_close(struct subject *subject, enum role role)
{
	struct end end;

	end_open(&end, &subject->channel, role);
	end_close(&end);
}

static void open_reader(struct subject *subject)
{
	open_and_close(subject, READER);
}

static void open_writer(struct subject *subject)
{
	open_and_close(subject, WRITER);
}

static void create_and_destroy(struct subject *subject)
{
	struct channel channel;

	channel_create(&channel, subject->channel.method, 1);
	channel_destroy(&channel);
}

/* Is there anything to be opened? Some writers open with each write. */
static bool opens(struct channel *channel, enum role role)
{
	struct end end;
	bool opened;

	if (!end_open(&end, channel, role))
		return false;
	opened = end.fd >= 0 || end.map;
	end_close(&end);
	return opened;
}

/* Of a channel that is open elsewhere; of both ends, where they have no name. */
void measure_open(const struct method *method)
{
	struct subject subject = {};

	if (!(method->close || method->traits & UNNAMED) ||
	    !channel_create(&subject.channel, method, 0))
		return;
	if (end_open(&subject.reader, &subject.channel, READER)) {
		if (method->traits & UNNAMED)
			measure_call("open+close", create_and_destroy, &subject);
		else if (opens(&subject.channel, READER))
			measure_call("open+close:reader", open_reader, &subject);
		if (!(method->traits & UNNAMED) && opens(&subject.channel, WRITER))
			measure_call("open+close:writer", open_writer, &subject);
		end_close(&subject.reader);
	}
	channel_destroy(&subject.channel);
}
