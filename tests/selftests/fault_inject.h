/* SPDX-License-Identifier: GPL-2.0-only */
/* Access to kernel settings in /proc and /sys, such as those of fault injection. */
#ifndef LASTLINE_FAULT_INJECT_H
#define LASTLINE_FAULT_INJECT_H

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static inline bool write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return written;
}

/* Sets @value to "" if the file cannot be read. */
static inline void read_file(const char *path, char *value, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, value, size - 1);

	value[len < 0 ? 0 : len] = '\0';
	if (fd >= 0)
		close(fd);
}

/*
 * Hides warnings from the console. The kernel prints a call trace when an allocation fails
 * or when it kills a process because memory is short, and the VM treats a call trace on the
 * console as a bug. Errors are still printed, and the VM detects warnings in other ways.
 */
static inline void mute_console(bool mute)
{
	static const char ignore_level[] = "/sys/module/printk/parameters/ignore_loglevel";
	static const char level[] = "/proc/sys/kernel/printk";
	static const char console[] = "/sys/class/tty/console/active";
	static char old_ignore_level[8], old_level[64], names[64];

	if (mute) {
		read_file(ignore_level, old_ignore_level, sizeof(old_ignore_level));
		read_file(level, old_level, sizeof(old_level));
	} else {
		/*
		 * The console may still have messages to print. Reading the list of consoles
		 * takes their lock, which the kernel releases after it has printed all of
		 * them. A console that prints in a thread needs more time.
		 */
		read_file(console, names, sizeof(names));
		sleep(2);
	}
	write_file(ignore_level, mute ? "0" : old_ignore_level);
	write_file(level, mute ? "4" : old_level);
}

#endif /* LASTLINE_FAULT_INJECT_H */
