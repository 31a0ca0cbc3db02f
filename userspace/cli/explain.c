// SPDX-License-Identifier: GPL-2.0-only
/* Errors, and what to do about them. */
#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static const char *in_file;	/* what is wrong stands there, if not NULL */
static unsigned int in_line;

/**
 * explain_in - where what follows comes from, for all that is said of it
 * @file: the file; NULL: the command line
 * @line: the number of the line
 */
void explain_in(const char *file, unsigned int line)
{
	in_file = file;
	in_line = line;
}

/* What stands before each message. */
static void begin(void)
{
	fprintf(stderr, "%s: ", program_invocation_short_name);
	if (in_file)
		fprintf(stderr, "%s:%u: ", in_file, in_line);
}

static void vcomplain(const char *format, va_list args)
{
	begin();
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

/**
 * command_call - how a command is called
 * @command: it
 *
 * Return: the program, and the command's name where it is one of several.
 */
const char *command_call(const struct command *command)
{
	static char call[64];

	if (!*command->name)
		return program_invocation_short_name;
	snprintf(call, sizeof(call), "%s %s", program_invocation_short_name, command->name);
	return call;
}

/**
 * usage_error - say what is wrong with the arguments, and end
 * @command: whose
 * @format:  what, as of printf()
 */
noreturn void usage_error(const struct command *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vcomplain(format, args);
	va_end(args);
	fprintf(stderr, "Try: %s --help\n", command_call(command));
	exit(STATUS_USAGE);
}

/**
 * complain - say something, and go on
 * @format: what, as of printf()
 */
void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vcomplain(format, args);
	va_end(args);
}

/**
 * give_up - say why, and end
 * @format: why, as of printf()
 */
noreturn void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vcomplain(format, args);
	va_end(args);
	exit(STATUS_FAILED);
}

/* Who may use it, if that is a group. */
static void explain_permission(const char *which)
{
	const struct group *group;
	char path[32];
	struct stat st;
	int number;

	number = lastline_find(which);
	snprintf(path, sizeof(path), "/dev/lastline%d", number);
	if (number < 0 || stat(path, &st) || !(st.st_mode & 0060) || !st.st_gid) {
		complain("%s: no permission; only its owner may use it", which);
		return;
	}
	group = getgrgid(st.st_gid);
	if (group)
		complain("%s: no permission; it is for the group %s. As root: usermod -aG %s USER; "
			 "then log in anew", which, group->gr_name, group->gr_name);
	else
		complain("%s: no permission; it is for the group %u", which, st.st_gid);
}

/**
 * explain - say what an error of the library means, and what to do
 * @which: the channel, as the user named it
 * @error: negative errno
 *
 * Return: the exit status that goes with it.
 */
int explain(const char *which, int error)
{
	switch (error) {
	case -ENOSYS:
		complain("the driver is not loaded; as root: modprobe lastline");
		break;
	case -ENODEV:
		complain("%s: there is no such channel, or not any more; see: lastline list",
			 which);
		break;
	case -ENOTTY:
		complain("%s: not a channel of lastline; see: lastline list", which);
		break;
	case -EACCES:
		explain_permission(which);
		break;
	case -EPERM:
		complain("%s: not allowed here; may this container or service use the device?",
			 which);
		break;
	case -EMSGSIZE:
		complain("%s: the line is too long; see line_max in: lastline info %s", which,
			 which);
		break;
	case -EAGAIN:
		complain("%s: nothing is published there", which);
		return STATUS_NOTHING;
	case -ETIMEDOUT:
		complain("%s: nothing came in time", which);
		return STATUS_NOTHING;
	default:
		complain("%s: %s", which, strerror(-error));
	}
	return STATUS_FAILED;
}

/**
 * open_or_explain - open a channel, or end
 * @which: the channel, as the user named it
 * @flags: O_RDONLY, O_WRONLY or O_RDWR
 *
 * Return: the channel.
 */
struct lastline *open_or_explain(const char *which, int flags)
{
	struct lastline *channel;
	int ret = lastline_open(&channel, which, flags);

	if (ret)
		exit(explain(which, ret));
	return channel;
}
