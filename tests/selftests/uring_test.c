// SPDX-License-Identifier: GPL-2.0-only
/* io_uring(7) */
#include "lastline_test.h"

#include <dirent.h>
#include <liburing.h>

static struct io_uring ring;

/* If the driver ignored RWF_NOWAIT, io_uring_submit() would sleep, so check that first. */
#define START_RING() do {								\
	int error_;									\
	char c_;									\
											\
	set_blocking(self->reader, true);						\
	ASSERT_EQ(-1, read_nowait(self->reader, &c_, 1));				\
	ASSERT_EQ(EAGAIN, errno);							\
	error_ = -io_uring_queue_init(8, &ring, 0);					\
	if (error_)									\
		SKIP(return, "io_uring is not available: %s", strerror(error_));	\
} while (0)

/* Returns the result of the next completion, or -ETIME. */
static int next_result(int ms)
{
	struct __kernel_timespec timeout = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000,
	};
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe_timeout(&ring, &cqe, &timeout);

	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret;
}

/* Counts the threads of this process, including io_uring's workers. */
static int count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int count = -2;		/* . and .. */

	while (readdir(tasks))
		count++;
	closedir(tasks);
	return count;
}

#define SUBMIT_READ(buf, size) do {							\
	io_uring_prep_read(io_uring_get_sqe(&ring), self->reader, buf, size, -1);	\
	ASSERT_EQ(1, io_uring_submit(&ring));						\
} while (0)

TEST_F(channel, read_completes_when_line_is_published)
{
	char buf[64] = "";

	START_RING();
	SUBMIT_READ(buf, sizeof(buf));
	EXPECT_EQ(-ETIME, next_result(NO_EVENT_MS));
	/* io_uring polls the channel instead of blocking a worker thread. */
	EXPECT_EQ(1, count_threads());
	EXPECT_EQ(5, write_str(self->writer, "line\n"));
	EXPECT_EQ(5, next_result(TIMEOUT_MS));
	EXPECT_STREQ("line\n", buf);
	EXPECT_EQ(1, count_threads());
}

TEST_F(channel, poll_completes_when_line_is_published)
{
	START_RING();
	io_uring_prep_poll_add(io_uring_get_sqe(&ring), self->reader, POLLIN);
	ASSERT_EQ(1, io_uring_submit(&ring));
	EXPECT_EQ(-ETIME, next_result(NO_EVENT_MS));
	EXPECT_EQ(2, write_str(self->writer, "x\n"));
	EXPECT_EQ(POLLIN, next_result(TIMEOUT_MS) & POLLIN);
	EXPECT_EQ(1, count_threads());
}

TEST_F(channel, read_with_rwf_nowait_returns_eagain)
{
	struct io_uring_sqe *sqe;
	char c;

	START_RING();
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(sqe, self->reader, &c, 1, -1);
	sqe->rw_flags = RWF_NOWAIT;
	ASSERT_EQ(1, io_uring_submit(&ring));
	EXPECT_EQ(-EAGAIN, next_result(TIMEOUT_MS));
}

TEST_F(channel, write_fsync_and_short_read_complete)
{
	char buf[64] = "";

	START_RING();
	io_uring_prep_write(io_uring_get_sqe(&ring), self->writer, "line\nhalf", 9, -1);
	ASSERT_EQ(1, io_uring_submit(&ring));
	EXPECT_EQ(9, next_result(TIMEOUT_MS));
	SUBMIT_READ(buf, 2);
	EXPECT_EQ(2, next_result(TIMEOUT_MS));
	EXPECT_STREQ("li", buf);
	EXPECT_STREQ("ne\n", read_str(self->reader));
	io_uring_prep_fsync(io_uring_get_sqe(&ring), self->writer, 0);
	ASSERT_EQ(1, io_uring_submit(&ring));
	EXPECT_EQ(0, next_result(TIMEOUT_MS));
	EXPECT_STREQ("half\n", read_str(self->reader));
}

/* The kernel copies from and to the pages of registered buffers. */
TEST_F(channel, registered_buffers_are_written_and_read)
{
	char in[] = "line\nhalf", out[64] = "";
	struct iovec buffers[] = { { in, 9 }, { out, sizeof(out) } };

	START_RING();
	ASSERT_EQ(0, io_uring_register_buffers(&ring, buffers, 2));
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), self->reader, out, sizeof(out), -1, 1);
	io_uring_prep_write_fixed(io_uring_get_sqe(&ring), self->writer, in, 9, -1, 0);
	ASSERT_EQ(2, io_uring_submit(&ring));
	EXPECT_EQ(14, next_result(TIMEOUT_MS) + next_result(TIMEOUT_MS));
	EXPECT_STREQ("line\n", out);
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), self->reader, out, 2, -1, 1);
	EXPECT_EQ(5, write_str(self->writer, "way\nx"));
	ASSERT_EQ(1, io_uring_submit(&ring));
	EXPECT_EQ(2, next_result(TIMEOUT_MS));
	EXPECT_STREQ("hane\n", out);
}

/* Debian 12's liburing does not define it. */
#define OP_READ_MULTISHOT	49

static bool supports(int opcode)
{
	struct io_uring_probe *probe = io_uring_get_probe();
	bool supported = probe && probe->last_op >= opcode &&
			 probe->ops[opcode].flags & IO_URING_OP_SUPPORTED;

	free(probe);
	return supported;
}

TEST_F(channel, multishot_read_completes_with_each_line)
{
	static char buffers[4][64];
	struct io_uring_sqe *sqe;

	START_RING();
	if (!supports(OP_READ_MULTISHOT))
		SKIP(return, "needs IORING_OP_READ_MULTISHOT (Linux 6.7)");

	io_uring_prep_provide_buffers(io_uring_get_sqe(&ring), buffers, 64, 4, 1, 0);
	ASSERT_EQ(1, io_uring_submit(&ring));
	ASSERT_EQ(0, next_result(TIMEOUT_MS));

	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_rw(OP_READ_MULTISHOT, sqe, self->reader, NULL, 0, -1);
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = 1;
	ASSERT_EQ(1, io_uring_submit(&ring));
	EXPECT_EQ(4, write_str(self->writer, "one\n"));
	EXPECT_EQ(4, next_result(TIMEOUT_MS));
	EXPECT_EQ(6, write_str(self->writer, "three\n"));
	EXPECT_EQ(6, next_result(TIMEOUT_MS));
	EXPECT_EQ(1, count_threads());
}

TEST_HARNESS_MAIN
