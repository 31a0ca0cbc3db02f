/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines that came in on a channel that is also published. */
#ifndef LASTLINE_PASSAGE_H
#define LASTLINE_PASSAGE_H

#include "journey.h"

/**
 * struct passage - the last line that came in on a channel
 * @data:    its bytes, without a newline that the channel added
 * @size:    how many
 * @after:   its generation on the channel is larger than this
 * @until:   and not larger than this
 * @topic:   that it came from
 * @journey: up to here
 */
struct passage {
	void *data;
	size_t size;
	uint64_t after;
	uint64_t until;
	char *topic;
	struct journey journey;
};

void passage_keep(int number, const void *data, size_t size, uint64_t after, uint64_t until,
		  const char *topic, const struct journey *journey);
const struct passage *passage_find(int number, const void *data, size_t size,
				   uint64_t generation);

#endif /* LASTLINE_PASSAGE_H */
