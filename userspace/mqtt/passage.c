// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines that came in on a channel that is also published. They go on with the journey they
 * came with, so that loops are seen, and so is the age of a line that passes several
 * machines.
 */
#include <stdlib.h>
#include <string.h>

#include "mqtt.h"
#include "passage.h"

static struct passage *passages[LASTLINE_CHANNELS_MAX];

/**
 * passage_keep - remember the last line that came in
 * @number:  of the channel
 * @data:    the line
 * @size:    its bytes
 * @after:   generation of the channel before it was published there
 * @until:   and after
 * @topic:   that it came from
 * @journey: up to here
 */
void passage_keep(int number, const void *data, size_t size, uint64_t after, uint64_t until,
		  const char *topic, const struct journey *journey)
{
	struct passage *passage = passages[number];

	if (!passage) {
		passage = calloc(1, sizeof(*passage));
		if (!passage)
			die("out of memory");
		passages[number] = passage;
	}
	passage->data = realloc(passage->data, size + 1);
	free(passage->topic);
	passage->topic = strdup(topic);
	if (!passage->data || !passage->topic)
		die("out of memory");
	memcpy(passage->data, data, size);
	passage->size = size;
	passage->after = after;
	passage->until = until;
	passage->journey = *journey;
}

/**
 * passage_find - is this the line that came in last?
 * @number:     of the channel
 * @data:       the line
 * @size:       its bytes
 * @generation: of it
 *
 * By its generation, and where somebody else published at the same moment by its bytes,
 * too.
 *
 * Return: what is known of it, or NULL for another line.
 */
const struct passage *passage_find(int number, const void *data, size_t size,
				   uint64_t generation)
{
	const struct passage *passage = passages[number];

	if (!passage || generation <= passage->after || generation > passage->until ||
	    size != passage->size || memcmp(data, passage->data, size))
		return NULL;
	return passage;
}
