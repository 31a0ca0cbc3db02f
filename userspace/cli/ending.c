// SPDX-License-Identifier: GPL-2.0-only
/* Signals that end a command which has something to put back first. */
#include <stddef.h>

#include "cli.h"
#include "ending.h"

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

volatile sig_atomic_t ending_signal;	/* the one that came; 0: none */

static void remember(int number)
{
	ending_signal = number;
}

/**
 * ending_signals - which they are
 * @set: gets them
 */
void ending_signals(sigset_t *set)
{
	size_t i;

	sigemptyset(set);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(set, signals[i]);
}

/**
 * end_gently - from now on they only set ending_signal, and interrupt what sleeps
 *
 * One that is ignored stays so: nohup(1) means it.
 */
void end_gently(void)
{
	struct sigaction action = { .sa_handler = remember }, old;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaction(signals[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

/**
 * end_by_signal - if one came, end by it: the shell is to know
 *
 * All is put back by now.
 */
void end_by_signal(void)
{
	if (!ending_signal)
		return;
	signal(ending_signal, SIG_DFL);
	raise(ending_signal);
}
