// SPDX-License-Identifier: GPL-2.0-only
/* LASTLINE_IOC_TAKE: a read with a deadline that also reports what TAKEN does */
#include <stddef.h>

#include "clock.h"
#include "lastline_test.h"

#define MS	1000000ULL	/* nanoseconds */

/* The line that TAKE reads, for EXPECT_STREQ(); "" on failure. */
static const char *take(int fd, __u64 deadline_ns, struct lastline_take *at)
{
	static __thread char line[LASTLINE_LINE_MAX_MAX + 1];
	int len;

	memset(at, 0xff, sizeof(*at));
	at->buf = (uintptr_t)line;
	at->size = sizeof(line) - 1;
	at->deadline_ns = deadline_ns;
	at->reserved = 0;
	len = ioctl(fd, LASTLINE_IOC_TAKE, at);
	line[len < 0 ? 0 : len] = '\0';
	return line;
}

static __u64 in_ms(int ms)
{
	return now_ns(CLOCK_MONOTONIC) + ms * MS;
}

TEST_F(channel, take_returns_latest_line_and_its_description)
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
	EXPECT_EQ(0, at.taken.reserved[0] | at.taken.reserved[1] | at.taken.reserved[2]);
	EXPECT_EQ(0, at.left);
	EXPECT_EQ(0, at.reserved);
	EXPECT_TRUE(nothing_to_read(self->reader));
}

TEST_F(channel, short_take_leaves_rest_and_reports_its_length)
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

TEST_F(channel, take_with_bad_argument_takes_nothing)
{
	struct lastline_take *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, at);
	EXPECT_EQ(5, put(self->writer, "kept\n"));
	EXPECT_ERRNO(EFAULT, ioctl(self->reader, LASTLINE_IOC_TAKE, bad_address()));
	at->size = self->line_max;
	EXPECT_ERRNO(EFAULT, ioctl(self->reader, LASTLINE_IOC_TAKE, at));
	at->buf = (uintptr_t)self->buf;
	at->reserved = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->reader, LASTLINE_IOC_TAKE, at));
	at->reserved = 0;
	at->size = 0;
	EXPECT_ERRNO(EINVAL, ioctl(self->reader, LASTLINE_IOC_TAKE, at));
	at->size = self->line_max;
	ASSERT_EQ(0, mprotect(at, 4096, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->reader, LASTLINE_IOC_TAKE, at));
	EXPECT_EQ(0, taken_of(self->reader).generation);
	EXPECT_LATEST("kept\n");
	munmap(at, 4096);
}

TEST_F(channel, take_needs_file_that_can_read)
{
	struct lastline_take at;

	EXPECT_STREQ("", take(self->writer, 0, &at));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(channel, take_with_o_nonblock_or_without_deadline_does_not_sleep)
{
	struct lastline_take at;

	EXPECT_STREQ("", take(self->reader, LASTLINE_FOREVER, &at));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, at.taken.generation);
	EXPECT_EQ(0, at.left);
	set_blocking(self->reader, true);
	EXPECT_STREQ("", take(self->reader, 0, &at));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(channel, take_sleeps_until_deadline)
{
	__u64 deadline = in_ms(200);
	struct lastline_take at;

	set_blocking(self->reader, true);
	EXPECT_STREQ("", take(self->reader, deadline, &at));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_LE(deadline, now_ns(CLOCK_MONOTONIC));
	EXPECT_GT(deadline + PATIENCE_MS * MS, now_ns(CLOCK_MONOTONIC));
	EXPECT_EQ(0, info_of(self->reader).sleepers);
	/* A deadline in the past. */
	EXPECT_STREQ("", take(self->reader, 1, &at));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_EQ(5, put(self->writer, "here\n"));
	EXPECT_STREQ("here\n", take(self->reader, 1, &at));
}

/*
 * TAKE looks again at its deadline. One after the limit of the test makes a lost wake-up
 * fail.
 */
TEST_F_TIMEOUT(channel, publication_wakes_take, WAKE_TIMEOUT)
{
	/* The last but one is later than the kernel's clock can be. */
	const __u64 deadlines[] = { in_ms(3 * PATIENCE_MS), LASTLINE_FOREVER - 1,
				    LASTLINE_FOREVER };
	struct lastline_take at;
	unsigned int i;
	pid_t pid;

	set_blocking(self->reader, true);
	for (i = 0; i < ARRAY_SIZE(deadlines); i++) {
		/* The partial line makes the write take the slow path. */
		EXPECT_EQ(4, put(self->writer, "half"));
		pid = write_to_sleeper(self->writer, " way\n");
		EXPECT_STREQ("half way\n", take(self->reader, deadlines[i], &at));
		EXPECT_TRUE(ended_well(pid));
		EXPECT_EQ(0, info_of(self->reader).sleepers);
	}
}

TEST_F(channel, signal_interrupts_take)
{
	struct lastline_take at;

	set_blocking(self->reader, true);
	begin_alarms(0);
	EXPECT_STREQ("", take(self->reader, LASTLINE_FOREVER, &at));
	EXPECT_EQ(EINTR, errno);
	EXPECT_EQ(0, at.taken.generation);
}

TEST_F(channel, restarted_take_keeps_its_deadline)
{
	__u64 deadline = in_ms(300);
	struct lastline_take at;

	set_blocking(self->reader, true);
	begin_alarms(SA_RESTART);
	EXPECT_STREQ("", take(self->reader, deadline, &at));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_LE(deadline, now_ns(CLOCK_MONOTONIC));
	EXPECT_GT(deadline + PATIENCE_MS * MS, now_ns(CLOCK_MONOTONIC));
}

/* One of several threads that share an open file. */
struct taker {
	struct call call;
	__u64 before;	/* generation before the first line */
	int wrong;	/* lines reported with a wrong generation */
	int lines;
};

static ssize_t take_until_stop(struct call *call)
{
	struct taker *taker = (struct taker *)call;
	struct lastline_take at;
	const char *line;

	while (strcmp(line = take(call->fd, LASTLINE_FOREVER, &at), "stop\n")) {
		taker->lines++;
		taker->wrong += at.taken.generation - taker->before != strtoull(line, NULL, 10);
	}
	return 0;
}

TEST_F(channel, threads_on_one_open_file_each_get_description_of_their_line)
{
	struct taker takers[3];
	char line[32];
	int i, lines = 0;

	set_blocking(self->reader, true);
	for (i = 0; i < 3; i++) {
		takers[i] = (struct taker){
			.call = { .function = take_until_stop, .fd = self->reader },
			.before = self->generation,
		};
		ASSERT_TRUE(start_call(&takers[i].call));
	}
	for (i = 1; i <= 20000; i++) {
		sprintf(line, "%d\n", i);
		ASSERT_LT(0, put(self->writer, line));
	}
	for (i = 0; i < 3; i++) {
		do {
			ASSERT_EQ(5, put(self->writer, "stop\n"));
		} while (!ends_within(&takers[i].call, 10));
		EXPECT_EQ(0, takers[i].wrong);
		lines += takers[i].lines;
	}
	EXPECT_LT(0, lines);
}

TEST(ioctl_structures_do_not_depend_on_word_size)
{
	EXPECT_EQ(64, sizeof(struct lastline_info));
	EXPECT_EQ(0x8040be00, LASTLINE_IOC_INFO);
	EXPECT_EQ(64, sizeof(struct lastline_taken));
	EXPECT_EQ(0x8040be01, LASTLINE_IOC_TAKEN);
	EXPECT_EQ(96, sizeof(struct lastline_take));
	EXPECT_EQ(20, offsetof(struct lastline_take, left));
	EXPECT_EQ(32, offsetof(struct lastline_take, taken));
	EXPECT_EQ(0xc060be03, LASTLINE_IOC_TAKE);
}

TEST_HARNESS_MAIN
