/* SPDX-License-Identifier: GPL-2.0-only */
/* Open files of channels, from /proc. */
#ifndef LASTLINE_OPEN_FILES_H
#define LASTLINE_OPEN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct open_file - a channel that a process has open
 * @number:     N of /dev/lastlineN
 * @pid:        process ID
 * @fd:         file descriptor
 * @program:    name of the program, as in /proc/PID/comm
 * @reads:      open for reading
 * @writes:     open for writing
 * @generation: generation of the channel
 * @taken:      generation of the last line that was read from this file
 * @missed:     number of lines missed
 * @partial:    size of the partial line in bytes
 */
struct open_file {
	int number;
	pid_t pid;
	int fd;
	char program[32];
	bool reads;
	bool writes;
	uint64_t generation;
	uint64_t taken;
	uint64_t missed;
	unsigned int partial;
};

size_t find_open_files(struct open_file **files);

#endif /* LASTLINE_OPEN_FILES_H */
