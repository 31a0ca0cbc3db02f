// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deadline.h"
#include "errors.h"
#include "lastline.h"

#define RATELIMIT_NS	(60 * NS_PER_S)

static const char *location_file;	/* configuration file being read, or NULL */
static unsigned int location_line;

/**
 * set_error_location - prefix the following messages with a file and line
 * @file: the configuration file being read; NULL: no prefix
 * @line: line number
 */
void set_error_location(const char *file, unsigned int line)
{
	location_file = file;
	location_line = line;
}

/**
 * vwarn - print a message
 * @format: as for vprintf()
 * @args:   as for vprintf()
 */
void vwarn(const char *format, va_list args)
{
	fprintf(stderr, "%s: ", program_invocation_short_name);
	if (location_file)
		fprintf(stderr, "%s:%u: ", location_file, location_line);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

/**
 * warn - print a message
 * @format: as for printf()
 */
void warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vwarn(format, args);
	va_end(args);
}

/**
 * warn_ratelimited - print a message at most once a minute
 * @limit:  state of this message
 * @format: as for printf()
 */
void warn_ratelimited(struct log_ratelimit *limit, const char *format, ...)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	char text[512];
	va_list args;

	if (now < limit->next_ns) {
		limit->suppressed++;
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (limit->suppressed)
		warn("%s (%lu similar messages suppressed)", text, limit->suppressed);
	else
		warn("%s", text);
	*limit = (struct log_ratelimit){ .next_ns = now + RATELIMIT_NS };
}

/**
 * die - print a message and exit with STATUS_FAILED
 * @format: as for printf()
 */
noreturn void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vwarn(format, args);
	va_end(args);
	exit(STATUS_FAILED);
}

/* If a group may use the channel, name it. */
static void permission_error(const char *which)
{
	const struct group *group;
	char path[32];
	struct stat st;
	int number;

	number = lastline_find(which);
	snprintf(path, sizeof(path), "/dev/lastline%d", number);
	if (number < 0 || stat(path, &st) || !(st.st_mode & 0060) || !st.st_gid) {
		warn("%s: permission denied: only the owner may use it", which);
		return;
	}
	group = getgrgid(st.st_gid);
	if (!group) {
		warn("%s: permission denied: only group %u may use it", which, st.st_gid);
		return;
	}
	warn("%s: permission denied: only group %s may use it", which, group->gr_name);
	warn("run as root: usermod -aG %s USER; then log in again", group->gr_name);
}

/**
 * channel_error - print an error of liblastline, and what the user can do about it
 * @which: the channel as the user named it
 * @error: negative errno
 *
 * Return: the exit status for this error.
 */
int channel_error(const char *which, int error)
{
	switch (error) {
	case -ENOSYS:
		warn("the driver is not loaded; run as root: modprobe lastline");
		break;
	case -ENODEV:
		warn("%s: no such channel, or it was removed; see: lastline list", which);
		break;
	case -ENOTTY:
		warn("%s: not a channel; see: lastline list", which);
		break;
	case -EACCES:
		permission_error(which);
		break;
	case -EPERM:
		warn("%s: operation not permitted; %s", which,
		     "check the device rules of this container or service");
		break;
	case -EMSGSIZE:
		warn("%s: too long; see line_max in: lastline info %s", which, which);
		break;
	case -EAGAIN:
		warn("%s: no line has been published", which);
		return STATUS_NOTHING;
	case -ETIMEDOUT:
		warn("%s: timed out waiting for a line", which);
		return STATUS_NOTHING;
	default:
		warn("%s: %s", which, strerror(-error));
	}
	return STATUS_FAILED;
}

/**
 * control_error - channel_error() for an error of lastline_add() or lastline_remove()
 * @which: the channel as the user named it
 * @error: negative errno
 *
 * Return: the exit status for this error.
 */
int control_error(const char *which, int error)
{
	if (error != -EACCES && error != -EPERM)
		return channel_error(which, error);
	warn("%s: permission denied: only root may add and remove channels", which);
	return STATUS_FAILED;
}

/**
 * open_or_exit - open a channel; print the error and exit on failure
 * @which: the channel as the user named it
 * @flags: O_RDONLY, O_WRONLY or O_RDWR
 *
 * Return: the open channel.
 */
struct lastline *open_or_exit(const char *which, int flags)
{
	struct lastline *channel;
	int ret = lastline_open(&channel, which, flags);

	if (ret)
		exit(channel_error(which, ret));
	return channel;
}
