// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process whose memory takes long to page in: the page is missing, and the
 * userfaultfd(2) that has to bring it takes its time.
 */
#include "lastline_test.h"
#include "slow_page.h"

struct call {
	pthread_t thread;
	int fd;
	char *buf;
	size_t len;
	ssize_t ret;
};

static void *do_write(void *arg)
{
	struct call *call = arg;

	call->ret = write(call->fd, call->buf, call->len);
	return NULL;
}

static void *do_read(void *arg)
{
	struct call *call = arg;

	call->ret = read(call->fd, call->buf, call->len);
	return NULL;
}

/*
 * No test below can end while somebody waits for the slow page who should not:
 * it comes only after everything else was done.
 */
TEST_F(channel, a_writer_that_waits_for_its_page_holds_up_nobody)
{
	struct call call = { .fd = self->writer, .len = 5 };
	int other = open_channel(O_WRONLY);
	struct slow_page slow;
	int i;

	if (!prepare_page(&slow))
		SKIP(return, "userfaultfd is not to be had: %s", strerror(errno));
	call.buf = slow.page;
	EXPECT_EQ(4, put(self->writer, "old\n"));
	ASSERT_EQ(0, pthread_create(&call.thread, NULL, do_write, &call));
	ASSERT_TRUE(await_fault(&slow, PATIENCE_MS));

	EXPECT_LATEST("old\n");
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(4, put(other, "new\n"));
		EXPECT_LATEST("new\n");
		/* Nor on the same open file. */
		EXPECT_EQ(5, put(self->writer, "same\n"));
		EXPECT_LATEST("same\n");
	}
	EXPECT_EQ(0, fsync(self->writer));
	EXPECT_EQ(21, PUBLISHED());

	EXPECT_TRUE(bring_page(&slow, "slow\n"));
	pthread_join(call.thread, NULL);
	EXPECT_EQ(5, call.ret);
	EXPECT_EQ(22, PUBLISHED());
	EXPECT_LATEST("slow\n");
	drop_page(&slow);
	close(other);
}

TEST_F(channel, a_reader_that_waits_for_its_page_holds_up_nobody)
{
	struct call call = { .fd = self->reader, .len = 5 };
	int other = open_channel(O_RDONLY | O_NONBLOCK);
	struct slow_page slow;
	int i;

	if (!prepare_page(&slow))
		SKIP(return, "userfaultfd is not to be had: %s", strerror(errno));
	call.buf = slow.page;
	EXPECT_EQ(5, put(self->writer, "slow\n"));
	ASSERT_EQ(0, pthread_create(&call.thread, NULL, do_read, &call));
	ASSERT_TRUE(await_fault(&slow, PATIENCE_MS));

	for (i = 0; i < 10; i++) {
		EXPECT_EQ(4, put(self->writer, "new\n"));
		EXPECT_STREQ("new\n", get(other));
	}
	EXPECT_TRUE(readable_within(self->reader, 0));

	EXPECT_TRUE(bring_page(&slow, ""));
	pthread_join(call.thread, NULL);
	/* It gets a line that was the latest one during its read. */
	EXPECT_EQ(5, call.ret);
	EXPECT_EQ(0, memcmp("slow\n", slow.page, 5));
	EXPECT_LATEST("new\n");
	drop_page(&slow);
	close(other);
}

TEST_F(channel, two_reads_of_one_open_file_share_no_line_even_if_one_waits_for_its_page)
{
	struct call call = { .fd = self->reader, .len = 64 };
	struct slow_page slow;

	if (!prepare_page(&slow))
		SKIP(return, "userfaultfd is not to be had: %s", strerror(errno));
	call.buf = slow.page;
	EXPECT_EQ(4, put(self->writer, "one\n"));
	ASSERT_EQ(0, pthread_create(&call.thread, NULL, do_read, &call));
	ASSERT_TRUE(await_fault(&slow, PATIENCE_MS));
	EXPECT_LATEST("one\n");
	EXPECT_EQ(4, put(self->writer, "two\n"));
	EXPECT_TRUE(bring_page(&slow, ""));
	pthread_join(call.thread, NULL);
	EXPECT_EQ(4, call.ret);
	EXPECT_EQ(0, memcmp("two\n", slow.page, 4));
	EXPECT_EQ(self->generation + 2, taken_of(self->reader).generation);
	EXPECT_EQ(0, taken_of(self->reader).missed);
	drop_page(&slow);
}

TEST_F(channel, an_unfinished_line_may_come_from_a_slow_page)
{
	struct call call = { .fd = self->writer, .len = 4 };
	struct slow_page slow;

	if (!prepare_page(&slow))
		SKIP(return, "userfaultfd is not to be had: %s", strerror(errno));
	call.buf = slow.page;
	EXPECT_EQ(3, put(self->writer, "the"));
	ASSERT_EQ(0, pthread_create(&call.thread, NULL, do_write, &call));
	ASSERT_TRUE(await_fault(&slow, PATIENCE_MS));
	EXPECT_UNTOUCHED();
	EXPECT_TRUE(bring_page(&slow, " end"));
	pthread_join(call.thread, NULL);
	EXPECT_EQ(4, call.ret);
	EXPECT_EQ(1, put(self->writer, "\n"));
	EXPECT_LATEST("the end\n");
	drop_page(&slow);
}

TEST_HARNESS_MAIN
