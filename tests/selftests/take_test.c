// SPDX-License-Identifier: GPL-2.0-only
/* LASTLINE_IOC_TAKE: a read with a deadline, and what is known of the line */
#include <stdatomic.h>
#include <stddef.h>

#include "clock.h"
#include "lastline_test.h"

#define MS	1000000ULL	/* nanoseconds */

/* What @at has after TAKE from @fd, for a comparison with EXPECT_STREQ(); "" on failure. */
static const char *take(int fd, __u64 deadline_ns, struct lastline_take *at)
{
	static __thread char line[LASTLINE_LINE_MAX_MAX + 1];
	int len;

	memset(at, 0xff, sizeof(*at));
	at->buf = (uintptr_t)line;
	at->size = sizeof(line) - 1;
	at->deadline_ns = deadline_ns;
	at->spare = 0;
	len = ioctl(fd, LASTLINE_IOC_TAKE, at);
	line[len < 0 ? 0 : len] = '\0';
	return line;
}

static __u64 in_ms(int ms)
{
	return now_ns(CLOCK_MONOTONIC) + ms * MS;
}

/* A read-write file that may sleep, and has seen everything. */
FIXTURE(sleeping)
{
	struct lastline_take take;
	int fd;
};

FIXTURE_SETUP(sleeping)
{
	self->fd = open_channel(O_RDWR);
	if (self->fd < 0)
		SKIP(return, "no %s here; load the module", dev_path());
	ASSERT_EQ(0, lseek(self->fd, 0, SEEK_END));
}

FIXTURE_TEARDOWN(sleeping)
{
	close(self->fd);
}

TEST_F(channel, take_reads_the_latest_line_and_tells_what_is_known_of_it)
{
	struct lastline_take at;
	struct lastline_taken taken;

	EXPECT_EQ(4, put(self->writer, "one\n"));
	EXPECT_EQ(4, put(self->writer, "two\n"));
	EXPECT_STREQ("two\n", take(self->reader, 0, &at));
	taken = taken_of(self->reader);
	EXPECT_EQ(self->generation + 2, at.taken.generation);
	EXPECT_EQ(info_of(self->reader).monotonic_ns, at.taken.monotonic_ns);
	EXPECT_LE(taken.realtime_ns - MS, at.taken.realtime_ns);
	EXPECT_GE(taken.realtime_ns + MS, at.taken.realtime_ns);
	EXPECT_EQ(1, at.taken.missed);
	EXPECT_EQ(1, at.taken.missed_last);
	EXPECT_EQ(0, at.taken.spare[0] | at.taken.spare[1] | at.taken.spare[2]);
	EXPECT_EQ(0, at.left);
	EXPECT_EQ(0, at.spare);
	EXPECT_TRUE(nothing_to_read(self->reader));
}

TEST_F(channel, take_leaves_the_rest_of_a_line_to_the_next_and_says_how_much)
{
	struct lastline_take at = { .size = 2 };
	char buf[8] = "";

	at.buf = (uintptr_t)buf;
	EXPECT_EQ(7, put(self->writer, "abcdef\n"));
	EXPECT_EQ(2, ioctl(self->reader, LASTLINE_IOC_TAKE, &at));
	EXPECT_STREQ("ab", buf);
	EXPECT_EQ(5, at.left);
	EXPECT_EQ(4, put(self->writer, "new\n"));
	EXPECT_EQ(2, ioctl(self->reader, LASTLINE_IOC_TAKE, &at));
	EXPECT_STREQ("cd", buf);
	EXPECT_EQ(3, at.left);
	EXPECT_EQ(self->generation + 1, at.taken.generation);
	EXPECT_STREQ("ef\n", take(self->reader, 0, &at));
	EXPECT_EQ(0, at.left);
	EXPECT_EQ(self->generation + 1, at.taken.generation);
	EXPECT_STREQ("new\n", take(self->reader, 0, &at));
	EXPECT_EQ(self->generation + 2, at.taken.generation);
	EXPECT_EQ(0, at.taken.missed);
}

/* @call fails so, took nothing, and a read gets the line. */
#define EXPECT_NOT_TAKEN(error, call) do {					\
	errno = 0;								\
	EXPECT_EQ(-1, call);							\
	EXPECT_EQ(error, errno);						\
	EXPECT_EQ(0, taken_of(self->reader).generation);			\
	EXPECT_LATEST("kept\n");						\
} while (0)

TEST_F(channel, take_into_a_bad_buffer_takes_nothing)
{
	struct lastline_take at = { .size = 16 };

	EXPECT_EQ(5, put(self->writer, "kept\n"));
	EXPECT_NOT_TAKEN(EFAULT, ioctl(self->reader, LASTLINE_IOC_TAKE, &at));
}

TEST_F(channel, take_with_a_size_of_0_or_a_spare_field_is_einval)
{
	char buf[16];
	struct lastline_take at = { .buf = (uintptr_t)buf };

	EXPECT_EQ(5, put(self->writer, "kept\n"));
	EXPECT_EQ(-1, ioctl(self->reader, LASTLINE_IOC_TAKE, &at));
	EXPECT_EQ(EINVAL, errno);
	at.size = sizeof(buf);
	at.spare = 1;
	EXPECT_NOT_TAKEN(EINVAL, ioctl(self->reader, LASTLINE_IOC_TAKE, &at));
}

TEST_F(channel, take_into_a_structure_that_cannot_be_written_takes_nothing)
{
	struct lastline_take *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[16];

	ASSERT_NE(MAP_FAILED, at);
	at->buf = (uintptr_t)buf;
	at->size = sizeof(buf);
	ASSERT_EQ(0, mprotect(at, 4096, PROT_READ));
	EXPECT_EQ(5, put(self->writer, "kept\n"));
	EXPECT_NOT_TAKEN(EFAULT, ioctl(self->reader, LASTLINE_IOC_TAKE, at));
}

TEST_F(channel, take_from_a_bad_address_is_efault)
{
	EXPECT_EQ(5, put(self->writer, "kept\n"));
	EXPECT_NOT_TAKEN(EFAULT, ioctl(self->reader, LASTLINE_IOC_TAKE, bad_address()));
}

TEST_F(channel, take_wants_a_file_that_can_read)
{
	struct lastline_take at;

	EXPECT_STREQ("", take(self->writer, 0, &at));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(channel, take_with_o_nonblock_does_not_sleep)
{
	struct lastline_take at;

	EXPECT_STREQ("", take(self->reader, LASTLINE_FOREVER, &at));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, at.taken.generation);
	EXPECT_EQ(0, at.left);
}

TEST_F(sleeping, take_without_a_deadline_does_not_sleep)
{
	EXPECT_STREQ("", take(self->fd, 0, &self->take));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(sleeping, take_sleeps_until_the_deadline_and_not_beyond)
{
	__u64 deadline = in_ms(200);

	EXPECT_STREQ("", take(self->fd, deadline, &self->take));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_LE(deadline, now_ns(CLOCK_MONOTONIC));
	EXPECT_GT(deadline + PATIENCE_MS * MS, now_ns(CLOCK_MONOTONIC));
	EXPECT_EQ(0, info_of(self->fd).sleepers);
	/* One that has passed is over at once. */
	EXPECT_STREQ("", take(self->fd, 1, &self->take));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_EQ(5, put(self->fd, "here\n"));
	EXPECT_STREQ("here\n", take(self->fd, 1, &self->take));
}

/* Publishes @text when somebody sleeps. */
static pid_t publish_to_a_sleeper(int fd, const char *text)
{
	pid_t pid = fork();

	if (!pid)
		_exit(!await_sleepers(fd, 1) || put(fd, text) < 0);
	return pid;
}

TEST_F(sleeping, a_line_ends_the_sleep_of_take)
{
	pid_t pid = publish_to_a_sleeper(self->fd, "woken\n");

	EXPECT_STREQ("woken\n", take(self->fd, in_ms(3 * PATIENCE_MS), &self->take));
	EXPECT_TRUE(ended_well(pid));
	EXPECT_EQ(0, info_of(self->fd).sleepers);
}

TEST_F(sleeping, take_can_sleep_forever)
{
	pid_t pid = publish_to_a_sleeper(self->fd, "woken\n");

	EXPECT_STREQ("woken\n", take(self->fd, LASTLINE_FOREVER, &self->take));
	EXPECT_TRUE(ended_well(pid));
	/* So does a deadline that the kernel's clock never reaches. */
	pid = publish_to_a_sleeper(self->fd, "woken\n");
	EXPECT_STREQ("woken\n", take(self->fd, LASTLINE_FOREVER - 1, &self->take));
	EXPECT_TRUE(ended_well(pid));
}

TEST_F(sleeping, a_signal_ends_take_and_it_takes_nothing)
{
	begin_alarms(0);
	EXPECT_STREQ("", take(self->fd, LASTLINE_FOREVER, &self->take));
	EXPECT_EQ(EINTR, errno);
	EXPECT_EQ(0, self->take.taken.generation);
}

TEST_F(sleeping, a_take_that_is_restarted_keeps_its_deadline)
{
	__u64 deadline = in_ms(300);

	begin_alarms(SA_RESTART);
	EXPECT_STREQ("", take(self->fd, deadline, &self->take));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_LE(deadline, now_ns(CLOCK_MONOTONIC));
	EXPECT_GT(deadline + PATIENCE_MS * MS, now_ns(CLOCK_MONOTONIC));
}

/* One of several threads that share an open file. */
struct taker {
	pthread_t thread;
	int fd;
	__u64 before;	/* the first line has the next generation */
	int wrong;	/* lines of another generation than was told */
	int lines;
	atomic_bool stopped;
};

static void *run_taker(void *argument)
{
	struct taker *taker = argument;
	struct lastline_take at;
	const char *line;

	for (;;) {
		line = take(taker->fd, LASTLINE_FOREVER, &at);
		if (!strcmp(line, "stop\n"))
			break;
		taker->lines++;
		taker->wrong += at.taken.generation - taker->before != strtoull(line, NULL, 10);
	}
	taker->stopped = true;
	return NULL;
}

/* Which of them a line stops is their affair. */
static bool await_stopped(const struct taker *takers, int count, int stopped)
{
	int ms, i, n;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		for (i = n = 0; i < count; i++)
			n += takers[i].stopped;
		if (n == stopped)
			return true;
		pause_ms(1);
	}
	return false;
}

TEST_F(sleeping, threads_on_one_open_file_are_each_told_of_their_own_line)
{
	struct taker takers[3];
	char line[32];
	int i, lines = 0;

	for (i = 0; i < 3; i++) {
		takers[i] = (struct taker){ .fd = self->fd,
					    .before = info_of(self->fd).generation };
		ASSERT_EQ(0, pthread_create(&takers[i].thread, NULL, run_taker, &takers[i]));
	}
	for (i = 1; i <= 20000; i++) {
		sprintf(line, "%d\n", i);
		ASSERT_LT(0, put(self->fd, line));
	}
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(5, put(self->fd, "stop\n"));
		ASSERT_TRUE(await_stopped(takers, 3, i + 1));
	}
	for (i = 0; i < 3; i++) {
		pthread_join(takers[i].thread, NULL);
		EXPECT_EQ(0, takers[i].wrong);
		lines += takers[i].lines;
	}
	EXPECT_LT(0, lines);
}

TEST(the_structure_of_take_does_not_depend_on_the_word_size)
{
	EXPECT_EQ(96, sizeof(struct lastline_take));
	EXPECT_EQ(20, offsetof(struct lastline_take, left));
	EXPECT_EQ(32, offsetof(struct lastline_take, taken));
	EXPECT_EQ(0xc060be03, LASTLINE_IOC_TAKE);
}

TEST_HARNESS_MAIN
