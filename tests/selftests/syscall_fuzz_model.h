/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of the contract: what each call does to channels and open files, byte by byte and
 * independent of the implementation. Written from lastline(4) and lastline.h.
 *
 * Functions that can fail return a negative errno. The errors that the kernel returns
 * before it calls the driver are not part of the model.
 */
#ifndef SYSCALL_FUZZ_MODEL_H
#define SYSCALL_FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/lastline.h>

#define MODEL_LINE_MAX	8192		/* larger than the line limit of any channel here */
#define MODEL_CHANNELS	64		/* per program, removed ones included */
#define MODEL_FILES	64		/* open at a time */

/**
 * struct line - a published line
 * @generation: its generation; 0: none
 * @since:      monotonic time before the publication, in ns; 0: none
 * @length:     number of bytes; 0: cleared
 * @bytes:      content
 */
struct line {
	__u64 generation;
	__u64 since;
	size_t length;
	char bytes[MODEL_LINE_MAX];
};

/**
 * struct channel - a channel
 * @add:      its parameters, with the number and line limit it really has
 * @removed:  it was removed
 * @readers:  open files that can read
 * @writers:  open files that can write
 * @sleepers: threads asleep in a read
 * @lines:    the latest lines; generation g is at g mod LASTLINE_MAP_SLOTS
 * @newest:   generation of the channel
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
 * @users:         number of descriptors and mappings; 0: unused entry
 * @channel:       its channel
 * @flags:         access mode and status flags
 * @seen_gen:      last generation that is not unseen
 * @missed_base:   generation after which publications count as missed
 * @taken:         generation and missed counts of the last line read
 * @since:         as in struct line, of the last line read
 * @rest_len:      length of the rest of that line
 * @rest:          the rest
 * @partial_len:   length of the partial line
 * @partial:       the partial line
 * @partial_owner: process that wrote the end of the partial line
 */
struct file {
	unsigned int users;
	struct channel *channel;
	int flags;
	__u64 seen_gen;
	__u64 missed_base;
	struct lastline_taken taken;
	__u64 since;
	size_t rest_len;
	char rest[MODEL_LINE_MAX];
	size_t partial_len;
	char partial[MODEL_LINE_MAX];
	pid_t partial_owner;
};

/**
 * struct model - everything that one program created
 * @now:           monotonic time before the current call, in ns
 * @actor:         process that makes the current call
 * @signalled:     SIGIO is expected
 * @default_limit: line limit of channels that are added with 0
 * @channel_count: number of entries in @channels
 * @channels:      all channels, removed ones included
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
struct channel *model_channel(int number, const char *name);
int model_add(const struct lastline_add *add, int lowest_free);
int model_remove(unsigned long number);
int model_find(const char *name);
bool model_may_open(const struct channel *channel, int flags, uid_t uid);
size_t model_map_size(const struct channel *channel);

struct file *model_open(struct channel *channel, int flags);
void model_close(struct file *file);
void model_killed(pid_t pid);
bool model_can_read(const struct file *file);
bool model_can_write(const struct file *file);
size_t model_readable(const struct file *file);
ssize_t model_read(struct file *file, size_t size, size_t good, char *to);
ssize_t model_write(struct file *file, const char *data, size_t len);
int model_fsync(struct file *file);
int model_clear(struct file *file);
int model_seek(struct file *file, off_t offset, int whence);

#endif /* SYSCALL_FUZZ_MODEL_H */
