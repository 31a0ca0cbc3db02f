// SPDX-License-Identifier: GPL-2.0-only
/* io_uring(7) */
#include "lastline_test.h"

#include <dirent.h>
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

/* Threads of this process; those that io_uring punts work to are among them. */
static int count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int count = -2;		/* . and .. */

	while (readdir(tasks))
		count++;
	closedir(tasks);
	return count;
}

TEST_F(uring, nothing_is_punted_to_worker_threads)
{
	char buf[64] = "";

	io_uring_prep_write(io_uring_get_sqe(&self->ring), self->writer, "one\n", 4, -1);
	io_uring_prep_read(io_uring_get_sqe(&self->ring), self->reader, buf, sizeof(buf), -1);
	ASSERT_EQ(2, io_uring_submit(&self->ring));
	EXPECT_EQ(4, next_result(&self->ring, PATIENCE_MS));
	EXPECT_EQ(4, next_result(&self->ring, PATIENCE_MS));
	EXPECT_EQ(1, count_threads());

	io_uring_prep_read(io_uring_get_sqe(&self->ring), self->reader, buf, sizeof(buf), -1);
	io_uring_prep_poll_add(io_uring_get_sqe(&self->ring), self->reader, POLLIN);
	ASSERT_EQ(2, io_uring_submit(&self->ring));
	EXPECT_EQ(-ETIME, next_result(&self->ring, PAUSE_MS));
	EXPECT_EQ(1, count_threads());
	EXPECT_EQ(4, put(self->writer, "two\n"));
	EXPECT_LT(0, next_result(&self->ring, PATIENCE_MS));
	EXPECT_LT(0, next_result(&self->ring, PATIENCE_MS));
	EXPECT_EQ(1, count_threads());
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

/* Newer than liburing of Debian 12. */
#define OP_READ_MULTISHOT	49

static bool supports(int opcode)
{
	struct io_uring_probe *probe = io_uring_get_probe();
	bool supported = probe && probe->last_op >= opcode &&
			 probe->ops[opcode].flags & IO_URING_OP_SUPPORTED;

	free(probe);
	return supported;
}

TEST_F(uring, a_multishot_read_completes_with_each_line)
{
	static char buffers[4][64];
	struct io_uring_sqe *sqe;

	if (!supports(OP_READ_MULTISHOT))
		SKIP(return, "this kernel has no IORING_OP_READ_MULTISHOT (it came with 6.7)");

	io_uring_prep_provide_buffers(io_uring_get_sqe(&self->ring), buffers, 64, 4, 1, 0);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	ASSERT_EQ(0, next_result(&self->ring, PATIENCE_MS));

	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_rw(OP_READ_MULTISHOT, sqe, self->reader, NULL, 0, -1);
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = 1;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(4, put(self->writer, "one\n"));
	EXPECT_EQ(4, next_result(&self->ring, PATIENCE_MS));
	EXPECT_EQ(6, put(self->writer, "three\n"));
	EXPECT_EQ(6, next_result(&self->ring, PATIENCE_MS));
	EXPECT_EQ(1, count_threads());
}

TEST_F(uring, vmsplice_and_splice_publish_and_take)
{
	struct iovec piece = { .iov_base = "spliced\n", .iov_len = 8 };
	char buf[16] = "";
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	EXPECT_EQ(8, vmsplice(ends[1], &piece, 1, 0));
	io_uring_prep_splice(io_uring_get_sqe(&self->ring), ends[0], -1, self->writer, -1, 8, 0);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(8, next_result(&self->ring, PATIENCE_MS));
	EXPECT_EQ(8, splice(self->reader, NULL, ends[1], NULL, 64, 0));
	EXPECT_EQ(8, read(ends[0], buf, sizeof(buf)));
	EXPECT_STREQ("spliced\n", buf);
	close(ends[0]);
	close(ends[1]);
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
