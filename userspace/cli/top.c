// SPDX-License-Identifier: GPL-2.0-only
/* lastline top: show the activity of all channels, live or once. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>

#include "channel_table.h"
#include "cli.h"
#include "signals.h"

#define INTERVAL_MIN_NS		(NS_PER_S / 100)
#define INTERVAL_MAX_NS		(3600 * NS_PER_S)
#define NAME_WIDTH_MIN		4
#define NAME_WIDTH_MAX		20
#define OTHER_LINES		3	/* on the screen: title, column headers, keys */
#define COUNT_TEXT		16

/**
 * struct top - options and state of the command
 * @table:       all channels
 * @interval_ns: time between two refreshes
 * @all:         show idle channels, too
 * @sort:        index into orders[]
 * @shown:       channels to show, sorted
 * @count:       number of channels in @shown
 * @hidden:      number of idle channels not in @shown
 * @first:       index in @shown of the first channel on the screen
 * @error:       error of the last refresh, or 0
 * @unicode:     the terminal supports Unicode
 */
struct top {
	struct channel_table table;
	uint64_t interval_ns;
	bool all;
	unsigned int sort;
	struct channel_row *shown[LASTLINE_CHANNELS_MAX];
	int count;
	int hidden;
	int first;
	int error;
	bool unicode;
};

/*
 * Sorting
 */

static int compare(double a, double b)
{
	return (a > b) - (a < b);
}

static int by_number(const void *a, const void *b)
{
	return (*(struct channel_row **)a)->number - (*(struct channel_row **)b)->number;
}

/* Highest first. */
static int by_rate(const void *a, const void *b)
{
	int ret = compare((*(struct channel_row **)b)->rate, (*(struct channel_row **)a)->rate);

	return ret ? ret : by_number(a, b);
}

static int by_missed(const void *a, const void *b)
{
	int ret = compare((*(struct channel_row **)b)->missed, (*(struct channel_row **)a)->missed);

	return ret ? ret : by_number(a, b);
}

/* Newest line first. */
static int by_age(const void *a, const void *b)
{
	int ret = compare((*(struct channel_row **)b)->status.monotonic_ns,
			  (*(struct channel_row **)a)->status.monotonic_ns);

	return ret ? ret : by_number(a, b);
}

static const struct {
	const char *name;
	int (*compare)(const void *a, const void *b);
} orders[] = {
	{ "number", by_number }, { "rate", by_rate }, { "missed", by_missed }, { "age", by_age },
};

static unsigned int parse_order(const char *text)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		if (!strcmp(text, orders[i].name))
			return i;
	}
	usage_error(&top_command, "invalid order: %s (number, rate, missed or age)", text);
}

static void update_shown(struct top *top)
{
	struct channel_row *row;
	int i;

	top->count = 0;
	top->hidden = 0;
	for (i = 0; i < LASTLINE_CHANNELS_MAX; i++) {
		row = top->table.by_number[i];
		if (!row)
			continue;
		row->on_screen = false;
		if (top->all || !channel_row_is_idle(row))
			top->shown[top->count++] = row;
		else
			top->hidden++;
	}
	if (top->count)
		qsort(top->shown, top->count, sizeof(*top->shown), orders[top->sort].compare);
}

static void refresh_all(struct top *top, bool full)
{
	top->error = channel_table_refresh(&top->table, full);
	update_shown(top);
}

/*
 * Output of --once
 */

static void print_row(const struct channel_row *row)
{
	const struct lastline_status *status = &row->status;
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	printf("%7d  %-20s", row->number, *status->name ? status->name : "-");
	row->has_rate ? printf(" %10.1f", row->rate) : printf(" %10s", "-");
	row->has_missed ? printf(" %10llu", (unsigned long long)row->missed) :
			  printf(" %10s", status->readers ? "?" : "-");
	printf(" %7u %7u", status->readers, status->writers);
	status->monotonic_ns ? printf(" %12.3f\n", (now - status->monotonic_ns) / 1e9) :
			       printf(" %12s\n", "-");
}

static int print_once(struct top *top)
{
	struct timespec interval = {
		.tv_sec = top->interval_ns / NS_PER_S,
		.tv_nsec = top->interval_ns % NS_PER_S,
	};
	int i;

	refresh_all(top, false);
	if (!top->error) {
		nanosleep(&interval, NULL);
		refresh_all(top, true);
	}
	if (top->error)
		return channel_error("/sys/class/lastline", top->error);
	printf("%7s  %-20s %10s %10s %7s %7s %12s\n", "channel", "name", "lines/s", "missed",
	       "readers", "writers", "age");
	for (i = 0; i < top->count; i++)
		print_row(top->shown[i]);
	return STATUS_OK;
}

/*
 * The screen
 */

/* Prints ASCII text, cut off at the edge of the screen. */
static void put(int y, int x, const char *text)
{
	if (y >= 0 && y < LINES && x < COLS)
		mvaddnstr(y, x, text, COLS - x);
}

/* At most 8 characters. */
static const char *format_count(char *text, size_t size, double count)
{
	static const char units[] = " kMGTPE";
	size_t i;

	for (i = 0; count >= 1e6 && units[i + 1]; i++)
		count /= 1e3;
	if (i)
		snprintf(text, size, "%.1f%c", count, units[i]);
	else
		snprintf(text, size, "%.0f", count);
	return text;
}

static const char *format_rate(char *text, size_t size, const struct channel_row *row)
{
	if (!row->has_rate)
		snprintf(text, size, "-");
	else if (row->rate && row->rate < 100)
		snprintf(text, size, "%.1f", row->rate);
	else
		format_count(text, size, row->rate);
	return text;
}

/* "?" if all readers belong to other users. */
static const char *format_missed(char *text, size_t size, const struct channel_row *row)
{
	if (!row->status.readers)
		snprintf(text, size, "-");
	else if (!row->has_missed)
		snprintf(text, size, "?");
	else
		format_count(text, size, row->missed);
	return text;
}

static int name_width(const struct top *top)
{
	int width = NAME_WIDTH_MIN, len, i;

	for (i = 0; i < top->count; i++) {
		len = strlen(top->shown[i]->status.name);
		if (len > width)
			width = len;
	}
	return width < NAME_WIDTH_MAX ? width : NAME_WIDTH_MAX;
}

/* Draws the rates, the newest at the right, scaled to the highest one shown. */
static void put_history(const struct top *top, const struct channel_row *row, int y, int x)
{
	static const char * const blocks[] = {
		"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█",
	};
	static const char * const ascii[] = { ".", ":", "-", "=", "+", "*", "#", "@" };
	const char * const *levels = top->unicode ? blocks : ascii;
	int width = COLS - x, ago;
	double highest = 0, rate;

	if (width > HISTORY)
		width = HISTORY;
	for (ago = 0; ago < width; ago++)
		highest = fmax(highest, channel_row_past_rate(&top->table, row, ago));
	for (ago = width - 1; ago >= 0; ago--) {
		rate = channel_row_past_rate(&top->table, row, ago);
		if (rate > 0)
			mvaddstr(y, x + width - 1 - ago,
				 levels[(int)ceil(rate / highest * 8) - 1]);
	}
}

static void put_row(const struct top *top, const struct channel_row *row, int y, int name)
{
	const struct lastline_status *status = &row->status;
	char line[160], rate[COUNT_TEXT], missed[COUNT_TEXT], age[AGE_TEXT];
	int used;

	used = snprintf(line, sizeof(line), "%4d  %-*.*s %8s %8s %7u %7u %8s  ", row->number,
			name, name, *status->name ? status->name : "-",
			format_rate(rate, sizeof(rate), row),
			format_missed(missed, sizeof(missed), row),
			status->readers, status->writers,
			format_age(age, sizeof(age), status->monotonic_ns));
	put(y, 0, line);
	put_history(top, row, y, used);
}

static void put_title(const struct top *top, int rows)
{
	char line[160];
	int last = top->first + rows;

	if (top->error == -ENOSYS)
		snprintf(line, sizeof(line),
			 "The driver is not loaded; run as root: modprobe lastline. Waiting.");
	else if (top->error)
		snprintf(line, sizeof(line), "%s", strerror(-top->error));
	else
		snprintf(line, sizeof(line),
			 "lastline: %d to %d of %d channels, by %s; %d idle hidden; every %g s",
			 top->count ? top->first + 1 : 0, last < top->count ? last : top->count,
			 top->count, orders[top->sort].name, top->hidden,
			 top->interval_ns / 1e9);
	put(0, 0, line);
}

static void put_keys(const struct top *top)
{
	char line[160];

	snprintf(line, sizeof(line), "q quit  s sort  a %s idle  arrows PgUp PgDn scroll%s",
		 top->all ? "hide" : "show",
		 geteuid() ? "  (only root sees readers of other users)" : "");
	attron(A_REVERSE);
	put(LINES - 1, 0, line);
	attroff(A_REVERSE);
}

static int rows_on_screen(void)
{
	int rows = LINES - OTHER_LINES;

	return rows > 0 ? rows : 0;
}

static void draw(struct top *top)
{
	int rows = rows_on_screen(), name = name_width(top), i;
	char head[160];

	if (top->first > top->count - rows)
		top->first = top->count - rows;
	if (top->first < 0)
		top->first = 0;
	erase();
	put_title(top, rows);
	snprintf(head, sizeof(head), "%4s  %-*s %8s %8s %7s %7s %8s  %s", "chan", name, "name",
		 "lines/s", "missed", "readers", "writers", "age", "history");
	attron(A_BOLD);
	put(1, 0, head);
	attroff(A_BOLD);
	for (i = 0; i < rows && top->first + i < top->count; i++) {
		top->shown[top->first + i]->on_screen = true;
		put_row(top, top->shown[top->first + i], 2 + i, name);
	}
	put_keys(top);
	refresh();
}

/* Returns false to quit. */
static bool handle_key(struct top *top, int key)
{
	switch (key) {
	case 'q':
		return false;
	case 'a':
		top->all = !top->all;
		update_shown(top);
		break;
	case 's':
		top->sort = (top->sort + 1) % ARRAY_SIZE(orders);
		update_shown(top);
		break;
	case KEY_UP:
		top->first--;
		break;
	case KEY_DOWN:
		top->first++;
		break;
	case KEY_PPAGE:
		top->first -= rows_on_screen();
		break;
	case KEY_NPAGE:
		top->first += rows_on_screen();
		break;
	case KEY_HOME:
		top->first = 0;
		break;
	case KEY_END:
		top->first = top->count;
		break;
	}
	return true;
}

/*
 * Sleeps until a key, a signal or the deadline. Signals are unblocked only here, so that
 * none is lost between checking caught_signal and sleeping.
 */
static void sleep_until(uint64_t deadline_ns, const sigset_t *unblocked, struct pollfd *input)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), left = deadline_ns > now ? deadline_ns - now : 0;
	struct timespec timeout = { .tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S };

	input->revents = 0;
	ppoll(input, 1, &timeout, unblocked);
}

/* Returns an error message, or NULL. */
static const char *watch_channels(struct top *top, const sigset_t *unblocked)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t next_ns = 0;
	int key;

	while (!caught_signal) {
		if (now_ns(CLOCK_MONOTONIC) >= next_ns) {
			refresh_all(top, !next_ns);
			next_ns = add_ns(now_ns(CLOCK_MONOTONIC), top->interval_ns);
		}
		draw(top);
		sleep_until(next_ns, unblocked, &input);
		if (input.revents & (POLLHUP | POLLERR | POLLNVAL))
			return "the terminal was closed";
		/* ncurses reports a change of the terminal's size as a key. */
		while ((key = getch()) != ERR) {
			if (!handle_key(top, key))
				return NULL;
		}
	}
	return NULL;
}

static void check_terminal(void)
{
	const char *term = getenv("TERM");
	int error;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		die("standard input and output must be a terminal; try: lastline top --once");
	if (setupterm(NULL, STDOUT_FILENO, &error) != OK || !cursor_address)
		die("unsupported terminal type \"%s\" (TERM); try: lastline top --once",
		    term ? term : "");
}

static void leave_screen(void)
{
	endwin();
}

static int show(struct top *top)
{
	sigset_t blocked, unblocked;
	const char *error;

	check_terminal();
	/* Not LC_NUMERIC: the format of numbers is the same in all locales. */
	setlocale(LC_CTYPE, "");
	top->unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	catch_termination_signals();
	if (!newterm(NULL, stdout, stdin))
		die("cannot initialize the terminal; try: lastline top --once");
	atexit(leave_screen);
	cbreak();
	noecho();
	curs_set(0);
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);

	termination_signals(&blocked);
	sigaddset(&blocked, SIGWINCH);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	error = watch_channels(top, &unblocked);
	leave_screen();
	sigprocmask(SIG_SETMASK, &unblocked, NULL);
	raise_caught_signal();
	if (error)
		die("%s", error);
	return STATUS_OK;
}

static int top(int argc, char **argv)
{
	static struct top top = { .interval_ns = NS_PER_S };
	bool once = false;
	int option, ret;

	while ((option = next_option(&top_command, argc, argv)) >= 0) {
		if (option == 'a')
			top.all = true;
		else if (option == 'o')
			once = true;
		else if (option == 's')
			top.sort = parse_order(optarg);
		else
			top.interval_ns = parse_duration(&top_command, optarg);
	}
	if (optind < argc)
		usage_error(&top_command, "unexpected argument: %s; try: lastline info %s",
			    argv[optind], argv[optind]);
	if (top.interval_ns < INTERVAL_MIN_NS || top.interval_ns > INTERVAL_MAX_NS)
		usage_error(&top_command, "invalid time: --interval must be 10ms to 1h");
	ret = once ? print_once(&top) : show(&top);
	channel_table_free(&top.table);
	return ret;
}

static const struct command_option options[] = {
	{ 'i', "interval", "TIME", "refresh at this interval, 10ms to 1h (default: 1s)" },
	{ 'a', "all", NULL, "show idle channels, too" },
	{ 's', "sort", "ORDER", "sort by number, rate, missed or age" },
	{ 'o', "once", NULL, "print text once, after one interval; age is in seconds" },
	{},
};

const struct command top_command = {
	.name = "top",
	.run = top,
	.about = "show the activity of all channels",
	.usage = "[OPTION]...\n"
		 "Show a table of all channels: lines per second with their history, lines missed\n"
		 "by the readers (\"?\" if only root can see those), the number of readers and\n"
		 "writers, and the age of the newest line. Idle channels are hidden: those that\n"
		 "are unnamed, not open, and have never been written.\n"
		 "Keys: q quits; a and s work like the options; arrows, PgUp, PgDn, Home and End\n"
		 "scroll.\n",
	.options = options,
};
