// SPDX-License-Identifier: GPL-2.0-only
/* lastline pub: publish arguments, standard input, or the output of a command. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "cli.h"

#define CHUNK	65536	/* capacity of a pipe, to empty it with one read() */

/**
 * struct pub - options and state of the command
 * @which:       the channel as the user named it
 * @channel:     the open channel
 * @info:        its properties
 * @every_ns:    interval of --every, or 0
 * @wait_reader: publish only while the channel has a reader
 * @timeout_ns:  how long to wait for a reader
 */
struct pub {
	const char *which;
	struct lastline *channel;
	struct lastline_info info;
	uint64_t every_ns;
	bool wait_reader;
	uint64_t timeout_ns;
};

/**
 * struct output - the last bytes of an input or of the output of a command
 * @data:     the bytes
 * @size:     number of bytes in @data
 * @capacity: size of the buffer
 * @total:    number of bytes read in all
 */
struct output {
	char *data;
	size_t size;
	size_t capacity;
	uint64_t total;
};

/* With --wait-reader, waits until the channel has a reader. */
static int wait_reader(struct pub *pub)
{
	int ret = 0;

	if (pub->wait_reader)
		ret = lastline_wait_reader(pub->channel, pub->timeout_ns);
	if (ret == -EAGAIN || ret == -ETIMEDOUT) {
		warn("%s: timed out waiting for a reader", pub->which);
		return STATUS_NOTHING;
	}
	return ret < 0 ? channel_error(pub->which, ret) : STATUS_OK;
}

/* Prints a message for an error, which is returned. */
static int publish(struct pub *pub, const char *data, size_t size)
{
	int ret = lastline_publish(pub->channel, data, size);

	if (ret == -EINVAL && pub->info.mode == LASTLINE_MODE_LINE)
		warn("%s: invalid line: only its last character may be a newline", pub->which);
	else if (ret == -EINVAL)
		warn("%s: invalid record: it is empty", pub->which);
	else if (ret)
		channel_error(pub->which, ret);
	return ret;
}

/* Publishes the words separated by spaces, like echo. */
static int publish_words(struct pub *pub, char **words, int count)
{
	size_t size = 1;
	char *text, *end;
	int i, ret;

	for (i = 0; i < count; i++)
		size += strlen(words[i]) + 1;
	text = malloc(size);
	if (!text)
		die("out of memory");
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
		die("cannot read input: %s", strerror(errno));
	return len;
}

static struct output new_output(const struct pub *pub)
{
	/* read_more() keeps half of it: the longest line and the newline before it fit. */
	struct output output = { .capacity = CHUNK + 2 * (pub->info.line_max + 2) };

	output.data = malloc(output.capacity);
	if (!output.data)
		die("out of memory");
	return output;
}

/* Drops all but the last @size bytes. */
static void keep_last(struct output *output, size_t size)
{
	memmove(output->data, output->data + output->size - size, size);
	output->size = size;
}

/* Returns false at the end of the input. */
static bool read_more(struct output *output, int fd)
{
	ssize_t len;

	if (output->size == output->capacity)
		keep_last(output, output->capacity / 2);
	len = read_input(fd, output->data + output->size, output->capacity - output->size);
	output->size += len;
	output->total += len;
	return len;
}

/* Publishes the last line of @data, which may lack a newline. */
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
 * Publishes the last complete line of each read(). A partial line stays here, so that it
 * is never published if this process ends. A line that is too long is skipped.
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
		keep_last(&output, output.data + output.size - (newline + 1));
	}
	if (ret != -ENODEV && output.size)
		status = publish_last_line(pub, output.data, output.size) ? STATUS_FAILED : status;
	free(output.data);
	return status;
}

/* Publishes the last line, or all of it on a channel of records. */
static int publish_output(struct pub *pub, const struct output *output)
{
	if (!output->total)
		return 0;
	if (pub->info.mode == LASTLINE_MODE_LINE)
		return publish_last_line(pub, output->data, output->size);
	if (output->total <= pub->info.line_max)
		return publish(pub, output->data, output->size);
	channel_error(pub->which, -EMSGSIZE);
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

/* The output of a failed command is not published, so that the last good line becomes stale. */
static int publish_command(struct pub *pub, char *const *argv, struct output *output)
{
	struct child child;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		die("cannot make a pipe: %s", strerror(errno));
	child = child_start(argv, -1, ends[1]);
	close(ends[1]);
	output->size = 0;
	output->total = 0;
	while (read_more(output, ends[0]))
		;
	close(ends[0]);
	return child_wait(&child, argv[0]) ? publish_output(pub, output) : 0;
}

/* After a run that takes longer than the interval, the missed runs are skipped. */
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
		/* Other errors may not happen again in the next run. */
		if (publish_command(pub, argv, &output) == -ENODEV) {
			ret = STATUS_FAILED;
			break;
		}
		now = now_ns(CLOCK_MONOTONIC);
		next = add_ns(next, pub->every_ns);
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
		pub->wait_reader = true;
		pub->timeout_ns = optarg ? parse_duration(&pub_command, optarg) : LASTLINE_FOREVER;
		return;
	}
	pub->every_ns = parse_duration(&pub_command, optarg);
	if (!pub->every_ns)
		usage_error(&pub_command, "invalid time: --every must be more than 0");
}

static int pub(int argc, char **argv)
{
	struct pub pub = {};
	int option, ret;

	while ((option = next_option(&pub_command, argc, argv)) >= 0)
		set_option(&pub, option);
	if (optind == argc)
		usage_error(&pub_command, "no channel given");
	pub.which = argv[optind++];
	if (optind < argc && !strcmp(argv[optind], "--"))
		optind++;
	if (pub.every_ns && optind == argc)
		usage_error(&pub_command, "--every requires a command after the channel");
	pub.channel = open_or_exit(pub.which, O_WRONLY);
	ret = lastline_info(pub.channel, &pub.info);
	if (ret)
		return channel_error(pub.which, ret);
	ret = publish_all(&pub, argc - optind, argv + optind);
	lastline_close(pub.channel);
	return ret;
}

static const struct command_option options[] = {
	{ 'e', "every", "TIME", "run COMMAND at this interval (100ms, 2s)" },
	{ 'w', "wait-reader", "[=TIME]", "wait for a reader, at most TIME; with --every,\n"
					    "before each run" },
	{},
};

const struct command pub_command = {
	.name = "pub",
	.run = pub,
	.about = "publish lines",
	.stop_at_channel = true,
	.usage = "[OPTION]... CHANNEL [WORD]...\n"
		 "       lastline pub --every TIME [OPTION]... CHANNEL -- COMMAND [ARGUMENT]...\n"
		 "Publish the words as one line, or each line of standard input. With --every, run\n"
		 "a command repeatedly and publish the last line that it prints, unless it fails.\n"
		 "Options must come before the channel.\n",
	.options = options,
};
