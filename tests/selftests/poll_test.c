// SPDX-License-Identifier: GPL-2.0-only
/* poll(2), select(2), epoll(7), SIGIO and poll(2) of the "readers" attribute */
#include <sys/epoll.h>
#include <sys/select.h>

#include "lastline_test.h"

TEST_F_TIMEOUT(channel, write_wakes_poll, WAKE_TIMEOUT)
{
	pid_t pid = write_when_asleep(self->writer, "wake\n");

	EXPECT_TRUE(readable_within(self->reader, -1));
	EXPECT_LATEST("wake\n");
	EXPECT_TRUE(child_succeeds(pid));
}

TEST_F_TIMEOUT(channel, write_wakes_select, WAKE_TIMEOUT)
{
	fd_set in, out;
	pid_t pid;

	EXPECT_EQ(4, write_str(self->writer, "half"));
	pid = write_when_asleep(self->writer, " way\n");
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(self->reader, &in);
	EXPECT_EQ(1, select(self->reader + 1, &in, NULL, NULL, NULL));
	EXPECT_TRUE(FD_ISSET(self->reader, &in));
	FD_SET(self->writer, &out);
	EXPECT_EQ(1, select(self->writer + 1, NULL, &out, NULL, NULL));
	EXPECT_LATEST("half way\n");
	EXPECT_TRUE(child_succeeds(pid));
}

static int new_epoll(int fd, unsigned int events)
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

TEST_F(channel, level_triggered_epoll_reports_until_line_is_read)
{
	int epoll = new_epoll(self->reader, EPOLLIN | EPOLLRDNORM);

	EXPECT_EQ(0, next_event(epoll, 0));
	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_EQ(EPOLLIN | EPOLLRDNORM, next_event(epoll, 0));
	EXPECT_EQ(EPOLLIN | EPOLLRDNORM, next_event(epoll, 0));
	EXPECT_LATEST("x\n");
	EXPECT_EQ(0, next_event(epoll, 0));
	/* lseek() makes the line unseen again. */
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_EQ(EPOLLIN | EPOLLRDNORM, next_event(epoll, 0));
	close(epoll);
}

TEST_F(channel, edge_triggered_epoll_reports_each_write)
{
	int epoll = new_epoll(self->reader, EPOLLIN | EPOLLET);
	int i;

	EXPECT_EQ(0, next_event(epoll, 0));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(2, write_str(self->writer, "x\n"));
		EXPECT_EQ(EPOLLIN, next_event(epoll, 0));
		EXPECT_EQ(0, next_event(epoll, 0));
	}
	EXPECT_LATEST("x\n");
	EXPECT_EQ(0, next_event(epoll, 0));
	EXPECT_EQ(2, write_str(self->writer, "y\n"));
	EXPECT_EQ(EPOLLIN, next_event(epoll, 0));
	close(epoll);
}

/* The partial line makes the write take the slow path. */
TEST_F(channel, edge_triggered_epoll_reports_completed_partial_line)
{
	int epoll = new_epoll(self->reader, EPOLLIN | EPOLLET);

	EXPECT_EQ(4, write_str(self->writer, "half"));
	EXPECT_EQ(0, next_event(epoll, 0));
	EXPECT_EQ(1, write_str(self->writer, "\n"));
	EXPECT_EQ(EPOLLIN, next_event(epoll, 0));
	close(epoll);
}

TEST_F_TIMEOUT(channel, write_wakes_epoll, WAKE_TIMEOUT)
{
	int epoll = new_epoll(self->reader, EPOLLRDNORM | EPOLLET);
	pid_t pid = write_when_asleep(self->writer, "wake\n");

	EXPECT_EQ(EPOLLRDNORM, next_event(epoll, -1));
	EXPECT_TRUE(child_succeeds(pid));
	close(epoll);
}

TEST_F_TIMEOUT(channel, write_wakes_each_open_file_with_epollexclusive, WAKE_TIMEOUT)
{
	int other = open_channel(O_RDONLY | O_NONBLOCK);
	int first = new_epoll(self->reader, EPOLLIN | EPOLLEXCLUSIVE);
	int second = new_epoll(other, EPOLLIN | EPOLLEXCLUSIVE);
	pid_t pid;

	ASSERT_EQ(0, lseek(other, 0, SEEK_END));
	EXPECT_EQ(0, next_event(first, 0));
	EXPECT_EQ(0, next_event(second, 0));
	pid = write_when_asleep(self->writer, "wake\n");
	EXPECT_EQ(EPOLLIN, next_event(first, -1));
	EXPECT_EQ(EPOLLIN, next_event(second, -1));
	EXPECT_TRUE(child_succeeds(pid));
	close(first);
	close(second);
	close(other);
}

TEST_F_TIMEOUT(channel, lseek_set_wakes_epoll, WAKE_TIMEOUT)
{
	int epoll = new_epoll(self->reader, EPOLLIN | EPOLLET);
	pid_t pid;

	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_EQ(EPOLLIN, next_event(epoll, 0));
	EXPECT_LATEST("x\n");
	EXPECT_EQ(0, next_event(epoll, 0));
	pid = fork_waker();
	if (!pid)
		_exit(lseek(self->reader, 0, SEEK_SET));
	EXPECT_EQ(EPOLLIN, next_event(epoll, -1));
	EXPECT_TRUE(child_succeeds(pid));
	close(epoll);
}

TEST_F(channel, lseek_set_of_another_file_causes_no_event)
{
	int epoll = new_epoll(self->reader, EPOLLIN | EPOLLET);
	int other = open_channel(O_RDONLY);

	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_EQ(EPOLLIN, next_event(epoll, 0));
	EXPECT_EQ(0, lseek(other, 0, SEEK_SET));
	EXPECT_EQ(0, next_event(epoll, 0));
	close(epoll);
	close(other);
}

TEST_F(channel, write_sends_sigio_to_owner)
{
	struct timespec timeout = { .tv_sec = TIMEOUT_MS / 1000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, fcntl(self->reader, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->reader, F_SETFL, O_ASYNC | O_NONBLOCK));
	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_EQ(SIGIO, sigtimedwait(&set, NULL, &timeout));
	EXPECT_LATEST("x\n");

	timeout = (struct timespec){ .tv_nsec = NO_EVENT_MS * 1000000L };
	ASSERT_EQ(0, fcntl(self->reader, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(2, write_str(self->writer, "y\n"));
	EXPECT_EQ(-1, sigtimedwait(&set, NULL, &timeout));
}

TEST_F_TIMEOUT(channel, open_and_close_wake_poll_of_readers_attribute, WAKE_TIMEOUT)
{
	struct pollfd pfd = { .events = POLLPRI };
	char text[32];
	int go[2];
	pid_t pid;

	pfd.fd = open_attribute(get_info(self->writer).number, "readers");
	ASSERT_LE(0, pfd.fd);
	ASSERT_EQ(0, pipe(go));
	close(self->reader);
	/* poll() of an attribute reports changes since the last read. */
	ASSERT_LT(0, pread(pfd.fd, text, sizeof(text), 0));
	EXPECT_EQ(0, poll(&pfd, 1, NO_EVENT_MS));
	pid = fork_waker();
	if (!pid) {
		int fd = open_channel(O_RDONLY);

		_exit(fd < 0 || read(go[0], text, 1) != 1);
	}
	EXPECT_EQ(1, poll(&pfd, 1, -1));
	EXPECT_TRUE(pfd.revents & POLLPRI);
	ASSERT_LT(0, pread(pfd.fd, text, sizeof(text), 0));
	EXPECT_EQ(get_info(self->writer).readers, atoi(text));
	EXPECT_LE(1, atoi(text));
	EXPECT_EQ(1, write(go[1], "x", 1));
	EXPECT_EQ(1, poll(&pfd, 1, -1));
	EXPECT_TRUE(child_succeeds(pid));
	close(pfd.fd);
	self->reader = -1;
}

TEST_HARNESS_MAIN
