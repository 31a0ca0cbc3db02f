// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes with several threads make random calls (stress_calls.h), while channels are added
 * and removed, signals arrive and processes are killed. Removing all channels must make all
 * threads exit.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "syscall_fuzz.h"
#include "stress_calls.h"

#define THREADS		3
#define PROCESSES	4
#define TIMEOUT_S	40	/* a process that takes longer hangs */

static noreturn void child_main(struct session *s)
{
	char buf[LIMIT_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	stress_init_thread();
	make_calls(s, random_below(8));
	if (random_below(2) || s->fd < 0)
		_exit(0);
	if ((s->flags & O_ACCMODE) != O_RDONLY && s->info.mode == LASTLINE_MODE_LINE)
		write_all(s, buf, random_line(s, buf) / 2);
	raise(SIGKILL);
	_exit(KSFT_FAIL);
}

/* Shares the open file with a child that may be killed in the middle of a line. */
static void use_with_child(struct session *s)
{
	pid_t child = fork();

	if (child < 0)
		return;
	if (!child)
		child_main(s);
	if (random_below(2)) {
		usleep(random_below(3000));
		kill(child, SIGKILL);
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	/* Discard the rest of a line that the child may have left. */
	lseek(s->fd, 0, SEEK_END);
	check_numbers(s);
}

static void *run_thread(void *unused)
{
	struct session s;

	stress_init_thread();
	while (!stress->stop) {
		if (!session_open(&s, random_below(2) ? O_NONBLOCK : 0))
			continue;
		make_calls(&s, random_below(30));
		/* Rarely, because starting a process is slow. */
		if (random_below(24) == 0 && s.fd >= 0) {
			use_with_child(&s);
			make_calls(&s, random_below(10));
		}
		session_close(&s);
	}
	return unused;
}

static void ignore(int signal)
{
}

static noreturn void process_main(unsigned int number)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	pthread_t threads[THREADS];
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &action, NULL);
	interrupts = number % 2;
	action.sa_flags = interrupts ? 0 : SA_RESTART;
	sigaction(SIGUSR2, &action, NULL);
	for (i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, run_thread, NULL))
			_exit(KSFT_FAIL);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

static pid_t start_process(unsigned int number)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		process_main(number);
	return pid;
}

static void wait_for_exit(pid_t pid, time_t deadline)
{
	while (waitpid(pid, NULL, WNOHANG) != pid) {
		if (time(NULL) > deadline) {
			report(HANGS, "process %d does not exit", pid);
			kill(pid, SIGKILL);
			return;
		}
		usleep(10000);
	}
}

/* Returns the violations, a bit for each value of enum race_violation. */
unsigned int race(__u64 race_seed, unsigned int seconds)
{
	unsigned int kills = 0, signals = 0, found = 0, i, event;
	pid_t pids[PROCESSES];
	time_t end;

	stress_init(race_seed);
	for (i = 0; i < 4 * STRESS_CHANNELS; i++)
		change_channel();
	for (i = 0; i < PROCESSES; i++)
		pids[i] = start_process(i);
	for (end = time(NULL) + seconds; time(NULL) < end;) {
		i = random_below(PROCESSES);
		event = random_below(16);
		if (event == 0) {
			kill(pids[i], SIGKILL);
			wait_for_exit(pids[i], time(NULL) + TIMEOUT_S);
			pids[i] = start_process(i);
			kills++;
		} else if (event < 4) {
			change_channel();
		} else {
			kill(pids[i], random_below(2) ? SIGUSR1 : SIGUSR2);
			signals++;
		}
		usleep(random_below(4000));
	}
	stress->stop = true;
	remove_channels();
	for (i = 0, end = time(NULL) + TIMEOUT_S; i < PROCESSES; i++)
		wait_for_exit(pids[i], end);
	shared->calls += stress->calls;
	ksft_print_msg("%lu lines written, %lu read; %u signals, %u processes killed\n",
		       stress->written, stress->taken, signals, kills);
	for (i = 0; i < RACE_VIOLATIONS; i++)
		found |= !!violations[i] << i;
	return found;
}
