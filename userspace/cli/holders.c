// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which processes have channels open: a walk through /proc, as lsof does it. What
 * belongs to others can only be seen by root.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "holders.h"

struct list {
	struct holder *holders;
	size_t count;
};

static bool is_number(const char *name)
{
	return isdigit((unsigned char)name[0]);
}

/* N, if that descriptor is of /dev/lastlineN. Of one that was removed, more stands there. */
static int channel_of(const char *process, const char *fd)
{
	char path[64], target[64];
	int number, end = 0;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%.16s/fd/%.16s", process, fd);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -1;
	target[len] = '\0';
	if (sscanf(target, "/dev/lastline%d%n", &number, &end) != 1 || target[end])
		return -1;
	return number;
}

/* The number behind @name in a line of fdinfo, or @number if it is another line. */
static uint64_t number_after(const char *line, const char *name, int base, uint64_t number)
{
	size_t len = strlen(name);

	return strncmp(line, name, len) ? number : strtoull(line + len, NULL, base);
}

static void read_fdinfo(struct holder *holder)
{
	char path[64], line[128];
	int flags = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", holder->pid, holder->fd);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		flags = number_after(line, "flags:", 8, flags);
		holder->generation = number_after(line, "lastline-generation:", 10,
						  holder->generation);
		holder->taken = number_after(line, "lastline-taken:", 10, holder->taken);
		holder->missed = number_after(line, "lastline-missed:", 10, holder->missed);
		holder->unfinished = number_after(line, "lastline-unfinished:", 10,
						  holder->unfinished);
	}
	fclose(file);
	holder->reads = (flags & O_ACCMODE) != O_WRONLY;
	holder->writes = (flags & O_ACCMODE) != O_RDONLY;
}

/* A process names itself: neither a terminal nor JSON is to trip over that. */
static void read_program(struct holder *holder)
{
	char path[64], *c;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", holder->pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(holder->program, sizeof(holder->program), file))
		holder->program[strcspn(holder->program, "\n")] = '\0';
	fclose(file);
	for (c = holder->program; *c; c++) {
		if (!isascii((unsigned char)*c) || !isprint((unsigned char)*c))
			*c = '?';
	}
}

static void add_holder(struct list *list, int number, pid_t pid, int fd)
{
	struct holder *holders, *holder;

	holders = reallocarray(list->holders, list->count + 1, sizeof(*holders));
	if (!holders)
		give_up("out of memory");
	list->holders = holders;
	holder = &holders[list->count++];
	*holder = (struct holder){ .number = number, .pid = pid, .fd = fd };
	read_fdinfo(holder);
	read_program(holder);
}

static void search_process(struct list *list, const char *process)
{
	char path[64];
	struct dirent *entry;
	int number;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", process);
	fds = opendir(path);
	if (!fds)
		return;	/* of somebody else, or gone */
	while ((entry = readdir(fds))) {
		number = channel_of(process, entry->d_name);
		if (number >= 0)
			add_holder(list, number, atoi(process), atoi(entry->d_name));
	}
	closedir(fds);
}

/**
 * find_holders - which processes have channels open
 * @holders: gets them, in the order of their pids; to be freed by free()
 *
 * Return: how many.
 */
size_t find_holders(struct holder **holders)
{
	struct list list = {};
	struct dirent *entry;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		give_up("there is no /proc");
	while ((entry = readdir(proc))) {
		if (is_number(entry->d_name))
			search_process(&list, entry->d_name);
	}
	closedir(proc);
	*holders = list.holders;
	return list.count;
}
