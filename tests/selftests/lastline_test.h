/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the contract tests share. Each test is named by the sentence of the
 * contract that it guards.
 *
 * LASTLINE_DEV names the channel to use, /dev/lastline0 unless it is set.
 * Nothing else may use that channel meanwhile.
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

#define PATIENCE_MS	60000	/* until something that must happen counts as lost */
#define PAUSE_MS	100	/* in which something that must not happen would have */

/* For one test, in seconds. The harness has 30, too few for a busy machine. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

/* An address with nothing behind it; no compiler is to know. */
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

/* Reads once, for a comparison with EXPECT_STREQ(); "" and errno on failure. */
static inline const char *get(int fd)
{
	static char line[LASTLINE_LINE_MAX_MAX + 1];
	ssize_t len = read(fd, line, sizeof(line) - 1);

	line[len < 0 ? 0 : len] = '\0';
	return line;
}

/* Does a nonblocking read say so? */
static inline bool nothing_to_read(int fd)
{
	char c;

	return read(fd, &c, 1) == -1 && errno == EAGAIN;
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

/* Waits until @count reads of the channel sleep; false when patience is over. */
static inline bool await_sleepers(int fd, unsigned int count)
{
	int ms;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if (info_of(fd).sleepers == count)
			return true;
		pause_ms(1);
	}
	return false;
}

static inline void on_alarm(int signal)
{
}

/* SIGALRM comes every 50 ms. */
static inline void begin_alarms(int flags)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = flags };
	struct itimerval often = { { 0, 50000 }, { 0, 50000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

/* Waits for a child; true if it ended with exit status 0. */
static inline bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* @writer, and @reader that has seen everything so far; @line_max of the channel. */
FIXTURE(channel)
{
	int writer;
	int reader;
	unsigned int line_max;
	__u64 generation;
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
}

FIXTURE_TEARDOWN(channel)
{
	close(self->writer);
	close(self->reader);
}

/* Publications since the test began. */
#define PUBLISHED()	(info_of(self->reader).generation - self->generation)

/* @reader gets exactly this, and then there is nothing more. */
#define EXPECT_LATEST(text)					\
do {								\
	EXPECT_STREQ(text, get(self->reader));			\
	EXPECT_TRUE(nothing_to_read(self->reader));		\
} while (0)

/* Nothing was published, and nothing is to be read. */
#define EXPECT_UNTOUCHED()					\
do {								\
	EXPECT_EQ(0, PUBLISHED());				\
	EXPECT_TRUE(nothing_to_read(self->reader));		\
} while (0)

#endif /* LASTLINE_TEST_H */
