/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small files by which the kernel shows and takes settings, such as those of fault injection.
 */
#ifndef LASTLINE_FAULT_INJECT_H
#define LASTLINE_FAULT_INJECT_H

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static inline bool knob_set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return done;
}

/* Leaves "" in @value if it cannot be read. */
static inline void knob_get(const char *path, char *value, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, value, size - 1);

	value[len < 0 ? 0 : len] = '\0';
	if (fd >= 0)
		close(fd);
}

/*
 * When an allocation fails or the kernel kills a process for lack of memory, it prints a
 * call trace, and the test machine looks for call traces on the console. Errors and worse
 * are still printed. The machine has other ways to detect warnings (tests/vm/init).
 */
static inline void quieten_console(bool quiet)
{
	static const char all[] = "/sys/module/printk/parameters/ignore_loglevel";
	static const char from[] = "/proc/sys/kernel/printk";
	static const char console[] = "/sys/class/tty/console/active";
	static char old_all[8], old_from[64], names[64];

	if (quiet) {
		knob_get(all, old_all, sizeof(old_all));
		knob_get(from, old_from, sizeof(old_from));
	} else {
		/*
		 * The console prints earlier messages by the present setting, perhaps late.
		 * A look at the list of consoles takes their lock, which the kernel releases
		 * once everything is printed. A console with a thread needs more time.
		 */
		knob_get(console, names, sizeof(names));
		sleep(2);
	}
	knob_set(all, quiet ? "0" : old_all);
	knob_set(from, quiet ? "4" : old_from);
}

#endif /* LASTLINE_FAULT_INJECT_H */
