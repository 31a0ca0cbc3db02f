// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slow copies: a read or write sleeps in a page fault, or a line is overwritten while a
 * reader copies it.
 */
#include <sched.h>
#include <sys/prctl.h>

#include "lastline_test.h"
#include "uffd_page.h"

/* Starts a call whose buffer is a missing page, and waits for the page fault. */
#define START_FAULTING_CALL(what, file, size)				\
do {										\
	if (!uffd_page_init(&page))						\
		SKIP(return, "userfaultfd is not available: %s", strerror(errno)); \
	call = (struct call){ .function = what, .fd = file,			\
			      .buf = page.data, .len = size };			\
	ASSERT_TRUE(start_call(&call));						\
	ASSERT_TRUE(uffd_page_wait_fault(&page, TIMEOUT_MS));			\
} while (0)

/* Ends the page fault. */
#define FINISH_CALL(text)							\
do {										\
	EXPECT_TRUE(uffd_page_fill(&page, text));				\
	ASSERT_TRUE(returns_within(&call, TIMEOUT_MS));				\
} while (0)

TEST_F(channel, write_in_page_fault_does_not_block_other_calls)
{
	int other = open_channel(O_WRONLY);
	struct uffd_page page;
	struct call call;
	int i;

	EXPECT_EQ(4, write_str(self->writer, "old\n"));
	START_FAULTING_CALL(call_write, self->writer, 5);
	EXPECT_LATEST("old\n");
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(4, write_str(other, "new\n"));
		EXPECT_LATEST("new\n");
		/* The same open file is not blocked either. */
		EXPECT_EQ(5, write_str(self->writer, "same\n"));
		EXPECT_LATEST("same\n");
	}
	EXPECT_EQ(0, fsync(self->writer));
	EXPECT_EQ(21, PUBLISHED());

	FINISH_CALL("slow\n");
	EXPECT_EQ(5, call.ret);
	EXPECT_EQ(22, PUBLISHED());
	EXPECT_LATEST("slow\n");
	uffd_page_destroy(&page);
	close(other);
}

TEST_F(channel, read_in_page_fault_does_not_block_other_calls)
{
	int other = open_channel(O_RDONLY | O_NONBLOCK);
	struct uffd_page page;
	struct call call;
	int i;

	EXPECT_EQ(5, write_str(self->writer, "slow\n"));
	START_FAULTING_CALL(call_read, self->reader, 5);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(4, write_str(self->writer, "new\n"));
		EXPECT_STREQ("new\n", read_str(other));
	}
	EXPECT_TRUE(readable_within(self->reader, 0));

	FINISH_CALL("");
	/* The read returns the line that was the latest when it started. */
	EXPECT_EQ(5, call.ret);
	EXPECT_EQ(0, memcmp("slow\n", page.data, 5));
	EXPECT_LATEST("new\n");
	uffd_page_destroy(&page);
	close(other);
}

TEST_F(channel, concurrent_reads_of_one_open_file_return_different_lines)
{
	struct uffd_page page;
	struct call call;

	EXPECT_EQ(4, write_str(self->writer, "one\n"));
	START_FAULTING_CALL(call_read, self->reader, 64);
	EXPECT_LATEST("one\n");
	EXPECT_EQ(4, write_str(self->writer, "two\n"));
	FINISH_CALL("");
	EXPECT_EQ(4, call.ret);
	EXPECT_EQ(0, memcmp("two\n", page.data, 4));
	EXPECT_EQ(self->generation + 2, get_taken(self->reader).generation);
	EXPECT_EQ(0, get_taken(self->reader).missed);
	uffd_page_destroy(&page);
}

#define LONGEST		(256 << 10)
#define ROUNDS		200

/* Its lines take longer to copy than to overwrite. */
FIXTURE(overwrite)
{
	struct test_channel channel;
	const struct lastline_map *map;
	char *line;
};

FIXTURE_VARIANT(overwrite)
{
	ssize_t (*read)(int fd, const struct lastline_map *map, char *line);
};

static ssize_t read_to_user(int fd, const struct lastline_map *map, char *line)
{
	return read(fd, line, LONGEST);
}

static ssize_t short_read_to_user(int fd, const struct lastline_map *map, char *line)
{
	return read(fd, line, 1) < 1 ? -1 : 1 + read(fd, line + 1, LONGEST - 1);
}

static ssize_t read_map(int fd, const struct lastline_map *map, char *line)
{
	return lastline_map_read(map, line, LONGEST, NULL);
}

FIXTURE_VARIANT_ADD(overwrite, read) { .read = read_to_user };
FIXTURE_VARIANT_ADD(overwrite, short_read) { .read = short_read_to_user };
FIXTURE_VARIANT_ADD(overwrite, mapping) { .read = read_map };

FIXTURE_SETUP(overwrite)
{
	ADD_CHANNEL(LASTLINE_MODE_LINE, LONGEST);
	self->map = mmap(NULL, get_info(self->channel.reader).map_size, PROT_READ, MAP_SHARED,
			 self->channel.reader, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->line = malloc(LONGEST);
	ASSERT_NE(NULL, self->line);
}

FIXTURE_TEARDOWN(overwrite)
{
	munmap((void *)self->map, get_info(self->channel.reader).map_size);
	remove_channel(&self->channel);
	free(self->line);
}

/* Number of the round that each process has started. */
struct rounds {
	atomic_int writer;
	atomic_int reader;
};

/* Publishes a long line and clears the channel while the reader copies the line. */
static void write_and_clear(int fd, const char *line, struct rounds *rounds)
{
	volatile int delay;
	int n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (n = 1; n <= ROUNDS; n++) {
		if (write(fd, line, LONGEST) != LONGEST)
			_exit(1);
		rounds->writer = n;
		while (rounds->reader < n)
			sched_yield();
		for (delay = n % 16 * 100; delay; delay--)
			;
		if (ioctl(fd, LASTLINE_IOC_CLEAR))
			_exit(1);
	}
	_exit(0);
}

TEST_F(overwrite, read_discards_copy_of_overwritten_line)
{
	struct rounds *rounds = mmap(NULL, sizeof(*rounds), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int n, whole = 0;
	ssize_t len;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, rounds);
	memset(self->line, 'x', LONGEST - 1);
	self->line[LONGEST - 1] = '\n';
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		write_and_clear(self->channel.writer, self->line, rounds);
	for (n = 1; n <= ROUNDS; n++) {
		/* The fast path of a read needs the pages in memory. */
		memset(self->line, 0, LONGEST);
		while (rounds->writer < n)
			sched_yield();
		rounds->reader = n;
		len = variant->read(self->channel.reader, self->map, self->line);
		if (len <= 0)
			continue;
		ASSERT_EQ(LONGEST, len);
		ASSERT_TRUE(all_bytes_are(self->line, 'x', LONGEST - 1));
		whole++;
	}
	EXPECT_TRUE(child_succeeds(pid));
	TH_LOG("%d of %d lines read", whole, ROUNDS);
}

TEST_HARNESS_MAIN
