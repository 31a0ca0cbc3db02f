/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * liblastline: channels of the lastline driver, without ioctls. See liblastline(3).
 *
 * Errors. Functions that return int return a negative errno on failure, and then have
 * changed nothing; errno is unspecified. Every function with a channel argument may
 * return -ENODEV: the channel was removed.
 *
 * Times. All are in nanoseconds. A timeout starts with the call, a deadline is a time of
 * CLOCK_MONOTONIC; for both, 0 means not to wait, and LASTLINE_FOREVER no limit. At the
 * limit, functions return -ETIMEDOUT, or -EAGAIN if it is 0. Signal handlers interrupt a
 * wait with -EINTR; those with SA_RESTART do not interrupt lastline_take(). Times do not
 * follow time namespaces.
 *
 * Threads. Different struct lastline are independent. Any number of threads may publish
 * on the same one and get its info at the same time, but only one may take or peek,
 * because both use the same buffer.
 *
 * Channels. @which is a number ("0"), a kernel name ("lastline0"), the name given to
 * lastline_add() ("engine"), or a path with a slash ("/dev/lastline/engine").
 *
 * C++. Write "struct" before names of structures: some functions have the same name.
 *
 * Everything here exists since version 1.0.
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

/* An open channel */
struct lastline;

/**
 * struct lastline_line - a line or a record
 * @data:         @size bytes, followed by a NUL; valid until the next take or peek of the
 *                same struct lastline, or until it is closed
 * @size:         length in bytes, including the newline; at least 1
 * @generation:   generation of the line
 * @monotonic_ns: time of its publication, CLOCK_MONOTONIC
 * @realtime_ns:  the same time, CLOCK_REALTIME
 * @missed:       number of lines missed since the last one that was taken or skipped, or
 *                since the channel was opened; 0 after a peek
 * @spare:        reserved, zero
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
 * struct lastline_status - sysfs attributes of a channel
 * @generation:   generation of the newest line; 0: nothing was ever published
 * @monotonic_ns: time of publication, CLOCK_MONOTONIC; 0: there is no line
 * @line_max:     maximum length of a line in bytes, including the newline
 * @readers:      number of files open for reading
 * @writers:      number of files open for writing
 * @mode:         LASTLINE_MODE_LINE or LASTLINE_MODE_RECORD
 * @name:         name of the channel, or ""
 * @spare:        reserved, zero
 *
 * On a busy channel @monotonic_ns may belong to a newer line than @generation.
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
 * @channel: set to the channel
 * @which:   the channel, see above
 * @flags:   O_RDONLY, O_WRONLY or O_RDWR; with O_NONBLOCK no take waits. Other flags are
 *           ignored
 *
 * The first take returns the line that is already there, if any.
 *
 * Return: 0, -ENOSYS if the driver is not loaded, -ENODEV if there is no such channel,
 * -EACCES without permission, -EPERM if the process may not use the device, -ENOTTY if
 * the path is not a channel, -ENOMEM, or another error of open(2) or stat(2).
 */
int lastline_open(struct lastline **channel, const char *which, int flags);

/**
 * lastline_close - close a channel and free its lines
 * @channel: the channel, or NULL
 */
void lastline_close(struct lastline *channel);

/**
 * lastline_fd - get the file descriptor, for event loops
 * @channel: the channel
 *
 * The descriptor is readable while there is a line to take; then call lastline_take()
 * with a timeout of 0. Edge-triggered loops get an event for each line.
 *
 * Return: the descriptor, which the caller must not close.
 */
int lastline_fd(const struct lastline *channel);

/*
 * Publishing
 */

/**
 * lastline_publish - publish a line or a record
 * @channel: the channel, open for writing
 * @data:    bytes of the line
 * @size:    number of bytes, with or without a newline at the end
 *
 * Never waits for readers or other writers.
 *
 * Return: 0, -EINVAL if a newline is in the middle or a record is empty, -EMSGSIZE if the
 * line is longer than line_max of the channel, -EBADF if it is not open for writing, or
 * -ENOMEM.
 */
int lastline_publish(struct lastline *channel, const void *data, size_t size);

/**
 * lastline_printf - format and publish a line
 * @channel: the channel, open for writing
 * @format:  format of printf(), with or without a newline at the end
 *
 * Return: as lastline_publish().
 */
int lastline_printf(struct lastline *channel, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/**
 * lastline_vprintf - lastline_printf() with a va_list
 * @channel: the channel, open for writing
 * @format:  format of vprintf()
 * @args:    arguments
 *
 * Return: as lastline_publish().
 */
int lastline_vprintf(struct lastline *channel, const char *format, va_list args)
	__attribute__((__format__(__printf__, 2, 0)));

/**
 * lastline_clear - remove the newest line, as if none had been published
 * @channel: the channel, open for writing
 *
 * Return: 0, or -EBADF if it is not open for writing.
 */
int lastline_clear(struct lastline *channel);

/*
 * Reading
 */

/**
 * lastline_take - take the newest line, or wait until there is an unseen one
 * @channel:    the channel, open for reading
 * @line:       set to the line
 * @timeout_ns: how long to wait
 *
 * Makes one system call, even if it waits.
 *
 * Return: 0, -EAGAIN or -ETIMEDOUT without a new line, -EINTR, -ENOMEM, or -EBADF if the
 * channel is not open for reading.
 */
int lastline_take(struct lastline *channel, struct lastline_line *line, uint64_t timeout_ns);

/**
 * lastline_take_until - lastline_take() with a deadline
 * @channel:     the channel, open for reading
 * @line:        set to the line
 * @deadline_ns: when to stop waiting
 *
 * Return: as lastline_take().
 */
int lastline_take_until(struct lastline *channel, struct lastline_line *line,
			uint64_t deadline_ns);

/**
 * lastline_peek - get the newest line without taking it
 * @channel: the channel, open for reading
 * @line:    set to the line
 *
 * Only the first call makes a system call, to map the channel.
 *
 * Return: 0, -EAGAIN if there is no line, -EBUSY if the line was overwritten during each
 * of many attempts to copy it, -ENOMEM, or as lastline_map().
 */
int lastline_peek(struct lastline *channel, struct lastline_line *line);

/**
 * lastline_skip - skip the newest line: the next take waits for a newer one
 * @channel: the channel
 *
 * Return: 0, -ESPIPE if it is not open for reading, or another negative errno.
 */
int lastline_skip(struct lastline *channel);

/**
 * lastline_rewind - let the next take return the newest line again
 * @channel: the channel
 *
 * Return: 0, -ESPIPE if it is not open for reading, or another negative errno.
 */
int lastline_rewind(struct lastline *channel);

/**
 * lastline_follow - call a function for each line
 * @channel: the channel, open for reading
 * @each:    gets the line and @arg; a value other than 0 ends the loop
 * @arg:     passed to @each
 *
 * Lines that are overwritten while @each runs are missed.
 *
 * Return: what @each returned, which should be positive, or as lastline_take().
 */
int lastline_follow(struct lastline *channel,
		    int (*each)(const struct lastline_line *line, void *arg), void *arg);

/*
 * Waiting
 */

/**
 * lastline_wait - wait until one of several channels has a line to take
 * @channels:   channels, open for reading
 * @count:      number of channels, 1 to INT_MAX
 * @timeout_ns: how long to wait
 *
 * Return: the lowest index of a channel that has a line to take or was removed, -EAGAIN,
 * -ETIMEDOUT, -EINTR, -ENOMEM, or -EINVAL if @count is out of range.
 */
int lastline_wait(struct lastline *const *channels, size_t count, uint64_t timeout_ns);

/**
 * lastline_wait_until - lastline_wait() with a deadline
 * @channels:    channels, open for reading
 * @count:       number of channels, 1 to INT_MAX
 * @deadline_ns: when to stop waiting
 *
 * Return: as lastline_wait().
 */
int lastline_wait_until(struct lastline *const *channels, size_t count, uint64_t deadline_ns);

/**
 * lastline_wait_reader - wait until the channel is open for reading
 * @channel:    the channel; does not count as a reader itself
 * @timeout_ns: how long to wait
 *
 * Return: the number of readers, -EAGAIN, -ETIMEDOUT, -EINTR, or an error of open(2) for
 * the sysfs attribute.
 */
int lastline_wait_reader(struct lastline *channel, uint64_t timeout_ns);

/**
 * lastline_wait_reader_until - lastline_wait_reader() with a deadline
 * @channel:     the channel; does not count as a reader itself
 * @deadline_ns: when to stop waiting
 *
 * Return: as lastline_wait_reader().
 */
int lastline_wait_reader_until(struct lastline *channel, uint64_t deadline_ns);

/*
 * Status
 */

/**
 * lastline_info - get the state of a channel
 * @channel: the channel
 * @info:    set to the state, see <linux/lastline.h>
 *
 * Return: 0 or -ENODEV.
 */
int lastline_info(struct lastline *channel, struct lastline_info *info);

/**
 * lastline_map - map a channel, for lastline_map_look() and similar functions
 * @channel: the channel, open for reading
 * @map:     set to the mapping, which is valid until the channel is closed; see
 *           <linux/lastline.h>
 *
 * Return: 0, -ENOSYS if the library does not know the version of the mapping or the
 * machine has no 64-bit atomic loads, -EBADF if the channel is not open for reading, or
 * an error of mmap(2).
 */
int lastline_map(struct lastline *channel, const struct lastline_map **map);

/**
 * lastline_find - get the number of a channel
 * @which: the channel, see above
 *
 * Needs no permission and does not open the channel.
 *
 * Return: N of /dev/lastlineN, -ENOSYS if the driver is not loaded, -ENODEV if there is no
 * such channel, -ENOTTY if the path is not a channel, or another error of stat(2).
 */
int lastline_find(const char *which);

/**
 * lastline_list - get the numbers of all channels
 * @numbers: set to an array in ascending order, to be released with free()
 *
 * Return: the number of channels, -ENOSYS if the driver is not loaded, or -ENOMEM.
 */
int lastline_list(int **numbers);

/**
 * lastline_status - get the sysfs attributes of a channel
 * @number: N of /dev/lastlineN
 * @status: set to the attributes
 *
 * Needs no permission and does not count as a reader.
 *
 * Return: 0 or -ENODEV.
 */
int lastline_status(int number, struct lastline_status *status);

/**
 * lastline_generation - get the generation of a channel from sysfs
 * @number:     N of /dev/lastlineN
 * @generation: set to the generation; 0: nothing was ever published
 *
 * Reads one attribute instead of the seven of lastline_status().
 *
 * Return: 0 or -ENODEV.
 */
int lastline_generation(int number, uint64_t *generation);

/*
 * Adding and removing channels, which needs CAP_SYS_ADMIN
 */

/**
 * lastline_add - add a channel
 * @add: the channel, see <linux/lastline.h>
 *
 * Return: its number, -ENOSYS if the driver is not loaded, -EACCES or -EPERM without
 * permission, -EINVAL for a value out of range, -EEXIST if the number or the name is in
 * use, -ENOSPC if there are LASTLINE_CHANNELS_MAX channels, or -ENOMEM.
 */
int lastline_add(const struct lastline_add *add);

/**
 * lastline_remove - remove a channel, even if it is in use
 * @number: N of /dev/lastlineN
 *
 * Return: the number, -ENOSYS, -EACCES, -EPERM, or -ENODEV if there is no such channel.
 */
int lastline_remove(int number);

#ifdef __cplusplus
}
#endif

#endif /* LASTLINE_H */
