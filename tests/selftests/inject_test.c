// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fault injection: makes each allocation and each user copy fail, one at a time, in every
 * call of the device and while the module is loaded and unloaded. The call must return an
 * error and change nothing.
 *
 * Needs a kernel with fault injection (tests/vm/kernels/kasan.config) and the module file
 * (module.h).
 */
#include <sys/epoll.h>

#include "fault_inject.h"
#include "lastline_test.h"
#include "module.h"

#define NUMBER		(LASTLINE_CHANNELS_MAX - 1)
#define NTH_MAX		5000	/* more than the fault points of any call */

/*
 * When the kernel refills its own caches during a call, the numbers of the points shift and
 * one of the driver's points may be skipped. Several rounds make that unlikely.
 */
#define ROUNDS		5

static int nth;			/* /proc/thread-self/fail-nth */
static int control, writer;
static int reader;		/* nonblocking */
static unsigned int readers;	/* readers of the channel at the start */
static char buf[256];		/* for any call */
static int ko;
static int points;		/* faults injected so far */
static int failures;		/* calls that failed so far */

/* A constructor, because this harness runs a test even if its fixture calls SKIP. */
static void __attribute__((constructor)) skip_without_fault_injection(void)
{
	if (access("/proc/thread-self/fail-nth", W_OK)) {
		puts("TAP version 13\n"
		     "1..0 # SKIP this kernel has no CONFIG_FAULT_INJECTION");
		exit(KSFT_SKIP);
	}
}

/* Includes allocations that may sleep, and single pages. Disables the kernel's messages. */
static void enable_fault_injection(void)
{
	nth = open("/proc/thread-self/fail-nth", O_RDWR);
	write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/failslab/verbose", "0");
	write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	write_file("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	write_file("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

static void arm(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	/* Disarming may be the call that fails, which disarms as well. */
	if (pwrite(nth, text, strlen(text), 0) < 0 && n)
		abort();
}

/* Also disarms, because later calls have points too. */
static bool fault_was_injected(void)
{
	char text[16] = "";
	bool failed = pread(nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	arm(0);
	return failed;
}

/*
 * Injects a fault at each point of @call, starting with point @first, until the call has no
 * more points. @prepare runs before each call. @check must be true after it and may use ret.
 */
#define FOR_EACH_POINT(first, prepare, call, check) do {			\
	int n, ret, error;							\
										\
	for (n = first; n < NTH_MAX; n++) {					\
		prepare;							\
		arm(n);								\
		ret = (call);							\
		error = errno;							\
		if (!fault_was_injected())					\
			break;							\
		points++;							\
		failures += ret < 0;						\
		ASSERT_TRUE(ret >= 0 || error == ENOMEM || error == EFAULT) {	\
			TH_LOG("point %d: %s", n, strerror(error));		\
		}								\
		ASSERT_TRUE(check) {						\
			TH_LOG("point %d: the call returned %d", n, ret);	\
		}								\
	}									\
	ASSERT_GT(NTH_MAX, n);							\
	TH_LOG("%d faults injected, %d calls failed", points, failures);	\
} while (0)

FIXTURE(inject)
{
};

FIXTURE_SETUP(inject)
{
	enable_fault_injection();
	control = open(CONTROL, O_RDWR);
	writer = open_channel(O_WRONLY);
	reader = open_channel(O_RDONLY | O_NONBLOCK);
	ASSERT_TRUE(writer >= 0 && reader >= 0 && control >= 0);
	readers = get_info(reader).readers;
	ASSERT_EQ(5, write_str(writer, "kept\n"));
}

FIXTURE_TEARDOWN(inject)
{
	ioctl(control, LASTLINE_CTL_REMOVE, NUMBER);
}

#define TEST_FAULTS(name, prepare, call, check)					\
TEST_F_TIMEOUT(inject, name##_fails_cleanly, 1200)				\
{										\
	int round;								\
										\
	for (round = 0; round < ROUNDS; round++)				\
		FOR_EACH_POINT(1, prepare, call, check);			\
	EXPECT_LT(0, failures);							\
}

static off_t rewind_reader(void)
{
	return lseek(reader, 0, SEEK_SET);
}

/* The latest line is that of the fixture, and the call left no file open. */
static bool line_unchanged(void)
{
	rewind_reader();
	return !strcmp("kept\n", read_str(reader)) && get_info(reader).readers == readers;
}

static int open_and_close(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -1 : close(fd);
}

static int call_writev(void)
{
	struct iovec parts[2] = { { "ke", 2 }, { "pt\n", 3 } };

	return writev(writer, parts, 2);
}

/* The write allocates a buffer. The close publishes the partial line. */
static int write_partial_line(void)
{
	int ret, fd = open_channel(O_WRONLY);

	if (fd < 0)
		return -1;
	ret = write_str(fd, "kept");
	close(fd);
	return ret;
}

static int map(void)
{
	void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, reader, 0);

	return map == MAP_FAILED ? -1 : munmap(map, 4096);
}

static int add_to_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ret, epoll = epoll_create1(0);

	if (epoll < 0)
		return -1;
	ret = epoll_ctl(epoll, EPOLL_CTL_ADD, reader, &event);
	close(epoll);
	return ret;
}

static int set_async(void)
{
	int ret = fcntl(reader, F_SETFL, O_NONBLOCK | O_ASYNC);

	fcntl(reader, F_SETFL, O_NONBLOCK);
	return ret;
}

TEST_FAULTS(open, {}, open_and_close(dev_path()), line_unchanged())
TEST_FAULTS(writev, {}, call_writev(), line_unchanged())
TEST_FAULTS(write_of_partial_line, {}, write_partial_line(), line_unchanged())
TEST_FAULTS(mmap, {}, map(), line_unchanged())
TEST_FAULTS(epoll_ctl, {}, add_to_epoll(), line_unchanged())
TEST_FAULTS(fasync, {}, set_async(), line_unchanged())
TEST_FAULTS(info, {}, ioctl(reader, LASTLINE_IOC_INFO, buf), line_unchanged())
TEST_FAULTS(taken, {}, ioctl(reader, LASTLINE_IOC_TAKEN, buf), line_unchanged())

/* Publishes the partial line that the previous call left, and restores the latest line. */
static void start_line(void)
{
	fsync(writer);
	write_str(writer, "kept\n");
}

/* A failed write can be retried, and the rest of the line completes it. */
TEST_FAULTS(beginning_of_line, start_line(), write_str(writer, "ke"),
	    line_unchanged() && (ret >= 0 || write_str(writer, "ke") == 2) &&
	    write_str(writer, "pt\n") == 3 && line_unchanged())
TEST_FAULTS(end_of_line, write_str(writer, "ke"), write_str(writer, "pt\n"),
	    line_unchanged() && (ret >= 0 || write_str(writer, "pt\n") == 3) && line_unchanged())

static int call_readv(void)
{
	struct iovec parts[2] = { { buf, 2 }, { buf + 2, 14 } };

	return readv(reader, parts, 2);
}

static int take(unsigned int size)
{
	struct lastline_take take = { .buf = (uintptr_t)buf, .size = size };

	return ioctl(reader, LASTLINE_IOC_TAKE, &take);
}

static bool line_unread(void)
{
	return !strcmp("kept\n", read_str(reader));
}

/*
 * TAKE loses the line if it cannot write its result. That needs fault injection, because the
 * driver has just written to the same structure.
 */
static int lost;

TEST_FAULTS(short_read, rewind_reader(), read(reader, buf, 1),
	    ret < 0 ? line_unread() : !strcmp("ept\n", read_str(reader)))
TEST_FAULTS(readv, rewind_reader(), call_readv(), ret >= 0 || line_unread())
TEST_FAULTS(take, rewind_reader(), take(16), ret >= 0 || line_unread() || ++lost <= ROUNDS)
TEST_FAULTS(short_take, rewind_reader(), take(2), ret >= 0 || line_unread() || ++lost <= ROUNDS)

/* The fast path copies single words, which fault injection does not cover. See fault_test. */
TEST_F(inject, fast_path_of_write_and_read_never_fails)
{
	FOR_EACH_POINT(1, {}, write_str(writer, "kept\n"), line_unchanged());
	FOR_EACH_POINT(1, rewind_reader(), read(reader, buf, 16), line_unchanged());
	FOR_EACH_POINT(1, write_str(writer, "kept"), fsync(writer), line_unchanged());
	EXPECT_TRUE(line_unchanged());
	EXPECT_EQ(0, points);
}

static int add(int mode)
{
	struct lastline_add add = {
		.number = NUMBER,
		.mode = mode,
		.name = "inject",
		.permissions = 0600,
	};

	return ioctl(control, LASTLINE_CTL_ADD, &add);
}

static int remove_number(void)
{
	return ioctl(control, LASTLINE_CTL_REMOVE, NUMBER);
}

static void replace_channel(void)
{
	remove_number();
	add(LASTLINE_MODE_LINE);
}

static bool is_added(void)
{
	char name[LASTLINE_NAME_MAX] = "inject";
	bool found = ioctl(control, LASTLINE_CTL_FIND, name) == NUMBER;

	return found && !strcmp(name, read_attribute(NUMBER, "name"));
}

static bool is_absent(void)
{
	char name[LASTLINE_NAME_MAX] = "inject";

	return ioctl(control, LASTLINE_CTL_FIND, name) < 0 && !*read_attribute(NUMBER, "name");
}

TEST_FAULTS(add, remove_number(), add(LASTLINE_MODE_LINE), ret < 0 ? is_absent() : is_added())

/* The write allocates a buffer, because its page is missing. */
TEST_F(inject, record_from_missing_page_fails_cleanly)
{
	size_t size = sysconf(_SC_PAGESIZE);
	char *page = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int published = 0;
	int fd;

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(NUMBER, add(LASTLINE_MODE_RECORD));
	fd = open(node_path(NUMBER), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	FOR_EACH_POINT(1, madvise(page, size, MADV_DONTNEED), write(fd, page, 8),
		       get_info(fd).generation == (published += ret == 8));
	EXPECT_LT(0, failures);
}

/* The first open allocates the slots. */
TEST_F(inject, first_open_fails_cleanly)
{
	mute_console(true);
	FOR_EACH_POINT(1, replace_channel(), open_and_close(node_path(NUMBER)),
		       !open_and_close(node_path(NUMBER)));
	mute_console(false);
	EXPECT_LT(0, failures);
}

TEST_F(inject, remove_never_fails)
{
	FOR_EACH_POINT(1, replace_channel(), remove_number(), ret == NUMBER && is_absent());
	EXPECT_LT(0, points);
}

static bool is_loaded(void)
{
	char devices[4096];

	read_file("/proc/devices", devices, sizeof(devices));
	return strstr(devices, "lastline") || !access("/sys/class/lastline", F_OK) ||
	       !access("/sys/module/lastline", F_OK) || !access(CONTROL, F_OK) ||
	       !access("/dev/lastline0", F_OK);
}

/*
 * Number of points that a load reaches before the module's own code. They are not tested,
 * because the kernel warns if it cannot allocate memory for a module's trace events.
 */
static int points_before_module_init(void)
{
	char text[16] = "";

	arm(NTH_MAX);
	load(ko, "devices=0");
	pread(nth, text, sizeof(text) - 1, 0);
	arm(0);
	return NTH_MAX - atoi(text);
}

FIXTURE(inject_load)
{
	char parameters[MODULE_PARAMETERS_SIZE];
};

FIXTURE_SETUP(inject_load)
{
	ko = open_module();
	ASSERT_LE(0, ko) {
		TH_LOG("no module file: set LASTLINE_KO to the path of lastline.ko");
	}
	save_module_parameters(self->parameters);
	enable_fault_injection();
	ASSERT_EQ(0, unload());
}

FIXTURE_TEARDOWN(inject_load)
{
	unload();
	load(ko, self->parameters);
}

TEST_F_TIMEOUT(inject_load, failed_load_leaves_nothing_behind, 1200)
{
	int first = points_before_module_init() + 1;

	FOR_EACH_POINT(first, unload(), load(ko, "devices=2"), is_loaded() == (ret >= 0));
	EXPECT_LT(0, failures);
	EXPECT_EQ(0, unload());
	EXPECT_FALSE(is_loaded());
}

TEST_F_TIMEOUT(inject_load, unload_succeeds_or_changes_nothing, 1200)
{
	FOR_EACH_POINT(1, load(ko, "devices=2"), unload(), is_loaded() == (ret < 0));
	EXPECT_LT(0, points);
	EXPECT_FALSE(is_loaded());
}

TEST_HARNESS_MAIN
