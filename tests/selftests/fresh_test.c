// SPDX-License-Identifier: GPL-2.0-only
/*
 * No byte that nobody wrote reaches user space, by whatever way. The channels and
 * files here are new, so all that the driver has of them is memory that it just got. It
 * shows best where such memory is full of a pattern:
 *
 *	slub_debug=P page_poison=1 init_on_alloc=0	(on the kernel's command line)
 *
 * But even without, it is first filled with STALE here as far as a process can.
 */
#include <liburing.h>
#include <sys/msg.h>

#include "lastline_test.h"

#define CONTROL	"/dev/lastline-control"
#define LINE	"own line\n"
#define STALE	0xa5	/* what others left behind */
#define OWN	0x3c	/* what a buffer holds that nobody is to write to */
#define ROOM	65536

/* Allocates as much of each size as a process may, fills it with STALE, and frees it. */
static void leave_stale_memory(void)
{
	static struct { long type; char text[8192]; } message = { .type = 1 };
	const size_t size = 16 << 20, page = sysconf(_SC_PAGESIZE);
	size_t offset;
	int queue, length, i;
	void *pages;

	memset(message.text, STALE, sizeof(message.text));
	queue = msgget(IPC_PRIVATE, 0600);
	/* Of slabs: a message has as many bytes as one likes behind its head. */
	for (length = 16; length <= 4096; length *= 2)
		for (i = 0; i < 64; i++)
			msgsnd(queue, &message, length - 16, IPC_NOWAIT);
	msgctl(queue, IPC_RMID, NULL);

	pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages != MAP_FAILED) {
		madvise(pages, size, MADV_NOHUGEPAGE);
		memset(pages, STALE, size);
		/* Neighbours would be joined, and larger pieces are used last. */
		for (offset = 0; offset < size; offset += 2 * page)
			madvise(pages + offset, page, MADV_DONTNEED);
	}
}

/* Is it all this byte? */
static bool is_all(const void *memory, char byte, size_t size)
{
	const char *bytes = memory;

	return !size || (bytes[0] == byte && !memcmp(bytes, bytes + 1, size - 1));
}

FIXTURE(fresh)
{
	int control;
	int number;
	int fd;
	char *buf;
	struct lastline_info info;
	const struct lastline_map *map;
};

FIXTURE_VARIANT(fresh)
{
	unsigned int line_max;
	unsigned int mode;
};

FIXTURE_VARIANT_ADD(fresh, short_lines) { .line_max = 64 };
FIXTURE_VARIANT_ADD(fresh, lines) { .line_max = 4096 };
FIXTURE_VARIANT_ADD(fresh, long_lines) { .line_max = 1000000 };
FIXTURE_VARIANT_ADD(fresh, records) { .line_max = 4096, .mode = LASTLINE_MODE_RECORD };

FIXTURE_SETUP(fresh)
{
	struct lastline_add add = {
		.number = -1,
		.mode = variant->mode,
		.line_max = variant->line_max,
		.permissions = 0600,
	};
	char path[64];

	self->control = open(CONTROL, O_RDWR);
	if (self->control < 0)
		SKIP(return, "no %s here; load the module and become root", CONTROL);
	leave_stale_memory();
	self->number = ioctl(self->control, LASTLINE_CTL_ADD, &add);
	ASSERT_LE(0, self->number);
	snprintf(path, sizeof(path), "/dev/lastline%d", self->number);
	self->fd = open(path, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	self->info = info_of(self->fd);
	self->map = mmap(NULL, self->info.map_size, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->buf = malloc(ROOM);
	memset(self->buf, OWN, ROOM);
}

FIXTURE_TEARDOWN(fresh)
{
	munmap((void *)self->map, self->info.map_size);
	close(self->fd);
	ioctl(self->control, LASTLINE_CTL_REMOVE, self->number);
	close(self->control);
	free(self->buf);
}

static const struct lastline_slot *slot_of(const struct lastline_map *map, __u64 generation)
{
	return (void *)(map + 1) + (generation % LASTLINE_MAP_SLOTS) * map->stride;
}

/* All of the mapping but the fields that the header names. */
static bool rest_is_zero(const struct lastline_map *map, size_t size)
{
	const char *end = (const char *)map + size, *gap;
	const struct lastline_slot *slot;
	int i;

	if (!is_all(map->spare, 0, sizeof(map->spare)))
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

TEST_F(fresh, a_mapping_holds_nothing_at_first)
{
	const struct lastline_slot *slots = slot_of(self->map, 0);

	EXPECT_EQ(0, self->map->generation);
	EXPECT_EQ(0, self->map->flags);
	EXPECT_EQ(variant->line_max, self->map->line_max);
	EXPECT_TRUE(is_all(self->map->spare, 0, sizeof(self->map->spare)));
	/* To the end of the last page. */
	EXPECT_TRUE(is_all(slots, 0, self->info.map_size - sizeof(*self->map)));
}

TEST_F(fresh, a_mapping_holds_nothing_beside_the_lines)
{
	struct iovec halves[] = { { LINE, 4 }, { LINE + 4, strlen(LINE) - 4 } };
	int i;

	/* At once, in two pieces, and, if these are lines, by way of an unfinished one. */
	for (i = 0; i < 3 * LASTLINE_MAP_SLOTS; i++) {
		if (i % 3 == 0) {
			EXPECT_EQ(9, put(self->fd, LINE));
		} else if (i % 3 == 1) {
			EXPECT_EQ(9, writev(self->fd, halves, 2));
		} else {
			EXPECT_EQ(4, write(self->fd, LINE, 4));
			EXPECT_EQ(5, put(self->fd, LINE + 4));
		}
		EXPECT_TRUE(rest_is_zero(self->map, self->info.map_size));
	}
	EXPECT_EQ(0, ioctl(self->fd, LASTLINE_IOC_CLEAR));
	EXPECT_TRUE(rest_is_zero(self->map, self->info.map_size));
	EXPECT_EQ(NULL, memmem(self->map, self->info.map_size, "own", 3));
}

TEST_F(fresh, ioctls_fill_in_nothing_but_their_fields)
{
	struct lastline_taken taken;
	struct lastline_info info;
	int bytes;

	memset(&info, STALE, sizeof(info));
	ASSERT_EQ(0, ioctl(self->fd, LASTLINE_IOC_INFO, &info));
	EXPECT_EQ(0, info.generation | info.monotonic_ns | info.realtime_ns | info.sleepers);
	EXPECT_EQ(variant->line_max, info.line_max);
	EXPECT_EQ(1, info.readers);
	EXPECT_EQ(1, info.writers);
	EXPECT_EQ(self->number, info.number);
	EXPECT_EQ(variant->mode, info.mode);
	EXPECT_EQ(0, info.spare);

	memset(&taken, STALE, sizeof(taken));
	ASSERT_EQ(0, ioctl(self->fd, LASTLINE_IOC_TAKEN, &taken));
	EXPECT_TRUE(is_all(&taken, 0, sizeof(taken)));
	bytes = STALE;
	EXPECT_EQ(0, ioctl(self->fd, FIONREAD, &bytes));
	EXPECT_EQ(0, bytes);

	EXPECT_EQ(9, put(self->fd, LINE));
	EXPECT_EQ(0, ioctl(self->fd, FIONREAD, &bytes));
	EXPECT_EQ(9, bytes);
	EXPECT_STREQ(LINE, get(self->fd));
	memset(&taken, STALE, sizeof(taken));
	ASSERT_EQ(0, ioctl(self->fd, LASTLINE_IOC_TAKEN, &taken));
	EXPECT_EQ(1, taken.generation);
	EXPECT_EQ(0, taken.missed | taken.missed_last);
	EXPECT_TRUE(is_all(taken.spare, 0, sizeof(taken.spare)));
}

/* Reads into @buf, by one of the ways there are. */
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
	/* All that is in the pipe, not only as much as splice() says. */
	got = read(ends[0], buf, ROOM);
	close(ends[0]);
	close(ends[1]);
	return got == len ? len : -1;
}

static ssize_t by_uring(int fd, char *buf, size_t room)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	ssize_t len = -1;

	if (io_uring_queue_init(1, &ring, 0))
		return by_read(fd, buf, room);	/* a kernel without */
	io_uring_prep_read(io_uring_get_sqe(&ring), fd, buf, room, -1);
	if (io_uring_submit(&ring) == 1 && !io_uring_wait_cqe(&ring, &cqe))
		len = cqe->res;
	io_uring_queue_exit(&ring);
	return len;
}

/* The line in one go, or in two; and no other byte of the buffer is touched. */
#define EXPECT_NOTHING_BUT_THE_LINE(way)					\
do {										\
	ssize_t (*read_by)(int fd, char *buf, size_t room) = way;		\
										\
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_SET));				\
	memset(self->buf, OWN, ROOM);						\
	EXPECT_EQ(9, read_by(self->fd, self->buf, ROOM));				\
	EXPECT_EQ(0, memcmp(LINE, self->buf, 9));				\
	EXPECT_TRUE(is_all(self->buf + 9, OWN, ROOM - 9));			\
										\
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_SET));				\
	memset(self->buf, OWN, ROOM);						\
	EXPECT_EQ(3, read_by(self->fd, self->buf, 3));				\
	EXPECT_TRUE(is_all(self->buf + 3, OWN, ROOM - 3));			\
	EXPECT_EQ(6, read_by(self->fd, self->buf + 3, ROOM - 3));			\
	EXPECT_EQ(0, memcmp(LINE, self->buf, 9));				\
	EXPECT_TRUE(is_all(self->buf + 9, OWN, ROOM - 9));			\
} while (0)

TEST_F(fresh, a_read_gets_nothing_but_the_line)
{
	EXPECT_EQ(9, put(self->fd, LINE));
	EXPECT_NOTHING_BUT_THE_LINE(by_read);
	EXPECT_NOTHING_BUT_THE_LINE(by_readv);
	EXPECT_NOTHING_BUT_THE_LINE(by_splice);
	EXPECT_NOTHING_BUT_THE_LINE(by_uring);
	/* Also one that was kept unfinished, in a buffer of its own. */
	if (variant->mode == LASTLINE_MODE_LINE) {
		EXPECT_EQ(3, write(self->fd, LINE, 3));
		EXPECT_EQ(5, write(self->fd, LINE + 3, 5));
		EXPECT_EQ(0, fsync(self->fd));
		EXPECT_NOTHING_BUT_THE_LINE(by_read);
	}
}

TEST_F(fresh, a_read_that_gets_nothing_touches_nothing)
{
	EXPECT_EQ(-1, by_read(self->fd, self->buf, ROOM));
	EXPECT_EQ(-1, by_readv(self->fd, self->buf, ROOM));
	EXPECT_EQ(-1, by_splice(self->fd, self->buf, ROOM));
	EXPECT_EQ(9, put(self->fd, LINE));
	EXPECT_EQ(0, ioctl(self->fd, LASTLINE_IOC_CLEAR));
	EXPECT_EQ(-1, by_read(self->fd, self->buf, ROOM));
	EXPECT_EQ(-1, by_readv(self->fd, self->buf, ROOM));
	EXPECT_EQ(-1, by_splice(self->fd, self->buf, ROOM));
	EXPECT_TRUE(is_all(self->buf, OWN, ROOM));
}

/* The driver's own attributes and the uevent file: text, with nothing behind it. */
TEST_F(fresh, files_in_sysfs_hold_nothing_but_text)
{
	static const char * const names[] = {
		"generation", "line_max", "mode", "monotonic_ns", "name", "readers", "uevent",
		"writers",
	};
	unsigned int i;
	char path[96];
	ssize_t len;
	int fd, c;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/sys/class/lastline/lastline%d/%s",
			 self->number, names[i]);
		memset(self->buf, OWN, ROOM);
		fd = open(path, O_RDONLY);
		len = read(fd, self->buf, ROOM);
		ASSERT_LT(0, len);
		EXPECT_EQ('\n', self->buf[len - 1]);
		EXPECT_TRUE(is_all(self->buf + len, OWN, ROOM - len));
		for (c = 0; c < len; c++)
			EXPECT_TRUE(self->buf[c] == '\n' ||
				    (self->buf[c] >= ' ' && self->buf[c] <= '~'));
		close(fd);
	}
}

#define TRACING	"/sys/kernel/tracing/"

static bool set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	bool done = fd >= 0 && put(fd, value) == (ssize_t)strlen(value);

	close(fd);
	return done;
}

/* Of fresh memory: as a process, an allocator of the kernel, or a page left it behind. */
static unsigned int count_stale(const __u32 *words, unsigned int count)
{
	unsigned int i, stale = 0;

	for (i = 0; i < count; i++)
		stale += words[i] == 0xa5a5a5a5 || words[i] == 0x5a5a5a5a ||
			 words[i] == 0x6b6b6b6b || words[i] == 0xaaaaaaaa;
	return stale;
}

/* The records of the trace as they lie in memory hold no byte of another origin. */
TEST_F(fresh, trace_events_hold_nothing_else)
{
	__u64 *page = (__u64 *)self->buf;
	unsigned int stale = 0, bytes = 0;
	char path[64];
	int fd, cpu;

	if (!set(TRACING "events/lastline/enable", "1"))
		SKIP(return, "no tracefs at " TRACING);
	EXPECT_EQ(9, put(self->fd, LINE));
	EXPECT_STREQ(LINE, get(self->fd));
	set(TRACING "events/lastline/enable", "0");
	for (cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		snprintf(path, sizeof(path), TRACING "per_cpu/cpu%d/trace_pipe_raw", cpu);
		fd = open(path, O_RDONLY | O_NONBLOCK);
		/* A time, the bytes in use, and these. */
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
