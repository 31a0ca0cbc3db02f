// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times operations and computes figures.
 *
 * In the virtual machine, which counts instructions, times are exact. The figure is their
 * mean, because some operations do part of their work only occasionally, without the
 * slowest hundredth, which the timer interrupted. On a real machine it is the median,
 * because other work interferes more often.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#define WARM_UP		32	/* rounds that fill caches, slabs and TLBs */
#define ROUNDS_MIN	16
#define ROUNDS_MAX	65536

/*
 * The number of rounds within the budget, if @rounds took @ns. A power of two, so that runs
 * with slightly different estimates do the same.
 */
unsigned int rounds_within_budget(uint64_t ns, unsigned int rounds)
{
	uint64_t wanted = options.budget * rounds / (ns ? ns : 1);
	unsigned int count = ROUNDS_MIN;

	while (count < ROUNDS_MAX && count < wanted)
		count *= 2;
	return count;
}

/* Warms up, and returns the number of rounds that the budget allows. */
unsigned int rounds_for(operation *first, operation *second, void *subject)
{
	uint64_t start = now();

	for (unsigned int i = 0; i < WARM_UP; i++) {
		first(subject);
		if (second)
			second(subject);
	}
	return rounds_within_budget(now() - start, WARM_UP);
}

static void sample_alloc(struct sample *sample, unsigned int count)
{
	sample->count = count;
	sample->values = calloc(count, sizeof(*sample->values));
	CHECK(sample->values);
	/* Fault the pages in now, not in the timed loop. */
	for (unsigned int i = 0; i < count; i++)
		((volatile double *)sample->values)[i] = 0;
}

void samples_free(struct sample samples[PARTS])
{
	for (unsigned int part = 0; part < PARTS; part++)
		free(samples[part].values);
}

/* Times of @first, of @second if there is one, and of both. */
void timed(operation *first, operation *second, void *subject, unsigned int rounds,
	   struct sample samples[PARTS])
{
	uint64_t start, between, end;

	for (unsigned int part = 0; part < PARTS; part++)
		sample_alloc(&samples[part], rounds);
	for (unsigned int i = 0; i < rounds; i++) {
		start = now();
		first(subject);
		between = now();
		if (second)
			second(subject);
		end = now();
		samples[FIRST].values[i] = between - start;
		samples[SECOND].values[i] = end - between;
		samples[BOTH].values[i] = end - start;
	}
}

/* Emits the figure of one operation. @rounds: 0 means as many as the budget allows. */
void measure(const struct figure *figure, operation *call, void *subject, unsigned int rounds,
	     double own_cost)
{
	struct sample samples[PARTS];

	timed(call, NULL, subject, rounds ? rounds : rounds_for(call, NULL, subject), samples);
	emit_value(figure, sample_typical(&samples[FIRST]) - own_cost);
	samples_free(samples);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double sample_typical(struct sample *sample)
{
	unsigned int count = sample->count - sample->count / 100;
	double sum = 0;

	qsort(sample->values, sample->count, sizeof(*sample->values), compare);
	if (options.native)
		return sample->values[(sample->count - 1) / 2];
	for (unsigned int i = 0; i < count; i++)
		sum += sample->values[i];
	return sum / count;
}

void emit_value(const struct figure *figure, double value)
{
	printf("{\"measure\": \"%s\", \"method\": \"%s\"", figure->measure, figure->method->name);
	if (figure->key)
		printf(", \"%s\": %lu", figure->key, figure->param);
	printf(", \"value\": %.4f}\n", value);
	fflush(stdout);
}
