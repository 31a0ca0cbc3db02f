/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test fixtures and helpers for the contract tests.
 *
 * The environment variable LASTLINE_DEV selects the channel under test, /dev/lastline0 by
 * default. No other program may use that channel during the tests.
 */
#ifndef LASTLINE_TEST_H
#define LASTLINE_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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
#define TIMEOUT_MS	60000	/* how long to wait for an event that must happen */
#define NO_EVENT_MS	100	/* how long to watch for an event that must not happen */

/* Seconds for one test. The harness allows 30, too few on a busy machine. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300
/* Seconds for a test that hangs if a wake-up is lost. A timeout of poll() would hide the loss. */
#define WAKE_TIMEOUT		(TIMEOUT_MS / 1000)

/* @call returns -1 (or MAP_FAILED) and sets errno to @error. */
#define EXPECT_ERRNO(error, call)					\
do {									\
	errno = 0;							\
	EXPECT_EQ(-1, (long)(call));					\
	EXPECT_EQ(error, errno);					\
} while (0)

/* Waits until @condition is true. False after TIMEOUT_MS sleeps of 1 ms or a bit more. */
#define WAIT_FOR(condition) ({						\
	int sleeps_ = 0;						\
									\
	for (; !(condition) && sleeps_ < TIMEOUT_MS; sleeps_++)		\
		sleep_ms(1);						\
	sleeps_ < TIMEOUT_MS;						\
})

/* Returns NULL without the compiler knowing, so that it does not warn. */
static inline void *bad_address(void)
{
	void *address = NULL;

	asm("" : "+r"(address));
	return address;
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

static inline void sleep_ms(int ms)
{
	poll(NULL, 0, ms);
}

static inline ssize_t write_str(int fd, const char *text)
{
	return write(fd, text, strlen(text));
}

/* Reads once. Returns a string for EXPECT_STREQ(): "" with errno set on failure. */
static inline const char *read_str(int fd)
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

static inline bool all_bytes_are(const void *memory, char byte, size_t size)
{
	const char *bytes = memory;

	return !size || (bytes[0] == byte && !memcmp(bytes, bytes + 1, size - 1));
}

/* If the call fails, all bytes are 0xcc, which no test expects. */
static inline struct lastline_info get_info(int fd)
{
	struct lastline_info info;

	memset(&info, 0xcc, sizeof(info));
	ioctl(fd, LASTLINE_IOC_INFO, &info);
	return info;
}

static inline struct lastline_taken get_taken(int fd)
{
	struct lastline_taken taken;

	memset(&taken, 0xcc, sizeof(taken));
	ioctl(fd, LASTLINE_IOC_TAKEN, &taken);
	return taken;
}

static inline bool readable_within(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) == 1 && pfd.revents & POLLIN;
}

static inline bool wait_for_sleepers(int fd, unsigned int count)
{
	return WAIT_FOR(get_info(fd).sleepers == count);
}

static inline void on_alarm(int signal)
{
}

static inline void catch_alarms(int flags)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = flags };

	sigaction(SIGALRM, &action, NULL);
}

/* Sends SIGALRM to this process every 50 ms. */
static inline void start_alarms(int flags)
{
	struct itimerval interval = { { 0, 50000 }, { 0, 50000 } };

	catch_alarms(flags);
	setitimer(ITIMER_REAL, &interval, NULL);
}

/* A read that sleeps in spite of RWF_NOWAIT fails with EINTR after a second. */
static inline ssize_t read_nowait(int fd, void *buf, size_t len)
{
	struct iovec vector = { .iov_base = buf, .iov_len = len };
	ssize_t ret;

	catch_alarms(0);
	alarm(1);
	ret = preadv2(fd, &vector, 1, -1, RWF_NOWAIT);
	alarm(0);
	return ret;
}

/* Waits for a child to exit. True if its exit status is 0. */
static inline bool child_succeeds(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* True if the thread is in interruptible sleep. */
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

/* Forks. The child continues once the parent sleeps. */
static inline pid_t fork_waker(void)
{
	pid_t parent = gettid(), pid = fork();

	if (!pid && !WAIT_FOR(is_asleep(parent)))
		_exit(1);
	return pid;
}

/* Forks a child that writes @text once the caller sleeps. */
static inline pid_t write_when_asleep(int fd, const char *text)
{
	pid_t pid = fork_waker();

	if (!pid)
		_exit(write_str(fd, text) != (ssize_t)strlen(text));
	return pid;
}

/* A system call that runs in its own thread, with @line as its buffer unless @buf is set. */
struct call {
	ssize_t (*function)(struct call *call);
	int fd;
	void *buf;
	size_t len;
	pthread_t thread;
	atomic_int tid;
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

/* The result is the reported events. */
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

static inline bool wait_until_asleep(const struct call *call)
{
	return WAIT_FOR(call->tid && is_asleep(call->tid));
}

static inline bool start_call(struct call *call)
{
	if (!call->buf) {
		call->buf = call->line;
		call->len = sizeof(call->line) - 1;
	}
	return !pthread_create(&call->thread, NULL, run_call, call);
}

static inline bool returns_within(struct call *call, int ms)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_nsec += ms % 1000 * 1000000L;
	deadline.tv_sec += ms / 1000 + deadline.tv_nsec / 1000000000L;
	deadline.tv_nsec %= 1000000000L;
	return !pthread_timedjoin_np(call->thread, NULL, &deadline);
}

static inline const char *node_path(int number)
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

/* Returns a sysfs attribute without its newline, "" if it does not exist. */
static inline const char *read_attribute(int number, const char *name)
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

/* A channel that one test adds. @reader is nonblocking. */
struct test_channel {
	int control;
	int number;
	int writer;
	int reader;
};

/* Sets all fields of @channel, also if it fails. */
static inline bool add_channel(struct test_channel *channel, __u32 mode, __u32 line_max)
{
	struct lastline_add add = {
		.number = -1,
		.mode = mode,
		.line_max = line_max,
		.permissions = 0600,
	};

	channel->control = open(CONTROL, O_RDWR | O_CLOEXEC);
	channel->number = ioctl(channel->control, LASTLINE_CTL_ADD, &add);
	channel->writer = open(node_path(channel->number), O_WRONLY | O_CLOEXEC);
	channel->reader = open(node_path(channel->number), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return channel->number >= 0 && channel->writer >= 0 && channel->reader >= 0;
}

static inline void remove_channel(struct test_channel *channel)
{
	close(channel->writer);
	close(channel->reader);
	if (channel->number >= 0)
		ioctl(channel->control, LASTLINE_CTL_REMOVE, channel->number);
	close(channel->control);
}

#define SKIP_WITHOUT_CONTROL(opened) do {					\
	if (!(opened))								\
		SKIP(return, "cannot open %s: load the module and run as root", CONTROL);	\
} while (0)

#define ADD_CHANNEL(mode, line_max) do {					\
	bool added_ = add_channel(&self->channel, mode, line_max);		\
										\
	SKIP_WITHOUT_CONTROL(self->channel.control >= 0);			\
	ASSERT_TRUE(added_);							\
} while (0)

FIXTURE(channel)
{
	int writer;
	int reader;		/* nonblocking, has no unseen line */
	unsigned int line_max;
	__u64 generation;	/* when the test starts */
	char *buf;		/* line_max + 3 bytes, all 'x' */
};

FIXTURE_SETUP(channel)
{
	self->writer = open_channel(O_WRONLY);
	if (self->writer < 0 && (errno == ENOENT || errno == ENXIO))
		SKIP(return, "no %s: load the module", dev_path());
	ASSERT_LE(0, self->writer);
	self->reader = open_channel(O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->reader);
	ASSERT_EQ(0, lseek(self->reader, 0, SEEK_END));
	self->line_max = get_info(self->reader).line_max;
	self->generation = get_info(self->reader).generation;
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

/* Number of lines published since the test started. */
#define PUBLISHED()	(get_info(self->reader).generation - self->generation)

/* @reader reads this line, and there is no newer one. */
#define EXPECT_LATEST(text)					\
do {								\
	EXPECT_STREQ(text, read_str(self->reader));		\
	EXPECT_TRUE(nothing_to_read(self->reader));		\
} while (0)

/* No line was published since the test started. */
#define EXPECT_NOTHING_PUBLISHED()				\
do {								\
	EXPECT_EQ(0, PUBLISHED());				\
	EXPECT_TRUE(nothing_to_read(self->reader));		\
} while (0)

#endif /* LASTLINE_TEST_H */
