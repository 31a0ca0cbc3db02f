/* SPDX-License-Identifier: GPL-2.0-only */
/* Which processes have channels open. */
#ifndef LASTLINE_HOLDERS_H
#define LASTLINE_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct holder - a process that has a channel open
 * @number:     N of /dev/lastlineN
 * @pid:        the process
 * @fd:         its descriptor
 * @program:    what it runs, as the kernel abbreviates it
 * @reads:      it can read
 * @writes:     it can write
 * @generation: of the channel at that moment
 * @taken:      generation of the line it took last
 * @missed:     lines it missed
 * @unfinished: bytes of its unfinished line
 */
struct holder {
	int number;
	pid_t pid;
	int fd;
	char program[32];
	bool reads;
	bool writes;
	uint64_t generation;
	uint64_t taken;
	uint64_t missed;
	unsigned int unfinished;
};

size_t find_holders(struct holder **holders);

#endif /* LASTLINE_HOLDERS_H */
