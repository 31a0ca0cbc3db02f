/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands that watch and pub run. */
#ifndef LASTLINE_CHILD_H
#define LASTLINE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct child - a command that runs, or NO_CHILD
 * @pid:   its process
 * @pidfd: readable when it has ended; -1: there is none
 */
struct child {
	pid_t pid;
	int pidfd;
};

#define NO_CHILD	((struct child){ .pidfd = -1 })

struct child child_start(char *const *argv, int in, int out);
struct child child_start_shell(const char *command, int in);
bool child_has_ended(const struct child *child);
bool child_succeeded(struct child *child, const char *command);

static inline bool child_runs(const struct child *child)
{
	return child->pidfd >= 0;
}

#endif /* LASTLINE_CHILD_H */
