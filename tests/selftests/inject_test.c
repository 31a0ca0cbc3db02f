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

static int nth;			/* /proc/thread-self/fail-nth */
static int control, writer;
static int reader;		/* nonblocking */
static unsigned int readers;	/* of the channel */
static char buf[256];		/* for any call */
static int ko;
static int points;		/* where something failed, so far */
static int failures;		/* of calls, so far */

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
	nth = open("/proc/thread-self/fail-nth", O_RDWR);
	knob_set("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	knob_set("/sys/kernel/debug/failslab/verbose", "0");
	knob_set("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	knob_set("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	knob_set("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	knob_set("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	knob_set("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

static void arm(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	/* If disarming is the point that fails, that disarms, too. */
	if (pwrite(nth, text, strlen(text), 0) < 0 && n)
		abort();
}

/* Was the Nth point reached? This call has such a point itself. */
static bool has_failed(void)
{
	char text[16] = "";
	bool failed = pread(nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	arm(0);
	return failed;
}

/* For each point from @first on: it fails in @call with the result ret, then @is_clean is true. */
#define AT_EACH_POINT(first, prepare, call, is_clean) do {			\
	int n, ret, error;							\
										\
	for (n = first; n < NTH_MAX; n++) {					\
		prepare;							\
		arm(n);								\
		ret = (call);							\
		error = errno;							\
		if (!has_failed())						\
			break;							\
		points++;							\
		failures += ret < 0;						\
		ASSERT_TRUE(ret >= 0 || error == ENOMEM || error == EFAULT) {	\
			TH_LOG("point %d: %s", n, strerror(error));		\
		}								\
		ASSERT_TRUE(is_clean) {						\
			TH_LOG("point %d: the call returned %d", n, ret);	\
		}								\
	}									\
	ASSERT_GT(NTH_MAX, n);							\
	TH_LOG("%d points failed, %d of the calls with them", points, failures); \
} while (0)

FIXTURE(inject)
{
};

FIXTURE_SETUP(inject)
{
	let_all_fail();
	control = open(CONTROL, O_RDWR);
	writer = open_channel(O_WRONLY);
	reader = open_channel(O_RDONLY | O_NONBLOCK);
	ASSERT_TRUE(writer >= 0 && reader >= 0 && control >= 0);
	readers = info_of(reader).readers;
	ASSERT_EQ(5, put(writer, "kept\n"));
}

FIXTURE_TEARDOWN(inject)
{
	ioctl(control, LASTLINE_CTL_REMOVE, NUMBER);
}

/* @prepare is called before each @call. */
#define TEST_FAILING(name, prepare, call, is_clean)				\
TEST_F_TIMEOUT(inject, failed_##name, 1200)					\
{										\
	int round;								\
										\
	for (round = 0; round < ROUNDS; round++)				\
		AT_EACH_POINT(1, prepare, call, is_clean);			\
	EXPECT_LT(0, failures);							\
}

static off_t go_back(void)
{
	return lseek(reader, 0, SEEK_SET);
}

/* The line of the set-up is the latest one, and no other file is open. */
static bool is_kept(void)
{
	go_back();
	return !strcmp("kept\n", get(reader)) && info_of(reader).readers == readers;
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

/* Allocates a buffer; the close publishes what it holds. */
static int write_partial_line(void)
{
	int ret, fd = open_channel(O_WRONLY);

	if (fd < 0)
		return -1;
	ret = put(fd, "kept");
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

TEST_FAILING(open, {}, open_and_close(dev_path()), is_kept())
TEST_FAILING(writev, {}, call_writev(), is_kept())
TEST_FAILING(write_of_partial_line, {}, write_partial_line(), is_kept())
TEST_FAILING(mmap, {}, map(), is_kept())
TEST_FAILING(epoll_ctl, {}, add_to_epoll(), is_kept())
TEST_FAILING(fasync, {}, set_async(), is_kept())
TEST_FAILING(info, {}, ioctl(reader, LASTLINE_IOC_INFO, buf), is_kept())
TEST_FAILING(taken, {}, ioctl(reader, LASTLINE_IOC_TAKEN, buf), is_kept())
/* Whether it fails or not, a retry and the rest make the line. The last round left a beginning. */
TEST_FAILING(beginning_of_line, { fsync(writer); put(writer, "kept\n"); }, put(writer, "ke"),
	     is_kept() && (ret >= 0 || put(writer, "ke") == 2) && put(writer, "pt\n") == 3 &&
	     is_kept())
TEST_FAILING(end_of_line, put(writer, "ke"), put(writer, "pt\n"),
	     is_kept() && (ret >= 0 || put(writer, "pt\n") == 3) && is_kept())

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

static bool is_unread(void)
{
	return !strcmp("kept\n", get(reader));
}

/*
 * TAKE loses the line if the copy of its description to the user fails. Only fault injection
 * reaches that: the structure was just written.
 */
static int lost;

TEST_FAILING(short_read, go_back(), read(reader, buf, 1),
	     ret < 0 ? is_unread() : !strcmp("ept\n", get(reader)))
TEST_FAILING(readv, go_back(), call_readv(), ret >= 0 || is_unread())
TEST_FAILING(take, go_back(), take(16), ret >= 0 || is_unread() || ++lost <= ROUNDS)
TEST_FAILING(take_of_part, go_back(), take(2), ret >= 0 || is_unread() || ++lost <= ROUNDS)

/* Fault injection does not cover copies of words; fault_test does. */
TEST_F(inject, write_and_read_in_the_fast_path_have_no_point_of_failure)
{
	AT_EACH_POINT(1, {}, put(writer, "kept\n"), is_kept());
	AT_EACH_POINT(1, go_back(), read(reader, buf, 16), is_kept());
	AT_EACH_POINT(1, put(writer, "kept"), fsync(writer), is_kept());
	EXPECT_TRUE(is_kept());
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

static int remove_again(void)
{
	return ioctl(control, LASTLINE_CTL_REMOVE, NUMBER);
}

static void add_again(void)
{
	remove_again();
	add(LASTLINE_MODE_LINE);
}

static bool is_added(void)
{
	char name[LASTLINE_NAME_MAX] = "inject";
	bool found = ioctl(control, LASTLINE_CTL_FIND, name) == NUMBER;

	return found && !strcmp(name, attribute(NUMBER, "name"));
}

static bool is_absent(void)
{
	char name[LASTLINE_NAME_MAX] = "inject";

	return ioctl(control, LASTLINE_CTL_FIND, name) < 0 && !*attribute(NUMBER, "name");
}

TEST_FAILING(add, remove_again(), add(LASTLINE_MODE_LINE), ret < 0 ? is_absent() : is_added())

/* A write from a missing page allocates a buffer. */
TEST_F(inject, failed_record_from_missing_page_publishes_nothing)
{
	size_t size = sysconf(_SC_PAGESIZE);
	char *page = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int published = 0;
	int fd;

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(NUMBER, add(LASTLINE_MODE_RECORD));
	fd = open(node_of(NUMBER), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	AT_EACH_POINT(1, madvise(page, size, MADV_DONTNEED), write(fd, page, 8),
		      info_of(fd).generation == (published += ret == 8));
	EXPECT_LT(0, failures);
}

/* It allocates the slots. */
TEST_F(inject, failed_first_open_changes_nothing)
{
	quieten_console(true);
	AT_EACH_POINT(1, add_again(), open_and_close(node_of(NUMBER)),
		      !open_and_close(node_of(NUMBER)));
	quieten_console(false);
	EXPECT_LT(0, failures);
}

TEST_F(inject, remove_never_fails)
{
	AT_EACH_POINT(1, add_again(), remove_again(), ret == NUMBER && is_absent());
	EXPECT_LT(0, points);
}

static bool is_loaded(void)
{
	char devices[4096];

	knob_get("/proc/devices", devices, sizeof(devices));
	return strstr(devices, "lastline") || !access("/sys/class/lastline", F_OK) ||
	       !access("/sys/module/lastline", F_OK) || !access(CONTROL, F_OK) ||
	       !access("/dev/lastline0", F_OK);
}

/*
 * Points of a load before the module's own code. They are not tested: the kernel warns if a
 * module's trace events get no memory.
 */
static int points_of_the_loader(void)
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
	char parameters[MODULE_PARAMETERS_SIZE];	/* to load it again */
};

FIXTURE_SETUP(inject_load)
{
	ko = open_module();
	ASSERT_LE(0, ko) {
		TH_LOG("no module to load; LASTLINE_KO=path of lastline.ko");
	}
	module_parameters(self->parameters);
	let_all_fail();
	ASSERT_EQ(0, unload());
}

FIXTURE_TEARDOWN(inject_load)
{
	unload();
	load(ko, self->parameters);
}

TEST_F_TIMEOUT(inject_load, failed_load_leaves_nothing, 1200)
{
	int first = points_of_the_loader() + 1;

	AT_EACH_POINT(first, unload(), load(ko, "devices=2"), is_loaded() == (ret >= 0));
	EXPECT_LT(0, failures);
	EXPECT_EQ(0, unload());
	EXPECT_FALSE(is_loaded());
}

TEST_F_TIMEOUT(inject_load, unload_never_fails_half_way, 1200)
{
	AT_EACH_POINT(1, load(ko, "devices=2"), unload(), is_loaded() == (ret < 0));
	EXPECT_LT(0, points);
	EXPECT_FALSE(is_loaded());
}

TEST_HARNESS_MAIN
