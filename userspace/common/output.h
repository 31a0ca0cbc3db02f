/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines, ages and times on stdout. */
#ifndef LASTLINE_OUTPUT_H
#define LASTLINE_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#define AGE_TEXT	16
#define TIME_TEXT	40

void print_bytes(const char *data, size_t size);
const char *format_age(char *text, size_t size, uint64_t monotonic_ns);
const char *format_time(char *text, size_t size, uint64_t realtime_ns);

#endif /* LASTLINE_OUTPUT_H */
