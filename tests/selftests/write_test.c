// SPDX-License-Identifier: GPL-2.0-only
/* write(2), fsync(2) and close(2) */
#include "lastline_test.h"

TEST_F(channel, a_write_needs_no_reader)
{
	int i;

	close(self->reader);
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(5, put(self->writer, "line\n"));
	self->reader = open_channel(O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(1000, PUBLISHED());
	EXPECT_LATEST("line\n");
}

TEST_F(channel, an_equal_line_is_published_like_any_other)
{
	EXPECT_EQ(5, put(self->writer, "same\n"));
	EXPECT_LATEST("same\n");
	EXPECT_EQ(5, put(self->writer, "same\n"));
	EXPECT_EQ(2, PUBLISHED());
	EXPECT_LATEST("same\n");
}

TEST_F(channel, of_many_lines_in_a_write_the_last_is_published_once)
{
	EXPECT_EQ(15, put(self->writer, "one\ntwo\nthree!\n"));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_LATEST("three!\n");
}

/* Bytes are searched in blocks, words and one by one, depending on where they are. */
TEST_F(channel, the_last_line_is_found_wherever_the_one_before_it_ends)
{
	char data[64];
	unsigned int len, end;

	for (len = 2; len <= sizeof(data); len++) {
		for (end = 0; end < len - 1; end++) {
			memset(data, 'a', len);
			data[end] = '\n';
			data[len - 1] = '\n';
			ASSERT_EQ(len, write(self->writer, data, len));
			ASSERT_EQ(len - 1 - end, strlen(get(self->reader))) {
				TH_LOG("%u bytes, a newline at %u", len, end);
			}
		}
	}
}

TEST_F(channel, bytes_after_the_last_newline_stay_with_the_open_file)
{
	EXPECT_EQ(9, put(self->writer, "line\nrest"));
	EXPECT_LATEST("line\n");
	EXPECT_EQ(5, put(self->writer, " and "));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_EQ(9, put(self->writer, "more\nagai"));
	EXPECT_LATEST("rest and more\n");
	EXPECT_EQ(2, put(self->writer, "n\n"));
	EXPECT_LATEST("again\n");
	EXPECT_EQ(3, PUBLISHED());
}

TEST_F(channel, an_unfinished_line_before_several_lines_is_overwritten_with_them)
{
	EXPECT_EQ(4, put(self->writer, "lost"));
	EXPECT_EQ(10, put(self->writer, " line\nnew\n"));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_LATEST("new\n");
	EXPECT_EQ(5, put(self->writer, "next\n"));
	EXPECT_LATEST("next\n");
}

TEST_F(channel, two_writers_never_mix_inside_a_line)
{
	int other = open_channel(O_WRONLY);

	EXPECT_EQ(4, put(self->writer, "left"));
	EXPECT_EQ(5, put(other, "right"));
	EXPECT_EQ(5, put(self->writer, " one\n"));
	EXPECT_LATEST("left one\n");
	EXPECT_EQ(5, put(other, " two\n"));
	EXPECT_LATEST("right two\n");
	close(other);
}

TEST_F(channel, descriptors_of_one_open_file_share_its_unfinished_line)
{
	int copy = dup(self->writer);

	EXPECT_EQ(3, put(self->writer, "one"));
	EXPECT_EQ(4, put(copy, "two\n"));
	EXPECT_LATEST("onetwo\n");
	close(copy);
}

TEST_F(channel, fsync_publishes_the_unfinished_line)
{
	EXPECT_EQ(4, put(self->writer, "half"));
	EXPECT_UNTOUCHED();
	EXPECT_EQ(0, fsync(self->writer));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_LATEST("half\n");
	EXPECT_EQ(4, put(self->writer, "new\n"));
	EXPECT_LATEST("new\n");
}

TEST_F(channel, fsync_without_an_unfinished_line_publishes_nothing)
{
	EXPECT_EQ(0, fsync(self->writer));
	EXPECT_EQ(0, fdatasync(self->writer));
	EXPECT_EQ(0, fsync(self->reader));
	EXPECT_UNTOUCHED();
}

TEST_F(channel, the_last_close_publishes_the_unfinished_line)
{
	int copy = dup(self->writer);

	EXPECT_EQ(4, put(self->writer, "half"));
	EXPECT_EQ(0, close(self->writer));
	EXPECT_UNTOUCHED();
	EXPECT_EQ(0, close(copy));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_LATEST("half\n");
	self->writer = -1;
}

/* How a writer with an unfinished line ends, and whether that publishes it. */
FIXTURE(ending)
{
	int reader;
};

FIXTURE_VARIANT(ending)
{
	int signal;
	bool sibling;
	const char *latest;
};

FIXTURE_VARIANT_ADD(ending, exit_publishes)
{
	.latest = "half\n",
};

FIXTURE_VARIANT_ADD(ending, exit_with_a_sleeping_thread_publishes)
{
	.sibling = true,
	.latest = "half\n",
};

FIXTURE_VARIANT_ADD(ending, sigkill_publishes_nothing)
{
	.signal = SIGKILL,
	.latest = "",
};

FIXTURE_VARIANT_ADD(ending, sigterm_publishes_nothing)
{
	.signal = SIGTERM,
	.latest = "",
};

FIXTURE_VARIANT_ADD(ending, sigkill_with_a_sleeping_thread_publishes_nothing)
{
	.signal = SIGKILL,
	.sibling = true,
	.latest = "",
};

FIXTURE_SETUP(ending)
{
	self->reader = open_channel(O_RDONLY | O_NONBLOCK);
	if (self->reader < 0)
		SKIP(return, "no %s here; load the module", dev_path());
	ASSERT_EQ(0, lseek(self->reader, 0, SEEK_END));
}

FIXTURE_TEARDOWN(ending)
{
	close(self->reader);
}

static void *sleep_for_good(void *unused)
{
	for (;;)
		pause();
	return unused;
}

TEST_F(ending, of_a_writer_with_an_unfinished_line)
{
	pthread_t thread;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int fd = open_channel(O_WRONLY);

		if (variant->sibling &&
		    pthread_create(&thread, NULL, sleep_for_good, NULL))
			_exit(1);
		if (put(fd, "half") != 4)
			_exit(1);
		pause_ms(PAUSE_MS);
		if (variant->signal)
			kill(getpid(), variant->signal);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(variant->signal, WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	pause_ms(PAUSE_MS);
	EXPECT_STREQ(variant->latest, get(self->reader));
}

/* A child that writes to a descriptor it inherited, and is killed or exits. */
static void child_writes(int fd, const char *text, int signal)
{
	pid_t pid = fork();

	if (!pid) {
		if (put(fd, text) != (ssize_t)strlen(text))
			_exit(1);
		if (signal)
			kill(getpid(), signal);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

TEST_F(channel, what_a_killed_writer_left_is_not_joined_by_the_next_one)
{
	child_writes(self->writer, "half", SIGKILL);
	EXPECT_EQ(6, put(self->writer, "whole\n"));
	EXPECT_LATEST("whole\n");
}

TEST_F(channel, what_a_killed_writer_left_is_not_published_by_the_last_close)
{
	child_writes(self->writer, "half", SIGKILL);
	EXPECT_EQ(0, close(self->writer));
	EXPECT_UNTOUCHED();
	self->writer = -1;
}

TEST_F(channel, what_a_writer_left_that_exited_is_joined_by_the_next_one)
{
	child_writes(self->writer, "half", 0);
	EXPECT_EQ(5, put(self->writer, " way\n"));
	EXPECT_LATEST("half way\n");
}

TEST_F(channel, a_killed_heir_of_the_descriptor_takes_nothing_along)
{
	EXPECT_EQ(4, put(self->writer, "half"));
	child_writes(self->writer, "", SIGKILL);
	EXPECT_EQ(0, close(self->writer));
	EXPECT_LATEST("half\n");
	self->writer = -1;
}

TEST_F(channel, only_the_tail_of_a_large_write_is_looked_at)
{
	size_t size = 64 << 20;
	size_t tail = 2 * self->line_max + 1;
	size_t page = sysconf(_SC_PAGESIZE);
	size_t there = (tail + page - 1) / page * page;
	char *buf;

	if (size < 2 * there)
		SKIP(return, "line_max is too large for this test");
	buf = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_EQ(0, mprotect(buf + size - there, there, PROT_READ | PROT_WRITE));
	memset(buf + size - there, 'x', there);
	buf[size - 6] = '\n';
	memcpy(buf + size - 5, "tail\n", 5);
	EXPECT_EQ(size, write(self->writer, buf, size));
	EXPECT_LATEST("tail\n");
	/* The same with something unfinished behind it. */
	buf[size - 1] = '+';
	buf[size - 2] = '\n';
	EXPECT_EQ(size, write(self->writer, buf, size));
	EXPECT_LATEST("tai\n");
	EXPECT_EQ(2, put(self->writer, "!\n"));
	EXPECT_LATEST("+!\n");
	munmap(buf, size);
}

TEST_F(channel, a_large_write_full_of_lines_publishes_the_last_one)
{
	size_t size = 1 << 20;
	char *buf = malloc(size);
	size_t i;

	ASSERT_NE(NULL, buf);
	for (i = 0; i + 8 <= size; i += 8)
		snprintf(buf + i, 8, "%06zu", i / 8 % 1000000);
	for (i = 7; i < size; i += 8) {
		buf[i - 1] = '0';
		buf[i] = '\n';
	}
	memcpy(buf + size - 8, "the end\n", 8);
	EXPECT_EQ(size, write(self->writer, buf, size));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_LATEST("the end\n");
	free(buf);
}

TEST_F(channel, a_longest_line_fits_and_one_byte_more_is_emsgsize)
{
	char *buf = malloc(self->line_max + 2);

	ASSERT_NE(NULL, buf);
	memset(buf, 'x', self->line_max + 2);
	buf[self->line_max - 1] = '\n';
	EXPECT_EQ(self->line_max, write(self->writer, buf, self->line_max));
	EXPECT_EQ(0, strncmp(buf, get(self->reader), self->line_max));
	EXPECT_EQ(1, PUBLISHED());

	buf[self->line_max - 1] = 'x';
	buf[self->line_max] = '\n';
	EXPECT_EQ(-1, write(self->writer, buf, self->line_max + 1));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(1, PUBLISHED());

	/* It does fit behind another newline. */
	buf[0] = '\n';
	EXPECT_EQ(self->line_max + 1, write(self->writer, buf, self->line_max + 1));
	EXPECT_EQ(2, PUBLISHED());
	EXPECT_EQ(0, strncmp(buf + 1, get(self->reader), self->line_max));
	free(buf);
}

TEST_F(channel, a_longest_unfinished_line_fits_and_one_byte_more_is_emsgsize)
{
	char *buf = malloc(self->line_max + 1);

	ASSERT_NE(NULL, buf);
	memset(buf, 'x', self->line_max + 1);
	EXPECT_EQ(-1, write(self->writer, buf, self->line_max + 1));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(self->line_max, write(self->writer, buf, self->line_max));
	EXPECT_EQ(-1, write(self->writer, buf, 1));
	EXPECT_EQ(EMSGSIZE, errno);
	/* There is no room for its newline, however it comes. */
	EXPECT_EQ(-1, put(self->writer, "\n"));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(-1, fsync(self->writer));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_UNTOUCHED();
	/* A line behind it overwrites it, as it overwrites any other. */
	EXPECT_EQ(5, put(self->writer, "\nnew\n"));
	EXPECT_LATEST("new\n");
	free(buf);
}

TEST_F(channel, an_overlong_line_changes_nothing)
{
	char *buf = malloc(self->line_max);

	ASSERT_NE(NULL, buf);
	memset(buf, 'x', self->line_max);
	buf[self->line_max - 1] = '\n';
	EXPECT_EQ(4, put(self->writer, "old\n"));
	EXPECT_LATEST("old\n");
	EXPECT_EQ(2, put(self->writer, "ha"));
	/* Too long only because of the two bytes before it. */
	EXPECT_EQ(-1, write(self->writer, buf, self->line_max));
	EXPECT_EQ(EMSGSIZE, errno);
	/* Too long an unfinished line behind a line that would do. */
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_LATEST("old\n");
	EXPECT_EQ(3, put(self->writer, "lf\n"));
	EXPECT_LATEST("half\n");
	free(buf);
}

TEST_F(channel, an_overlong_unfinished_line_takes_the_line_before_it_along)
{
	char *buf = malloc(self->line_max + 3);

	ASSERT_NE(NULL, buf);
	memset(buf, 'x', self->line_max + 3);
	buf[1] = '\n';
	EXPECT_EQ(-1, write(self->writer, buf, self->line_max + 3));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_UNTOUCHED();
	EXPECT_EQ(self->line_max + 2, write(self->writer, buf, self->line_max + 2));
	EXPECT_LATEST("x\n");
	free(buf);
}

TEST_F(channel, a_bad_address_is_efault_and_changes_nothing)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *buf = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_EQ(0, munmap(buf + page, page));
	memset(buf, 'x', page);

	EXPECT_EQ(4, put(self->writer, "old\n"));
	EXPECT_LATEST("old\n");
	EXPECT_EQ(2, put(self->writer, "ha"));
	EXPECT_EQ(-1, write(self->writer, bad_address(), 5));
	EXPECT_EQ(EFAULT, errno);
	/* The first half of it is there. */
	EXPECT_EQ(-1, write(self->writer, buf + page - 2, 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(self->writer, (void *)-4096L, 5));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_LATEST("old\n");
	EXPECT_EQ(3, put(self->writer, "lf\n"));
	EXPECT_LATEST("half\n");
	munmap(buf, page);
}

TEST_F(channel, a_write_of_nothing_has_no_effect)
{
	EXPECT_EQ(0, write(self->writer, "x", 0));
	EXPECT_EQ(0, write(self->writer, bad_address(), 0));
	EXPECT_EQ(2, put(self->writer, "ha"));
	EXPECT_EQ(0, write(self->writer, "x", 0));
	EXPECT_UNTOUCHED();
	EXPECT_EQ(3, put(self->writer, "lf\n"));
	EXPECT_LATEST("half\n");
}

TEST_F(channel, bytes_are_bytes)
{
	char line[33], got[64];
	int i, j;

	for (i = 0; i < 256; i += 32) {
		for (j = 0; j < 32; j++)
			line[j] = i + j == '\n' ? 'n' : i + j;
		line[32] = '\n';
		EXPECT_EQ(33, write(self->writer, line, 33));
		EXPECT_EQ(33, read(self->reader, got, sizeof(got)));
		EXPECT_EQ(0, memcmp(line, got, 33));
	}

	EXPECT_EQ(1, write(self->writer, "\n", 1));
	EXPECT_LATEST("\n");
	EXPECT_EQ(2, write(self->writer, "\0\n", 2));
	EXPECT_EQ(2, read(self->reader, got, sizeof(got)));
	EXPECT_EQ(0, memcmp("\0\n", got, 2));
	EXPECT_EQ(10, PUBLISHED());
}

TEST_F(channel, writev_is_one_write)
{
	struct iovec pieces[] = {
		{ .iov_base = "on", .iov_len = 2 },
		{ .iov_base = "", .iov_len = 0 },
		{ .iov_base = "e\nt", .iov_len = 3 },
		{ .iov_base = "wo\nth", .iov_len = 5 },
	};

	EXPECT_EQ(10, writev(self->writer, pieces, 4));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_LATEST("two\n");
	EXPECT_EQ(4, put(self->writer, "ree\n"));
	EXPECT_LATEST("three\n");
	pieces[1] = (struct iovec){ .iov_base = NULL, .iov_len = 1 };
	EXPECT_EQ(-1, writev(self->writer, pieces, 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(2, PUBLISHED());
}

TEST_F(channel, a_write_with_rwf_nowait_does_not_differ)
{
	struct iovec piece = { .iov_base = "now\n", .iov_len = 4 };

	EXPECT_EQ(4, pwritev2(self->writer, &piece, 1, -1, RWF_NOWAIT));
	EXPECT_LATEST("now\n");
}

TEST_F(channel, pwrite_is_espipe)
{
	EXPECT_EQ(-1, pwrite(self->writer, "x\n", 2, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_UNTOUCHED();
}

TEST_F(channel, write_is_ebadf_on_a_file_opened_for_reading)
{
	EXPECT_EQ(-1, put(self->reader, "x\n"));
	EXPECT_EQ(EBADF, errno);
	EXPECT_UNTOUCHED();
}

TEST_HARNESS_MAIN
