// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost of calls that do not sleep: write, read and both, for several line sizes; a
 * write over an unseen line; checking for a line without a system call.
 */
#include <string.h>

#include "bench.h"

#define CHECKED_LINES	32
#define ROWS		8	/* of calls that are too short to time individually */
#define ROW_MAX		4096u	/* calls in a row */

static void write_line(void *pair)
{
	put(pair);
}

static void read_line(void *pair)
{
	get(pair);
}

/* Checks that the reader gets what was written. Returns false if this size is too large. */
static bool works(struct pair *pair)
{
	bool is_line = !(pair->channel.method->traits & NO_LINE);

	for (unsigned int i = 0; i < CHECKED_LINES; i++) {
		fill_line(pair->line, pair->size, i);
		if (put(pair) != (ssize_t)pair->size)
			return false;
		CHECK(get(pair) == (ssize_t)pair->size);
		CHECK(!is_line || !memcmp(pair->line, pair->buf, pair->size));
	}
	return true;
}

static ssize_t nothing_write(struct end *end, const void *line, size_t len)
{
	return len;
}

static ssize_t nothing_read(struct end *end, void *buf, size_t size)
{
	return size;
}

static const struct method method_nothing = {
	.write = nothing_write,
	.read = nothing_read,
};

/* Cost of the clock and of calls through the table of methods, by part. */
static const double *own_costs(void)
{
	static double costs[PARTS];
	struct sample samples[PARTS];
	struct pair pair;

	if (costs[BOTH])
		return costs;
	CHECK(pair_open(&pair, &method_nothing, LINE_BYTES));
	timed(write_line, read_line, &pair, 16384, samples);
	for (unsigned int part = 0; part < PARTS; part++)
		costs[part] = sample_typical(&samples[part]);
	samples_free(samples);
	pair_close(&pair);
	return costs;
}

static void cost_of_pair(struct pair *pair)
{
	static const char *const names[PARTS] = { "write", "read", "write+read" };
	const struct method *method = pair->channel.method;
	struct sample samples[PARTS];
	unsigned int rounds;

	if (!works(pair))
		return;
	rounds = rounds_for(write_line, read_line, pair);
	timed(write_line, read_line, pair, rounds, samples);
	for (unsigned int part = 0; part < PARTS; part++)
		emit_value(&(struct figure){ names[part], method, "size", pair->size },
			   sample_typical(&samples[part]) - own_costs()[part]);
	samples_free(samples);

	if (!(method->traits & CONFLATES))
		return;
	measure(&(struct figure){ "overwrite", method, "size", pair->size }, write_line, pair,
		rounds, own_costs()[FIRST]);
}

void measure_cost(const struct method *method)
{
	struct pair pair;

	own_costs();
	for (unsigned int i = 0; options.sizes[i]; i++) {
		if (!pair_open(&pair, method, options.sizes[i]))
			continue;
		cost_of_pair(&pair);
		pair_close(&pair);
	}
}

/* One write of many lines; only the last one is published. */
void measure_bulk(const struct method *method)
{
	struct pair pair;

	if (!(method->traits & CONFLATES) || !pair_open(&pair, method, LINE_MAX_BYTES))
		return;
	for (size_t i = 0; i < LINE_MAX_BYTES; i += LINE_BYTES)
		fill_line(pair.line + i, LINE_BYTES, i / LINE_BYTES);
	if (put(&pair) == LINE_MAX_BYTES)
		measure(&(struct figure){ "bulk", method, "size", LINE_MAX_BYTES }, write_line,
			&pair, 0, own_costs()[FIRST]);
	pair_close(&pair);
}

/* Rows of @count looks, peeks and empty rounds */
static void look_row(struct pair *pair, unsigned int count)
{
	pair->channel.method->looks(&pair->reader, count);
}

static void peek_row(struct pair *pair, unsigned int count)
{
	const struct method *method = pair->channel.method;

	if (method->peeks)
		method->peeks(&pair->reader, pair->buf, pair->size, count);
	for (unsigned int i = 0; !method->peeks && i < count; i++)
		method->peek(&pair->reader, pair->buf, pair->size);
}

static void empty_row(struct pair *pair, unsigned int count)
{
	for (unsigned int i = count; i; i--)
		hide(i);
}

static double row_mean(void (*row)(struct pair *pair, unsigned int count), struct pair *pair,
		       unsigned int count)
{
	uint64_t start = now();

	row(pair, count);
	return (double)(now() - start) / count;
}

/* The mean of the fastest row; the timer interrupts others. */
static double least(void (*row)(struct pair *pair, unsigned int count), struct pair *pair)
{
	double value, best = row_mean(row, pair, 1);
	unsigned int count = rounds_within_budget(best, 1) / ROWS;

	count = min(count, ROW_MAX);
	for (unsigned int i = 0; i < ROWS; i++) {
		value = row_mean(row, pair, count);
		best = min(best, value);
	}
	return best;
}

/* Subtracts the cost of an empty loop. */
void measure_peek(const struct method *method)
{
	struct pair pair;
	double own;

	for (unsigned int i = 0; (method->peek || method->peeks) && options.sizes[i]; i++) {
		if (!pair_open(&pair, method, options.sizes[i]))
			continue;
		if (works(&pair)) {
			own = least(empty_row, &pair);
			if (!i && method->looks)
				emit_value(&(struct figure){ "look", method },
					   least(look_row, &pair) - own);
			emit_value(&(struct figure){ "peek", method, "size", pair.size },
				   least(peek_row, &pair) - own);
		}
		pair_close(&pair);
	}
}
