// SPDX-License-Identifier: GPL-2.0-only
/* lastline pub: publishes what it is told, its input, or what a command prints. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "cli.h"

#define CHUNK	65536	/* bytes that a pipe holds: to read it empty at once */

/**
 * struct pub - what is asked for
 * @which:    the channel, as the user named it
 * @channel:  it
 * @info:     what it is like
 * @every_ns: from one run of a command to the next; 0: there is none
 * @waits:    only while somebody reads
 * @wait_ns:  how long to wait for one
 */
struct pub {
	const char *which;
	struct lastline *channel;
	struct lastline_info info;
	uint64_t every_ns;
	bool waits;
	uint64_t wait_ns;
};

/**
 * struct output - the end of what a command printed
 * @data:  its last bytes
 * @size:  how many
 * @room:  how many may be there
 * @total: bytes that it printed in all
 */
struct output {
	char *data;
	size_t size;
	size_t room;
	uint64_t total;
};

/* Sleeps until somebody reads, if that is asked for. */
static int wait_reader(struct pub *pub)
{
	int ret = 0;

	if (pub->waits)
		ret = lastline_wait_reader(pub->channel, pub->wait_ns);
	if (ret == -EAGAIN || ret == -ETIMEDOUT) {
		complain("%s: nobody reads it", pub->which);
		return STATUS_NOTHING;
	}
	return ret < 0 ? explain(pub->which, ret) : STATUS_OK;
}

/* Returns a negative errno, having said what it means. */
static int publish(struct pub *pub, const char *data, size_t size)
{
	int ret = lastline_publish(pub->channel, data, size);

	if (ret == -EINVAL && pub->info.mode == LASTLINE_MODE_LINE)
		complain("%s: a line has only one newline, at its end", pub->which);
	else if (ret == -EINVAL)
		complain("%s: a record has at least one byte", pub->which);
	else if (ret)
		explain(pub->which, ret);
	return ret;
}

/* The words as echo would print them. */
static int publish_words(struct pub *pub, char **words, int count)
{
	size_t size = 1;
	char *text, *end;
	int i, ret;

	for (i = 0; i < count; i++)
		size += strlen(words[i]) + 1;
	text = malloc(size);
	if (!text)
		give_up("out of memory");
	end = text;
	for (i = 0; i < count; i++) {
		if (i)
			*end++ = ' ';
		end = stpcpy(end, words[i]);
	}
	ret = publish(pub, text, end - text);
	free(text);
	return ret ? STATUS_FAILED : STATUS_OK;
}

static ssize_t read_input(int fd, char *data, size_t size)
{
	ssize_t len;

	do
		len = read(fd, data, size);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		give_up("cannot read: %s", strerror(errno));
	return len;
}

static struct output new_output(const struct pub *pub)
{
	/* Half of it is always kept: more than a line may have, and the newline before. */
	struct output output = { .room = CHUNK + 2 * (pub->info.line_max + 2) };

	output.data = malloc(output.room);
	if (!output.data)
		give_up("out of memory");
	return output;
}

/* Leaves the last bytes. */
static void keep(struct output *output, size_t size)
{
	memmove(output->data, output->data + output->size - size, size);
	output->size = size;
}

/* Reads some more; false at the end. */
static bool read_more(struct output *output, int fd)
{
	ssize_t len;

	if (output->size == output->room)
		keep(output, output->room / 2);
	len = read_input(fd, output->data + output->size, output->room - output->size);
	output->size += len;
	output->total += len;
	return len;
}

/* Of @size bytes the last line, whose newline may be missing. */
static int publish_last_line(struct pub *pub, const char *data, size_t size)
{
	const char *newline;

	if (data[size - 1] == '\n')
		size--;
	newline = memrchr(data, '\n', size);
	if (newline) {
		size -= newline + 1 - data;
		data = newline + 1;
	}
	return publish(pub, data, size);
}

/*
 * Lines, as they come; of those that are there at once only the last one. What is begun
 * stays here until it is whole, so that nobody gets half of it if we have to give up. One
 * that is too long is left out.
 */
static int publish_lines(struct pub *pub)
{
	struct output output = new_output(pub);
	int status = STATUS_OK, ret = 0;
	const char *newline;

	while (ret != -ENODEV && read_more(&output, STDIN_FILENO)) {
		newline = memrchr(output.data, '\n', output.size);
		if (!newline)
			continue;
		ret = publish_last_line(pub, output.data, newline + 1 - output.data);
		status = ret ? STATUS_FAILED : status;
		keep(&output, output.data + output.size - (newline + 1));
	}
	if (ret != -ENODEV && output.size)
		status = publish_last_line(pub, output.data, output.size) ? STATUS_FAILED : status;
	free(output.data);
	return status;
}

/* The last line of @output, or all of it if the channel has records. */
static int publish_output(struct pub *pub, const struct output *output)
{
	if (!output->total)
		return 0;
	if (pub->info.mode == LASTLINE_MODE_LINE)
		return publish_last_line(pub, output->data, output->size);
	if (output->total <= pub->info.line_max)
		return publish(pub, output->data, output->size);
	explain(pub->which, -EMSGSIZE);
	return -EMSGSIZE;
}

static int publish_record(struct pub *pub)
{
	struct output output = new_output(pub);
	int ret;

	while (read_more(&output, STDIN_FILENO))
		;
	ret = publish_output(pub, &output);
	free(output.data);
	return ret ? STATUS_FAILED : STATUS_OK;
}

/* What a failed command printed is not published: then the last good line gets old. */
static int publish_command(struct pub *pub, char *const *argv, struct output *output)
{
	struct child child;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		give_up("cannot make a pipe: %s", strerror(errno));
	child = child_start(argv, -1, ends[1]);
	close(ends[1]);
	output->size = 0;
	output->total = 0;
	while (read_more(output, ends[0]))
		;
	close(ends[0]);
	return child_succeeded(&child, argv[0]) ? publish_output(pub, output) : 0;
}

/* Runs that took too long are left out, not made up for. */
static int publish_every(struct pub *pub, char *const *argv)
{
	struct output output = new_output(pub);
	uint64_t next = now_ns(CLOCK_MONOTONIC), now;
	struct timespec until;
	int ret;

	for (;;) {
		ret = wait_reader(pub);
		if (ret)
			break;
		/* Of what else goes wrong, the next run may know nothing. */
		if (publish_command(pub, argv, &output) == -ENODEV) {
			ret = STATUS_FAILED;
			break;
		}
		now = now_ns(CLOCK_MONOTONIC);
		next = later(next, pub->every_ns);
		if (next < now)
			next = now;
		until = (struct timespec){ next / NS_PER_S, next % NS_PER_S };
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
			;
	}
	free(output.data);
	return ret;
}

static int publish_all(struct pub *pub, int argc, char **argv)
{
	int ret;

	if (pub->every_ns)
		return publish_every(pub, argv);
	ret = wait_reader(pub);
	if (ret)
		return ret;
	if (argc)
		return publish_words(pub, argv, argc);
	if (pub->info.mode == LASTLINE_MODE_RECORD)
		return publish_record(pub);
	return publish_lines(pub);
}

static void set_option(struct pub *pub, int option)
{
	if (option == 'w') {
		pub->waits = true;
		pub->wait_ns = optarg ? parse_duration(&pub_command, optarg) : LASTLINE_FOREVER;
		return;
	}
	pub->every_ns = parse_duration(&pub_command, optarg);
	if (!pub->every_ns)
		usage_error(&pub_command, "--every wants more than 0");
}

static int pub(int argc, char **argv)
{
	static const struct option options[] = {
		{ "every", required_argument, NULL, 'e' },
		{ "wait-reader", optional_argument, NULL, 'w' },
		{},
	};
	struct pub pub = {};
	int option, ret;

	while ((option = next_option(&pub_command, argc, argv, options)) >= 0)
		set_option(&pub, option);
	if (optind == argc)
		usage_error(&pub_command, "which channel?");
	pub.which = argv[optind++];
	if (optind < argc && !strcmp(argv[optind], "--"))
		optind++;
	if (pub.every_ns && optind == argc)
		usage_error(&pub_command, "--every wants a command to run, behind --");
	pub.channel = open_or_explain(pub.which, O_WRONLY);
	ret = lastline_info(pub.channel, &pub.info);
	if (ret)
		return explain(pub.which, ret);
	ret = publish_all(&pub, argc - optind, argv + optind);
	lastline_close(pub.channel);
	return ret;
}

const struct command pub_command = {
	.name = "pub",
	.run = pub,
	.about = "publish lines",
	.takes_words = true,
	.usage = "[OPTION]... CHANNEL [WORD]...\n"
		 "       lastline pub --every TIME [OPTION]... CHANNEL -- COMMAND [ARGUMENT]...\n"
		 "Publishes the words as one line; without any, each line of its input. In the\n"
		 "second form it runs a command again and again, and publishes the last line that\n"
		 "it prints, unless it fails. Options stand before the channel.\n\n"
		 "  -e, --every TIME          how often (100ms, 2s)\n"
		 "  -w, --wait-reader[=TIME]  wait until somebody reads, at most so long; with\n"
		 "                            --every, run the command only then\n",
};
