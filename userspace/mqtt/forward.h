/* SPDX-License-Identifier: GPL-2.0-only */
/* The last line received for each channel that is also published. */
#ifndef LASTLINE_FORWARD_H
#define LASTLINE_FORWARD_H

#include "origin.h"

/**
 * struct forwarded - the last line received for a channel
 * @data:   payload, without the newline that the channel added
 * @size:   bytes in @data
 * @before: generation of the channel before the line was published there
 * @after:  generation of the channel afterwards
 * @topic:  topic that the line was received from
 * @origin: origin received with the line
 */
struct forwarded {
	void *data;
	size_t size;
	uint64_t before;
	uint64_t after;
	char *topic;
	struct origin origin;
};

void forward_remember(int number, const void *data, size_t size, uint64_t before, uint64_t after,
		      const char *topic, const struct origin *origin);
const struct forwarded *forward_find(int number, const void *data, size_t size,
				     uint64_t generation);

#endif /* LASTLINE_FORWARD_H */
