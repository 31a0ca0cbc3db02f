// SPDX-License-Identifier: GPL-2.0-only
/* write(2) in line mode, fsync(2) and close(2), splice(2) and sendfile(2) to a channel */
#include <sys/sendfile.h>

#include "lastline_test.h"

TEST_F(channel, write_succeeds_without_reader)
{
	int i;

	close(self->reader);
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(5, write_str(self->writer, "line\n"));
	self->reader = open_channel(O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(1000, PUBLISHED());
	EXPECT_LATEST("line\n");
}

TEST_F(channel, write_of_several_lines_publishes_only_last_one)
{
	EXPECT_EQ(15, write_str(self->writer, "one\ntwo\nthree!\n"));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_LATEST("three!\n");
}

/* The driver searches by block, word or byte, depending on the offset. */
TEST_F(channel, write_finds_last_line_at_each_offset)
{
	char data[64];
	unsigned int len, end;

	for (len = 2; len <= sizeof(data); len++) {
		for (end = 0; end < len - 1; end++) {
			memset(data, 'a', len);
			data[end] = '\n';
			data[len - 1] = '\n';
			ASSERT_EQ(len, write(self->writer, data, len));
			ASSERT_EQ(len - 1 - end, strlen(read_str(self->reader))) {
				TH_LOG("%u bytes, a newline at %u", len, end);
			}
		}
	}
}

TEST_F(channel, partial_line_belongs_to_open_file)
{
	int other = open_channel(O_WRONLY), copy = dup(self->writer);

	EXPECT_EQ(9, write_str(self->writer, "line\nrest"));
	EXPECT_LATEST("line\n");
	EXPECT_EQ(5, write_str(other, "right"));
	EXPECT_EQ(5, write_str(copy, " and "));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_EQ(9, write_str(self->writer, "more\nagai"));
	EXPECT_LATEST("rest and more\n");
	EXPECT_EQ(5, write_str(other, " one\n"));
	EXPECT_LATEST("right one\n");
	EXPECT_EQ(2, write_str(copy, "n\n"));
	EXPECT_LATEST("again\n");
	EXPECT_EQ(4, PUBLISHED());
	/* A partial line can be overwritten before it is published. */
	EXPECT_EQ(4, write_str(self->writer, "lost"));
	EXPECT_EQ(10, write_str(self->writer, " line\nnew\n"));
	EXPECT_EQ(5, PUBLISHED());
	EXPECT_LATEST("new\n");
	close(other);
	close(copy);
}

TEST_F(channel, fsync_publishes_partial_line)
{
	EXPECT_EQ(0, fsync(self->writer));
	EXPECT_EQ(0, fdatasync(self->writer));
	EXPECT_EQ(0, fsync(self->reader));
	EXPECT_EQ(4, write_str(self->writer, "half"));
	EXPECT_NOTHING_PUBLISHED();
	EXPECT_EQ(0, fsync(self->writer));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_LATEST("half\n");
	EXPECT_EQ(4, write_str(self->writer, "new\n"));
	EXPECT_LATEST("new\n");
}

TEST_F(channel, last_close_publishes_partial_line)
{
	int copy = dup(self->writer);

	EXPECT_EQ(4, write_str(self->writer, "half"));
	EXPECT_EQ(0, close(self->writer));
	EXPECT_NOTHING_PUBLISHED();
	EXPECT_EQ(0, close(copy));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_LATEST("half\n");
	self->writer = -1;
}

static ssize_t call_pause(struct call *call)
{
	return pause();
}

/* Writes @text, to a new open file if @fd is -1, and exits or kills the process. */
static void write_and_exit(int fd, const char *text, int signal, bool has_sibling)
{
	struct call sibling = { .function = call_pause };

	if (fd < 0)
		fd = open_channel(O_WRONLY);
	if (has_sibling && !(start_call(&sibling) && wait_until_asleep(&sibling)))
		_exit(1);
	if (write_str(fd, text) != (ssize_t)strlen(text))
		_exit(1);
	if (signal)
		kill(getpid(), signal);
	_exit(0);
}

/* Runs write_and_exit() in a child. Returns the signal that ended it, 0 or -1. */
static int child_writes(int fd, const char *text, int signal, bool has_sibling)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		write_and_exit(fd, text, signal, has_sibling);
	if (waitpid(pid, &status, 0) != pid || (WIFEXITED(status) && WEXITSTATUS(status)))
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_F(channel, exit_publishes_partial_line_and_fatal_signal_discards_it)
{
	static const struct {
		int signal;
		bool has_sibling;
		const char *latest;
	} cases[] = {
		{ 0, false, "half\n" },
		{ 0, true, "half\n" },
		{ SIGTERM, false, "" },
		{ SIGKILL, false, "" },
		{ SIGKILL, true, "" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(cases[i].signal,
			  child_writes(-1, "half", cases[i].signal, cases[i].has_sibling));
		EXPECT_STREQ(cases[i].latest, read_str(self->reader)) {
			TH_LOG("signal %d, sibling %d", cases[i].signal, cases[i].has_sibling);
		}
	}
}

TEST_F(channel, killed_process_leaves_no_partial_line_in_shared_file)
{
	EXPECT_EQ(SIGKILL, child_writes(self->writer, "half", SIGKILL, false));
	EXPECT_EQ(6, write_str(self->writer, "whole\n"));
	EXPECT_LATEST("whole\n");
	EXPECT_EQ(SIGKILL, child_writes(self->writer, "half", SIGKILL, false));
	EXPECT_EQ(0, close(self->writer));
	EXPECT_EQ(1, PUBLISHED());
	self->writer = -1;
}

TEST_F(channel, exited_process_leaves_partial_line_in_shared_file)
{
	EXPECT_EQ(0, child_writes(self->writer, "half", 0, false));
	EXPECT_EQ(5, write_str(self->writer, " way\n"));
	EXPECT_LATEST("half way\n");
}

TEST_F(channel, killed_process_keeps_partial_line_of_another_process)
{
	EXPECT_EQ(4, write_str(self->writer, "half"));
	EXPECT_EQ(SIGKILL, child_writes(self->writer, "", SIGKILL, false));
	EXPECT_EQ(0, close(self->writer));
	EXPECT_LATEST("half\n");
	self->writer = -1;
}

TEST_F(channel, write_reads_only_tail_of_large_buffer)
{
	size_t size = 64 << 20;
	size_t tail = 2 * self->line_max + 1;
	size_t page = sysconf(_SC_PAGESIZE);
	size_t mapped = (tail + page - 1) / page * page;
	char *buf;

	if (size < 2 * mapped)
		SKIP(return, "line_max is too large for this test");
	buf = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_EQ(0, mprotect(buf + size - mapped, mapped, PROT_READ | PROT_WRITE));
	memset(buf + size - mapped, 'x', mapped);
	buf[size - 6] = '\n';
	memcpy(buf + size - 5, "tail\n", 5);
	EXPECT_EQ(size, write(self->writer, buf, size));
	EXPECT_LATEST("tail\n");
	EXPECT_EQ(1, PUBLISHED());
	/* The same buffer with a partial line at its end. */
	buf[size - 1] = '+';
	buf[size - 2] = '\n';
	EXPECT_EQ(size, write(self->writer, buf, size));
	EXPECT_LATEST("tai\n");
	EXPECT_EQ(2, write_str(self->writer, "!\n"));
	EXPECT_LATEST("+!\n");
	munmap(buf, size);
}

TEST_F(channel, write_returns_emsgsize_for_line_above_line_max)
{
	char *buf = self->buf;
	unsigned int max = self->line_max;

	buf[max - 1] = '\n';
	EXPECT_EQ(max, write(self->writer, buf, max));
	EXPECT_EQ(0, strncmp(buf, read_str(self->reader), max));
	EXPECT_EQ(1, PUBLISHED());

	buf[max - 1] = 'x';
	buf[max] = '\n';
	EXPECT_ERRNO(EMSGSIZE, write(self->writer, buf, max + 1));
	EXPECT_EQ(1, PUBLISHED());

	/* The same line fits if a newline precedes it. */
	buf[0] = '\n';
	EXPECT_EQ(max + 1, write(self->writer, buf, max + 1));
	EXPECT_EQ(2, PUBLISHED());
	EXPECT_EQ(0, strncmp(buf + 1, read_str(self->reader), max));
}

TEST_F(channel, write_returns_emsgsize_for_partial_line_above_line_max)
{
	EXPECT_ERRNO(EMSGSIZE, write(self->writer, self->buf, self->line_max + 1));
	EXPECT_EQ(self->line_max, write(self->writer, self->buf, self->line_max));
	EXPECT_ERRNO(EMSGSIZE, write_str(self->writer, "x"));
	/* No room is left for the newline. */
	EXPECT_ERRNO(EMSGSIZE, write_str(self->writer, "\n"));
	EXPECT_ERRNO(EMSGSIZE, fsync(self->writer));
	EXPECT_NOTHING_PUBLISHED();
	EXPECT_EQ(5, write_str(self->writer, "\nnew\n"));
	EXPECT_LATEST("new\n");
}

TEST_F(channel, too_long_line_changes_nothing)
{
	EXPECT_EQ(4, write_str(self->writer, "old\n"));
	EXPECT_LATEST("old\n");
	EXPECT_EQ(2, write_str(self->writer, "ha"));
	/* The line is too long only together with the partial line. */
	self->buf[self->line_max - 1] = '\n';
	EXPECT_ERRNO(EMSGSIZE, write(self->writer, self->buf, self->line_max));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_LATEST("old\n");
	EXPECT_EQ(3, write_str(self->writer, "lf\n"));
	EXPECT_LATEST("half\n");
}

TEST_F(channel, too_long_partial_line_rejects_line_before_it)
{
	self->buf[1] = '\n';
	EXPECT_ERRNO(EMSGSIZE, write(self->writer, self->buf, self->line_max + 3));
	EXPECT_NOTHING_PUBLISHED();
	EXPECT_EQ(self->line_max + 2, write(self->writer, self->buf, self->line_max + 2));
	EXPECT_LATEST("x\n");
}

TEST_F(channel, write_from_bad_address_returns_efault_and_changes_nothing)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *buf = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_EQ(0, munmap(buf + page, page));
	memset(buf, 'x', page);

	EXPECT_EQ(4, write_str(self->writer, "old\n"));
	EXPECT_LATEST("old\n");
	EXPECT_EQ(2, write_str(self->writer, "ha"));
	EXPECT_ERRNO(EFAULT, write(self->writer, bad_address(), 5));
	EXPECT_ERRNO(EFAULT, write(self->writer, (void *)-4096L, 5));
	/* Only the second half is unmapped. */
	EXPECT_ERRNO(EFAULT, write(self->writer, buf + page - 2, 4));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_LATEST("old\n");
	EXPECT_EQ(3, write_str(self->writer, "lf\n"));
	EXPECT_LATEST("half\n");
	munmap(buf, page);
}

TEST_F(channel, write_of_zero_bytes_has_no_effect)
{
	EXPECT_EQ(0, write(self->writer, "x", 0));
	EXPECT_EQ(0, write(self->writer, bad_address(), 0));
	EXPECT_EQ(2, write_str(self->writer, "ha"));
	EXPECT_EQ(0, write(self->writer, "x", 0));
	EXPECT_NOTHING_PUBLISHED();
	EXPECT_EQ(3, write_str(self->writer, "lf\n"));
	EXPECT_LATEST("half\n");
}

TEST_F(channel, writev_publishes_like_one_write)
{
	struct iovec pieces[] = {
		{ .iov_base = "on", .iov_len = 2 },
		{ .iov_base = "", .iov_len = 0 },
		{ .iov_base = "e\nt", .iov_len = 3 },
		{ .iov_base = "wo\nth", .iov_len = 5 },
	};

	EXPECT_EQ(10, pwritev2(self->writer, pieces, 4, -1, RWF_NOWAIT));
	EXPECT_EQ(1, PUBLISHED());
	EXPECT_LATEST("two\n");
	EXPECT_EQ(4, write_str(self->writer, "ree\n"));
	EXPECT_LATEST("three\n");
	pieces[1] = (struct iovec){ .iov_base = NULL, .iov_len = 1 };
	EXPECT_ERRNO(EFAULT, writev(self->writer, pieces, 4));
	EXPECT_EQ(2, PUBLISHED());
}

TEST_F(channel, pwrite_returns_espipe_and_publishes_nothing)
{
	EXPECT_ERRNO(ESPIPE, pwrite(self->writer, "x\n", 2, 0));
	EXPECT_NOTHING_PUBLISHED();
}

TEST_F(channel, write_requires_write_access)
{
	EXPECT_ERRNO(EBADF, write_str(self->reader, "x\n"));
	EXPECT_NOTHING_PUBLISHED();
}

TEST_F(channel, lseek_without_read_access_returns_espipe)
{
	int whence;

	for (whence = SEEK_SET; whence <= SEEK_HOLE; whence++)
		EXPECT_ERRNO(ESPIPE, lseek(self->writer, 0, whence));
}

TEST_F(channel, stdio_append_mode_publishes_and_reads_lines)
{
	FILE *file = fopen(dev_path(), "a");
	char line[16];

	ASSERT_NE(NULL, file);
	EXPECT_EQ(5, fprintf(file, "line\n"));
	EXPECT_EQ(0, fclose(file));
	EXPECT_LATEST("line\n");

	file = fopen(dev_path(), "a+");
	ASSERT_NE(NULL, file);
	EXPECT_NE(NULL, fgets(line, sizeof(line), file));
	EXPECT_STREQ("line\n", line);
	EXPECT_EQ(4, fprintf(file, "new\n"));
	EXPECT_EQ(0, fclose(file));
	EXPECT_LATEST("new\n");
}

TEST_F(channel, splice_publishes_lines_from_pipe)
{
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	EXPECT_EQ(12, write_str(ends[1], "one\ntwo\nhalf"));
	EXPECT_EQ(12, splice(ends[0], NULL, self->writer, NULL, 4096, 0));
	EXPECT_LATEST("two\n");
	EXPECT_EQ(1, write_str(ends[1], "\n"));
	EXPECT_EQ(1, splice(ends[0], NULL, self->writer, NULL, 4096, 0));
	EXPECT_LATEST("half\n");
	EXPECT_EQ(2, write_str(ends[1], "x\n"));
	EXPECT_ERRNO(EINVAL, tee(ends[0], self->writer, 4096, 0));
	EXPECT_EQ(2, PUBLISHED());
	close(ends[0]);
	close(ends[1]);
}

TEST_F(channel, sendfile_publishes_line_from_file)
{
	FILE *file = tmpfile();

	ASSERT_NE(NULL, file);
	EXPECT_EQ(5, pwrite(fileno(file), "line\n", 5, 0));
	EXPECT_EQ(5, sendfile(self->writer, fileno(file), NULL, 5));
	EXPECT_LATEST("line\n");
	EXPECT_EQ(1, PUBLISHED());
	fclose(file);
}

TEST_HARNESS_MAIN
