// SPDX-License-Identifier: GPL-2.0-only
/* mmap(2): the mapped view */
#include "lastline_test.h"

FIXTURE(map)
{
	int writer;
	int reader;
	struct lastline_info info;
	const struct lastline_map *map;
	char *line;
};

FIXTURE_SETUP(map)
{
	self->writer = open_channel(O_WRONLY);
	if (self->writer < 0)
		SKIP(return, "no %s here; load the module", dev_path());
	self->reader = open_channel(O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->reader);
	self->info = info_of(self->reader);
	self->map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, self->reader, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->line = malloc(self->info.line_max);
	ASSERT_NE(NULL, self->line);
	/* No slot holds anything but this from here on. */
	ASSERT_EQ(2, put(self->writer, "#\n"));
	ASSERT_EQ(2, put(self->writer, "#\n"));
	ASSERT_EQ(2, put(self->writer, "#\n"));
	ASSERT_EQ(2, put(self->writer, "#\n"));
	ASSERT_EQ(0, lseek(self->reader, 0, SEEK_END));
}

FIXTURE_TEARDOWN(map)
{
	munmap((void *)self->map, self->info.map_size);
	close(self->reader);
	close(self->writer);
	free(self->line);
}

/* Does the mapping hold this anywhere? */
static bool holds(const struct lastline_map *map, size_t size, const char *text)
{
	return memmem(map, size, text, strlen(text));
}

TEST_F(map, the_head_describes_the_mapping)
{
	EXPECT_EQ(LASTLINE_MAP_VERSION, self->map->version);
	EXPECT_EQ(self->info.line_max, self->map->line_max);
	EXPECT_LE(sizeof(struct lastline_slot) + self->info.line_max, self->map->stride);
	EXPECT_LE(sizeof(*self->map) + LASTLINE_MAP_SLOTS * self->map->stride,
		  self->info.map_size);
	EXPECT_EQ(64, sizeof(struct lastline_map));
	EXPECT_EQ(24, sizeof(struct lastline_slot));
}

TEST_F(map, one_load_tells_whether_a_line_is_new)
{
	__u64 seen = lastline_map_generation(self->map);

	EXPECT_EQ(info_of(self->reader).generation, seen);
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_EQ(seen + 1, lastline_map_generation(self->map));
}

TEST_F(map, the_latest_line_is_read_without_a_system_call)
{
	__u64 generation;

	EXPECT_EQ(4, put(self->writer, "one\n"));
	EXPECT_EQ(4, lastline_map_read(self->map, self->line, self->info.line_max,
				       &generation));
	EXPECT_EQ(0, memcmp("one\n", self->line, 4));
	EXPECT_EQ(info_of(self->reader).generation, generation);
	/* As often as one likes: it takes nothing. */
	EXPECT_EQ(4, lastline_map_read(self->map, self->line, self->info.line_max, NULL));
	EXPECT_STREQ("one\n", get(self->reader));
	/* Only the last line of a write, and an unfinished one not at all. */
	EXPECT_EQ(13, put(self->writer, "two\nthree\nend"));
	EXPECT_EQ(6, lastline_map_read(self->map, self->line, self->info.line_max, NULL));
	EXPECT_EQ(0, memcmp("three\n", self->line, 6));
}

TEST_F(map, a_longest_line_is_read_whole)
{
	char *text = malloc(self->info.line_max);

	ASSERT_NE(NULL, text);
	memset(text, 'x', self->info.line_max);
	text[self->info.line_max - 1] = '\n';
	EXPECT_EQ(self->info.line_max, write(self->writer, text, self->info.line_max));
	EXPECT_EQ(self->info.line_max, lastline_map_read(self->map, self->line,
							 self->info.line_max, NULL));
	EXPECT_EQ(0, memcmp(text, self->line, self->info.line_max));
	EXPECT_EQ(-EMSGSIZE, lastline_map_read(self->map, self->line,
					       self->info.line_max - 1, NULL));
	free(text);
}

TEST_F(map, nothing_of_a_longer_line_is_left_behind_a_shorter_one)
{
	int i;

	for (i = 0; i < LASTLINE_MAP_SLOTS; i++)
		EXPECT_EQ(17, put(self->writer, "a longer SECRET!\n"));
	EXPECT_TRUE(holds(self->map, self->info.map_size, "SECRET"));
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++)
		EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_FALSE(holds(self->map, self->info.map_size, "SECRET"));
	EXPECT_FALSE(holds(self->map, self->info.map_size, "RET!"));
	/* Also when the shorter one comes in two pieces. */
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++)
		EXPECT_EQ(17, put(self->writer, "a longer SECRET!\n"));
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++) {
		EXPECT_EQ(1, put(self->writer, "x"));
		EXPECT_EQ(1, put(self->writer, "\n"));
	}
	EXPECT_FALSE(holds(self->map, self->info.map_size, "RET!"));
}

TEST_F(map, what_was_not_published_cannot_be_seen)
{
	char *text = malloc(self->info.line_max + 1);
	struct iovec pieces[] = {
		{ .iov_base = "SECRET", .iov_len = 6 },
		{ .iov_base = bad_address(), .iov_len = 10 },
	};

	ASSERT_NE(NULL, text);
	EXPECT_EQ(6, put(self->writer, "SECRET"));
	EXPECT_FALSE(holds(self->map, self->info.map_size, "SECRET"));

	memset(text, 'S', self->info.line_max + 1);
	EXPECT_EQ(-1, write(self->writer, text, self->info.line_max + 1));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_FALSE(holds(self->map, self->info.map_size, "SSSS"));

	EXPECT_EQ(-1, writev(self->writer, pieces, 2));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_FALSE(holds(self->map, self->info.map_size, "SECRET"));
	free(text);
}

TEST_F(map, poll_and_read_sleep_when_there_is_nothing_new)
{
	EXPECT_FALSE(readable_within(self->reader, 0));
	EXPECT_EQ(2, put(self->writer, "x\n"));
	EXPECT_TRUE(readable_within(self->reader, PATIENCE_MS));
}

/* mmap() that is expected to fail with @error. */
#define EXPECT_NO_MAP(error, size, protection, flags, fd, offset)			\
do {											\
	EXPECT_EQ(MAP_FAILED, mmap(NULL, size, protection, flags, fd, offset));		\
	EXPECT_EQ(error, errno);							\
} while (0)

TEST_F(map, writable_and_executable_mappings_are_refused)
{
	int both = open_channel(O_RDWR);
	size_t size = self->info.map_size;

	EXPECT_NO_MAP(EPERM, size, PROT_READ | PROT_WRITE, MAP_SHARED, both, 0);
	EXPECT_NO_MAP(EPERM, size, PROT_WRITE, MAP_SHARED, both, 0);
	EXPECT_NO_MAP(EPERM, size, PROT_READ | PROT_EXEC, MAP_SHARED, both, 0);
	EXPECT_NO_MAP(EPERM, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, both, 0);
	EXPECT_NO_MAP(EINVAL, size, PROT_READ, MAP_PRIVATE, both, 0);
	EXPECT_NO_MAP(EACCES, size, PROT_READ, MAP_SHARED, self->writer, 0);
	EXPECT_NO_MAP(EINVAL, size, PROT_READ, MAP_SHARED, both, sysconf(_SC_PAGESIZE));
	EXPECT_NO_MAP(EINVAL, size + 1, PROT_READ, MAP_SHARED, both, 0);
	close(both);
}

TEST_F(map, mprotect_cannot_make_it_writable_or_executable)
{
	int both = open_channel(O_RDWR);
	void *map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, both, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, self->info.map_size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(map, self->info.map_size, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	munmap(map, self->info.map_size);
	close(both);
}

TEST_F(map, a_mapping_outlives_its_descriptor)
{
	int fd = open_channel(O_RDONLY);
	struct lastline_map *map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, fd, 0);
	unsigned int readers = info_of(fd).readers;

	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	EXPECT_EQ(readers, info_of(self->reader).readers);
	EXPECT_EQ(4, put(self->writer, "new\n"));
	EXPECT_EQ(4, lastline_map_read(map, self->line, self->info.line_max, NULL));
	munmap(map, self->info.map_size);
	EXPECT_EQ(readers - 1, info_of(self->reader).readers);
}

/* What the module is used by; while it is, it cannot be unloaded. */
static int module_users(void)
{
	FILE *file = fopen("/sys/module/lastline/refcnt", "r");
	int users = -1;

	if (file) {
		if (fscanf(file, "%d", &users) != 1)
			users = -1;
		fclose(file);
	}
	return users;
}

TEST_F(map, a_mapping_holds_the_module)
{
	int fd, users = module_users();
	void *map;

	if (users < 0)
		SKIP(return, "the driver is built in, or no module can be unloaded here");
	fd = open_channel(O_RDONLY);
	map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	EXPECT_LT(users, module_users());
	munmap(map, self->info.map_size);
	EXPECT_EQ(users, module_users());
}

TEST_F(map, a_line_can_be_looked_at_where_it_lies)
{
	struct lastline_view view;

	EXPECT_EQ(4, put(self->writer, "new\n"));
	ASSERT_EQ(1, lastline_map_look(self->map, &view));
	EXPECT_EQ(4, view.length);
	EXPECT_EQ(0, memcmp(view.data, "new\n", 4));
	EXPECT_EQ(1, lastline_map_intact(&view));
	EXPECT_EQ(8, put(self->writer, "newer 1\n"));
	EXPECT_EQ(8, put(self->writer, "newer 2\n"));
	EXPECT_EQ(8, put(self->writer, "newer 3\n"));
	EXPECT_EQ(1, lastline_map_intact(&view));
	EXPECT_EQ(8, put(self->writer, "newer 4\n"));
	EXPECT_EQ(0, lastline_map_intact(&view));
}

/* Writers in another process, as fast as they can, lines of one repeated letter. */
TEST_F(map, no_line_is_torn_while_it_is_overwritten)
{
	int taken = 0, lapped = 0, round, length, i;
	__u64 before = 0, generation;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		unsigned int size = self->info.line_max, n = 0;

		for (;; n++) {
			unsigned int len = 2 + n % 7 * (size - 2) / 6;

			memset(self->line, 'a' + n % 26, len);
			self->line[len - 1] = '\n';
			if (write(self->writer, self->line, len) != (ssize_t)len)
				_exit(1);
		}
	}
	for (round = 0; round < 20000; round++) {
		length = lastline_map_read(self->map, self->line, self->info.line_max,
					   &generation);
		if (length == -EAGAIN) {
			lapped++;
			continue;
		}
		ASSERT_LT(1, length);
		ASSERT_LE(before, generation);
		ASSERT_EQ('\n', self->line[length - 1]);
		for (i = 1; i < length - 1; i++)
			if (self->line[i] != self->line[0])
				break;
		ASSERT_EQ(length - 1, i);
		before = generation;
		taken++;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	TH_LOG("%d lines taken, lapped %d times", taken, lapped);
	EXPECT_LT(0, taken);
}

TEST_HARNESS_MAIN
