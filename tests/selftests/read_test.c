// SPDX-License-Identifier: GPL-2.0-only
/* read(2) and what sleeps in it */
#include <stdatomic.h>

#include "lastline_test.h"

static ssize_t read_nowait(int fd, char *buf, size_t len)
{
	struct iovec piece = { .iov_base = buf, .iov_len = len };

	return preadv2(fd, &piece, 1, -1, RWF_NOWAIT);
}

#define NIBBLES	4000	/* bytes that two threads share */

/* A thread that reads once. */
struct reading {
	pthread_t thread;
	int fd;
	ssize_t ret;
	int error;
	char line[64];
};

static void *read_once(void *arg)
{
	struct reading *reading = arg;

	reading->ret = read(reading->fd, reading->line, sizeof(reading->line) - 1);
	reading->error = errno;
	return NULL;
}

static bool start_reading(struct reading *reading, int fd)
{
	memset(reading, 0, sizeof(*reading));
	reading->fd = fd;
	return !pthread_create(&reading->thread, NULL, read_once, reading);
}

static bool ends_within(struct reading *reading, int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	return !pthread_timedjoin_np(reading->thread, NULL, &until);
}

static void set_nonblocking(int fd, bool on)
{
	fcntl(fd, F_SETFL, on ? O_NONBLOCK : 0);
}

TEST_F(channel, a_fresh_open_file_gets_the_current_line_at_once)
{
	int fresh;

	EXPECT_EQ(4, put(self->writer, "now\n"));
	fresh = open_channel(O_RDONLY);
	EXPECT_STREQ("now\n", get(fresh));
	set_nonblocking(fresh, true);
	EXPECT_STREQ("", get(fresh));
	EXPECT_EQ(EAGAIN, errno);
	close(fresh);
}

TEST_F(channel, a_read_gets_the_newest_line_only)
{
	EXPECT_EQ(4, put(self->writer, "one\n"));
	EXPECT_EQ(4, put(self->writer, "two\n"));
	EXPECT_EQ(6, put(self->writer, "three\n"));
	EXPECT_LATEST("three\n");
}

TEST_F(channel, every_open_file_gets_the_line)
{
	int other = open_channel(O_RDONLY | O_NONBLOCK);

	EXPECT_EQ(4, put(self->writer, "all\n"));
	EXPECT_STREQ("all\n", get(other));
	EXPECT_LATEST("all\n");
	close(other);
}

TEST_F(channel, without_an_unseen_line_a_nonblocking_read_is_eagain)
{
	char c;

	EXPECT_EQ(-1, read(self->reader, &c, 1));
	EXPECT_EQ(EAGAIN, errno);
	set_nonblocking(self->reader, false);
	EXPECT_EQ(-1, read_nowait(self->reader, &c, 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(1, read_nowait(self->reader, &c, 1));
	EXPECT_EQ('x', c);
}

TEST_F(channel, without_an_unseen_line_a_read_sleeps_until_there_is_one)
{
	struct reading reading;

	set_nonblocking(self->reader, false);
	ASSERT_TRUE(start_reading(&reading, self->reader));
	ASSERT_TRUE(await_sleepers(self->writer, 1));
	EXPECT_FALSE(ends_within(&reading, PAUSE_MS));
	EXPECT_EQ(5, put(self->writer, "wake\n"));
	ASSERT_TRUE(ends_within(&reading, PATIENCE_MS));
	EXPECT_STREQ("wake\n", reading.line);
	EXPECT_EQ(0, info_of(self->writer).sleepers);
}

TEST_F(channel, an_unfinished_line_wakes_nobody)
{
	struct reading reading;

	set_nonblocking(self->reader, false);
	ASSERT_TRUE(start_reading(&reading, self->reader));
	ASSERT_TRUE(await_sleepers(self->writer, 1));
	EXPECT_EQ(4, put(self->writer, "half"));
	EXPECT_FALSE(ends_within(&reading, PAUSE_MS));
	EXPECT_EQ(0, fsync(self->writer));
	ASSERT_TRUE(ends_within(&reading, PATIENCE_MS));
	EXPECT_STREQ("half\n", reading.line);
}

TEST_F(channel, a_publication_wakes_every_sleeping_reader)
{
	struct reading readings[20];
	int i;

	for (i = 0; i < 20; i++) {
		int fd = open_channel(O_RDONLY);

		ASSERT_EQ(0, lseek(fd, 0, SEEK_END));
		ASSERT_TRUE(start_reading(&readings[i], fd));
	}
	ASSERT_TRUE(await_sleepers(self->writer, 20));
	EXPECT_EQ(4, put(self->writer, "all\n"));
	for (i = 0; i < 20; i++) {
		ASSERT_TRUE(ends_within(&readings[i], PATIENCE_MS));
		EXPECT_STREQ("all\n", readings[i].line);
		close(readings[i].fd);
	}
}

TEST_F(channel, the_last_close_wakes_a_reader_with_the_unfinished_line)
{
	struct reading reading;

	set_nonblocking(self->reader, false);
	EXPECT_EQ(4, put(self->writer, "half"));
	ASSERT_TRUE(start_reading(&reading, self->reader));
	ASSERT_TRUE(await_sleepers(self->reader, 1));
	close(self->writer);
	ASSERT_TRUE(ends_within(&reading, PATIENCE_MS));
	EXPECT_STREQ("half\n", reading.line);
	self->writer = -1;
}

static void on_signal(int signal)
{
}

/* A read that sleeps when a signal with a handler comes. */
FIXTURE(interrupted)
{
	int fd;
	int writer;
};

FIXTURE_VARIANT(interrupted)
{
	int flags;
	bool goes_on;
};

FIXTURE_VARIANT_ADD(interrupted, is_eintr)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(interrupted, is_restarted_with_sa_restart)
{
	.flags = SA_RESTART,
	.goes_on = true,
};

FIXTURE_SETUP(interrupted)
{
	self->fd = open_channel(O_RDONLY);
	if (self->fd < 0)
		SKIP(return, "no %s here; load the module", dev_path());
	self->writer = open_channel(O_WRONLY);
	ASSERT_EQ(0, lseek(self->fd, 0, SEEK_END));
}

FIXTURE_TEARDOWN(interrupted)
{
	close(self->fd);
	close(self->writer);
}

TEST_F(interrupted, by_a_signal_a_sleeping_read)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = variant->flags };
	struct reading reading;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_TRUE(start_reading(&reading, self->fd));
	ASSERT_TRUE(await_sleepers(self->writer, 1));
	ASSERT_EQ(0, pthread_kill(reading.thread, SIGUSR1));
	if (variant->goes_on) {
		EXPECT_FALSE(ends_within(&reading, PAUSE_MS));
		EXPECT_EQ(3, put(self->writer, "on\n"));
	}
	ASSERT_TRUE(ends_within(&reading, PATIENCE_MS));
	EXPECT_EQ(variant->goes_on ? 3 : -1, reading.ret);
	if (!variant->goes_on)
		EXPECT_EQ(EINTR, reading.error);
}

TEST_F(channel, a_sleeping_read_can_be_killed)
{
	pid_t pid = fork();
	int status;

	ASSERT_LE(0, pid);
	if (!pid) {
		set_nonblocking(self->reader, false);
		get(self->reader);
		_exit(1);
	}
	ASSERT_TRUE(await_sleepers(self->writer, 1));
	kill(pid, SIGKILL);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, info_of(self->writer).sleepers);
}

TEST_F(channel, a_short_buffer_gets_the_rest_of_the_same_line_first)
{
	char buf[8] = "";

	EXPECT_EQ(7, put(self->writer, "abcdef\n"));
	EXPECT_EQ(2, read(self->reader, buf, 2));
	EXPECT_EQ(0, memcmp("ab", buf, 2));
	EXPECT_EQ(4, put(self->writer, "new\n"));
	EXPECT_EQ(3, read(self->reader, buf, 3));
	EXPECT_EQ(0, memcmp("cde", buf, 3));
	EXPECT_EQ(6, put(self->writer, "newer\n"));
	EXPECT_EQ(2, read(self->reader, buf, 8));
	EXPECT_EQ(0, memcmp("f\n", buf, 2));
	EXPECT_LATEST("newer\n");
}

TEST_F(channel, a_reader_of_single_bytes_never_sees_a_torn_line)
{
	int round, i, size = self->line_max < 3000 ? self->line_max : 3000;
	char line[3000], c;

	for (round = 0; round < 50; round++) {
		memset(line, 'a' + round % 26, size);
		line[size - 1] = '\n';
		ASSERT_EQ(size, write(self->writer, line, size));
		ASSERT_EQ(1, read(self->reader, &c, 1));
		ASSERT_EQ(line[0], c);
		/* Overwritten more often than there are slots. */
		for (i = 0; i < 10; i++)
			ASSERT_EQ(2, put(self->writer, "#\n"));
		for (i = 1; i < size; i++) {
			ASSERT_EQ(1, read(self->reader, &c, 1));
			ASSERT_EQ(line[i], c);
		}
		ASSERT_STREQ("#\n", get(self->reader));
	}
}

TEST_F(channel, a_read_returns_bytes_of_one_line_only)
{
	char buf[64];

	memset(buf, '?', sizeof(buf));
	EXPECT_EQ(4, put(self->writer, "one\n"));
	EXPECT_EQ(4, read(self->reader, buf, sizeof(buf)));
	EXPECT_EQ('\n', buf[3]);
	EXPECT_EQ('?', buf[4]);
}

TEST_F(channel, readv_scatters_one_line)
{
	char a[3], b[4], c[10];
	struct iovec pieces[] = {
		{ .iov_base = a, .iov_len = 3 },
		{ .iov_base = b, .iov_len = 4 },
		{ .iov_base = c, .iov_len = 10 },
	};

	EXPECT_EQ(9, put(self->writer, "abcdefgh\n"));
	EXPECT_EQ(9, readv(self->reader, pieces, 3));
	EXPECT_EQ(0, memcmp("abc", a, 3));
	EXPECT_EQ(0, memcmp("defg", b, 4));
	EXPECT_EQ(0, memcmp("h\n", c, 2));
	/* And a short one leaves a remainder, as read() does. */
	EXPECT_EQ(9, put(self->writer, "abcdefgh\n"));
	EXPECT_EQ(7, readv(self->reader, pieces, 2));
	EXPECT_LATEST("h\n");
}

TEST_F(channel, there_is_no_end_of_file_when_the_writers_are_gone)
{
	struct pollfd pfd = { .fd = self->reader, .events = POLLIN };
	struct reading reading;

	set_nonblocking(self->reader, false);
	ASSERT_TRUE(start_reading(&reading, self->reader));
	ASSERT_TRUE(await_sleepers(self->reader, 1));
	close(self->writer);
	EXPECT_EQ(0, info_of(self->reader).writers);
	EXPECT_FALSE(ends_within(&reading, PAUSE_MS));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	EXPECT_EQ(0, pfd.revents);

	self->writer = open_channel(O_WRONLY);
	EXPECT_EQ(5, put(self->writer, "back\n"));
	ASSERT_TRUE(ends_within(&reading, PATIENCE_MS));
	EXPECT_STREQ("back\n", reading.line);
}

TEST_F(channel, efault_consumes_nothing)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *buf = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char c;

	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_EQ(0, munmap(buf + page, page));
	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_EQ(-1, read(self->reader, bad_address(), 10));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->reader, buf + page - 2, 10));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, taken_of(self->reader).generation);
	/* Nor of a remainder. */
	EXPECT_EQ(1, read(self->reader, &c, 1));
	EXPECT_EQ(-1, read(self->reader, bad_address(), 10));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->reader, buf + page - 2, 10));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_LATEST("ine\n");
	/* A buffer that ends where the line ends is large enough. */
	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_EQ(5, read(self->reader, buf + page - 5, 10));
	munmap(buf, page);
}

TEST_F(channel, a_read_of_nothing_returns_at_once_and_consumes_nothing)
{
	char c;

	set_nonblocking(self->reader, false);
	EXPECT_EQ(0, read(self->reader, &c, 0));
	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_EQ(0, read(self->reader, bad_address(), 0));
	set_nonblocking(self->reader, true);
	EXPECT_LATEST("line\n");
}

TEST_F(channel, pread_is_espipe)
{
	char c;

	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(-1, pread(self->reader, &c, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_LATEST("x\n");
}

TEST_F(channel, read_is_ebadf_on_a_file_opened_for_writing)
{
	char c;

	EXPECT_EQ(-1, read(self->writer, &c, 1));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(channel, threads_that_share_an_open_file_each_get_a_whole_line)
{
	struct reading first, second;
	struct reading *done, *left;

	set_nonblocking(self->reader, false);
	ASSERT_TRUE(start_reading(&first, self->reader));
	ASSERT_TRUE(start_reading(&second, self->reader));
	ASSERT_TRUE(await_sleepers(self->writer, 2));
	EXPECT_EQ(4, put(self->writer, "one\n"));
	/* One of them takes it, the other one sleeps again. */
	ASSERT_TRUE(await_sleepers(self->writer, 1));
	pause_ms(PAUSE_MS);
	EXPECT_EQ(1, info_of(self->writer).sleepers);
	EXPECT_EQ(4, put(self->writer, "two\n"));
	ASSERT_TRUE(ends_within(&first, PATIENCE_MS));
	ASSERT_TRUE(ends_within(&second, PATIENCE_MS));
	done = first.line[0] == 'o' ? &first : &second;
	left = done == &first ? &second : &first;
	EXPECT_STREQ("one\n", done->line);
	EXPECT_STREQ("two\n", left->line);
}

struct nibbler {
	int fd;
	atomic_uint eaten;
	pthread_t thread;
};

static bool nibble(struct nibbler *nibbler, int flags)
{
	char c;
	struct iovec byte = { &c, 1 };

	if (preadv2(nibbler->fd, &byte, 1, -1, flags) != 1)
		return false;
	atomic_fetch_add(&nibbler->eaten, 1);
	return true;
}

static void *keep_nibbling(void *argument)
{
	struct nibbler *nibbler = argument;

	while (nibble(nibbler, 0) && atomic_load(&nibbler->eaten) <= NIBBLES)
		;
	return NULL;
}

static bool all_eaten(struct nibbler *nibbler, unsigned int count)
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		if (atomic_load(&nibbler->eaten) >= count)
			return true;
		sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec <= PATIENCE_MS / 1000);
	return false;
}

/* Nobody would wake the one that sleeps for what the other one left. */
TEST_F_TIMEOUT(channel, no_thread_falls_asleep_while_another_one_leaves_it_the_rest_of_a_line,
	       300)
{
	struct nibbler nibbler = { open_channel(O_RDONLY) };
	unsigned int i;

	lseek(nibbler.fd, 0, SEEK_END);
	ASSERT_EQ(0, pthread_create(&nibbler.thread, NULL, keep_nibbling, &nibbler));
	for (i = 2; i <= NIBBLES; i += 2) {
		ASSERT_EQ(2, put(self->writer, "x\n"));
		nibble(&nibbler, RWF_NOWAIT);
		ASSERT_TRUE(all_eaten(&nibbler, i)) {
			TH_LOG("%u bytes of %u", atomic_load(&nibbler.eaten), i);
		}
	}
	put(self->writer, "x\n");
	ASSERT_TRUE(all_eaten(&nibbler, i - 1));
	pthread_join(nibbler.thread, NULL);
	close(nibbler.fd);
}

TEST_F(channel, a_thread_that_sleeps_holds_up_nothing_on_the_same_open_file)
{
	struct reading reading;
	char c;

	set_nonblocking(self->reader, false);
	ASSERT_TRUE(start_reading(&reading, self->reader));
	ASSERT_TRUE(await_sleepers(self->writer, 1));

	/* Each of these would sleep as well; the test's own time limit tells. */
	EXPECT_EQ(-1, read_nowait(self->reader, &c, 1));
	EXPECT_EQ(EAGAIN, errno);
	set_nonblocking(self->reader, true);
	EXPECT_EQ(-1, read(self->reader, &c, 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_END));
	EXPECT_FALSE(readable_within(self->reader, 0));
	EXPECT_EQ(1, info_of(self->reader).sleepers);
	EXPECT_EQ(0, taken_of(self->reader).generation);
	EXPECT_EQ(0, fsync(self->reader));

	EXPECT_EQ(5, put(self->writer, "wake\n"));
	ASSERT_TRUE(ends_within(&reading, PATIENCE_MS));
	EXPECT_STREQ("wake\n", reading.line);
}

TEST_F(channel, lseek_set_wakes_a_thread_that_sleeps_on_the_same_open_file)
{
	struct reading reading;

	EXPECT_EQ(4, put(self->writer, "now\n"));
	EXPECT_LATEST("now\n");
	set_nonblocking(self->reader, false);
	ASSERT_TRUE(start_reading(&reading, self->reader));
	ASSERT_TRUE(await_sleepers(self->writer, 1));
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	ASSERT_TRUE(ends_within(&reading, PATIENCE_MS));
	EXPECT_STREQ("now\n", reading.line);
}

TEST_F(channel, a_file_opened_for_both_reads_what_it_writes)
{
	int both = open_channel(O_RDWR | O_NONBLOCK);

	ASSERT_EQ(0, lseek(both, 0, SEEK_END));
	EXPECT_EQ(6, put(both, "a\nrest"));
	EXPECT_STREQ("a\n", get(both));
	EXPECT_EQ(1, put(both, "\n"));
	EXPECT_STREQ("rest\n", get(both));
	EXPECT_EQ(self->generation + 2, taken_of(both).generation);
	close(both);
}

TEST_HARNESS_MAIN
