// SPDX-License-Identifier: GPL-2.0-only
/* Tests of liblastline with the loaded driver. They add channels, which needs root. */
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <lastline.h>

#include "../selftests/clock.h"
#include "../selftests/lastline_test.h"

#define MS		1000000ULL	/* nanoseconds */
#define PATIENCE_NS	(TIMEOUT_MS * MS)
#define CHANNELS	4		/* at most, per test */

/*
 * @add: parameters of the next channel; @number, @writer, @reader: the latest channel;
 * @line: result of lastline_take(); @added: the numbers of all @count channels
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

static struct lastline *open_number(int number, int flags)
{
	struct lastline *channel = NULL;
	char which[16];

	snprintf(which, sizeof(which), "%d", number);
	return lastline_open(&channel, which, flags) ? NULL : channel;
}

#define ADD_AND_OPEN() do {							\
	lastline_close(self->writer);						\
	lastline_close(self->reader);						\
	self->number = ADD();							\
	self->writer = open_number(self->number, O_WRONLY);			\
	self->reader = open_number(self->number, O_RDONLY);			\
	ASSERT_NE(NULL, self->writer);						\
	ASSERT_NE(NULL, self->reader);						\
} while (0)

/* Adds and opens an unnamed channel with another parameter. */
#define CHANGE_CHANNEL(parameter, value) do {					\
	self->add.name[0] = '\0';						\
	self->add.parameter = value;						\
	ADD_AND_OPEN();								\
} while (0)

FIXTURE_SETUP(lib)
{
	if (access("/dev/lastline-control", W_OK))
		SKIP(return, "cannot use /dev/lastline-control; load the module, become root");
	self->add = (struct lastline_add){ .number = -1, .permissions = 0666 };
	snprintf(self->add.name, sizeof(self->add.name), "lib-test.%d", getpid());
	ADD_AND_OPEN();
}

FIXTURE_TEARDOWN(lib)
{
	lastline_close(self->writer);
	lastline_close(self->reader);
	while (self->count--)
		lastline_remove(self->added[self->count]);
}

#define REMOVE() EXPECT_EQ(self->number, lastline_remove(self->number))

/* lastline_take() returns exactly this text, without waiting. */
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

#define PUBLISH(text) EXPECT_EQ(0, publish(self->writer, text))

/* The failing call does not change self->line. */
#define EXPECT_UNTOUCHED_BY(error, call) do {					\
	struct lastline_line before_;						\
										\
	memset(&before_, 0x5a, sizeof(before_));				\
	self->line = before_;							\
	EXPECT_EQ(error, call);							\
	EXPECT_EQ(0, memcmp(&before_, &self->line, sizeof(before_)));		\
} while (0)

static uint64_t monotonic(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

/* Are both times of the line equal, except for the delay between reading the clocks? */
static bool times_agree(const struct lastline_line *line)
{
	uint64_t before = monotonic(), realtime = now_ns(CLOCK_REALTIME), after = monotonic();

	return line->realtime_ns + MS >= line->monotonic_ns + realtime - after &&
	       line->realtime_ns <= line->monotonic_ns + realtime - before + MS;
}

static struct lastline_info info_about(struct lastline *channel)
{
	struct lastline_info info;

	memset(&info, 0xcc, sizeof(info));
	lastline_info(channel, &info);
	return info;
}

static int publish_woken(void *number)
{
	return publish(open_number(*(int *)number, O_WRONLY), "woken");
}

static int remove_it(void *number)
{
	return lastline_remove(*(int *)number);
}

static int open_reader(void *number)
{
	return open_number(*(int *)number, O_RDONLY) ? 0 : -1;
}

/* @call waits at least @ms, and not much longer. */
#define EXPECT_WAITS(ms, error, call) do {					\
	uint64_t end_ = monotonic() + (ms) * MS;				\
										\
	EXPECT_EQ(error, call);							\
	EXPECT_LE(end_, monotonic());						\
	EXPECT_GT(end_ + PATIENCE_NS / 2, monotonic());				\
} while (0)

/*
 * @act in another process wakes @call. It must not be the timeout of PATIENCE_NS, after
 * which a wait checks the channel again.
 */
#define EXPECT_WOKEN_BY(act, arg, result, call) do {				\
	pid_t parent_ = getpid(), pid_ = fork();				\
										\
	if (!pid_)								\
		_exit(!WAIT_FOR(is_asleep(parent_)) || act(arg) < 0 || pause()); \
	EXPECT_WAITS(0, result, call);						\
	EXPECT_EQ(0, kill(pid_, SIGKILL));					\
	EXPECT_EQ(pid_, waitpid(pid_, NULL, 0));				\
} while (0)

/* Returns the result of lastline_find() and lastline_open(), which must agree. */
static int find_and_open(const char *which)
{
	struct lastline *channel = NULL;
	int number = lastline_find(which), ret = lastline_open(&channel, which, O_RDONLY);

	if (ret)
		return ret == number && !channel ? ret : -1000;
	ret = info_about(channel).number;
	lastline_close(channel);
	return ret == number ? ret : -1000;
}

TEST_F(lib, open_accepts_number_name_node_and_path_until_removal)
{
	char path[64], node[64], link[64];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/lastline%d", self->number);
	snprintf(node, sizeof(node), "/tmp/lib-test.%d", getpid());
	snprintf(link, sizeof(link), "/tmp/lib-test.%d.link", getpid());
	ASSERT_EQ(0, stat(path, &st));
	ASSERT_EQ(0, mknod(node, S_IFCHR | 0600, st.st_rdev));
	ASSERT_EQ(0, symlink(path, link));
	EXPECT_EQ(self->number, find_and_open(path + strlen("/dev/lastline")));
	EXPECT_EQ(self->number, find_and_open(path + strlen("/dev/")));
	EXPECT_EQ(self->number, find_and_open(path));
	EXPECT_EQ(self->number, find_and_open(node));
	EXPECT_EQ(self->number, find_and_open(link));
	ASSERT_EQ(0, chdir("/tmp"));
	snprintf(link, sizeof(link), "./lib-test.%d.link", getpid());
	EXPECT_EQ(self->number, find_and_open(link));
	EXPECT_EQ(self->number, find_and_open(self->add.name));
	REMOVE();
	EXPECT_EQ(-ENODEV, find_and_open(path));
	EXPECT_EQ(-ENODEV, find_and_open(node));
	EXPECT_EQ(-ENODEV, find_and_open(self->add.name));
	unlink(node);
	unlink(link);
}

TEST_F(lib, open_returns_enodev_for_missing_channel)
{
	static const char * const nowhere[] = {
		"", "4095", "4096", "99999999999999999999", "-1", "0x0", " 0", "lastline",
		"lastline4095", "lastline4096", "lastline-control", "no-such-name", "lib-test",
		"/dev/lastline4095", "/dev/no-such-node",
	};
	unsigned int i;

	/* Digits are a number, even if a channel has this name. */
	strcpy(self->add.name, "4095");
	ADD();
	strcpy(self->add.name, "lastline4095");
	ADD();
	for (i = 0; i < ARRAY_SIZE(nowhere); i++)
		EXPECT_EQ(-ENODEV, find_and_open(nowhere[i]));
	EXPECT_EQ(-ENOTDIR, find_and_open("/dev/null/lastline0"));
}

TEST_F(lib, find_ignores_stale_udev_link)
{
	char link[64], node[32];

	snprintf(link, sizeof(link), "/dev/lastline/left-behind.%d", getpid());
	snprintf(node, sizeof(node), "/dev/lastline%d", self->number);
	mkdir("/dev/lastline", 0755);
	ASSERT_EQ(0, symlink(node, link));
	EXPECT_EQ(-ENODEV, lastline_find(link + strlen("/dev/lastline/")));
	unlink(link);
}

TEST_F(lib, open_returns_enotty_for_other_files_and_does_not_open_them)
{
	char path[64];

	EXPECT_EQ(-ENOTTY, find_and_open("/dev/null"));
	EXPECT_EQ(-ENOTTY, find_and_open("/dev/lastline-control"));
	EXPECT_EQ(-ENOTTY, find_and_open("/dev"));
	EXPECT_EQ(-ENOTTY, find_and_open("/proc/self/exe"));
	/* Opening a FIFO would block until there is a writer. */
	snprintf(path, sizeof(path), "/tmp/lib-test.%d.fifo", getpid());
	ASSERT_EQ(0, mkfifo(path, 0600));
	EXPECT_EQ(-ENOTTY, find_and_open(path));
	unlink(path);
}

static int look_without_driver(const struct lastline_add *add)
{
	struct lastline *channel;
	int *numbers;

	if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/sys/class", "tmpfs", 0, NULL) ||
	    mount("none", "/dev", "tmpfs", 0, NULL))
		return 1;
	if (lastline_find("0") != -ENOSYS || lastline_find(add->name) != -ENOSYS ||
	    lastline_find("/dev/lastline0") != -ENOSYS)
		return 2;
	if (lastline_open(&channel, "0", O_RDONLY) != -ENOSYS ||
	    lastline_open(&channel, add->name, O_RDONLY) != -ENOSYS)
		return 3;
	return lastline_list(&numbers) != -ENOSYS || lastline_add(add) != -ENOSYS ||
	       lastline_remove(0) != -ENOSYS;
}

TEST_F(lib, calls_return_enosys_without_driver)
{
	pid_t pid = fork();

	if (!pid)
		_exit(look_without_driver(&self->add));
	EXPECT_TRUE(child_succeeds(pid));
}

TEST_F(lib, open_sets_cloexec_and_ignores_other_flags_than_nonblock)
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
	EXPECT_EQ(-EAGAIN, lastline_take(channel, &self->line, PATIENCE_NS));
	lastline_close(channel);
	lastline_close(NULL);
}

TEST_F(lib, publish_adds_newline_if_it_is_missing)
{
	PUBLISH("without");
	EXPECT_TAKE("without\n");
	PUBLISH("with\n");
	EXPECT_TAKE("with\n");
	EXPECT_EQ(0, lastline_publish(self->writer, NULL, 0));
	EXPECT_TAKE("\n");
	EXPECT_EQ(0, lastline_publish(self->writer, "a\0b", 3));
	ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));
	EXPECT_EQ(4, self->line.size);
	EXPECT_EQ(0, memcmp("a\0b\n", self->line.data, 5));
	EXPECT_EQ(4, info_about(self->reader).generation);
}

TEST_F(lib, publish_returns_einval_for_newline_inside_line)
{
	EXPECT_EQ(-EINVAL, publish(self->writer, "two\nlines"));
	EXPECT_EQ(-EINVAL, publish(self->writer, "two\nlines\n"));
	EXPECT_EQ(-EINVAL, publish(self->writer, "\n\n"));
	EXPECT_EQ(-EINVAL, lastline_printf(self->writer, "%s\n%s", "two", "lines"));
	EXPECT_EQ(0, info_about(self->reader).generation);
	/* No partial line is left. */
	PUBLISH("next");
	EXPECT_TAKE("next\n");
}

TEST_F(lib, publish_returns_emsgsize_for_line_that_is_too_long)
{
	char line[LASTLINE_LINE_MAX_MIN + 1];

	CHANGE_CHANNEL(line_max, LASTLINE_LINE_MAX_MIN);
	memset(line, 'x', sizeof(line));
	EXPECT_EQ(-EMSGSIZE, lastline_publish(self->writer, line, LASTLINE_LINE_MAX_MIN));
	EXPECT_EQ(-EMSGSIZE, lastline_printf(self->writer, "%0*d", LASTLINE_LINE_MAX_MIN, 0));
	line[LASTLINE_LINE_MAX_MIN] = '\n';
	EXPECT_EQ(-EMSGSIZE, lastline_publish(self->writer, line, sizeof(line)));
	EXPECT_EQ(0, info_about(self->reader).generation);
	EXPECT_EQ(0, lastline_publish(self->writer, line, LASTLINE_LINE_MAX_MIN - 1));
	EXPECT_EQ(0, lastline_publish(self->writer, line + 1, LASTLINE_LINE_MAX_MIN));
	ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));
	EXPECT_EQ(LASTLINE_LINE_MAX_MIN, self->line.size);
	EXPECT_EQ(2, self->line.generation);
}

TEST_F(lib, publish_adds_nothing_to_record)
{
	char record[LASTLINE_LINE_MAX_MIN + 1] = "a\nb\n\n";

	self->add.line_max = LASTLINE_LINE_MAX_MIN;
	CHANGE_CHANNEL(mode, LASTLINE_MODE_RECORD);
	PUBLISH(record);
	EXPECT_TAKE("a\nb\n\n");
	EXPECT_EQ(0, lastline_printf(self->writer, "%d", 17));
	EXPECT_TAKE("17");
	EXPECT_EQ(-EINVAL, lastline_publish(self->writer, NULL, 0));
	EXPECT_EQ(-EINVAL, lastline_printf(self->writer, "%s", ""));
	EXPECT_EQ(-EMSGSIZE, lastline_publish(self->writer, record, sizeof(record)));
	EXPECT_EQ(0, lastline_publish(self->writer, record, sizeof(record) - 1));
	EXPECT_EQ(3, info_about(self->reader).generation);
}

TEST_F(lib, printf_take_and_peek_handle_lines_of_any_length)
{
	static const int lengths[] = { 1, 510, 511, 512, 513, LASTLINE_LINE_MAX_MAX - 1 };
	unsigned int i;

	CHANGE_CHANNEL(line_max, LASTLINE_LINE_MAX_MAX);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		EXPECT_EQ(0, lastline_printf(self->writer, "%*s\n", lengths[i], "x"));
		EXPECT_EQ(0, lastline_printf(self->writer, "%*s", lengths[i], "x"));
		ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));
		EXPECT_EQ(lengths[i] + 1, self->line.size);
		EXPECT_STREQ("x\n", self->line.data + lengths[i] - 1);
		ASSERT_EQ(0, lastline_peek(self->reader, &self->line));
		EXPECT_EQ(lengths[i] + 1, self->line.size);
		EXPECT_STREQ("x\n", self->line.data + lengths[i] - 1);
	}
	EXPECT_EQ(0, lastline_printf(self->writer, "%s", ""));
	EXPECT_TAKE("\n");
	EXPECT_EQ(-EMSGSIZE, lastline_printf(self->writer, "%*s", LASTLINE_LINE_MAX_MAX, ""));
}

#define LINES	2000

static void *publish_bs(void *channel)
{
	char text[600];
	int i;

	memset(text, 'b', sizeof(text));
	for (i = 0; i < LINES; i++) {
		if (lastline_printf(channel, "%.*s", 1 + i % 600, text))
			return channel;
	}
	return NULL;
}

TEST_F(lib, threads_publish_whole_lines_on_one_channel)
{
	pthread_t thread;
	void *failed;
	char text[600];
	int i;

	memset(text, 'a', sizeof(text));
	ASSERT_EQ(0, pthread_create(&thread, NULL, publish_bs, self->writer));
	for (i = 0; i < LINES; i++) {
		ASSERT_EQ(0, lastline_printf(self->writer, "%.*s", 1 + i % 600, text));
		ASSERT_EQ(0, lastline_take(self->reader, &self->line, 0));
		ASSERT_EQ(self->line.size - 1,
			  strspn(self->line.data, *self->line.data == 'a' ? "a" : "b"));
	}
	pthread_join(thread, &failed);
	EXPECT_EQ(NULL, failed);
	EXPECT_EQ(2 * LINES, info_about(self->reader).generation);
}

TEST_F(lib, take_returns_newest_line_with_generation_and_times)
{
	uint64_t before, after;
	int i;

	PUBLISH("one");
	before = monotonic();
	PUBLISH("two");
	after = monotonic();
	memset(&self->line, 0x5a, sizeof(self->line));
	EXPECT_TAKE("two\n");
	EXPECT_EQ(2, self->line.generation);
	EXPECT_LE(before, self->line.monotonic_ns);
	EXPECT_GE(after, self->line.monotonic_ns);
	EXPECT_TRUE(times_agree(&self->line));
	EXPECT_EQ(0, self->line.spare[0] | self->line.spare[1]);
	EXPECT_NOTHING();
	/* The data stay valid after the driver has overwritten the line. */
	for (i = 0; i < 2 * LASTLINE_MAP_SLOTS; i++)
		PUBLISH("other");
	EXPECT_STREQ("two\n", self->line.data);
}

TEST_F(lib, take_counts_missed_lines_but_not_those_skipped)
{
	/* Lines count from the open. */
	PUBLISH("1");
	PUBLISH("2");
	EXPECT_TAKE("2\n");
	EXPECT_EQ(1, self->line.missed);
	PUBLISH("3");
	EXPECT_TAKE("3\n");
	EXPECT_EQ(0, self->line.missed);
	PUBLISH("4");
	PUBLISH("5");
	PUBLISH("6");
	EXPECT_TAKE("6\n");
	EXPECT_EQ(2, self->line.missed);
	PUBLISH("7");
	EXPECT_EQ(0, lastline_skip(self->reader));
	EXPECT_NOTHING();
	PUBLISH("8");
	EXPECT_TAKE("8\n");
	EXPECT_EQ(0, self->line.missed);
	EXPECT_EQ(0, lastline_rewind(self->reader));
	EXPECT_TAKE("8\n");
	EXPECT_EQ(0, self->line.missed);
}

/* lastline_follow() continues. */
static int go_on(const struct lastline_line *line, void *arg)
{
	return 0;
}

TEST_F(lib, calls_require_their_access_mode)
{
	struct lastline *both = open_number(self->number, O_RDWR);
	const struct lastline_map *map;

	EXPECT_EQ(-EBADF, publish(self->reader, "line"));
	EXPECT_EQ(-EBADF, publish(self->reader, "line\n"));
	EXPECT_EQ(-EBADF, lastline_printf(self->reader, "%d", 1));
	EXPECT_EQ(-EBADF, lastline_clear(self->reader));
	EXPECT_EQ(0, info_about(self->reader).generation);
	PUBLISH("line");
	EXPECT_UNTOUCHED_BY(-EBADF, lastline_take(self->writer, &self->line, 0));
	EXPECT_UNTOUCHED_BY(-EBADF, lastline_take(self->writer, &self->line, LASTLINE_FOREVER));
	EXPECT_UNTOUCHED_BY(-EBADF, lastline_peek(self->writer, &self->line));
	EXPECT_EQ(-EBADF, lastline_follow(self->writer, go_on, NULL));
	EXPECT_EQ(-EBADF, lastline_map(self->writer, &map));
	EXPECT_EQ(-ESPIPE, lastline_skip(self->writer));
	EXPECT_EQ(-ESPIPE, lastline_rewind(self->writer));

	ASSERT_NE(NULL, both);
	EXPECT_EQ(0, publish(both, "own"));
	EXPECT_EQ(0, lastline_take(both, &self->line, 0));
	EXPECT_STREQ("own\n", self->line.data);
	EXPECT_EQ(0, lastline_peek(both, &self->line));
	EXPECT_EQ(0, lastline_clear(both));
	EXPECT_NOTHING();
	EXPECT_UNTOUCHED_BY(-EAGAIN, lastline_peek(both, &self->line));
	lastline_close(both);
}

TEST_F(lib, peek_returns_newest_line_and_does_not_take_it)
{
	const struct lastline_map *map, *again;
	struct lastline_line peeked;

	EXPECT_UNTOUCHED_BY(-EAGAIN, lastline_peek(self->reader, &self->line));
	PUBLISH("one");
	PUBLISH("two");
	memset(&peeked, 0x5a, sizeof(peeked));
	ASSERT_EQ(0, lastline_peek(self->reader, &peeked));
	EXPECT_EQ(4, peeked.size);
	EXPECT_STREQ("two\n", peeked.data);
	EXPECT_EQ(0, peeked.missed);
	EXPECT_EQ(0, peeked.spare[0] | peeked.spare[1]);
	EXPECT_TAKE("two\n");
	EXPECT_EQ(self->line.generation, peeked.generation);
	EXPECT_EQ(self->line.monotonic_ns, peeked.monotonic_ns);
	EXPECT_TRUE(times_agree(&peeked));
	/* A line can be peeked at after it was taken. */
	ASSERT_EQ(0, lastline_peek(self->reader, &peeked));
	EXPECT_EQ(2, peeked.generation);
	EXPECT_NOTHING();
	/* The channel is mapped once. */
	ASSERT_EQ(0, lastline_map(self->reader, &map));
	EXPECT_EQ(2, lastline_map_generation(map));
	ASSERT_EQ(0, lastline_map(self->reader, &again));
	EXPECT_EQ(map, again);
}

static bool stop;

/* Long lines, each overwritten by short ones while it may be copied. */
static void *overwrite_long_lines(void *channel)
{
	static char text[LASTLINE_LINE_MAX_MAX - 1];
	int i;

	memset(text, 'a', sizeof(text));
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		lastline_publish(channel, text, sizeof(text));
		sleep_ms(1);
		for (i = 0; i <= LASTLINE_MAP_SLOTS; i++)
			lastline_publish(channel, "b", 1);
	}
	return NULL;
}

TEST_F(lib, peek_returns_whole_lines_while_they_are_overwritten)
{
	pthread_t thread;
	int long_lines = 0;

	CHANGE_CHANNEL(line_max, LASTLINE_LINE_MAX_MAX);
	ASSERT_EQ(0, pthread_create(&thread, NULL, overwrite_long_lines, self->writer));
	while (long_lines < 100) {
		if (lastline_peek(self->reader, &self->line))
			continue;
		long_lines += self->line.size > 2;
		ASSERT_EQ(self->line.size - 1,
			  strspn(self->line.data, *self->line.data == 'a' ? "a" : "b"));
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/* Replaces the device of @channel by a file whose only slot is always being written. */
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

TEST_F(lib, peek_returns_ebusy_if_line_is_always_being_overwritten)
{
	ASSERT_TRUE(forge_map(self->reader, LASTLINE_MAP_VERSION));
	EXPECT_UNTOUCHED_BY(-EBUSY, lastline_peek(self->reader, &self->line));
}

TEST_F(lib, map_and_peek_return_enosys_for_unknown_version)
{
	const struct lastline_map *map = (void *)self;

	ASSERT_TRUE(forge_map(self->reader, LASTLINE_MAP_VERSION + 1));
	EXPECT_EQ(-ENOSYS, lastline_map(self->reader, &map));
	EXPECT_EQ((void *)self, map);
	EXPECT_UNTOUCHED_BY(-ENOSYS, lastline_peek(self->reader, &self->line));
}

struct followed {
	struct lastline *writer;
	char lines[64];
	uint64_t missed;
	int calls;
};

/* Publishes two lines for each line, and returns 42 at the end. */
static int each(const struct lastline_line *line, void *arg)
{
	struct followed *followed = arg;

	strcat(followed->lines, line->data);
	followed->missed += line->missed;
	followed->calls++;
	if (lastline_printf(followed->writer, "lost") ||
	    lastline_printf(followed->writer, "%d", followed->calls))
		return -1000;
	return followed->calls == 3 ? 42 : 0;
}

TEST_F(lib, follow_calls_function_until_it_returns_nonzero)
{
	struct followed followed = { .writer = self->writer };

	PUBLISH("begin");
	EXPECT_EQ(42, lastline_follow(self->reader, each, &followed));
	EXPECT_STREQ("begin\n1\n2\n", followed.lines);
	EXPECT_EQ(2, followed.missed);
	EXPECT_TAKE("3\n");
	EXPECT_WOKEN_BY(remove_it, &self->number, -ENODEV,
			lastline_follow(self->reader, go_on, NULL));
}

TEST_F(lib, wait_returns_first_channel_with_unseen_line)
{
	struct lastline *readers[2] = { open_number(self->number, O_RDONLY), self->reader };

	ASSERT_NE(NULL, readers[0]);
	PUBLISH("line");
	EXPECT_EQ(0, lastline_wait(readers, 2, 0));
	EXPECT_EQ(0, lastline_skip(readers[0]));
	EXPECT_EQ(1, lastline_wait(readers, 2, 0));
	EXPECT_EQ(1, lastline_wait(readers, 2, LASTLINE_FOREVER));
	EXPECT_EQ(1, lastline_wait(readers, 2, PATIENCE_NS));
	EXPECT_EQ(1, lastline_wait_until(readers, 2, 1));
	EXPECT_TAKE("line\n");
	EXPECT_EQ(-EAGAIN, lastline_wait(readers, 2, 0));
	EXPECT_EQ(-EINVAL, lastline_wait(readers, 0, LASTLINE_FOREVER));
	EXPECT_EQ(-EINVAL, lastline_wait(readers, (size_t)INT_MAX + 1, 0));
	EXPECT_EQ(-EINVAL, lastline_wait_until(readers, SIZE_MAX, 0));
	lastline_close(readers[0]);
}

TEST_F(lib, wait_reader_returns_number_of_other_readers)
{
	struct lastline *both = open_number(self->number, O_RDWR);

	ASSERT_NE(NULL, both);
	EXPECT_EQ(2, lastline_wait_reader(self->writer, LASTLINE_FOREVER));
	EXPECT_EQ(1, lastline_wait_reader(both, 0));
	EXPECT_EQ(1, lastline_wait_reader(self->reader, PATIENCE_NS));
	lastline_close(both);
	EXPECT_EQ(1, lastline_wait_reader_until(self->writer, 1));
}

/* @time_ns is a timeout, or a deadline if @until. */
static int take(struct lastline *channel, bool until, uint64_t time_ns)
{
	struct lastline_line line;

	return until ? lastline_take_until(channel, &line, time_ns) :
		       lastline_take(channel, &line, time_ns);
}

static int wait_line(struct lastline *channel, bool until, uint64_t time_ns)
{
	return until ? lastline_wait_until(&channel, 1, time_ns) :
		       lastline_wait(&channel, 1, time_ns);
}

static int wait_reader(struct lastline *channel, bool until, uint64_t time_ns)
{
	return until ? lastline_wait_reader_until(channel, time_ns) :
		       lastline_wait_reader(channel, time_ns);
}

static const struct {
	int (*wait)(struct lastline *channel, bool until, uint64_t time_ns);
	int (*act)(void *number);	/* wakes it */
	int woken, removed;		/* return value when woken, or after removal */
} waits[] = {
	{ take, publish_woken, 0, -ENODEV },
	{ wait_line, publish_woken, 0, 0 },
	{ wait_reader, open_reader, 1, -ENODEV },
};

/* Opens the only reader, which lastline_wait_reader() does not count. */
#define OPEN_BOTH() ({								\
	struct lastline *both_ = open_number(self->number, O_RDWR);		\
										\
	ASSERT_NE(NULL, both_);							\
	lastline_close(self->reader);						\
	self->reader = NULL;							\
	both_;									\
})

TEST_F(lib, waits_end_at_their_deadline_or_by_signal)
{
	struct lastline *both = OPEN_BOTH();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		EXPECT_WAITS(0, -EAGAIN, waits[i].wait(both, false, 0));
		EXPECT_WAITS(0, -EAGAIN, waits[i].wait(both, true, 0));
		EXPECT_WAITS(200, -ETIMEDOUT, waits[i].wait(both, false, 200 * MS));
		EXPECT_WAITS(200, -ETIMEDOUT,
			     waits[i].wait(both, true, monotonic() + 200 * MS));
		EXPECT_WAITS(0, -ETIMEDOUT, waits[i].wait(both, true, 1));
	}
	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		start_alarms(waits[i].wait == take ? 0 : SA_RESTART);
		EXPECT_WAITS(0, -EINTR, waits[i].wait(both, false, LASTLINE_FOREVER));
		EXPECT_WAITS(0, -EINTR, waits[i].wait(both, false, LASTLINE_FOREVER - 1));
		EXPECT_WAITS(0, -EINTR, waits[i].wait(both, false, PATIENCE_NS));
	}
	/* The kernel restarts a take, with the same deadline. */
	EXPECT_WAITS(200, -ETIMEDOUT, take(both, false, 200 * MS));
	/* With an unseen line it does not wait. */
	PUBLISH("there");
	EXPECT_EQ(0, take(both, true, 1));
	lastline_close(both);
}

TEST_F(lib, waits_end_at_their_event_or_when_channel_is_removed)
{
	static const uint64_t times[] = {
		PATIENCE_NS, LASTLINE_FOREVER, LASTLINE_FOREVER - 1, 1ULL << 63,
	};
	struct lastline *both;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		CHANGE_CHANNEL(mode, LASTLINE_MODE_LINE);
		both = OPEN_BOTH();
		for (j = 0; j < ARRAY_SIZE(times); j++) {
			EXPECT_WOKEN_BY(waits[i].act, &self->number, waits[i].woken,
					waits[i].wait(both, false, times[j]));
			EXPECT_EQ(0, lastline_skip(both));
		}
		EXPECT_WOKEN_BY(waits[i].act, &self->number, waits[i].woken,
				waits[i].wait(both, true, monotonic() + PATIENCE_NS));
		EXPECT_EQ(0, lastline_skip(both));
		EXPECT_WOKEN_BY(remove_it, &self->number, waits[i].removed,
				waits[i].wait(both, false, PATIENCE_NS));
		lastline_close(both);
	}
}

/* Runs @pid until its next system call. Returns the call's number, or -1 after an exit. */
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
		/* glibc calls it if the vDSO has no clock. */
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr != SYS_clock_gettime)
			return info.entry.nr;
	}
}

/*
 * Returns the count of system calls of @act and the number of the last one; -1 if it does
 * not return @result. SYS_getppid marks begin and end.
 */
static int trace_calls(int (*act)(struct lastline *channel, bool until, uint64_t time_ns),
		       struct lastline *channel, uint64_t time_ns, int result, long *last)
{
	pid_t pid = fork();
	int status, count = 0;
	long call;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		syscall(SYS_getppid);
		status = act(channel, false, time_ns);
		syscall(SYS_getppid);
		_exit(status != result);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	while (next_call(pid) != SYS_getppid)
		;
	for (; (call = next_call(pid)) >= 0 && call != SYS_getppid; count++)
		*last = call;
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return child_succeeds(pid) ? count : -1;
}

static int publish_once(struct lastline *channel, bool until, uint64_t time_ns)
{
	return publish(channel, "line");
}

static int peek_once(struct lastline *channel, bool until, uint64_t time_ns)
{
	struct lastline_line line;

	return lastline_peek(channel, &line);
}

#define EXPECT_ONE_CALL(nr, act, channel, time_ns, result) do {			\
	long call_ = -1;							\
										\
	EXPECT_EQ(1, trace_calls(act, channel, time_ns, result, &call_));	\
	EXPECT_EQ(nr, call_);							\
} while (0)

TEST_F(lib, take_and_publish_make_one_system_call_and_peek_none)
{
	pid_t pid;
	long call;

	if (getenv("ON_VALGRIND"))
		SKIP(return, "valgrind makes other system calls");
	/* The first take allocates the buffer. */
	EXPECT_NOTHING();
	EXPECT_ONE_CALL(SYS_ioctl, take, self->reader, 0, -EAGAIN);
	EXPECT_ONE_CALL(SYS_ioctl, take, self->reader, 100 * MS, -ETIMEDOUT);
	EXPECT_ONE_CALL(SYS_writev, publish_once, self->writer, 0, 0);
	EXPECT_ONE_CALL(SYS_ioctl, take, self->reader, 100 * MS, 0);
	EXPECT_EQ(0, lastline_skip(self->reader));
	pid = fork();
	if (!pid)
		_exit(!wait_for_sleepers(lastline_fd(self->writer), 1) ||
		      publish(self->writer, "line"));
	EXPECT_ONE_CALL(SYS_ioctl, take, self->reader, PATIENCE_NS, 0);
	EXPECT_TRUE(child_succeeds(pid));
	/* The first peek maps the channel. */
	EXPECT_EQ(0, peek_once(self->reader, false, 0));
	EXPECT_EQ(0, trace_calls(peek_once, self->reader, 0, 0, &call));
}

TEST_F(lib, list_returns_all_channels_in_order)
{
	int *numbers, count, i, ours = 0;
	char which[16];

	self->add.name[0] = '\0';
	ADD();
	count = lastline_list(&numbers);
	ASSERT_LE(2, count);
	for (i = 0; i < count; i++) {
		EXPECT_TRUE(!i || numbers[i - 1] < numbers[i]);
		snprintf(which, sizeof(which), "%d", numbers[i]);
		EXPECT_EQ(numbers[i], lastline_find(which));
		ours += numbers[i] == self->added[0] || numbers[i] == self->added[1];
	}
	EXPECT_EQ(2, ours);
	free(numbers);
	REMOVE();
	EXPECT_EQ(count - 1, lastline_list(&numbers));
	free(numbers);
}

TEST_F(lib, status_generation_and_info_describe_channel)
{
	struct lastline_status status;
	struct lastline_info info;
	uint64_t generation = 7;

	memset(&status, 0x5a, sizeof(status));
	ASSERT_EQ(0, lastline_status(self->number, &status));
	EXPECT_EQ(0, status.generation);
	EXPECT_EQ(0, status.monotonic_ns);
	EXPECT_EQ(1, status.readers);
	EXPECT_EQ(1, status.writers);
	EXPECT_EQ(0, status.spare[0] | status.spare[1] | status.spare[2] | status.spare[3]);
	EXPECT_EQ(0, lastline_generation(self->number, &generation));
	EXPECT_EQ(0, generation);

	PUBLISH("line");
	ASSERT_EQ(0, lastline_status(self->number, &status));
	EXPECT_EQ(0, lastline_generation(self->number, &generation));
	ASSERT_EQ(0, lastline_info(self->writer, &info));
	EXPECT_EQ(self->number, info.number);
	EXPECT_EQ(1, info.generation);
	EXPECT_EQ(1, status.generation);
	EXPECT_EQ(1, generation);
	EXPECT_EQ(info.monotonic_ns, status.monotonic_ns);
	/* lastline_status() does not count as a reader and does not take the line. */
	EXPECT_EQ(1, info.readers);
	EXPECT_TAKE("line\n");
}

TEST_F(lib, add_creates_channel_with_its_parameters)
{
	struct lastline_status status;
	struct stat st;

	memset(self->add.name, 'n', LASTLINE_NAME_MAX - 1);
	self->add.number = 3210;
	self->add.mode = LASTLINE_MODE_RECORD;
	self->add.line_max = 12345;
	self->add.permissions = 0640;
	self->add.uid = 1;
	self->add.gid = 2;
	self->number = ADD();
	ASSERT_EQ(3210, self->number);
	EXPECT_EQ(self->number, find_and_open(self->add.name));
	ASSERT_EQ(0, lastline_status(3210, &status));
	EXPECT_EQ(LASTLINE_MODE_RECORD, status.mode);
	EXPECT_EQ(12345, status.line_max);
	EXPECT_STREQ(self->add.name, status.name);
	ASSERT_EQ(0, stat("/dev/lastline3210", &st));
	EXPECT_EQ(S_IFCHR | 0640, st.st_mode);
	EXPECT_EQ(1, st.st_uid);
	EXPECT_EQ(2, st.st_gid);
	EXPECT_EQ(-EEXIST, lastline_add(&self->add));
	self->add.name[0] = '/';
	EXPECT_EQ(-EINVAL, lastline_add(&self->add));
}

TEST_F(lib, calls_return_enodev_after_removal)
{
	struct lastline *unmapped = open_number(self->number, O_RDONLY);
	struct lastline_status status = { .generation = 7 };
	const struct lastline_map *map;
	struct lastline_info info;
	uint64_t generation = 7;

	ASSERT_NE(NULL, unmapped);
	PUBLISH("line");
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
	EXPECT_EQ(-ENODEV, lastline_status(self->number, &status));
	EXPECT_EQ(-ENODEV, lastline_generation(self->number, &generation));
	EXPECT_EQ(-ENODEV, lastline_remove(self->number));
	EXPECT_EQ(-ENODEV, lastline_status(-1, &status));
	EXPECT_EQ(-ENODEV, lastline_remove(LASTLINE_CHANNELS_MAX));
	EXPECT_EQ(7, status.generation);
	EXPECT_EQ(7, generation);
	EXPECT_EQ(0, lastline_map(self->reader, &map));
	EXPECT_EQ(-ENODEV, lastline_map(unmapped, &map));
	EXPECT_UNTOUCHED_BY(-ENODEV, lastline_peek(unmapped, &self->line));
	lastline_close(unmapped);
}

TEST_F(lib, calls_return_enomem_without_memory_and_lose_no_line)
{
	struct rlimit old, none = {};
	int taken, peeked, waited, printed;

	if (getenv("ON_VALGRIND"))
		SKIP(return, "valgrind allocates memory, too");
	CHANGE_CHANNEL(line_max, LASTLINE_LINE_MAX_MAX);
	PUBLISH("kept");
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	none.rlim_max = old.rlim_max;
	/* The macros of the harness need memory themselves. */
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
