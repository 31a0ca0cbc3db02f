// SPDX-License-Identifier: GPL-2.0-only
/* mmap(2): the mapped view */
#include "fault_inject.h"
#include "lastline_test.h"

FIXTURE(map)
{
	int writer;
	int reader;
	struct lastline_info info;
	const struct lastline_map *map;
	char *line;	/* room for line_max + 1 bytes */
};

FIXTURE_SETUP(map)
{
	int i;

	self->writer = open_channel(O_WRONLY);
	if (self->writer < 0)
		SKIP(return, "no %s here; load the module", dev_path());
	self->reader = open_channel(O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->reader);
	self->info = info_of(self->reader);
	self->map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, self->reader, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->line = malloc(self->info.line_max + 1);
	ASSERT_NE(NULL, self->line);
	/* Overwrite each slot. */
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++)
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

static bool holds(const struct lastline_map *map, size_t size, const char *text)
{
	return memmem(map, size, text, strlen(text));
}

#define HOLDS(text)	holds(self->map, self->info.map_size, text)

/* Reads into @line; the length, or an error. */
#define READ(size)	lastline_map_read(self->map, self->line, size, NULL)

TEST_F(map, head_describes_mapping)
{
	EXPECT_EQ(LASTLINE_MAP_VERSION, self->map->version);
	EXPECT_EQ(self->info.line_max, self->map->line_max);
	EXPECT_LE(sizeof(struct lastline_slot) + self->info.line_max, self->map->stride);
	EXPECT_LE(sizeof(*self->map) + LASTLINE_MAP_SLOTS * self->map->stride,
		  self->info.map_size);
	EXPECT_EQ(64, sizeof(struct lastline_map));
	EXPECT_EQ(24, sizeof(struct lastline_slot));
}

TEST_F(map, latest_line_is_read_without_system_call)
{
	__u64 generation, before = lastline_map_generation(self->map);

	EXPECT_EQ(info_of(self->reader).generation, before);
	EXPECT_EQ(4, put(self->writer, "one\n"));
	EXPECT_EQ(before + 1, lastline_map_generation(self->map));
	EXPECT_EQ(4, lastline_map_read(self->map, self->line, self->info.line_max,
				       &generation));
	EXPECT_EQ(0, memcmp("one\n", self->line, 4));
	EXPECT_EQ(before + 1, generation);
	EXPECT_EQ(-EMSGSIZE, READ(3));
	/* It stays unseen for poll() and read(). */
	EXPECT_EQ(4, READ(self->info.line_max));
	EXPECT_TRUE(readable_within(self->reader, 0));
	EXPECT_STREQ("one\n", get(self->reader));
	EXPECT_FALSE(readable_within(self->reader, 0));
	/* Only the last line of a write, and no partial line. */
	EXPECT_EQ(13, put(self->writer, "two\nthree\nend"));
	EXPECT_EQ(6, READ(self->info.line_max));
	EXPECT_EQ(0, memcmp("three\n", self->line, 6));
}

TEST_F(map, unpublished_bytes_are_not_visible)
{
	struct iovec pieces[] = {
		{ .iov_base = "SECRET", .iov_len = 6 },
		{ .iov_base = bad_address(), .iov_len = 10 },
	};

	EXPECT_EQ(6, put(self->writer, "SECRET"));
	EXPECT_FALSE(HOLDS("SECRET"));

	memset(self->line, 'S', self->info.line_max + 1);
	EXPECT_ERRNO(EMSGSIZE, write(self->writer, self->line, self->info.line_max + 1));
	EXPECT_FALSE(HOLDS("SSSS"));

	EXPECT_ERRNO(EFAULT, writev(self->writer, pieces, 2));
	EXPECT_FALSE(HOLDS("SECRET"));
}

TEST_F(map, mmap_rejects_all_but_shared_read_only_mapping)
{
	int both = open_channel(O_RDWR);
	size_t size = self->info.map_size;
	void *map;

#define EXPECT_NO_MAP(error, len, protection, flags, fd, offset) \
	EXPECT_ERRNO(error, mmap(NULL, len, protection, flags, fd, offset))
	EXPECT_NO_MAP(EPERM, size, PROT_READ | PROT_WRITE, MAP_SHARED, both, 0);
	EXPECT_NO_MAP(EPERM, size, PROT_WRITE, MAP_SHARED, both, 0);
	EXPECT_NO_MAP(EPERM, size, PROT_READ | PROT_EXEC, MAP_SHARED, both, 0);
	EXPECT_NO_MAP(EPERM, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, both, 0);
	EXPECT_NO_MAP(EINVAL, size, PROT_READ, MAP_PRIVATE, both, 0);
	EXPECT_NO_MAP(EACCES, size, PROT_READ, MAP_SHARED, self->writer, 0);
	EXPECT_NO_MAP(EINVAL, size, PROT_READ, MAP_SHARED, both, sysconf(_SC_PAGESIZE));
	EXPECT_NO_MAP(EINVAL, size + 1, PROT_READ, MAP_SHARED, both, 0);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, both, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_ERRNO(EACCES, mprotect(map, size, PROT_READ | PROT_WRITE));
	EXPECT_ERRNO(EACCES, mprotect(map, size, PROT_READ | PROT_EXEC));
	munmap(map, size);
	close(both);
}

/* What uses the module, or -1; a module in use cannot be unloaded. */
static int module_users(void)
{
	char text[16] = "";

	knob_get("/sys/module/lastline/refcnt", text, sizeof(text));
	return text[0] ? atoi(text) : -1;
}

TEST_F(map, mapping_outlives_descriptor_and_pins_module)
{
	int users = module_users(), fd = open_channel(O_RDONLY);
	struct lastline_map *map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, fd, 0);
	unsigned int readers = info_of(fd).readers;

	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	EXPECT_EQ(readers, info_of(self->reader).readers);
	/* There is no count if the driver is built in. */
	if (users >= 0)
		EXPECT_LT(users, module_users());
	EXPECT_EQ(4, put(self->writer, "new\n"));
	EXPECT_EQ(4, lastline_map_read(map, self->line, self->info.line_max, NULL));
	munmap(map, self->info.map_size);
	EXPECT_EQ(readers - 1, info_of(self->reader).readers);
	EXPECT_EQ(users, module_users());
}

TEST_F(map, view_is_intact_until_slot_is_reused)
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

TEST_HARNESS_MAIN
