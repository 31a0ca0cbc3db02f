// SPDX-License-Identifier: GPL-2.0-only
/* Commands that watch and pub run. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cli.h"

extern char **environ;

/**
 * child_start - run a program
 * @argv: its name, which is looked for in PATH, and its arguments
 * @in:   its standard input; -1: nothing
 * @out:  its standard output; -1: ours
 *
 * Return: the child. Ends the command if it cannot be run.
 */
struct child child_start(char *const *argv, int in, int out)
{
	posix_spawn_file_actions_t actions;
	struct child child;
	int ret;

	posix_spawn_file_actions_init(&actions);
	if (in < 0)
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	ret = posix_spawnp(&child.pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (ret)
		give_up("cannot run %s: %s", argv[0], strerror(ret));
	/* The C library has no name for it before 2.36. */
	child.pidfd = syscall(SYS_pidfd_open, child.pid, 0);
	if (child.pidfd < 0)
		give_up("cannot watch %s: %s", argv[0], strerror(errno));
	return child;
}

/**
 * child_start_shell - run a line of shell
 * @command: the line
 * @in:      its standard input; -1: nothing
 *
 * Return: as child_start().
 */
struct child child_start_shell(const char *command, int in)
{
	char *const argv[] = { "sh", "-c", (char *)command, NULL };

	return child_start(argv, in, -1);
}

/**
 * child_has_ended - is there one that runs no more?
 * @child: it, or NO_CHILD
 *
 * Return: true if child_succeeded() would not wait.
 */
bool child_has_ended(const struct child *child)
{
	struct pollfd pfd = { .fd = child->pidfd, .events = POLLIN };

	return child_runs(child) && poll(&pfd, 1, 0) == 1;
}

/**
 * child_succeeded - wait until it ends, and say so if it failed
 * @child:   it; then it is NO_CHILD
 * @command: how to call it
 *
 * Return: did it end with status 0?
 */
bool child_succeeded(struct child *child, const char *command)
{
	int status;

	while (waitpid(child->pid, &status, 0) < 0) {
		if (errno != EINTR)
			give_up("cannot wait for %s: %s", command, strerror(errno));
	}
	close(child->pidfd);
	*child = NO_CHILD;
	if (WIFSIGNALED(status))
		complain("%s: killed by signal %d", command, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		complain("%s: failed with status %d", command, WEXITSTATUS(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}
