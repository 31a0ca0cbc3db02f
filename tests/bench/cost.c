// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the calls cost when nobody has to wait: write, read and both, for lines of
 * several sizes; a write over a line that nobody read; a look and a line without
 * a system call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define WARM_UP		32	/* rounds: fills caches, slabs and TLBs, and is verified */
#define ROWS		8	/* of calls that are too short to be timed one by one */
#define ROW_MAX		4096u	/* calls in a row */

/* A line of @size bytes. Those that have room are numbered. */
void fill_line(char *line, size_t size, unsigned int number)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%010u ", number);

	memset(line, 'x', size - 1);
	if (size > sizeof(text))
		memcpy(line, text, len);
	line[size - 1] = '\n';
}

/**
 * struct pair - both ends of a channel in one process
 * @channel: the channel
 * @writer:  its one end
 * @reader:  its other end
 * @line:    to be written
 * @buf:     what was read
 * @size:    of the line
 */
struct pair {
	struct channel channel;
	struct end writer;
	struct end reader;
	char *line;
	char *buf;
	size_t size;
};

static bool pair_open(struct pair *pair, const struct method *method, size_t size)
{
	if (!method_takes(method, size) || !channel_create(&pair->channel, method, 0))
		return false;
	if (!end_open(&pair->reader, &pair->channel, READER))
		goto destroy;
	if (!end_open(&pair->writer, &pair->channel, WRITER))
		goto close_reader;
	pair->size = size;
	pair->line = malloc(size);
	pair->buf = malloc(LINE_MAX_BYTES);
	CHECK(pair->line && pair->buf);
	fill_line(pair->line, size, 0);
	memset(pair->buf, 0, size);
	return true;

close_reader:
	end_close(&pair->reader);
destroy:
	channel_destroy(&pair->channel);
	return false;
}

static void pair_close(struct pair *pair)
{
	free(pair->line);
	free(pair->buf);
	end_close(&pair->writer);
	end_close(&pair->reader);
	channel_destroy(&pair->channel);
}

static ssize_t put(struct pair *pair)
{
	return pair->channel.method->write(&pair->writer, pair->line, pair->size);
}

/* The room for a line is as large as the line: no method has to fill more. */
static ssize_t get(struct pair *pair)
{
	return pair->channel.method->read(&pair->reader, pair->buf, pair->size);
}

/* Does the reader get what was written? Returns false if this size is too large. */
static bool warm_up(struct pair *pair)
{
	bool is_line = !(pair->channel.method->traits & NO_LINE);

	for (unsigned int i = 0; i < WARM_UP; i++) {
		fill_line(pair->line, pair->size, i);
		if (put(pair) != (ssize_t)pair->size)
			return false;
		CHECK(get(pair) == (ssize_t)pair->size);
		CHECK(!is_line || !memcmp(pair->line, pair->buf, pair->size));
	}
	return true;
}

/* Times of writes, of reads, and of the two together. */
struct costs {
	struct sample write;
	struct sample read;
	struct sample both;
};

static void costs_take(struct pair *pair, struct costs *costs, unsigned int rounds)
{
	uint64_t start, between, end;

	sample_alloc(&costs->write, rounds);
	sample_alloc(&costs->read, rounds);
	sample_alloc(&costs->both, rounds);
	for (unsigned int i = 0; i < rounds; i++) {
		start = now();
		put(pair);
		between = now();
		get(pair);
		end = now();
		costs->write.ns[i] = between - start;
		costs->read.ns[i] = end - between;
		costs->both.ns[i] = end - start;
	}
}

static void costs_free(struct costs *costs)
{
	sample_free(&costs->write);
	sample_free(&costs->read);
	sample_free(&costs->both);
}

static void overwrites_take(struct pair *pair, struct sample *sample, unsigned int rounds)
{
	uint64_t start;

	sample_alloc(sample, rounds);
	for (unsigned int i = 0; i < rounds; i++) {
		start = now();
		put(pair);
		sample->ns[i] = now() - start;
	}
}

/* How many rounds a figure of this pair is to have. */
static unsigned int rounds_for(struct pair *pair)
{
	uint64_t start = now();

	for (unsigned int i = 0; i < WARM_UP; i++) {
		put(pair);
		get(pair);
	}
	return rounds_within_budget(now() - start, WARM_UP);
}

/* What the clock and the calls through the table of methods take. */
static struct own_cost {
	double write;
	double read;
	double both;
	double overwrite;
} own_cost(void)
{
	static struct own_cost cost;
	struct sample sample;
	struct costs costs;
	struct pair pair;

	if (cost.both)
		return cost;
	CHECK(pair_open(&pair, &method_nothing, 64));
	costs_take(&pair, &costs, 16384);
	overwrites_take(&pair, &sample, 16384);
	cost.write = sample_typical(&costs.write);
	cost.read = sample_typical(&costs.read);
	cost.both = sample_typical(&costs.both);
	cost.overwrite = sample_typical(&sample);
	sample_free(&sample);
	costs_free(&costs);
	pair_close(&pair);
	return cost;
}

static void cost_of_size(const struct method *method, size_t size)
{
	struct own_cost own = own_cost();
	unsigned int rounds;
	struct sample sample;
	struct costs costs;
	struct pair pair;

	if (!pair_open(&pair, method, size))
		return;
	if (!warm_up(&pair))
		goto close;
	rounds = rounds_for(&pair);
	costs_take(&pair, &costs, rounds);
	emit_sample(&(struct figure){ "write", method, "size", size }, &costs.write, own.write);
	emit_sample(&(struct figure){ "read", method, "size", size }, &costs.read, own.read);
	emit_sample(&(struct figure){ "write+read", method, "size", size }, &costs.both,
		    own.both);
	costs_free(&costs);

	if (method->traits & CONFLATES) {
		while (method->traits & DROPS && put(&pair))
			;
		overwrites_take(&pair, &sample, rounds);
		emit_sample(&(struct figure){ "overwrite", method, "size", size }, &sample,
			    own.overwrite);
		sample_free(&sample);
	}
close:
	pair_close(&pair);
}

void measure_cost(const struct method *method)
{
	for (unsigned int i = 0; options.sizes[i]; i++)
		cost_of_size(method, options.sizes[i]);
}

/* One write of many lines, of which only the last counts. */
void measure_bulk(const struct method *method)
{
	struct own_cost own = own_cost();
	struct sample sample;
	struct pair pair;
	uint64_t start;

	if (!(method->traits & CONFLATES) || !pair_open(&pair, method, LINE_MAX_BYTES))
		return;
	for (size_t i = 0; i < LINE_MAX_BYTES; i += 64)
		fill_line(pair.line + i, 64, i / 64);
	if (put(&pair) != LINE_MAX_BYTES)
		goto close;
	start = now();
	put(&pair);
	overwrites_take(&pair, &sample, rounds_within_budget(now() - start, 1));
	emit_sample(&(struct figure){ "bulk", method, "size", LINE_MAX_BYTES }, &sample,
		    own.overwrite);
	sample_free(&sample);
close:
	pair_close(&pair);
}

/* Mean of @count looks or peeks in a row. */
static double row_of_looks(struct pair *pair, unsigned int count)
{
	uint64_t start = now();

	pair->channel.method->looks(&pair->reader, count);
	return (double)(now() - start) / count;
}

static double row_of_peeks(struct pair *pair, unsigned int count)
{
	const struct method *method = pair->channel.method;
	uint64_t start = now();

	if (method->peeks)
		method->peeks(&pair->reader, pair->buf, pair->size, count);
	for (unsigned int i = 0; !method->peeks && i < count; i++)
		method->peek(&pair->reader, pair->buf, pair->size);
	return (double)(now() - start) / count;
}

static double row_of_nothing(struct pair *pair, unsigned int count)
{
	uint64_t start = now();

	for (unsigned int i = count; i; i--)
		hide(i);
	return (double)(now() - start) / count;
}

/* The least of several rows: the timer interrupted others. */
static double least(double (*row)(struct pair *pair, unsigned int count), struct pair *pair)
{
	double value, best = row(pair, 1);
	unsigned int count = rounds_within_budget(best, 1) / ROWS;

	count = min(count, ROW_MAX);
	for (unsigned int i = 0; i < ROWS; i++) {
		value = row(pair, count);
		best = min(best, value);
	}
	return best;
}

static void peek_at(struct pair *pair, bool first)
{
	const struct method *method = pair->channel.method;
	double own = least(row_of_nothing, pair);

	if (first && method->looks)
		emit_value(&(struct figure){ "look", method }, least(row_of_looks, pair) - own);
	emit_value(&(struct figure){ "peek", method, "size", pair->size },
		   least(row_of_peeks, pair) - own);
}

/* In a loop, as in a program; what the loop takes is subtracted. */
void measure_peek(const struct method *method)
{
	struct pair pair;

	if (!method->peek)
		return;
	for (unsigned int i = 0; options.sizes[i]; i++) {
		if (!pair_open(&pair, method, options.sizes[i]))
			continue;
		if (warm_up(&pair))
			peek_at(&pair, !i);
		pair_close(&pair);
	}
}
