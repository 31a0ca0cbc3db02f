/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands run by "watch" and "pub". */
#ifndef LASTLINE_CHILD_H
#define LASTLINE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct child - a child process, or NO_CHILD
 * @pid:   process ID
 * @pidfd: readable after the process has ended; -1 for NO_CHILD
 */
struct child {
	pid_t pid;
	int pidfd;
};

#define NO_CHILD	((struct child){ .pidfd = -1 })

struct child child_start(char *const *argv, int in, int out);
struct child child_start_shell(const char *command, int in);
bool child_ended(const struct child *child);
bool child_wait(struct child *child, const char *command);

static inline bool child_running(const struct child *child)
{
	return child->pidfd >= 0;
}

#endif /* LASTLINE_CHILD_H */
