// SPDX-License-Identifier: GPL-2.0-only
/* Only root can see the open files of other users' processes. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "open_files.h"

struct list {
	struct open_file *files;
	size_t count;
};

static bool is_pid(const char *name)
{
	return isdigit((unsigned char)name[0]);
}

/* Returns N for /dev/lastlineN, else -1. The target of a removed node ends in "(deleted)". */
static int channel_number(const char *process, const char *fd)
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

/* If the line begins with @name, returns the number after it, else the old value. */
static uint64_t parse_field(const char *line, const char *name, int base, uint64_t old)
{
	size_t len = strlen(name);

	return strncmp(line, name, len) ? old : strtoull(line + len, NULL, base);
}

static void read_fdinfo(struct open_file *file)
{
	char path[64], line[128];
	int flags = 0;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", file->pid, file->fd);
	stream = fopen(path, "re");
	if (!stream)
		return;
	while (fgets(line, sizeof(line), stream)) {
		flags = parse_field(line, "flags:", 8, flags);
		file->generation = parse_field(line, "lastline-generation:", 10,
					       file->generation);
		file->taken = parse_field(line, "lastline-taken:", 10, file->taken);
		file->missed = parse_field(line, "lastline-missed:", 10, file->missed);
		file->partial = parse_field(line, "lastline-unfinished:", 10, file->partial);
	}
	fclose(stream);
	file->reads = (flags & O_ACCMODE) != O_WRONLY;
	file->writes = (flags & O_ACCMODE) != O_RDONLY;
}

/* A process chooses its own name, so keep control characters out of terminals and JSON. */
static void read_program(struct open_file *file)
{
	char path[64], *c;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/comm", file->pid);
	stream = fopen(path, "re");
	if (!stream)
		return;
	if (fgets(file->program, sizeof(file->program), stream))
		file->program[strcspn(file->program, "\n")] = '\0';
	fclose(stream);
	for (c = file->program; *c; c++) {
		if (!isascii((unsigned char)*c) || !isprint((unsigned char)*c))
			*c = '?';
	}
}

static void add_file(struct list *list, int number, pid_t pid, int fd)
{
	struct open_file *files, *file;

	files = reallocarray(list->files, list->count + 1, sizeof(*files));
	if (!files)
		die("out of memory");
	list->files = files;
	file = &files[list->count++];
	*file = (struct open_file){ .number = number, .pid = pid, .fd = fd };
	read_fdinfo(file);
	read_program(file);
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
		return;	/* no permission, or the process has ended */
	while ((entry = readdir(fds))) {
		number = channel_number(process, entry->d_name);
		if (number >= 0)
			add_file(list, number, atoi(process), atoi(entry->d_name));
	}
	closedir(fds);
}

/**
 * find_open_files - search /proc for open channels
 * @files: array of the files found, in the order of /proc; to be freed with free()
 *
 * Return: number of files.
 */
size_t find_open_files(struct open_file **files)
{
	struct list list = {};
	struct dirent *entry;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		die("cannot read /proc: %s", strerror(errno));
	while ((entry = readdir(proc))) {
		if (is_pid(entry->d_name))
			search_process(&list, entry->d_name);
	}
	closedir(proc);
	*files = list.files;
	return list.count;
}
