/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The ABI of /dev/lastlineN: one channel per minor, which keeps the newest
 * line and nothing else; and of /dev/lastline-control, which adds and removes
 * channels.
 *
 * All structures have the same size and layout for 32-bit and 64-bit
 * programs. Spare fields read as zero. All generations count publications of
 * one channel; 0 means "nothing yet". All times are nanoseconds; 0 means "no
 * line yet". A realtime is the monotonic time of the event expressed in
 * CLOCK_REALTIME as it is set when the ioctl runs, so it follows corrections
 * of the clock.
 */
#ifndef _UAPI_LINUX_LASTLINE_H
#define _UAPI_LINUX_LASTLINE_H

#include <linux/errno.h>
#include <linux/ioctl.h>
#include <linux/types.h>

/* Limits of the module parameters. */
#define LASTLINE_DEVICES_MIN	1
#define LASTLINE_DEVICES_MAX	256
#define LASTLINE_LINE_MAX_MIN	64		/* bytes, the newline included */
#define LASTLINE_LINE_MAX_MAX	1048576		/* bytes, the newline included */

#define LASTLINE_CHANNELS_MAX	4096		/* at a time; numbers are below it */
#define LASTLINE_NAME_MAX	64		/* bytes of a name, its final 0 included */

/* What a channel makes of a write. Since 1.0. */
#define LASTLINE_MODE_LINE	0	/* lines end in a newline; the last one counts */
#define LASTLINE_MODE_RECORD	1	/* each write is one record, whatever is in it */

/**
 * struct lastline_info - a channel as it is now
 * @generation:   generation of the latest line
 * @monotonic_ns: when the latest line was published, CLOCK_MONOTONIC
 * @realtime_ns:  the same moment, CLOCK_REALTIME
 * @line_max:     longest line in bytes, its newline included
 * @readers:      open files that can read
 * @writers:      open files that can write; one opened for both counts twice,
 *                here and in @readers
 * @sleepers:     threads asleep in a read of this channel
 * @map_size:     bytes to mmap() for the mapped view
 * @number:       N of /dev/lastlineN
 * @mode:         LASTLINE_MODE_LINE or LASTLINE_MODE_RECORD
 * @reserved:     zero
 *
 * The fields are a snapshot; @generation and the two times belong together.
 */
struct lastline_info {
	__u64 generation;
	__u64 monotonic_ns;
	__u64 realtime_ns;
	__u32 line_max;
	__u32 readers;
	__u32 writers;
	__u32 sleepers;
	__u64 map_size;
	__u32 number;
	__u32 mode;
	__u64 reserved;
};

/**
 * struct lastline_taken - the line that this open file took last
 * @generation:   its generation; 0 while this open file has taken none
 * @monotonic_ns: when it was published, CLOCK_MONOTONIC
 * @realtime_ns:  the same moment, CLOCK_REALTIME
 * @missed:       publications since this file was opened that it can no longer
 *                get, because a newer line was taken instead
 * @missed_last:  how many of those lie between the last two lines it took
 * @reserved:     zero
 *
 * Lines passed over by lseek(fd, 0, SEEK_END) were skipped, not missed. A line that was
 * cleared away, and the clearing, count as missed when a newer line is taken, unless a
 * read in between found nothing.
 */
struct lastline_taken {
	__u64 generation;
	__u64 monotonic_ns;
	__u64 realtime_ns;
	__u64 missed;
	__u64 missed_last;
	__u64 reserved[3];
};

/**
 * struct lastline_take - a read() with a deadline, and what is known of the line
 * @buf:         address of the bytes' buffer
 * @deadline_ns: until when to sleep for a line, CLOCK_MONOTONIC outside of any time
 *               namespace; 0: not at all, LASTLINE_FOREVER: without end
 * @size:        room in the buffer in bytes, at least 1
 * @left:        gets how many bytes of the line did not fit, for the next reads
 * @reserved:    must be zero
 * @taken:       gets what is known of the line, in the same moment
 */
struct lastline_take {
	__u64 buf;
	__u64 deadline_ns;
	__u32 size;
	__u32 left;
	__u64 reserved;
	struct lastline_taken taken;
};

#define LASTLINE_FOREVER	(~0ULL)		/* no deadline */

/*
 * On an open channel. INFO and TAKEN work on any open file and fail with EFAULT for a bad
 * address. CLEAR takes the latest line away, as if nothing had been published yet, and
 * wipes its bytes; the generation goes on by one, if there was a line, and nobody is
 * woken. It fails with EBADF unless the file can write. TAKE reads as read() does, in one
 * call with the deadline and TAKEN, and returns the number of bytes. It fails with EBADF
 * unless the file can read, EINVAL for a size of 0 or a reserved field that is not, EAGAIN
 * if nothing is new and it may not sleep, by a deadline of 0 or O_NONBLOCK, ETIMEDOUT
 * when the deadline has come, EINTR, ENOMEM and EFAULT; then it took nothing, and @left
 * and @taken are zero or what they were. (Only if the structure, which was written
 * before, can no longer be written afterwards, EFAULT comes of a line that was taken.) To
 * security modules and file notification it is an ioctl, not a read. Anything else but
 * FIONREAD (int: bytes of one line that a read would get now) fails with ENOTTY, and all
 * of it with ENODEV when the channel was removed. Since 1.0.
 */
#define LASTLINE_IOC_MAGIC	0xBE
#define LASTLINE_IOC_INFO	_IOR(LASTLINE_IOC_MAGIC, 0x00, struct lastline_info)
#define LASTLINE_IOC_TAKEN	_IOR(LASTLINE_IOC_MAGIC, 0x01, struct lastline_taken)
#define LASTLINE_IOC_CLEAR	_IO(LASTLINE_IOC_MAGIC, 0x02)
#define LASTLINE_IOC_TAKE	_IOWR(LASTLINE_IOC_MAGIC, 0x03, struct lastline_take)

/**
 * struct lastline_add - a channel to be made
 * @number:      N of /dev/lastlineN, or -1 for the lowest that is free
 * @mode:        LASTLINE_MODE_LINE or LASTLINE_MODE_RECORD
 * @line_max:    longest line or record in bytes, 64 to 1048576; 0 for what the module
 *               was loaded with
 * @permissions: of the node, 0 to 0777
 * @uid:         owner of the node, as the caller's user namespace numbers them
 * @gid:         group of the node, likewise
 * @name:        letters, digits, '.', '_', '-' and a final 0, not "." or ".."; no
 *               other channel may have it. All 0: none
 * @reserved:    must be zero
 */
struct lastline_add {
	__s32 number;
	__u32 mode;
	__u32 line_max;
	__u32 permissions;
	__u32 uid;
	__u32 gid;
	char name[LASTLINE_NAME_MAX];
	__u64 reserved[5];
};

/*
 * On /dev/lastline-control, for CAP_SYS_ADMIN only (else EPERM). All return the number
 * of the channel. ADD fails with EINVAL for a value out of range, EEXIST if number or
 * name are taken, ENOSPC if there are LASTLINE_CHANNELS_MAX, and ENOMEM; REMOVE, whose
 * argument is the number itself, and FIND, by name, with ENODEV if there is no such
 * channel; FIND with EINVAL for a name without a final 0; both that take an address with
 * EFAULT for a bad one. Anything else fails with ENOTTY. Who has a removed channel open gets
 * ENODEV from then on, EPOLLHUP and EPOLLERR from poll(), and SIGIO with POLL_HUP; its
 * number is free again. Since 1.0.
 */
#define LASTLINE_CTL_ADD	_IOW(LASTLINE_IOC_MAGIC, 0x10, struct lastline_add)
#define LASTLINE_CTL_REMOVE	_IO(LASTLINE_IOC_MAGIC, 0x11)
#define LASTLINE_CTL_FIND	_IOW(LASTLINE_IOC_MAGIC, 0x12, char[LASTLINE_NAME_MAX])

/*
 * The mapped view: mmap(NULL, info.map_size, PROT_READ, MAP_SHARED, fd, 0) of an
 * open file that can read. It holds a struct lastline_map and, right behind it,
 * LASTLINE_MAP_SLOTS slots, map->stride bytes apart. The line of generation g lies
 * in slot g mod LASTLINE_MAP_SLOTS. Writable and executable mappings fail with
 * EPERM (or EACCES, if the file cannot be written either), private ones, other
 * offsets and larger sizes with EINVAL. Since 1.0.
 *
 * A mapping takes nothing: for poll() and read() a line that was seen in it is still
 * new. To sleep until a newer one comes, lseek(fd, 0, SEEK_END), look again whether
 * the generation has moved, and only then poll(). A mapping keeps the file open, and
 * with it what that file wrote of an unfinished line.
 */
#define LASTLINE_MAP_VERSION	1	/* of all this */
#define LASTLINE_MAP_SLOTS	4	/* a power of two, so that the modulo is a mask */
#define LASTLINE_MAP_FILLING	(~0ULL)	/* no generation: a line is being written */
#define LASTLINE_MAP_REMOVED	0x1	/* the channel was removed: no line will come */

/**
 * struct lastline_map - the head of a mapped channel
 * @generation: generation of the latest line; 0 while nothing was published
 * @version:    LASTLINE_MAP_VERSION; a reader that knows only another one must
 *              not go on
 * @stride:     bytes from one slot to the next
 * @line_max:   longest line in bytes, its newline included
 * @flags:      LASTLINE_MAP_REMOVED or 0
 * @reserved:   zero
 */
struct lastline_map {
	__aligned_u64 generation;
	__u32 version;
	__u32 stride;
	__u32 line_max;
	__u32 flags;
	__u32 reserved[10];
};

/**
 * struct lastline_slot - one place that can hold a line
 * @generation:   of the line in it, or LASTLINE_MAP_FILLING
 * @monotonic_ns: when the line was published, CLOCK_MONOTONIC
 * @offset:       of the line in @data
 * @length:       of the line, its newline included
 * @data:         the line, and before it perhaps earlier lines of the same write
 */
struct lastline_slot {
	__aligned_u64 generation;
	__aligned_u64 monotonic_ns;
	__u32 offset;
	__u32 length;
	char data[];
};

/* Not for machines that would read a generation in two halves. */
#if !defined(__KERNEL__) && __GCC_ATOMIC_LLONG_LOCK_FREE == 2

/**
 * lastline_map_generation - the generation of the latest line
 * @map: the mapping
 *
 * One load: a reader whose own is the same has nothing new to read.
 *
 * Return: the generation, 0 while nothing was published.
 */
static inline __u64 lastline_map_generation(const struct lastline_map *map)
{
	return __atomic_load_n(&map->generation, __ATOMIC_ACQUIRE);
}

/**
 * struct lastline_view - a line where it lies in the mapping
 * @data:       the line
 * @length:     its bytes, the newline included; 0 while there is none
 * @generation: its generation
 * @slot:       the slot that it lies in
 */
struct lastline_view {
	const char *data;
	__u32 length;
	__u64 generation;
	const struct lastline_slot *slot;
};

/**
 * lastline_map_intact - was all that was read of a line part of it?
 * @view: the line
 *
 * Return: 1 if it was, 0 if the slot was meanwhile given to another line: what was
 * read since lastline_map_look() may be of both.
 */
static inline int lastline_map_intact(const struct lastline_view *view)
{
	/* What was read before is not to be read after the generation. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&view->slot->generation, __ATOMIC_RELAXED) == view->generation;
}

/**
 * lastline_map_look - the latest line, without a system call and without a copy
 * @map:  the mapping
 * @view: gets the line
 *
 * Three newer lines may come before the slot is used again. Whoever has read in
 * @view->data asks lastline_map_intact() before he believes it; until then it may
 * change under his eyes.
 *
 * Return: 1, or 0 if the line was overwritten at this very moment: try again.
 */
static inline int lastline_map_look(const struct lastline_map *map, struct lastline_view *view)
{
	view->generation = lastline_map_generation(map);
	view->slot = (const struct lastline_slot *)((const char *)(map + 1) +
		     (view->generation & (LASTLINE_MAP_SLOTS - 1)) * map->stride);
	view->length = __atomic_load_n(&view->slot->length, __ATOMIC_RELAXED);
	view->data = view->slot->data + __atomic_load_n(&view->slot->offset, __ATOMIC_RELAXED);
	/* The two must be of one line. A channel without one has an empty slot. */
	return lastline_map_intact(view);
}

/**
 * lastline_map_read - copy the latest line, without a system call
 * @map:        the mapping
 * @buf:        where to
 * @size:       room there; map->line_max bytes are always enough
 * @generation: if not NULL, gets the generation of the line
 *
 * Any number of threads may read one mapping. What @buf holds after an error is
 * undefined.
 *
 * Return: the length of the line, 0 while there is none, -EMSGSIZE if
 * it is longer than @size, or -EAGAIN if it was overwritten meanwhile: try again,
 * or, after several times, read() from the file, which always succeeds.
 */
static inline int lastline_map_read(const struct lastline_map *map, void *buf, __u32 size,
				    __u64 *generation)
{
	struct lastline_view view;

	if (!lastline_map_look(map, &view))
		return -EAGAIN;
	if (view.length > size)
		return -EMSGSIZE;
	__builtin_memcpy(buf, view.data, view.length);
	if (!lastline_map_intact(&view))
		return -EAGAIN;
	if (generation)
		*generation = view.generation;
	return view.length;
}

#endif /* !__KERNEL__ */

#endif /* _UAPI_LINUX_LASTLINE_H */
