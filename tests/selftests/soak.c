// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every kind of writer and every kind of reader at once, on all processors.
 *
 *	soak [SECONDS]		how long to go on, 10 unless it is given
 *
 * LASTLINE_DEV names the channel, /dev/lastline0 unless it is set; nothing else
 * may use it meanwhile.
 *
 * First half: writers overwrite each other's lines as fast as they can. A line
 * tells who wrote it, how many that one wrote before, its length, and a checksum
 * of all that.
 *
 * Second half: a referee publishes one line at a time, at the moment when the
 * last reader has confirmed the one before and is just about to sleep. A reader
 * that does not confirm lost a wake-up.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/lastline.h>

#include "kselftest.h"

#define PATIENCE_S	60	/* until a line that must come counts as lost */
#define LONGEST		65536	/* longest line in bytes, if line_max allows it */
#define CHUNK		4096	/* bytes that stdio writes at a time */
#define BATCH		8	/* most lines in one write */
#define WRITERS_MAX	256
#define FILES_MAX	256
#define SHARERS		3	/* threads that share an open file */
#define COMPLAINTS_MAX	20

/* The line begins with "WW SSSSSSSSSSSSSSSS LLLLLLLL CCCCCCCCCCCCCCCC ", in hex. */
#define WRITER_AT	0
#define SEQUENCE_AT	3
#define LENGTH_AT	20
#define CHECKSUM_AT	29
#define PAYLOAD_AT	46
#define SHORTEST	(PAYLOAD_AT + 1)

#define REFEREE		0	/* the writer of the second half */
#define PRESENT		1	/* its line that is there when the readers begin */
#define FINAL		0x10000000000ULL	/* a reader of this or a later one ends */

static const char *device;
static size_t longest;
static __u64 start;		/* generation when the readers began */
static atomic_bool stop;	/* the writers */
static atomic_ullong published;	/* lines since the readers began */

/* What went wrong, by test. */
static atomic_uint torn, backwards, failed, miscounted;

static void complain(atomic_uint *about, const char *format, ...)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	va_list arguments;

	if (atomic_fetch_add(about, 1) >= COMPLAINTS_MAX)
		return;
	pthread_mutex_lock(&lock);
	va_start(arguments, format);
	printf("# ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	pthread_mutex_unlock(&lock);
}

static __u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* xorshift64*; @state is never 0 */
static __u64 next_random(__u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/*
 * Lines
 */

struct line {
	unsigned int writer;
	__u64 sequence;
	size_t length;		/* the newline included */
};

static void put_hex(char *to, int digits, __u64 value)
{
	while (digits--) {
		to[digits] = "0123456789abcdef"[value & 0xf];
		value >>= 4;
	}
}

/* Reads what is not hexadecimal as anything: the checksum finds out. */
static __u64 get_hex(const char *from, int digits)
{
	__u64 value = 0;

	for (; digits--; from++)
		value = value << 4 | ((*from & 0xf) + (*from > '9' ? 9 : 0));
	return value;
}

static __u64 mix(__u64 sum, __u64 word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
	return sum ^ sum >> 32;
}

static __u64 checksum(const struct line *line, const char *payload, size_t len)
{
	__u64 sum, word;

	sum = mix(mix(mix(1, line->writer), line->sequence), line->length);
	for (; len >= sizeof(word); len -= sizeof(word), payload += sizeof(word)) {
		memcpy(&word, payload, sizeof(word));
		sum = mix(sum, word);
	}
	word = 0;
	memcpy(&word, payload, len);
	return mix(sum, word);
}

static void compose(char *buf, const struct line *line, __u64 *state)
{
	size_t len = line->length - SHORTEST, i;
	__u64 word;

	memset(buf, ' ', PAYLOAD_AT);
	put_hex(buf + WRITER_AT, 2, line->writer);
	put_hex(buf + SEQUENCE_AT, 16, line->sequence);
	put_hex(buf + LENGTH_AT, 8, line->length);
	for (i = 0; i < len; i += sizeof(word)) {
		/* Never a newline. */
		word = next_random(state) | 0x8080808080808080ULL;
		memcpy(buf + PAYLOAD_AT + i, &word,
		       len - i < sizeof(word) ? len - i : sizeof(word));
	}
	put_hex(buf + CHECKSUM_AT, 16, checksum(line, buf + PAYLOAD_AT, len));
	buf[line->length - 1] = '\n';
}

/* Is this a line as compose() made it? */
static bool decompose(const char *buf, size_t len, struct line *line)
{
	if (len < SHORTEST || buf[len - 1] != '\n')
		return false;
	line->writer = get_hex(buf + WRITER_AT, 2);
	line->sequence = get_hex(buf + SEQUENCE_AT, 16);
	line->length = get_hex(buf + LENGTH_AT, 8);
	return line->length == len && line->writer < WRITERS_MAX &&
	       get_hex(buf + CHECKSUM_AT, 16) ==
	       checksum(line, buf + PAYLOAD_AT, len - SHORTEST);
}

/* Mostly short, sometimes as long as can be. */
static size_t some_length(size_t limit, __u64 *state)
{
	__u64 random = next_random(state);
	size_t most = random % 16 ? 256 : random / 16 % 8 ? 4096 : limit;

	if (most > limit)
		most = limit;
	return SHORTEST + (random >> 32) % (most - SHORTEST + 1);
}

/*
 * Writers
 */

struct writer {
	pthread_t thread;
	const struct writer_kind *kind;
	struct line line;	/* the one composed last */
	__u64 random;
	int fd;
	char *buf;		/* room for BATCH lines and a chunk */
	size_t filled;
};

struct writer_kind {
	const char *name;
	void (*write_some)(struct writer *w);
};

static int open_channel(int flags)
{
	int fd = open(device, flags | O_CLOEXEC);

	if (fd < 0)
		complain(&failed, "open: %s", strerror(errno));
	return fd;
}

static void put(struct writer *w, const char *data, size_t len)
{
	ssize_t ret = write(w->fd, data, len);

	if (ret != (ssize_t)len)
		complain(&failed, "%s: write of %zu gives %zd, %s", w->kind->name, len, ret,
			 ret < 0 ? strerror(errno) : "no error");
	else if (memchr(data, '\n', len))
		atomic_fetch_add(&published, 1);
}

/* Composes the next line behind those that are in the buffer. */
static void add_line(struct writer *w)
{
	w->line.sequence++;
	w->line.length = some_length(w->line.writer == REFEREE ? 64 : longest, &w->random);
	compose(w->buf + w->filled, &w->line, &w->random);
	w->filled += w->line.length;
}

static void write_whole(struct writer *w)
{
	w->filled = 0;
	add_line(w);
	put(w, w->buf, w->filled);
}

static void write_pieces(struct writer *w)
{
	size_t done = 0, len;

	w->filled = 0;
	add_line(w);
	while (done < w->filled) {
		len = 1 + next_random(&w->random) % (w->filled - done);
		put(w, w->buf + done, len);
		done += len;
	}
}

static void write_many(struct writer *w)
{
	int count = 1 + next_random(&w->random) % BATCH;

	w->filled = 0;
	while (count--)
		add_line(w);
	put(w, w->buf, w->filled);
}

static void write_vector(struct writer *w)
{
	struct iovec pieces[2];
	ssize_t ret;

	w->filled = 0;
	add_line(w);
	add_line(w);
	pieces[0].iov_base = w->buf;
	pieces[0].iov_len = next_random(&w->random) % w->filled;
	pieces[1].iov_base = w->buf + pieces[0].iov_len;
	pieces[1].iov_len = w->filled - pieces[0].iov_len;
	ret = writev(w->fd, pieces, 2);
	if (ret != (ssize_t)w->filled)
		complain(&failed, "writev of %zu gives %zd", w->filled, ret);
	atomic_fetch_add(&published, 1);
}

/* Chunks know nothing of lines. */
static void write_chunk(struct writer *w)
{
	while (w->filled < CHUNK)
		add_line(w);
	put(w, w->buf, CHUNK);
	w->filled -= CHUNK;
	memmove(w->buf, w->buf + CHUNK, w->filled);
}

/* Comes, writes no newline, and goes, which publishes. */
static void write_and_close(struct writer *w)
{
	int fd = w->fd;

	w->filled = 0;
	add_line(w);
	w->fd = open_channel(O_WRONLY);
	put(w, w->buf, w->filled - 1);
	close(w->fd);
	w->fd = fd;
	atomic_fetch_add(&published, 1);
}

static const struct writer_kind writer_kinds[] = {
	{ "whole lines", write_whole },
	{ "lines in pieces", write_pieces },
	{ "many lines per write", write_many },
	{ "writev", write_vector },
	{ "chunks", write_chunk },
	{ "open, write, close", write_and_close },
};

static void *run_writer(void *argument)
{
	struct writer *w = argument;

	while (!atomic_load(&stop))
		w->kind->write_some(w);
	/* What is half done would be published at the close, and is no line. */
	if (w->kind->write_some == write_chunk && w->filled)
		put(w, w->buf, w->filled);
	return NULL;
}

static void set_up_writer(struct writer *w, unsigned int number)
{
	w->kind = &writer_kinds[number % ARRAY_SIZE(writer_kinds)];
	w->line.writer = number;
	w->random = mix(number + 1, now_ms()) | 1;
	w->fd = open_channel(O_WRONLY);
	w->buf = malloc(BATCH * longest + CHUNK);
}

/*
 * Readers
 */

struct reader;

struct reader_kind {
	const char *name;
	ssize_t (*get)(struct reader *r, char *buf, size_t room);
	int flags;
	unsigned int threads;
	bool in_pieces;		/* a line may take several reads */
};

/* An open file, and what its readers found. */
struct file {
	const struct reader_kind *kind;
	int fd;
	pid_t threads[SHARERS];
	atomic_uint running;		/* of these threads */
	atomic_ullong taken;		/* lines since the readers began */
	/* Newest line of the referee; it awaits each one before the next. */
	atomic_ullong confirmed;
};

static struct file files[FILES_MAX];
static unsigned int file_count;
static sem_t everybody;		/* has confirmed, perhaps */

struct reader {
	pthread_t thread;
	struct file *file;
	unsigned int number;	/* of those that share the file */
	int epoll;
	__u64 random;
	char *buf;		/* room for a longest line */
	__u64 newest[WRITERS_MAX];	/* sequence number by writer */
	struct lastline_taken taken;
};

static ssize_t get_blocking(struct reader *r, char *buf, size_t room)
{
	return read(r->file->fd, buf, room);
}

static ssize_t get_byte(struct reader *r, char *buf, size_t room)
{
	return read(r->file->fd, buf, room ? 1 : 0);
}

static ssize_t get_odd(struct reader *r, char *buf, size_t room)
{
	size_t odd = 1 + next_random(&r->random) % 61;

	return read(r->file->fd, buf, odd < room ? odd : room);
}

static ssize_t get_odd_vector(struct reader *r, char *buf, size_t room)
{
	size_t odd = 1 + next_random(&r->random) % 61;
	struct iovec piece = { .iov_base = buf, .iov_len = odd < room ? odd : room };

	return readv(r->file->fd, &piece, 1);
}

static ssize_t get_vector(struct reader *r, char *buf, size_t room)
{
	size_t first = next_random(&r->random) % room;
	struct iovec pieces[] = {
		{ .iov_base = buf, .iov_len = first },
		{ .iov_base = buf + first, .iov_len = room - first },
	};

	return readv(r->file->fd, pieces, 2);
}

/* Nobody else reads this file, so what poll() promises must be there. */
static ssize_t get_polled(struct reader *r, char *buf, size_t room)
{
	struct pollfd pfd = { .fd = r->file->fd, .events = POLLIN };

	if (poll(&pfd, 1, -1) != 1 || pfd.revents != POLLIN) {
		complain(&failed, "poll says %#x", pfd.revents);
		return -1;
	}
	return read(pfd.fd, buf, room);
}

static ssize_t get_at_edge(struct reader *r, char *buf, size_t room)
{
	struct epoll_event event;
	ssize_t ret;

	for (;;) {
		ret = read(r->file->fd, buf, room);
		if (ret >= 0 || errno != EAGAIN)
			return ret;
		if (epoll_wait(r->epoll, &event, 1, -1) != 1 || event.events != EPOLLIN)
			complain(&failed, "epoll says %#x", event.events);
	}
}

/* Other threads sleep in a read of the same open file. */
static ssize_t get_nowait(struct reader *r, char *buf, size_t room)
{
	struct pollfd pfd = { .fd = r->file->fd, .events = POLLIN };
	struct iovec piece = { .iov_base = buf, .iov_len = room };
	ssize_t ret;

	for (;;) {
		ret = preadv2(pfd.fd, &piece, 1, -1, RWF_NOWAIT);
		if (ret >= 0 || errno != EAGAIN)
			return ret;
		poll(&pfd, 1, -1);
	}
}

static const struct reader_kind reader_kinds[] = {
	{ "blocking", get_blocking, 0, 1, false },
	{ "poll", get_polled, O_NONBLOCK, 1, false },
	{ "edge-triggered epoll", get_at_edge, O_NONBLOCK, 1, false },
	{ "byte by byte", get_byte, 0, 1, true },
	{ "small odd buffers", get_odd, 0, 1, true },
	{ "small odd buffers, readv", get_odd_vector, 0, 1, true },
	{ "readv", get_vector, 0, 1, false },
	{ "RWF_NOWAIT", get_nowait, 0, 1, false },
	{ "shared, blocking", get_blocking, 0, SHARERS, false },
	{ "shared, RWF_NOWAIT", get_nowait, 0, SHARERS, false },
};

/* Returns the length of what should be a line, or 0 if no more can be read. */
static size_t get_line(struct reader *r)
{
	const char *name = r->file->kind->name, *newline;
	size_t len = 0;
	ssize_t ret;

	do {
		ret = r->file->kind->get(r, r->buf + len, longest - len);
		if (ret <= 0) {
			complain(&failed, "%s: read gives %zd, %s", name, ret,
				 ret ? strerror(errno) : "end of file");
			return 0;
		}
		newline = memchr(r->buf + len, '\n', ret);
		len += ret;
		if (newline && newline != r->buf + len - 1)
			complain(&torn, "%s: a read gives bytes of two lines", name);
		if (!newline && !r->file->kind->in_pieces)
			complain(&torn, "%s: a read gives no whole line", name);
	} while (!newline && len < longest);
	return len;
}

/* Needs that nobody else reads this file. */
static void check_taken(struct reader *r)
{
	const char *name = r->file->kind->name;
	struct lastline_taken taken;
	__u64 before = r->taken.generation ? r->taken.generation : start;

	if (ioctl(r->file->fd, LASTLINE_IOC_TAKEN, &taken)) {
		complain(&failed, "LASTLINE_IOC_TAKEN: %s", strerror(errno));
		return;
	}
	if (taken.generation <= r->taken.generation)
		complain(&miscounted, "%s: generation %llu after %llu", name,
			 taken.generation, r->taken.generation);
	else if (taken.missed_last != (taken.generation == start ? 0 :
				       taken.generation - before - 1))
		complain(&miscounted, "%s: missed %llu between generations %llu and %llu",
			 name, taken.missed_last, before, taken.generation);
	if (taken.missed != r->taken.missed + taken.missed_last)
		complain(&miscounted, "%s: missed %llu and %llu more make %llu", name,
			 r->taken.missed, taken.missed_last, taken.missed);
	if (taken.monotonic_ns < r->taken.monotonic_ns)
		complain(&miscounted, "%s: time goes backwards", name);
	r->taken = taken;
}

static void check_order(struct reader *r, const struct line *line)
{
	__u64 *newest = &r->newest[line->writer];

	if (line->sequence <= *newest)
		complain(&backwards, "%s: line %llu of writer %u after %llu",
			 r->file->kind->name, line->sequence, line->writer, *newest);
	*newest = line->sequence;
}

/* A file that did not get this line or a later one, and can. */
static const struct file *first_unconfirmed(__u64 sequence)
{
	const struct file *file;

	for (file = files; file < files + file_count; file++) {
		if (atomic_load(&file->confirmed) < sequence && atomic_load(&file->running))
			return file;
	}
	return NULL;
}

static void confirm(struct file *file, __u64 sequence)
{
	atomic_store(&file->confirmed, sequence);
	if (!first_unconfirmed(sequence))
		sem_post(&everybody);
}

static void *run_reader(void *argument)
{
	struct reader *r = argument;
	struct file *file = r->file;
	struct line line = {};
	size_t len;

	file->threads[r->number] = gettid();
	while (line.writer != REFEREE || line.sequence < FINAL) {
		len = get_line(r);
		if (!len)
			break;
		if (!decompose(r->buf, len, &line)) {
			complain(&torn, "%s: torn line of %zu bytes", file->kind->name, len);
			line.writer = WRITERS_MAX;
		} else {
			check_order(r, &line);
		}
		if (file->kind->threads == 1)
			check_taken(r);
		if (line.writer != REFEREE || line.sequence != PRESENT)
			atomic_fetch_add(&file->taken, 1);
		if (line.writer == REFEREE)
			confirm(file, line.sequence);
	}
	atomic_fetch_sub(&file->running, 1);
	sem_post(&everybody);
	return NULL;
}

static void start_readers(struct file *file, unsigned int number)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct reader *r;

	file->kind = &reader_kinds[number % ARRAY_SIZE(reader_kinds)];
	file->fd = open_channel(O_RDONLY | file->kind->flags);
	while (atomic_load(&file->running) < file->kind->threads) {
		r = calloc(1, sizeof(*r));
		r->file = file;
		r->number = atomic_load(&file->running);
		r->random = mix(number + 1, now_ms()) | 1;
		r->buf = malloc(longest);
		r->epoll = epoll_create1(EPOLL_CLOEXEC);
		epoll_ctl(r->epoll, EPOLL_CTL_ADD, file->fd, &event);
		atomic_fetch_add(&file->running, 1);
		if (pthread_create(&r->thread, NULL, run_reader, r))
			ksft_exit_fail_msg("no thread: %s\n", strerror(errno));
	}
}

/*
 * The referee
 */

static struct writer referee;

static void publish(__u64 sequence)
{
	referee.line.sequence = sequence - 1;
	write_whole(&referee);
}

/* As ps(1) shows it: S sleeps, R would run if it had a processor. */
static char state_of(pid_t thread)
{
	char path[64], stat[256] = "", *name_end;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return '-';
	if (read(fd, stat, sizeof(stat) - 1) < 0)
		stat[0] = '\0';
	close(fd);
	name_end = strrchr(stat, ')');
	return name_end ? name_end[2] : '?';
}

static void tell_asleep(__u64 sequence)
{
	struct lastline_taken taken = {};
	struct lastline_info info = {};
	const struct file *file;
	unsigned int i;

	ioctl(referee.fd, LASTLINE_IOC_INFO, &info);
	ksft_print_msg("line %llu has generation %llu; %u threads sleep in a read\n", sequence,
		       info.generation, info.sleepers);
	for (file = files; file < files + file_count; file++) {
		ioctl(file->fd, LASTLINE_IOC_TAKEN, &taken);
		ksft_print_msg("%s: took generation %llu, confirmed line %llu, threads",
			       file->kind->name, taken.generation,
			       atomic_load(&file->confirmed));
		for (i = 0; i < file->kind->threads; i++)
			printf(" %c", state_of(file->threads[i]));
		printf("\n");
	}
}

/* Waits until every file got this line or a later one. Names one that did not. */
static const struct file *await_all(__u64 sequence)
{
	const struct file *file;
	struct timespec end;
	int turns;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += PATIENCE_S;
	/* Not to sleep is quicker, so that the next line finds readers that still run. */
	for (turns = 0; turns < 100 && first_unconfirmed(sequence); turns++)
		sched_yield();
	for (;;) {
		file = first_unconfirmed(sequence);
		if (!file)
			return NULL;
		if (sem_clockwait(&everybody, CLOCK_MONOTONIC, &end) && errno == ETIMEDOUT) {
			tell_asleep(sequence);
			return file;
		}
	}
}

/* From no time at all to enough for everybody to be asleep. */
static void dawdle(void)
{
	__u64 random = next_random(&referee.random);
	__u64 turns;

	for (turns = random >> 32 & ((1 << random % 15) - 1); turns; turns--)
		asm volatile("");	/* or the compiler does it all at once */
}

/* Adds up what all the readers found. */
static void add_up(__u64 *all_taken, __u64 *all_missed)
{
	struct lastline_taken last;
	struct lastline_info info;
	struct file *file;
	__u64 taken;

	for (file = files; file < files + file_count; file++) {
		taken = atomic_load(&file->taken);
		if (ioctl(file->fd, LASTLINE_IOC_TAKEN, &last))
			complain(&failed, "LASTLINE_IOC_TAKEN: %s", strerror(errno));
		else if (taken + last.missed != last.generation - start)
			complain(&miscounted,
				 "%s: %llu taken and %llu missed of %llu lines",
				 file->kind->name, taken, last.missed,
				 last.generation - start);
		*all_taken += taken;
		*all_missed += last.missed;
	}
	if (ioctl(referee.fd, LASTLINE_IOC_INFO, &info))
		complain(&failed, "LASTLINE_IOC_INFO: %s", strerror(errno));
	else if (info.generation - start != atomic_load(&published))
		complain(&miscounted, "%llu lines published, and the generation says %llu",
			 atomic_load(&published), info.generation - start);
}

static void write_for(unsigned int ms, struct writer *writers, unsigned int count)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	unsigned int i;

	for (i = 0; i < count; i++) {
		set_up_writer(&writers[i], i + 1);
		if (pthread_create(&writers[i].thread, NULL, run_writer, &writers[i]))
			ksft_exit_fail_msg("no thread: %s\n", strerror(errno));
	}
	nanosleep(&time, NULL);
	atomic_store(&stop, true);
	for (i = 0; i < count; i++) {
		pthread_join(writers[i].thread, NULL);
		close(writers[i].fd);
	}
}

static void time_is_up(int signal)
{
	static const char message[] = "Bail out! a writer waits, or the machine is too slow\n";

	if (write(STDOUT_FILENO, message, sizeof(message) - 1) < 0)
		_exit(signal);
	_exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	static struct writer writers[WRITERS_MAX - 1];
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 10;
	/* With one copy of everything there are some twenty threads. */
	unsigned int copies = 1 + sysconf(_SC_NPROCESSORS_ONLN) / 20, i;
	__u64 sequence = PRESENT, taken = 0, missed = 0, end;
	const struct file *final, *asleep;
	struct lastline_info info;

	device = getenv("LASTLINE_DEV");
	if (!device)
		device = "/dev/lastline0";
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	if (access(device, F_OK))
		ksft_exit_skip("no %s here; load the module\n", device);
	ksft_set_plan(6);
	if (copies > 20)
		copies = 20;
	signal(SIGALRM, time_is_up);
	alarm(seconds + 300);

	longest = LONGEST;
	set_up_writer(&referee, REFEREE);
	if (ioctl(referee.fd, LASTLINE_IOC_INFO, &info))
		ksft_exit_fail_msg("LASTLINE_IOC_INFO: %s\n", strerror(errno));
	if (longest > info.line_max)
		longest = info.line_max;

	sem_init(&everybody, 0, 0);
	publish(sequence);
	atomic_store(&published, 0);
	ioctl(referee.fd, LASTLINE_IOC_INFO, &info);
	start = info.generation;
	file_count = copies * ARRAY_SIZE(reader_kinds);
	for (i = 0; i < file_count; i++)
		start_readers(&files[i], i);

	write_for(seconds * 500, writers, copies * ARRAY_SIZE(writer_kinds));
	publish(++sequence);
	final = await_all(sequence);

	asleep = final;
	for (end = now_ms() + seconds * 500; !asleep && now_ms() < end;) {
		dawdle();
		publish(++sequence);
		asleep = await_all(sequence);
	}
	/* Each ends one thread of every file. */
	for (i = 0; !asleep && i < SHARERS; i++) {
		publish(FINAL + i);
		asleep = await_all(FINAL + i);
	}
	if (!asleep)
		add_up(&taken, &missed);

	ksft_print_msg("%llu lines published, %llu one by one; %u open files of %zu kinds\n",
		       atomic_load(&published), sequence, file_count, ARRAY_SIZE(reader_kinds));
	ksft_print_msg("%llu lines taken, %llu missed\n", taken, missed);
	ksft_test_result(!atomic_load(&torn), "no reader gets a torn line\n");
	ksft_test_result(!atomic_load(&backwards), "no reader sees a writer go backwards\n");
	ksft_test_result(!atomic_load(&failed), "no read, write or poll fails or ends\n");
	ksft_test_result(!asleep && !atomic_load(&miscounted),
			 "taken and missed lines add up, for each reader and all writers\n");
	ksft_test_result(!final, "when the writers stop, everybody gets the final line\n");
	ksft_test_result(!asleep, "a line published when everybody falls asleep wakes everybody\n");
	ksft_finished();
}
