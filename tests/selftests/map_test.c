// SPDX-License-Identifier: GPL-2.0-only
/* mmap(2) of a channel */
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
		SKIP(return, "no %s: load the module", dev_path());
	self->reader = open_channel(O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->reader);
	self->info = get_info(self->reader);
	self->map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, self->reader, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->line = malloc(self->info.line_max + 1);
	ASSERT_NE(NULL, self->line);
	/* Overwrite each slot. */
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++)
		ASSERT_EQ(2, write_str(self->writer, "#\n"));
	ASSERT_EQ(0, lseek(self->reader, 0, SEEK_END));
}

FIXTURE_TEARDOWN(map)
{
	munmap((void *)self->map, self->info.map_size);
	close(self->reader);
	close(self->writer);
	free(self->line);
}

static bool contains(const struct lastline_map *map, size_t size, const char *text)
{
	return memmem(map, size, text, strlen(text));
}

#define MAP_CONTAINS(text)	contains(self->map, self->info.map_size, text)

/* Reads into self->line. Returns the length or a negative errno. */
#define READ(size)	lastline_map_read(self->map, self->line, size, NULL)

TEST_F(map, header_describes_mapping)
{
	EXPECT_EQ(LASTLINE_MAP_VERSION, self->map->version);
	EXPECT_EQ(self->info.line_max, self->map->line_max);
	EXPECT_LE(sizeof(struct lastline_slot) + self->info.line_max, self->map->stride);
	EXPECT_LE(sizeof(*self->map) + LASTLINE_MAP_SLOTS * self->map->stride,
		  self->info.map_size);
	EXPECT_EQ(64, sizeof(struct lastline_map));
	EXPECT_EQ(24, sizeof(struct lastline_slot));
}

TEST_F(map, mapping_shows_latest_line)
{
	__u64 generation, before = lastline_map_generation(self->map);

	EXPECT_EQ(get_info(self->reader).generation, before);
	EXPECT_EQ(4, write_str(self->writer, "one\n"));
	EXPECT_EQ(before + 1, lastline_map_generation(self->map));
	EXPECT_EQ(4, lastline_map_read(self->map, self->line, self->info.line_max,
				       &generation));
	EXPECT_EQ(0, memcmp("one\n", self->line, 4));
	EXPECT_EQ(before + 1, generation);
	EXPECT_EQ(-EMSGSIZE, READ(3));
	/* The line stays unseen for poll() and read(). */
	EXPECT_EQ(4, READ(self->info.line_max));
	EXPECT_TRUE(readable_within(self->reader, 0));
	EXPECT_STREQ("one\n", read_str(self->reader));
	EXPECT_FALSE(readable_within(self->reader, 0));
	/* The mapping shows only the last line of a write, and no partial line. */
	EXPECT_EQ(13, write_str(self->writer, "two\nthree\nend"));
	EXPECT_EQ(6, READ(self->info.line_max));
	EXPECT_EQ(0, memcmp("three\n", self->line, 6));
}

TEST_F(map, mapping_hides_unpublished_bytes)
{
	struct iovec pieces[] = {
		{ .iov_base = "SECRET", .iov_len = 6 },
		{ .iov_base = bad_address(), .iov_len = 10 },
	};

	EXPECT_EQ(6, write_str(self->writer, "SECRET"));
	EXPECT_FALSE(MAP_CONTAINS("SECRET"));

	memset(self->line, 'S', self->info.line_max + 1);
	EXPECT_ERRNO(EMSGSIZE, write(self->writer, self->line, self->info.line_max + 1));
	EXPECT_FALSE(MAP_CONTAINS("SSSS"));

	EXPECT_ERRNO(EFAULT, writev(self->writer, pieces, 2));
	EXPECT_FALSE(MAP_CONTAINS("SECRET"));
}

TEST_F(map, mmap_allows_only_shared_read_only_mapping)
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

/* Reference count of the module, or -1 if the driver is built in. */
static int module_refcount(void)
{
	char text[16] = "";

	read_file("/sys/module/lastline/refcnt", text, sizeof(text));
	return text[0] ? atoi(text) : -1;
}

TEST_F(map, mapping_outlives_descriptor_and_pins_module)
{
	int refs = module_refcount(), fd = open_channel(O_RDONLY);
	struct lastline_map *map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, fd, 0);
	unsigned int readers = get_info(fd).readers;

	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	EXPECT_EQ(readers, get_info(self->reader).readers);
	if (refs >= 0)
		EXPECT_LT(refs, module_refcount());
	EXPECT_EQ(4, write_str(self->writer, "new\n"));
	EXPECT_EQ(4, lastline_map_read(map, self->line, self->info.line_max, NULL));
	munmap(map, self->info.map_size);
	EXPECT_EQ(readers - 1, get_info(self->reader).readers);
	EXPECT_EQ(refs, module_refcount());
}

TEST_F(map, view_is_intact_until_slot_is_reused)
{
	struct lastline_view view;

	EXPECT_EQ(4, write_str(self->writer, "new\n"));
	ASSERT_EQ(1, lastline_map_look(self->map, &view));
	EXPECT_EQ(4, view.length);
	EXPECT_EQ(0, memcmp(view.data, "new\n", 4));
	EXPECT_EQ(1, lastline_map_intact(&view));
	EXPECT_EQ(8, write_str(self->writer, "newer 1\n"));
	EXPECT_EQ(8, write_str(self->writer, "newer 2\n"));
	EXPECT_EQ(8, write_str(self->writer, "newer 3\n"));
	EXPECT_EQ(1, lastline_map_intact(&view));
	EXPECT_EQ(8, write_str(self->writer, "newer 4\n"));
	EXPECT_EQ(0, lastline_map_intact(&view));
}

TEST_HARNESS_MAIN
