/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract as a model: what each call does to channels and open files, byte by
 * byte and without any thought of how the driver does it. Written from README.md and
 * lastline.h.
 *
 * Whatever can fail returns a negative errno. What the kernel itself answers before it
 * asks a driver (descriptors, access modes, kernel addresses) is calls_exact.c's.
 */
#ifndef CALLS_MODEL_H
#define CALLS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/lastline.h>

#define MODEL_LINE_MAX	8192		/* more than the longest of a program's channels */
#define MODEL_CHANNELS	64		/* made by one program, the removed ones included */
#define MODEL_FILES	64		/* open at a time */

/**
 * struct line - a published line
 * @generation: its generation; 0 if there never was one here
 * @since:      it was published after this moment, in ns; 0: there is none
 * @length:     bytes; 0: it was cleared away
 * @bytes:      these
 */
struct line {
	__u64 generation;
	__u64 since;
	size_t length;
	char bytes[MODEL_LINE_MAX];
};

/**
 * struct channel - a channel, removed or not
 * @add:      as it was asked for, but with its number and line limit
 * @removed:  it was
 * @readers:  open files that can read
 * @writers:  open files that can write
 * @sleepers: threads asleep in a read
 * @lines:    the latest ones; that of generation g at g mod LASTLINE_MAP_SLOTS
 * @newest:   the generation
 */
struct channel {
	struct lastline_add add;
	bool removed;
	__u32 readers;
	__u32 writers;
	__u32 sleepers;
	__u64 newest;
	struct line lines[LASTLINE_MAP_SLOTS];
};

/**
 * struct file - an open file
 * @users:      descriptors and mappings; 0: a free place
 * @channel:    its channel
 * @flags:      as F_GETFL gives them
 * @seen:       the generation that is not new to it
 * @passed:     what came up to this generation was taken or skipped
 * @taken:      generation of the line taken last, and what was missed
 * @since:      of that line
 * @left:       bytes of it that are still to be read
 * @remainder:  these
 * @unfinished: bytes of its unfinished line
 * @begun:      these
 * @writer:     process that wrote the end of it
 */
struct file {
	unsigned int users;
	struct channel *channel;
	int flags;
	__u64 seen;
	__u64 passed;
	struct lastline_taken taken;
	__u64 since;
	size_t left;
	char remainder[MODEL_LINE_MAX];
	size_t unfinished;
	char begun[MODEL_LINE_MAX];
	pid_t writer;
};

/**
 * struct model - the world of one program
 * @now:           the moment before the call, in ns
 * @actor:         the process that makes it
 * @signalled:     SIGIO is to come
 * @default_limit: line limit of channels that ask for none
 * @channel_count: channels made so far
 * @channels:      these
 * @files:         the open files
 */
struct model {
	__u64 now;
	pid_t actor;
	bool signalled;
	__u32 default_limit;
	unsigned int channel_count;
	struct channel channels[MODEL_CHANNELS];
	struct file files[MODEL_FILES];
};

extern struct model model;

struct line *model_latest(struct channel *channel);
struct channel *model_channel(int number);
struct channel *model_named(const char *name);
int model_add(const struct lastline_add *add, int lowest);
int model_remove(unsigned long number);
int model_find(const char *name);
bool model_may_open(const struct channel *channel, int flags, uid_t uid);

struct file *model_open(struct channel *channel, int flags);
void model_close(struct file *file);
void model_killed(pid_t pid);
bool model_can_read(const struct file *file);
bool model_can_write(const struct file *file);
size_t model_readable(const struct file *file);
ssize_t model_read(struct file *file, size_t size, size_t good, char *to);
ssize_t model_write(struct file *file, const char *data, size_t len);
int model_finish(struct file *file);
int model_clear(struct file *file);
int model_seek(struct file *file, off_t offset, int whence);
size_t model_map_size(const struct channel *channel);

#endif /* CALLS_MODEL_H */
