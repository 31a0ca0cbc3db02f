/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages to stderr, and exit statuses. */
#ifndef LASTLINE_ERRORS_H
#define LASTLINE_ERRORS_H

#include <stdarg.h>
#include <stdint.h>
#include <stdnoreturn.h>

struct lastline;

/* Exit statuses, documented in lastline(1). */
enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_NOTHING = 3,	/* no line published, or a timeout */
};

/**
 * struct log_ratelimit - limits a message to one per minute
 * @next_ns:    when the next message may be printed (CLOCK_MONOTONIC)
 * @suppressed: messages dropped since the last one was printed
 */
struct log_ratelimit {
	uint64_t next_ns;
	unsigned long suppressed;
};

void set_error_location(const char *file, unsigned int line);
void vwarn(const char *format, va_list args);
void warn(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
void warn_ratelimited(struct log_ratelimit *limit, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));
noreturn void die(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
int channel_error(const char *which, int error);
int control_error(const char *which, int error);
struct lastline *open_or_exit(const char *which, int flags);

#endif /* LASTLINE_ERRORS_H */
