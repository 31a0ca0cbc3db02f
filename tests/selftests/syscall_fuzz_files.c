// SPDX-License-Identifier: GPL-2.0-only
/* Operations on an open file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kselftest.h"
#include "syscall_fuzz_run.h"

enum io_method { PLAIN, VECTOR, FLAGS, SPLICE, TAKE };

static const char *const names[2][TAKE + 1] = {
	{ "read", "readv", "preadv2(RWF_NOWAIT)", "splice", "TAKE" },
	{ "write", "writev", "pwritev2", "splice" },
};

/* A deadline is not set, expired or infinite. */
static const __u64 deadlines[] = { 0, 1, LASTLINE_FOREVER };
static struct lastline_take take;

static enum io_method random_method(uint32_t arg)
{
	static const enum io_method methods[] = {
		PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, TAKE, TAKE, VECTOR,
		VECTOR, VECTOR, VECTOR, SPLICE, SPLICE, FLAGS, FLAGS, FLAGS,
	};

	return methods[arg % ARRAY_SIZE(methods)];
}

static ssize_t splice_by_pipe(bool out, int fd, char *at, size_t size)
{
	int ends[2], saved;
	ssize_t ret;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -1;
	if (out) {
		ret = write(ends[1], at, size);
		if (ret == (ssize_t)size)
			ret = splice(ends[0], NULL, fd, NULL, size, 0);
	} else {
		ret = splice(fd, NULL, ends[1], NULL, size, 0);
	}
	saved = errno;
	close(ends[0]);
	close(ends[1]);
	errno = saved;
	return ret;
}

/* Splits a buffer into one to four pieces, some of which may be empty. */
static int split_buffer(struct iovec *vector, void *at, size_t size, uint32_t arg)
{
	int count = 1 + arg % 4, i;
	size_t piece;

	for (i = 0; i < count; i++) {
		piece = i == count - 1 ? size : (arg >> 4 * i) % (size + 1);
		vector[i] = (struct iovec) { at, piece };
		at += piece;
		size -= piece;
	}
	return count;
}

/* Writes if @out is true, otherwise reads. */
static ssize_t transfer(bool out, int fd, enum io_method method, char *at, size_t size,
			uint32_t arg)
{
	static const int write_flags[] = { RWF_NOWAIT, RWF_DSYNC, RWF_APPEND };
	int flags = method == VECTOR ? 0 : out ? write_flags[arg / 4 % 3] : RWF_NOWAIT;
	struct iovec vector[4];
	int count;

	switch (method) {
	case PLAIN:
		return out ? write(fd, at, size) : read(fd, at, size);
	case SPLICE:
		return splice_by_pipe(out, fd, at, size);
	case TAKE:
		take = (struct lastline_take) {
			.buf = (uintptr_t)at,
			.size = size,
			.deadline_ns = deadlines[arg % ARRAY_SIZE(deadlines)],
		};
		return ioctl(fd, LASTLINE_IOC_TAKE, &take);
	default:
		count = split_buffer(vector, at, size, arg);
		return out ? pwritev2(fd, vector, count, -1, flags) :
			     preadv2(fd, vector, count, -1, flags);
	}
}

/* Returns 1 if the kernel calls the driver, otherwise the result of the call. */
static long model_vfs(const struct descriptor *d, bool out, enum io_method method, size_t size,
		      const struct buffer *buffer)
{
	if (method == SPLICE && !size)
		return 0;
	if (!d->file)
		return -EBADF;
	if (out ? !model_can_write(d->file) : !model_can_read(d->file))
		return -EBADF;
	if (method == SPLICE && (!out || d->file->flags & O_APPEND ||
				 d->file->channel->add.mode == LASTLINE_MODE_RECORD))
		return -EINVAL;
	if (buffer->placement == KERNEL)
		return -EFAULT;
	return size || method == PLAIN ? 1 : 0;
}

/* Sends signals to interrupt a call that would sleep. */
static void interrupt_sleep(bool on)
{
	const struct itimerval time = {
		.it_interval.tv_usec = on * 2000,
		.it_value.tv_usec = on * 2000,
	};

	setitimer(ITIMER_REAL, &time, NULL);
}

void check_bytes(const struct buffer *buffer, size_t size, const char *wanted, long len)
{
	size_t i;

	if (len > 0 && memcmp(buffer->addr, wanted, len)) {
		for (i = 0; buffer->addr[i] == wanted[i]; i++)
			;
		fail("byte %zu of %ld is %#x, should be %#x", i, len,
		     (unsigned char)buffer->addr[i], (unsigned char)wanted[i]);
	}
	for (i = size; i < size + GUARD && i < buffer->accessible; i++) {
		if ((unsigned char)buffer->addr[i] != POISON)
			fail("changes byte %zu, after a buffer of %zu", i, size);
	}
}

static size_t random_read_size(const struct file *file, uint32_t arg)
{
	size_t readable = file ? model_readable(file) : 7;
	uint32_t more = arg / 8;
	const size_t sizes[] = {
		more % 2, 1 + more % 80, 1 + more % 80, readable, readable - !!readable,
		1 + more % 3000, AREA / 4, AREA / 4,
	};

	return sizes[arg % ARRAY_SIZE(sizes)];
}

static long model_read_call(struct descriptor *d, enum io_method method, size_t size,
			    const struct buffer *buffer, char *bytes)
{
	long ret = model_vfs(d, false, method, size, buffer);

	if (method == TAKE && d->file && d->file->channel->removed)
		return -ENODEV;
	if (method == TAKE && d->file && model_can_read(d->file) && !size)
		return -EINVAL;
	return ret == 1 ? model_read(d->file, size, buffer->accessible, bytes) : ret;
}

/* Returns the result of a read without an unseen line. -EINTR means that it sleeps. */
static long model_wait(const struct file *file, enum io_method method, __u64 deadline)
{
	if (method == FLAGS || file->flags & O_NONBLOCK || (method == TAKE && !deadline))
		return -EAGAIN;
	return method == TAKE && deadline != LASTLINE_FOREVER ? -ETIMEDOUT : -EINTR;
}

/* Arguments: descriptor, method, size, buffer */
void run_read(const struct op *op)
{
	static char wanted[MODEL_LINE_MAX];
	struct descriptor *d = pick_descriptor(op->arg[0], model_can_read);
	enum io_method method = random_method(op->arg[1]);
	uint32_t details = op->arg[1] / 16;
	size_t size = random_read_size(d->file, op->arg[2]);
	enum placement placement = random_placement(op->arg[3]);
	struct buffer buffer;
	long want, got;

	if (placement == KERNEL && (method != PLAIN || !size))
		placement = PRESENT;
	buffer = random_buffer(&output, placement, size, op->arg[3] / 16);
	want = model_read_call(d, method, size, &buffer, wanted);
	describe_call("%s(#%d, %zu bytes%s)", names[0][method], index_of(d), size,
		      placement_text(placement));
	poison_buffer(&buffer, size);
	if (want == -EAGAIN)
		want = model_wait(d->file, method, deadlines[details % ARRAY_SIZE(deadlines)]);
	if (want == -EINTR)
		interrupt_sleep(true);
	got = result(transfer(false, d->fd, method, buffer.addr, size, details));
	if (want == -EINTR)
		interrupt_sleep(false);
	if (!expect(got, want))
		return;
	check_bytes(&buffer, size, wanted, got);
	if (method == TAKE && got > 0) {
		check_taken(d->file, &take.taken);
		expect_field("left", take.left, d->file->rest_len);
	}
}

/* Reads with RWF_NOWAIT into a large buffer. */
void drain(unsigned int slot)
{
	const struct op op = { .arg = { 31 + 32 * slot, 15, 7 } };

	run_read(&op);
}

/* Often near a length at which the result changes. */
static size_t random_write_size(const struct file *file, uint32_t arg)
{
	size_t limit = file ? file->channel->add.line_max : 100;
	size_t room = file ? limit - file->partial_len : 100;
	uint32_t more = arg / 16;
	const size_t sizes[] = {
		more % 3, 1 + more % 40, 1 + more % 40, 1 + more % 40, 1 + more % 40,
		1 + more % 40, limit - 1, limit, limit + 1, 2 * limit + more % 2,
		2 * limit + 3 + more % 8, 2 * limit + 3 + more % 8, more % (3 * limit),
		room - !!room, room, 1 + more % limit,
	};

	return sizes[arg % ARRAY_SIZE(sizes)];
}

/* Random bytes, with newlines at critical offsets. */
static void random_bytes(char *bytes, size_t size, size_t limit, uint32_t arg)
{
	__u64 random = arg;
	size_t i, dense = arg % 8 == 5 ? 8 : arg % 8 == 6 ? 64 : 0;

	for (i = 0; i < size; i++) {
		bytes[i] = next_random(&random) & 0xff;
		if (bytes[i] == '\n')
			bytes[i] = '\0';
		if (dense && next_random(&random) % dense == 0)
			bytes[i] = '\n';
	}
	if (size && arg % 8 >= 1 && arg % 8 <= 5)
		bytes[size - 1] = '\n';
	/* The length of the last line (4) or of the partial line (7) is near the limit. */
	if ((arg % 8 == 4 || arg % 8 == 7) && size > limit + 2)
		bytes[size - limit - 2 + arg / 8 % 3] = '\n';
	/* So is the length of the line before the partial one. */
	if (arg % 8 == 7 && size > 2 * limit + 2)
		bytes[size - 2 * limit - 2 + arg / 24 % 3] = '\n';
}

static long model_write_call(struct descriptor *d, enum io_method method, size_t size,
			     const struct buffer *buffer, const char *bytes)
{
	long ret = model_vfs(d, true, method, size, buffer);
	const struct channel *channel;

	if (ret != 1)
		return ret;
	channel = d->file->channel;
	if (channel->removed)
		return -ENODEV;
	if (channel->add.mode == LASTLINE_MODE_RECORD && size > channel->add.line_max)
		return -EMSGSIZE;
	return buffer->accessible < size ? -EFAULT : model_write(d->file, bytes, size);
}

/* Arguments: descriptor, method and bytes, size, buffer */
void run_write(const struct op *op)
{
	static char bytes[AREA];
	struct descriptor *d = pick_descriptor(op->arg[0], model_can_write);
	enum io_method method = random_method(op->arg[1]);
	uint32_t details = op->arg[1] / 16;
	size_t size = random_write_size(d->file, op->arg[2]);
	enum placement placement = random_placement(op->arg[3]);
	struct buffer buffer;
	long want;

	if (method == TAKE)
		method = PLAIN;
	if (!size || method == SPLICE || (placement == KERNEL && method != PLAIN))
		placement = PRESENT;
	buffer = random_buffer(&input, placement, size - (placement == TRUNCATED), op->arg[3] / 16);
	random_bytes(bytes, size, d->file ? d->file->channel->add.line_max : 100, details);
	want = model_write_call(d, method, size, &buffer, bytes);
	describe_call("%s(#%d, %zu bytes%s)", names[1][method], index_of(d), size,
		      placement_text(placement));
	fill_buffer(&input, &buffer, bytes, size);
	expect(result(transfer(true, d->fd, method, buffer.addr, size, details)), want);
}

/* Arguments: descriptor, fsync or fdatasync */
void run_fsync(const struct op *op)
{
	struct descriptor *d = pick_descriptor(op->arg[0], model_can_write);
	long want = d->file ? model_fsync(d->file) : -EBADF;

	describe_call("fsync(#%d)", index_of(d));
	expect(result(op->arg[1] % 2 ? fsync(d->fd) : fdatasync(d->fd)), want);
}

/* Arguments: descriptor, whence, offset */
void run_seek(const struct op *op)
{
	static const int whences[] = { SEEK_SET, SEEK_END, SEEK_SET, SEEK_END, SEEK_CUR,
				       SEEK_DATA, SEEK_HOLE, 5, -1 };
	static const off_t offsets[] = { 0, 0, 0, 0, 1, -1, 4096, 1LL << 62, -1LL << 62 };
	struct descriptor *d = pick_descriptor(op->arg[0], NULL);
	int whence = whences[op->arg[1] % ARRAY_SIZE(whences)];
	off_t offset = offsets[op->arg[2] % ARRAY_SIZE(offsets)];
	long want = d->file ? model_seek(d->file, offset, whence) : -EBADF;

	describe_call("lseek(#%d, %lld, %d)", index_of(d), (long long)offset, whence);
	expect(result(lseek(d->fd, offset, whence)), want);
}

static void check_times(__u64 monotonic, __u64 realtime, __u64 since)
{
	__u64 ahead = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC);

	if (!since)
		expect_field("time of no line", monotonic | realtime, 0);
	else if (monotonic < since || monotonic > now_ns(CLOCK_MONOTONIC))
		fail("time is %llu, should be after %llu", monotonic, since);
	else if (llabs((long long)(realtime - monotonic - ahead)) > 1000000000)
		fail("realtime %llu does not match monotonic %llu", realtime, monotonic);
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
	expect_field("reserved", info->reserved, 0);
}

void check_taken(const struct file *file, const struct lastline_taken *taken)
{
	expect_field("taken generation", taken->generation, file->taken.generation);
	check_times(taken->monotonic_ns, taken->realtime_ns, file->since);
	expect_field("missed", taken->missed, file->taken.missed);
	expect_field("missed_last", taken->missed_last, file->taken.missed_last);
	expect_field("reserved", taken->reserved[0] | taken->reserved[1] | taken->reserved[2], 0);
}

static long model_ioctl(struct file *file, unsigned long request, bool good)
{
	if (file->channel->removed)
		return -ENODEV;
	switch (request) {
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

/* Arguments: descriptor, request, buffer, unknown request */
void run_ioctl(const struct op *op)
{
	const unsigned long requests[] = {
		LASTLINE_IOC_INFO, LASTLINE_IOC_TAKEN, FIONREAD, LASTLINE_IOC_CLEAR,
		LASTLINE_IOC_CLEAR, _IOR(LASTLINE_IOC_MAGIC, 0x00, char[32]),
		LASTLINE_CTL_ADD, LASTLINE_CTL_REMOVE, LASTLINE_CTL_FIND,
		_IOC(op->arg[3] % 4, LASTLINE_IOC_MAGIC, 0x20 + op->arg[3] / 4 % 200,
		     op->arg[3] / 800 % 200),
	};
	struct descriptor *d = pick_descriptor(op->arg[0], NULL);
	unsigned long request = requests[op->arg[1] % ARRAY_SIZE(requests)];
	size_t size = request == FIONREAD ? sizeof(int) : _IOC_SIZE(request);
	enum placement placement = random_placement(op->arg[2]);
	struct buffer buffer = random_buffer(&output, placement, size, op->arg[2] / 16);
	long want = -EBADF;

	if (d->file)
		want = model_ioctl(d->file, request, buffer.accessible >= size);
	describe_call("ioctl(#%d, %#lx%s)", index_of(d), request, placement_text(placement));
	poison_buffer(&buffer, size);
	if (expect(result(ioctl(d->fd, request, buffer.addr)), want) && size)
		check_bytes(&buffer, size, "", 0);
}

/* Arguments: descriptor, flags */
void run_fcntl(const struct op *op)
{
	static const int choices[] = { 0, O_NONBLOCK, O_APPEND, O_ASYNC, O_NONBLOCK | O_APPEND,
				     O_NONBLOCK | O_ASYNC };
	struct descriptor *d = pick_descriptor(op->arg[0], NULL);
	int flags = choices[op->arg[1] % ARRAY_SIZE(choices)];

	describe_call("fcntl(#%d, F_SETFL, %#x)", index_of(d), flags);
	fcntl(d->fd, F_SETOWN, self);
	expect(result(fcntl(d->fd, F_SETFL, flags)), d->file ? 0 : -EBADF);
	if (d->file)
		d->file->flags = (d->file->flags & O_ACCMODE) | flags;
}
