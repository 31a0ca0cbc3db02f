// SPDX-License-Identifier: LGPL-2.1-or-later
/* Functions that open no channel, but use sysfs and the control device. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "internal.h"

#define CONTROL	"/dev/lastline-control"

/* Returns N of "lastlineN", or -1. */
static int parse_node_name(const char *text)
{
	static const char prefix[] = "lastline";
	const char *digits = text + strlen(prefix);
	char *end;
	unsigned long number;

	if (strncmp(text, prefix, strlen(prefix)) || !isdigit((unsigned char)*digits))
		return -1;
	number = strtoul(digits, &end, 10);
	return *end || number >= LASTLINE_CHANNELS_MAX ? -1 : (int)number;
}

/* Reads a sysfs attribute without its newline. */
static int read_attribute(int number, const char *name, char *value, size_t size)
{
	char path[96];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), SYSFS "/lastline%d/%s", number, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	len = read(fd, value, size - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return len;
	value[len] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

static int read_number(int channel, const char *name, uint64_t *number)
{
	char text[32];
	int ret = read_attribute(channel, name, text, sizeof(text));

	*number = ret ? 0 : strtoull(text, NULL, 10);
	return ret;
}

int lastline_status(int number, struct lastline_status *status)
{
	struct lastline_status new = {};
	uint64_t line_max, readers, writers;
	char mode[16];
	int ret;

	ret = read_number(number, "generation", &new.generation);
	if (!ret)
		ret = read_number(number, "monotonic_ns", &new.monotonic_ns);
	if (!ret)
		ret = read_number(number, "line_max", &line_max);
	if (!ret)
		ret = read_number(number, "readers", &readers);
	if (!ret)
		ret = read_number(number, "writers", &writers);
	if (!ret)
		ret = read_attribute(number, "mode", mode, sizeof(mode));
	if (!ret)
		ret = read_attribute(number, "name", new.name, sizeof(new.name));
	if (ret)
		return ret;
	new.line_max = line_max;
	new.readers = readers;
	new.writers = writers;
	new.mode = strcmp(mode, "record") ? LASTLINE_MODE_LINE : LASTLINE_MODE_RECORD;
	*status = new;
	return 0;
}

int lastline_generation(int number, uint64_t *generation)
{
	uint64_t value;
	int ret = read_number(number, "generation", &value);

	if (!ret)
		*generation = value;
	return ret;
}

static int is_channel(const struct dirent *entry)
{
	return parse_node_name(entry->d_name) >= 0;
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
	return parse_node_name((*a)->d_name) - parse_node_name((*b)->d_name);
}

int lastline_list(int **numbers)
{
	struct dirent **entries;
	int count, i;

	count = scandir(SYSFS, &entries, is_channel, by_number);
	if (count < 0)
		return errno == ENOENT ? -ENOSYS : -errno;
	/* malloc(0) may return NULL. */
	*numbers = malloc((count + 1) * sizeof(**numbers));
	for (i = 0; i < count; i++) {
		if (*numbers)
			(*numbers)[i] = parse_node_name(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return *numbers ? count : -ENOMEM;
}

/* Returns the number of the channel with this device node. */
static int find_path(const char *path)
{
	char link[64], target[256];
	struct stat st;
	const char *slash;
	ssize_t len;
	int number;

	if (stat(path, &st))
		return errno == ENOENT ? -ENODEV : -errno;
	if (!S_ISCHR(st.st_mode))
		return -ENOTTY;
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	target[len] = '\0';
	slash = strrchr(target, '/');
	number = slash ? parse_node_name(slash + 1) : -1;
	return number < 0 ? -ENOTTY : number;
}

static bool has_name(int number, const char *which)
{
	char name[LASTLINE_NAME_MAX];

	return !read_attribute(number, "name", name, sizeof(name)) && !strcmp(name, which);
}

/*
 * udev's symbolic link is the fast way, but it may be missing or briefly out of date. The
 * slow way is to read the name of every channel.
 */
static int find_name(const char *which)
{
	char path[sizeof("/dev/lastline/") + LASTLINE_NAME_MAX];
	int *numbers, count, i, found;

	snprintf(path, sizeof(path), "/dev/lastline/%s", which);
	found = find_path(path);
	if (found >= 0 && has_name(found, which))
		return found;
	count = lastline_list(&numbers);
	if (count < 0)
		return count;
	found = -ENODEV;
	for (i = 0; i < count; i++) {
		if (has_name(numbers[i], which))
			found = numbers[i];
	}
	free(numbers);
	return found;
}

int lastline_find(const char *which)
{
	struct stat st;
	char path[64];
	int number;

	if (stat(SYSFS, &st))
		return -ENOSYS;
	if (strchr(which, '/'))
		return find_path(which);
	if (parse_node_name(which) >= 0)
		number = parse_node_name(which);
	else if (which[strspn(which, "0123456789")])
		number = find_name(which);
	else
		number = *which && strlen(which) < 6 ? atoi(which) : -ENODEV;
	if (number < 0)
		return number;
	snprintf(path, sizeof(path), SYSFS "/lastline%d", number);
	return stat(path, &st) ? -ENODEV : number;
}

static int control(unsigned long request, unsigned long argument)
{
	int fd, ret;

	fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENXIO ? -ENOSYS : -errno;
	ret = ioctl(fd, request, argument);
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int lastline_add(const struct lastline_add *add)
{
	return control(LASTLINE_CTL_ADD, (unsigned long)add);
}

int lastline_remove(int number)
{
	return control(LASTLINE_CTL_REMOVE, number);
}
