// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads and writes that take long: their page is missing until userfaultfd(2) brings it,
 * or other writers overtake the copy.
 */
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#include "lastline_test.h"
#include "uffd_page.h"

/* Starts a call with a missing page as its buffer, and waits until it needs that page. */
#define START_SLOW(what, file, size)						\
do {										\
	if (!prepare_page(&slow))						\
		SKIP(return, "userfaultfd is not available: %s", strerror(errno)); \
	call = (struct call){ .function = what, .fd = file,			\
			      .buf = slow.page, .len = size };			\
	ASSERT_TRUE(start_call(&call));						\
	ASSERT_TRUE(await_fault(&slow, PATIENCE_MS));				\
} while (0)

/* Brings the page with this text. A call that waited for it must not have ended before. */
#define FINISH_SLOW(text)							\
do {										\
	EXPECT_TRUE(bring_page(&slow, text));					\
	ASSERT_TRUE(ends_within(&call, PATIENCE_MS));				\
} while (0)

TEST_F(channel, writer_that_waits_for_its_page_blocks_nobody)
{
	int other = open_channel(O_WRONLY);
	struct slow_page slow;
	struct call call;
	int i;

	EXPECT_EQ(4, put(self->writer, "old\n"));
	START_SLOW(call_write, self->writer, 5);
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

	FINISH_SLOW("slow\n");
	EXPECT_EQ(5, call.ret);
	EXPECT_EQ(22, PUBLISHED());
	EXPECT_LATEST("slow\n");
	drop_page(&slow);
	close(other);
}

TEST_F(channel, reader_that_waits_for_its_page_blocks_nobody)
{
	int other = open_channel(O_RDONLY | O_NONBLOCK);
	struct slow_page slow;
	struct call call;
	int i;

	EXPECT_EQ(5, put(self->writer, "slow\n"));
	START_SLOW(call_read, self->reader, 5);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(4, put(self->writer, "new\n"));
		EXPECT_STREQ("new\n", get(other));
	}
	EXPECT_TRUE(readable_within(self->reader, 0));

	FINISH_SLOW("");
	/* This line was the latest during the read. */
	EXPECT_EQ(5, call.ret);
	EXPECT_EQ(0, memcmp("slow\n", slow.page, 5));
	EXPECT_LATEST("new\n");
	drop_page(&slow);
	close(other);
}

TEST_F(channel, concurrent_reads_of_one_open_file_return_different_lines)
{
	struct slow_page slow;
	struct call call;

	EXPECT_EQ(4, put(self->writer, "one\n"));
	START_SLOW(call_read, self->reader, 64);
	EXPECT_LATEST("one\n");
	EXPECT_EQ(4, put(self->writer, "two\n"));
	FINISH_SLOW("");
	EXPECT_EQ(4, call.ret);
	EXPECT_EQ(0, memcmp("two\n", slow.page, 4));
	EXPECT_EQ(self->generation + 2, taken_of(self->reader).generation);
	EXPECT_EQ(0, taken_of(self->reader).missed);
	drop_page(&slow);
}

#define LONGEST		(256 << 10)
#define ROUNDS		200

/* A channel whose longest line takes longer to copy than to overwrite. */
FIXTURE(overtaken)
{
	struct added added;
	const struct lastline_map *map;
	char *line;
};

FIXTURE_VARIANT(overtaken)
{
	ssize_t (*read)(int fd, const struct lastline_map *map, char *line);
};

static ssize_t read_to_user(int fd, const struct lastline_map *map, char *line)
{
	return read(fd, line, LONGEST);
}

static ssize_t read_by_way_of_buffer(int fd, const struct lastline_map *map, char *line)
{
	return read(fd, line, 1) < 1 ? -1 : 1 + read(fd, line + 1, LONGEST - 1);
}

static ssize_t read_map(int fd, const struct lastline_map *map, char *line)
{
	return lastline_map_read(map, line, LONGEST, NULL);
}

FIXTURE_VARIANT_ADD(overtaken, read) { .read = read_to_user };
FIXTURE_VARIANT_ADD(overtaken, short_read) { .read = read_by_way_of_buffer };
FIXTURE_VARIANT_ADD(overtaken, mapping) { .read = read_map };

FIXTURE_SETUP(overtaken)
{
	SKIP_WITHOUT_CONTROL(add_channel(&self->added, LASTLINE_MODE_LINE, LONGEST));
	self->map = mmap(NULL, info_of(self->added.reader).map_size, PROT_READ, MAP_SHARED,
			 self->added.reader, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->line = malloc(LONGEST);
	ASSERT_NE(NULL, self->line);
}

FIXTURE_TEARDOWN(overtaken)
{
	munmap((void *)self->map, info_of(self->added.reader).map_size);
	remove_channel(&self->added);
	free(self->line);
}

/* The rounds that the writer and the reader have begun. */
struct rounds {
	atomic_int writer;
	atomic_int reader;
};

/* Publishes a long line and, when the reader copies it, overwrites it in one go. */
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

TEST_F(overtaken, discards_copy_of_overwritten_line)
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
		write_and_clear(self->added.writer, self->line, rounds);
	for (n = 1; n <= ROUNDS; n++) {
		/* A copy straight to user space needs the pages. */
		memset(self->line, 0, LONGEST);
		while (rounds->writer < n)
			sched_yield();
		rounds->reader = n;
		len = variant->read(self->added.reader, self->map, self->line);
		if (len <= 0)
			continue;
		ASSERT_EQ(LONGEST, len);
		ASSERT_TRUE(is_all(self->line, 'x', LONGEST - 1));
		whole++;
	}
	EXPECT_TRUE(ended_well(pid));
	TH_LOG("%d lines read of %d", whole, ROUNDS);
}

TEST_HARNESS_MAIN
