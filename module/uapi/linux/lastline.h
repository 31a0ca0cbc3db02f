/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * User interface of /dev/lastlineN and /dev/lastline-control. lastline(4) describes what
 * each call does and how it fails.
 *
 * All structures have the same layout for 32-bit and 64-bit programs. Reserved fields
 * are zero. A generation counts the publications of one channel; 0 means none. Times are
 * in nanoseconds; 0 means that there is no line. A realtime is the monotonic time
 * converted to CLOCK_REALTIME when the ioctl runs, so it follows corrections of the
 * clock. Since 1.0.
 */
#ifndef _UAPI_LINUX_LASTLINE_H
#define _UAPI_LINUX_LASTLINE_H

#include <linux/errno.h>
#include <linux/ioctl.h>
#include <linux/types.h>

/* Limits of the module parameters. */
#define LASTLINE_DEVICES_MIN	1
#define LASTLINE_DEVICES_MAX	256
#define LASTLINE_LINE_MAX_MIN	64		/* bytes, including the newline */
#define LASTLINE_LINE_MAX_MAX	1048576		/* bytes, including the newline */

#define LASTLINE_CHANNELS_MAX	4096		/* all numbers are lower */
#define LASTLINE_NAME_MAX	64		/* bytes, including the final NUL */

/* What a write contains. */
#define LASTLINE_MODE_LINE	0	/* lines; the last complete one is published */
#define LASTLINE_MODE_RECORD	1	/* one record with any content */

/**
 * struct lastline_info - state of a channel
 * @generation:   generation of the newest line
 * @monotonic_ns: time of its publication, CLOCK_MONOTONIC
 * @realtime_ns:  the same time, CLOCK_REALTIME
 * @line_max:     maximum length of a line in bytes, including the newline
 * @readers:      number of files open for reading
 * @writers:      number of files open for writing; a file open for both counts in both
 * @sleepers:     number of threads asleep in a read
 * @map_size:     size of the mapping in bytes
 * @number:       N of /dev/lastlineN
 * @mode:         LASTLINE_MODE_LINE or LASTLINE_MODE_RECORD
 * @reserved:     zero
 *
 * @generation and the two times belong to the same line.
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
 * struct lastline_taken - the last line that an open file read
 * @generation:   its generation; 0 if no line was read
 * @monotonic_ns: time of its publication, CLOCK_MONOTONIC
 * @realtime_ns:  the same time, CLOCK_REALTIME
 * @missed:       number of lines published since the file was opened, and overwritten
 *                before the file read them
 * @missed_last:  how many of these were published between the last two lines it read
 * @reserved:     zero
 *
 * Lines skipped with lseek(fd, 0, SEEK_END) do not count. A line that was cleared before
 * it was read, and the clearing, count as missed, unless a read in between found nothing.
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
 * struct lastline_take - a read with a deadline, and the line that it returned
 * @buf:         address of the buffer
 * @deadline_ns: when to stop sleeping, CLOCK_MONOTONIC outside of any time namespace;
 *               0: do not sleep, LASTLINE_FOREVER: no deadline
 * @size:        size of the buffer in bytes, at least 1
 * @left:        set to the number of bytes of the line that did not fit
 * @reserved:    must be zero
 * @taken:       set to the description of the line
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
 * Operations on a channel:
 *
 * INFO:  get its state
 * TAKEN: describe the last line that this open file read
 * CLEAR: remove the newest line; for files open for writing
 * TAKE:  read with a deadline; returns the number of bytes. A call that fails consumed
 *        nothing, and left @left and @taken zero or unchanged, except for EFAULT if the
 *        structure became inaccessible during the call
 *
 * FIONREAD returns the number of bytes that the next read can return.
 */
#define LASTLINE_IOC_MAGIC	0xBE
#define LASTLINE_IOC_INFO	_IOR(LASTLINE_IOC_MAGIC, 0x00, struct lastline_info)
#define LASTLINE_IOC_TAKEN	_IOR(LASTLINE_IOC_MAGIC, 0x01, struct lastline_taken)
#define LASTLINE_IOC_CLEAR	_IO(LASTLINE_IOC_MAGIC, 0x02)
#define LASTLINE_IOC_TAKE	_IOWR(LASTLINE_IOC_MAGIC, 0x03, struct lastline_take)

/**
 * struct lastline_add - a channel to add
 * @number:      N of /dev/lastlineN, or -1 for the lowest free number
 * @mode:        LASTLINE_MODE_LINE or LASTLINE_MODE_RECORD
 * @line_max:    maximum length of a line or record in bytes, 64 to 1048576; 0 for the
 *               module parameter
 * @permissions: permissions of the node, 0 to 0777
 * @uid:         owner of the node, in the user namespace of the caller
 * @gid:         group of the node, in the user namespace of the caller
 * @name:        letters, digits, '.', '_', '-' and a final NUL, not "." or ".."; unique.
 *               All zeros: no name
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
 * Operations on /dev/lastline-control, for CAP_SYS_ADMIN only. Each returns the number of
 * the channel. The argument of REMOVE is the number itself. Open files of a removed
 * channel fail with ENODEV.
 */
#define LASTLINE_CTL_ADD	_IOW(LASTLINE_IOC_MAGIC, 0x10, struct lastline_add)
#define LASTLINE_CTL_REMOVE	_IO(LASTLINE_IOC_MAGIC, 0x11)
#define LASTLINE_CTL_FIND	_IOW(LASTLINE_IOC_MAGIC, 0x12, char[LASTLINE_NAME_MAX])

/*
 * mmap(NULL, info.map_size, PROT_READ, MAP_SHARED, fd, 0) maps a struct lastline_map,
 * followed by LASTLINE_MAP_SLOTS slots that are map->stride bytes apart. The line of
 * generation g is in slot g mod LASTLINE_MAP_SLOTS.
 *
 * Reading from a mapping consumes nothing: the line stays unseen for read() and poll().
 * To sleep until the next line, lseek(fd, 0, SEEK_END), check that the generation has not
 * changed, then poll(). A mapping keeps the file open, with its partial line.
 */
#define LASTLINE_MAP_VERSION	1	/* of the layout below */
#define LASTLINE_MAP_SLOTS	4	/* a power of two */
#define LASTLINE_MAP_FILLING	(~0ULL)	/* not a generation: a line is being written */
#define LASTLINE_MAP_REMOVED	0x1	/* the channel was removed */

/**
 * struct lastline_map - head of a mapping
 * @generation: generation of the newest line; 0 before the first publication
 * @version:    LASTLINE_MAP_VERSION; a program that does not know it must not use the
 *              mapping
 * @stride:     distance between slots in bytes
 * @line_max:   maximum length of a line in bytes, including the newline
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
 * struct lastline_slot - place for one line
 * @generation:   generation of the line, or LASTLINE_MAP_FILLING
 * @monotonic_ns: time of its publication, CLOCK_MONOTONIC
 * @offset:       start of the line in @data
 * @length:       length of the line, including the newline; 0: there is no line
 * @data:         the line, possibly after earlier lines of the same write
 */
struct lastline_slot {
	__aligned_u64 generation;
	__aligned_u64 monotonic_ns;
	__u32 offset;
	__u32 length;
	char data[];
};

/* Needs 64-bit atomic loads. */
#if !defined(__KERNEL__) && __GCC_ATOMIC_LLONG_LOCK_FREE == 2

/**
 * lastline_map_generation - get the generation of the newest line, with one load
 * @map: the mapping
 *
 * Return: the generation, 0 before the first publication.
 */
static inline __u64 lastline_map_generation(const struct lastline_map *map)
{
	return __atomic_load_n(&map->generation, __ATOMIC_ACQUIRE);
}

/**
 * struct lastline_view - a line in the mapping
 * @data:       the line
 * @length:     its length, including the newline; 0: there is no line
 * @generation: its generation
 * @slot:       its slot
 */
struct lastline_view {
	const char *data;
	__u32 length;
	__u64 generation;
	const struct lastline_slot *slot;
};

/**
 * lastline_map_intact - check that a line was not overwritten while it was read
 * @view: the line
 *
 * Return: 1 if everything read since lastline_map_look() belongs to the line, 0 if the
 * slot was reused.
 */
static inline int lastline_map_intact(const struct lastline_view *view)
{
	/* Orders the reads of the line before the read of the generation. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&view->slot->generation, __ATOMIC_RELAXED) == view->generation;
}

/**
 * lastline_map_look - find the newest line in the mapping, without copying it
 * @map:  the mapping
 * @view: set to the line
 *
 * The fourth newer line reuses the slot, possibly while the caller reads it. Use
 * nothing that was read from @view->data until lastline_map_intact() returned 1.
 *
 * Return: 1, or 0 if the line was overwritten during the call: try again.
 */
static inline int lastline_map_look(const struct lastline_map *map, struct lastline_view *view)
{
	view->generation = lastline_map_generation(map);
	view->slot = (const struct lastline_slot *)((const char *)(map + 1) +
		     (view->generation & (LASTLINE_MAP_SLOTS - 1)) * map->stride);
	view->length = __atomic_load_n(&view->slot->length, __ATOMIC_RELAXED);
	view->data = view->slot->data + __atomic_load_n(&view->slot->offset, __ATOMIC_RELAXED);
	/* Offset and length must be of the same line. */
	return lastline_map_intact(view);
}

/**
 * lastline_map_read - copy the newest line, without a system call
 * @map:        the mapping
 * @buf:        destination; undefined after an error
 * @size:       size of @buf in bytes; map->line_max is always enough
 * @generation: set to the generation of the line, if not NULL
 *
 * Any number of threads may read the same mapping.
 *
 * Return: the length of the line, 0 if there is none, -EMSGSIZE if it is longer than
 * @size, or -EAGAIN if it was overwritten during the copy: try again, or, after several
 * attempts, use read().
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
