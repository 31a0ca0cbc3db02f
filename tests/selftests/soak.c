// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several kinds of writers and readers use one channel at the same time, on all CPUs.
 *
 *	soak [SECONDS]		8 by default; needs root, to add a channel
 *
 * In the first half, writers overwrite each other's lines as fast as they can. Some lines are
 * so long that writers reuse the slot while a reader copies it.
 *
 * In the second half, one writer runs in lockstep with the readers: it publishes a line as
 * soon as all readers have read the previous one, when they are about to sleep. A reader that
 * does not read the line has missed a wake-up.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>

#include "stress.h"

#define TIMEOUT_S	60		/* a line that takes longer is lost */
#define LONGEST		LASTLINE_LINE_MAX_MAX
#define BATCH		4		/* maximum number of lines per write */
#define SHARING		3		/* threads that share an open file */

#define LOCKSTEP	0		/* number of the lockstep writer */
#define FIRST		1		/* its line that precedes the start of the readers */
#define FINAL		0xf0000000U	/* its first line that makes a reader exit */

static int channel;
static __u64 start;		/* generation when the readers started */
static atomic_bool stop;	/* writers must stop */
static atomic_ullong published;	/* lines since the readers started */

/*
 * Writers
 */

static const struct writer_kind {
	const char *name;
	unsigned int lines;	/* maximum number of lines in a batch */
	unsigned int piece;	/* maximum bytes per write; 0: the whole batch */
	bool large;		/* only lines that take long to copy */
} writer_kinds[] = {
	{ "whole lines", .lines = 1 },
	{ "several lines per write", .lines = BATCH },
	{ "lines in pieces", .lines = BATCH, .piece = 4096 },
	{ "large lines", .lines = 1, .large = true },
};

static struct writer {
	pthread_t thread;
	const struct writer_kind *kind;
	struct line line;	/* last line written */
	int fd;
	char *buf;		/* room for BATCH lines */
} writers[ARRAY_SIZE(writer_kinds)], lockstep;

static void write_checked(struct writer *w, const char *data, size_t len)
{
	ssize_t ret = write(w->fd, data, len);

	if (ret != (ssize_t)len)
		report(WRONG_RESULT, "%s: write of %zu returns %zd: %s", w->kind->name, len,
		       ret, strerror(errno));
	else if (memchr(data, '\n', len))
		published++;
}

/* Mostly short, because short lines can be published at a higher rate. */
static size_t random_length(const struct writer *w)
{
	unsigned int most = random_below(16) ? 256 : random_below(8) ? 4096 : LONGEST;

	if (w->line.writer == LOCKSTEP)
		most = 64;
	if (w->kind->large)
		return LONGEST - random_below(LONGEST / 2);
	return LINE_SHORTEST + random_below(most - LINE_SHORTEST + 1);
}

static void write_batch(struct writer *w)
{
	unsigned int lines = 1 + random_below(w->kind->lines);
	size_t filled = 0, done, len;

	for (; lines; lines--, filled += w->line.length) {
		w->line.sequence++;
		w->line.length = random_length(w);
		line_make(w->buf + filled, &w->line);
	}
	for (done = 0; done < filled; done += len) {
		len = filled - done;
		if (w->kind->piece && len > w->kind->piece)
			len = 1 + random_below(w->kind->piece);
		write_checked(w, w->buf + done, len);
	}
}

static void *run_writer(void *argument)
{
	struct writer *w = argument;

	seed = w->line.writer;
	while (!stop)
		write_batch(w);
	return NULL;
}

static void init_writer(struct writer *w, unsigned int number, const struct writer_kind *kind)
{
	w->kind = kind;
	w->line.channel = channel;
	w->line.writer = number;
	w->fd = open_channel(channel, O_WRONLY);
	w->buf = malloc(BATCH * LONGEST);
}

static void run_writers(unsigned int ms)
{
	struct writer *w;

	for (w = writers; w < writers + ARRAY_SIZE(writers); w++) {
		init_writer(w, 1 + (w - writers), &writer_kinds[w - writers]);
		if (pthread_create(&w->thread, NULL, run_writer, w))
			ksft_exit_fail_msg("cannot create a thread\n");
	}
	usleep(ms * 1000);
	stop = true;
	for (w = writers; w < writers + ARRAY_SIZE(writers); w++) {
		pthread_join(w->thread, NULL);
		close(w->fd);
	}
}

/*
 * Readers
 */

static const struct reader_kind {
	const char *name;
	unsigned int threads;	/* that share the open file */
	int flags;		/* of open() */
	bool poll;		/* polls before each read, which must then succeed */
	bool edge;		/* waits with edge-triggered epoll after EAGAIN */
	unsigned int piece;	/* maximum bytes per read at the start of a line; 0: no limit */
} reader_kinds[] = {
	{ "read", 1 },
	{ "poll and read", 1, .flags = O_NONBLOCK, .poll = true },
	{ "edge-triggered epoll", 1, .flags = O_NONBLOCK, .edge = true },
	{ "read of pieces", 1, .piece = 61 },
	{ "shared read", SHARING },
};

/* An open file with its readers. */
static struct file {
	const struct reader_kind *kind;
	int fd;
	atomic_uint running;	/* running threads */
	atomic_ullong taken;	/* lines read, except FIRST */
	atomic_uint confirmed;	/* newest line read from the lockstep writer */
} files[ARRAY_SIZE(reader_kinds)];

struct reader {
	struct file *file;
	int epoll;
	char *buf;
	__u32 newest[ARRAY_SIZE(writers) + 1];	/* sequence number for each writer */
	struct lastline_taken taken;
};

static void wait_for_line(struct reader *r)
{
	struct pollfd pfd = { .fd = r->file->fd, .events = POLLIN };
	struct epoll_event event = {};

	if (r->file->kind->edge) {
		if (epoll_wait(r->epoll, &event, 1, -1) != 1 || event.events != EPOLLIN)
			report(WRONG_RESULT, "epoll reports %#x", event.events);
	} else if (poll(&pfd, 1, -1) != 1 || pfd.revents != POLLIN) {
		report(WRONG_RESULT, "poll reports %#x", pfd.revents);
	}
}

/* Returns the length of the next line, or 0 after an error. */
static size_t read_line(struct reader *r)
{
	const struct reader_kind *kind = r->file->kind;
	const char *newline;
	size_t len = 0, room;
	ssize_t ret;

	do {
		/* Only the start of a line is read in pieces, to save time. */
		room = kind->piece && len < 256 ? 1 + random_below(kind->piece) : LONGEST - len;
		if (kind->poll)
			wait_for_line(r);
		while ((ret = read(r->file->fd, r->buf + len, room)) < 0 && errno == EAGAIN &&
		       kind->edge)
			wait_for_line(r);
		if (ret <= 0) {
			report(WRONG_RESULT, "%s: read returns %zd: %s", kind->name, ret,
			       strerror(errno));
			return 0;
		}
		newline = memchr(r->buf + len, '\n', ret);
		len += ret;
		if (!newline && !kind->piece)
			report(TORN_LINE, "%s: a read returns no whole line", kind->name);
	} while (!newline && len < LONGEST);
	return len;
}

/* Only for a file with one reader. */
static void check_taken(struct reader *r)
{
	__u64 before = r->taken.generation ? r->taken.generation : start, missed;
	const char *name = r->file->kind->name;
	struct lastline_taken taken = {};

	ioctl(r->file->fd, LASTLINE_IOC_TAKEN, &taken);
	missed = taken.generation == start ? 0 : taken.generation - before - 1;
	if (taken.generation <= r->taken.generation || taken.monotonic_ns < r->taken.monotonic_ns)
		report(GOES_BACKWARDS, "%s: generation %llu after %llu, time %llu after %llu",
		       name, taken.generation, r->taken.generation, taken.monotonic_ns,
		       r->taken.monotonic_ns);
	else if (taken.missed_last != missed || taken.missed != r->taken.missed + missed)
		report(WRONG_COUNT, "%s: missed %llu, in total %llu, instead of %llu, %llu",
		       name, taken.missed_last, taken.missed, missed, r->taken.missed + missed);
	r->taken = taken;
}

/* Returns true if the reader must exit. */
static bool check_line(struct reader *r, size_t len)
{
	struct file *file = r->file;
	struct line line;

	if (!line_check(r->buf, len, &line) || line.channel != (__u32)channel ||
	    line.writer >= ARRAY_SIZE(r->newest)) {
		report(TORN_LINE, "%s: torn line of %zu bytes", file->kind->name, len);
		file->taken++;
		return false;
	}
	if (line.sequence <= r->newest[line.writer])
		report(GOES_BACKWARDS, "%s: line %u of writer %u after %u", file->kind->name,
		       line.sequence, line.writer, r->newest[line.writer]);
	r->newest[line.writer] = line.sequence;
	if (line.writer != LOCKSTEP || line.sequence != FIRST)
		file->taken++;
	if (line.writer != LOCKSTEP)
		return false;
	file->confirmed = line.sequence;
	return line.sequence >= FINAL;
}

static void *run_reader(void *argument)
{
	struct reader *r = argument;
	size_t len;

	seed = gettid();
	do {
		len = read_line(r);
		if (len && r->file->kind->threads == 1)
			check_taken(r);
	} while (len && !check_line(r, len));
	r->file->running--;
	return NULL;
}

static void start_readers(struct file *file, const struct reader_kind *kind)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct reader *r;
	pthread_t thread;

	file->kind = kind;
	file->fd = open_channel(channel, O_RDONLY | kind->flags);
	while (file->running < kind->threads) {
		r = calloc(1, sizeof(*r));
		r->file = file;
		r->buf = malloc(LONGEST);
		r->epoll = epoll_create1(EPOLL_CLOEXEC);
		epoll_ctl(r->epoll, EPOLL_CTL_ADD, file->fd, &event);
		file->running++;
		if (pthread_create(&thread, NULL, run_reader, r))
			ksft_exit_fail_msg("cannot create a thread\n");
	}
}

/*
 * Lockstep writer
 */

static void publish(__u32 sequence)
{
	lockstep.line.sequence = sequence - 1;
	write_batch(&lockstep);
}

/* Returns true if the readers of a file have not read this line or a later one yet. */
static bool reader_lacks(__u32 sequence)
{
	const struct file *file;

	for (file = files; file < files + ARRAY_SIZE(files); file++) {
		if (file->confirmed < sequence && file->running)
			return true;
	}
	return false;
}

/*
 * Waits until the readers of each file have read this line or a later one. Does not sleep, so
 * that the caller can publish the next line before the readers sleep.
 */
static bool wait_for_readers(__u32 sequence)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + TIMEOUT_S * 1000000000ULL;
	const struct file *file;

	while (reader_lacks(sequence) && now_ns(CLOCK_MONOTONIC) < end)
		sched_yield();
	if (!reader_lacks(sequence))
		return true;
	for (file = files; file < files + ARRAY_SIZE(files); file++)
		ksft_print_msg("%s: read line %u of %u\n", file->kind->name, file->confirmed,
			       sequence);
	return false;
}

/* Between no delay and one that is long enough for all readers to sleep. */
static void random_delay(void)
{
	unsigned int loops;

	for (loops = random_below(1 << random_below(15)); loops; loops--)
		asm volatile("");	/* the compiler must keep the loop */
}

/* Returns false if a reader has missed a wake-up. */
static bool publish_in_lockstep(__u32 sequence, unsigned int ms)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + ms * 1000000ULL;
	bool all = true;
	unsigned int i;

	while (all && now_ns(CLOCK_MONOTONIC) < end) {
		random_delay();
		publish(++sequence);
		all = wait_for_readers(sequence);
	}
	/* Each of these lines ends one thread of every file. */
	for (i = 0; all && i < SHARING; i++) {
		publish(FINAL + i);
		all = wait_for_readers(FINAL + i);
	}
	ksft_print_msg("%llu lines, %u of them in lockstep\n", published, sequence);
	return all;
}

static void check_totals(void)
{
	struct lastline_taken last = {};
	struct lastline_info info = {};
	const struct file *file;

	for (file = files; file < files + ARRAY_SIZE(files); file++) {
		ioctl(file->fd, LASTLINE_IOC_TAKEN, &last);
		if (file->taken + last.missed != last.generation - start)
			report(WRONG_COUNT, "%s: %llu taken and %llu missed of %llu lines",
			       file->kind->name, file->taken, last.missed,
			       last.generation - start);
	}
	ioctl(lockstep.fd, LASTLINE_IOC_INFO, &info);
	if (info.generation - start != published)
		report(WRONG_COUNT, "%llu lines published, but the generation advances by %llu",
		       published, info.generation - start);
}

int main(int argc, char **argv)
{
	static atomic_uint counts[VIOLATIONS];
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 8, i;
	int control = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);
	struct lastline_info info = {};
	bool got_last, all_woken;

	violations = counts;
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	if (control < 0)
		ksft_exit_skip("no /dev/lastline-control: load the module and run as root\n");
	ksft_set_plan(6);
	alarm(seconds + 300);
	channel = add_channel(control, -1, LASTLINE_MODE_LINE, LONGEST);
	if (channel < 0)
		ksft_exit_fail_msg("LASTLINE_CTL_ADD: %s\n", strerror(errno));

	init_writer(&lockstep, LOCKSTEP, &writer_kinds[0]);
	publish(FIRST);
	published = 0;
	ioctl(lockstep.fd, LASTLINE_IOC_INFO, &info);
	start = info.generation;
	for (i = 0; i < ARRAY_SIZE(files); i++)
		start_readers(&files[i], &reader_kinds[i]);

	run_writers(seconds * 500);
	publish(FIRST + 1);
	got_last = wait_for_readers(FIRST + 1);
	all_woken = got_last && publish_in_lockstep(FIRST + 1, seconds * 500);
	if (all_woken)
		check_totals();
	ioctl(control, LASTLINE_CTL_REMOVE, channel);

	ksft_test_result(!counts[TORN_LINE], "no reader gets a torn line\n");
	ksft_test_result(!counts[GOES_BACKWARDS],
			 "generations, times and sequence numbers never decrease\n");
	ksft_test_result(!counts[WRONG_RESULT], "no read, write or poll fails\n");
	ksft_test_result(all_woken && !counts[WRONG_COUNT],
			 "lines read and lines missed add up to lines published\n");
	ksft_test_result(got_last, "every reader gets the last line\n");
	ksft_test_result(all_woken, "a line published when readers fall asleep wakes them\n");
	ksft_finished();
}
