/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * liblastline: the channels of the lastline driver without ioctls.
 *
 * Errors. A function that returns int returns a negative errno when it fails, and then
 * has changed nothing; errno itself means nothing. Every function that is given a
 * channel may return -ENODEV, which then means that the channel was removed.
 *
 * Times. All are nanoseconds. A timeout counts from the call, a deadline is a moment of
 * CLOCK_MONOTONIC; for both, 0 means "do not wait" and LASTLINE_FOREVER "wait without
 * end". A wait that is over gives -ETIMEDOUT, and one of 0 -EAGAIN. A signal handler ends
 * a wait with -EINTR; with SA_RESTART only those for several channels or for a reader. The
 * driver knows no time namespaces: in one whose CLOCK_MONOTONIC is shifted, timeouts and
 * ages are off by as much.
 *
 * Threads. Different struct lastline are independent. Of one and the same, any number of
 * threads may publish and ask for its info at a time, but only one may take or peek, for
 * both fill the same buffer. Threads that share a channel's lines among them open it
 * once each, or hand out what one of them takes.
 *
 * Which channel. Wherever a function takes a string for it, that is a number ("0"), a
 * name that the channel was added with ("engine"), "lastline0", or a path with a slash
 * in it ("/dev/lastline/engine"). Digits and "lastline0" are a number, never a name.
 *
 * Some functions are called as the structures that they fill in, like stat(2). C++ then
 * wants the word "struct" in front of the structure.
 *
 * All of it since 1.0.
 */
#ifndef LASTLINE_H
#define LASTLINE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/lastline.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An open channel. */
struct lastline;

/**
 * struct lastline_line - a line, or a record
 * @data:         its bytes, and behind them a 0 that is not counted; good until the next
 *                take or peek of the same struct lastline, or its close
 * @size:         how many, the newline included
 * @generation:   how many lines were published on the channel, up to this one
 * @monotonic_ns: when it was published, CLOCK_MONOTONIC
 * @realtime_ns:  the same moment, CLOCK_REALTIME as it is set now
 * @missed:       lines between the one taken or skipped before and this one; for the first
 *                one, since the channel was opened. 0 for one that was peeked at
 * @spare:        zero
 */
struct lastline_line {
	const char *data;
	size_t size;
	uint64_t generation;
	uint64_t monotonic_ns;
	uint64_t realtime_ns;
	uint64_t missed;
	uint64_t spare[2];
};

/**
 * struct lastline_status - what can be seen of a channel without opening it
 * @generation:   generation of the latest line; 0: none was ever published
 * @monotonic_ns: when that was, CLOCK_MONOTONIC; 0: there is no line
 * @line_max:     longest line in bytes, its newline included
 * @readers:      open files that can read
 * @writers:      open files that can write
 * @mode:         LASTLINE_MODE_LINE or LASTLINE_MODE_RECORD
 * @name:         the name that it was added with, or ""
 * @spare:        zero
 *
 * On a busy channel @monotonic_ns may be of a newer line than @generation.
 */
struct lastline_status {
	uint64_t generation;
	uint64_t monotonic_ns;
	uint32_t line_max;
	uint32_t readers;
	uint32_t writers;
	uint32_t mode;
	char name[LASTLINE_NAME_MAX];
	uint64_t spare[4];
};

/*
 * Opening
 */

/**
 * lastline_open - open a channel
 * @channel: gets it
 * @which:   which one, see above
 * @flags:   O_RDONLY to take lines, O_WRONLY to publish some, or O_RDWR for both;
 *           with O_NONBLOCK no take waits. Others are ignored
 *
 * The first take of a fresh one gets the line that is there already, if there is one.
 *
 * Return: 0, -ENOSYS if the driver is not loaded, -ENODEV if there is no such channel,
 * -EACCES without permission, -EPERM where the process may not use such devices, -ENOTTY
 * if the path is something else, or what open(2) says.
 */
int lastline_open(struct lastline **channel, const char *which, int flags);

/**
 * lastline_close - close it and forget all that was taken from it
 * @channel: it, or NULL
 */
void lastline_close(struct lastline *channel);

/**
 * lastline_fd - for an event loop
 * @channel: the channel
 *
 * It is readable while there is a line to take; then call lastline_take() with a timeout
 * of 0. Edge-triggered loops get an edge for each line.
 *
 * Return: the file descriptor, which stays the channel's.
 */
int lastline_fd(const struct lastline *channel);

/*
 * Publishing
 */

/**
 * lastline_publish - make a line or a record the latest one
 * @channel: the channel, open for writing
 * @data:    its bytes
 * @size:    how many; a newline at the end of a line may be there or not
 *
 * Never waits for anybody.
 *
 * Return: 0, -EINVAL if a newline is in the middle of it or a record is empty, -EMSGSIZE
 * if it is longer than the channel's lines can be, or -EBADF if it is not open for
 * writing.
 */
int lastline_publish(struct lastline *channel, const void *data, size_t size);

/**
 * lastline_printf - publish what printf() would print
 * @channel: the channel, open for writing
 * @format:  as of printf(); a newline at the end may be there or not
 *
 * Return: as lastline_publish(), or -ENOMEM.
 */
int lastline_printf(struct lastline *channel, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/**
 * lastline_vprintf - the same with its arguments in a list
 * @channel: the channel, open for writing
 * @format:  as of vprintf()
 * @args:    the arguments
 *
 * Return: as lastline_printf().
 */
int lastline_vprintf(struct lastline *channel, const char *format, va_list args)
	__attribute__((__format__(__printf__, 2, 0)));

/**
 * lastline_clear - take the latest line away, as if none had been published yet
 * @channel: the channel, open for writing
 *
 * Return: 0, or -EBADF if it is not open for writing.
 */
int lastline_clear(struct lastline *channel);

/*
 * Taking
 */

/**
 * lastline_take - the newest line that this struct lastline has not had, whole
 * @channel:    the channel, open for reading
 * @line:       gets it
 * @timeout_ns: how long to wait for one
 *
 * One system call, whether it waits or not.
 *
 * Return: 0, -EAGAIN or -ETIMEDOUT without a new line, -EINTR, -ENOMEM, or -EBADF if it
 * is not open for reading.
 */
int lastline_take(struct lastline *channel, struct lastline_line *line, uint64_t timeout_ns);

/**
 * lastline_take_until - the same with a deadline
 * @channel:     the channel, open for reading
 * @line:        gets it
 * @deadline_ns: until when to wait
 *
 * Return: as lastline_take().
 */
int lastline_take_until(struct lastline *channel, struct lastline_line *line,
			uint64_t deadline_ns);

/**
 * lastline_peek - the newest line, had or not, without taking it
 * @channel: the channel, open for reading
 * @line:    gets it
 *
 * No system call but for the first time, which maps the channel.
 *
 * Return: 0, -EAGAIN if there is none, -EBUSY if it was overwritten each of many times
 * while it was being copied, -ENOMEM, -EBADF if it is not open for reading, or -ENOSYS
 * where generations cannot be read in one piece (32-bit machines without such loads).
 */
int lastline_peek(struct lastline *channel, struct lastline_line *line);

/**
 * lastline_skip - count what is there now as taken: the next take gets a newer line
 * @channel: the channel
 *
 * Return: 0 or a negative errno.
 */
int lastline_skip(struct lastline *channel);

/**
 * lastline_rewind - let the next take get the present line again
 * @channel: the channel
 *
 * Return: 0 or a negative errno.
 */
int lastline_rewind(struct lastline *channel);

/**
 * lastline_follow - call a function with each line that it can keep up with
 * @channel: the channel, open for reading
 * @each:    gets the line and @arg; ends it by anything but 0
 * @arg:     whatever it wants
 *
 * What is published while @each runs is overwritten by newer ones and counted in
 * @missed of the next.
 *
 * Return: what @each returned, or as lastline_take(). Positive numbers of @each cannot be
 * taken for an error.
 */
int lastline_follow(struct lastline *channel,
		    int (*each)(const struct lastline_line *line, void *arg), void *arg);

/*
 * Waiting
 */

/**
 * lastline_wait - until there is something to take in one of several channels
 * @channels:   them, open for reading
 * @count:      how many
 * @timeout_ns: how long
 *
 * The first of them in the array is named first: who wants to be fair goes round.
 *
 * Return: the index of one with a new line, or that was removed; -EAGAIN, -ETIMEDOUT,
 * -EINTR, -ENOMEM, or -EINVAL for no channel or more than INT_MAX.
 */
int lastline_wait(struct lastline *const *channels, size_t count, uint64_t timeout_ns);

/**
 * lastline_wait_until - the same with a deadline
 * @channels:    them, open for reading
 * @count:       how many
 * @deadline_ns: until when
 *
 * Return: as lastline_wait().
 */
int lastline_wait_until(struct lastline *const *channels, size_t count, uint64_t deadline_ns);

/**
 * lastline_wait_reader - until somebody else has the channel open for reading
 * @channel:    the channel, open for anything
 * @timeout_ns: how long
 *
 * Return: how many there are, -EAGAIN, -ETIMEDOUT, -EINTR, or what opening the
 * channel's attribute in sysfs says. The channel itself does not count, if it can read.
 */
int lastline_wait_reader(struct lastline *channel, uint64_t timeout_ns);

/**
 * lastline_wait_reader_until - the same with a deadline
 * @channel:     the channel, open for anything
 * @deadline_ns: until when
 *
 * Return: as lastline_wait_reader().
 */
int lastline_wait_reader_until(struct lastline *channel, uint64_t deadline_ns);

/*
 * Looking
 */

/**
 * lastline_info - the channel as it is now
 * @channel: the channel, open for anything
 * @info:    gets it, see <linux/lastline.h>
 *
 * Return: 0 or -ENODEV.
 */
int lastline_info(struct lastline *channel, struct lastline_info *info);

/**
 * lastline_map - the mapped view, for lastline_map_look() and the like
 * @channel: the channel, open for reading
 * @map:     gets it; good until the close, see <linux/lastline.h>
 *
 * Return: 0, -ENOSYS if it has a version that this library does not know or the machine
 * none at all, -EBADF if it is not open for reading, or what mmap(2) says.
 */
int lastline_map(struct lastline *channel, const struct lastline_map **map);

/**
 * lastline_find - the number of a channel
 * @which: which one, see above
 *
 * Opens nothing of it, and needs no permission.
 *
 * Return: N of /dev/lastlineN, -ENOSYS if the driver is not loaded, -ENODEV if there is no
 * such channel, -ENOTTY if the path is something else.
 */
int lastline_find(const char *which);

/**
 * lastline_list - the numbers of all channels
 * @numbers: gets them, ascending; to be freed by free()
 *
 * Return: how many, -ENOSYS if the driver is not loaded, or -ENOMEM.
 */
int lastline_list(int **numbers);

/**
 * lastline_status - what can be seen of a channel without opening it
 * @number: N of /dev/lastlineN
 * @status: gets it
 *
 * Needs no permission, and nobody takes the caller for a reader.
 *
 * Return: 0 or -ENODEV.
 */
int lastline_status(int number, struct lastline_status *status);

/**
 * lastline_generation - has anything been published, without opening the channel?
 * @number:     N of /dev/lastlineN
 * @generation: gets the generation of the latest line; 0: none was ever published
 *
 * As lastline_status(), for those who look at many channels often: a seventh of the cost.
 *
 * Return: 0 or -ENODEV.
 */
int lastline_generation(int number, uint64_t *generation);

/*
 * Channels that come and go. Both want CAP_SYS_ADMIN.
 */

/**
 * lastline_add - make a channel
 * @add: what it is to be like, see <linux/lastline.h>
 *
 * Return: its number, -ENOSYS if the driver is not loaded, -EACCES or -EPERM without the
 * right, -EINVAL for a value out of range, -EEXIST if number or name are taken, -ENOSPC
 * if there are LASTLINE_CHANNELS_MAX, or -ENOMEM.
 */
int lastline_add(const struct lastline_add *add);

/**
 * lastline_remove - take a channel away, also while it is in use
 * @number: N of /dev/lastlineN
 *
 * Return: the number, -ENOSYS, -EACCES, -EPERM, or -ENODEV if there is none.
 */
int lastline_remove(int number);

#ifdef __cplusplus
}
#endif

#endif /* LASTLINE_H */
