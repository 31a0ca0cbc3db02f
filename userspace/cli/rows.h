/* SPDX-License-Identifier: GPL-2.0-only */
/* What lastline top knows of the channels. */
#ifndef LASTLINE_ROWS_H
#define LASTLINE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "lastline.h"

#define HISTORY		256	/* rates that are kept */

/**
 * struct row - a channel
 * @number:     N of /dev/lastlineN
 * @status:     what is known of it; its generation is as new as the last refresh, the
 *              rest may be some refreshes old while nobody looks at it
 * @read_ns:    moment when that generation was read
 * @rate:       lines a second between the last two refreshes
 * @has_rate:   there were two
 * @missed:     lines that its open readers missed, all together
 * @has_missed: at least one of them could be seen
 * @on_screen:  somebody looks at it
 * @history:    its rates, that of refresh N at N % HISTORY
 */
struct row {
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
 * struct rows - all channels
 * @by_number:  they, or NULL
 * @refreshes:  how often they were looked at
 * @turn:       where in turn the next ones get their whole status
 * @holders_ns: moment from which on it may look for open files again
 */
struct rows {
	struct row *by_number[LASTLINE_CHANNELS_MAX];
	uint64_t refreshes;
	int turn;
	uint64_t holders_ns;
};

int rows_refresh(struct rows *rows, bool whole);
void rows_free(struct rows *rows);
bool row_is_idle(const struct row *row);
double row_rate_before(const struct rows *rows, const struct row *row, unsigned int ago);

#endif /* LASTLINE_ROWS_H */
