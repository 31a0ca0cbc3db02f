// SPDX-License-Identifier: GPL-2.0-only
/* read(2), lseek(2) and splice(2) from a channel; INFO, TAKEN, sysfs and fdinfo */
#include <sys/sendfile.h>

#include "clock.h"
#include "lastline_test.h"

#define MS	1000000ULL	/* nanoseconds */
#define BYTES	4000		/* read by two threads together */

static bool start_reading(struct call *call, int fd, unsigned int sleepers)
{
	*call = (struct call){ .function = call_read, .fd = fd };
	return start_call(call) && wait_for_sleepers(fd, sleepers);
}

/* Starts a thread that reads from @fd, and waits until @count threads sleep. */
#define START_READ(call, fd, count)	ASSERT_TRUE(start_reading(call, fd, count))

/* Returns the line that the thread reads, for EXPECT_STREQ(). */
static const char *wait_for_line(struct call *call)
{
	return returns_within(call, TIMEOUT_MS) ? call->line : "timeout";
}

TEST_F(channel, read_returns_newest_line_to_each_open_file)
{
	int other;

	EXPECT_EQ(4, write_str(self->writer, "one\n"));
	EXPECT_EQ(6, write_str(self->writer, "three\n"));
	other = open_channel(O_RDONLY | O_NONBLOCK);
	EXPECT_LATEST("three\n");
	/* A new open file has missed nothing. */
	EXPECT_STREQ("three\n", read_str(other));
	EXPECT_TRUE(nothing_to_read(other));
	EXPECT_EQ(0, get_taken(other).missed);
	EXPECT_EQ(self->generation + 2, get_taken(other).generation);
	close(other);
}

TEST_F(channel, nonblocking_read_without_unseen_line_returns_eagain)
{
	char c;

	EXPECT_ERRNO(EAGAIN, read(self->reader, &c, 1));
	set_blocking(self->reader, true);
	EXPECT_ERRNO(EAGAIN, read_nowait(self->reader, &c, 1));
	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_EQ(1, read_nowait(self->reader, &c, 1));
	EXPECT_EQ('x', c);
}

TEST_F(channel, read_sleeps_until_line_is_complete)
{
	struct call call;

	set_blocking(self->reader, true);
	START_READ(&call, self->reader, 1);
	EXPECT_EQ(4, write_str(self->writer, "half"));
	EXPECT_FALSE(returns_within(&call, NO_EVENT_MS));
	EXPECT_EQ(0, fsync(self->writer));
	EXPECT_STREQ("half\n", wait_for_line(&call));
	START_READ(&call, self->reader, 1);
	EXPECT_EQ(5, write_str(self->writer, "wake\n"));
	EXPECT_STREQ("wake\n", wait_for_line(&call));
	EXPECT_EQ(0, get_info(self->writer).sleepers);
}

TEST_F(channel, write_wakes_all_sleeping_readers)
{
	struct call calls[20];
	int i;

	for (i = 0; i < 20; i++) {
		int fd = open_channel(O_RDONLY);

		ASSERT_EQ(0, lseek(fd, 0, SEEK_END));
		START_READ(&calls[i], fd, i + 1);
	}
	EXPECT_EQ(4, write_str(self->writer, "all\n"));
	for (i = 0; i < 20; i++) {
		EXPECT_STREQ("all\n", wait_for_line(&calls[i]));
		close(calls[i].fd);
	}
}

/* The close of the last writer publishes its partial line, but is not an end of file. */
TEST_F(channel, last_close_wakes_reader_only_if_it_publishes)
{
	struct pollfd pfd = { .fd = self->reader, .events = POLLIN };
	struct call call;

	set_blocking(self->reader, true);
	START_READ(&call, self->reader, 1);
	close(self->writer);
	EXPECT_EQ(0, get_info(self->reader).writers);
	EXPECT_FALSE(returns_within(&call, NO_EVENT_MS));
	EXPECT_EQ(0, poll(&pfd, 1, 0));

	self->writer = open_channel(O_WRONLY);
	EXPECT_EQ(4, write_str(self->writer, "half"));
	close(self->writer);
	EXPECT_STREQ("half\n", wait_for_line(&call));
	self->writer = -1;
}

TEST_F(channel, signal_interrupts_or_restarts_sleeping_read)
{
	static const int flags[] = { 0, SA_RESTART };
	struct call call;
	unsigned int i;

	set_blocking(self->reader, true);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		catch_alarms(flags[i]);
		START_READ(&call, self->reader, 1);
		ASSERT_EQ(0, pthread_kill(call.thread, SIGALRM));
		if (flags[i] & SA_RESTART) {
			EXPECT_FALSE(returns_within(&call, NO_EVENT_MS));
			EXPECT_EQ(3, write_str(self->writer, "on\n"));
			EXPECT_STREQ("on\n", wait_for_line(&call));
		} else {
			ASSERT_TRUE(returns_within(&call, TIMEOUT_MS));
			EXPECT_EQ(-1, call.ret);
			EXPECT_EQ(EINTR, call.error);
		}
	}
}

TEST_F(channel, sleeping_read_can_be_killed)
{
	pid_t pid = fork();

	if (!pid) {
		set_blocking(self->reader, true);
		read_str(self->reader);
		_exit(0);
	}
	ASSERT_TRUE(wait_for_sleepers(self->writer, 1));
	kill(pid, SIGKILL);
	EXPECT_FALSE(child_succeeds(pid));
	EXPECT_EQ(0, get_info(self->writer).sleepers);
}

TEST_F(channel, short_read_keeps_rest_of_overwritten_line)
{
	char buf[8] = "";
	int i;

	EXPECT_EQ(7, write_str(self->writer, "abcdef\n"));
	EXPECT_EQ(2, read(self->reader, buf, 2));
	EXPECT_STREQ("ab", buf);
	/* Overwrite each slot. */
	for (i = 0; i < 10; i++)
		EXPECT_EQ(2, write_str(self->writer, "#\n"));
	EXPECT_EQ(3, read(self->reader, buf, 3));
	EXPECT_STREQ("cde", buf);
	EXPECT_EQ(6, write_str(self->writer, "newer\n"));
	EXPECT_STREQ("f\n", read_str(self->reader));
	EXPECT_LATEST("newer\n");
}

TEST_F(channel, short_read_does_not_write_past_its_buffer)
{
	EXPECT_EQ(4, write_str(self->writer, "one\n"));
	EXPECT_EQ(3, read(self->reader, self->buf, 3));
	EXPECT_EQ(0, memcmp("onex", self->buf, 4));
	EXPECT_LATEST("\n");
}

TEST_F(channel, read_to_bad_address_returns_efault_and_consumes_nothing)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *buf = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char c;

	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_EQ(0, munmap(buf + page, page));
	EXPECT_EQ(5, write_str(self->writer, "line\n"));
	EXPECT_ERRNO(EFAULT, read(self->reader, bad_address(), 10));
	EXPECT_ERRNO(EFAULT, read(self->reader, buf + page - 2, 10));
	EXPECT_EQ(0, get_taken(self->reader).generation);
	/* The rest of a line is not consumed either. */
	EXPECT_EQ(1, read(self->reader, &c, 1));
	EXPECT_ERRNO(EFAULT, read(self->reader, bad_address(), 10));
	EXPECT_ERRNO(EFAULT, read(self->reader, buf + page - 2, 10));
	EXPECT_LATEST("ine\n");
	/* Only the bytes that the line needs must be mapped. */
	EXPECT_EQ(5, write_str(self->writer, "line\n"));
	EXPECT_EQ(5, read(self->reader, buf + page - 5, 10));
	munmap(buf, page);
}

TEST_F(channel, read_of_zero_bytes_does_not_sleep_and_consumes_nothing)
{
	char c;

	set_blocking(self->reader, true);
	EXPECT_EQ(0, read(self->reader, &c, 0));
	EXPECT_EQ(5, write_str(self->writer, "line\n"));
	EXPECT_EQ(0, read(self->reader, bad_address(), 0));
	set_blocking(self->reader, false);
	EXPECT_LATEST("line\n");
}

TEST_F(channel, pread_returns_espipe_and_consumes_nothing)
{
	char c;

	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_ERRNO(ESPIPE, pread(self->reader, &c, 1, 0));
	EXPECT_LATEST("x\n");
}

TEST_F(channel, read_requires_read_access)
{
	char c;

	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_ERRNO(EBADF, read(self->writer, &c, 1));
}

static atomic_uint bytes_read;

static void *read_bytes(void *fd)
{
	char c;

	while (bytes_read <= BYTES && read(*(int *)fd, &c, 1) == 1)
		bytes_read++;
	return NULL;
}

static bool wait_for_bytes(unsigned int count)
{
	const __u64 start = now_ns(CLOCK_MONOTONIC);

	while (bytes_read < count && now_ns(CLOCK_MONOTONIC) - start < TIMEOUT_MS * MS)
		sched_yield();
	return bytes_read >= count;
}

/* A thread that slept would not be woken for the rest that another thread leaves. */
TEST_F(channel, read_does_not_sleep_while_another_thread_leaves_rest)
{
	int fd = open_channel(O_RDONLY);
	pthread_t thread;
	unsigned int i;
	char c;

	lseek(fd, 0, SEEK_END);
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_bytes, &fd));
	for (i = 2; i <= BYTES; i += 2) {
		ASSERT_EQ(2, write_str(self->writer, "x\n"));
		bytes_read += read_nowait(fd, &c, 1) == 1;
		ASSERT_TRUE(wait_for_bytes(i));
	}
	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	pthread_join(thread, NULL);
	close(fd);
}

TEST_F(channel, sleeping_read_does_not_block_calls_on_same_open_file)
{
	struct call call;
	char c;

	set_blocking(self->reader, true);
	START_READ(&call, self->reader, 1);
	EXPECT_ERRNO(EAGAIN, read_nowait(self->reader, &c, 1));
	set_blocking(self->reader, false);
	EXPECT_ERRNO(EAGAIN, read(self->reader, &c, 1));
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_END));
	EXPECT_FALSE(readable_within(self->reader, 0));
	EXPECT_EQ(1, get_info(self->reader).sleepers);
	EXPECT_EQ(0, get_taken(self->reader).generation);
	EXPECT_EQ(0, fsync(self->reader));
	EXPECT_EQ(5, write_str(self->writer, "wake\n"));
	EXPECT_STREQ("wake\n", wait_for_line(&call));
}

TEST_F(channel, lseek_set_makes_current_line_unseen_and_wakes_reader)
{
	struct call call;
	char c;

	EXPECT_EQ(5, write_str(self->writer, "line\n"));
	EXPECT_LATEST("line\n");
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_EQ(1, read(self->reader, &c, 1));
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_LATEST("line\n");
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_EQ(4, write_str(self->writer, "new\n"));
	EXPECT_LATEST("new\n");

	set_blocking(self->reader, true);
	START_READ(&call, self->reader, 1);
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_STREQ("new\n", wait_for_line(&call));
}

TEST_F(channel, info_and_sysfs_report_generation_limits_and_open_files)
{
	struct lastline_info before = get_info(self->reader);
	int both = open_channel(O_RDWR);
	struct lastline_info after;

	memset(&after, 0xff, sizeof(after));
	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_EQ(0, ioctl(self->reader, LASTLINE_IOC_INFO, &after));
	EXPECT_EQ(before.generation + 1, after.generation);
	EXPECT_LE(LASTLINE_LINE_MAX_MIN, after.line_max);
	EXPECT_GE(LASTLINE_LINE_MAX_MAX, after.line_max);
	EXPECT_EQ(before.readers + 1, after.readers);
	EXPECT_EQ(before.writers + 1, after.writers);
	EXPECT_EQ(0, after.sleepers);
	EXPECT_LE(4 * after.line_max, after.map_size);
	EXPECT_EQ(0, after.map_size % sysconf(_SC_PAGESIZE));
	EXPECT_EQ(LASTLINE_MODE_LINE, after.mode);
	EXPECT_EQ(0, after.reserved);
	EXPECT_EQ(after.generation, atoll(read_attribute(after.number, "generation")));
	EXPECT_EQ(after.monotonic_ns, atoll(read_attribute(after.number, "monotonic_ns")));
	EXPECT_EQ(after.line_max, atoll(read_attribute(after.number, "line_max")));
	EXPECT_EQ(after.readers, atoll(read_attribute(after.number, "readers")));
	EXPECT_EQ(after.writers, atoll(read_attribute(after.number, "writers")));
	close(both);
	EXPECT_EQ(before.readers, get_info(self->writer).readers);
	EXPECT_EQ(before.writers, get_info(self->writer).writers);
	EXPECT_EQ(before.writers, atoll(read_attribute(after.number, "writers")));
}

TEST_F(channel, info_reports_time_of_publication)
{
	const __u64 monotonic = now_ns(CLOCK_MONOTONIC), realtime = now_ns(CLOCK_REALTIME);
	struct lastline_info info;

	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	info = get_info(self->reader);
	EXPECT_LE(monotonic, info.monotonic_ns);
	EXPECT_GE(now_ns(CLOCK_MONOTONIC), info.monotonic_ns);
	/* NTP may have slewed the clocks slightly apart. */
	EXPECT_LE(realtime - MS, info.realtime_ns);
	EXPECT_GE(now_ns(CLOCK_REALTIME) + MS, info.realtime_ns);
}

TEST_F(channel, taken_reports_last_line_read_from_this_file)
{
	struct lastline_taken taken;
	struct lastline_info info;

	memset(&taken, 0xff, sizeof(taken));
	EXPECT_EQ(0, ioctl(self->reader, LASTLINE_IOC_TAKEN, &taken));
	EXPECT_EQ(0, taken.generation | taken.monotonic_ns | taken.realtime_ns);

	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_LATEST("x\n");
	info = get_info(self->reader);
	EXPECT_EQ(2, write_str(self->writer, "y\n"));
	memset(&taken, 0xff, sizeof(taken));
	EXPECT_EQ(0, ioctl(self->reader, LASTLINE_IOC_TAKEN, &taken));
	EXPECT_EQ(info.generation, taken.generation);
	EXPECT_EQ(info.monotonic_ns, taken.monotonic_ns);
	EXPECT_LE(info.realtime_ns - MS, taken.realtime_ns);
	EXPECT_GE(info.realtime_ns + MS, taken.realtime_ns);
	EXPECT_EQ(0, taken.reserved[0] | taken.reserved[1] | taken.reserved[2]);
}

/* Writes @count lines, and reads the last one. */
static bool write_and_read(int writer, int reader, int count)
{
	for (; count; count--) {
		if (write_str(writer, "x\n") != 2)
			return false;
	}
	return !strcmp("x\n", read_str(reader));
}

#define WRITE_AND_READ(count)	ASSERT_TRUE(write_and_read(self->writer, self->reader, count))

/* The reader has missed @total lines, @last of them before the line that it read last. */
#define EXPECT_MISSED(total, last)					\
do {									\
	EXPECT_EQ(total, get_taken(self->reader).missed);		\
	EXPECT_EQ(last, get_taken(self->reader).missed_last);		\
} while (0)

TEST_F(channel, taken_counts_missed_lines)
{
	WRITE_AND_READ(5);
	EXPECT_MISSED(4, 4);
	WRITE_AND_READ(1);
	EXPECT_MISSED(4, 0);
	/* Lines count as missed only when a newer one is read. */
	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_MISSED(4, 0);
	WRITE_AND_READ(1);
	EXPECT_MISSED(6, 2);
	/* Lines that are read again or skipped with lseek() are not missed. */
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_LATEST("x\n");
	EXPECT_MISSED(6, 0);
	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_END));
	WRITE_AND_READ(1);
	EXPECT_MISSED(6, 0);
}

/* Returns a number from /proc/self/fdinfo, or -1. */
static long long fdinfo_number(int fd, const char *name)
{
	char path[32], text[512] = "";
	const char *found;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	found = read(info, text, sizeof(text) - 1) > 0 ? strstr(text, name) : NULL;
	close(info);
	return found ? atoll(found + strlen(name)) : -1;
}

TEST_F(channel, fdinfo_reports_last_line_missed_lines_and_partial_line)
{
	EXPECT_EQ(0, fdinfo_number(self->reader, "lastline-taken:"));
	WRITE_AND_READ(3);
	EXPECT_MISSED(2, 2);
	EXPECT_EQ(4, write_str(self->writer, "y\nun"));
	EXPECT_EQ(self->generation + 4, fdinfo_number(self->reader, "lastline-generation:"));
	EXPECT_EQ(self->generation + 3, fdinfo_number(self->reader, "lastline-taken:"));
	EXPECT_EQ(2, fdinfo_number(self->reader, "lastline-missed:"));
	EXPECT_EQ(0, fdinfo_number(self->reader, "lastline-unfinished:"));
	EXPECT_EQ(0, fdinfo_number(self->writer, "lastline-taken:"));
	EXPECT_EQ(2, fdinfo_number(self->writer, "lastline-unfinished:"));
}

/* A splice that sleeps for a line would keep the pipe locked. */
TEST_F(channel, splice_and_sendfile_from_channel_return_einval)
{
	FILE *file = tmpfile();
	int ends[2];

	ASSERT_NE(NULL, file);
	ASSERT_EQ(0, pipe(ends));
	set_blocking(self->reader, true);
	EXPECT_ERRNO(EINVAL, splice(self->reader, NULL, ends[1], NULL, 4096, 0));
	EXPECT_EQ(5, write_str(self->writer, "line\n"));
	EXPECT_ERRNO(EINVAL, tee(self->reader, ends[1], 4096, 0));
	EXPECT_ERRNO(EINVAL, splice(self->reader, NULL, ends[1], NULL, 4096, SPLICE_F_NONBLOCK));
	EXPECT_ERRNO(EINVAL, sendfile(ends[1], self->reader, NULL, 5));
	EXPECT_ERRNO(EINVAL, sendfile(fileno(file), self->reader, NULL, 5));
	set_blocking(self->reader, false);
	EXPECT_LATEST("line\n");
	close(ends[0]);
	close(ends[1]);
	fclose(file);
}

TEST_HARNESS_MAIN
