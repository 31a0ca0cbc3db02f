/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the operations of a program share: its descriptors and mappings, memory that may be
 * inaccessible, and the comparison of results.
 */
#ifndef SYSCALL_FUZZ_RUN_H
#define SYSCALL_FUZZ_RUN_H

#include "clock.h"
#include "syscall_fuzz.h"
#include "syscall_fuzz_model.h"

#define DESCRIPTORS	8
#define VIEWS		4		/* mappings that programs create */
#define OBSERVERS	8		/* mappings of the test itself */
#define AREA		65536		/* bytes of accessible memory */
/* An address in the kernel's own memory, on x86-64 and arm64. */
#define KERNEL_MEMORY	((char *)(sizeof(long) == 8 ? 0xffff888000000000 : 0))
#define BEHIND		16		/* bytes after a buffer that must not change */
#define POISON		0xa5		/* their value */
#define SETTABLE	(O_NONBLOCK | O_APPEND | O_ASYNC)

/* A descriptor of the program; -1 and NULL if it is closed. */
struct descriptor {
	int fd;
	struct file *file;
};

struct view {
	const struct lastline_map *map;	/* NULL: none */
	size_t size;			/* as passed to mmap */
	bool readable;			/* the test can compare the content */
	struct file *file;
};

/* Accessible memory; the pages before and after it are not mapped. */
struct area {
	char *start;
	char *end;
};

/* ABSENT: the pages must be faulted in first. CUT: inaccessible after some bytes. */
enum where { THERE, ABSENT, CUT, NOWHERE, KERNEL };

/* The address passed to a call. */
struct place {
	char *at;
	size_t good;			/* number of accessible bytes */
	enum where where;
};

extern struct descriptor descriptors[DESCRIPTORS];
extern struct view views[VIEWS + OBSERVERS];
extern struct area from, to;				/* for input and output */
extern bool numbers_taken[LASTLINE_CHANNELS_MAX];	/* by channels of others */
extern pid_t self;
extern bool in_child;

/* syscall_fuzz_run.c */
void describe(const char *format, ...);
void fail(const char *format, ...);
void expect_field(const char *what, __u64 got, __u64 wanted);
long result(long returned);
bool expect(long got, long wanted);
enum by by_of(const struct op *op);
enum where draw_where(uint32_t arg);
const char *where_text(enum where where);
struct place draw_place(struct area *area, enum where where, size_t size, uint32_t arg);
void fill(struct area *area, const struct place *place, const void *bytes, size_t size);
void poison(const struct place *place, size_t size);
struct descriptor *pick(uint32_t arg, bool (*can)(const struct file *file));
int slot_of(const struct descriptor *d);
void forget(struct descriptor *d);

/* syscall_fuzz_files.c */
void check_bytes(const struct place *place, size_t size, const char *wanted, long len);
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
const char *node(int number);
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
