// SPDX-License-Identifier: GPL-2.0-only
/*
 * lastline watch: print lines as they are published, or run a command for each, and report
 * a stale channel.
 *
 * One loop waits for the first of these events: a new line, the end of a command, the time
 * when --rate allows the next line, the time when the newest line becomes stale, and the
 * timeout. A line is read only when it can be handled at once. Until then the driver keeps
 * the newest line, so no queue builds up.
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
 * struct watch - options and state of the command
 * @which:          the channel as the user named it
 * @channel:        the open channel
 * @exec:           command to run for each line, or NULL
 * @plain:          print only the line
 * @count:          lines left to handle; 0: no limit
 * @done:           the last of @count lines was read
 * @interval_ns:    minimum time between two lines
 * @timeout_ns:     how long to wait for a line
 * @stale_after_ns: age at which a line is stale
 * @on_stale:       command to run when the newest line becomes stale, or NULL
 * @next_ns:        when the next line may be read (CLOCK_MONOTONIC, like the next two)
 * @deadline_ns:    when waiting for a line times out
 * @stale_at_ns:    when the newest line becomes stale
 * @stale:          the newest line is stale, and this was reported
 * @line_child:     running @exec command
 * @stale_child:    running @on_stale command
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
	uint64_t stale_after_ns;
	const char *on_stale;
	uint64_t next_ns;
	uint64_t deadline_ns;
	uint64_t stale_at_ns;
	bool stale;
	struct child line_child;
	struct child stale_child;
};

static void set_number(const char *name, unsigned long long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", number);
	setenv(name, text, 1);
}

/* The command reads the line from a memfd. A long line would block a write to a pipe. */
static int line_file(const struct lastline_line *line)
{
	int fd = memfd_create("line", MFD_CLOEXEC);

	if (fd < 0 || write(fd, line->data, line->size) != (ssize_t)line->size ||
	    lseek(fd, 0, SEEK_SET))
		die("cannot store the line: %s", strerror(errno));
	return fd;
}

static void run_line_command(struct watch *watch, const struct lastline_line *line)
{
	int fd = line_file(line);

	set_number("LASTLINE_GENERATION", line->generation);
	set_number("LASTLINE_MISSED", line->missed);
	set_number("LASTLINE_REALTIME_NS", line->realtime_ns);
	watch->line_child = child_start_shell(watch->exec, fd);
	close(fd);
}

static struct child run_stale_command(const struct watch *watch)
{
	/* They describe the last line that was read, which may be an older one. */
	unsetenv("LASTLINE_GENERATION");
	unsetenv("LASTLINE_MISSED");
	unsetenv("LASTLINE_REALTIME_NS");
	return child_start_shell(watch->on_stale, -1);
}

static void print_line(const struct watch *watch, const struct lastline_line *line)
{
	char time[TIME_TEXT];

	if (!watch->plain)
		printf("%s %llu +%llu ", format_time(time, sizeof(time), line->realtime_ns),
		       (unsigned long long)line->generation, (unsigned long long)line->missed);
	print_bytes(line->data, line->size);
	/* A record may lack a newline; the next record must begin on a new line of output. */
	if (!watch->plain && line->data[line->size - 1] != '\n')
		print_bytes("\n", 1);
}

/* Reads and handles a line, if there is one. */
static int take(struct watch *watch)
{
	struct lastline_line line;
	int ret = lastline_take(watch->channel, &line, 0);
	uint64_t now;

	if (ret)
		return ret == -EAGAIN ? 0 : ret;
	now = now_ns(CLOCK_MONOTONIC);
	watch->stale_at_ns = add_ns(line.monotonic_ns, watch->stale_after_ns);
	/* The command must not act on a stale line. check_age() reports it. */
	if (watch->exec && watch->stale_at_ns <= now)
		return 0;
	watch->next_ns = add_ns(now, watch->interval_ns);
	watch->deadline_ns = add_ns(now, watch->timeout_ns);
	if (watch->stale && watch->stale_at_ns > now) {
		warn("%s: no longer stale", watch->which);
		watch->stale = false;
	}
	if (watch->exec)
		run_line_command(watch, &line);
	else
		print_line(watch, &line);
	watch->done = watch->count && !--watch->count;
	return 0;
}

/* Reports a stale channel. The newest line counts even if it was not read. */
static int check_age(struct watch *watch)
{
	struct lastline_info info;
	char age[AGE_TEXT];
	int ret;

	ret = lastline_info(watch->channel, &info);
	if (ret)
		return ret;
	if (info.monotonic_ns)
		watch->stale_at_ns = add_ns(info.monotonic_ns, watch->stale_after_ns);
	if (watch->stale_at_ns > now_ns(CLOCK_MONOTONIC))
		return 0;
	watch->stale = true;
	if (info.monotonic_ns)
		warn("%s: stale: the newest line is %s old", watch->which,
		     format_age(age, sizeof(age), info.monotonic_ns));
	else
		warn("%s: stale: no line has been published", watch->which);
	if (watch->on_stale && child_running(&watch->stale_child))
		warn("%s: still running; not started again", watch->on_stale);
	else if (watch->on_stale)
		watch->stale_child = run_stale_command(watch);
	return 0;
}

static void reap_children(struct watch *watch)
{
	if (child_ended(&watch->line_child))
		child_wait(&watch->line_child, watch->exec);
	if (child_ended(&watch->stale_child))
		child_wait(&watch->stale_child, watch->on_stale);
}

/* Could a line be handled at once? */
static bool can_take(const struct watch *watch)
{
	return !watch->done && !child_running(&watch->line_child) &&
	       now_ns(CLOCK_MONOTONIC) >= watch->next_ns;
}

/* Returns when to wake up if there is no event. */
static uint64_t next_deadline(const struct watch *watch, bool take_line)
{
	uint64_t deadline = LASTLINE_FOREVER;

	if (watch->done)
		return deadline;
	if (take_line)
		deadline = watch->deadline_ns;
	else if (!child_running(&watch->line_child))
		deadline = watch->next_ns;
	return !watch->stale && watch->stale_at_ns < deadline ? watch->stale_at_ns : deadline;
}

/* Waits for one event and handles it. */
static int step(struct watch *watch)
{
	bool take_line = can_take(watch);
	struct pollfd fds[] = {
		{ .fd = take_line ? lastline_fd(watch->channel) : -1, .events = POLLIN },
		{ .fd = watch->line_child.pidfd, .events = POLLIN },
		{ .fd = watch->stale_child.pidfd, .events = POLLIN },
	};
	uint64_t now;
	int ret;

	ret = poll_until(fds, 3, next_deadline(watch, take_line));
	if (ret && ret != -ETIMEDOUT && ret != -EINTR)
		return ret;
	reap_children(watch);
	if (take_line && fds[0].revents)
		return take(watch);
	now = now_ns(CLOCK_MONOTONIC);
	if (!watch->done && !watch->stale && now >= watch->stale_at_ns)
		return check_age(watch);
	return take_line && now >= watch->deadline_ns ? -ETIMEDOUT : 0;
}

static int watch_channel(struct watch *watch)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	int ret = 0;

	setenv("LASTLINE_CHANNEL", watch->which, 1);
	watch->deadline_ns = add_ns(now, watch->timeout_ns);
	watch->stale_at_ns = add_ns(now, watch->stale_after_ns);
	while (!ret && (!watch->done || child_running(&watch->line_child)))
		ret = step(watch);
	return ret ? channel_error(watch->which, ret) : STATUS_OK;
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
		watch->stale_after_ns = parse_duration(&watch_command, optarg);
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
	struct watch watch = {
		.timeout_ns = LASTLINE_FOREVER,
		.stale_after_ns = LASTLINE_FOREVER,
		.line_child = NO_CHILD,
		.stale_child = NO_CHILD,
	};
	bool new = false;
	int option, ret;

	while ((option = next_option(&watch_command, argc, argv)) >= 0) {
		new |= option == 'n';
		set_option(&watch, option);
	}
	watch.which = channel_argument(&watch_command, argc, argv);
	if (watch.on_stale && watch.stale_after_ns == LASTLINE_FOREVER)
		usage_error(&watch_command, "--on-stale requires --stale");
	watch.channel = open_or_exit(watch.which, O_RDONLY);
	if (new)
		lastline_skip(watch.channel);
	ret = watch_channel(&watch);
	lastline_close(watch.channel);
	return ret;
}

static const struct command_option options[] = {
	{ 'p', "plain", NULL, "print only the line, or the bytes of the record" },
	{ 'n', "new", NULL, "do not print the line that exists at start" },
	{ 'c', "count", "N", "exit after N lines" },
	{ 't', "timeout", "TIME", "exit with status 3 if no line arrives for this long" },
	{ 'r', "rate", "N", "read at most N lines per second, always the newest" },
	{ 'e', "exec", "COMMAND", "run COMMAND for each line instead of printing it.\n"
				  "The line is its standard input; LASTLINE_GENERATION,\n"
				  "_MISSED, _REALTIME_NS and _CHANNEL are set. No line is\n"
				  "read while it runs" },
	{ 's', "stale", "TIME", "report when the newest line becomes older than TIME,\n"
				"and when a new one arrives; --exec is not run for\n"
				"stale lines" },
	{ 'S', "on-stale", "COMMAND", "also run COMMAND when the newest line becomes stale" },
	{},
};

const struct command watch_command = {
	.name = "watch",
	.run = watch,
	.about = "print lines as they are published",
	.usage = "[OPTION]... CHANNEL\n"
		 "Print the newest line, then each new one, with the time of its publication, its\n"
		 "generation, and the number of lines missed before it.\n",
	.options = options,
};
