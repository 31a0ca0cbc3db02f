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

/**
 * names_number - would a name be taken for the number of a channel?
 * @name: not ""
 *
 * Return: whether it is like 7 or lastline7.
 */
bool names_number(const char *name)
{
	if (!strncmp(name, "lastline", 8) && name[8])
		name += 8;
	return !name[strspn(name, "0123456789")];
}
