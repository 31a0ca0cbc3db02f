/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of the contract: what each call does to channels and open files, byte by byte. It is
 * written from lastline(4) and lastline.h and independent of the driver.
 *
 * Functions that can fail return a negative errno. The model does not cover errors that the
 * kernel returns without calling the driver.
 */
#ifndef SYSCALL_FUZZ_MODEL_H
#define SYSCALL_FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/lastline.h>

#define MODEL_LINE_MAX	8192		/* larger than the line limit of any channel here */
#define MODEL_CHANNELS	64		/* per program, including removed channels */
#define MODEL_FILES	64		/* open at the same time */

struct line {
	__u64 generation;		/* 0 if the slot is unused */
	__u64 since;			/* time before the write, in ns; 0 if there is no line */
	size_t length;			/* 0 if the line was cleared */
	char bytes[MODEL_LINE_MAX];
};

struct channel {
	struct lastline_add add;	/* parameters, with the actual number and line_max */
	bool removed;
	__u32 readers;
	__u32 writers;
	__u32 sleepers;
	__u64 newest;			/* current generation */
	struct line lines[LASTLINE_MAP_SLOTS];	/* generation modulo SLOTS is the index */
};

struct file {
	unsigned int users;		/* descriptors and mappings; 0 if this entry is unused */
	struct channel *channel;
	int flags;			/* access mode and status flags */
	__u64 seen_gen;			/* generation of the last seen line */
	__u64 missed_base;		/* later generations count as missed */
	struct lastline_taken taken;	/* generation and missed counts of the last read */
	__u64 since;			/* of the last line read */
	size_t rest_len;
	char rest[MODEL_LINE_MAX];	/* rest of the line after a short read */
	size_t partial_len;
	char partial[MODEL_LINE_MAX];
	pid_t partial_owner;		/* process that wrote the end of the partial line */
};

/* State created by one program. */
struct model {
	__u64 now;			/* monotonic time before the current call, in ns */
	pid_t caller;			/* process that makes the current call */
	bool signalled;			/* the current call must send SIGIO */
	__u32 default_limit;		/* line_max if ADD passes 0 */
	unsigned int channel_count;
	struct channel channels[MODEL_CHANNELS];
	struct file files[MODEL_FILES];
};

extern struct model model;

struct line *model_latest(struct channel *channel);
struct channel *model_channel(int number, const char *name);
int model_add(const struct lastline_add *add, int lowest_free);
int model_remove(unsigned long number);
size_t model_map_size(const struct channel *channel);

struct file *model_open(struct channel *channel, int flags);
void model_close(struct file *file);
void model_process_killed(pid_t pid);
bool model_can_read(const struct file *file);
bool model_can_write(const struct file *file);
size_t model_readable(const struct file *file);
ssize_t model_read(struct file *file, size_t size, size_t accessible, char *to);
ssize_t model_write(struct file *file, const char *data, size_t len);
int model_fsync(struct file *file);
int model_clear(struct file *file);
int model_seek(struct file *file, off_t offset, int whence);

#endif /* SYSCALL_FUZZ_MODEL_H */
