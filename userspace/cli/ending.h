/* SPDX-License-Identifier: GPL-2.0-only */
/* Signals that end a command which has something to put back first. */
#ifndef LASTLINE_ENDING_H
#define LASTLINE_ENDING_H

#include <signal.h>

extern volatile sig_atomic_t ending_signal;

void ending_signals(sigset_t *set);
void end_gently(void);
void end_by_signal(void);

#endif /* LASTLINE_ENDING_H */
