/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel lets be read and set by files of a few bytes.
 */
#ifndef LASTLINE_KNOBS_H
#define LASTLINE_KNOBS_H

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
 * The kernel tells the console with a call trace who got no memory and whom it kills for
 * that, and there a test machine looks for call traces. Errors and worse come through;
 * of lockdep and of warnings it knows by other ways as well (tests/vm/init).
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
		 * What was said meanwhile is judged when the console gets to it. Who looks
		 * which consoles there are takes their lock, and the kernel gives that back
		 * when nothing is left to be said; but those with a thread of their own.
		 */
		knob_get(console, names, sizeof(names));
		sleep(2);
	}
	knob_set(all, quiet ? "0" : old_all);
	knob_set(from, quiet ? "4" : old_from);
}

#endif /* LASTLINE_KNOBS_H */
