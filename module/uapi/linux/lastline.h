/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The ABI of /dev/lastlineN: one channel per minor, which keeps the newest
 * line and nothing else.
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

#include <linux/ioctl.h>
#include <linux/types.h>

/* Limits of the module parameters. */
#define LASTLINE_DEVICES_MIN	1
#define LASTLINE_DEVICES_MAX	256
#define LASTLINE_LINE_MAX_MIN	64		/* bytes, the newline included */
#define LASTLINE_LINE_MAX_MAX	1048576		/* bytes, the newline included */

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
 * @spare:        zero
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
	__u64 spare[3];
};

/**
 * struct lastline_taken - the line that this open file took last
 * @generation:   its generation; 0 while this open file has taken none
 * @monotonic_ns: when it was published, CLOCK_MONOTONIC
 * @realtime_ns:  the same moment, CLOCK_REALTIME
 * @missed:       publications since this file was opened that it can no longer
 *                get, because a newer line was taken instead
 * @missed_last:  how many of those lie between the last two lines it took
 * @spare:        zero
 *
 * Lines passed over by lseek(fd, 0, SEEK_END) were skipped, not missed.
 */
struct lastline_taken {
	__u64 generation;
	__u64 monotonic_ns;
	__u64 realtime_ns;
	__u64 missed;
	__u64 missed_last;
	__u64 spare[3];
};

/*
 * Both work on any open file, and fail with EFAULT for a bad address. Anything
 * else but FIONREAD (int: bytes of one line that a read would get now) fails
 * with ENOTTY. Since 1.0.
 */
#define LASTLINE_IOC_MAGIC	0xBE
#define LASTLINE_IOC_INFO	_IOR(LASTLINE_IOC_MAGIC, 0x00, struct lastline_info)
#define LASTLINE_IOC_TAKEN	_IOR(LASTLINE_IOC_MAGIC, 0x01, struct lastline_taken)

#endif /* _UAPI_LINUX_LASTLINE_H */
