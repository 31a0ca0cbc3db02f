// SPDX-License-Identifier: GPL-2.0-only
/*
 * No byte that nobody wrote reaches user space. Each test uses a new channel, so all of the
 * driver's memory is new. Leaks show best where free memory has a pattern:
 *
 *	slub_debug=P page_poison=1 init_on_alloc=0	(on the kernel's command line)
 *
 * Without it, the test fills free memory with STALE as far as a process can.
 */
#include <ctype.h>
#include <sys/msg.h>

#include "fault_inject.h"
#include "lastline_test.h"

#define LINE	"own line\n"
#define STALE	0xa5	/* in free memory */
#define OWN	0x3c	/* in buffers that must stay unchanged */
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
		/* Adjacent free pages would be merged, and those are reused last. */
		for (offset = 0; offset < size; offset += 2 * page)
			madvise(pages + offset, page, MADV_DONTNEED);
	}
}

FIXTURE(infoleak)
{
	struct added added;
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
	SKIP_WITHOUT_CONTROL(add_channel(&self->added, variant->mode, variant->line_max));
	self->fd = open(node_of(self->added.number), O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	self->info = info_of(self->fd);
	self->map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->buf = malloc(ROOM);
	memset(self->buf, OWN, ROOM);
}

FIXTURE_TEARDOWN(infoleak)
{
	munmap((void *)self->map, self->info.map_size);
	close(self->fd);
	remove_channel(&self->added);
	free(self->buf);
}

static const struct lastline_slot *slot_of(const struct lastline_map *map, __u64 generation)
{
	return (void *)(map + 1) + (generation % LASTLINE_MAP_SLOTS) * map->stride;
}

/* All but the fields and the lines. */
static bool gaps_are_zero(const struct lastline_map *map, size_t size)
{
	const char *end = (const char *)map + size, *gap;
	const struct lastline_slot *slot;
	int i;

	if (!is_all(map->reserved, 0, sizeof(map->reserved)))
		return false;
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++) {
		slot = slot_of(map, i);
		gap = slot->data + slot->offset + slot->length;
		if (!is_all(slot->data, 0, slot->offset) ||
		    !is_all(gap, 0, (const char *)slot + map->stride - gap))
			return false;
	}
	gap = (const char *)slot_of(map, LASTLINE_MAP_SLOTS - 1) + map->stride;
	return is_all(gap, 0, end - gap);
}

TEST_F(infoleak, new_mapping_is_zero)
{
	const struct lastline_slot *slots = slot_of(self->map, 0);

	EXPECT_EQ(0, self->map->generation);
	EXPECT_EQ(0, self->map->flags);
	EXPECT_EQ(variant->line_max, self->map->line_max);
	EXPECT_TRUE(is_all(self->map->reserved, 0, sizeof(self->map->reserved)));
	EXPECT_TRUE(is_all(slots, 0, self->info.map_size - sizeof(*self->map)));
}

TEST_F(infoleak, mapping_is_zero_outside_of_lines)
{
	struct iovec halves[] = { { LINE, 4 }, { LINE + 4, strlen(LINE) - 4 } };
	int i;

	/* By a fast write, a vector, and a partial line (or two records). */
	for (i = 0; i < 3 * LASTLINE_MAP_SLOTS; i++) {
		if (i % 3 == 0) {
			EXPECT_EQ(9, put(self->fd, LINE));
		} else if (i % 3 == 1) {
			EXPECT_EQ(9, writev(self->fd, halves, 2));
		} else {
			EXPECT_EQ(4, write(self->fd, LINE, 4));
			EXPECT_EQ(5, put(self->fd, LINE + 4));
		}
		EXPECT_TRUE(gaps_are_zero(self->map, self->info.map_size));
	}
	EXPECT_EQ(0, ioctl(self->fd, LASTLINE_IOC_CLEAR));
	EXPECT_TRUE(gaps_are_zero(self->map, self->info.map_size));
	EXPECT_EQ(NULL, memmem(self->map, self->info.map_size, "own", 3));
	EXPECT_EQ(0, lastline_map_read(self->map, self->buf, ROOM, NULL));
}

static ssize_t by_read(int fd, char *buf, size_t room)
{
	return read(fd, buf, room);
}

static ssize_t by_readv(int fd, char *buf, size_t room)
{
	struct iovec pieces[] = { { buf, 2 }, { buf + 2, room - 2 } };

	return readv(fd, pieces, 2);
}

static ssize_t by_splice(int fd, char *buf, size_t room)
{
	ssize_t len, got;
	int ends[2];

	if (pipe2(ends, O_NONBLOCK))
		return -1;
	len = splice(fd, NULL, ends[1], NULL, room, 0);
	/* All bytes in the pipe, not only those that splice() reports. */
	got = read(ends[0], buf, ROOM);
	close(ends[0]);
	close(ends[1]);
	return got == len ? len : -1;
}

static ssize_t (* const ways[])(int fd, char *buf, size_t room) = {
	by_read, by_readv, by_splice,
};

/* Reads LINE in two pieces, the first of @first bytes; all else of @buf stays OWN. */
static bool reads_only_line(int fd, char *buf, int way, ssize_t first)
{
	lseek(fd, 0, SEEK_SET);
	memset(buf, OWN, ROOM);
	if (first && (ways[way](fd, buf, first) != first ||
		      !is_all(buf + first, OWN, ROOM - first)))
		return false;
	return ways[way](fd, buf + first, ROOM - first) == 9 - first &&
	       !memcmp(LINE, buf, 9) && is_all(buf + 9, OWN, ROOM - 9);
}

TEST_F(infoleak, read_changes_only_bytes_of_line)
{
	unsigned int way;

	EXPECT_EQ(9, put(self->fd, LINE));
	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		EXPECT_TRUE(reads_only_line(self->fd, self->buf, way, 0));
		EXPECT_TRUE(reads_only_line(self->fd, self->buf, way, 3));
	}
	if (variant->mode == LASTLINE_MODE_RECORD)
		return;
	/* A partial line has a buffer of its own. */
	EXPECT_EQ(3, write(self->fd, LINE, 3));
	EXPECT_EQ(5, write(self->fd, LINE + 3, 5));
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_TRUE(reads_only_line(self->fd, self->buf, 0, 0));
}

TEST_F(infoleak, failed_read_changes_nothing)
{
	unsigned int way;

	EXPECT_EQ(9, put(self->fd, LINE));
	EXPECT_EQ(0, ioctl(self->fd, LASTLINE_IOC_CLEAR));
	for (way = 0; way < ARRAY_SIZE(ways); way++)
		EXPECT_EQ(-1, ways[way](self->fd, self->buf, ROOM));
	EXPECT_TRUE(is_all(self->buf, OWN, ROOM));
}

TEST_F(infoleak, sysfs_files_hold_only_text)
{
	static const char * const names[] = {
		"generation", "line_max", "mode", "monotonic_ns", "name", "readers", "uevent",
		"writers",
	};
	unsigned int i;
	ssize_t len;
	int fd;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		fd = open_attribute(self->added.number, names[i]);
		len = read(fd, self->buf, ROOM);
		ASSERT_LT(0, len);
		while (len--)
			EXPECT_TRUE(self->buf[len] == '\n' || isprint(self->buf[len]));
		close(fd);
	}
}

#define TRACING	"/sys/kernel/tracing/"

/* Patterns of this test, of slub_debug, and of page_poison. */
static unsigned int count_stale(const __u32 *words, unsigned int count)
{
	unsigned int i, stale = 0;

	for (i = 0; i < count; i++)
		stale += words[i] == 0xa5a5a5a5 || words[i] == 0x5a5a5a5a ||
			 words[i] == 0x6b6b6b6b || words[i] == 0xaaaaaaaa;
	return stale;
}

/* Reads the raw records of the trace. */
TEST_F(infoleak, trace_events_hold_no_stale_bytes)
{
	__u64 *page = (__u64 *)self->buf;
	unsigned int stale = 0, bytes = 0;
	char path[64];
	int fd, cpu;

	if (!knob_set(TRACING "events/lastline/enable", "1"))
		SKIP(return, "no tracefs at " TRACING);
	EXPECT_EQ(9, put(self->fd, LINE));
	EXPECT_STREQ(LINE, get(self->fd));
	knob_set(TRACING "events/lastline/enable", "0");
	for (cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		snprintf(path, sizeof(path), TRACING "per_cpu/cpu%d/trace_pipe_raw", cpu);
		fd = open(path, O_RDONLY | O_NONBLOCK);
		/* A timestamp, the number of bytes, the bytes. */
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
