// SPDX-License-Identifier: GPL-2.0-only
/* lseek(2), ioctl(2), splice(2), and the attributes in sysfs */
#include <sys/sendfile.h>
#include <sys/utsname.h>

#include "clock.h"
#include "lastline_test.h"

TEST_F(channel, lseek_set_reads_the_current_line_again)
{
	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_LATEST("line\n");
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_LATEST("line\n");
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_EQ(4, put(self->writer, "new\n"));
	EXPECT_LATEST("new\n");
}

TEST_F(channel, lseek_end_skips_to_the_next_line)
{
	EXPECT_EQ(4, put(self->writer, "old\n"));
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_END));
	EXPECT_STREQ("", get(self->reader));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(4, put(self->writer, "new\n"));
	EXPECT_LATEST("new\n");
}

TEST_F(channel, lseek_drops_the_remainder)
{
	char c;

	EXPECT_EQ(4, put(self->writer, "abc\n"));
	EXPECT_EQ(1, read(self->reader, &c, 1));
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_LATEST("abc\n");
	EXPECT_EQ(4, put(self->writer, "def\n"));
	EXPECT_EQ(1, read(self->reader, &c, 1));
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_END));
	EXPECT_STREQ("", get(self->reader));
}

TEST_F(channel, lseek_cur_is_espipe_and_anything_else_einval)
{
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(-1, lseek(self->reader, 0, SEEK_CUR));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, lseek(self->reader, 5, SEEK_CUR));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, lseek(self->reader, 1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->reader, -1, SEEK_END));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->reader, 0, SEEK_DATA));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->reader, 0, 77));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_LATEST("x\n");
}

TEST_F(channel, fionread_is_what_a_read_would_get)
{
	int bytes = -1;
	char c;

	EXPECT_EQ(0, ioctl(self->reader, FIONREAD, &bytes));
	EXPECT_EQ(0, bytes);
	EXPECT_EQ(13, put(self->writer, "hello, world\n"));
	EXPECT_EQ(0, ioctl(self->reader, FIONREAD, &bytes));
	EXPECT_EQ(13, bytes);
	EXPECT_EQ(1, read(self->reader, &c, 1));
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(0, ioctl(self->reader, FIONREAD, &bytes));
	EXPECT_EQ(12, bytes);
	EXPECT_STREQ("ello, world\n", get(self->reader));
	EXPECT_EQ(0, ioctl(self->reader, FIONREAD, &bytes));
	EXPECT_EQ(2, bytes);
	EXPECT_EQ(-1, ioctl(self->reader, FIONREAD, bad_address()));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(channel, info_tells_generation_limit_and_files)
{
	struct lastline_info before = info_of(self->reader);
	int both = open_channel(O_RDWR);
	struct lastline_info after;

	memset(&after, 0xff, sizeof(after));
	EXPECT_EQ(2, put(self->writer, "x\n"));
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
	EXPECT_EQ(0, after.spare);
	close(both);
	EXPECT_EQ(before.readers, info_of(self->writer).readers);
	EXPECT_EQ(before.writers, info_of(self->writer).writers);
}

TEST_F(channel, info_tells_when_the_latest_line_was_published)
{
	__u64 monotonic = now_ns(CLOCK_MONOTONIC);
	__u64 realtime = now_ns(CLOCK_REALTIME);
	struct lastline_info info;

	EXPECT_EQ(2, put(self->writer, "x\n"));
	info = info_of(self->reader);
	EXPECT_LE(monotonic, info.monotonic_ns);
	EXPECT_GE(now_ns(CLOCK_MONOTONIC), info.monotonic_ns);
	/* The two clocks may be slewed apart a little meanwhile. */
	EXPECT_LE(realtime - 1000000, info.realtime_ns);
	EXPECT_GE(now_ns(CLOCK_REALTIME) + 1000000, info.realtime_ns);
	pause_ms(10);
	EXPECT_EQ(info.monotonic_ns, info_of(self->reader).monotonic_ns);
}

TEST_F(channel, taken_tells_of_the_line_that_this_file_took_last)
{
	struct lastline_taken taken;
	struct lastline_info info;

	memset(&taken, 0xff, sizeof(taken));
	EXPECT_EQ(0, ioctl(self->reader, LASTLINE_IOC_TAKEN, &taken));
	EXPECT_EQ(0, taken.generation);
	EXPECT_EQ(0, taken.monotonic_ns);
	EXPECT_EQ(0, taken.realtime_ns);

	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_LATEST("x\n");
	info = info_of(self->reader);
	EXPECT_EQ(2, put(self->writer, "y\n"));
	memset(&taken, 0xff, sizeof(taken));
	EXPECT_EQ(0, ioctl(self->reader, LASTLINE_IOC_TAKEN, &taken));
	EXPECT_EQ(info.generation, taken.generation);
	EXPECT_EQ(info.monotonic_ns, taken.monotonic_ns);
	EXPECT_LE(info.realtime_ns - 1000000, taken.realtime_ns);
	EXPECT_GE(info.realtime_ns + 1000000, taken.realtime_ns);
	EXPECT_EQ(0, taken.spare[0] | taken.spare[1] | taken.spare[2]);
}

TEST_F(channel, taken_counts_missed_publications)
{
	int i;

	for (i = 0; i < 5; i++)
		EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_LATEST("x\n");
	EXPECT_EQ(4, taken_of(self->reader).missed);
	EXPECT_EQ(4, taken_of(self->reader).missed_last);
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_LATEST("x\n");
	EXPECT_EQ(4, taken_of(self->reader).missed);
	EXPECT_EQ(0, taken_of(self->reader).missed_last);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(2, put(self->writer, "x\n"));
	/* A publication counts as missed when a newer one is taken. */
	EXPECT_EQ(4, taken_of(self->reader).missed);
	EXPECT_LATEST("x\n");
	EXPECT_EQ(6, taken_of(self->reader).missed);
	EXPECT_EQ(2, taken_of(self->reader).missed_last);
	/* Reading it again, or skipping, misses nothing. */
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_LATEST("x\n");
	EXPECT_EQ(6, taken_of(self->reader).missed);
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_END));
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_LATEST("x\n");
	EXPECT_EQ(6, taken_of(self->reader).missed);
}

TEST_F(channel, a_fresh_open_file_has_missed_nothing)
{
	int fresh;

	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(2, put(self->writer, "x\n"));
	fresh = open_channel(O_RDONLY);
	EXPECT_STREQ("x\n", get(fresh));
	EXPECT_EQ(0, taken_of(fresh).missed);
	EXPECT_EQ(self->generation + 2, taken_of(fresh).generation);
	close(fresh);
}

TEST_F(channel, an_unknown_ioctl_is_enotty_and_a_bad_address_efault)
{
	EXPECT_EQ(-1, ioctl(self->reader, _IO(LASTLINE_IOC_MAGIC, 0x7f), NULL));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->reader, TIOCGWINSZ, bad_address()));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->reader, LASTLINE_IOC_INFO, bad_address()));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->reader, LASTLINE_IOC_TAKEN, bad_address()));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(channel, ioctl_structures_do_not_depend_on_the_word_size)
{
	EXPECT_EQ(64, sizeof(struct lastline_info));
	EXPECT_EQ(64, sizeof(struct lastline_taken));
	EXPECT_EQ(0x8040be00, LASTLINE_IOC_INFO);
	EXPECT_EQ(0x8040be01, LASTLINE_IOC_TAKEN);
}

TEST_F(channel, splice_moves_a_line_into_a_pipe)
{
	char buf[16];
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_EQ(5, splice(self->reader, NULL, ends[1], NULL, 4096, 0));
	EXPECT_EQ(5, read(ends[0], buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp("line\n", buf, 5));
	EXPECT_EQ(-1, splice(self->reader, NULL, ends[1], NULL, 4096, 0));
	EXPECT_EQ(EAGAIN, errno);
	/* A short one leaves a remainder, as read() does. */
	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_EQ(2, splice(self->reader, NULL, ends[1], NULL, 2, 0));
	EXPECT_LATEST("ne\n");
	close(ends[0]);
	close(ends[1]);
}

TEST_F(channel, splice_publishes_what_is_in_a_pipe)
{
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	EXPECT_EQ(12, put(ends[1], "one\ntwo\nhalf"));
	EXPECT_EQ(12, splice(ends[0], NULL, self->writer, NULL, 4096, 0));
	EXPECT_LATEST("two\n");
	EXPECT_EQ(1, put(ends[1], "\n"));
	EXPECT_EQ(1, splice(ends[0], NULL, self->writer, NULL, 4096, 0));
	EXPECT_LATEST("half\n");
	close(ends[0]);
	close(ends[1]);
}

/* Linux before 6.0 sent from no character device, whichever it is. */
static bool is_before_6(void)
{
	struct utsname name;

	return !uname(&name) && atoi(name.release) < 6;
}

TEST_F(channel, sendfile_copies_a_line_out)
{
	char buf[16] = "";
	FILE *file = tmpfile();
	ssize_t sent;
	int fd;

	ASSERT_NE(NULL, file);
	fd = fileno(file);
	EXPECT_EQ(5, put(self->writer, "line\n"));
	sent = sendfile(fd, self->reader, NULL, 5);
	if (sent == -1 && errno == EINVAL && is_before_6())
		SKIP(return, "this kernel does not send from devices (it came with 6.0)");
	EXPECT_EQ(5, sent);
	EXPECT_EQ(5, pread(fd, buf, sizeof(buf), 0));
	EXPECT_STREQ("line\n", buf);
	fclose(file);
}

TEST_F(channel, sendfile_copies_a_line_in)
{
	FILE *file = tmpfile();

	ASSERT_NE(NULL, file);
	EXPECT_EQ(5, pwrite(fileno(file), "line\n", 5, 0));
	EXPECT_EQ(5, sendfile(self->writer, fileno(file), NULL, 5));
	EXPECT_LATEST("line\n");
	EXPECT_EQ(1, PUBLISHED());
	fclose(file);
}

/* Opens an attribute of the channel in sysfs. */
static int open_attribute(const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (stat(dev_path(), &st))
		return -1;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s",
		 major(st.st_rdev), minor(st.st_rdev), name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static long long attribute(const char *name)
{
	char text[32] = "";
	int fd = open_attribute(name);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	close(fd);
	return len > 1 && text[len - 1] == '\n' ? atoll(text) : -1;
}

TEST_F(channel, sysfs_tells_generation_line_max_readers_and_writers)
{
	int i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(self->generation + 3, attribute("generation"));
	EXPECT_EQ(info_of(self->reader).monotonic_ns, attribute("monotonic_ns"));
	EXPECT_EQ(self->line_max, attribute("line_max"));
	EXPECT_EQ(info_of(self->reader).readers, attribute("readers"));
	EXPECT_EQ(info_of(self->reader).writers, attribute("writers"));
	close(self->writer);
	EXPECT_EQ(info_of(self->reader).writers, attribute("writers"));
	self->writer = -1;
}

/* A number of what /proc says of an open file, or -1. */
static long long fdinfo_number(int fd, const char *name)
{
	long long value = -1;
	char path[32], line[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = atoll(line + strlen(name) + 1);
	}
	fclose(file);
	return value;
}

TEST_F(channel, fdinfo_tells_what_an_open_file_took_missed_and_left_unfinished)
{
	int i;

	EXPECT_EQ(0, fdinfo_number(self->reader, "lastline-taken"));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_LATEST("x\n");
	EXPECT_EQ(4, put(self->writer, "y\nun"));
	EXPECT_EQ(self->generation + 4, fdinfo_number(self->reader, "lastline-generation"));
	EXPECT_EQ(self->generation + 3, fdinfo_number(self->reader, "lastline-taken"));
	EXPECT_EQ(2, fdinfo_number(self->reader, "lastline-missed"));
	EXPECT_EQ(0, fdinfo_number(self->reader, "lastline-unfinished"));
	EXPECT_EQ(0, fdinfo_number(self->writer, "lastline-taken"));
	EXPECT_EQ(2, fdinfo_number(self->writer, "lastline-unfinished"));
}

TEST_F(channel, a_writer_can_poll_sysfs_until_somebody_listens)
{
	struct pollfd pfd = { .fd = open_attribute("readers"), .events = POLLPRI };
	char text[32];
	pid_t pid;

	ASSERT_LE(0, pfd.fd);
	close(self->reader);
	/* A first read arms it. */
	ASSERT_LT(0, pread(pfd.fd, text, sizeof(text), 0));
	EXPECT_EQ(0, poll(&pfd, 1, PAUSE_MS));
	pid = fork();
	if (!pid) {
		pause_ms(PAUSE_MS);
		open_channel(O_RDONLY);
		pause_ms(PATIENCE_MS);
		_exit(0);
	}
	EXPECT_EQ(1, poll(&pfd, 1, PATIENCE_MS));
	EXPECT_TRUE(pfd.revents & POLLPRI);
	ASSERT_LT(0, pread(pfd.fd, text, sizeof(text), 0));
	EXPECT_EQ(info_of(self->writer).readers, atoi(text));
	EXPECT_LE(1, atoi(text));
	/* And when it leaves. */
	kill(pid, SIGKILL);
	EXPECT_EQ(1, poll(&pfd, 1, PATIENCE_MS));
	waitpid(pid, NULL, 0);
	close(pfd.fd);
	self->reader = -1;
}

TEST_HARNESS_MAIN
