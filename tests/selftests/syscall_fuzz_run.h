/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the operations: descriptors and mappings, buffers that may be inaccessible, and
 * comparing results.
 */
#ifndef SYSCALL_FUZZ_RUN_H
#define SYSCALL_FUZZ_RUN_H

#include "clock.h"
#include "syscall_fuzz.h"
#include "syscall_fuzz_model.h"

#define DESCRIPTORS	8
#define VIEWS		4		/* mappings that programs create */
#define OBSERVERS	8		/* mappings that the test uses for its checks */
#define AREA		65536		/* bytes of accessible memory */
/* A kernel address on x86-64 and arm64. */
#define KERNEL_MEMORY	((char *)(sizeof(long) == 8 ? 0xffff888000000000 : 0))
#define GUARD		16		/* bytes after a buffer that must not change */
#define POISON		0xa5		/* content of these bytes */
#define SETTABLE	(O_NONBLOCK | O_APPEND | O_ASYNC)

/* A descriptor of a program. If it is closed, its fields are -1 and NULL. */
struct descriptor {
	int fd;
	struct file *file;
};

struct view {
	const struct lastline_map *map;	/* NULL if this entry is unused */
	size_t size;			/* as passed to mmap() */
	bool readable;			/* the test may read it */
	struct file *file;
};

/* Accessible memory; the pages before and after it are not mapped. */
struct area {
	char *start;
	char *end;
};

/* NOT_PRESENT needs page faults. TRUNCATED is inaccessible after some bytes. */
enum placement { PRESENT, NOT_PRESENT, TRUNCATED, UNMAPPED, KERNEL };

/* A buffer passed to a call. */
struct buffer {
	char *addr;
	size_t accessible;		/* number of accessible bytes */
	enum placement placement;
};

extern struct descriptor descriptors[DESCRIPTORS];
extern struct view views[VIEWS + OBSERVERS];
extern struct area input, output;			/* for data to write and to read */
extern bool numbers_taken[LASTLINE_CHANNELS_MAX];	/* numbers of existing channels */
extern pid_t self;
extern bool in_child;

/* syscall_fuzz_run.c */
void describe_call(const char *format, ...);
void fail(const char *format, ...);
void expect_field(const char *what, __u64 got, __u64 wanted);
long result(long returned);
bool expect(long got, long wanted);
enum actor actor_of(const struct op *op);
enum placement random_placement(uint32_t arg);
const char *placement_text(enum placement placement);
struct buffer random_buffer(struct area *area, enum placement placement, size_t size, uint32_t arg);
void fill_buffer(struct area *area, const struct buffer *buffer, const void *bytes, size_t size);
void poison_buffer(const struct buffer *buffer, size_t size);
struct descriptor *pick_descriptor(uint32_t arg, bool (*can)(const struct file *file));
int index_of(const struct descriptor *d);
void reset_descriptor(struct descriptor *d);

/* syscall_fuzz_files.c */
void check_bytes(const struct buffer *buffer, size_t size, const char *wanted, long len);
void check_info(const struct file *file, const struct lastline_info *info);
void check_taken(const struct file *file, const struct lastline_taken *taken);
void drain(unsigned int slot);
void run_read(const struct op *op);
void run_write(const struct op *op);
void run_fsync(const struct op *op);
void run_seek(const struct op *op);
void run_ioctl(const struct op *op);
void run_fcntl(const struct op *op);

/* syscall_fuzz_channels.c */
const char *node_path(int number);
void unmap(struct view *view);
void close_one(struct descriptor *d);
void run_open(const struct op *op);
void run_close(const struct op *op);
void run_dup(const struct op *op);
void run_mmap(const struct op *op);
void run_remap(const struct op *op);
void run_add(const struct op *op);
void run_remove(const struct op *op);

#endif /* SYSCALL_FUZZ_RUN_H */
