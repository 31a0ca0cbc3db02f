// SPDX-License-Identifier: GPL-2.0-only
/* io_uring(7) */
#include "lastline_test.h"

#include <liburing.h>

FIXTURE(uring)
{
	struct io_uring ring;
	int reader;
	int writer;
};

FIXTURE_SETUP(uring)
{
	int ret;

	self->reader = open_channel(O_RDONLY);
	if (self->reader < 0)
		SKIP(return, "no %s here; load the module", dev_path());
	self->writer = open_channel(O_WRONLY);
	ASSERT_LE(0, self->writer);
	ASSERT_EQ(0, lseek(self->reader, 0, SEEK_END));
	ret = io_uring_queue_init(8, &self->ring, 0);
	if (ret)
		SKIP(return, "io_uring is not to be had: %s", strerror(-ret));
}

FIXTURE_TEARDOWN(uring)
{
	io_uring_queue_exit(&self->ring);
	close(self->reader);
	close(self->writer);
}

/* The result of the next completion, -ETIME if there is none. */
static int next_result(struct io_uring *ring, int ms)
{
	struct __kernel_timespec patience = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000,
	};
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe_timeout(ring, &cqe, &patience);

	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

TEST_F(uring, a_read_completes_when_a_line_comes)
{
	char buf[64] = "";

	io_uring_prep_read(io_uring_get_sqe(&self->ring), self->reader, buf, sizeof(buf), -1);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-ETIME, next_result(&self->ring, PAUSE_MS));
	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_EQ(5, next_result(&self->ring, PATIENCE_MS));
	EXPECT_STREQ("line\n", buf);
}

TEST_F(uring, a_read_with_rwf_nowait_is_eagain)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
	char c;

	io_uring_prep_read(sqe, self->reader, &c, 1, -1);
	sqe->rw_flags = RWF_NOWAIT;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-EAGAIN, next_result(&self->ring, PATIENCE_MS));
}

TEST_F(uring, a_short_read_leaves_a_remainder)
{
	char buf[64] = "";

	EXPECT_EQ(5, put(self->writer, "line\n"));
	io_uring_prep_read(io_uring_get_sqe(&self->ring), self->reader, buf, 2, -1);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(2, next_result(&self->ring, PATIENCE_MS));
	EXPECT_STREQ("li", buf);
	EXPECT_STREQ("ne\n", get(self->reader));
}

TEST_F(uring, a_write_publishes)
{
	io_uring_prep_write(io_uring_get_sqe(&self->ring), self->writer, "line\n", 5, -1);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(5, next_result(&self->ring, PATIENCE_MS));
	EXPECT_STREQ("line\n", get(self->reader));
}

TEST_F(uring, a_poll_completes_when_a_line_comes)
{
	io_uring_prep_poll_add(io_uring_get_sqe(&self->ring), self->reader, POLLIN);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-ETIME, next_result(&self->ring, PAUSE_MS));
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(POLLIN, next_result(&self->ring, PATIENCE_MS) & POLLIN);
}

TEST_F(uring, fsync_publishes_the_unfinished_line)
{
	EXPECT_EQ(4, put(self->writer, "half"));
	io_uring_prep_fsync(io_uring_get_sqe(&self->ring), self->writer, 0);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(0, next_result(&self->ring, PATIENCE_MS));
	EXPECT_STREQ("half\n", get(self->reader));
}

TEST_HARNESS_MAIN
