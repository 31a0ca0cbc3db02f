// SPDX-License-Identifier: GPL-2.0-only
/*
 * What lastline top knows of the channels, all of it from sysfs and /proc: nothing is
 * opened, so that nobody takes it for a reader.
 *
 * There may be thousands of channels, and each attribute in sysfs costs three system
 * calls. So of each channel a refresh reads the generation, and the whole status only of
 * those where that has moved, of those on the screen, and of some others in turn.
 */
#include <errno.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli.h"
#include "holders.h"
#include "rows.h"

#define IN_TURN		256	/* channels a refresh whose whole status is read in any case */
#define HOLDERS_SHARE	300	/* at most this part of the time goes into the walk through /proc */

static void forget(struct rows *rows, int number)
{
	free(rows->by_number[number]);
	rows->by_number[number] = NULL;
}

/* Also for a channel that took the number of one that was removed. */
static void begin_row(struct row *row, int number)
{
	*row = (struct row){ .number = number };
}

static struct row *find_row(struct rows *rows, int number)
{
	struct row *row = rows->by_number[number];

	if (row)
		return row;
	row = malloc(sizeof(*row));
	if (!row)
		give_up("out of memory");
	begin_row(row, number);
	rows->by_number[number] = row;
	return row;
}

static void set_rate(struct rows *rows, struct row *row, uint64_t generation)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (generation < row->status.generation)
		begin_row(row, row->number);
	row->has_rate = row->read_ns != 0;
	row->rate = 0;
	if (row->has_rate)
		row->rate = (generation - row->status.generation) * 1e9 / (now - row->read_ns);
	row->history[rows->refreshes % HISTORY] = row->rate;
	row->status.generation = generation;
	row->read_ns = now;
}

/* Has its turn come? */
static bool in_turn(const struct rows *rows, int i, int count)
{
	return (i - rows->turn % count + count) % count < IN_TURN;
}

/* Returns 0, or an error if the channel is gone. */
static int refresh_row(struct rows *rows, struct row *row, bool whole)
{
	uint64_t before = row->status.generation, generation;
	int ret;

	ret = lastline_generation(row->number, &generation);
	if (ret)
		return ret;
	whole |= !row->read_ns || row->on_screen || generation != before;
	set_rate(rows, row, generation);
	if (!whole)
		return 0;
	ret = lastline_status(row->number, &row->status);
	/* What was published in between belongs to the next rate. */
	row->status.generation = generation;
	return ret;
}

static int refresh_channels(struct rows *rows, bool whole)
{
	int *numbers, count, number, i = 0;

	count = lastline_list(&numbers);
	if (count < 0)
		return count;
	rows->refreshes++;
	for (number = 0; number < LASTLINE_CHANNELS_MAX; number++) {
		if (i == count || numbers[i] != number) {
			forget(rows, number);
			continue;
		}
		if (refresh_row(rows, find_row(rows, number), whole || in_turn(rows, i, count)))
			forget(rows, number);
		i++;
	}
	rows->turn = count ? (rows->turn + IN_TURN) % count : 0;
	free(numbers);
	return 0;
}

/* By channel, and what is one and the same open file stands together. */
static int by_file(const void *a, const void *b)
{
	static const int order[] = { 0, -1, 1 };
	const struct holder *one = a, *other = b;
	long ret;

	if (one->number != other->number)
		return one->number - other->number;
	ret = syscall(SYS_kcmp, one->pid, other->pid, KCMP_FILE, one->fd, other->fd);
	if (ret >= 0 && ret < (long)ARRAY_SIZE(order))
		return order[ret];
	if (one->pid != other->pid)
		return one->pid - other->pid;
	return one->fd - other->fd;
}

/* A file that processes inherited from each other misses a line once. */
static void add_missed(struct rows *rows, struct holder *holders, size_t count)
{
	struct row *row;
	size_t i;

	if (count)
		qsort(holders, count, sizeof(*holders), by_file);
	for (i = 0; i < count; i++) {
		row = holders[i].number < LASTLINE_CHANNELS_MAX ?
		      rows->by_number[holders[i].number] : NULL;
		if (!row || !holders[i].reads || (i && !by_file(&holders[i - 1], &holders[i])))
			continue;
		row->missed += holders[i].missed;
		row->has_missed = true;
	}
}

static void refresh_missed(struct rows *rows)
{
	struct holder *holders;
	bool wanted = false;
	struct row *row;
	size_t count;
	int i;

	for (i = 0; i < LASTLINE_CHANNELS_MAX; i++) {
		row = rows->by_number[i];
		if (!row)
			continue;
		row->missed = 0;
		row->has_missed = false;
		wanted |= row->status.readers != 0;
	}
	if (!wanted)
		return;
	count = find_holders(&holders);
	add_missed(rows, holders, count);
	free(holders);
}

/**
 * rows_refresh - look at all channels
 * @rows:  what is known of them
 * @whole: read all there is, whatever it costs
 *
 * Return: 0, or as lastline_list(); then there are no rows.
 */
int rows_refresh(struct rows *rows, bool whole)
{
	uint64_t begin;
	int ret;

	ret = refresh_channels(rows, whole);
	if (ret) {
		rows_free(rows);
		return ret;
	}
	if (!whole && now_ns(CLOCK_MONOTONIC) < rows->holders_ns)
		return 0;
	begin = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	refresh_missed(rows);
	rows->holders_ns = now_ns(CLOCK_MONOTONIC) +
			   HOLDERS_SHARE * (now_ns(CLOCK_PROCESS_CPUTIME_ID) - begin);
	return 0;
}

/**
 * rows_free - forget all channels
 * @rows: what is known of them
 */
void rows_free(struct rows *rows)
{
	int i;

	for (i = 0; i < LASTLINE_CHANNELS_MAX; i++)
		forget(rows, i);
}

/**
 * row_is_idle - is there nothing to see?
 * @row: the channel
 *
 * Return: true if nothing was ever published there, nobody has it open, and nobody gave
 * it a name.
 */
bool row_is_idle(const struct row *row)
{
	const struct lastline_status *status = &row->status;

	return !status->generation && !status->readers && !status->writers && !*status->name;
}

/**
 * row_rate_before - a rate of the past
 * @rows: all channels
 * @row:  one of them
 * @ago:  how many refreshes ago, less than HISTORY
 *
 * Return: lines a second, 0 for what is not known.
 */
double row_rate_before(const struct rows *rows, const struct row *row, unsigned int ago)
{
	return ago < rows->refreshes ? row->history[(rows->refreshes - ago) % HISTORY] : 0;
}
