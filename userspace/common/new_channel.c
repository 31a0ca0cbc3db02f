// SPDX-License-Identifier: GPL-2.0-only
#include <grp.h>
#include <stdbool.h>
#include <string.h>

#include "new_channel.h"

/**
 * new_channel_defaults - default parameters of a new channel
 *
 * Return: no name, the lowest free number, mode 0660, and the group lastline if it exists.
 */
struct lastline_add new_channel_defaults(void)
{
	const struct group *group = getgrnam("lastline");

	return (struct lastline_add){
		.number = -1,
		.permissions = 0660,
		.gid = group ? group->gr_gid : 0,
	};
}

/* lastline_find() takes "7" and "lastline7" for channel numbers. */
static bool looks_like_number(const char *name)
{
	if (!strncmp(name, "lastline", 8) && name[8])
		name += 8;
	return !name[strspn(name, "0123456789")];
}

/**
 * channel_name_error - check the name of a new channel
 * @name: the name
 *
 * Return: NULL if it is valid, else why it is not.
 */
const char *channel_name_error(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (!*name || strlen(name) >= LASTLINE_NAME_MAX)
		return "a name must have 1 to 63 bytes";
	if (name[strspn(name, letters)] || !strcmp(name, ".") || !strcmp(name, ".."))
		return "a name may contain only letters, digits, '.', '_' and '-'";
	return looks_like_number(name) ? "the name looks like a channel number" : NULL;
}
