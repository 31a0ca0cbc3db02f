/* SPDX-License-Identifier: GPL-2.0-only */
/* The channels shown by "top", with their rates. */
#ifndef LASTLINE_CHANNEL_TABLE_H
#define LASTLINE_CHANNEL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lastline.h"

#define HISTORY		256	/* rates kept per channel */

/**
 * struct channel_row - one channel
 * @number:     N of /dev/lastlineN
 * @status:     status of the channel; the generation is from the last refresh, the other
 *              fields may be older if the channel is not @on_screen
 * @read_ns:    when the generation was read (CLOCK_MONOTONIC)
 * @rate:       lines per second between the last two refreshes
 * @has_rate:   @rate is valid
 * @missed:     sum of the lines missed by all open readers
 * @has_missed: @missed is valid, because a reader is visible to this user
 * @on_screen:  refresh the full status each time
 * @history:    rates; refresh N is at N % HISTORY
 */
struct channel_row {
	int number;
	struct lastline_status status;
	uint64_t read_ns;
	double rate;
	bool has_rate;
	uint64_t missed;
	bool has_missed;
	bool on_screen;
	float history[HISTORY];
};

/**
 * struct channel_table - all channels
 * @by_number:    the channels; NULL for a number without a channel
 * @refreshes:    number of refreshes
 * @full_from:    index of the next channel whose full status is due
 * @next_proc_ns: earliest time of the next search of /proc (CLOCK_MONOTONIC)
 */
struct channel_table {
	struct channel_row *by_number[LASTLINE_CHANNELS_MAX];
	uint64_t refreshes;
	int full_from;
	uint64_t next_proc_ns;
};

int channel_table_refresh(struct channel_table *table, bool full);
void channel_table_free(struct channel_table *table);
bool channel_row_is_idle(const struct channel_row *row);
double channel_row_past_rate(const struct channel_table *table, const struct channel_row *row,
			     unsigned int ago);

#endif /* LASTLINE_CHANNEL_TABLE_H */
