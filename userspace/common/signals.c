// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>

#include "signals.h"
#include "util.h"

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

volatile sig_atomic_t caught_signal;

static void on_signal(int number)
{
	caught_signal = number;
}

/**
 * termination_signals - get the signals that end a command
 * @set: filled in
 */
void termination_signals(sigset_t *set)
{
	size_t i;

	sigemptyset(set);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(set, signals[i]);
}

/**
 * catch_termination_signals - set caught_signal and interrupt system calls instead of ending
 *
 * Ignored signals stay ignored, as nohup(1) requires.
 */
void catch_termination_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal }, old;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaction(signals[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

/**
 * raise_caught_signal - end by the caught signal, so that the shell sees it
 *
 * Called after clean-up; returns if there was no signal.
 */
void raise_caught_signal(void)
{
	if (!caught_signal)
		return;
	signal(caught_signal, SIG_DFL);
	raise(caught_signal);
}
