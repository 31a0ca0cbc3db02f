// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation and each copy from or to user space fails once, in every call that
 * the device knows: the error is clean, and nothing has changed.
 *
 * Needs a kernel with fault injection, which lets the Nth of them fail; see
 * tests/vm/kernels/kasan.config.
 */
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "lastline_test.h"

#define CONTROL		"/dev/lastline-control"
#define NUMBER		(LASTLINE_CHANNELS_MAX - 1)
#define NTH_MAX		5000	/* no call has as many points that can fail */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0) {
		put(fd, text);
		close(fd);
	}
}

/* Also what may wait, pages one by one, and without a word. */
static void let_all_fail(void)
{
	write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/failslab/verbose", "0");
	write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	write_file("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	write_file("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

FIXTURE(inject)
{
	int nth;	/* what lets things fail */
	int control;
	int writer;
	int reader;
	int failures;	/* of calls, so far */
	int points;	/* where something failed, so far */
};

FIXTURE_SETUP(inject)
{
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (self->nth < 0)
		SKIP(return, "this kernel lets nothing fail (CONFIG_FAULT_INJECTION)");
	self->control = open(CONTROL, O_RDWR);
	self->writer = open_channel(O_WRONLY);
	if (self->writer < 0 || self->control < 0)
		SKIP(return, "no %s here; load the module", dev_path());
	self->reader = open_channel(O_RDONLY | O_NONBLOCK);
	let_all_fail();
	EXPECT_EQ(5, put(self->writer, "kept\n"));
}

FIXTURE_TEARDOWN(inject)
{
	TH_LOG("%d points failed, %d of the calls with them", self->points, self->failures);
	close(self->nth);
	close(self->control);
	close(self->writer);
	close(self->reader);
}

static void arm(int nth, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	pwrite(nth, text, strlen(text), 0);
}

/* Did the Nth point come? This call has such a point of its own. */
static bool has_failed(int nth)
{
	char text[16] = "";
	bool failed = pread(nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	arm(nth, 0);
	return failed;
}

/*
 * Calls @call with its first point failing, its second, and so on; then @check with
 * what it returned.
 */
#define AT_EACH_POINT(call, check) do {							\
	int n, ret, error;								\
											\
	for (n = 1; n < NTH_MAX; n++) {							\
		arm(self->nth, n);							\
		ret = (call);								\
		error = errno;								\
		if (!has_failed(self->nth))						\
			break;								\
		self->points++;								\
		if (ret < 0) {								\
			self->failures++;						\
			ASSERT_TRUE(error == ENOMEM || error == EFAULT) {		\
				TH_LOG("point %d: %s", n, strerror(error));		\
			}								\
		}									\
		check;									\
	}										\
	ASSERT_GT(NTH_MAX, n);								\
} while (0)

/* The line of the set-up is still the latest one, whole. */
#define EXPECT_KEPT() do {								\
	lseek(self->reader, 0, SEEK_SET);						\
	ASSERT_STREQ("kept\n", get(self->reader));					\
} while (0)

static int open_and_close(void)
{
	int fd = open_channel(O_RDWR);

	return fd < 0 ? -1 : close(fd);
}

TEST_F(inject, open)
{
	unsigned int readers = info_of(self->reader).readers;

	AT_EACH_POINT(open_and_close(), {
		EXPECT_EQ(readers, info_of(self->reader).readers);
		EXPECT_KEPT();
	});
	EXPECT_LT(0, self->failures);
}

TEST_F(inject, write)
{
	/* Words are copied where nothing lets them fail; fault_test has the pages for that. */
	AT_EACH_POINT(put(self->writer, "kept\n"), EXPECT_KEPT());
}

TEST_F(inject, writev)
{
	struct iovec parts[2] = { { "ke", 2 }, { "pt\n", 3 } };

	AT_EACH_POINT(writev(self->writer, parts, 2), EXPECT_KEPT());
	EXPECT_LT(0, self->failures);
}

TEST_F(inject, write_of_half_a_line_and_of_the_other_half)
{
	AT_EACH_POINT(put(self->writer, "ke"), {
		EXPECT_KEPT();
		/* Of what failed nothing was kept. */
		if (ret < 0)
			ASSERT_EQ(2, put(self->writer, "ke"));
		ASSERT_EQ(3, put(self->writer, "pt\n"));
		EXPECT_KEPT();
	});
	EXPECT_LT(0, self->failures);
	/* The last one did not fail: half a line is there. */
	AT_EACH_POINT(put(self->writer, "pt\n"), {
		EXPECT_KEPT();
		if (ret >= 0)
			ASSERT_EQ(2, put(self->writer, "ke"));
	});
}

TEST_F(inject, fsync)
{
	AT_EACH_POINT(fsync(self->writer), EXPECT_KEPT());
}

TEST_F(inject, read)
{
	char line[16];

	lseek(self->reader, 0, SEEK_SET);
	AT_EACH_POINT(read(self->reader, line, sizeof(line)), {
		if (ret < 0)
			ASSERT_STREQ("kept\n", get(self->reader));
		lseek(self->reader, 0, SEEK_SET);
	});
}

TEST_F(inject, read_of_a_part_of_a_line)
{
	char c;

	lseek(self->reader, 0, SEEK_SET);
	AT_EACH_POINT(read(self->reader, &c, 1), {
		ASSERT_STREQ(ret < 0 ? "kept\n" : "ept\n", get(self->reader));
		lseek(self->reader, 0, SEEK_SET);
	});
	EXPECT_LT(0, self->failures);
}

TEST_F(inject, readv)
{
	char line[16];
	struct iovec parts[2] = { { line, 2 }, { line + 2, 14 } };

	lseek(self->reader, 0, SEEK_SET);
	AT_EACH_POINT(readv(self->reader, parts, 2), {
		if (ret < 0)
			ASSERT_STREQ("kept\n", get(self->reader));
		lseek(self->reader, 0, SEEK_SET);
	});
	EXPECT_LT(0, self->failures);
}

static int map_and_unmap(int fd, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -1;
	munmap(map, size);
	return 0;
}

TEST_F(inject, mmap)
{
	size_t size = info_of(self->reader).map_size;

	AT_EACH_POINT(map_and_unmap(self->reader, size), EXPECT_KEPT());
	EXPECT_LT(0, self->failures);
}

static int watch(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ret, epoll = epoll_create1(0);

	if (epoll < 0)
		return -1;
	ret = epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	close(epoll);
	return ret;
}

TEST_F(inject, epoll)
{
	AT_EACH_POINT(watch(self->reader), EXPECT_KEPT());
	EXPECT_LT(0, self->failures);
}

static int set_async(int fd)
{
	int ret = fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	return ret;
}

TEST_F(inject, fasync)
{
	AT_EACH_POINT(set_async(self->reader), EXPECT_KEPT());
	EXPECT_LT(0, self->failures);
}

TEST_F(inject, ioctl)
{
	struct lastline_info info;
	struct lastline_taken taken;

	AT_EACH_POINT(ioctl(self->reader, LASTLINE_IOC_INFO, &info), EXPECT_KEPT());
	AT_EACH_POINT(ioctl(self->reader, LASTLINE_IOC_TAKEN, &taken), EXPECT_KEPT());
	EXPECT_LT(0, self->failures);
	AT_EACH_POINT(ioctl(self->reader, FIONREAD, &ret), EXPECT_KEPT());
}

static int add(int control)
{
	struct lastline_add add = {
		.number = NUMBER,
		.name = "inject",
		.permissions = 0600,
	};

	return ioctl(control, LASTLINE_CTL_ADD, &add);
}

static int find(int control)
{
	char name[LASTLINE_NAME_MAX] = "inject";

	return ioctl(control, LASTLINE_CTL_FIND, name);
}

/* A node, its directory in sysfs, a name: all of it or nothing. */
TEST_F(inject, add)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/lastline/lastline%d/name", NUMBER);
	AT_EACH_POINT(add(self->control), {
		ASSERT_EQ(ret < 0 ? -1 : NUMBER, find(self->control));
		ASSERT_EQ(ret < 0 ? -1 : 0, access(path, R_OK));
		if (ret >= 0)
			ASSERT_EQ(NUMBER, ioctl(self->control, LASTLINE_CTL_REMOVE, NUMBER));
	});
	EXPECT_LT(0, self->failures);
	ioctl(self->control, LASTLINE_CTL_REMOVE, NUMBER);
}

TEST_F(inject, remove)
{
	ASSERT_EQ(NUMBER, add(self->control));
	AT_EACH_POINT(ioctl(self->control, LASTLINE_CTL_REMOVE, NUMBER), {
		ASSERT_EQ(NUMBER, ret);
		ASSERT_EQ(-1, find(self->control));
		ASSERT_EQ(NUMBER, add(self->control));
	});
	ioctl(self->control, LASTLINE_CTL_REMOVE, NUMBER);
}

TEST_HARNESS_MAIN
