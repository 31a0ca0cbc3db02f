/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers of the contract tests. Each test is named by the property that it checks.
 *
 * LASTLINE_DEV names the channel under test, by default /dev/lastline0. Nothing else may
 * use that channel meanwhile.
 */
#ifndef LASTLINE_TEST_H
#define LASTLINE_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/lastline.h>

#include "kselftest_harness.h"

#define CONTROL		"/dev/lastline-control"
#define PATIENCE_MS	60000	/* limit for an event that must happen */
#define PAUSE_MS	100	/* time given to an event that must not happen */

/* Limit for one test in seconds. The harness' 30 are too few on a busy machine. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300
/* For a test that fails by sleeping forever. */
#define WAKE_TIMEOUT		(PATIENCE_MS / 1000)

/* The call fails with this errno. It may be mmap(). */
#define EXPECT_ERRNO(error, call)					\
do {									\
	errno = 0;							\
	EXPECT_EQ(-1, (long)(call));					\
	EXPECT_EQ(error, errno);					\
} while (0)

/* Waits until the condition is true; false after PATIENCE_MS. */
#define AWAIT(condition) ({						\
	int ms_ = 0;							\
									\
	for (; !(condition) && ms_ < PATIENCE_MS; ms_++)		\
		pause_ms(1);						\
	ms_ < PATIENCE_MS;						\
})

/* An unmapped address, hidden from the compiler's warnings. */
static inline void *bad_address(void)
{
	void *nowhere = NULL;

	asm("" : "+r"(nowhere));
	return nowhere;
}

static inline const char *dev_path(void)
{
	const char *path = getenv("LASTLINE_DEV");

	return path ? path : "/dev/lastline0";
}

static inline int open_channel(int flags)
{
	return open(dev_path(), flags | O_CLOEXEC);
}

static inline void pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

static inline ssize_t put(int fd, const char *text)
{
	return write(fd, text, strlen(text));
}

/* Reads once, for EXPECT_STREQ(); returns "" and sets errno on failure. */
static inline const char *get(int fd)
{
	static char line[LASTLINE_LINE_MAX_MAX + 1];
	ssize_t len = read(fd, line, sizeof(line) - 1);

	line[len < 0 ? 0 : len] = '\0';
	return line;
}

/* @fd must be nonblocking. */
static inline bool nothing_to_read(int fd)
{
	char c;

	return read(fd, &c, 1) == -1 && errno == EAGAIN;
}

static inline bool is_all(const void *memory, char byte, size_t size)
{
	const char *bytes = memory;

	return !size || (bytes[0] == byte && !memcmp(bytes, bytes + 1, size - 1));
}

static inline struct lastline_info info_of(int fd)
{
	struct lastline_info info;

	if (ioctl(fd, LASTLINE_IOC_INFO, &info))
		info.generation = UINT64_MAX;
	return info;
}

static inline struct lastline_taken taken_of(int fd)
{
	struct lastline_taken taken;

	if (ioctl(fd, LASTLINE_IOC_TAKEN, &taken))
		taken.generation = UINT64_MAX;
	return taken;
}

static inline bool readable_within(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) == 1 && pfd.revents & POLLIN;
}

static inline bool await_sleepers(int fd, unsigned int count)
{
	return AWAIT(info_of(fd).sleepers == count);
}

static inline void on_alarm(int signal)
{
}

static inline void catch_alarms(int flags)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = flags };

	sigaction(SIGALRM, &action, NULL);
}

/* SIGALRM comes every 50 ms. */
static inline void begin_alarms(int flags)
{
	struct itimerval often = { { 0, 50000 }, { 0, 50000 } };

	catch_alarms(flags);
	setitimer(ITIMER_REAL, &often, NULL);
}

/* If it sleeps, it fails with EINTR after a second. */
static inline ssize_t read_nowait(int fd, void *buf, size_t len)
{
	struct iovec piece = { .iov_base = buf, .iov_len = len };
	ssize_t ret;

	catch_alarms(0);
	alarm(1);
	ret = preadv2(fd, &piece, 1, -1, RWF_NOWAIT);
	alarm(0);
	return ret;
}

/* Waits for a child; true if its exit status is 0. */
static inline bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Does the thread sleep interruptibly? */
static inline bool is_asleep(pid_t tid)
{
	char path[32], text[256] = "";
	const char *state;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	state = strrchr(text, ')');
	return state && state[1] && state[2] == 'S';
}

/* Forks; the child continues when the parent sleeps. */
static inline pid_t fork_for_sleeper(void)
{
	pid_t sleeper = gettid(), pid = fork();

	if (!pid && !AWAIT(is_asleep(sleeper)))
		_exit(1);
	return pid;
}

/* Writes @text from a child when the caller sleeps. */
static inline pid_t write_to_sleeper(int fd, const char *text)
{
	pid_t pid = fork_for_sleeper();

	if (!pid)
		_exit(put(fd, text) != (ssize_t)strlen(text));
	return pid;
}

/* A system call in a thread of its own. @buf is @line by default; @tid is 0 at first. */
struct call {
	ssize_t (*function)(struct call *call);
	int fd;
	void *buf;
	size_t len;
	pthread_t thread;
	volatile pid_t tid;
	ssize_t ret;
	int error;
	char line[64];
};

static inline ssize_t call_read(struct call *call)
{
	return read(call->fd, call->buf, call->len);
}

static inline ssize_t call_write(struct call *call)
{
	return write(call->fd, call->buf, call->len);
}

/* Returns the events. */
static inline ssize_t call_poll(struct call *call)
{
	struct pollfd pfd = { .fd = call->fd, .events = POLLIN };

	return poll(&pfd, 1, -1) == 1 ? pfd.revents : -1;
}

static inline void *run_call(void *argument)
{
	struct call *call = argument;

	call->tid = gettid();
	call->ret = call->function(call);
	call->error = errno;
	return NULL;
}

/* Until it sleeps. */
static inline bool await_asleep(const struct call *call)
{
	return AWAIT(call->tid && is_asleep(call->tid));
}

static inline bool start_call(struct call *call)
{
	if (!call->buf) {
		call->buf = call->line;
		call->len = sizeof(call->line) - 1;
	}
	return !pthread_create(&call->thread, NULL, run_call, call);
}

static inline bool ends_within(struct call *call, int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ms % 1000 * 1000000L;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	return !pthread_timedjoin_np(call->thread, NULL, &until);
}

static inline const char *node_of(int number)
{
	static char path[32];

	snprintf(path, sizeof(path), "/dev/lastline%d", number);
	return path;
}

static inline int open_attribute(int number, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/lastline/lastline%d/%s", number, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* An attribute in sysfs without its newline, "" if there is none. */
static inline const char *attribute(int number, const char *name)
{
	static char value[256];
	int fd = open_attribute(number, name);
	ssize_t len = read(fd, value, sizeof(value) - 1);

	close(fd);
	value[len > 0 ? len - 1 : 0] = '\0';
	return value;
}

static inline void set_blocking(int fd, bool on)
{
	fcntl(fd, F_SETFL, on ? 0 : O_NONBLOCK);
}

/* A channel that one test adds; @reader is nonblocking. */
struct added {
	int control;
	int number;
	int writer;
	int reader;
};

/* Sets all of @added; false if it cannot open CONTROL. */
static inline bool add_channel(struct added *added, unsigned int mode, unsigned int line_max)
{
	struct lastline_add add = {
		.number = -1,
		.mode = mode,
		.line_max = line_max,
		.permissions = 0600,
	};

	added->control = open(CONTROL, O_RDWR | O_CLOEXEC);
	added->number = ioctl(added->control, LASTLINE_CTL_ADD, &add);
	added->writer = open(node_of(added->number), O_WRONLY | O_CLOEXEC);
	added->reader = open(node_of(added->number), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return added->control >= 0;
}

static inline void remove_channel(struct added *added)
{
	close(added->writer);
	close(added->reader);
	if (added->number >= 0)
		ioctl(added->control, LASTLINE_CTL_REMOVE, added->number);
	close(added->control);
}

#define SKIP_WITHOUT_CONTROL(opened) do {					\
	if (!(opened))								\
		SKIP(return, "no %s here; load the module and become root", CONTROL);	\
} while (0)

/*
 * @reader is nonblocking and has seen every line; @generation is that of the latest line;
 * @buf has room for line_max + 3 bytes, and all are 'x'.
 */
FIXTURE(channel)
{
	int writer;
	int reader;
	unsigned int line_max;
	__u64 generation;
	char *buf;
};

FIXTURE_SETUP(channel)
{
	self->writer = open_channel(O_WRONLY);
	if (self->writer < 0 && (errno == ENOENT || errno == ENXIO))
		SKIP(return, "no %s here; load the module", dev_path());
	ASSERT_LE(0, self->writer);
	self->reader = open_channel(O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->reader);
	ASSERT_EQ(0, lseek(self->reader, 0, SEEK_END));
	self->line_max = info_of(self->reader).line_max;
	self->generation = info_of(self->reader).generation;
	self->buf = malloc(self->line_max + 3);
	ASSERT_NE(NULL, self->buf);
	memset(self->buf, 'x', self->line_max + 3);
}

FIXTURE_TEARDOWN(channel)
{
	close(self->writer);
	close(self->reader);
	free(self->buf);
}

/* Publications since the test began. */
#define PUBLISHED()	(info_of(self->reader).generation - self->generation)

/* @reader gets this line and nothing after it. */
#define EXPECT_LATEST(text)					\
do {								\
	EXPECT_STREQ(text, get(self->reader));			\
	EXPECT_TRUE(nothing_to_read(self->reader));		\
} while (0)

/* Nothing was published since the test began, and @reader has seen all. */
#define EXPECT_UNTOUCHED()					\
do {								\
	EXPECT_EQ(0, PUBLISHED());				\
	EXPECT_TRUE(nothing_to_read(self->reader));		\
} while (0)

#endif /* LASTLINE_TEST_H */
