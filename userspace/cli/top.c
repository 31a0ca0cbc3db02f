// SPDX-License-Identifier: GPL-2.0-only
/* lastline top: what goes on in all channels, live or once. */
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

#include "cli.h"
#include "ending.h"
#include "rows.h"

#define INTERVAL_MIN_NS		(NS_PER_S / 100)
#define INTERVAL_MAX_NS		(3600 * NS_PER_S)
#define NAME_WIDTH_MIN		4
#define NAME_WIDTH_MAX		20
#define AROUND_ROWS		3	/* lines on the screen: title, heads of columns, keys */
#define COUNT_TEXT		16

/**
 * struct top - the command at work
 * @rows:        all channels
 * @interval_ns: from one refresh to the next
 * @all:         show idle ones, too
 * @sort:        by which of orders[] they are sorted
 * @shown:       channels to show, sorted
 * @count:       how many
 * @hidden:      how many are idle, and not shown
 * @first:       the first one of @shown that is on the screen
 * @error:       why nothing can be seen, or 0
 * @blocks:      the terminal knows Unicode's
 */
struct top {
	struct rows rows;
	uint64_t interval_ns;
	bool all;
	unsigned int sort;
	struct row *shown[LASTLINE_CHANNELS_MAX];
	int count;
	int hidden;
	int first;
	int error;
	bool blocks;
};

/*
 * The order of channels
 */

static int compare(double a, double b)
{
	return (a > b) - (a < b);
}

static int by_number(const void *a, const void *b)
{
	return (*(struct row **)a)->number - (*(struct row **)b)->number;
}

/* The highest first. */
static int by_rate(const void *a, const void *b)
{
	int ret = compare((*(struct row **)b)->rate, (*(struct row **)a)->rate);

	return ret ? ret : by_number(a, b);
}

static int by_missed(const void *a, const void *b)
{
	int ret = compare((*(struct row **)b)->missed, (*(struct row **)a)->missed);

	return ret ? ret : by_number(a, b);
}

/* The newest line first. */
static int by_age(const void *a, const void *b)
{
	int ret = compare((*(struct row **)b)->status.monotonic_ns,
			  (*(struct row **)a)->status.monotonic_ns);

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
	usage_error(&top_command, "they can be sorted by number, rate, missed or age, not by %s",
		    text);
}

/* Which are to be shown, and in what order. */
static void choose(struct top *top)
{
	struct row *row;
	int i;

	top->count = 0;
	top->hidden = 0;
	for (i = 0; i < LASTLINE_CHANNELS_MAX; i++) {
		row = top->rows.by_number[i];
		if (!row)
			continue;
		row->on_screen = false;
		if (top->all || !row_is_idle(row))
			top->shown[top->count++] = row;
		else
			top->hidden++;
	}
	if (top->count)
		qsort(top->shown, top->count, sizeof(*top->shown), orders[top->sort].compare);
}

static void refresh_all(struct top *top, bool whole)
{
	top->error = rows_refresh(&top->rows, whole);
	choose(top);
}

/*
 * Once, for scripts
 */

static void print_row(const struct row *row)
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
		return explain("top", top->error);
	printf("%7s  %-20s %10s %10s %7s %7s %12s\n", "channel", "name", "lines/s", "missed",
	       "readers", "writers", "age");
	for (i = 0; i < top->count; i++)
		print_row(top->shown[i]);
	return STATUS_OK;
}

/*
 * On the screen
 */

/* A line of ASCII, as far as there is room. */
static void put(int y, int x, const char *text)
{
	if (y >= 0 && y < LINES && x < COLS)
		mvaddnstr(y, x, text, COLS - x);
}

/* In at most 8 characters. */
static const char *count_text(char *text, size_t size, double count)
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

static const char *rate_text(char *text, size_t size, const struct row *row)
{
	if (!row->has_rate)
		snprintf(text, size, "-");
	else if (row->rate && row->rate < 100)
		snprintf(text, size, "%.1f", row->rate);
	else
		count_text(text, size, row->rate);
	return text;
}

/* Of readers that cannot be seen nothing is known. */
static const char *missed_text(char *text, size_t size, const struct row *row)
{
	if (!row->status.readers)
		snprintf(text, size, "-");
	else if (!row->has_missed)
		snprintf(text, size, "?");
	else
		count_text(text, size, row->missed);
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

/* The newest rate is the rightmost, and the highest one that is seen fills its cell. */
static void put_history(const struct top *top, const struct row *row, int y, int x)
{
	static const char * const blocks[] = {
		"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█",
	};
	static const char * const ascii[] = { ".", ":", "-", "=", "+", "*", "#", "@" };
	const char * const *levels = top->blocks ? blocks : ascii;
	int width = COLS - x, ago;
	double highest = 0, rate;

	if (width > HISTORY)
		width = HISTORY;
	for (ago = 0; ago < width; ago++)
		highest = fmax(highest, row_rate_before(&top->rows, row, ago));
	for (ago = width - 1; ago >= 0; ago--) {
		rate = row_rate_before(&top->rows, row, ago);
		if (rate > 0)
			mvaddstr(y, x + width - 1 - ago,
				 levels[(int)ceil(rate / highest * 8) - 1]);
	}
}

static void put_row(const struct top *top, const struct row *row, int y, int name)
{
	const struct lastline_status *status = &row->status;
	char line[160], rate[COUNT_TEXT], missed[COUNT_TEXT], age[AGE_TEXT];
	int used;

	used = snprintf(line, sizeof(line), "%4d  %-*.*s %8s %8s %7u %7u %8s  ", row->number,
			name, name, *status->name ? status->name : "-",
			rate_text(rate, sizeof(rate), row),
			missed_text(missed, sizeof(missed), row),
			status->readers, status->writers,
			age_text(age, sizeof(age), status->monotonic_ns));
	put(y, 0, line);
	put_history(top, row, y, used);
}

/* What is seen, or why nothing is. */
static void put_title(const struct top *top, int rows)
{
	char line[160];
	int last = top->first + rows;

	if (top->error == -ENOSYS)
		snprintf(line, sizeof(line),
			 "The driver is not loaded; as root: modprobe lastline. Waiting for it.");
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
		 geteuid() ? "  (others' readers: as root)" : "");
	attron(A_REVERSE);
	put(LINES - 1, 0, line);
	attroff(A_REVERSE);
}

static int rows_on_screen(void)
{
	int rows = LINES - AROUND_ROWS;

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

/* Returns false if that is the end. */
static bool obey(struct top *top, int key)
{
	switch (key) {
	case 'q':
		return false;
	case 'a':
		top->all = !top->all;
		choose(top);
		break;
	case 's':
		top->sort = (top->sort + 1) % ARRAY_SIZE(orders);
		choose(top);
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
 * Sleeps until a key, a signal or the moment. All signals are only let in here, so that
 * none comes between the look whether there was one and the sleep.
 */
static void sleep_until(uint64_t moment, const sigset_t *let_in, struct pollfd *input)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), left = moment > now ? moment - now : 0;
	struct timespec timeout = { .tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S };

	input->revents = 0;
	ppoll(input, 1, &timeout, let_in);
}

/* Returns what went wrong, or NULL. */
static const char *watch_channels(struct top *top, const sigset_t *let_in)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t next_ns = 0;
	int key;

	while (!ending_signal) {
		if (now_ns(CLOCK_MONOTONIC) >= next_ns) {
			refresh_all(top, !next_ns);
			next_ns = later(now_ns(CLOCK_MONOTONIC), top->interval_ns);
		}
		draw(top);
		sleep_until(next_ns, let_in, &input);
		if (input.revents & (POLLHUP | POLLERR | POLLNVAL))
			return "the terminal is gone";
		/* A change of the terminal's size is a key, too. */
		while ((key = getch()) != ERR) {
			if (!obey(top, key))
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
		give_up("this is no terminal; try: lastline top --once");
	if (setupterm(NULL, STDOUT_FILENO, &error) != OK || !cursor_address)
		give_up("cannot draw on a terminal of type \"%s\" (TERM); try: lastline top --once",
			term ? term : "");
}

static void leave_screen(void)
{
	endwin();
}

static int show(struct top *top)
{
	sigset_t blocked, let_in;
	const char *trouble;

	check_terminal();
	/* Not LC_NUMERIC: --once is the same everywhere. */
	setlocale(LC_CTYPE, "");
	top->blocks = !strcmp(nl_langinfo(CODESET), "UTF-8");
	end_gently();
	if (!newterm(NULL, stdout, stdin))
		give_up("cannot use this terminal; try: lastline top --once");
	atexit(leave_screen);
	cbreak();
	noecho();
	curs_set(0);
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);

	ending_signals(&blocked);
	sigaddset(&blocked, SIGWINCH);
	sigprocmask(SIG_BLOCK, &blocked, &let_in);
	trouble = watch_channels(top, &let_in);
	leave_screen();
	sigprocmask(SIG_SETMASK, &let_in, NULL);
	end_by_signal();
	if (trouble)
		give_up("%s", trouble);
	return STATUS_OK;
}

static int top(int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "interval", required_argument, NULL, 'i' },
		{ "once", no_argument, NULL, 'o' },
		{ "sort", required_argument, NULL, 's' },
		{},
	};
	static struct top top = { .interval_ns = NS_PER_S };
	bool once = false;
	int option, ret;

	while ((option = next_option(&top_command, argc, argv, options)) >= 0) {
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
		usage_error(&top_command, "it shows all channels; see: lastline info %s",
			    argv[optind]);
	if (top.interval_ns < INTERVAL_MIN_NS || top.interval_ns > INTERVAL_MAX_NS)
		usage_error(&top_command, "an interval is 10ms to 1h");
	ret = once ? print_once(&top) : show(&top);
	rows_free(&top.rows);
	return ret;
}

const struct command top_command = {
	.name = "top",
	.run = top,
	.about = "what goes on in all channels",
	.usage = "[OPTION]...\n"
		 "A row for each channel, anew each second: lines a second and a graph of that,\n"
		 "lines that its open readers missed, how many they are, age of the newest line.\n"
		 "Readers of other users are seen by root only: \"?\". Idle channels, where nothing\n"
		 "was ever published, which nobody has open and that have no name, are left out.\n\n"
		 "  -i, --interval TIME  from one look to the next (10ms to 1h)\n"
		 "  -a, --all            idle channels, too\n"
		 "  -s, --sort ORDER     by number, rate, missed or age\n"
		 "  -o, --once           print it as text, with the rates of one interval and the\n"
		 "                       age in seconds, and end\n\n"
		 "Keys: q quits, a and s as above, arrows, PgUp, PgDn, Home and End scroll.\n",
};
