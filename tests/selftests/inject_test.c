// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fault injection: each allocation and each copy from or to user space fails once, in each
 * call of the device and while the module is loaded and unloaded. The error is clean, and
 * nothing has changed.
 *
 * Needs a kernel with fault injection; see tests/vm/kernels/kasan.config. Loading needs the
 * module as LASTLINE_KO.
 */
#include <sys/epoll.h>

#include "fault_inject.h"
#include "lastline_test.h"
#include "module.h"

#define NUMBER		(LASTLINE_CHANNELS_MAX - 1)
#define NTH_MAX		5000	/* more than the points of any call */

/*
 * Sometimes the kernel refills its own caches on the way, which shifts the points by some,
 * and one of the driver's is missed; rarely in each round.
 */
#define ROUNDS		5

/* Before any test: after SKIP in a fixture, this harness runs the test anyway. */
static void __attribute__((constructor)) skip_without_fault_injection(void)
{
	if (access("/proc/thread-self/fail-nth", W_OK)) {
		puts("TAP version 13\n"
		     "1..0 # SKIP this kernel lets nothing fail (CONFIG_FAULT_INJECTION)");
		exit(KSFT_SKIP);
	}
}

/* Include allocations that may wait, and single pages, and log nothing. */
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
	int nth;	/* /proc/thread-self/fail-nth */
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
	/* If disarming is the point that fails, that disarms, too. */
	if (pwrite(nth, text, strlen(text), 0) < 0 && n)
		abort();
}

/* Was the Nth point reached? This call has such a point itself. */
static bool has_failed(int nth)
{
	char text[16] = "";
	bool failed = pread(nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	arm(nth, 0);
	return failed;
}

/* For each point from @first on: lets it fail in @call, and does @check with the result. */
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

/* The line of the set-up is the latest one. */
#define EXPECT_KEPT() do {								\
	lseek(self->reader, 0, SEEK_SET);						\
	ASSERT_STREQ("kept\n", get(self->reader));					\
} while (0)

static int open_and_close(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -1 : close(fd);
}

static int do_open(int writer, int reader)
{
	return open_and_close(dev_path());
}

static int do_writev(int writer, int reader)
{
	struct iovec parts[2] = { { "ke", 2 }, { "pt\n", 3 } };

	return writev(writer, parts, 2);
}

/* Allocates a buffer; the close publishes what it holds. */
static int do_write_partial_line(int writer, int reader)
{
	int ret, fd = open_channel(O_WRONLY);

	if (fd < 0)
		return -1;
	ret = put(fd, "kept");
	close(fd);
	return ret;
}

static int do_mmap(int writer, int reader)
{
	void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, reader, 0);

	return map == MAP_FAILED ? -1 : munmap(map, 4096);
}

static int do_epoll(int writer, int reader)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ret, epoll = epoll_create1(0);

	if (epoll < 0)
		return -1;
	ret = epoll_ctl(epoll, EPOLL_CTL_ADD, reader, &event);
	close(epoll);
	return ret;
}

static int do_fasync(int writer, int reader)
{
	int ret = fcntl(reader, F_SETFL, O_NONBLOCK | O_ASYNC);

	fcntl(reader, F_SETFL, O_NONBLOCK);
	return ret;
}

static int do_info(int writer, int reader)
{
	struct lastline_info info;

	return ioctl(reader, LASTLINE_IOC_INFO, &info);
}

static int do_taken(int writer, int reader)
{
	struct lastline_taken taken;

	return ioctl(reader, LASTLINE_IOC_TAKEN, &taken);
}

TEST_F(inject, failed_call_changes_nothing)
{
	static int (* const calls[])(int writer, int reader) = {
		do_open, do_writev, do_write_partial_line, do_mmap, do_epoll, do_fasync,
		do_info, do_taken,
	};
	unsigned int readers = info_of(self->reader).readers;
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		self->failures = 0;
		for (round = 0; round < ROUNDS; round++)
			AT_EACH_POINT(calls[i](self->writer, self->reader), {
				EXPECT_EQ(readers, info_of(self->reader).readers);
				EXPECT_KEPT();
			});
		EXPECT_LT(0, self->failures) {
			TH_LOG("call %u of the table", i);
		}
	}
}

/* Fault injection does not cover copies of words; fault_test does. */
TEST_F(inject, fast_write_and_read_have_no_point_of_failure)
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

TEST_F(inject, failed_write_keeps_partial_line)
{
	AT_EACH_POINT(put(self->writer, "ke"), {
		EXPECT_KEPT();
		if (ret < 0)
			ASSERT_EQ(2, put(self->writer, "ke"));
		ASSERT_EQ(3, put(self->writer, "pt\n"));
		EXPECT_KEPT();
	});
	EXPECT_LT(0, self->failures);
	/* The last call succeeded and left a partial line. */
	AT_EACH_POINT(put(self->writer, "pt\n"), {
		EXPECT_KEPT();
		if (ret >= 0)
			ASSERT_EQ(2, put(self->writer, "ke"));
	});
}

TEST_F(inject, failed_short_read_consumes_nothing)
{
	char c;

	lseek(self->reader, 0, SEEK_SET);
	AT_EACH_POINT(read(self->reader, &c, 1), {
		ASSERT_STREQ(ret < 0 ? "kept\n" : "ept\n", get(self->reader));
		lseek(self->reader, 0, SEEK_SET);
	});
	EXPECT_LT(0, self->failures);
}

TEST_F(inject, failed_readv_consumes_nothing)
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

static int take(int fd, unsigned int size)
{
	char buf[16];
	struct lastline_take take = { .buf = (uintptr_t)buf, .size = size };

	return ioctl(fd, LASTLINE_IOC_TAKE, &take);
}

/* Points after the line was consumed, when its description is copied to the user. */
static int lost;

static void take_again(int fd, int ret)
{
	if (ret < 0 && strcmp("kept\n", get(fd)))
		lost++;
	lseek(fd, 0, SEEK_SET);
}

TEST_F(inject, failed_take_consumes_nothing)
{
	lseek(self->reader, 0, SEEK_SET);
	AT_EACH_POINT(take(self->reader, 16), take_again(self->reader, ret));
	/* It has to keep the rest. */
	AT_EACH_POINT(take(self->reader, 2), take_again(self->reader, ret));
	EXPECT_LT(0, self->failures);
	/* Only fault injection reaches these: the structure was just written. */
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

TEST_F(inject, failed_add_leaves_no_name_or_attribute)
{
	int round;

	for (round = 0; round < ROUNDS; round++) {
		AT_EACH_POINT(add(self->control), {
			ASSERT_EQ(ret < 0 ? -1 : NUMBER, find(self->control));
			ASSERT_STREQ(ret < 0 ? "" : "inject", attribute(NUMBER, "name"));
			if (ret >= 0)
				ASSERT_EQ(ret, ioctl(self->control, LASTLINE_CTL_REMOVE, ret));
		});
		ioctl(self->control, LASTLINE_CTL_REMOVE, NUMBER);
	}
	EXPECT_LT(0, self->failures);
}

/* A write from a missing page allocates a buffer. */
TEST_F(inject, failed_record_from_missing_page_publishes_nothing)
{
	size_t size = sysconf(_SC_PAGESIZE);
	char *page = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int published = 0;
	int fd;

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(NUMBER, add_with_mode(self->control, LASTLINE_MODE_RECORD));
	fd = open(node_of(NUMBER), O_RDWR | O_CLOEXEC);
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

/* It allocates the slots. */
TEST_F(inject, failed_first_open_changes_nothing)
{
	ASSERT_EQ(NUMBER, add(self->control));
	quieten_console(true);
	self->quiet = true;
	AT_EACH_POINT(open_and_close(node_of(NUMBER)), {
		ASSERT_EQ(0, open_and_close(node_of(NUMBER)));
		ASSERT_EQ(NUMBER, ioctl(self->control, LASTLINE_CTL_REMOVE, NUMBER));
		ASSERT_EQ(NUMBER, add(self->control));
	});
	EXPECT_LT(0, self->failures);
	ioctl(self->control, LASTLINE_CTL_REMOVE, NUMBER);
}

TEST_F(inject, remove_never_fails)
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
	char parameters[MODULE_PARAMETERS_SIZE];	/* to load it again */
	int failures;
	int points;
};

/* While the module is not loaded. */
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
 * Points of a load before the module's own code. They are not tested: the kernel warns if a
 * module's trace events get no memory.
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

TEST_F_TIMEOUT(inject_load, failed_load_leaves_nothing, 1200)
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

TEST_F_TIMEOUT(inject_load, unload_never_fails_half_way, 1200)
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
