// SPDX-License-Identifier: GPL-2.0-only
/* poll(2), select(2), epoll(7) and SIGIO */
#include <sys/epoll.h>
#include <sys/select.h>

#include "lastline_test.h"

static short events_of(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };

	return poll(&pfd, 1, 0) < 0 ? -1 : pfd.revents;
}

/* Publishes a line after a while, from another process. */
static pid_t publish_later(int fd, const char *line)
{
	pid_t pid = fork();

	if (!pid) {
		pause_ms(PAUSE_MS);
		_exit(put(fd, line) != (ssize_t)strlen(line));
	}
	return pid;
}

TEST_F(channel, poll_says_readable_while_an_unseen_line_is_there)
{
	EXPECT_FALSE(readable_within(self->reader, 0));
	EXPECT_EQ(4, put(self->writer, "one\n"));
	EXPECT_TRUE(readable_within(self->reader, 0));
	EXPECT_TRUE(readable_within(self->reader, 0));
	EXPECT_LATEST("one\n");
	EXPECT_FALSE(readable_within(self->reader, 0));
}

TEST_F(channel, poll_says_readable_while_a_remainder_is_there)
{
	char c;

	EXPECT_EQ(3, put(self->writer, "ab\n"));
	EXPECT_EQ(1, read(self->reader, &c, 1));
	EXPECT_TRUE(readable_within(self->reader, 0));
	EXPECT_LATEST("b\n");
	EXPECT_FALSE(readable_within(self->reader, 0));
}

TEST_F(channel, poll_says_always_writable)
{
	EXPECT_EQ(POLLOUT, events_of(self->writer));
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(POLLOUT, events_of(self->writer));
	EXPECT_EQ(4, put(self->writer, "half"));
	EXPECT_EQ(POLLOUT, events_of(self->writer));
}

TEST_F(channel, poll_never_says_hang_up)
{
	close(self->writer);
	EXPECT_EQ(POLLOUT, events_of(self->reader));
	self->writer = open_channel(O_WRONLY);
	EXPECT_EQ(2, put(self->writer, "x\n"));
	close(self->writer);
	EXPECT_EQ(POLLOUT | POLLIN, events_of(self->reader));
	self->writer = -1;
}

TEST_F(channel, a_publication_wakes_poll)
{
	pid_t pid = publish_later(self->writer, "wake\n");

	EXPECT_TRUE(readable_within(self->reader, PATIENCE_MS));
	EXPECT_LATEST("wake\n");
	EXPECT_TRUE(ended_well(pid));
}

TEST_F(channel, a_publication_wakes_select)
{
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	pid_t pid = publish_later(self->writer, "wake\n");
	fd_set in, out;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(self->reader, &in);
	EXPECT_EQ(1, select(self->reader + 1, &in, NULL, NULL, &patience));
	EXPECT_TRUE(FD_ISSET(self->reader, &in));
	FD_SET(self->writer, &out);
	EXPECT_EQ(1, select(self->writer + 1, NULL, &out, NULL, &patience));
	EXPECT_LATEST("wake\n");
	EXPECT_TRUE(ended_well(pid));
}

static int epoll_of(int fd, unsigned int events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	return epoll;
}

static unsigned int next_event(int epoll, int ms)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, ms) == 1 ? event.events : 0;
}

TEST_F(channel, level_triggered_epoll_reports_until_the_line_is_read)
{
	int epoll = epoll_of(self->reader, EPOLLIN);

	EXPECT_EQ(0, next_event(epoll, 0));
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(EPOLLIN, next_event(epoll, PATIENCE_MS));
	EXPECT_EQ(EPOLLIN, next_event(epoll, PATIENCE_MS));
	EXPECT_LATEST("x\n");
	EXPECT_EQ(0, next_event(epoll, 0));
	close(epoll);
}

TEST_F(channel, edge_triggered_epoll_reports_each_publication)
{
	int epoll = epoll_of(self->reader, EPOLLIN | EPOLLET);
	int i;

	EXPECT_EQ(0, next_event(epoll, 0));
	for (i = 0; i < 3; i++) {
		/* Whether the line before it was read or not. */
		EXPECT_EQ(2, put(self->writer, "x\n"));
		EXPECT_EQ(EPOLLIN, next_event(epoll, PATIENCE_MS));
		EXPECT_EQ(0, next_event(epoll, 0));
	}
	EXPECT_LATEST("x\n");
	EXPECT_EQ(0, next_event(epoll, 0));
	EXPECT_EQ(2, put(self->writer, "y\n"));
	EXPECT_EQ(EPOLLIN, next_event(epoll, PATIENCE_MS));
	close(epoll);
}

TEST_F(channel, a_publication_wakes_epoll)
{
	int epoll = epoll_of(self->reader, EPOLLIN | EPOLLET);
	pid_t pid = publish_later(self->writer, "wake\n");

	EXPECT_EQ(EPOLLIN, next_event(epoll, PATIENCE_MS));
	EXPECT_TRUE(ended_well(pid));
	close(epoll);
}

TEST_F(channel, a_publication_wakes_each_open_file_that_polls_exclusively)
{
	int other = open_channel(O_RDONLY | O_NONBLOCK);
	int first = epoll_of(self->reader, EPOLLIN | EPOLLEXCLUSIVE);
	int second = epoll_of(other, EPOLLIN | EPOLLEXCLUSIVE);
	pid_t pid;

	ASSERT_EQ(0, lseek(other, 0, SEEK_END));
	EXPECT_EQ(0, next_event(first, 0));
	EXPECT_EQ(0, next_event(second, 0));
	/* Woken, that is, not only found readable when looked at. */
	pid = publish_later(self->writer, "wake\n");
	EXPECT_EQ(EPOLLIN, next_event(first, PATIENCE_MS));
	EXPECT_EQ(EPOLLIN, next_event(second, PATIENCE_MS));
	EXPECT_TRUE(ended_well(pid));
	close(first);
	close(second);
	close(other);
}

TEST_F(channel, lseek_set_is_news_for_epoll)
{
	int epoll = epoll_of(self->reader, EPOLLIN);

	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_LATEST("x\n");
	EXPECT_EQ(0, next_event(epoll, 0));
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_EQ(EPOLLIN, next_event(epoll, PATIENCE_MS));
	close(epoll);
}

TEST_F(channel, a_publication_sends_sigio_to_the_owner)
{
	struct timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, fcntl(self->reader, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->reader, F_SETFL, O_ASYNC | O_NONBLOCK));
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(SIGIO, sigtimedwait(&set, NULL, &patience));
	EXPECT_LATEST("x\n");

	/* And no longer when it is switched off. */
	patience = (struct timespec){ .tv_nsec = PAUSE_MS * 1000000L };
	ASSERT_EQ(0, fcntl(self->reader, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(2, put(self->writer, "y\n"));
	EXPECT_EQ(-1, sigtimedwait(&set, NULL, &patience));
}

TEST_HARNESS_MAIN
