// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver does not leak kernel memory to user space. Each test uses a new channel, so
 * that the driver's memory is newly allocated. Leaks are easiest to detect if free memory
 * has a pattern, with these kernel parameters:
 *
 *	slub_debug=P page_poison=1 init_on_alloc=0
 *
 * Without them, the test fills as much free memory as it can with STALE.
 */
#include <ctype.h>
#include <sys/msg.h>

#include "fault_inject.h"
#include "lastline_test.h"

#define LINE	"own line\n"
#define STALE	0xa5	/* content of free memory */
#define OWN	0x3c	/* content of buffer bytes that must not change */
#define ROOM	65536

/* Allocates memory of each size, fills it with STALE and frees it. */
static void leave_stale_memory(void)
{
	static struct { long type; char text[8192]; } message = { .type = 1 };
	const size_t size = 16 << 20, page = sysconf(_SC_PAGESIZE);
	size_t offset;
	int queue, length, i;
	void *pages;

	memset(message.text, STALE, sizeof(message.text));
	queue = msgget(IPC_PRIVATE, 0600);
	/* The size of a message selects the slab. */
	for (length = 16; length <= 4096; length *= 2)
		for (i = 0; i < 64; i++)
			msgsnd(queue, &message, length - 16, IPC_NOWAIT);
	msgctl(queue, IPC_RMID, NULL);

	pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages != MAP_FAILED) {
		madvise(pages, size, MADV_NOHUGEPAGE);
		memset(pages, STALE, size);
		/* The allocator merges adjacent free pages and reuses those last. */
		for (offset = 0; offset < size; offset += 2 * page)
			madvise(pages + offset, page, MADV_DONTNEED);
	}
}

FIXTURE(infoleak)
{
	struct test_channel channel;
	int fd;		/* read-write */
	char *buf;
	struct lastline_info info;
	const struct lastline_map *map;
};

FIXTURE_VARIANT(infoleak)
{
	unsigned int line_max;
	unsigned int mode;
};

FIXTURE_VARIANT_ADD(infoleak, short_lines) { .line_max = 64 };
FIXTURE_VARIANT_ADD(infoleak, lines) { .line_max = 4096 };
FIXTURE_VARIANT_ADD(infoleak, long_lines) { .line_max = 1000000 };
FIXTURE_VARIANT_ADD(infoleak, records) { .line_max = 4096, .mode = LASTLINE_MODE_RECORD };

FIXTURE_SETUP(infoleak)
{
	leave_stale_memory();
	ADD_CHANNEL(variant->mode, variant->line_max);
	self->fd = open(node_path(self->channel.number), O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	self->info = get_info(self->fd);
	self->map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->buf = malloc(ROOM);
	memset(self->buf, OWN, ROOM);
}

FIXTURE_TEARDOWN(infoleak)
{
	munmap((void *)self->map, self->info.map_size);
	close(self->fd);
	remove_channel(&self->channel);
	free(self->buf);
}

static const struct lastline_slot *slot_of(const struct lastline_map *map, __u64 generation)
{
	return (void *)(map + 1) + (generation % LASTLINE_MAP_SLOTS) * map->stride;
}

/* Checks everything in the mapping except the fields and the lines. */
static bool gaps_are_zero(const struct lastline_map *map, size_t size)
{
	const char *end = (const char *)map + size, *gap;
	const struct lastline_slot *slot;
	int i;

	if (!all_bytes_are(map->reserved, 0, sizeof(map->reserved)))
		return false;
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++) {
		slot = slot_of(map, i);
		gap = slot->data + slot->offset + slot->length;
		if (!all_bytes_are(slot->data, 0, slot->offset) ||
		    !all_bytes_are(gap, 0, (const char *)slot + map->stride - gap))
			return false;
	}
	gap = (const char *)slot_of(map, LASTLINE_MAP_SLOTS - 1) + map->stride;
	return all_bytes_are(gap, 0, end - gap);
}

TEST_F(infoleak, new_mapping_is_zero)
{
	const struct lastline_slot *slots = slot_of(self->map, 0);

	EXPECT_EQ(0, self->map->generation);
	EXPECT_EQ(0, self->map->flags);
	EXPECT_EQ(variant->line_max, self->map->line_max);
	EXPECT_TRUE(all_bytes_are(self->map->reserved, 0, sizeof(self->map->reserved)));
	EXPECT_TRUE(all_bytes_are(slots, 0, self->info.map_size - sizeof(*self->map)));
}

TEST_F(infoleak, mapping_is_zero_outside_of_lines)
{
	struct iovec halves[] = { { LINE, 4 }, { LINE + 4, strlen(LINE) - 4 } };
	int i;

	/* Publish with a fast write, a vector, and a partial line (or two records). */
	for (i = 0; i < 3 * LASTLINE_MAP_SLOTS; i++) {
		if (i % 3 == 0) {
			EXPECT_EQ(9, write_str(self->fd, LINE));
		} else if (i % 3 == 1) {
			EXPECT_EQ(9, writev(self->fd, halves, 2));
		} else {
			EXPECT_EQ(4, write(self->fd, LINE, 4));
			EXPECT_EQ(5, write_str(self->fd, LINE + 4));
		}
		EXPECT_TRUE(gaps_are_zero(self->map, self->info.map_size));
	}
	EXPECT_EQ(0, ioctl(self->fd, LASTLINE_IOC_CLEAR));
	EXPECT_TRUE(gaps_are_zero(self->map, self->info.map_size));
	EXPECT_EQ(NULL, memmem(self->map, self->info.map_size, "own", 3));
	EXPECT_EQ(0, lastline_map_read(self->map, self->buf, ROOM, NULL));
}

static ssize_t with_read(int fd, char *buf, size_t room)
{
	return read(fd, buf, room);
}

static ssize_t with_readv(int fd, char *buf, size_t room)
{
	struct iovec pieces[] = { { buf, 2 }, { buf + 2, room - 2 } };

	return readv(fd, pieces, 2);
}

static ssize_t (* const read_methods[])(int fd, char *buf, size_t room) = {
	with_read, with_readv,
};

/* Reads LINE in two pieces, the first of @first bytes. The rest of @buf must stay OWN. */
static bool reads_only_line(int fd, char *buf, int method, ssize_t first)
{
	lseek(fd, 0, SEEK_SET);
	memset(buf, OWN, ROOM);
	if (first && (read_methods[method](fd, buf, first) != first ||
		      !all_bytes_are(buf + first, OWN, ROOM - first)))
		return false;
	return read_methods[method](fd, buf + first, ROOM - first) == 9 - first &&
	       !memcmp(LINE, buf, 9) && all_bytes_are(buf + 9, OWN, ROOM - 9);
}

TEST_F(infoleak, read_writes_only_bytes_of_line)
{
	unsigned int method;

	EXPECT_EQ(9, write_str(self->fd, LINE));
	for (method = 0; method < ARRAY_SIZE(read_methods); method++) {
		EXPECT_TRUE(reads_only_line(self->fd, self->buf, method, 0));
		EXPECT_TRUE(reads_only_line(self->fd, self->buf, method, 3));
	}
	if (variant->mode == LASTLINE_MODE_RECORD)
		return;
	/* The driver keeps a partial line in a separate buffer. */
	EXPECT_EQ(3, write(self->fd, LINE, 3));
	EXPECT_EQ(5, write(self->fd, LINE + 3, 5));
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_TRUE(reads_only_line(self->fd, self->buf, 0, 0));
}

TEST_F(infoleak, failed_read_leaves_buffer_unchanged)
{
	unsigned int method;

	EXPECT_EQ(9, write_str(self->fd, LINE));
	EXPECT_EQ(0, ioctl(self->fd, LASTLINE_IOC_CLEAR));
	for (method = 0; method < ARRAY_SIZE(read_methods); method++)
		EXPECT_EQ(-1, read_methods[method](self->fd, self->buf, ROOM));
	EXPECT_TRUE(all_bytes_are(self->buf, OWN, ROOM));
}

TEST_F(infoleak, sysfs_files_contain_only_text)
{
	static const char * const names[] = {
		"generation", "line_max", "mode", "monotonic_ns", "name", "readers", "uevent",
		"writers",
	};
	unsigned int i;
	ssize_t len;
	int fd;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		fd = open_attribute(self->channel.number, names[i]);
		len = read(fd, self->buf, ROOM);
		ASSERT_LT(0, len);
		while (len--)
			EXPECT_TRUE(self->buf[len] == '\n' || isprint(self->buf[len]));
		close(fd);
	}
}

#define TRACING	"/sys/kernel/tracing/"

/* Looks for the patterns of this test, slub_debug and page_poison. */
static unsigned int count_stale(const __u32 *words, unsigned int count)
{
	unsigned int i, stale = 0;

	for (i = 0; i < count; i++)
		stale += words[i] == 0xa5a5a5a5 || words[i] == 0x5a5a5a5a ||
			 words[i] == 0x6b6b6b6b || words[i] == 0xaaaaaaaa;
	return stale;
}

/* Reads the raw records of the trace. */
TEST_F(infoleak, trace_events_contain_no_stale_bytes)
{
	__u64 *page = (__u64 *)self->buf;
	unsigned int stale = 0, bytes = 0;
	char path[64];
	int fd, cpu;

	if (!write_file(TRACING "events/lastline/enable", "1"))
		SKIP(return, "no trace events at " TRACING);
	EXPECT_EQ(9, write_str(self->fd, LINE));
	EXPECT_STREQ(LINE, read_str(self->fd));
	write_file(TRACING "events/lastline/enable", "0");
	for (cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		snprintf(path, sizeof(path), TRACING "per_cpu/cpu%d/trace_pipe_raw", cpu);
		fd = open(path, O_RDONLY | O_NONBLOCK);
		/* A page has a timestamp, a size, and the records. */
		if (read(fd, page, sysconf(_SC_PAGESIZE)) > 0) {
			bytes += page[1] % 4096;
			stale += count_stale((__u32 *)(page + 2), page[1] % 4096 / 4);
		}
		close(fd);
	}
	EXPECT_LT(0, bytes);
	EXPECT_EQ(0, stale);
}

TEST_HARNESS_MAIN
