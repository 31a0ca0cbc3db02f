// SPDX-License-Identifier: GPL-2.0-only
/* What a channel that is made is like, and how it may not be called. */
#include <grp.h>
#include <string.h>

#include "cli.h"

/**
 * new_channel - a channel as it is made where nobody wants it otherwise
 *
 * Return: without a name, with the lowest number that is free; for the group lastline, if
 * there is that group.
 */
struct lastline_add new_channel(void)
{
	const struct group *group = getgrnam("lastline");

	return (struct lastline_add){
		.number = -1,
		.permissions = 0660,
		.gid = group ? group->gr_gid : 0,
	};
}

/* Would it be taken for the number of a channel, like 7 or lastline7? */
static bool is_number(const char *name)
{
	if (!strncmp(name, "lastline", 8) && name[8])
		name += 8;
	return !name[strspn(name, "0123456789")];
}

/**
 * name_problem - may a channel be made with a name, and found by it?
 * @name: it
 *
 * Return: NULL, or what is wrong with it.
 */
const char *name_problem(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (!*name || strlen(name) >= LASTLINE_NAME_MAX)
		return "a name has 1 to 63 bytes";
	if (name[strspn(name, letters)] || !strcmp(name, ".") || !strcmp(name, ".."))
		return "a name has letters, digits, '.', '_' and '-'";
	return is_number(name) ? "that would be taken for a number" : NULL;
}
