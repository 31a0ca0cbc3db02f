// SPDX-License-Identifier: GPL-2.0-only
/*
 * All kinds of writers and readers use one channel at the same time, on all CPUs.
 *
 *	soak [SECONDS]		8 unless given; needs root, for a channel of its own
 *
 * First half: writers overwrite each other's lines as fast as they can. Some lines are so
 * long that writers reuse their slot while a reader copies it.
 *
 * Second half: a referee publishes one line at a time, at the moment when the last reader
 * has confirmed the previous one and is about to sleep. A reader that does not confirm
 * has missed a wake-up.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>

#include "stress.h"

#define PATIENCE_S	60	/* after which a line counts as lost */
#define LONGEST		LASTLINE_LINE_MAX_MAX
#define BATCH		4	/* most lines in one write */
#define SHARERS		3	/* threads that share an open file */

#define REFEREE		0	/* its writer number */
#define PRESENT		1	/* its line that is there when the readers start */
#define FINAL		0xf0000000U	/* a reader of this or a later line of the referee exits */

static int channel;
static __u64 start;		/* generation when the readers started */
static atomic_bool stop;	/* the writers */
static atomic_ullong published;	/* lines since the readers started */

/*
 * Writers
 */

static const struct writer_kind {
	const char *name;
	unsigned int lines;	/* most lines in a batch */
	unsigned int piece;	/* longest write in bytes, if not a whole batch */
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
	struct line line;	/* the last one it made */
	int fd;
	char *buf;		/* room for BATCH lines */
} writers[ARRAY_SIZE(writer_kinds)], referee;

static void put(struct writer *w, const char *data, size_t len)
{
	ssize_t ret = write(w->fd, data, len);

	if (ret != (ssize_t)len)
		complain(WRONG_RESULT, "%s: write of %zu returns %zd: %s", w->kind->name, len,
			 ret, strerror(errno));
	else if (memchr(data, '\n', len))
		published++;
}

/* Mostly short lines, because only these are published at a high rate. */
static size_t draw_length(const struct writer *w)
{
	unsigned int most = draw(16) ? 256 : draw(8) ? 4096 : LONGEST;

	if (w->line.writer == REFEREE)
		most = 64;
	if (w->kind->large)
		return LONGEST - draw(LONGEST / 2);
	return LINE_SHORTEST + draw(most - LINE_SHORTEST + 1);
}

static void write_batch(struct writer *w)
{
	unsigned int lines = 1 + draw(w->kind->lines);
	size_t filled = 0, done, len;

	for (; lines; lines--, filled += w->line.length) {
		w->line.sequence++;
		w->line.length = draw_length(w);
		line_make(w->buf + filled, &w->line);
	}
	for (done = 0; done < filled; done += len) {
		len = filled - done;
		if (w->kind->piece && len > w->kind->piece)
			len = 1 + draw(w->kind->piece);
		put(w, w->buf + done, len);
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

static void set_up_writer(struct writer *w, unsigned int number, const struct writer_kind *kind)
{
	w->kind = kind;
	w->line.channel = channel;
	w->line.writer = number;
	w->fd = open_channel(channel, O_WRONLY);
	w->buf = malloc(BATCH * LONGEST);
}

static void write_for(unsigned int ms)
{
	struct writer *w;

	for (w = writers; w < writers + ARRAY_SIZE(writers); w++) {
		set_up_writer(w, 1 + (w - writers), &writer_kinds[w - writers]);
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
	bool poll;		/* poll first; the read must then succeed */
	bool edge;		/* edge-triggered epoll when nothing is left */
	unsigned int piece;	/* longest read at the start of a line in bytes, if limited */
} reader_kinds[] = {
	{ "read", 1 },
	{ "poll and read", 1, .flags = O_NONBLOCK, .poll = true },
	{ "edge-triggered epoll", 1, .flags = O_NONBLOCK, .edge = true },
	{ "read of pieces", 1, .piece = 61 },
	{ "shared read", SHARERS },
};

/* An open file, and what its readers found. */
static struct file {
	const struct reader_kind *kind;
	int fd;
	atomic_uint running;	/* threads */
	atomic_ullong taken;	/* lines since the readers started */
	atomic_uint confirmed;	/* newest line of the referee */
} files[ARRAY_SIZE(reader_kinds)];

struct reader {
	struct file *file;
	int epoll;
	char *buf;
	__u32 newest[ARRAY_SIZE(writers) + 1];	/* sequence number by writer */
	struct lastline_taken taken;
};

static void await_line(struct reader *r)
{
	struct pollfd pfd = { .fd = r->file->fd, .events = POLLIN };
	struct epoll_event event = {};

	if (r->file->kind->edge) {
		if (epoll_wait(r->epoll, &event, 1, -1) != 1 || event.events != EPOLLIN)
			complain(WRONG_RESULT, "epoll reports %#x", event.events);
	} else if (poll(&pfd, 1, -1) != 1 || pfd.revents != POLLIN) {
		complain(WRONG_RESULT, "poll reports %#x", pfd.revents);
	}
}

/* Returns the length of what should be a line, or 0 if no more can be read. */
static size_t get_line(struct reader *r)
{
	const struct reader_kind *kind = r->file->kind;
	const char *newline;
	size_t len = 0, room;
	ssize_t ret;

	do {
		/* The end of a long line in small pieces would take too long. */
		room = kind->piece && len < 256 ? 1 + draw(kind->piece) : LONGEST - len;
		if (kind->poll)
			await_line(r);
		while ((ret = read(r->file->fd, r->buf + len, room)) < 0 && errno == EAGAIN &&
		       kind->edge)
			await_line(r);
		if (ret <= 0) {
			complain(WRONG_RESULT, "%s: read returns %zd: %s", kind->name, ret,
				 strerror(errno));
			return 0;
		}
		newline = memchr(r->buf + len, '\n', ret);
		len += ret;
		if (!newline && !kind->piece)
			complain(TORN_LINE, "%s: a read returns no whole line", kind->name);
	} while (!newline && len < LONGEST);
	return len;
}

/* For a file with one reader. */
static void check_taken(struct reader *r)
{
	__u64 before = r->taken.generation ? r->taken.generation : start, missed;
	const char *name = r->file->kind->name;
	struct lastline_taken taken = {};

	ioctl(r->file->fd, LASTLINE_IOC_TAKEN, &taken);
	missed = taken.generation == start ? 0 : taken.generation - before - 1;
	if (taken.generation <= r->taken.generation || taken.monotonic_ns < r->taken.monotonic_ns)
		complain(GOES_BACKWARDS, "%s: generation %llu after %llu, time %llu after %llu",
			 name, taken.generation, r->taken.generation, taken.monotonic_ns,
			 r->taken.monotonic_ns);
	else if (taken.missed_last != missed || taken.missed != r->taken.missed + missed)
		complain(MISCOUNTED, "%s: missed %llu, in total %llu, instead of %llu, %llu",
			 name, taken.missed_last, taken.missed, missed, r->taken.missed + missed);
	r->taken = taken;
}

/* Returns true if it was the last line for this reader. */
static bool check_line(struct reader *r, size_t len)
{
	struct file *file = r->file;
	struct line line;

	if (!line_check(r->buf, len, &line) || line.channel != (__u32)channel ||
	    line.writer >= ARRAY_SIZE(r->newest)) {
		complain(TORN_LINE, "%s: torn line of %zu bytes", file->kind->name, len);
		file->taken++;
		return false;
	}
	if (line.sequence <= r->newest[line.writer])
		complain(GOES_BACKWARDS, "%s: line %u of writer %u after %u", file->kind->name,
			 line.sequence, line.writer, r->newest[line.writer]);
	r->newest[line.writer] = line.sequence;
	if (line.writer != REFEREE || line.sequence != PRESENT)
		file->taken++;
	if (line.writer != REFEREE)
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
		len = get_line(r);
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
 * The referee
 */

static void publish(__u32 sequence)
{
	referee.line.sequence = sequence - 1;
	write_batch(&referee);
}

/* Returns true if a file with a running reader has not confirmed this line or a later one. */
static bool is_unconfirmed(__u32 sequence)
{
	const struct file *file;

	for (file = files; file < files + ARRAY_SIZE(files); file++) {
		if (file->confirmed < sequence && file->running)
			return true;
	}
	return false;
}

/*
 * Returns true when every file has this line or a later one. Does not sleep, so that the
 * next line comes soon and finds readers that still run.
 */
static bool await_all(__u32 sequence)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + PATIENCE_S * 1000000000ULL;
	const struct file *file;

	while (is_unconfirmed(sequence) && now_ns(CLOCK_MONOTONIC) < end)
		sched_yield();
	if (!is_unconfirmed(sequence))
		return true;
	for (file = files; file < files + ARRAY_SIZE(files); file++)
		ksft_print_msg("%s: confirmed line %u of %u\n", file->kind->name,
			       file->confirmed, sequence);
	return false;
}

/* From no time at all to enough for all readers to be asleep. */
static void dawdle(void)
{
	unsigned int turns;

	for (turns = draw(1 << draw(15)); turns; turns--)
		asm volatile("");	/* keeps the loop */
}

/* Returns false if a reader misses a wake-up. */
static bool publish_one_by_one(__u32 sequence, unsigned int ms)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + ms * 1000000ULL;
	bool all = true;
	unsigned int i;

	while (all && now_ns(CLOCK_MONOTONIC) < end) {
		dawdle();
		publish(++sequence);
		all = await_all(sequence);
	}
	/* Each of these ends one thread of every file. */
	for (i = 0; all && i < SHARERS; i++) {
		publish(FINAL + i);
		all = await_all(FINAL + i);
	}
	ksft_print_msg("%llu lines, %u of them one by one\n", published, sequence);
	return all;
}

static void add_up(void)
{
	struct lastline_taken last = {};
	struct lastline_info info = {};
	const struct file *file;

	for (file = files; file < files + ARRAY_SIZE(files); file++) {
		ioctl(file->fd, LASTLINE_IOC_TAKEN, &last);
		if (file->taken + last.missed != last.generation - start)
			complain(MISCOUNTED, "%s: %llu taken and %llu missed of %llu lines",
				 file->kind->name, file->taken, last.missed,
				 last.generation - start);
	}
	ioctl(referee.fd, LASTLINE_IOC_INFO, &info);
	if (info.generation - start != published)
		complain(MISCOUNTED, "%llu lines published, but the generation advances by %llu",
			 published, info.generation - start);
}

int main(int argc, char **argv)
{
	static atomic_uint counts[VIOLATIONS];
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 8, i;
	int control = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);
	struct lastline_info info = {};
	bool final, awake;

	violations = counts;
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	if (control < 0)
		ksft_exit_skip("no /dev/lastline-control: load the module, become root\n");
	ksft_set_plan(6);
	alarm(seconds + 300);
	channel = add_channel(control, -1, LASTLINE_MODE_LINE, LONGEST);
	if (channel < 0)
		ksft_exit_fail_msg("LASTLINE_CTL_ADD: %s\n", strerror(errno));

	set_up_writer(&referee, REFEREE, &writer_kinds[0]);
	publish(PRESENT);
	published = 0;
	ioctl(referee.fd, LASTLINE_IOC_INFO, &info);
	start = info.generation;
	for (i = 0; i < ARRAY_SIZE(files); i++)
		start_readers(&files[i], &reader_kinds[i]);

	write_for(seconds * 500);
	publish(PRESENT + 1);
	final = await_all(PRESENT + 1);
	awake = final && publish_one_by_one(PRESENT + 1, seconds * 500);
	if (awake)
		add_up();
	ioctl(control, LASTLINE_CTL_REMOVE, channel);

	ksft_test_result(!counts[TORN_LINE], "no reader gets a torn line\n");
	ksft_test_result(!counts[GOES_BACKWARDS], "no generation, time or writer goes backwards\n");
	ksft_test_result(!counts[WRONG_RESULT], "no read, write or poll fails\n");
	ksft_test_result(awake && !counts[MISCOUNTED],
			 "taken and missed lines add up to all lines\n");
	ksft_test_result(final, "every reader gets the last line of the writers\n");
	ksft_test_result(awake, "a line published when readers fall asleep wakes all of them\n");
	ksft_finished();
}
