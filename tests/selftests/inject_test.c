// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation and each copy from or to user space fails once, in every call that
 * the device knows, and while the module is loaded and unloaded: the error is clean,
 * and nothing has changed.
 *
 * Needs a kernel with fault injection, which lets the Nth of them fail; see
 * tests/vm/kernels/kasan.config. Loading needs the module as LASTLINE_KO.
 */
#include <sys/epoll.h>

#include "knobs.h"
#include "lastline_test.h"
#include "module.h"

#define CONTROL		"/dev/lastline-control"
#define NUMBER		(LASTLINE_CHANNELS_MAX - 1)
#define NTH_MAX		5000	/* no call has as many points that can fail */

/*
 * Now and then the kernel fills up its own stores on the way. Then the points move, and one
 * of ours is passed by; hardly each time.
 */
#define ROUNDS		5

/* Before any test: a fixture that skips would still have its test run. */
static void __attribute__((constructor)) skip_without_fault_injection(void)
{
	if (access("/proc/thread-self/fail-nth", W_OK)) {
		puts("TAP version 13\n"
		     "1..0 # SKIP this kernel lets nothing fail (CONFIG_FAULT_INJECTION)");
		exit(KSFT_SKIP);
	}
}

/* Also what may wait, pages one by one, and without a word. */
static void let_all_fail(void)
{
	knob_set("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	knob_set("/sys/kernel/debug/failslab/verbose", "0");
	knob_set("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	knob_set("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	knob_set("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	knob_set("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	knob_set("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

FIXTURE(inject)
{
	int nth;	/* what lets things fail */
	int control;
	int writer;
	int reader;
	int failures;	/* of calls, so far */
	int points;	/* where something failed, so far */
	bool quiet;
};

FIXTURE_SETUP(inject)
{
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR);
	self->control = open(CONTROL, O_RDWR);
	self->writer = open_channel(O_WRONLY);
	ASSERT_TRUE(self->writer >= 0 && self->control >= 0);
	self->reader = open_channel(O_RDONLY | O_NONBLOCK);
	let_all_fail();
	EXPECT_EQ(5, put(self->writer, "kept\n"));
}

FIXTURE_TEARDOWN(inject)
{
	TH_LOG("%d points failed, %d of the calls with them", self->points, self->failures);
	if (self->quiet)
		quieten_console(false);
	close(self->nth);
	close(self->control);
	close(self->writer);
	close(self->reader);
}

static void arm(int nth, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	/* To disarm may itself be the point that fails, and disarms so. */
	if (pwrite(nth, text, strlen(text), 0) < 0 && n)
		abort();
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
 * Calls @call with its point @first failing, the next one, and so on; then @check with
 * what it returned.
 */
#define AT_EACH_POINT_FROM(first, call, check) do {					\
	int n, ret, error;								\
											\
	for (n = first; n < NTH_MAX; n++) {						\
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

#define AT_EACH_POINT(call, check) AT_EACH_POINT_FROM(1, call, check)

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

/* Words are copied where nothing lets them fail; fault_test has the pages for that. */
TEST_F(inject, a_line_is_written_and_read_without_anything_that_could_fail)
{
	char line[16];

	AT_EACH_POINT(put(self->writer, "kept\n"), EXPECT_KEPT());
	lseek(self->reader, 0, SEEK_SET);
	AT_EACH_POINT(read(self->reader, line, sizeof(line)), EXPECT_KEPT());
	ASSERT_EQ(4, put(self->writer, "kept"));
	AT_EACH_POINT(fsync(self->writer), EXPECT_KEPT());
	EXPECT_KEPT();
	EXPECT_EQ(0, self->points);
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

static int write_half_a_line_and_close(void)
{
	int ret, fd = open_channel(O_WRONLY);

	if (fd < 0)
		return -1;
	ret = put(fd, "kept");
	close(fd);
	return ret;
}

/* Its buffer is allocated then; what was kept is published at the close. */
TEST_F(inject, first_half_of_a_line)
{
	int round;

	for (round = 0; round < ROUNDS; round++)
		AT_EACH_POINT(write_half_a_line_and_close(), EXPECT_KEPT());
	EXPECT_LT(0, self->failures);
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

static int take(int fd, unsigned int size)
{
	char buf[16];
	struct lastline_take take = { .buf = (uintptr_t)buf, .size = size };

	return ioctl(fd, LASTLINE_IOC_TAKE, &take);
}

/* Points that fail when a line was already taken: the writing of what is known of it. */
static int lost;

static void take_again(int fd, int ret)
{
	if (ret < 0 && strcmp("kept\n", get(fd)))
		lost++;
	lseek(fd, 0, SEEK_SET);
}

TEST_F(inject, take)
{
	lseek(self->reader, 0, SEEK_SET);
	AT_EACH_POINT(take(self->reader, 16), take_again(self->reader, ret));
	/* The rest of it has to be kept. */
	AT_EACH_POINT(take(self->reader, 2), take_again(self->reader, ret));
	EXPECT_LT(0, self->failures);
	/* The structure was written a moment ago, so only here can that fail. */
	EXPECT_GE(2 * ROUNDS, lost);
}

static int add_with_mode(int control, int mode)
{
	struct lastline_add add = {
		.number = NUMBER,
		.mode = mode,
		.name = "inject",
		.permissions = 0600,
	};

	return ioctl(control, LASTLINE_CTL_ADD, &add);
}

static int add(int control)
{
	return add_with_mode(control, LASTLINE_MODE_LINE);
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
	int round;

	snprintf(path, sizeof(path), "/sys/class/lastline/lastline%d/name", NUMBER);
	for (round = 0; round < ROUNDS; round++) {
		AT_EACH_POINT(add(self->control), {
			ASSERT_EQ(ret < 0 ? -1 : NUMBER, find(self->control));
			ASSERT_EQ(ret < 0 ? -1 : 0, access(path, R_OK));
			if (ret >= 0)
				ASSERT_EQ(ret, ioctl(self->control, LASTLINE_CTL_REMOVE, ret));
		});
		ioctl(self->control, LASTLINE_CTL_REMOVE, NUMBER);
	}
	EXPECT_LT(0, self->failures);
}

/* As a write from a page that is not there does it, it takes a buffer. */
TEST_F(inject, record_from_a_page_that_is_not_there)
{
	size_t size = sysconf(_SC_PAGESIZE);
	char path[64], *page = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int published = 0;
	int fd;

	ASSERT_NE(MAP_FAILED, page);
	snprintf(path, sizeof(path), "/dev/lastline%d", NUMBER);
	ASSERT_EQ(NUMBER, add_with_mode(self->control, LASTLINE_MODE_RECORD));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	AT_EACH_POINT(write(fd, page, 8), {
		published += ret == 8;
		ASSERT_EQ(published, info_of(fd).generation);
		ASSERT_EQ(0, madvise(page, size, MADV_DONTNEED));
	});
	EXPECT_LT(0, self->failures);
	close(fd);
	munmap(page, size);
	ioctl(self->control, LASTLINE_CTL_REMOVE, NUMBER);
}

static int open_and_close_added(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/lastline%d", NUMBER);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -1 : close(fd);
}

/* Its slots are allocated then, and without them it is as it was. */
TEST_F(inject, first_open)
{
	ASSERT_EQ(NUMBER, add(self->control));
	quieten_console(true);
	self->quiet = true;
	AT_EACH_POINT(open_and_close_added(), {
		ASSERT_EQ(0, open_and_close_added());
		ASSERT_EQ(NUMBER, ioctl(self->control, LASTLINE_CTL_REMOVE, NUMBER));
		ASSERT_EQ(NUMBER, add(self->control));
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
	EXPECT_LT(0, self->points);
}

FIXTURE(inject_load)
{
	int nth;
	int ko;
	char parameters[MODULE_PARAMETERS_SIZE];	/* as it was loaded */
	int failures;
	int points;
};

/* Is there anything of a module that is not loaded? */
static bool has_left_something(void)
{
	char devices[4096] = "";
	int fd = open("/proc/devices", O_RDONLY);

	read(fd, devices, sizeof(devices) - 1);
	close(fd);
	return strstr(devices, "lastline") || !access("/sys/class/lastline", F_OK) ||
	       !access("/sys/module/lastline", F_OK) || !access(CONTROL, F_OK) ||
	       !access("/dev/lastline0", F_OK);
}

FIXTURE_SETUP(inject_load)
{
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR);
	self->ko = open_module();
	ASSERT_LE(0, self->ko) {
		TH_LOG("no module to load; LASTLINE_KO=path of lastline.ko");
	}
	module_parameters(self->parameters);
	let_all_fail();
	ASSERT_EQ(0, unload());
}

FIXTURE_TEARDOWN(inject_load)
{
	TH_LOG("%d points failed, %d of the calls with them", self->points, self->failures);
	load(self->ko, self->parameters);
	close(self->nth);
	close(self->ko);
}

/*
 * How many points does a load have before the module has its say? The kernel itself
 * is not ours to test: the events of a module warn when they get no memory.
 */
static int points_of_the_loader(int nth, int ko)
{
	char text[16] = "";

	arm(nth, NTH_MAX);
	load(ko, "devices=0");
	pread(nth, text, sizeof(text) - 1, 0);
	arm(nth, 0);
	return NTH_MAX - atoi(text);
}

TEST_F_TIMEOUT(inject_load, load, 1200)
{
	int first = points_of_the_loader(self->nth, self->ko) + 1;

	TH_LOG("the first %d points are the loader's own", first - 1);
	AT_EACH_POINT_FROM(first, load(self->ko, "devices=2"), {
		ASSERT_EQ(ret < 0, has_left_something() == false);
		if (ret >= 0)
			ASSERT_EQ(0, unload());
		ASSERT_FALSE(has_left_something());
	});
	EXPECT_LT(0, self->failures);
	ASSERT_EQ(0, unload());
}

TEST_F_TIMEOUT(inject_load, unload, 1200)
{
	ASSERT_EQ(0, load(self->ko, "devices=2"));
	AT_EACH_POINT(unload(), {
		if (ret >= 0)
			ASSERT_EQ(0, load(self->ko, "devices=2"));
		ASSERT_TRUE(has_left_something());
	});
	EXPECT_LT(0, self->points);
	ASSERT_FALSE(has_left_something());
}

TEST_HARNESS_MAIN
