// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "errors.h"

extern char **environ;

/**
 * child_start - run a program
 * @argv: name, searched in PATH, and arguments
 * @in:   standard input; -1: /dev/null
 * @out:  standard output; -1: inherited
 *
 * Return: the child. Exits if the program cannot be run.
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
		die("cannot run %s: %s", argv[0], strerror(ret));
	/* glibc before 2.36 has no wrapper. */
	child.pidfd = syscall(SYS_pidfd_open, child.pid, 0);
	if (child.pidfd < 0)
		die("cannot get a pidfd for %s: %s", argv[0], strerror(errno));
	return child;
}

/**
 * child_start_shell - run a shell command
 * @command: the command
 * @in:      standard input; -1: /dev/null
 *
 * Return: as child_start().
 */
struct child child_start_shell(const char *command, int in)
{
	char *const argv[] = { "sh", "-c", (char *)command, NULL };

	return child_start(argv, in, -1);
}

/**
 * child_ended - check for a child that child_wait() would return from at once
 * @child: the child, or NO_CHILD
 */
bool child_ended(const struct child *child)
{
	struct pollfd pfd = { .fd = child->pidfd, .events = POLLIN };

	return child_running(child) && poll(&pfd, 1, 0) == 1;
}

/**
 * child_wait - wait until a child ends; print a message if it failed
 * @child:   the child; NO_CHILD afterwards
 * @command: its name in messages
 *
 * Return: whether its exit status was 0.
 */
bool child_wait(struct child *child, const char *command)
{
	int status;

	while (waitpid(child->pid, &status, 0) < 0) {
		if (errno != EINTR)
			die("cannot wait for %s: %s", command, strerror(errno));
	}
	close(child->pidfd);
	*child = NO_CHILD;
	if (WIFSIGNALED(status))
		warn("%s: killed by signal %d", command, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		warn("%s: exited with status %d", command, WEXITSTATUS(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}
