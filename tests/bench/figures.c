// SPDX-License-Identifier: GPL-2.0-only
/*
 * Samples, what is typical of them, and how they leave the program.
 *
 * In a virtual machine that counts instructions every time is exact. Its figure
 * is the mean, because an operation may do some of its work only now and then; but
 * without the slowest hundredth, which the timer interrupted. On a real machine the
 * figure is the median: others disturb more often there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#define ROUNDS_MIN	16
#define ROUNDS_MAX	65536

/*
 * How often to repeat what took @ns for @rounds of it. A power of two, so that
 * two runs do the same even if the estimate is not.
 */
unsigned int rounds_within_budget(uint64_t ns, unsigned int rounds)
{
	uint64_t wanted = options.budget * rounds / (ns ? ns : 1);
	unsigned int count = ROUNDS_MIN;

	while (count < ROUNDS_MAX && count < wanted)
		count *= 2;
	return count;
}

void sample_alloc(struct sample *sample, unsigned int count)
{
	sample->count = count;
	/* Written here, or the first use of each page would count. */
	sample->ns = calloc(count, sizeof(*sample->ns));
	CHECK(sample->ns);
	for (unsigned int i = 0; i < count; i++)
		((volatile uint64_t *)sample->ns)[i] = 0;
}

void sample_free(struct sample *sample)
{
	free(sample->ns);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The times must be sorted. */
static double percentile(const struct sample *sample, unsigned int percent)
{
	return sample->ns[(uint64_t)(sample->count - 1) * percent / 100];
}

static double mean_without_slowest(const struct sample *sample)
{
	unsigned int count = sample->count - sample->count / 100;
	double sum = 0;

	for (unsigned int i = 0; i < count; i++)
		sum += sample->ns[i];
	return sum / count;
}

static void sort(struct sample *sample)
{
	qsort(sample->ns, sample->count, sizeof(*sample->ns), compare);
}

double sample_median(struct sample *sample)
{
	CHECK(sample->count);
	sort(sample);
	return percentile(sample, 50);
}

double sample_typical(struct sample *sample)
{
	if (options.native)
		return sample_median(sample);
	sort(sample);
	return mean_without_slowest(sample);
}

static void emit_figure(const struct figure *figure)
{
	printf("{\"measure\": \"%s\", \"method\": \"%s\"", figure->measure, figure->method->name);
	if (figure->key)
		printf(", \"%s\": %lu", figure->key, figure->param);
}

/* @own_cost is what the bench itself takes. */
void emit_sample(const struct figure *figure, struct sample *sample, double own_cost)
{
	static const unsigned int percents[] = { 1, 10, 50, 90, 99 };

	emit_figure(figure);
	printf(", \"value\": %.2f, \"count\": %u", sample_typical(sample) - own_cost,
	       sample->count);
	for (unsigned int i = 0; options.native && i < ARRAY_SIZE(percents); i++)
		printf(", \"p%u\": %.2f", percents[i], percentile(sample, percents[i]) - own_cost);
	printf("}\n");
	fflush(stdout);
}

void emit_value(const struct figure *figure, double value)
{
	emit_figure(figure);
	printf(", \"value\": %.4f}\n", value);
	fflush(stdout);
}
