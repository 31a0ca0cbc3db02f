// SPDX-License-Identifier: GPL-2.0-only
/* The operations of a program on an open file, see calls_exact.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest.h"
#include "calls_exact.h"

/*
 * Reading
 */

enum read_how { READ, READV, READ_NOWAIT, PREAD, SPLICE_OUT, TAKE };

/* For TAKE: none, one that has long passed. */
static const __u64 deadlines[] = { 0, 1, LASTLINE_FOREVER };
static struct lastline_take take;

static ssize_t splice_out(int fd, char *at, size_t size)
{
	int ends[2], saved;
	ssize_t ret;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -1;
	ret = splice(fd, NULL, ends[1], NULL, size, 0);
	saved = errno;
	if (ret > 0 && read(ends[0], at, ret) != ret)
		ret = -1;
	close(ends[0]);
	close(ends[1]);
	errno = saved;
	return ret;
}

static ssize_t do_read(int fd, enum read_how how, char *at, size_t size, uint32_t arg)
{
	struct iovec vector[4];

	switch (how) {
	case READ:
		return read(fd, at, size);
	case PREAD:
		return pread(fd, at, size, arg % 3);
	case SPLICE_OUT:
		return splice_out(fd, at, size);
	case TAKE:
		take = (struct lastline_take){
			.buf = (uintptr_t)at,
			.size = size,
			.deadline_ns = deadlines[arg % ARRAY_SIZE(deadlines)],
		};
		return ioctl(fd, LASTLINE_IOC_TAKE, &take);
	default:
		return preadv2(fd, vector, draw_vector(vector, at, size, arg), -1,
			       how == READ_NOWAIT ? RWF_NOWAIT : 0);
	}
}

/* The kernel's answers come first, then the driver's. */
static long model_read_by(struct descriptor *d, enum read_how how, size_t size,
			  const struct place *place, char *bytes)
{
	if (how == SPLICE_OUT && !size)
		return 0;
	if (!d->file)
		return -EBADF;
	if (how == PREAD)
		return -ESPIPE;
	if (how == TAKE && d->file->channel->removed)
		return -ENODEV;
	if (!model_can_read(d->file))
		return -EBADF;
	if (how == TAKE && !size)
		return -EINVAL;
	if (place->where == KERNEL)
		return -EFAULT;
	if (!size && how != READ)
		return 0;
	return model_read(d->file, size, place->good, bytes);
}

static size_t draw_read_size(struct file *file, uint32_t arg)
{
	size_t readable = file ? model_readable(file) : 7;

	switch (arg % 8) {
	case 0:
		return arg / 8 % 2;
	case 1:
	case 2:
		return 1 + arg / 8 % 80;
	case 3:
		return readable;
	case 4:
		return readable ? readable - 1 : 0;
	case 5:
		return 1 + arg / 8 % 3000;
	default:
		return AREA / 4;
	}
}

void check_bytes(const struct place *place, size_t size, const char *wanted, long len)
{
	size_t i;

	if (len > 0 && memcmp(place->at, wanted, len)) {
		for (i = 0; place->at[i] == wanted[i]; i++)
			;
		fail(ABOUT_BYTES, "byte %zu of %ld is %#x, should be %#x", i, len,
		     (unsigned char)place->at[i], (unsigned char)wanted[i]);
	}
	for (i = size; i < size + BEHIND && i < place->good; i++) {
		if ((unsigned char)place->at[i] != POISON)
			fail(ABOUT_BYTES, "byte %zu is changed, the buffer has %zu", i, size);
	}
}

static struct place draw_read_place(enum read_how how, uint32_t arg, size_t size)
{
	enum where where = draw_where(arg);

	if (where == COMES_LATE || (where == KERNEL && (how != READ || !size)) ||
	    how == SPLICE_OUT)
		where = THERE;
	return draw_place(&to, where, size, arg / 16);
}

static void describe_read(struct descriptor *d, enum read_how how, size_t size,
			  const struct place *place)
{
	static const char *const names[] = { "read", "readv", "preadv2(RWF_NOWAIT)", "pread",
					     "splice", "TAKE" };

	describe("%s(#%d, %zu bytes%s)", names[how], slot_of(d), size, where_text(place->where));
}

/*
 * What comes of a read that may not get a line now; @sleeps: only a signal ends it. The
 * driver's answer to TAKE follows from its deadline.
 */
static long model_wait(const struct file *file, enum read_how how, uint32_t arg, bool *sleeps)
{
	bool until = how == TAKE && deadlines[arg % ARRAY_SIZE(deadlines)] != LASTLINE_FOREVER;

	*sleeps = false;
	if (how == READ_NOWAIT || file->flags & O_NONBLOCK)
		return -EAGAIN;
	if (until)
		return deadlines[arg % ARRAY_SIZE(deadlines)] ? -ETIMEDOUT : -EAGAIN;
	*sleeps = true;
	return -EINTR;
}

/* read: descriptor, how, size, place */
void run_read(const struct op *op)
{
	static const enum read_how hows[16] = { READ, READ, READ, READ, READ, TAKE, TAKE, READV,
						READV, READV, SPLICE_OUT, SPLICE_OUT, PREAD,
						READ_NOWAIT, READ_NOWAIT, READ_NOWAIT };
	static char wanted[MODEL_LINE_MAX];
	struct descriptor *d = pick(op->arg[0], model_can_read);
	enum read_how how = hows[op->arg[1] % 16];
	size_t size = draw_read_size(d->file, op->arg[2]);
	struct place place = draw_read_place(how, op->arg[3], size);
	long want = model_read_by(d, how, size, &place, wanted), got;
	bool sleeps = false;

	describe_read(d, how, size, &place);
	poison(&place, size);
	make_absent(&to, &place);
	if (want == -EAGAIN)
		want = model_wait(d->file, how, op->arg[1] / 16, &sleeps);
	if (sleeps)
		tick(true);
	got = result(do_read(d->fd, how, place.at, size, op->arg[1] / 16));
	if (sleeps)
		tick(false);
	if (!expect(got, want))
		return;
	check_bytes(&place, size, wanted, got);
	if (how == TAKE && got > 0) {
		check_taken(d->file, &take.taken);
		expect_field("left", take.left, d->file->left);
	}
}

/* Takes what is there, and never sleeps. */
void drain(unsigned int slot)
{
	const struct op op = { .arg = { 31 + 32 * slot, 15, 7 } };

	run_read(&op);
}

/*
 * Writing
 */

enum write_how { WRITE, WRITEV, WRITE_FLAGS, PWRITE, SPLICE_IN };

static ssize_t splice_in(int fd, const char *at, size_t size)
{
	int ends[2], saved;
	ssize_t ret;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -1;
	ret = write(ends[1], at, size);
	if (ret == (ssize_t)size)
		ret = splice(ends[0], NULL, fd, NULL, size, 0);
	saved = errno;
	close(ends[0]);
	close(ends[1]);
	errno = saved;
	return ret;
}

static ssize_t do_write(int fd, enum write_how how, char *at, size_t size, uint32_t arg)
{
	static const int flags[] = { RWF_NOWAIT, RWF_DSYNC, RWF_APPEND };
	struct iovec vector[4];

	switch (how) {
	case WRITE:
		return write(fd, at, size);
	case PWRITE:
		return pwrite(fd, at, size, arg % 3);
	case SPLICE_IN:
		return splice_in(fd, at, size);
	default:
		return pwritev2(fd, vector, draw_vector(vector, at, size, arg), -1,
				how == WRITE_FLAGS ? flags[arg / 4 % ARRAY_SIZE(flags)] : 0);
	}
}

/* Around all lengths that make a difference. */
static size_t draw_write_size(struct file *file, uint32_t arg)
{
	size_t limit = file ? file->channel->add.line_max : 100;
	size_t room = file ? limit - file->unfinished : 100;

	switch (arg % 16) {
	case 0:
		return arg / 16 % 3;
	case 6:
	case 7:
	case 8:
		return limit + arg % 16 - 7;
	case 9:
		return 2 * limit + arg / 16 % 2;
	case 10:
	case 11:
		return 2 * limit + 3 + arg / 16 % 8;
	case 12:
		return arg / 16 % (3 * limit);
	case 13:
	case 14:
		return room + arg % 16 - 13;
	case 15:
		return 1 + arg / 16 % limit;
	default:
		return 1 + arg / 16 % 40;
	}
}

/* Bytes of any kind, and newlines where they matter. */
static void draw_bytes(char *bytes, size_t size, size_t limit, uint32_t arg)
{
	__u64 random = arg;
	size_t i, dense = 0;

	if (arg % 8 == 5 || arg % 8 == 6)
		dense = arg % 8 == 5 ? 8 : 64;
	for (i = 0; i < size; i++) {
		bytes[i] = next_random(&random) & 0xff;
		if (bytes[i] == '\n')
			bytes[i] = '\0';
		if (dense && next_random(&random) % dense == 0)
			bytes[i] = '\n';
	}
	if (!size)
		return;
	if (arg % 8 >= 1 && arg % 8 <= 5)
		bytes[size - 1] = '\n';
	/* So that the last line is a longest one, or one byte more or less. */
	if (arg % 8 == 4 && size > limit + 2)
		bytes[size - limit - 2 + arg / 8 % 3] = '\n';
	/* So that what stays unfinished is, and perhaps the line before it, too. */
	if (arg % 8 == 7 && size > limit + 2)
		bytes[size - limit - 2 + arg / 8 % 3] = '\n';
	if (arg % 8 == 7 && size > 2 * limit + 2)
		bytes[size - 2 * limit - 2 + arg / 24 % 3] = '\n';
}

/*
 * What begins too early must either be needed as a whole, or not at all: whether the
 * driver looks at what it does not need is its own affair.
 */
static size_t place_late(struct place *place, size_t limit, size_t size, uint32_t arg)
{
	size_t early = 1 + arg % 3000;

	place->good = size > limit ? 2 * limit + 1 + size % limit : size / 2;
	if (size <= limit)
		early = size - place->good;
	else if (arg % 4 == 0)
		early = HUGE - place->good;
	place->at = from.start - early;
	return place->good + early;
}

static long model_write_by(struct descriptor *d, enum write_how how, size_t size,
			   const struct place *place, const char *bytes)
{
	const struct channel *channel = d->file ? d->file->channel : NULL;
	bool lines = channel && channel->add.mode == LASTLINE_MODE_LINE;

	if (how == SPLICE_IN && !size)
		return 0;
	if (!d->file)
		return -EBADF;
	if (how == PWRITE)
		return -ESPIPE;
	if (!model_can_write(d->file))
		return -EBADF;
	if (how == SPLICE_IN && d->file->flags & O_APPEND)
		return -EINVAL;
	if (place->where == KERNEL)
		return -EFAULT;
	if (!size && how != WRITE)
		return 0;
	if (channel->removed)
		return -ENODEV;
	if (!lines && size > channel->add.line_max)
		return -EMSGSIZE;
	if (place->where == COMES_LATE && size > 2 * channel->add.line_max)
		return model_write(d->file, bytes, place->good) < 0 ? -EMSGSIZE : (long)size;
	if (place->good < size || place->where == COMES_LATE)
		return -EFAULT;
	return model_write(d->file, bytes, size);
}

/* write: descriptor, how and bytes, size, place */
void run_write(const struct op *op)
{
	static const enum write_how hows[16] = { WRITE, WRITE, WRITE, WRITE, WRITE, WRITE, WRITE,
						 WRITE, WRITEV, WRITEV, WRITEV, WRITE_FLAGS,
						 WRITE_FLAGS, PWRITE, SPLICE_IN, SPLICE_IN };
	static char bytes[AREA];
	struct descriptor *d = pick(op->arg[0], model_can_write);
	enum write_how how = hows[op->arg[1] % 16];
	size_t size = draw_write_size(d->file, op->arg[2]), filled;
	size_t limit = d->file ? d->file->channel->add.line_max : 100;
	enum where where = draw_where(op->arg[3]);
	struct place place;
	long want;

	if (!size || how == SPLICE_IN || (where == KERNEL && how != WRITE) ||
	    (where == COMES_LATE && size < 2))
		where = THERE;
	place = draw_place(&from, where, size - (where == RUNS_OUT), op->arg[3] / 16);
	filled = size;
	if (where == COMES_LATE) {
		size = place_late(&place, limit, size, op->arg[3] / 16);
		filled = place.good;
	}
	draw_bytes(bytes, filled, limit, op->arg[1] / 16);
	want = model_write_by(d, how, size, &place, bytes);
	describe("%s(#%d, %zu bytes%s)", how == WRITE ? "write" : how == PWRITE ? "pwrite" :
		 how == SPLICE_IN ? "splice" : how == WRITEV ? "writev" : "pwritev2",
		 slot_of(d), size, where_text(where));
	if (place.good)
		memcpy(where == COMES_LATE ? from.start : place.at, bytes,
		       filled < place.good ? filled : place.good);
	make_absent(&from, &place);
	expect(result(do_write(d->fd, how, place.at, size, op->arg[1] / 16)), want);
}

/* fsync: descriptor */
void run_fsync(const struct op *op)
{
	struct descriptor *d = pick(op->arg[0], model_can_write);
	long want = d->file ? model_finish(d->file) : -EBADF;

	describe("fsync(#%d)", slot_of(d));
	expect(result(op->arg[1] % 2 ? fsync(d->fd) : fdatasync(d->fd)), want);
}

/*
 * The rest of what an open file can do
 */

/* seek: descriptor, whence, offset */
void run_seek(const struct op *op)
{
	static const int whences[] = { SEEK_SET, SEEK_END, SEEK_SET, SEEK_END, SEEK_CUR,
				       SEEK_DATA, SEEK_HOLE, 5, -1 };
	static const off_t offsets[] = { 0, 0, 0, 0, 1, -1, 4096, 1LL << 62, -1LL << 62 };
	struct descriptor *d = pick(op->arg[0], NULL);
	int whence = whences[op->arg[1] % ARRAY_SIZE(whences)];
	off_t offset = offsets[op->arg[2] % ARRAY_SIZE(offsets)];
	long want = d->file ? model_seek(d->file, offset, whence) : -EBADF;

	describe("lseek(#%d, %lld, %d)", slot_of(d), (long long)offset, whence);
	expect(result(lseek(d->fd, offset, whence)), want);
}

static void check_times(__u64 monotonic, __u64 realtime, __u64 since)
{
	__u64 ahead = now(CLOCK_REALTIME) - now(CLOCK_MONOTONIC);

	if (!since)
		expect_field("time where there is none", monotonic | realtime, 0);
	else if (monotonic < since || monotonic > now(CLOCK_MONOTONIC))
		fail(ABOUT_STATE, "time %llu, should be after %llu", monotonic, since);
	else if (llabs((long long)(realtime - monotonic - ahead)) > 1000000000)
		fail(ABOUT_STATE, "realtime %llu is not monotonic %llu", realtime, monotonic);
}

void check_info(const struct file *file, const struct lastline_info *info)
{
	struct channel *channel = file->channel;

	expect_field("generation", info->generation, channel->newest);
	check_times(info->monotonic_ns, info->realtime_ns, model_latest(channel)->since);
	expect_field("line_max", info->line_max, channel->add.line_max);
	expect_field("readers", info->readers, channel->readers);
	expect_field("writers", info->writers, channel->writers);
	expect_field("sleepers", info->sleepers, channel->sleepers);
	expect_field("map_size", info->map_size, model_map_size(channel));
	expect_field("number", info->number, channel->add.number);
	expect_field("mode", info->mode, channel->add.mode);
	expect_field("spare", info->spare, 0);
}

void check_taken(const struct file *file, const struct lastline_taken *taken)
{
	expect_field("taken generation", taken->generation, file->taken.generation);
	check_times(taken->monotonic_ns, taken->realtime_ns, file->since);
	expect_field("missed", taken->missed, file->taken.missed);
	expect_field("missed_last", taken->missed_last, file->taken.missed_last);
	expect_field("spare", taken->spare[0] | taken->spare[1] | taken->spare[2], 0);
}

static const struct {
	const char *name;
	unsigned long number;
	size_t size;
} requests[] = {
	{ "INFO", LASTLINE_IOC_INFO, sizeof(struct lastline_info) },
	{ "TAKEN", LASTLINE_IOC_TAKEN, sizeof(struct lastline_taken) },
	{ "FIONREAD", FIONREAD, sizeof(int) },
	{ "CLEAR", LASTLINE_IOC_CLEAR, 0 },
	{ "CLEAR", LASTLINE_IOC_CLEAR, 0 },
	{ "FIONBIO", FIONBIO, sizeof(int) },
	{ "shorter INFO", _IOR(LASTLINE_IOC_MAGIC, 0x00, char[32]), 32 },
	{ "ADD", LASTLINE_CTL_ADD, sizeof(struct lastline_add) },
	{ "REMOVE", LASTLINE_CTL_REMOVE, 0 },
	{ "FIND", LASTLINE_CTL_FIND, LASTLINE_NAME_MAX },
};

static long model_ioctl(struct file *file, unsigned long number, bool good, int value)
{
	/* The kernel's own. */
	if (number == FIONBIO) {
		if (good)
			file->flags = (file->flags & ~O_NONBLOCK) | (value ? O_NONBLOCK : 0);
		return good ? 0 : -EFAULT;
	}
	if (file->channel->removed)
		return -ENODEV;
	switch (number) {
	case LASTLINE_IOC_INFO:
	case LASTLINE_IOC_TAKEN:
	case FIONREAD:
		return good ? 0 : -EFAULT;
	case LASTLINE_IOC_CLEAR:
		return model_clear(file);
	default:
		return -ENOTTY;
	}
}

static void check_ioctl(struct file *file, unsigned long number, const void *at)
{
	struct lastline_taken taken;
	struct lastline_info info;
	int bytes;

	if (number == LASTLINE_IOC_INFO)
		check_info(file, memcpy(&info, at, sizeof(info)));
	if (number == LASTLINE_IOC_TAKEN)
		check_taken(file, memcpy(&taken, at, sizeof(taken)));
	if (number == FIONREAD) {
		memcpy(&bytes, at, sizeof(bytes));
		expect_field("FIONREAD", bytes, model_readable(file));
	}
}

/* ioctl: descriptor, request, place, value */
void run_ioctl(const struct op *op)
{
	struct descriptor *d = pick(op->arg[0], NULL);
	unsigned int i = op->arg[1] % (ARRAY_SIZE(requests) + 1);
	bool known = i < ARRAY_SIZE(requests);
	/* Any other number of the driver's letter. */
	unsigned long number = known ? requests[i].number :
			       _IOC(op->arg[3] % 4, LASTLINE_IOC_MAGIC, 0x20 + op->arg[3] / 4 % 200,
				    op->arg[3] / 800 % 200);
	size_t size = known ? requests[i].size : 64;
	enum where where = draw_where(op->arg[2]);
	int value = op->arg[3] % 2;
	struct place place;
	long want = -EBADF;

	if (where == COMES_LATE)
		where = THERE;
	place = draw_place(&to, where, size, op->arg[2] / 16);
	if (d->file)
		want = model_ioctl(d->file, number, place.good >= size, value);
	describe("ioctl(#%d, %s %#lx%s)", slot_of(d), known ? requests[i].name : "unknown",
		 number, where_text(where));
	poison(&place, size);
	if (number == FIONBIO && place.good >= size)
		memcpy(place.at, &value, sizeof(value));
	make_absent(&to, &place);
	if (expect(result(ioctl(d->fd, number, place.at)), want) && !want)
		check_ioctl(d->file, number, place.at);
}

static short model_poll(struct file *file)
{
	short events = POLLOUT | POLLWRNORM;

	if (file->channel->removed)
		return POLLHUP | POLLERR;
	if (model_can_read(file) && model_readable(file))
		events |= POLLIN | POLLRDNORM;
	return events;
}

void poll_all(short events)
{
	struct pollfd polled[DESCRIPTORS];
	short want;
	int i;

	for (i = 0; i < DESCRIPTORS; i++)
		polled[i] = (struct pollfd) { .fd = descriptors[i].fd, .events = events };
	if (result(poll(polled, DESCRIPTORS, 0)) < 0)
		fail(ABOUT_STATE, "poll fails");
	for (i = 0; i < DESCRIPTORS; i++) {
		want = descriptors[i].fd >= 0 ? POLLNVAL : 0;
		if (descriptors[i].file)
			want = model_poll(descriptors[i].file) & (events | POLLHUP | POLLERR);
		if (polled[i].revents != want)
			fail(ABOUT_STATE, "then poll of #%d says %#x, should say %#x", i,
			     polled[i].revents, want);
	}
}

/* poll: events */
void run_poll(const struct op *op)
{
	describe("poll(%#x)", op->arg[0] & EVERY_EVENT);
	poll_all(op->arg[0] & EVERY_EVENT);
}

/* fcntl: descriptor, F_SETFL or F_GETFL, flags */
void run_fcntl(const struct op *op)
{
	struct descriptor *d = pick(op->arg[0], NULL);
	static const int bits[] = { O_NONBLOCK, O_NONBLOCK, O_APPEND, O_ASYNC, O_DIRECT };
	int flags = bits[op->arg[2] % 5] | (op->arg[2] / 5 % 2 ? bits[op->arg[2] / 10 % 5] : 0);
	bool set = op->arg[1] % 4;
	long want = -EBADF;

	if (op->arg[2] / 50 % 4 == 0)
		flags = 0;
	if (d->file) {
		want = set ? 0 : d->file->flags;
		if (set && flags & O_DIRECT)
			want = -EINVAL;
		else if (set)
			d->file->flags = (d->file->flags & ~SETTABLE) | flags;
	}
	describe("fcntl(#%d, %s, %#x)", slot_of(d), set ? "F_SETFL" : "F_GETFL", flags);
	if (set) {
		fcntl(d->fd, F_SETOWN, self);
		expect(result(fcntl(d->fd, F_SETFL, flags)), want);
	} else if (d->fd < 0 || d->file) {
		long got = result(fcntl(d->fd, F_GETFL));

		expect(got < 0 ? got : got & (O_ACCMODE | SETTABLE), want);
	}
}
