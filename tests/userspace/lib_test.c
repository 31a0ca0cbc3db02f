// SPDX-License-Identifier: GPL-2.0-only
/*
 * liblastline: what its header promises, on the driver that is loaded. Each test makes
 * its own channels, so that it disturbs nobody, and therefore needs root.
 */
#include <linux/capability.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <valgrind/valgrind.h>

#include <lastline.h>

#include "../selftests/clock.h"
#include "../selftests/lastline_test.h"

#define MS		1000000ULL	/* nanoseconds */
#define PATIENCE_NS	(PATIENCE_MS * MS)
#define CHANNELS	4		/* that one test may add */
#define NOBODY		65534

/*
 * @number of a channel of its own, added as @add says; @writer, and @reader that has
 * seen nothing; @added: the numbers of all that are to be removed
 */
FIXTURE(lib)
{
	struct lastline_add add;
	struct lastline *writer;
	struct lastline *reader;
	struct lastline_line line;
	int number;
	int added[CHANNELS];
	int count;
};

#define ADD() ({								\
	int number_ = lastline_add(&self->add);					\
										\
	ASSERT_LE(0, number_);							\
	ASSERT_GT(CHANNELS, self->count);					\
	self->added[self->count++] = number_;					\
	number_;								\
})

/* NULL if it cannot be opened. */
static struct lastline *open_number(int number, int flags)
{
	struct lastline *channel = NULL;
	char which[16];

	snprintf(which, sizeof(which), "%d", number);
	return lastline_open(&channel, which, flags) ? NULL : channel;
}

FIXTURE_SETUP(lib)
{
	int fd = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		SKIP(return, "no /dev/lastline-control for us; load the module and become root");
	close(fd);
	self->add = (struct lastline_add){ .number = -1, .permissions = 0666 };
	snprintf(self->add.name, sizeof(self->add.name), "lib-test.%d", getpid());
	self->number = ADD();
	self->writer = open_number(self->number, O_WRONLY);
	self->reader = open_number(self->number, O_RDONLY);
	ASSERT_NE(NULL, self->writer);
	ASSERT_NE(NULL, self->reader);
}

FIXTURE_TEARDOWN(lib)
{
	lastline_close(self->writer);
	lastline_close(self->reader);
	while (self->count--)
		lastline_remove(self->added[self->count]);
}

/* The writer and reader of a channel with these traits take the place of those there. */
#define CHANGE_CHANNEL(trait, value) do {					\
	lastline_close(self->writer);						\
	lastline_close(self->reader);						\
	self->add.name[0] = '\0';						\
	self->add.trait = value;						\
	self->number = ADD();							\
	self->writer = open_number(self->number, O_WRONLY);			\
	self->reader = open_number(self->number, O_RDONLY);			\
	ASSERT_NE(NULL, self->writer);						\
	ASSERT_NE(NULL, self->reader);						\
} while (0)

#define REMOVE() EXPECT_EQ(self->number, lastline_remove(self->number))

/* The next take gets exactly this text, without waiting. */
#define EXPECT_TAKE(text) do {							\
	ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));		\
	EXPECT_STREQ(text, self->line.data);					\
	EXPECT_EQ(strlen(self->line.data), self->line.size);			\
} while (0)

#define EXPECT_NOTHING() EXPECT_EQ(-EAGAIN, lastline_take(self->reader, &self->line, 0))

static int publish(struct lastline *channel, const char *text)
{
	return lastline_publish(channel, text, strlen(text));
}

/* Does as much as a call that fails: nothing. */
static bool is_untouched(const struct lastline_line *line)
{
	const unsigned char *bytes = (const unsigned char *)line;
	size_t i;

	for (i = 0; i < sizeof(*line); i++) {
		if (bytes[i] != 0x5a)
			return false;
	}
	return true;
}

#define EXPECT_UNTOUCHED_BY(error, call) do {					\
	memset(&self->line, 0x5a, sizeof(self->line));				\
	EXPECT_EQ(error, call);							\
	EXPECT_TRUE(is_untouched(&self->line));					\
} while (0)

static uint64_t monotonic(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

static struct lastline_info info_about(struct lastline *channel)
{
	struct lastline_info info;

	if (lastline_info(channel, &info))
		info.generation = UINT64_MAX;
	return info;
}

static uint64_t generation_of(struct lastline *channel)
{
	return info_about(channel).generation;
}

/* A process that does what the arguments say, when another one sleeps in a take. */
static pid_t when_somebody_sleeps(struct lastline *channel, int (*act)(void *), void *arg)
{
	pid_t pid = fork();

	if (!pid)
		_exit(!await_sleepers(lastline_fd(channel), 1) || act(arg) < 0);
	return pid;
}

/* The same, soon: where nobody can tell whether the other one is asleep. */
static pid_t soon(int (*act)(void *), void *arg)
{
	pid_t pid = fork();

	if (!pid) {
		pause_ms(PAUSE_MS);
		_exit(act(arg) < 0);
	}
	return pid;
}

static int publish_woken(void *channel)
{
	return publish(channel, "woken");
}

static int remove_it(void *number)
{
	return lastline_remove(*(int *)number);
}

/* Does @call wait until the deadline, @ms from now, and not much longer? */
#define EXPECT_WAITS(ms, error, call) do {					\
	uint64_t end_ = monotonic() + (ms) * MS;				\
										\
	EXPECT_EQ(error, call);							\
	EXPECT_LE(end_, monotonic());						\
	EXPECT_GT(end_ + PATIENCE_NS, monotonic());				\
} while (0)

/*
 * Opening and finding
 */

#define EXPECT_OPENS(which) do {						\
	const char *which_ = which;						\
	struct lastline *channel_ = NULL;					\
										\
	EXPECT_EQ(self->number, lastline_find(which_));				\
	ASSERT_EQ(0, lastline_open(&channel_, which_, O_RDONLY));		\
	EXPECT_EQ(self->number, info_about(channel_).number);			\
	lastline_close(channel_);						\
} while (0)

#define EXPECT_NO_CHANNEL(error, which) do {					\
	struct lastline *channel_ = (struct lastline *)self;			\
	const char *which_ = which;						\
	int error_ = error;							\
										\
	EXPECT_EQ(error_, lastline_find(which_));				\
	EXPECT_EQ(error_, lastline_open(&channel_, which_, O_RDONLY));		\
	EXPECT_EQ((struct lastline *)self, channel_);				\
} while (0)

TEST_F(lib, a_channel_is_opened_by_its_number_name_node_or_path)
{
	char which[64], link[64];

	snprintf(which, sizeof(which), "%d", self->number);
	EXPECT_OPENS(which);
	snprintf(which, sizeof(which), "lastline%d", self->number);
	EXPECT_OPENS(which);
	EXPECT_OPENS(self->add.name);
	snprintf(which, sizeof(which), "/dev/lastline%d", self->number);
	EXPECT_OPENS(which);
	snprintf(link, sizeof(link), "/tmp/lib-test.%d", getpid());
	ASSERT_EQ(0, symlink(which, link));
	EXPECT_OPENS(link);
	unlink(link);
	ASSERT_EQ(0, chdir("/dev"));
	snprintf(which, sizeof(which), "./lastline%d", self->number);
	EXPECT_OPENS(which);
}

TEST_F(lib, a_channel_that_is_not_there_is_enodev)
{
	static const char * const nowhere[] = {
		"", "4095", "4096", "99999999999999999999", "-1", "0x0", " 0", "lastline",
		"lastline4095", "lastline4096", "lastline-control", "no-such-name", "lib-test",
		"/dev/lastline4095", "/dev/no-such-node",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nowhere); i++)
		EXPECT_NO_CHANNEL(-ENODEV, nowhere[i]);
	EXPECT_NO_CHANNEL(-ENOTDIR, "/dev/null/lastline0");
}

TEST_F(lib, digits_are_a_number_even_if_they_are_a_name)
{
	char which[64];

	strcpy(self->add.name, "4095");
	ADD();
	EXPECT_NO_CHANNEL(-ENODEV, "4095");
	snprintf(self->add.name, sizeof(self->add.name), "lastline%d", self->number);
	strcpy(which, self->add.name);
	ADD();
	EXPECT_OPENS(which);
}

TEST_F(lib, a_node_whose_channel_was_removed_is_enodev)
{
	char path[64], copy[64];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/lastline%d", self->number);
	snprintf(copy, sizeof(copy), "/tmp/lib-test.%d", getpid());
	ASSERT_EQ(0, stat(path, &st));
	ASSERT_EQ(0, mknod(copy, S_IFCHR | 0600, st.st_rdev));
	EXPECT_OPENS(copy);
	REMOVE();
	EXPECT_NO_CHANNEL(-ENODEV, copy);
	EXPECT_NO_CHANNEL(-ENODEV, path);
	EXPECT_NO_CHANNEL(-ENODEV, self->add.name);
	unlink(copy);
}

TEST_F(lib, what_is_not_a_channel_is_enotty_and_is_never_opened)
{
	char fifo[64], file[64];

	EXPECT_NO_CHANNEL(-ENOTTY, "/dev/null");
	EXPECT_NO_CHANNEL(-ENOTTY, "/dev/lastline-control");
	EXPECT_NO_CHANNEL(-ENOTTY, "/dev");
	/* To open this one would wait for a writer. */
	snprintf(fifo, sizeof(fifo), "/tmp/lib-test.%d.fifo", getpid());
	ASSERT_EQ(0, mkfifo(fifo, 0600));
	EXPECT_NO_CHANNEL(-ENOTTY, fifo);
	unlink(fifo);
	snprintf(file, sizeof(file), "/tmp/lib-test.%d.file", getpid());
	close(open(file, O_WRONLY | O_CREAT, 0600));
	EXPECT_NO_CHANNEL(-ENOTTY, file);
	unlink(file);
}

/* Runs @act in a process that is nobody's; true if it says 0. */
static bool as_nobody(int (*act)(void *), void *arg)
{
	pid_t pid = fork();

	if (!pid)
		_exit(setgid(NOBODY) || setuid(NOBODY) || act(arg));
	return ended_well(pid);
}

static int look_without_permission(void *arg)
{
	const struct lastline_add *add = arg;
	struct lastline_status status;
	struct lastline *channel;
	int number = lastline_find(add->name);

	if (lastline_open(&channel, add->name, O_RDONLY) != -EACCES)
		return 1;
	if (lastline_open(&channel, add->name, O_WRONLY) != -EACCES)
		return 2;
	return number < 0 || lastline_status(number, &status) ||
	       status.line_max != LASTLINE_LINE_MAX_MIN;
}

TEST_F(lib, without_permission_a_channel_can_be_seen_but_not_opened)
{
	strcat(self->add.name, ".mine");
	self->add.permissions = 0600;
	self->add.line_max = LASTLINE_LINE_MAX_MIN;
	ADD();
	EXPECT_TRUE(as_nobody(look_without_permission, &self->add));
}

/* No driver, as far as this process can see. */
static bool hide_driver(void)
{
	return !unshare(CLONE_NEWNS) && !mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) &&
	       !mount("none", "/sys/class", "tmpfs", 0, NULL) &&
	       !mount("none", "/dev", "tmpfs", 0, NULL);
}

static int look_without_driver(const struct lastline_add *add)
{
	struct lastline *channel;
	int *numbers;

	if (!hide_driver())
		return 1;
	if (lastline_find("0") != -ENOSYS || lastline_find(add->name) != -ENOSYS ||
	    lastline_find("/dev/lastline0") != -ENOSYS)
		return 2;
	if (lastline_open(&channel, "0", O_RDONLY) != -ENOSYS ||
	    lastline_open(&channel, add->name, O_RDONLY) != -ENOSYS)
		return 3;
	if (lastline_list(&numbers) != -ENOSYS)
		return 4;
	return lastline_add(add) != -ENOSYS || lastline_remove(0) != -ENOSYS;
}

TEST_F(lib, without_the_driver_all_that_looks_for_it_is_enosys)
{
	pid_t pid = fork();

	if (!pid)
		_exit(look_without_driver(&self->add));
	EXPECT_TRUE(ended_well(pid));
}

TEST_F(lib, an_open_channel_is_closed_on_exec_and_only_asked_for_access_and_nonblock)
{
	struct lastline *channel = open_number(self->number, O_RDONLY | O_TRUNC | O_APPEND);
	int flags;

	ASSERT_NE(NULL, channel);
	EXPECT_EQ(FD_CLOEXEC, fcntl(lastline_fd(channel), F_GETFD));
	flags = fcntl(lastline_fd(channel), F_GETFL);
	EXPECT_EQ(O_RDONLY, flags & (O_ACCMODE | O_TRUNC | O_APPEND | O_NONBLOCK));
	lastline_close(channel);

	channel = open_number(self->number, O_RDONLY | O_NONBLOCK);
	ASSERT_NE(NULL, channel);
	EXPECT_EQ(-EAGAIN, lastline_take(channel, &self->line, LASTLINE_FOREVER));
	lastline_close(channel);
}

TEST_F(lib, to_close_no_channel_does_nothing)
{
	lastline_close(NULL);
	EXPECT_EQ(0, publish(self->writer, "still here"));
}

/*
 * Publishing
 */

TEST_F(lib, a_line_is_published_with_its_newline_or_without)
{
	EXPECT_EQ(0, publish(self->writer, "without"));
	EXPECT_TAKE("without\n");
	EXPECT_EQ(0, publish(self->writer, "with\n"));
	EXPECT_TAKE("with\n");
	EXPECT_EQ(0, lastline_publish(self->writer, NULL, 0));
	EXPECT_TAKE("\n");
	EXPECT_EQ(0, lastline_publish(self->writer, "a\0b", 3));
	ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));
	EXPECT_EQ(4, self->line.size);
	EXPECT_EQ(0, memcmp("a\0b\n", self->line.data, 5));
	EXPECT_EQ(4, generation_of(self->reader));
}

TEST_F(lib, a_newline_in_the_middle_of_a_line_is_einval)
{
	EXPECT_EQ(-EINVAL, publish(self->writer, "two\nlines"));
	EXPECT_EQ(-EINVAL, publish(self->writer, "two\nlines\n"));
	EXPECT_EQ(-EINVAL, publish(self->writer, "\n\n"));
	EXPECT_EQ(-EINVAL, lastline_printf(self->writer, "%s\n%s", "two", "lines"));
	EXPECT_EQ(0, generation_of(self->reader));
	/* And nothing of it is kept, to stand before the next line. */
	EXPECT_EQ(0, publish(self->writer, "next"));
	EXPECT_TAKE("next\n");
}

TEST_F(lib, a_line_that_is_too_long_is_emsgsize)
{
	char line[LASTLINE_LINE_MAX_MIN + 1];

	CHANGE_CHANNEL(line_max, LASTLINE_LINE_MAX_MIN);
	memset(line, 'x', sizeof(line));
	EXPECT_EQ(-EMSGSIZE, lastline_publish(self->writer, line, LASTLINE_LINE_MAX_MIN));
	EXPECT_EQ(-EMSGSIZE, lastline_printf(self->writer, "%0*d", LASTLINE_LINE_MAX_MIN, 0));
	line[LASTLINE_LINE_MAX_MIN] = '\n';
	EXPECT_EQ(-EMSGSIZE, lastline_publish(self->writer, line, sizeof(line)));
	EXPECT_EQ(0, generation_of(self->reader));
	EXPECT_EQ(0, lastline_publish(self->writer, line, LASTLINE_LINE_MAX_MIN - 1));
	EXPECT_EQ(0, lastline_publish(self->writer, line + 1, LASTLINE_LINE_MAX_MIN));
	ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));
	EXPECT_EQ(LASTLINE_LINE_MAX_MIN, self->line.size);
	EXPECT_EQ(2, self->line.generation);
}

TEST_F(lib, a_record_is_published_as_it_is)
{
	char record[LASTLINE_LINE_MAX_MIN + 1] = "a\nb\n\n";

	self->add.line_max = LASTLINE_LINE_MAX_MIN;
	CHANGE_CHANNEL(mode, LASTLINE_MODE_RECORD);
	EXPECT_EQ(0, publish(self->writer, record));
	EXPECT_TAKE("a\nb\n\n");
	EXPECT_EQ(0, lastline_printf(self->writer, "%d", 17));
	EXPECT_TAKE("17");
	EXPECT_EQ(-EINVAL, lastline_publish(self->writer, NULL, 0));
	EXPECT_EQ(-EINVAL, lastline_printf(self->writer, "%s", ""));
	EXPECT_EQ(-EMSGSIZE, lastline_publish(self->writer, record, sizeof(record)));
	EXPECT_EQ(0, lastline_publish(self->writer, record, sizeof(record) - 1));
	EXPECT_EQ(3, generation_of(self->reader));
}

TEST_F(lib, who_cannot_write_gets_ebadf)
{
	EXPECT_EQ(-EBADF, publish(self->reader, "line"));
	EXPECT_EQ(-EBADF, publish(self->reader, "line\n"));
	EXPECT_EQ(-EBADF, lastline_printf(self->reader, "%d", 1));
	EXPECT_EQ(-EBADF, lastline_clear(self->reader));
	EXPECT_EQ(0, generation_of(self->reader));
}

TEST_F(lib, printf_publishes_texts_of_any_length)
{
	static const int lengths[] = { 0, 1, 510, 511, 512, 513, 4095 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		EXPECT_EQ(0, lastline_printf(self->writer, "%*s", lengths[i], ""));
		ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));
		EXPECT_EQ(lengths[i] + 1, self->line.size);
		EXPECT_EQ('\n', self->line.data[lengths[i]]);
		if (!lengths[i])
			continue;
		EXPECT_EQ(0, lastline_printf(self->writer, "%*s\n", lengths[i], "x"));
		ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));
		EXPECT_EQ(lengths[i] + 1, self->line.size);
		EXPECT_EQ('x', self->line.data[lengths[i] - 1]);
	}
	EXPECT_EQ(-EMSGSIZE, lastline_printf(self->writer, "%*s", 4096, ""));
}

static int print_list(struct lastline *channel, const char *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = lastline_vprintf(channel, format, args);
	va_end(args);
	return ret;
}

TEST_F(lib, vprintf_takes_its_arguments_from_a_list)
{
	EXPECT_EQ(0, print_list(self->writer, "%s %d", "seven", 7));
	EXPECT_TAKE("seven 7\n");
	/* Twice, where the first buffer is too short. */
	EXPECT_EQ(0, print_list(self->writer, "%600d %d", 1, 7));
	ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));
	EXPECT_EQ(603, self->line.size);
	EXPECT_STREQ("1 7\n", self->line.data + 599);
}

TEST_F(lib, clear_takes_the_latest_line_away)
{
	EXPECT_EQ(0, publish(self->writer, "line"));
	EXPECT_EQ(0, lastline_clear(self->writer));
	EXPECT_NOTHING();
	EXPECT_EQ(-EAGAIN, lastline_peek(self->reader, &self->line));
	EXPECT_EQ(2, generation_of(self->reader));
	EXPECT_EQ(0, info_about(self->reader).monotonic_ns);
	EXPECT_EQ(0, publish(self->writer, "next"));
	EXPECT_TAKE("next\n");
	EXPECT_EQ(3, self->line.generation);
}

#define THREADS	2
#define LINES	2000

struct publisher {
	pthread_t thread;
	struct lastline *channel;
	char letter;
	int failed;
};

static void *run_publisher(void *arg)
{
	struct publisher *publisher = arg;
	char line[256];
	int i;

	memset(line, publisher->letter, sizeof(line));
	for (i = 0; i < LINES; i++)
		publisher->failed += !!lastline_publish(publisher->channel, line, 1 + i % 255);
	return NULL;
}

/* Is it of one letter? */
static bool is_whole(const struct lastline_line *line)
{
	size_t i;

	for (i = 1; i < line->size - 1; i++) {
		if (line->data[i] != line->data[0])
			return false;
	}
	return line->data[line->size - 1] == '\n';
}

TEST_F(lib, threads_publish_whole_lines_on_one_channel)
{
	struct publisher publishers[THREADS];
	struct lastline_info info;
	int i;

	for (i = 0; i < THREADS; i++) {
		publishers[i] = (struct publisher){ .channel = self->writer, .letter = 'a' + i };
		ASSERT_EQ(0, pthread_create(&publishers[i].thread, NULL, run_publisher,
					    &publishers[i]));
	}
	do {
		if (!lastline_take(self->reader, &self->line, MS))
			ASSERT_TRUE(is_whole(&self->line));
		/* By the same channel, at the same time. */
		ASSERT_EQ(0, lastline_info(self->writer, &info));
	} while (info.generation < THREADS * LINES);
	for (i = 0; i < THREADS; i++) {
		pthread_join(publishers[i].thread, NULL);
		EXPECT_EQ(0, publishers[i].failed);
	}
	EXPECT_EQ(THREADS * LINES, generation_of(self->reader));
}

/*
 * Taking
 */

TEST_F(lib, take_gets_the_newest_line_and_what_is_known_of_it)
{
	uint64_t before, after, realtime;

	EXPECT_EQ(0, publish(self->writer, "one"));
	before = monotonic();
	EXPECT_EQ(0, publish(self->writer, "two"));
	after = monotonic();
	memset(&self->line, 0x5a, sizeof(self->line));
	EXPECT_TAKE("two\n");
	EXPECT_EQ(2, self->line.generation);
	EXPECT_LE(before, self->line.monotonic_ns);
	EXPECT_GE(after, self->line.monotonic_ns);
	/* The one clock is ahead of the other by what lies between these two. */
	before = monotonic();
	realtime = now_ns(CLOCK_REALTIME);
	after = monotonic();
	EXPECT_LE(self->line.monotonic_ns + realtime - after - MS, self->line.realtime_ns);
	EXPECT_GE(self->line.monotonic_ns + realtime - before + MS, self->line.realtime_ns);
	EXPECT_EQ(0, self->line.spare[0] | self->line.spare[1]);
	EXPECT_EQ('\0', self->line.data[self->line.size]);
	EXPECT_NOTHING();
}

TEST_F(lib, a_fresh_channel_takes_the_line_that_is_there)
{
	struct lastline *fresh;

	EXPECT_EQ(0, publish(self->writer, "one"));
	EXPECT_EQ(0, publish(self->writer, "there"));
	fresh = open_number(self->number, O_RDONLY);
	ASSERT_NE(NULL, fresh);
	ASSERT_EQ(0, lastline_take(fresh, &self->line, 0));
	EXPECT_STREQ("there\n", self->line.data);
	/* What was before it cannot have been missed. */
	EXPECT_EQ(0, self->line.missed);
	lastline_close(fresh);
}

TEST_F(lib, take_counts_what_was_missed_in_between)
{
	EXPECT_EQ(0, publish(self->writer, "1"));
	EXPECT_EQ(0, publish(self->writer, "2"));
	EXPECT_TAKE("2\n");
	/* Since the open. */
	EXPECT_EQ(1, self->line.missed);
	EXPECT_EQ(0, publish(self->writer, "3"));
	EXPECT_TAKE("3\n");
	EXPECT_EQ(0, self->line.missed);
	EXPECT_EQ(0, publish(self->writer, "4"));
	EXPECT_EQ(0, publish(self->writer, "5"));
	EXPECT_EQ(0, publish(self->writer, "6"));
	EXPECT_TAKE("6\n");
	EXPECT_EQ(2, self->line.missed);
	EXPECT_EQ(0, lastline_rewind(self->reader));
	EXPECT_TAKE("6\n");
	EXPECT_EQ(0, self->line.missed);
	EXPECT_EQ(0, publish(self->writer, "7"));
	EXPECT_EQ(0, lastline_skip(self->reader));
	EXPECT_EQ(0, publish(self->writer, "8"));
	EXPECT_TAKE("8\n");
	EXPECT_EQ(0, self->line.missed);
}

TEST_F(lib, a_line_stays_until_the_next_take_even_if_it_is_overwritten)
{
	int i;

	EXPECT_EQ(0, publish(self->writer, "kept"));
	EXPECT_TAKE("kept\n");
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, publish(self->writer, "other"));
	EXPECT_STREQ("kept\n", self->line.data);
}

TEST_F(lib, the_longest_line_is_taken_whole)
{
	CHANGE_CHANNEL(line_max, LASTLINE_LINE_MAX_MAX);
	EXPECT_EQ(0, lastline_printf(self->writer, "%0*d", LASTLINE_LINE_MAX_MAX - 1, 7));
	ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));
	ASSERT_EQ(LASTLINE_LINE_MAX_MAX, self->line.size);
	EXPECT_STREQ("7\n", self->line.data + LASTLINE_LINE_MAX_MAX - 2);
	ASSERT_EQ(0, lastline_peek(self->reader, &self->line));
	ASSERT_EQ(LASTLINE_LINE_MAX_MAX, self->line.size);
	EXPECT_STREQ("7\n", self->line.data + LASTLINE_LINE_MAX_MAX - 2);
}

TEST_F(lib, without_a_new_line_a_take_of_0_is_eagain)
{
	EXPECT_UNTOUCHED_BY(-EAGAIN, lastline_take(self->reader, &self->line, 0));
	EXPECT_UNTOUCHED_BY(-EAGAIN, lastline_take_until(self->reader, &self->line, 0));
}

TEST_F(lib, a_take_waits_as_long_as_it_was_told_to)
{
	memset(&self->line, 0x5a, sizeof(self->line));
	EXPECT_WAITS(200, -ETIMEDOUT, lastline_take(self->reader, &self->line, 200 * MS));
	EXPECT_WAITS(200, -ETIMEDOUT, lastline_take_until(self->reader, &self->line,
							  monotonic() + 200 * MS));
	/* One that is over already. */
	EXPECT_WAITS(0, -ETIMEDOUT, lastline_take_until(self->reader, &self->line, 1));
	EXPECT_TRUE(is_untouched(&self->line));
	EXPECT_EQ(0, publish(self->writer, "there"));
	EXPECT_EQ(0, lastline_take_until(self->reader, &self->line, 1));
}

static const uint64_t long_times[] = {
	PATIENCE_NS, LASTLINE_FOREVER, LASTLINE_FOREVER - 1, 1ULL << 63,
};

TEST_F(lib, a_line_ends_the_wait_of_a_take)
{
	unsigned int i;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(long_times); i++) {
		pid = when_somebody_sleeps(self->writer, publish_woken, self->writer);
		EXPECT_EQ(0, lastline_take(self->reader, &self->line, long_times[i]));
		EXPECT_STREQ("woken\n", self->line.data);
		EXPECT_TRUE(ended_well(pid));
		pid = when_somebody_sleeps(self->writer, publish_woken, self->writer);
		EXPECT_EQ(0, lastline_take_until(self->reader, &self->line,
						 i ? long_times[i] : monotonic() + PATIENCE_NS));
		EXPECT_TRUE(ended_well(pid));
	}
}

TEST_F(lib, a_signal_ends_the_wait_of_a_take)
{
	begin_alarms(0);
	EXPECT_UNTOUCHED_BY(-EINTR, lastline_take(self->reader, &self->line, LASTLINE_FOREVER));
	EXPECT_UNTOUCHED_BY(-EINTR, lastline_take(self->reader, &self->line, PATIENCE_NS));
}

TEST_F(lib, with_sa_restart_a_take_goes_on_to_its_deadline)
{
	begin_alarms(SA_RESTART);
	EXPECT_WAITS(200, -ETIMEDOUT, lastline_take(self->reader, &self->line, 200 * MS));
}

/* For a follow that is ended by something else. */
static int go_on(const struct lastline_line *line, void *arg)
{
	return 0;
}

TEST_F(lib, who_cannot_read_gets_ebadf)
{
	const struct lastline_map *map;

	EXPECT_EQ(0, publish(self->writer, "line"));
	EXPECT_UNTOUCHED_BY(-EBADF, lastline_take(self->writer, &self->line, 0));
	EXPECT_UNTOUCHED_BY(-EBADF, lastline_take(self->writer, &self->line, LASTLINE_FOREVER));
	EXPECT_UNTOUCHED_BY(-EBADF, lastline_peek(self->writer, &self->line));
	EXPECT_EQ(-EBADF, lastline_follow(self->writer, go_on, NULL));
	EXPECT_EQ(-EBADF, lastline_map(self->writer, &map));
}

TEST_F(lib, one_channel_may_read_and_write)
{
	struct lastline *both = open_number(self->number, O_RDWR);

	ASSERT_NE(NULL, both);
	EXPECT_EQ(0, publish(both, "own"));
	EXPECT_EQ(0, lastline_take(both, &self->line, 0));
	EXPECT_STREQ("own\n", self->line.data);
	EXPECT_EQ(0, lastline_peek(both, &self->line));
	EXPECT_EQ(0, lastline_clear(both));
	lastline_close(both);
}

TEST_F(lib, peek_gets_the_newest_line_and_takes_nothing)
{
	struct lastline_line peeked;
	uint64_t begin, took;

	EXPECT_EQ(0, publish(self->writer, "one"));
	EXPECT_EQ(0, publish(self->writer, "two"));
	memset(&peeked, 0x5a, sizeof(peeked));
	begin = monotonic();
	ASSERT_EQ(0, lastline_peek(self->reader, &peeked));
	took = monotonic() - begin;
	EXPECT_EQ(4, peeked.size);
	EXPECT_STREQ("two\n", peeked.data);
	EXPECT_EQ(0, peeked.missed);
	EXPECT_EQ(0, peeked.spare[0] | peeked.spare[1]);
	EXPECT_TAKE("two\n");
	EXPECT_EQ(self->line.generation, peeked.generation);
	EXPECT_EQ(self->line.monotonic_ns, peeked.monotonic_ns);
	/* It looks at two clocks, one after the other. */
	EXPECT_LE(self->line.realtime_ns - took - MS, peeked.realtime_ns);
	EXPECT_GE(self->line.realtime_ns + took + MS, peeked.realtime_ns);
	/* Also one that was had already. */
	ASSERT_EQ(0, lastline_peek(self->reader, &peeked));
	EXPECT_EQ(2, peeked.generation);
	EXPECT_NOTHING();
}

TEST_F(lib, peek_without_a_line_is_eagain)
{
	EXPECT_UNTOUCHED_BY(-EAGAIN, lastline_peek(self->reader, &self->line));
	EXPECT_EQ(0, publish(self->writer, "line"));
	EXPECT_EQ(0, lastline_peek(self->reader, &self->line));
}

/*
 * Instead of a channel, @channel gets a file of the test's own to map, with one slot
 * that never comes to an end.
 */
static bool forge_map(struct lastline *channel, __u32 version)
{
	struct {
		struct lastline_map head;
		struct lastline_slot slot;
	} forged = {
		.head = { .version = version },
		.slot = { .generation = LASTLINE_MAP_FILLING },
	};
	int fd = memfd_create("map", MFD_CLOEXEC);
	bool done = write(fd, &forged, sizeof(forged)) == sizeof(forged) &&
		    !ftruncate(fd, info_about(channel).map_size) &&
		    dup2(fd, lastline_fd(channel)) >= 0;

	close(fd);
	return done;
}

TEST_F(lib, peek_gives_up_with_ebusy_on_a_line_that_is_always_overwritten)
{
	ASSERT_TRUE(forge_map(self->reader, LASTLINE_MAP_VERSION));
	EXPECT_UNTOUCHED_BY(-EBUSY, lastline_peek(self->reader, &self->line));
}

TEST_F(lib, a_mapped_view_of_an_unknown_version_is_enosys)
{
	const struct lastline_map *map = (void *)self;

	ASSERT_TRUE(forge_map(self->reader, LASTLINE_MAP_VERSION + 1));
	EXPECT_EQ(-ENOSYS, lastline_map(self->reader, &map));
	EXPECT_EQ((void *)self, map);
	EXPECT_UNTOUCHED_BY(-ENOSYS, lastline_peek(self->reader, &self->line));
}

TEST_F(lib, skip_counts_what_is_there_as_taken)
{
	EXPECT_EQ(0, publish(self->writer, "old"));
	EXPECT_EQ(0, lastline_skip(self->reader));
	EXPECT_NOTHING();
	EXPECT_EQ(0, publish(self->writer, "new"));
	EXPECT_TAKE("new\n");
}

TEST_F(lib, rewind_lets_the_next_take_get_the_line_again)
{
	EXPECT_EQ(0, publish(self->writer, "line"));
	EXPECT_TAKE("line\n");
	EXPECT_NOTHING();
	EXPECT_EQ(0, lastline_rewind(self->reader));
	EXPECT_TAKE("line\n");
}

struct followed {
	struct lastline *writer;
	char lines[64];
	uint64_t missed;
	int until;
};

/* Publishes two for each that it gets. */
static int each(const struct lastline_line *line, void *arg)
{
	struct followed *followed = arg;
	static int calls;

	strcat(followed->lines, line->data);
	followed->missed += line->missed;
	calls++;
	if (lastline_printf(followed->writer, "lost") ||
	    lastline_printf(followed->writer, "%d", calls))
		return -1000;
	return calls == 3 ? followed->until : 0;
}

TEST_F(lib, follow_calls_a_function_until_that_ends_it)
{
	struct followed followed = { .writer = self->writer, .until = 42 };

	EXPECT_EQ(0, publish(self->writer, "begin"));
	EXPECT_EQ(42, lastline_follow(self->reader, each, &followed));
	EXPECT_STREQ("begin\n1\n2\n", followed.lines);
	EXPECT_EQ(2, followed.missed);
	EXPECT_TAKE("3\n");
}

TEST_F(lib, follow_ends_with_the_error_of_a_take)
{
	pid_t pid = when_somebody_sleeps(self->writer, remove_it, &self->number);

	EXPECT_EQ(-ENODEV, lastline_follow(self->reader, go_on, NULL));
	EXPECT_TRUE(ended_well(pid));
}

/*
 * How many system calls
 */

#define CALLS	8

/* One that shows where @act begins and ends in a trace; nothing else makes it. */
static void mark(void)
{
	syscall(SYS_getppid);
}

/* The number of the system call that @pid has come to, or -1 when it is over. */
static long next_call(pid_t pid)
{
	struct __ptrace_syscall_info info;
	int status;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status))
			return -1;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info);
		/* Where the clock of the machine needs the kernel, it is no call of ours. */
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr != SYS_clock_gettime)
			return info.entry.nr;
	}
}

/* Stores the first CALLS system calls that @act makes. Returns how many it makes. */
static int trace_calls(int (*act)(void *), void *arg, long *calls)
{
	pid_t pid = fork();
	int status, count = 0;
	long call;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		mark();
		status = act(arg);
		mark();
		_exit(!!status);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	while (next_call(pid) != SYS_getppid)
		;
	while ((call = next_call(pid)) >= 0 && call != SYS_getppid) {
		if (count < CALLS)
			calls[count] = call;
		count++;
	}
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return ended_well(pid) ? count : -1;
}

struct taking {
	struct lastline *channel;
	uint64_t timeout_ns;
	int error;
};

static int take_once(void *arg)
{
	struct taking *taking = arg;
	struct lastline_line line;

	return lastline_take(taking->channel, &line, taking->timeout_ns) != taking->error;
}

static int peek_once(void *arg)
{
	struct lastline_line line;

	return lastline_peek(arg, &line);
}

/* After a first one, which gets memory for the line. */
#define EXPECT_ONE_CALL(nr, act, arg) do {					\
	long calls_[CALLS] = {};						\
										\
	EXPECT_EQ(1, trace_calls(act, arg, calls_));				\
	EXPECT_EQ(nr, calls_[0]);						\
} while (0)

TEST_F(lib, a_take_is_one_system_call_whether_it_waits_or_not)
{
	struct taking taking = { .channel = self->reader };
	pid_t pid;

	if (RUNNING_ON_VALGRIND)
		SKIP(return, "valgrind makes system calls of its own");
	EXPECT_NOTHING();
	taking.error = -EAGAIN;
	EXPECT_ONE_CALL(SYS_ioctl, take_once, &taking);
	taking.error = -ETIMEDOUT;
	taking.timeout_ns = 100 * MS;
	EXPECT_ONE_CALL(SYS_ioctl, take_once, &taking);
	taking.error = 0;
	EXPECT_EQ(0, publish(self->writer, "there"));
	EXPECT_ONE_CALL(SYS_ioctl, take_once, &taking);
	taking.timeout_ns = PATIENCE_NS;
	pid = when_somebody_sleeps(self->writer, publish_woken, self->writer);
	EXPECT_ONE_CALL(SYS_ioctl, take_once, &taking);
	EXPECT_TRUE(ended_well(pid));
}

TEST_F(lib, publishing_is_one_system_call)
{
	if (RUNNING_ON_VALGRIND)
		SKIP(return, "valgrind makes system calls of its own");
	EXPECT_ONE_CALL(SYS_writev, publish_woken, self->writer);
}

TEST_F(lib, a_peek_is_no_system_call_but_for_the_first_time)
{
	long calls[CALLS];

	if (RUNNING_ON_VALGRIND)
		SKIP(return, "valgrind makes system calls of its own");
	EXPECT_EQ(0, publish(self->writer, "line"));
	EXPECT_LT(0, trace_calls(peek_once, self->reader, calls));
	EXPECT_EQ(0, peek_once(self->reader));
	EXPECT_EQ(0, trace_calls(peek_once, self->reader, calls));
}

/*
 * Waiting
 */

/* Three channels with a writer and a reader each. */
FIXTURE(several)
{
	struct lastline *writers[3];
	struct lastline *readers[3];
	int numbers[3];
};

FIXTURE_SETUP(several)
{
	const struct lastline_add add = { .number = -1 };
	int i;

	for (i = 0; i < 3; i++) {
		self->numbers[i] = lastline_add(&add);
		if (self->numbers[i] < 0)
			SKIP(return, "cannot add channels; load the module and become root");
		self->writers[i] = open_number(self->numbers[i], O_WRONLY);
		self->readers[i] = open_number(self->numbers[i], O_RDONLY);
		ASSERT_NE(NULL, self->writers[i]);
		ASSERT_NE(NULL, self->readers[i]);
	}
}

FIXTURE_TEARDOWN(several)
{
	int i;

	for (i = 0; i < 3; i++) {
		lastline_close(self->writers[i]);
		lastline_close(self->readers[i]);
		lastline_remove(self->numbers[i]);
	}
}

TEST_F(several, of_them_wait_names_the_first_that_has_a_new_line)
{
	struct lastline_line line;

	EXPECT_EQ(0, publish(self->writers[2], "c"));
	EXPECT_EQ(2, lastline_wait(self->readers, 3, 0));
	/* It takes nothing. */
	EXPECT_EQ(2, lastline_wait(self->readers, 3, LASTLINE_FOREVER));
	EXPECT_EQ(0, publish(self->writers[1], "b"));
	EXPECT_EQ(1, lastline_wait(self->readers, 3, PATIENCE_NS));
	EXPECT_EQ(0, lastline_take(self->readers[1], &line, 0));
	EXPECT_EQ(2, lastline_wait_until(self->readers, 3, 1));
	EXPECT_EQ(0, lastline_skip(self->readers[2]));
	EXPECT_EQ(-EAGAIN, lastline_wait(self->readers, 3, 0));
}

TEST_F(several, a_line_in_any_of_them_ends_the_wait)
{
	struct lastline_line line;
	unsigned int i;
	pid_t pid;

	for (i = 0; i < 3; i++) {
		pid = soon(publish_woken, self->writers[i]);
		EXPECT_EQ(i, lastline_wait(self->readers, 3, long_times[i]));
		EXPECT_EQ(0, lastline_take(self->readers[i], &line, 0));
		EXPECT_STREQ("woken\n", line.data);
		EXPECT_TRUE(ended_well(pid));
	}
}

TEST_F(several, one_that_is_removed_ends_the_wait)
{
	pid_t pid = soon(remove_it, &self->numbers[1]);
	struct lastline_line line;

	EXPECT_EQ(1, lastline_wait(self->readers, 3, LASTLINE_FOREVER));
	EXPECT_EQ(-ENODEV, lastline_take(self->readers[1], &line, 0));
	EXPECT_TRUE(ended_well(pid));
}

TEST_F(several, without_a_new_line_the_wait_lasts_until_its_deadline)
{
	EXPECT_EQ(-EAGAIN, lastline_wait(self->readers, 3, 0));
	EXPECT_EQ(-EAGAIN, lastline_wait_until(self->readers, 3, 0));
	EXPECT_WAITS(200, -ETIMEDOUT, lastline_wait(self->readers, 3, 200 * MS));
	EXPECT_WAITS(200, -ETIMEDOUT, lastline_wait_until(self->readers, 3,
							  monotonic() + 200 * MS));
	EXPECT_WAITS(0, -ETIMEDOUT, lastline_wait_until(self->readers, 3, 1));
}

TEST_F(several, a_signal_ends_the_wait)
{
	begin_alarms(SA_RESTART);
	EXPECT_EQ(-EINTR, lastline_wait(self->readers, 3, LASTLINE_FOREVER));
	EXPECT_EQ(-EINTR, lastline_wait(self->readers, 3, PATIENCE_NS));
}

TEST_F(several, a_wait_for_no_channel_or_for_too_many_is_einval)
{
	EXPECT_EQ(-EINVAL, lastline_wait(self->readers, 0, LASTLINE_FOREVER));
	EXPECT_EQ(-EINVAL, lastline_wait(self->readers, (size_t)INT_MAX + 1, 0));
	EXPECT_EQ(-EINVAL, lastline_wait_until(self->readers, SIZE_MAX, 0));
}

TEST_F(lib, wait_reader_says_how_many_others_can_read)
{
	struct lastline *both = open_number(self->number, O_RDWR);

	ASSERT_NE(NULL, both);
	EXPECT_EQ(2, lastline_wait_reader(self->writer, LASTLINE_FOREVER));
	/* It does not count itself. */
	EXPECT_EQ(1, lastline_wait_reader(both, 0));
	EXPECT_EQ(1, lastline_wait_reader(self->reader, PATIENCE_NS));
	lastline_close(self->reader);
	self->reader = NULL;
	EXPECT_EQ(-EAGAIN, lastline_wait_reader(both, 0));
	EXPECT_EQ(1, lastline_wait_reader_until(self->writer, 1));
	lastline_close(both);
}

/* Until it is killed. */
static int go_on_reading(void *number)
{
	open_number(*(int *)number, O_RDONLY);
	pause();
	return 0;
}

static void kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST_F(lib, a_reader_that_comes_ends_wait_reader)
{
	struct lastline *both = open_number(self->number, O_RDWR);
	pid_t pid;

	ASSERT_NE(NULL, both);
	lastline_close(self->reader);
	self->reader = NULL;
	pid = soon(go_on_reading, &self->number);
	EXPECT_EQ(1, lastline_wait_reader(both, LASTLINE_FOREVER));
	kill_child(pid);
	EXPECT_EQ(-EAGAIN, lastline_wait_reader(both, 0));
	pid = soon(go_on_reading, &self->number);
	EXPECT_EQ(1, lastline_wait_reader_until(both, monotonic() + PATIENCE_NS));
	kill_child(pid);
	lastline_close(both);
}

TEST_F(lib, without_a_reader_wait_reader_lasts_until_its_deadline)
{
	lastline_close(self->reader);
	self->reader = NULL;
	EXPECT_EQ(-EAGAIN, lastline_wait_reader(self->writer, 0));
	EXPECT_WAITS(200, -ETIMEDOUT, lastline_wait_reader(self->writer, 200 * MS));
	EXPECT_WAITS(200, -ETIMEDOUT, lastline_wait_reader_until(self->writer,
								 monotonic() + 200 * MS));
	begin_alarms(SA_RESTART);
	EXPECT_EQ(-EINTR, lastline_wait_reader(self->writer, LASTLINE_FOREVER));
}

TEST_F(lib, the_removal_of_the_channel_ends_wait_reader)
{
	pid_t pid;

	lastline_close(self->reader);
	self->reader = NULL;
	pid = soon(remove_it, &self->number);
	EXPECT_EQ(-ENODEV, lastline_wait_reader(self->writer, LASTLINE_FOREVER));
	EXPECT_TRUE(ended_well(pid));
	EXPECT_EQ(-ENODEV, lastline_wait_reader(self->writer, 0));
}

TEST_F(lib, an_event_loop_gets_an_edge_for_each_line)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int loop = epoll_create1(EPOLL_CLOEXEC), i;

	ASSERT_EQ(0, epoll_ctl(loop, EPOLL_CTL_ADD, lastline_fd(self->reader), &event));
	EXPECT_EQ(0, epoll_wait(loop, &event, 1, 0));
	for (i = 0; i < 3; i++) {
		/* Whether the one before was taken or not. */
		EXPECT_EQ(0, lastline_printf(self->writer, "%d", i));
		EXPECT_EQ(1, epoll_wait(loop, &event, 1, PATIENCE_MS));
		EXPECT_EQ(EPOLLIN, event.events);
		EXPECT_EQ(0, epoll_wait(loop, &event, 1, 0));
	}
	EXPECT_TAKE("2\n");
	EXPECT_NOTHING();
	REMOVE();
	EXPECT_EQ(1, epoll_wait(loop, &event, 1, PATIENCE_MS));
	EXPECT_EQ(EPOLLHUP | EPOLLERR, event.events);
	close(loop);
}

/*
 * Looking
 */

TEST_F(lib, info_tells_of_the_channel)
{
	struct lastline *both = open_number(self->number, O_RDWR);
	struct lastline_info info;

	ASSERT_NE(NULL, both);
	EXPECT_EQ(0, publish(self->writer, "line"));
	ASSERT_EQ(0, lastline_info(self->writer, &info));
	EXPECT_EQ(1, info.generation);
	EXPECT_EQ(self->number, info.number);
	EXPECT_EQ(LASTLINE_MODE_LINE, info.mode);
	EXPECT_EQ(4096, info.line_max);
	EXPECT_EQ(2, info.readers);
	EXPECT_EQ(2, info.writers);
	EXPECT_EQ(0, info.sleepers);
	EXPECT_TAKE("line\n");
	EXPECT_EQ(self->line.monotonic_ns, info.monotonic_ns);
	lastline_close(both);
}

TEST_F(lib, the_mapped_view_shows_each_line)
{
	const struct lastline_map *map, *again;
	struct lastline_view view;

	ASSERT_EQ(0, lastline_map(self->reader, &map));
	EXPECT_EQ(0, lastline_map_generation(map));
	EXPECT_EQ(0, publish(self->writer, "one"));
	EXPECT_EQ(0, publish(self->writer, "two"));
	EXPECT_EQ(2, lastline_map_generation(map));
	ASSERT_EQ(1, lastline_map_look(map, &view));
	EXPECT_EQ(4, view.length);
	EXPECT_EQ(0, memcmp("two\n", view.data, 4));
	EXPECT_EQ(1, lastline_map_intact(&view));
	/* It is mapped once. */
	ASSERT_EQ(0, lastline_map(self->reader, &again));
	EXPECT_EQ(map, again);
	REMOVE();
	EXPECT_EQ(LASTLINE_MAP_REMOVED, map->flags);
}

static int find_number(int number)
{
	char which[16];

	snprintf(which, sizeof(which), "%d", number);
	return lastline_find(which);
}

TEST_F(lib, list_has_all_channels_ascending)
{
	int *numbers, count, i, ours = 0;

	self->add.name[0] = '\0';
	ADD();
	count = lastline_list(&numbers);
	ASSERT_LE(2, count);
	for (i = 0; i < count; i++) {
		EXPECT_TRUE(!i || numbers[i - 1] < numbers[i]);
		EXPECT_EQ(numbers[i], find_number(numbers[i]));
		ours += numbers[i] == self->added[0] || numbers[i] == self->added[1];
	}
	EXPECT_EQ(2, ours);
	free(numbers);
	REMOVE();
	EXPECT_EQ(count - 1, lastline_list(&numbers));
	free(numbers);
}

TEST_F(lib, status_shows_a_channel_to_who_does_not_open_it)
{
	struct lastline_status status;

	memset(&status, 0x5a, sizeof(status));
	ASSERT_EQ(0, lastline_status(self->number, &status));
	EXPECT_EQ(0, status.generation);
	EXPECT_EQ(0, status.monotonic_ns);
	EXPECT_EQ(4096, status.line_max);
	EXPECT_EQ(1, status.readers);
	EXPECT_EQ(1, status.writers);
	EXPECT_EQ(LASTLINE_MODE_LINE, status.mode);
	EXPECT_STREQ(self->add.name, status.name);
	EXPECT_EQ(0, status.spare[0] | status.spare[1] | status.spare[2] | status.spare[3]);

	EXPECT_EQ(0, publish(self->writer, "line"));
	ASSERT_EQ(0, lastline_status(self->number, &status));
	EXPECT_EQ(1, status.generation);
	EXPECT_EQ(info_about(self->reader).monotonic_ns, status.monotonic_ns);
	/* Nobody took its look for a reader, nor took anything from one. */
	EXPECT_EQ(1, info_about(self->reader).readers);
	EXPECT_TAKE("line\n");
}

TEST_F(lib, status_tells_records_and_channels_without_a_name)
{
	struct lastline_status status;

	self->add.line_max = 100;
	CHANGE_CHANNEL(mode, LASTLINE_MODE_RECORD);
	ASSERT_EQ(0, lastline_status(self->number, &status));
	EXPECT_EQ(LASTLINE_MODE_RECORD, status.mode);
	EXPECT_EQ(100, status.line_max);
	EXPECT_STREQ("", status.name);
}

TEST_F(lib, the_longest_name_is_told_whole)
{
	struct lastline_status status;

	memset(self->add.name, 'n', LASTLINE_NAME_MAX - 1);
	self->number = ADD();
	EXPECT_OPENS(self->add.name);
	ASSERT_EQ(0, lastline_status(self->number, &status));
	EXPECT_STREQ(self->add.name, status.name);
}

TEST_F(lib, generation_is_told_without_the_rest)
{
	uint64_t generation = 7;

	EXPECT_EQ(0, lastline_generation(self->number, &generation));
	EXPECT_EQ(0, generation);
	EXPECT_EQ(0, publish(self->writer, "line"));
	EXPECT_EQ(0, lastline_generation(self->number, &generation));
	EXPECT_EQ(1, generation);
}

TEST_F(lib, status_and_generation_of_no_channel_are_enodev)
{
	struct lastline_status status = { .generation = 7 };
	uint64_t generation = 7;

	REMOVE();
	EXPECT_EQ(-ENODEV, lastline_status(self->number, &status));
	EXPECT_EQ(-ENODEV, lastline_status(-1, &status));
	EXPECT_EQ(-ENODEV, lastline_status(LASTLINE_CHANNELS_MAX, &status));
	EXPECT_EQ(-ENODEV, lastline_generation(self->number, &generation));
	EXPECT_EQ(7, status.generation);
	EXPECT_EQ(7, generation);
}

/*
 * Channels that come and go
 */

TEST_F(lib, add_makes_a_channel_as_it_was_told)
{
	struct lastline_status status;
	struct stat st;
	char path[64];

	snprintf(self->add.name, sizeof(self->add.name), "lib-test.%d.more", getpid());
	self->add.number = 3210;
	self->add.mode = LASTLINE_MODE_RECORD;
	self->add.line_max = 12345;
	self->add.permissions = 0640;
	self->add.uid = 1;
	self->add.gid = 2;
	ASSERT_EQ(3210, ADD());
	ASSERT_EQ(0, lastline_status(3210, &status));
	EXPECT_EQ(LASTLINE_MODE_RECORD, status.mode);
	EXPECT_EQ(12345, status.line_max);
	EXPECT_STREQ(self->add.name, status.name);
	snprintf(path, sizeof(path), "/dev/lastline%d", 3210);
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(S_IFCHR | 0640, st.st_mode);
	EXPECT_EQ(1, st.st_uid);
	EXPECT_EQ(2, st.st_gid);
	EXPECT_EQ(3210, lastline_remove(3210));
	EXPECT_EQ(-ENODEV, lastline_remove(3210));
	EXPECT_EQ(-ENODEV, lastline_status(3210, &status));
}

#define EXPECT_NO_ADD(error, field, value) do {					\
	struct lastline_add add_ = self->add;					\
										\
	add_.name[0] = '\0';							\
	add_.field = value;							\
	EXPECT_EQ(error, lastline_add(&add_));					\
} while (0)

TEST_F(lib, add_refuses_what_is_out_of_range)
{
	EXPECT_NO_ADD(-EINVAL, number, -2);
	EXPECT_NO_ADD(-EINVAL, number, LASTLINE_CHANNELS_MAX);
	EXPECT_NO_ADD(-EINVAL, mode, 2);
	EXPECT_NO_ADD(-EINVAL, line_max, LASTLINE_LINE_MAX_MIN - 1);
	EXPECT_NO_ADD(-EINVAL, line_max, LASTLINE_LINE_MAX_MAX + 1);
	EXPECT_NO_ADD(-EINVAL, permissions, 01000);
	EXPECT_NO_ADD(-EINVAL, name[0], '/');
	EXPECT_NO_ADD(-EINVAL, spare[0], 1);
}

TEST_F(lib, add_gives_no_number_and_no_name_twice)
{
	EXPECT_NO_ADD(-EEXIST, number, self->number);
	EXPECT_EQ(-EEXIST, lastline_add(&self->add));
}

TEST_F(lib, remove_of_no_channel_is_enodev)
{
	EXPECT_EQ(-ENODEV, lastline_remove(-1));
	EXPECT_EQ(-ENODEV, lastline_remove(LASTLINE_CHANNELS_MAX));
	REMOVE();
	EXPECT_EQ(-ENODEV, lastline_remove(self->number));
}

static int change_without_access(void *number)
{
	const struct lastline_add add = { .number = -1 };

	return lastline_add(&add) != -EACCES || lastline_remove(*(int *)number) != -EACCES;
}

static int change_without_capability(int number)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};
	const struct lastline_add add = { .number = -1 };

	if (syscall(SYS_capset, &header, data))
		return 1;
	return lastline_add(&add) != -EPERM || lastline_remove(number) != -EPERM;
}

TEST_F(lib, add_and_remove_want_permission)
{
	pid_t pid;

	EXPECT_TRUE(as_nobody(change_without_access, &self->number));
	/* And more than that of the node. */
	pid = fork();
	if (!pid)
		_exit(change_without_capability(self->number));
	EXPECT_TRUE(ended_well(pid));
	EXPECT_EQ(0, publish(self->writer, "still there"));
}

/*
 * When it goes wrong
 */

TEST_F(lib, all_that_is_done_with_a_removed_channel_is_enodev)
{
	const struct lastline_map *map;
	struct lastline_info info;

	EXPECT_EQ(0, publish(self->writer, "line"));
	EXPECT_EQ(0, lastline_peek(self->reader, &self->line));
	REMOVE();
	EXPECT_EQ(-ENODEV, publish(self->writer, "line"));
	EXPECT_EQ(-ENODEV, lastline_printf(self->writer, "line"));
	EXPECT_EQ(-ENODEV, lastline_clear(self->writer));
	EXPECT_UNTOUCHED_BY(-ENODEV, lastline_take(self->reader, &self->line, 0));
	EXPECT_UNTOUCHED_BY(-ENODEV, lastline_take(self->reader, &self->line, LASTLINE_FOREVER));
	EXPECT_UNTOUCHED_BY(-ENODEV, lastline_peek(self->reader, &self->line));
	EXPECT_EQ(-ENODEV, lastline_skip(self->reader));
	EXPECT_EQ(-ENODEV, lastline_rewind(self->reader));
	EXPECT_EQ(-ENODEV, lastline_follow(self->reader, go_on, NULL));
	EXPECT_EQ(0, lastline_wait(&self->reader, 1, LASTLINE_FOREVER));
	EXPECT_EQ(-ENODEV, lastline_wait_reader(self->writer, LASTLINE_FOREVER));
	EXPECT_EQ(-ENODEV, lastline_info(self->reader, &info));
	/* The view that was there stays; a new one is not to be had. */
	EXPECT_EQ(0, lastline_map(self->reader, &map));
}

TEST_F(lib, a_removed_channel_cannot_be_mapped)
{
	const struct lastline_map *map;

	REMOVE();
	EXPECT_EQ(-ENODEV, lastline_map(self->reader, &map));
	EXPECT_UNTOUCHED_BY(-ENODEV, lastline_peek(self->reader, &self->line));
}

TEST_F(lib, the_removal_of_the_channel_ends_the_wait_of_a_take)
{
	pid_t pid = when_somebody_sleeps(self->writer, remove_it, &self->number);

	EXPECT_UNTOUCHED_BY(-ENODEV, lastline_take(self->reader, &self->line, PATIENCE_NS));
	EXPECT_TRUE(ended_well(pid));
}

TEST_F(lib, without_memory_it_is_enomem_and_nothing_is_lost)
{
	struct rlimit old, none = {};
	int taken, peeked, waited, printed;

	if (RUNNING_ON_VALGRIND)
		SKIP(return, "valgrind needs memory of its own");
	CHANGE_CHANNEL(line_max, LASTLINE_LINE_MAX_MAX);
	EXPECT_EQ(0, publish(self->writer, "kept"));
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	none.rlim_max = old.rlim_max;
	/* All that EXPECT_EQ() needs comes later. */
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &none));
	taken = lastline_take(self->reader, &self->line, 0);
	peeked = lastline_peek(self->reader, &self->line);
	waited = lastline_wait(&self->reader, INT_MAX, 0);
	printed = lastline_printf(self->writer, "%*d", LASTLINE_LINE_MAX_MAX - 1, 7);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
	EXPECT_EQ(-ENOMEM, taken);
	EXPECT_EQ(-ENOMEM, peeked);
	EXPECT_EQ(-ENOMEM, waited);
	EXPECT_EQ(-ENOMEM, printed);
	EXPECT_TAKE("kept\n");
}

TEST_HARNESS_MAIN
