// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes with several threads that use a few channels all at once, while those come
 * and go, signals arrive and some are killed. What a call returns is uncertain now; but
 * lines tell what they are, some numbers never go back, only certain errors may come,
 * and everybody ends when the channels are gone.
 *
 * A line is "CCCCCCCC WWWWWWWW SSSSSSSS LLLLLLLL ", in hex, for the channel that it was
 * written to, the thread that wrote it, how many that one had written, and the length;
 * then letters that follow from these, and a newline. Each channel made has another
 * line limit than those that had its number before, so that number and limit tell which
 * one somebody has open.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/lastline.h>

#include "kselftest.h"
#include "syscall_fuzz.h"
#include "clock.h"

#define FIRST		(FIRST_NUMBER + NUMBERS)	/* channel of the race */
#define THREADS		3
#define PROCESSES_MAX	64
#define LIMIT_MIN	100
#define LIMIT_MAX	4000
#define HEAD		36		/* bytes of a line before its letters */
#define KNOWN		64		/* writers whose last line a reader remembers */
#define PATIENCE_S	40
#define COMPLAINTS_MAX	5

/* Shared by all processes. */
static struct {
	atomic_bool stop;
	atomic_uint writers;			/* threads so far */
	atomic_uint complaints[RACE_WRONGS];
	atomic_ulong lines, taken;
	const char *volatile doing[PROCESSES_MAX][THREADS];
} *common;

/* Each thread's own. */
static __thread __u64 random_state;
static __thread __u32 writer, sequence;
static __thread const char *volatile *doing;
static bool restarts;			/* no call of this process is to end by a signal */
static void *volatile nowhere;		/* an address with nothing there */

static void complain(enum wrong wrong, const char *format, ...)
{
	char text[256] = "# ";
	va_list arguments;
	size_t len;

	if (atomic_fetch_add(&common->complaints[wrong], 1) >= COMPLAINTS_MAX)
		return;
	va_start(arguments, format);
	len = 2 + vsnprintf(text + 2, sizeof(text) - 3, format, arguments);
	va_end(arguments);
	if (len > sizeof(text) - 2)
		len = sizeof(text) - 2;
	text[len++] = '\n';
	/* At once and whole: a child must not use what a thread of its parent may hold. */
	if (write(STDOUT_FILENO, text, len) < 0)
		_exit(KSFT_FAIL);
}

static __u32 draw(__u32 below)
{
	return next_random(&random_state) % below;
}

/* What the thread is about to do, for the case that it does not end. */
static void begin(const char *what)
{
	*doing = what;
	__atomic_fetch_add(&shared->calls, 1, __ATOMIC_RELAXED);
}

#define EXPECT_ERROR(allowed)						\
do {									\
	if (!(allowed))							\
		complain(ERROR, "%s: %s", *doing, strerror(errno));	\
} while (0)

/*
 * Lines
 */

static char letter(__u32 channel, __u32 of, __u32 number, size_t i)
{
	return 'a' + (channel * 31 + of * 17 + number * 7 + i * (1 + number % 5)) % 26;
}

static void compose(char *line, __u32 channel, __u32 of, __u32 number, size_t len)
{
	char head[HEAD + 1];
	size_t i;

	snprintf(head, sizeof(head), "%08x %08x %08x %08x ", channel, of, number, (__u32)len);
	memcpy(line, head, HEAD);
	for (i = HEAD; i < len - 1; i++)
		line[i] = letter(channel, of, number, i);
	line[len - 1] = '\n';
}

/**
 * struct session - an open file and what is known of it
 * @fd:      its descriptor
 * @flags:   it was opened with these
 * @mode:    of the channel
 * @channel: which one
 * @limit:   its line limit
 * @newest:  generation seen last
 * @taken:   line taken last
 * @last:    by writer, modulo KNOWN: who, and its line seen last
 */
struct session {
	int fd;
	int flags;
	__u32 mode;
	__u32 channel;
	__u32 limit;
	__u64 newest;
	struct lastline_taken taken;
	struct {
		__u32 writer;
		__u32 number;
	} last[KNOWN];
};

static void check_line(struct session *s, const char *line, size_t len)
{
	static __thread char wanted[LIMIT_MAX];
	__u32 channel, of, number, length;

	atomic_fetch_add(&common->taken, 1);
	if (len <= HEAD || sscanf(line, "%8x %8x %8x %8x ", &channel, &of, &number, &length) != 4 ||
	    length != len || len > s->limit) {
		complain(TORN, "%s: a line of %zu bytes: %.40s", *doing, len, line);
		return;
	}
	compose(wanted, channel, of, number, len);
	if (memcmp(line, wanted, len))
		complain(TORN, "%s: torn: %.40s", *doing, line);
	else if (channel != s->channel)
		complain(TORN, "%s: channel %#x has a line of %#x", *doing, s->channel,
			 channel);
	if (s->last[of % KNOWN].writer == of && s->last[of % KNOWN].number > number)
		complain(BACKWARDS, "%s: line %u of writer %u after %u", *doing, number,
			 of, s->last[of % KNOWN].number);
	s->last[of % KNOWN].writer = of;
	s->last[of % KNOWN].number = number;
}

static void check_numbers(struct session *s)
{
	struct lastline_taken taken;
	struct lastline_info info;

	begin("INFO and TAKEN");
	if (ioctl(s->fd, LASTLINE_IOC_INFO, &info) || ioctl(s->fd, LASTLINE_IOC_TAKEN, &taken)) {
		EXPECT_ERROR(errno == ENODEV);
		return;
	}
	if (info.generation < s->newest || taken.generation > info.generation + (1 << 30) ||
	    taken.generation < s->taken.generation || taken.missed < s->taken.missed ||
	    taken.missed < taken.missed_last || taken.monotonic_ns < s->taken.monotonic_ns)
		complain(BACKWARDS, "now %llu, %llu taken, %llu missed; before %llu, %llu, %llu",
			 info.generation, taken.generation, taken.missed, s->newest,
			 s->taken.generation, s->taken.missed);
	s->newest = info.generation;
	s->taken = taken;
}

/*
 * What can be done with an open file
 */

static size_t draw_line(struct session *s, char *line)
{
	size_t len = HEAD + 1 + draw(draw(4) ? 64 : s->limit - HEAD);

	if (len > s->limit)
		len = s->limit;
	compose(line, s->channel, writer, ++sequence, len);
	return len;
}

static void put(struct session *s, const char *bytes, size_t len)
{
	if (write(s->fd, bytes, len) != (ssize_t)len)
		EXPECT_ERROR(errno == ENODEV);
	atomic_fetch_add(&common->lines, 1);
}

static void write_whole(struct session *s)
{
	char line[LIMIT_MAX];
	size_t len = draw_line(s, line);

	begin("write");
	put(s, line, len);
}

/* Only the last one is ever to be seen. */
static void write_several(struct session *s)
{
	char lines[LIMIT_MAX + 64];
	size_t before = s->mode == LASTLINE_MODE_LINE ? draw(64) : 0, len;

	memset(lines, '\n', before);
	len = draw_line(s, lines + before);
	begin("write of several lines");
	put(s, lines, before + len);
}

static void write_vector(struct session *s)
{
	char line[LIMIT_MAX];
	size_t len = draw_line(s, line), first = draw(len + 1);
	const struct iovec vector[] = { { line, first }, { line + first, len - first } };

	begin("writev");
	if (writev(s->fd, vector, 2) != (ssize_t)len)
		EXPECT_ERROR(errno == ENODEV);
}

/* In between this process may be killed, and nobody is to get the first half. */
static void write_halves(struct session *s)
{
	char line[LIMIT_MAX];
	size_t len = draw_line(s, line), first = 1 + draw(len - 1);

	if (s->mode == LASTLINE_MODE_RECORD)
		return;
	begin("write of half a line");
	put(s, line, first);
	if (draw(4) == 0)
		usleep(draw(2000));
	begin("write of the other half");
	put(s, line + first, len - first);
}

static void write_in_vain(struct session *s)
{
	static const char zeros[LIMIT_MAX + 1];

	begin("write from nowhere");
	if (write(s->fd, nowhere, 1 + draw(s->limit)) >= 0)
		complain(ERROR, "a write from nowhere succeeds");
	else
		EXPECT_ERROR(errno == EFAULT || errno == ENODEV);
	begin("write of too much");
	if (write(s->fd, zeros, s->limit + 1) >= 0)
		complain(ERROR, "a write of too much succeeds");
	else
		EXPECT_ERROR(errno == EMSGSIZE || errno == ENODEV);
}

static void clear(struct session *s)
{
	begin("CLEAR");
	if (ioctl(s->fd, LASTLINE_IOC_CLEAR))
		EXPECT_ERROR(errno == ENODEV);
}

static bool is_read_error(const struct session *s)
{
	return errno == ENODEV || (errno == EAGAIN && s->flags & O_NONBLOCK) ||
	       (errno == EINTR && !(s->flags & O_NONBLOCK) && !restarts);
}

static void read_whole(struct session *s)
{
	char line[LIMIT_MAX + 1];
	ssize_t len;

	begin(s->flags & O_NONBLOCK ? "nonblocking read" : "read");
	len = read(s->fd, line, LIMIT_MAX);
	if (len < 0) {
		EXPECT_ERROR(is_read_error(s));
		return;
	}
	line[len] = '\0';
	check_line(s, line, len);
}

/* Once begun, the rest of a line is there. */
static void read_pieces(struct session *s)
{
	char line[LIMIT_MAX + 1];
	size_t len = 0;
	ssize_t got;

	begin("read of a piece");
	do {
		got = read(s->fd, line + len, 1 + draw(draw(2) ? 20 : LIMIT_MAX - len));
		if (got <= 0) {
			EXPECT_ERROR(got < 0 && (len ? errno == ENODEV : is_read_error(s)));
			return;
		}
		len += got;
	} while (line[len - 1] != '\n' && len < LIMIT_MAX);
	line[len] = '\0';
	check_line(s, line, len);
}

static void read_vector(struct session *s)
{
	char line[LIMIT_MAX + 1];
	const struct iovec vector[] = { { line, 10 }, { line + 10, LIMIT_MAX - 10 } };
	ssize_t len;

	begin("preadv2");
	len = preadv2(s->fd, vector, 2, -1, RWF_NOWAIT);
	if (len < 0) {
		EXPECT_ERROR(errno == EAGAIN || errno == ENODEV);
		return;
	}
	line[len] = '\0';
	check_line(s, line, len);
}

static void read_until(struct session *s)
{
	char line[LIMIT_MAX + 1];
	struct lastline_take take = {
		.buf = (uintptr_t)line,
		.size = LIMIT_MAX,
		.deadline_ns = now_ns(CLOCK_MONOTONIC) + draw(2000000),
	};
	int len;

	begin("TAKE");
	len = ioctl(s->fd, LASTLINE_IOC_TAKE, &take);
	if (len < 0) {
		EXPECT_ERROR(errno == ETIMEDOUT || is_read_error(s));
		return;
	}
	line[len] = '\0';
	check_line(s, line, len);
}

static void read_in_vain(struct session *s)
{
	begin("read to nowhere");
	if (read(s->fd, nowhere, LIMIT_MAX) >= 0)
		complain(ERROR, "a read to nowhere succeeds");
	else
		EXPECT_ERROR(errno == EFAULT || is_read_error(s));
}

static void wait_for_news(struct session *s)
{
	struct pollfd polled = { .fd = s->fd, .events = POLLIN };
	int ret;

	begin("poll");
	ret = poll(&polled, 1, draw(20));
	if (ret < 0)
		EXPECT_ERROR(errno == EINTR);
	else if (ret && polled.revents != POLLIN && polled.revents != (POLLHUP | POLLERR))
		complain(ERROR, "poll says %#x", polled.revents);
}

static void seek(struct session *s)
{
	begin("lseek");
	if (lseek(s->fd, 0, draw(2) ? SEEK_SET : SEEK_END))
		EXPECT_ERROR(errno == ENODEV);
}

static void look_at_map(struct session *s)
{
	size_t size = (64 + 4 * ((s->limit + 25 + 63) / 64 * 64) + 4095) / 4096 * 4096;
	char line[LIMIT_MAX + 1];
	const struct lastline_map *map;
	__u64 generation;
	unsigned int times;
	int len;

	begin("mmap");
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, s->fd, 0);
	if (map == MAP_FAILED) {
		EXPECT_ERROR(errno == ENODEV);
		return;
	}
	for (times = draw(20); times; times--) {
		len = lastline_map_read(map, line, LIMIT_MAX, &generation);
		if (len <= 0)
			continue;
		if (generation < s->newest)
			complain(BACKWARDS, "a map shows generation %llu after %llu", generation,
				 s->newest);
		s->newest = generation;
		line[len] = '\0';
		check_line(s, line, len);
	}
	munmap((void *)map, size);
}

static void use(struct session *s, unsigned int times)
{
	static void (*const writes[])(struct session *s) = {
		write_whole, write_whole, write_whole, write_several, write_vector, write_halves,
		write_in_vain, clear,
	};
	static void (*const reads[])(struct session *s) = {
		read_whole, read_whole, read_pieces, read_vector, read_until, read_in_vain,
		wait_for_news, seek, look_at_map, check_numbers,
	};
	int mode = s->flags & O_ACCMODE;

	while (times-- && !atomic_load(&common->stop)) {
		if (mode == O_WRONLY || (mode == O_RDWR && draw(2)))
			writes[draw(ARRAY_SIZE(writes))](s);
		else
			reads[draw(ARRAY_SIZE(reads))](s);
	}
}

/* A child with the same open file, that may die half way through a line. */
static void use_with_child(struct session *s)
{
	char line[LIMIT_MAX];
	size_t len;
	pid_t child;

	begin("fork");
	child = fork();
	if (child < 0)
		return;
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		writer = atomic_fetch_add(&common->writers, 1);
		use(s, draw(8));
		if (draw(2))
			_exit(0);
		len = draw_line(s, line);
		if ((s->flags & O_ACCMODE) != O_RDONLY && s->mode == LASTLINE_MODE_LINE)
			put(s, line, len / 2);
		kill(getpid(), SIGKILL);
	}
	begin("wait for a child");
	if (draw(2)) {
		usleep(draw(3000));
		kill(child, SIGKILL);
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	/* It may have taken what we would have, and half of a line only. */
	lseek(s->fd, 0, SEEK_END);
	check_numbers(s);
}

static bool enter(struct session *s)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	struct lastline_info info;
	char path[32];

	memset(s, 0, sizeof(*s));
	s->flags = modes[draw(3)] | (draw(2) ? O_NONBLOCK : 0);
	snprintf(path, sizeof(path), "/dev/lastline%u", FIRST + draw(NUMBERS));
	begin("open");
	s->fd = open(path, s->flags | O_CLOEXEC);
	if (s->fd < 0) {
		EXPECT_ERROR(errno == ENOENT || errno == ENXIO || errno == ENODEV);
		return false;
	}
	if (ioctl(s->fd, LASTLINE_IOC_INFO, &info)) {
		EXPECT_ERROR(errno == ENODEV);
		close(s->fd);
		return false;
	}
	s->limit = info.line_max;
	s->mode = info.mode;
	s->channel = info.number << 16 | info.line_max;
	s->newest = info.generation;
	return true;
}

static void visit(void)
{
	struct session s;

	if (!enter(&s)) {
		usleep(1000);
		return;
	}
	use(&s, draw(30));
	/* Processes cost time. A killed one takes nothing along that we wrote. */
	if (draw(24) == 0) {
		use_with_child(&s);
		use(&s, draw(10));
	}
	begin("close");
	if (close(s.fd))
		EXPECT_ERROR(false);
}

static void *run_thread(void *argument)
{
	doing = argument;
	writer = atomic_fetch_add(&common->writers, 1);
	random_state += writer * 0x9e3779b97f4a7c15ULL;
	while (!atomic_load(&common->stop))
		visit();
	*doing = NULL;
	return NULL;
}

/*
 * The processes, and who rules over them
 */

static void do_nothing(int signal)
{
}

static noreturn void be_process(unsigned int number)
{
	struct sigaction action = { .sa_handler = do_nothing, .sa_flags = SA_RESTART };
	pthread_t threads[THREADS];
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &action, NULL);
	restarts = number % 2;
	action.sa_flags = restarts ? SA_RESTART : 0;
	sigaction(SIGUSR2, &action, NULL);
	for (i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, run_thread,
				   (void *)&common->doing[number][i]))
			_exit(KSFT_FAIL);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

static pid_t start_process(unsigned int number)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		be_process(number);
	return pid;
}

static bool ends(pid_t pid, time_t latest)
{
	while (waitpid(pid, NULL, WNOHANG) != pid) {
		if (time(NULL) > latest)
			return false;
		usleep(10000);
	}
	return true;
}

static void change_channels(void)
{
	static __u32 limits[NUMBERS];
	unsigned int i = draw(NUMBERS);
	struct lastline_add add = {
		.number = FIRST + i,
		.mode = draw(3) ? LASTLINE_MODE_LINE : LASTLINE_MODE_RECORD,
		.line_max = LIMIT_MIN + limits[i],
		.permissions = 0600,
	};

	begin("ADD and REMOVE");
	if (ioctl(control, LASTLINE_CTL_ADD, &add) == add.number) {
		limits[i] = (limits[i] + 1) % (LIMIT_MAX - LIMIT_MIN);
		return;
	}
	EXPECT_ERROR(errno == EEXIST);
	if (draw(4) == 0 && ioctl(control, LASTLINE_CTL_REMOVE, add.number) != add.number)
		EXPECT_ERROR(false);
}

static void kill_one(pid_t *pid, unsigned int number)
{
	kill(*pid, SIGKILL);
	if (!ends(*pid, time(NULL) + PATIENCE_S))
		complain(STUCK, "a killed process does not end");
	*pid = start_process(number);
}

/* Nobody is to sleep in what is not there any more. */
static void end_all(pid_t *pids, unsigned int processes)
{
	time_t latest = time(NULL) + PATIENCE_S;
	unsigned int i, j;

	atomic_store(&common->stop, true);
	for (i = 0; i < NUMBERS; i++)
		ioctl(control, LASTLINE_CTL_REMOVE, FIRST + i);
	for (i = 0; i < processes; i++) {
		if (ends(pids[i], latest))
			continue;
		for (j = 0; j < THREADS; j++) {
			if (common->doing[i][j])
				complain(STUCK, "a thread does not end: %s", common->doing[i][j]);
		}
		kill(pids[i], SIGKILL);
	}
}

/* Returns what went wrong, a bit each. */
unsigned int race(__u64 seed, unsigned int seconds, unsigned int processes)
{
	unsigned int kills = 0, signals = 0, wrong = 0, i;
	static const char *volatile mine;
	pid_t pids[PROCESSES_MAX];
	time_t end;

	if (processes > PROCESSES_MAX)
		processes = PROCESSES_MAX;
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	doing = &mine;
	random_state = seed;
	for (i = 0; i < NUMBERS; i++)
		change_channels();
	for (i = 0; i < processes; i++)
		pids[i] = start_process(i);
	for (end = time(NULL) + seconds; time(NULL) < end;) {
		i = draw(processes);
		switch (draw(16)) {
		case 0:
			kill_one(&pids[i], i);
			kills++;
			break;
		case 1:
		case 2:
		case 3:
			change_channels();
			break;
		default:
			kill(pids[i], draw(2) ? SIGUSR1 : SIGUSR2);
			signals++;
		}
		usleep(draw(4000));
	}
	end_all(pids, processes);
	ksft_print_msg("%lu lines written, %lu read; %u signals, %u processes killed\n",
		       common->lines, common->taken, signals, kills);
	for (i = 0; i < RACE_WRONGS; i++)
		wrong |= !!common->complaints[i] << i;
	return wrong;
}
