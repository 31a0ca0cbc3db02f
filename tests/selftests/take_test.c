// SPDX-License-Identifier: GPL-2.0-only
/* LASTLINE_IOC_TAKE: a read with a deadline that also returns the data of TAKEN */
#include <stddef.h>

#include "clock.h"
#include "lastline_test.h"

#define MS	1000000ULL	/* nanoseconds */

/* Returns the line that TAKE reads, for EXPECT_STREQ(); "" on failure. */
static const char *take(int fd, __u64 deadline_ns, struct lastline_take *args)
{
	static __thread char line[LASTLINE_LINE_MAX_MAX + 1];
	int len;

	memset(args, 0xff, sizeof(*args));
	args->buf = (uintptr_t)line;
	args->size = sizeof(line) - 1;
	args->deadline_ns = deadline_ns;
	args->reserved = 0;
	len = ioctl(fd, LASTLINE_IOC_TAKE, args);
	line[len < 0 ? 0 : len] = '\0';
	return line;
}

static __u64 ms_from_now(int ms)
{
	return now_ns(CLOCK_MONOTONIC) + ms * MS;
}

TEST_F(channel, take_returns_latest_line_and_its_metadata)
{
	struct lastline_take args;
	struct lastline_taken taken;

	EXPECT_EQ(4, write_str(self->writer, "one\n"));
	EXPECT_EQ(4, write_str(self->writer, "two\n"));
	EXPECT_STREQ("two\n", take(self->reader, 0, &args));
	taken = get_taken(self->reader);
	EXPECT_EQ(self->generation + 2, args.taken.generation);
	EXPECT_EQ(get_info(self->reader).monotonic_ns, args.taken.monotonic_ns);
	EXPECT_LE(taken.realtime_ns - MS, args.taken.realtime_ns);
	EXPECT_GE(taken.realtime_ns + MS, args.taken.realtime_ns);
	EXPECT_EQ(1, args.taken.missed);
	EXPECT_EQ(1, args.taken.missed_last);
	EXPECT_EQ(0, args.taken.reserved[0] | args.taken.reserved[1] | args.taken.reserved[2]);
	EXPECT_EQ(0, args.left);
	EXPECT_EQ(0, args.reserved);
	EXPECT_TRUE(nothing_to_read(self->reader));
}

TEST_F(channel, short_take_reports_length_of_rest)
{
	struct lastline_take args = { .size = 2 };
	char buf[8] = "";

	args.buf = (uintptr_t)buf;
	EXPECT_EQ(7, write_str(self->writer, "abcdef\n"));
	EXPECT_EQ(2, ioctl(self->reader, LASTLINE_IOC_TAKE, &args));
	EXPECT_STREQ("ab", buf);
	EXPECT_EQ(5, args.left);
	EXPECT_EQ(4, write_str(self->writer, "new\n"));
	EXPECT_EQ(2, ioctl(self->reader, LASTLINE_IOC_TAKE, &args));
	EXPECT_STREQ("cd", buf);
	EXPECT_EQ(3, args.left);
	EXPECT_EQ(self->generation + 1, args.taken.generation);
	EXPECT_STREQ("ef\n", take(self->reader, 0, &args));
	EXPECT_EQ(0, args.left);
	EXPECT_EQ(self->generation + 1, args.taken.generation);
	EXPECT_STREQ("new\n", take(self->reader, 0, &args));
	EXPECT_EQ(self->generation + 2, args.taken.generation);
	EXPECT_EQ(0, args.taken.missed);
}

TEST_F(channel, take_with_invalid_argument_consumes_nothing)
{
	struct lastline_take *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, args);
	EXPECT_EQ(5, write_str(self->writer, "kept\n"));
	EXPECT_ERRNO(EFAULT, ioctl(self->reader, LASTLINE_IOC_TAKE, bad_address()));
	args->size = self->line_max;
	EXPECT_ERRNO(EFAULT, ioctl(self->reader, LASTLINE_IOC_TAKE, args));
	args->buf = (uintptr_t)self->buf;
	args->reserved = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->reader, LASTLINE_IOC_TAKE, args));
	args->reserved = 0;
	args->size = 0;
	EXPECT_ERRNO(EINVAL, ioctl(self->reader, LASTLINE_IOC_TAKE, args));
	args->size = self->line_max;
	ASSERT_EQ(0, mprotect(args, 4096, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->reader, LASTLINE_IOC_TAKE, args));
	EXPECT_EQ(0, get_taken(self->reader).generation);
	EXPECT_LATEST("kept\n");
	munmap(args, 4096);
}

TEST_F(channel, take_requires_read_access)
{
	struct lastline_take args;

	EXPECT_STREQ("", take(self->writer, 0, &args));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(channel, take_with_o_nonblock_or_zero_deadline_returns_eagain)
{
	struct lastline_take args;

	EXPECT_STREQ("", take(self->reader, LASTLINE_FOREVER, &args));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, args.taken.generation);
	EXPECT_EQ(0, args.left);
	set_blocking(self->reader, true);
	EXPECT_STREQ("", take(self->reader, 0, &args));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(channel, take_sleeps_until_deadline)
{
	__u64 deadline = ms_from_now(200);
	struct lastline_take args;

	set_blocking(self->reader, true);
	EXPECT_STREQ("", take(self->reader, deadline, &args));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_LE(deadline, now_ns(CLOCK_MONOTONIC));
	EXPECT_GT(deadline + TIMEOUT_MS * MS, now_ns(CLOCK_MONOTONIC));
	EXPECT_EQ(0, get_info(self->reader).sleepers);
	/* The deadline may be in the past. */
	EXPECT_STREQ("", take(self->reader, 1, &args));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_EQ(5, write_str(self->writer, "here\n"));
	EXPECT_STREQ("here\n", take(self->reader, 1, &args));
}

TEST_F_TIMEOUT(channel, write_wakes_take, WAKE_TIMEOUT)
{
	/* Later than the timeout of the test; the second one is later than any clock. */
	const __u64 deadlines[] = { ms_from_now(3 * TIMEOUT_MS), LASTLINE_FOREVER - 1,
				    LASTLINE_FOREVER };
	struct lastline_take args;
	unsigned int i;
	pid_t pid;

	set_blocking(self->reader, true);
	for (i = 0; i < ARRAY_SIZE(deadlines); i++) {
		/* The partial line makes the next write take the slow path. */
		EXPECT_EQ(4, write_str(self->writer, "half"));
		pid = write_when_asleep(self->writer, " way\n");
		EXPECT_STREQ("half way\n", take(self->reader, deadlines[i], &args));
		EXPECT_TRUE(child_succeeds(pid));
		EXPECT_EQ(0, get_info(self->reader).sleepers);
	}
}

TEST_F(channel, signal_interrupts_take)
{
	struct lastline_take args;

	set_blocking(self->reader, true);
	start_alarms(0);
	EXPECT_STREQ("", take(self->reader, LASTLINE_FOREVER, &args));
	EXPECT_EQ(EINTR, errno);
	EXPECT_EQ(0, args.taken.generation);
}

TEST_F(channel, restarted_take_keeps_its_deadline)
{
	__u64 deadline = ms_from_now(300);
	struct lastline_take args;

	set_blocking(self->reader, true);
	start_alarms(SA_RESTART);
	EXPECT_STREQ("", take(self->reader, deadline, &args));
	EXPECT_EQ(ETIMEDOUT, errno);
	EXPECT_LE(deadline, now_ns(CLOCK_MONOTONIC));
	EXPECT_GT(deadline + TIMEOUT_MS * MS, now_ns(CLOCK_MONOTONIC));
}

struct taker {
	struct call call;
	__u64 base;	/* generation before the first line */
	int wrong;	/* number of lines with a wrong generation */
	int lines;
};

static ssize_t take_until_stop(struct call *call)
{
	struct taker *taker = (struct taker *)call;
	struct lastline_take args;
	const char *line;

	while (strcmp(line = take(call->fd, LASTLINE_FOREVER, &args), "stop\n")) {
		taker->lines++;
		taker->wrong += args.taken.generation - taker->base != strtoull(line, NULL, 10);
	}
	return 0;
}

TEST_F(channel, threads_sharing_open_file_get_metadata_of_their_line)
{
	struct taker takers[3];
	char line[32];
	int i, lines = 0;

	set_blocking(self->reader, true);
	for (i = 0; i < 3; i++) {
		takers[i] = (struct taker){
			.call = { .function = take_until_stop, .fd = self->reader },
			.base = self->generation,
		};
		ASSERT_TRUE(start_call(&takers[i].call));
	}
	for (i = 1; i <= 20000; i++) {
		sprintf(line, "%d\n", i);
		ASSERT_LT(0, write_str(self->writer, line));
	}
	for (i = 0; i < 3; i++) {
		do {
			ASSERT_EQ(5, write_str(self->writer, "stop\n"));
		} while (!returns_within(&takers[i].call, 10));
		EXPECT_EQ(0, takers[i].wrong);
		lines += takers[i].lines;
	}
	EXPECT_LT(0, lines);
}

TEST(ioctl_structures_have_same_layout_on_32_and_64_bit)
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
