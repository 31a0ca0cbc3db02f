/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the operations of a program have in common: its descriptors and mappings, memory
 * of all kinds, and the comparison of what a call gives with what it should.
 */
#ifndef CALLS_EXACT_H
#define CALLS_EXACT_H

#include <poll.h>
#include <sys/uio.h>
#include <time.h>

#include "calls.h"
#include "calls_model.h"

#define DESCRIPTORS	8
#define VIEWS		4		/* mappings that a program makes */
#define OBSERVERS	8		/* and that we make, to see everything */
#define AREA		65536		/* bytes of memory that is there */
/* Most that the kernel takes at a time; a quarter of what 32 bits can address. */
#define HUGE		(sizeof(long) == 8 ? 0x7ffff000UL : 0x40000000UL)
/* Where the kernel's own memory is, of x86-64 and of arm. */
#define KERNEL_MEMORY	\
	((char *)(unsigned long)(sizeof(long) == 8 ? 0xffff888000000000 : 0xc0100000))
#define BEHIND		16		/* bytes behind a buffer that nobody is to touch */
#define POISON		0xa5		/* what they are */
#define NOBODY		65534		/* user and group */
#define EVERY_EVENT	(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI | POLLRDHUP)
#define SETTABLE	(O_NONBLOCK | O_APPEND | O_ASYNC)

/**
 * struct descriptor - a number of the program's
 * @fd:   the real one; -1 if it is closed
 * @file: NULL for one that can do nothing (O_PATH)
 */
struct descriptor {
	int fd;
	struct file *file;
};

/**
 * struct view - a mapping
 * @map:      NULL if there is none
 * @size:     as it was asked for
 * @readable: all of it can be looked at
 * @file:     what is mapped
 */
struct view {
	const struct lastline_map *map;
	size_t size;
	bool readable;
	struct file *file;
};

/* Memory that is there, between two parts that are not, the first one huge. */
struct area {
	char *start;
	char *end;
};

enum where { THERE, ABSENT, RUNS_OUT, COMES_LATE, NOWHERE, KERNEL };

/**
 * struct place - where a call finds its bytes
 * @at:    the address
 * @good:  bytes that are there, from @at on, or the last ones if it begins too early
 * @where: of what kind it is
 */
struct place {
	char *at;
	size_t good;
	enum where where;
};

extern struct descriptor descriptors[DESCRIPTORS];
extern struct view views[VIEWS + OBSERVERS];
extern struct area from, to;
extern bool numbers_taken[LASTLINE_CHANNELS_MAX];	/* that are not ours */
extern pid_t self;
extern bool in_child;

/* calls_exact.c */
__u64 now(clockid_t clock);
void describe(const char *format, ...);
void fail(enum about about, const char *format, ...);
void expect_field(const char *what, __u64 got, __u64 wanted);
long result(long returned);
bool expect(long got, long wanted);
enum by by_of(const struct op *op);
enum where draw_where(uint32_t arg);
const char *where_text(enum where where);
struct place draw_place(struct area *area, enum where where, size_t size, uint32_t arg);
void poison(const struct place *place, size_t size);
void make_absent(struct area *area, const struct place *place);
int draw_vector(struct iovec *vector, void *at, size_t size, uint32_t arg);
struct descriptor *pick(uint32_t arg, bool (*can)(const struct file *file));
int slot_of(const struct descriptor *d);
void forget(struct descriptor *d);
void tick(bool on);

/* calls_files.c */
void check_bytes(const struct place *place, size_t size, const char *wanted, long len);
void check_info(const struct file *file, const struct lastline_info *info);
void check_taken(const struct file *file, const struct lastline_taken *taken);
void poll_all(short events);
void drain(unsigned int slot);
void run_read(const struct op *op);
void run_write(const struct op *op);
void run_fsync(const struct op *op);
void run_seek(const struct op *op);
void run_ioctl(const struct op *op);
void run_poll(const struct op *op);
void run_fcntl(const struct op *op);

/* calls_channels.c */
const char *node(int number);
void unmap(struct view *view);
void close_one(struct descriptor *d);
void run_open(const struct op *op);
void run_close(const struct op *op);
void run_dup(const struct op *op);
void run_mmap(const struct op *op);
void run_protect(const struct op *op);
void run_unmap(const struct op *op);
void run_add(const struct op *op);
void run_remove(const struct op *op);
void run_find(const struct op *op);

#endif /* CALLS_EXACT_H */
