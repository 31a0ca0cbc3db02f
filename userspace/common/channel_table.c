// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table is read from sysfs and /proc. Channels are not opened, because that would
 * count as a reader.
 *
 * There may be thousands of channels, and reading a sysfs attribute takes three system
 * calls. So a refresh reads only the generation of each channel. It reads the full status
 * of channels with a new generation, of those on the screen, and of FULL_COUNT others in
 * rotation.
 */
#include <errno.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel_table.h"
#include "deadline.h"
#include "errors.h"
#include "open_files.h"
#include "util.h"

#define FULL_COUNT	256	/* channels in rotation per refresh */
#define PROC_SHARE	300	/* search /proc for at most 1/300 of the time */

static void remove_row(struct channel_table *table, int number)
{
	free(table->by_number[number]);
	table->by_number[number] = NULL;
}

/* Also resets the row if the number was reused for a new channel. */
static void init_row(struct channel_row *row, int number)
{
	*row = (struct channel_row){ .number = number };
}

static struct channel_row *get_row(struct channel_table *table, int number)
{
	struct channel_row *row = table->by_number[number];

	if (row)
		return row;
	row = malloc(sizeof(*row));
	if (!row)
		die("out of memory");
	init_row(row, number);
	table->by_number[number] = row;
	return row;
}

static void update_rate(struct channel_table *table, struct channel_row *row, uint64_t generation)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (generation < row->status.generation)
		init_row(row, row->number);
	row->has_rate = row->read_ns != 0;
	row->rate = 0;
	if (row->has_rate)
		row->rate = (generation - row->status.generation) * 1e9 / (now - row->read_ns);
	row->history[table->refreshes % HISTORY] = row->rate;
	row->status.generation = generation;
	row->read_ns = now;
}

/* Is the full status of channel @i of @count due? */
static bool full_due(const struct channel_table *table, int i, int count)
{
	return (i - table->full_from % count + count) % count < FULL_COUNT;
}

/* Fails if the channel was removed. */
static int refresh_row(struct channel_table *table, struct channel_row *row, bool full)
{
	uint64_t before = row->status.generation, generation;
	int ret;

	ret = lastline_generation(row->number, &generation);
	if (ret)
		return ret;
	full |= !row->read_ns || row->on_screen || generation != before;
	update_rate(table, row, generation);
	if (!full)
		return 0;
	ret = lastline_status(row->number, &row->status);
	/* Lines published since the first read count towards the next rate. */
	row->status.generation = generation;
	return ret;
}

static int refresh_channels(struct channel_table *table, bool full)
{
	int *numbers, count, number, i = 0;

	count = lastline_list(&numbers);
	if (count < 0)
		return count;
	table->refreshes++;
	for (number = 0; number < LASTLINE_CHANNELS_MAX; number++) {
		if (i == count || numbers[i] != number) {
			remove_row(table, number);
			continue;
		}
		if (refresh_row(table, get_row(table, number), full || full_due(table, i, count)))
			remove_row(table, number);
		i++;
	}
	table->full_from = count ? (table->full_from + FULL_COUNT) % count : 0;
	free(numbers);
	return 0;
}

/* Orders by channel; descriptors of the same open file compare as equal. */
static int by_file(const void *a, const void *b)
{
	static const int order[] = { 0, -1, 1 };
	const struct open_file *one = a, *other = b;
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

/* Counts an open file once, even if several processes share it. */
static void add_missed(struct channel_table *table, struct open_file *files, size_t count)
{
	struct channel_row *row;
	size_t i;

	if (count)
		qsort(files, count, sizeof(*files), by_file);
	for (i = 0; i < count; i++) {
		row = files[i].number < LASTLINE_CHANNELS_MAX ?
		      table->by_number[files[i].number] : NULL;
		if (!row || !files[i].reads || (i && !by_file(&files[i - 1], &files[i])))
			continue;
		row->missed += files[i].missed;
		row->has_missed = true;
	}
}

static void refresh_missed(struct channel_table *table)
{
	struct open_file *files;
	bool has_readers = false;
	struct channel_row *row;
	size_t count;
	int i;

	for (i = 0; i < LASTLINE_CHANNELS_MAX; i++) {
		row = table->by_number[i];
		if (!row)
			continue;
		row->missed = 0;
		row->has_missed = false;
		has_readers |= row->status.readers != 0;
	}
	if (!has_readers)
		return;
	count = find_open_files(&files);
	add_missed(table, files, count);
	free(files);
}

/**
 * channel_table_refresh - read the state of all channels
 * @table: the table; all zero before the first call
 * @full:  read the full status of all channels, and search /proc
 *
 * Return: 0, or an error of lastline_list(), which leaves the table empty.
 */
int channel_table_refresh(struct channel_table *table, bool full)
{
	uint64_t begin;
	int ret;

	ret = refresh_channels(table, full);
	if (ret) {
		channel_table_free(table);
		return ret;
	}
	if (!full && now_ns(CLOCK_MONOTONIC) < table->next_proc_ns)
		return 0;
	begin = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	refresh_missed(table);
	table->next_proc_ns = now_ns(CLOCK_MONOTONIC) +
			   PROC_SHARE * (now_ns(CLOCK_PROCESS_CPUTIME_ID) - begin);
	return 0;
}

/**
 * channel_table_free - remove all rows
 * @table: the table
 */
void channel_table_free(struct channel_table *table)
{
	int i;

	for (i = 0; i < LASTLINE_CHANNELS_MAX; i++)
		remove_row(table, i);
}

/**
 * channel_row_is_idle - check for a channel that was never written, is not open and has no name
 * @row: the channel
 */
bool channel_row_is_idle(const struct channel_row *row)
{
	const struct lastline_status *status = &row->status;

	return !status->generation && !status->readers && !status->writers && !*status->name;
}

/**
 * channel_row_past_rate - get an earlier rate
 * @table: the table
 * @row:   a row of it
 * @ago:   number of refreshes back, less than HISTORY
 *
 * Return: lines per second, or 0 if unknown.
 */
double channel_row_past_rate(const struct channel_table *table, const struct channel_row *row,
			     unsigned int ago)
{
	return ago < table->refreshes ? row->history[(table->refreshes - ago) % HISTORY] : 0;
}
