/* SPDX-License-Identifier: GPL-2.0-only */
/* Signals that end a command which must clean up first. */
#ifndef LASTLINE_SIGNALS_H
#define LASTLINE_SIGNALS_H

#include <signal.h>

extern volatile sig_atomic_t caught_signal;	/* 0: none */

void termination_signals(sigset_t *set);
void catch_termination_signals(void);
void raise_caught_signal(void);

#endif /* LASTLINE_SIGNALS_H */
