// SPDX-License-Identifier: GPL-2.0-only
/*
 * lastline watch: each line that it can keep up with, and a word when none comes.
 *
 * One loop sleeps until whatever comes first: a line, if it may take one now; the end of
 * a command; the moment from which the next line may be taken; the moment when the
 * newest one is too old, or when no line came for too long. Lines are only taken when
 * they can be dealt with at once, so that the driver keeps the newest one meanwhile and
 * nothing piles up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "child.h"
#include "cli.h"

/**
 * struct watch - what is asked for, and how it goes
 * @which:       the channel, as the user named it
 * @channel:     it
 * @exec:        command for each line, or NULL
 * @plain:       print lines without anything in front
 * @count:       lines to go; 0: without end
 * @done:        all of them were taken
 * @interval_ns: from one line to the next at least
 * @timeout_ns:  how long to wait for a line
 * @stale_ns:    from when on a line is too old
 * @on_stale:    command for that, or NULL
 * @next_ns:     moment from which on a line may be taken
 * @give_up_ns:  moment when it has waited long enough
 * @old_ns:      moment when the newest line is too old
 * @is_stale:    it is
 * @for_line:    the command for a line, while it runs
 * @for_stale:   the command for an old one, while it runs
 */
struct watch {
	const char *which;
	struct lastline *channel;
	const char *exec;
	bool plain;
	unsigned long count;
	bool done;
	uint64_t interval_ns;
	uint64_t timeout_ns;
	uint64_t stale_ns;
	const char *on_stale;
	uint64_t next_ns;
	uint64_t give_up_ns;
	uint64_t old_ns;
	bool is_stale;
	struct child for_line;
	struct child for_stale;
};

static void set_number(const char *name, unsigned long long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", number);
	setenv(name, text, 1);
}

/* A file that holds the line, for a command to read: a pipe would want somebody to fill it. */
static int line_file(const struct lastline_line *line)
{
	int fd = memfd_create("line", MFD_CLOEXEC);

	if (fd < 0 || write(fd, line->data, line->size) != (ssize_t)line->size ||
	    lseek(fd, 0, SEEK_SET))
		give_up("no memory for the line: %s", strerror(errno));
	return fd;
}

static void run_for_line(struct watch *watch, const struct lastline_line *line)
{
	int fd = line_file(line);

	set_number("LASTLINE_GENERATION", line->generation);
	set_number("LASTLINE_MISSED", line->missed);
	set_number("LASTLINE_REALTIME_NS", line->realtime_ns);
	watch->for_line = child_start_shell(watch->exec, fd);
	close(fd);
}

/* What the environment says of a line is of the one that is too old, or of an older one. */
static struct child run_for_stale(const struct watch *watch)
{
	unsetenv("LASTLINE_GENERATION");
	unsetenv("LASTLINE_MISSED");
	unsetenv("LASTLINE_REALTIME_NS");
	return child_start_shell(watch->on_stale, -1);
}

static void print_line(const struct watch *watch, const struct lastline_line *line)
{
	char time[TIME_TEXT];

	if (!watch->plain)
		printf("%s %llu +%llu ", time_text(time, sizeof(time), line->realtime_ns),
		       (unsigned long long)line->generation, (unsigned long long)line->missed);
	print_bytes(line->data, line->size);
	/* A record need not end in a newline, but what stands before the next one should. */
	if (!watch->plain && line->data[line->size - 1] != '\n')
		print_bytes("\n", 1);
}

/* Takes a line, if there is one. */
static int take(struct watch *watch)
{
	struct lastline_line line;
	int ret = lastline_take(watch->channel, &line, 0);
	uint64_t now;

	if (ret)
		return ret == -EAGAIN ? 0 : ret;
	now = now_ns(CLOCK_MONOTONIC);
	watch->old_ns = later(line.monotonic_ns, watch->stale_ns);
	/* Nobody is to act on what is too old. check_age() says so. */
	if (watch->exec && watch->old_ns <= now)
		return 0;
	watch->next_ns = later(now, watch->interval_ns);
	watch->give_up_ns = later(now, watch->timeout_ns);
	if (watch->is_stale && watch->old_ns > now) {
		complain("%s: there is a new line", watch->which);
		watch->is_stale = false;
	}
	if (watch->exec)
		run_for_line(watch, &line);
	else
		print_line(watch, &line);
	watch->done = watch->count && !--watch->count;
	return 0;
}

/* Says so if the newest line, had or not, is too old. */
static int check_age(struct watch *watch)
{
	struct lastline_info info;
	char age[AGE_TEXT];
	int ret;

	ret = lastline_info(watch->channel, &info);
	if (ret)
		return ret;
	if (info.monotonic_ns)
		watch->old_ns = later(info.monotonic_ns, watch->stale_ns);
	if (watch->old_ns > now_ns(CLOCK_MONOTONIC))
		return 0;
	watch->is_stale = true;
	if (info.monotonic_ns)
		complain("%s: the newest line is too old (%s)", watch->which,
			 age_text(age, sizeof(age), info.monotonic_ns));
	else
		complain("%s: there is no line", watch->which);
	if (watch->on_stale && child_runs(&watch->for_stale))
		complain("%s: still runs", watch->on_stale);
	else if (watch->on_stale)
		watch->for_stale = run_for_stale(watch);
	return 0;
}

static void reap(struct watch *watch)
{
	if (child_has_ended(&watch->for_line))
		child_succeeded(&watch->for_line, watch->exec);
	if (child_has_ended(&watch->for_stale))
		child_succeeded(&watch->for_stale, watch->on_stale);
}

/* Could a line be dealt with at once? */
static bool may_take(const struct watch *watch)
{
	return !watch->done && !child_runs(&watch->for_line) &&
	       now_ns(CLOCK_MONOTONIC) >= watch->next_ns;
}

/* When there is something to do even if nothing happens. */
static uint64_t deadline(const struct watch *watch, bool takes)
{
	uint64_t moment = LASTLINE_FOREVER;

	if (watch->done)
		return moment;
	if (takes)
		moment = watch->give_up_ns;
	else if (!child_runs(&watch->for_line))
		moment = watch->next_ns;
	return !watch->is_stale && watch->old_ns < moment ? watch->old_ns : moment;
}

/* Sleeps until something happens, and deals with it. */
static int step(struct watch *watch)
{
	bool takes = may_take(watch);
	struct pollfd fds[] = {
		{ .fd = takes ? lastline_fd(watch->channel) : -1, .events = POLLIN },
		{ .fd = watch->for_line.pidfd, .events = POLLIN },
		{ .fd = watch->for_stale.pidfd, .events = POLLIN },
	};
	uint64_t now;
	int ret;

	ret = poll_until(fds, 3, deadline(watch, takes));
	if (ret && ret != -ETIMEDOUT && ret != -EINTR)
		return ret;
	reap(watch);
	if (takes && fds[0].revents)
		return take(watch);
	now = now_ns(CLOCK_MONOTONIC);
	if (!watch->done && !watch->is_stale && now >= watch->old_ns)
		return check_age(watch);
	return takes && now >= watch->give_up_ns ? -ETIMEDOUT : 0;
}

static int watch_channel(struct watch *watch)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	int ret = 0;

	setenv("LASTLINE_CHANNEL", watch->which, 1);
	watch->give_up_ns = later(now, watch->timeout_ns);
	watch->old_ns = later(now, watch->stale_ns);
	while (!ret && (!watch->done || child_runs(&watch->for_line)))
		ret = step(watch);
	return ret ? explain(watch->which, ret) : STATUS_OK;
}

static void set_option(struct watch *watch, int option)
{
	switch (option) {
	case 'c':
		watch->count = parse_number(&watch_command, optarg, 1000000000);
		break;
	case 'e':
		watch->exec = optarg;
		break;
	case 'p':
		watch->plain = true;
		break;
	case 'r':
		watch->interval_ns = parse_rate(&watch_command, optarg);
		break;
	case 's':
		watch->stale_ns = parse_duration(&watch_command, optarg);
		break;
	case 'S':
		watch->on_stale = optarg;
		break;
	case 't':
		watch->timeout_ns = parse_duration(&watch_command, optarg);
		break;
	}
}

static int watch(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "exec", required_argument, NULL, 'e' },
		{ "new", no_argument, NULL, 'n' },
		{ "on-stale", required_argument, NULL, 'S' },
		{ "plain", no_argument, NULL, 'p' },
		{ "rate", required_argument, NULL, 'r' },
		{ "stale", required_argument, NULL, 's' },
		{ "timeout", required_argument, NULL, 't' },
		{},
	};
	struct watch watch = {
		.timeout_ns = LASTLINE_FOREVER,
		.stale_ns = LASTLINE_FOREVER,
		.for_line = NO_CHILD,
		.for_stale = NO_CHILD,
	};
	bool new = false;
	int option, ret;

	while ((option = next_option(&watch_command, argc, argv, options)) >= 0) {
		new |= option == 'n';
		set_option(&watch, option);
	}
	watch.which = only_channel(&watch_command, argc, argv);
	if (watch.on_stale && watch.stale_ns == LASTLINE_FOREVER)
		usage_error(&watch_command, "--on-stale without --stale: how old is too old?");
	watch.channel = open_or_explain(watch.which, O_RDONLY);
	if (new)
		lastline_skip(watch.channel);
	ret = watch_channel(&watch);
	lastline_close(watch.channel);
	return ret;
}

const struct command watch_command = {
	.name = "watch",
	.run = watch,
	.about = "each line that it can keep up with",
	.usage = "[OPTION]... CHANNEL\n"
		 "Prints time, generation, lines missed before it, and the line.\n\n"
		 "  -p, --plain         only the line\n"
		 "  -n, --new           not the line that is there already\n"
		 "  -c, --count N       end after N lines\n"
		 "  -t, --timeout TIME  end with status 3 when none comes for so long\n"
		 "  -r, --rate N        at most N lines a second, each the newest\n"
		 "  -e, --exec COMMAND  run it for each line instead of printing; the line is its\n"
		 "                      input, LASTLINE_GENERATION, _MISSED, _REALTIME_NS and\n"
		 "                      _CHANNEL are set. While it runs no line is taken\n"
		 "  -s, --stale TIME    say so when the newest line is older, and when one comes;\n"
		 "                      no COMMAND gets one that is\n"
		 "  -S, --on-stale COMMAND  and run this each time that it got too old\n",
};
