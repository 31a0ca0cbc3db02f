// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last line received for each channel that is also published. Such a line is published
 * with the origin that it was received with, so that the next bridge can detect loops and
 * compute its age.
 */
#include <stdlib.h>
#include <string.h>

#include "forward.h"
#include "mqtt.h"

static struct forwarded *last_lines[LASTLINE_CHANNELS_MAX];

/**
 * forward_remember - remember the last line received for a channel
 * @number: number of the channel
 * @data:   payload
 * @size:   bytes in @data
 * @before: generation of the channel before the line was published there
 * @after:  generation of the channel afterwards
 * @topic:  topic that the line was received from
 * @origin: origin received with the line
 */
void forward_remember(int number, const void *data, size_t size, uint64_t before, uint64_t after,
		      const char *topic, const struct origin *origin)
{
	struct forwarded *forwarded = last_lines[number];

	if (!forwarded) {
		forwarded = calloc(1, sizeof(*forwarded));
		if (!forwarded)
			die("out of memory");
		last_lines[number] = forwarded;
	}
	forwarded->data = realloc(forwarded->data, size + 1);
	free(forwarded->topic);
	forwarded->topic = strdup(topic);
	if (!forwarded->data || !forwarded->topic)
		die("out of memory");
	memcpy(forwarded->data, data, size);
	forwarded->size = size;
	forwarded->before = before;
	forwarded->after = after;
	forwarded->origin = *origin;
}

/**
 * forward_find - check whether a line is the last one received for its channel
 * @number:     number of the channel
 * @data:       payload
 * @size:       bytes in @data
 * @generation: generation of the line
 *
 * The generation alone is not enough: another process may have published at the same time.
 *
 * Return: the received line, or NULL if this is a different line.
 */
const struct forwarded *forward_find(int number, const void *data, size_t size,
				     uint64_t generation)
{
	const struct forwarded *forwarded = last_lines[number];

	if (!forwarded || generation <= forwarded->before || generation > forwarded->after ||
	    size != forwarded->size || memcmp(data, forwarded->data, size))
		return NULL;
	return forwarded;
}
