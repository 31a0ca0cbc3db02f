/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random calls on a few channels, while other threads add and remove these channels. The
 * results are not predictable, but every line must be whole and in the right channel, no
 * number may go backwards, and only certain errors are allowed.
 *
 * Each new channel has a different line_max. Its number and line_max identify it.
 */
#ifndef LASTLINE_STRESS_CALLS_H
#define LASTLINE_STRESS_CALLS_H

#include <poll.h>
#include <stdint.h>
#include <sys/mman.h>

#include "stress.h"

#define STRESS_CHANNELS	3
#define STRESS_FIRST	(LASTLINE_CHANNELS_MAX - STRESS_CHANNELS)
#define LIMIT_MIN	100		/* smallest line_max */
#define LIMIT_MAX	4000		/* largest line_max */
#define WRITERS_KNOWN	64		/* writers whose last line a reader remembers */

/* Shared by all processes. */
static struct stress {
	atomic_bool stop;
	atomic_bool unloading;			/* the module may be unloaded */
	atomic_uint writers;			/* number of the next thread */
	atomic_uint limits;			/* number of channels added so far */
	atomic_uint violations[VIOLATIONS];
	atomic_ulong calls, written, taken, added, removed;
} *stress;

static bool interrupts;				/* signals may interrupt calls with EINTR */
static __thread __u32 writer, sequence;
static __thread const char *current_call;

static inline void stress_init(unsigned int new_seed)
{
	stress = mmap(NULL, sizeof(*stress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	violations = stress->violations;
	seed = new_seed;
}

static inline void stress_init_thread(void)
{
	writer = atomic_fetch_add(&stress->writers, 1);
	seed += writer;
}

/* Reports the error of the current call unless it is allowed. */
static inline void expect_error(bool allowed)
{
	if (!allowed)
		report(WRONG_RESULT, "%s: %s", current_call, strerror(errno));
}

/* The node, the channel or the module does not exist. */
static inline bool errno_means_absent(void)
{
	return errno == ENOENT || errno == ENXIO || errno == ENODEV;
}

/* Does not keep the control device open, which would prevent unloading the module. */
static inline int control_call(unsigned long command, unsigned long argument)
{
	int ret, error, fd = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		expect_error(stress->unloading && errno_means_absent());
		errno = ENODEV;
		return -1;
	}
	ret = ioctl(fd, command, argument);
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

static inline void change_channel(void)
{
	struct lastline_add add = {
		.number = STRESS_FIRST + random_below(STRESS_CHANNELS),
		.mode = random_below(3) ? LASTLINE_MODE_LINE : LASTLINE_MODE_RECORD,
		.line_max = LIMIT_MIN + stress->limits++ % (LIMIT_MAX - LIMIT_MIN),
		.permissions = 0600,
	};

	if (random_below(4) == 0) {
		current_call = "REMOVE";
		if (control_call(LASTLINE_CTL_REMOVE, add.number) == add.number)
			stress->removed++;
		else
			expect_error(errno == ENODEV);
	} else {
		current_call = "ADD";
		if (random_below(2))
			snprintf(add.name, sizeof(add.name), "name-%u",
				 random_below(STRESS_CHANNELS));
		if (control_call(LASTLINE_CTL_ADD, (unsigned long)&add) == add.number)
			stress->added++;
		else
			expect_error(errno == EEXIST || (stress->unloading && errno == ENODEV));
	}
}

/* Also wakes all threads that sleep in the channels. */
static inline void remove_channels(void)
{
	int number;

	current_call = "REMOVE";
	for (number = STRESS_FIRST; number < LASTLINE_CHANNELS_MAX; number++)
		control_call(LASTLINE_CTL_REMOVE, number);
}

/**
 * struct session - an open file, and what its thread has read from it
 * @fd:     descriptor, -1 after map() has closed it
 * @flags:  flags of open()
 * @info:   result of INFO after open()
 * @newest: newest generation seen
 * @taken:  last result of TAKEN
 * @last:   newest line of each writer, indexed by its number modulo WRITERS_KNOWN
 */
struct session {
	int fd;
	int flags;
	struct lastline_info info;
	__u64 newest;
	struct lastline_taken taken;
	struct line last[WRITERS_KNOWN];
};

static inline __u32 identity(const struct session *s)
{
	return s->info.number << 16 | s->info.line_max;
}

static inline bool session_open(struct session *s, int flags)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int number = STRESS_FIRST + random_below(STRESS_CHANNELS);

	current_call = "open";
	memset(s, 0, sizeof(*s));
	s->flags = modes[random_below(3)] | flags;
	s->fd = open_channel(number, s->flags);
	if (s->fd < 0) {
		expect_error(errno_means_absent());
		usleep(1000);
		return false;
	}
	if (ioctl(s->fd, LASTLINE_IOC_INFO, &s->info)) {
		expect_error(errno == ENODEV);
		close(s->fd);
		return false;
	}
	if (s->info.number != (__u32)number)
		report(TORN_LINE, "channel %d has number %u", number, s->info.number);
	s->newest = s->info.generation;
	return true;
}

static inline void session_close(struct session *s)
{
	current_call = "close";
	if (s->fd >= 0 && close(s->fd))
		expect_error(false);
}

static inline void check_line(struct session *s, const char *buf, size_t len)
{
	struct line line, *last;

	stress->taken++;
	if (!line_check(buf, len, &line) || line.channel != identity(s)) {
		report(TORN_LINE, "%s: %zu bytes in channel %#x: %.32s", current_call, len,
		       identity(s), buf);
		return;
	}
	last = &s->last[line.writer % WRITERS_KNOWN];
	if (last->writer == line.writer && last->sequence > line.sequence)
		report(GOES_BACKWARDS, "%s: line %u of writer %u after %u", current_call,
		       line.sequence, line.writer, last->sequence);
	*last = line;
}

static inline size_t random_line(struct session *s, char *buf)
{
	unsigned int most = random_below(4) ? 60 : s->info.line_max - LINE_HEAD;
	struct line line = {
		.channel = identity(s),
		.writer = writer,
		.sequence = ++sequence,
		.length = LINE_SHORTEST + random_below(most),
	};

	line_make(buf, &line);
	return line.length;
}

static inline void write_all(struct session *s, const char *buf, size_t len)
{
	if (write(s->fd, buf, len) != (ssize_t)len)
		expect_error(errno == ENODEV);
	stress->written++;
}

/* In line mode, some writes begin with empty lines. Only the last line is published. */
static inline void write_line(struct session *s)
{
	char buf[LIMIT_MAX + 64];
	size_t empty = 0;

	if (s->info.mode == LASTLINE_MODE_LINE && !random_below(4))
		empty = random_below(64);
	memset(buf, '\n', empty);
	write_all(s, buf, empty + random_line(s, buf + empty));
}

/* If the process is killed between the two writes, no reader may get the first half. */
static inline void write_halves(struct session *s)
{
	char buf[LIMIT_MAX];
	size_t len = random_line(s, buf), first = 1 + random_below(len - 1);

	if (s->info.mode == LASTLINE_MODE_RECORD)
		return;
	write_all(s, buf, first);
	if (random_below(4) == 0)
		usleep(random_below(2000));
	write_all(s, buf + first, len - first);
}

static inline void *bad_address(void)
{
	void *address = NULL;

	asm("" : "+r"(address));	/* the compiler must not know the value */
	return address;
}

/* The driver must discard the slot that the write has started to fill. */
static inline void write_invalid(struct session *s)
{
	if (write(s->fd, bad_address(), 1 + random_below(s->info.line_max)) >= 0 ||
	    (errno != EFAULT && errno != ENODEV))
		report(WRONG_RESULT, "write from a bad address: %s", strerror(errno));
}

static inline void clear(struct session *s)
{
	if (ioctl(s->fd, LASTLINE_IOC_CLEAR))
		expect_error(errno == ENODEV);
}

static inline bool is_allowed_read_error(const struct session *s)
{
	return errno == ENODEV || (s->flags & O_NONBLOCK ? errno == EAGAIN :
						       interrupts && errno == EINTR);
}

/* Reads a line in one call or in pieces. Only the first piece may have to wait. */
static inline void read_line(struct session *s)
{
	size_t len = 0, most = random_below(2) ? LIMIT_MAX : 1 + random_below(200);
	char buf[LIMIT_MAX];
	ssize_t ret;

	do {
		ret = read(s->fd, buf + len, most < sizeof(buf) - len ? most : sizeof(buf) - len);
		if (ret <= 0) {
			expect_error(ret < 0 && (len ? errno == ENODEV : is_allowed_read_error(s)));
			return;
		}
		len += ret;
	} while (buf[len - 1] != '\n' && len < sizeof(buf));
	check_line(s, buf, len);
}

static inline void take(struct session *s)
{
	char buf[LIMIT_MAX];
	struct lastline_take take = {
		.buf = (uintptr_t)buf,
		.size = sizeof(buf),
		.deadline_ns = now_ns(CLOCK_MONOTONIC) + random_below(2000000),
	};
	int len = ioctl(s->fd, LASTLINE_IOC_TAKE, &take);

	if (len < 0)
		expect_error(errno == ETIMEDOUT || is_allowed_read_error(s));
	else
		check_line(s, buf, len);
}

static inline void poll_file(struct session *s)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int ret = poll(&pfd, 1, random_below(20));

	if (ret < 0)
		expect_error(errno == EINTR);
	else if (ret && pfd.revents != POLLIN && pfd.revents != (POLLHUP | POLLERR))
		report(WRONG_RESULT, "poll reports %#x", pfd.revents);
}

static inline void seek(struct session *s)
{
	if (lseek(s->fd, 0, random_below(2) ? SEEK_SET : SEEK_END))
		expect_error(errno == ENODEV);
}

/* Closes the file in some cases, so that the mapping has the last reference to the channel. */
static inline void map(struct session *s)
{
	const struct lastline_map *map;
	char buf[LIMIT_MAX];
	__u64 generation;
	unsigned int times;
	int len;

	map = mmap(NULL, s->info.map_size, PROT_READ, MAP_SHARED, s->fd, 0);
	if (map == MAP_FAILED) {
		expect_error(errno == ENODEV);
		return;
	}
	if (random_below(4) == 0) {
		close(s->fd);
		s->fd = -1;
	}
	for (times = random_below(20); times; times--) {
		len = lastline_map_read(map, buf, sizeof(buf), &generation);
		if (len <= 0)
			continue;
		if (generation < s->newest)
			report(GOES_BACKWARDS, "a mapping shows generation %llu after %llu",
			       generation, s->newest);
		s->newest = generation;
		check_line(s, buf, len);
	}
	munmap((void *)map, s->info.map_size);
}

static inline void check_numbers(struct session *s)
{
	struct lastline_taken taken;
	struct lastline_info info;

	if (ioctl(s->fd, LASTLINE_IOC_TAKEN, &taken) || ioctl(s->fd, LASTLINE_IOC_INFO, &info)) {
		expect_error(errno == ENODEV);
		return;
	}
	if (info.generation < s->newest || taken.generation > info.generation ||
	    taken.generation < s->taken.generation || taken.missed < s->taken.missed ||
	    taken.missed < taken.missed_last || taken.monotonic_ns < s->taken.monotonic_ns)
		report(GOES_BACKWARDS, "%llu, taken %llu, missed %llu; before %llu, %llu, %llu",
		       info.generation, taken.generation, taken.missed, s->newest,
		       s->taken.generation, s->taken.missed);
	s->newest = info.generation;
	s->taken = taken;
}

struct call {
	const char *name;
	void (*make)(struct session *s);
};

static inline void make_calls(struct session *s, unsigned int times)
{
	static const struct call writes[] = {
		{ "write", write_line }, { "write", write_line }, { "CLEAR", clear },
		{ "write of half a line", write_halves }, { "invalid write", write_invalid },
	};
	static const struct call reads[] = {
		{ "read", read_line }, { "read", read_line }, { "TAKE", take },
		{ "poll", poll_file }, { "lseek", seek }, { "map", map },
		{ "INFO and TAKEN", check_numbers },
	};
	int mode = s->flags & O_ACCMODE;
	const struct call *call;

	for (; times && s->fd >= 0 && !stress->stop; times--) {
		if (mode == O_WRONLY || (mode == O_RDWR && random_below(2)))
			call = &writes[random_below(ARRAY_SIZE(writes))];
		else
			call = &reads[random_below(ARRAY_SIZE(reads))];
		current_call = call->name;
		call->make(s);
		stress->calls++;
	}
}

#endif /* LASTLINE_STRESS_CALLS_H */
