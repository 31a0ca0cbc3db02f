// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad neighbours: what do others in the same channel, and in another one, see of
 * callers whose memory does not come, of thousands of sleeping readers, of a process
 * at its memory limit, and of a storm of writers? And what does it cost the machine?
 *
 *	neighbours [SLEEPERS [WRITERS]]		10000 and 1000 unless they are given
 *
 * Each neighbour is measured against the same machine without him, right before and
 * after. Needs root, and 40 KiB of memory for each sleeper (100 on a debug kernel).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/lastline.h>

#include "fuse_page.h"
#include "knobs.h"
#include "kselftest.h"
#include "slow_page.h"

#define US		1000ULL			/* ns */
#define MS		1000000ULL		/* ns */
#define S		1000000000ULL		/* ns */
#define ROUNDS		200			/* of one look */
#define ROUNDS_MIN	20			/* so that one moment's pause is not the median */
#define LOOK_MAX	(3 * S)			/* or so long, if they take longer */
#define PATIENCE	(60 * S)		/* until what must happen counts as lost */
#define WORST_MAX	(10 * S)		/* that anybody may wait because of a neighbour */
#define DIGITS		16
#define COPIES		8
#define LINE_SIZE	(DIGITS * COPIES + 1)
#define MEMORY_LIMIT	(32 << 20)		/* bytes, of the process at its limit */
#define HOG_FILES	128			/* of 1 MiB each: more than it may have */
#define STORM_S		3			/* s, without those who look */
#define WAVES		5			/* lines for all sleepers */
#define STALL_MS	60000			/* for a caller to miss its page */
#define FILE_MAX	2048			/* bytes, of an open file */
#define SLEEP_MAX	64			/* bytes, of a sleep in it: none */
#define WAKE_MAX	(1 * MS)		/* to wake up one sleeper */
#define SLACK_KIB	512			/* that others may take meanwhile */
#define KEPT_KIB	4096			/* that the kernel may keep for the next time */

enum { FILES_OPEN = 1, THREADS_COME, ALL_SLEEP };	/* of a crowd */
enum { STAGE, ASIDE, CHANNELS };		/* with the neighbour, and without */
static const char * const place[] = { "same channel", "another channel" };

/* What processes share. */
static struct shared {
	atomic_bool stop;
	atomic_uint torn;		/* lines that are none */
	atomic_uint phase;		/* of the crowd */
	atomic_uint ready;		/* threads in it */
	atomic_ullong sent;		/* the line that all sleepers are to get */
	atomic_uint got;		/* so many did */
	atomic_uint hogs;		/* processes that were at their limit */
	atomic_uint unstopped;		/* of them, who got beyond it */
	atomic_ullong written[];	/* by each of the storm */
} *shared;

static int control;
static __u64 worst_of_all;
static unsigned int stalled_callers;

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * S + ts.tv_nsec;
}

/* Waits until the expression is true, or patience is over; is it true? */
#define await(condition) ({						\
	__u64 await_end = now() + PATIENCE;				\
	bool came;							\
									\
	for (;;) {							\
		came = (condition);					\
		if (came || now() >= await_end)				\
			break;						\
		usleep(100);						\
	}								\
	came;								\
})

/* The same for what nothing goes on without. */
#define must_come(condition) do {					\
	if (!await(condition))						\
		ksft_exit_fail_msg("waited in vain: " #condition "\n");	\
} while (0)

/* A child that does not outlive us. */
static pid_t fork_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_msg("no process to be had: %s\n", strerror(errno));
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/*
 * Channels and lines
 */

static int add_channel(unsigned int line_max, unsigned int mode)
{
	struct lastline_add add = {
		.number = -1,
		.mode = mode,
		.line_max = line_max,
		.permissions = 0600,
	};
	int number = ioctl(control, LASTLINE_CTL_ADD, &add);

	if (number < 0)
		ksft_exit_fail_msg("no channel: %s\n", strerror(errno));
	return number;
}

static int open_channel(int number, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/lastline%d", number);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
	return fd;
}

static struct lastline_info info_of(int fd)
{
	struct lastline_info info = {};

	ioctl(fd, LASTLINE_IOC_INFO, &info);
	return info;
}

/* One number, again and again: a line that is put together of two has two. */
static void make_line(char *line, __u64 number)
{
	char digits[DIGITS + 1];
	int i;

	snprintf(digits, sizeof(digits), "%016llx", number);
	for (i = 0; i < COPIES; i++)
		memcpy(line + i * DIGITS, digits, DIGITS);
	line[LINE_SIZE - 1] = '\n';
}

/* The number of a line; 0 if it is not whole. */
static __u64 number_of(const char *line, ssize_t len)
{
	bool whole = len == LINE_SIZE && line[LINE_SIZE - 1] == '\n';
	char digits[DIGITS + 1] = "";
	int i;

	for (i = 1; whole && i < COPIES; i++)
		whole = !memcmp(line, line + i * DIGITS, DIGITS);
	if (!whole) {
		shared->torn++;
		return 0;
	}
	memcpy(digits, line, DIGITS);
	return strtoull(digits, NULL, 16);
}

static bool write_line(int fd, __u64 number)
{
	char line[LINE_SIZE];

	make_line(line, number);
	return write(fd, line, LINE_SIZE) == LINE_SIZE;
}

/*
 * What somebody sees who writes to a channel, and somebody who sleeps in it
 */

struct times {
	unsigned int count;
	__u64 worst;
	__u64 median;
	__u64 each[ROUNDS];
};

/* @write: a call. @wake: from the publication until a sleeping reader has the line. */
struct look {
	struct times write;
	struct times wake;
};

/*
 * Who looks goes before all others, but for who has a lock: what he waits for is the
 * driver, and not that others have their share of the processors, too.
 */
static void take_precedence(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first))
		ksft_exit_fail_msg("no precedence: %s\n", strerror(errno));
}

struct reader {
	pthread_t thread;
	int fd;
	atomic_bool stop;
	atomic_ullong got;
	struct times *times;
};

static void note(struct times *times, __u64 ns)
{
	if (times->count < ROUNDS)
		times->each[times->count++] = ns;
	if (ns > times->worst)
		times->worst = ns;
}

static int compare(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void sum_up(struct times *times)
{
	qsort(times->each, times->count, sizeof(*times->each), compare);
	times->median = times->count ? times->each[times->count / 2] : PATIENCE;
}

static void *read_lines(void *argument)
{
	struct reader *reader = argument;
	struct lastline_taken taken;
	char line[LINE_SIZE + 1];
	ssize_t len;
	__u64 end;

	take_precedence();
	while (!reader->stop) {
		len = read(reader->fd, line, sizeof(line));
		end = now();
		ioctl(reader->fd, LASTLINE_IOC_TAKEN, &taken);
		note(reader->times, end - taken.monotonic_ns);
		reader->got = number_of(line, len);
	}
	return NULL;
}

/* One line, when the reader sleeps: in a storm he may never. */
static void one_round(struct reader *reader, int fd, unsigned int sleepers, struct look *look)
{
	__u64 begin, end = now() + 20 * MS + sleepers * MS;

	while (info_of(fd).sleepers < sleepers && now() < end)
		usleep(100);
	begin = now();
	if (!write_line(fd, begin))
		ksft_exit_fail_msg("write: %s\n", strerror(errno));
	note(&look->write, now() - begin);
	if (!await(reader->got >= begin))
		note(&look->wake, PATIENCE);
}

/* Looks at one channel, in which so many others sleep. Returns the lines it wrote. */
static unsigned int look_at(int number, unsigned int others, struct look *look)
{
	struct reader reader = { .times = &look->wake };
	__u64 begin = now(), end = begin + LOOK_MAX;
	unsigned int written = 0;
	int fd;

	memset(look, 0, sizeof(*look));
	reader.fd = open_channel(number, O_RDONLY);
	fd = open_channel(number, O_WRONLY);
	/* Who waits for a neighbour here waits, too. */
	look->write.worst = now() - begin;
	lseek(reader.fd, 0, SEEK_END);
	pthread_create(&reader.thread, NULL, read_lines, &reader);
	for (; written < ROUNDS && (now() < end || written < ROUNDS_MIN); written++)
		one_round(&reader, fd, others + 1, look);
	reader.stop = true;
	write_line(fd, now());
	pthread_join(reader.thread, NULL);
	close(reader.fd);
	close(fd);
	sum_up(&look->write);
	sum_up(&look->wake);
	return written + 1;
}

static void look_at_both(const int *channels, unsigned int others, struct look *looks)
{
	look_at(channels[ASIDE], 0, &looks[ASIDE]);
	look_at(channels[STAGE], others, &looks[STAGE]);
}

/* What is slower than this was not because of the neighbour. */
static void slower(struct times *times, const struct times *other)
{
	if (other->median > times->median)
		times->median = other->median;
	if (other->worst > times->worst)
		times->worst = other->worst;
}

/* Looks again, as before the neighbour came. */
static void look_again(const int *channels, struct look *alone)
{
	static struct look again[CHANNELS];
	int i;

	look_at_both(channels, 0, again);
	for (i = 0; i < CHANNELS; i++) {
		slower(&alone[i].write, &again[i].write);
		slower(&alone[i].wake, &again[i].wake);
	}
}

static double ms(__u64 ns)
{
	return ns / (double)MS;
}

static void tell_times(const char *who, const char *where, const char *what,
		       const struct times *alone, const struct times *beside)
{
	ksft_print_msg("%s, %s: %s %.0f us (%.1f times), worst %.1f ms (%.1f without)\n",
		       who, where, what, beside->median / (double)US,
		       beside->median / (double)alone->median, ms(beside->worst),
		       ms(alone->worst));
	if (beside->worst > worst_of_all)
		worst_of_all = beside->worst;
}

/* Prints what became of it. */
static void tell(const char *who, int i, const struct look *alone, const struct look *beside)
{
	tell_times(who, place[i], "write", &alone->write, &beside->write);
	tell_times(who, place[i], "wake-up and read", &alone->wake, &beside->wake);
}

/* What a neighbour may cost others. Wide: who has this machine shares its processors. */
struct bound {
	unsigned int times;
	__u64 more;		/* ns */
};

static const struct bound of_idle = { 4, 10 * MS };
/* The kernel wakes 64 sleepers in a row with interrupts off. */
static const struct bound of_busy = { 20, 100 * MS };

static bool is_within(const struct bound *bound, const struct times *alone,
		      const struct times *beside)
{
	return beside->worst < alone->worst * bound->times + WORST_MAX &&
	       beside->median < alone->median * bound->times + bound->more;
}

static bool are_within(const struct bound *bound, const struct look *alone,
		       const struct look *beside)
{
	return is_within(bound, &alone->write, &beside->write) &&
	       is_within(bound, &alone->wake, &beside->wake);
}

/*
 * Memory of the machine
 */

/* All in KiB. */
struct memory {
	long available;
	long slab;
	long vmalloc;
};

/* The sum of all lines of a file that begin with this name, spaces aside. */
static long sum_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[128], first[32];
	long sum = 0, number;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%31s %ld", first, &number) == 2 && !strcmp(first, name))
			sum += number;
	}
	if (file)
		fclose(file);
	return sum;
}

/* What each processor keeps at hand is free, too, but MemAvailable leaves it out. */
static struct memory memory_now(void)
{
	const long page_kib = sysconf(_SC_PAGESIZE) / 1024;

	return (struct memory) {
		.available = sum_of("/proc/meminfo", "MemAvailable:") +
			     sum_of("/proc/zoneinfo", "count:") * page_kib,
		.slab = sum_of("/proc/meminfo", "Slab:"),
		.vmalloc = sum_of("/proc/meminfo", "VmallocUsed:"),
	};
}

static void tell_memory(const char *when, const struct memory *before)
{
	struct memory memory = memory_now();

	ksft_print_msg("memory %s: available %+ld KiB, slab %+ld, vmalloc %+ld\n", when,
		       memory.available - before->available, memory.slab - before->slab,
		       memory.vmalloc - before->vmalloc);
}

/* One that looks for leaks and late uses keeps what was freed, and books on it. */
static bool is_debug_kernel(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

/* The kernel keeps some for the next one, and frees some only after a while. */
static bool is_back(const struct memory *before, long kept)
{
	struct memory memory;
	bool back;

	back = await((memory = memory_now(), is_debug_kernel()) ||
		     (memory.available > before->available - kept &&
		      memory.slab < before->slab + kept &&
		      memory.vmalloc < before->vmalloc + kept));
	tell_memory("after", before);
	return back;
}

static void result_of_memory(bool good, const char *what)
{
	if (is_debug_kernel())
		ksft_test_result_skip("%s: not to be told on a debug kernel\n", what);
	else
		ksft_test_result(good, "%s\n", what);
}

/*
 * Callers whose memory does not come
 */

struct caller {
	const char *name;
	ssize_t (*call)(struct caller *caller);
	int flags;		/* to open the channel with */
	const char *text;	/* that the page brings */
	ssize_t expected;
	int error;
	/* What became of it. */
	pthread_t thread;
	struct slow_page slow;
	char *page;
	int fd;
	ssize_t ret;
	int errnum;
};

static ssize_t call_write(struct caller *caller)
{
	return write(caller->fd, caller->page, strlen(caller->text));
}

static ssize_t call_writev(struct caller *caller)
{
	struct iovec parts[] = {
		{ .iov_base = "first ", .iov_len = 6 },
		{ .iov_base = caller->page, .iov_len = strlen(caller->text) },
	};

	return writev(caller->fd, parts, ARRAY_SIZE(parts));
}

static ssize_t call_read(struct caller *caller)
{
	return read(caller->fd, caller->page, LINE_SIZE);
}

static ssize_t call_read_shortly(struct caller *caller)
{
	return read(caller->fd, caller->page, 1);
}

static ssize_t call_readv(struct caller *caller)
{
	char begin[DIGITS];
	struct iovec parts[] = {
		{ .iov_base = begin, .iov_len = sizeof(begin) },
		{ .iov_base = caller->page, .iov_len = LINE_SIZE },
	};

	return readv(caller->fd, parts, ARRAY_SIZE(parts));
}

static ssize_t call_info(struct caller *caller)
{
	return ioctl(caller->fd, LASTLINE_IOC_INFO, caller->page);
}

static ssize_t call_taken(struct caller *caller)
{
	return ioctl(caller->fd, LASTLINE_IOC_TAKEN, caller->page);
}

static ssize_t call_fionread(struct caller *caller)
{
	return ioctl(caller->fd, FIONREAD, caller->page);
}

static ssize_t call_find(struct caller *caller)
{
	return ioctl(control, LASTLINE_CTL_FIND, caller->page);
}

/* Of channel 0, which is there. */
static ssize_t call_add(struct caller *caller)
{
	return ioctl(control, LASTLINE_CTL_ADD, caller->page);
}

static struct caller callers[] = {
	{ "write", call_write, O_WRONLY, "slow\n", 5 },
	{ "write, unfinished", call_write, O_WRONLY, "slow", 4 },
	{ "writev", call_writev, O_WRONLY, "second\n", 13 },
	{ "read", call_read, O_RDONLY, "", LINE_SIZE },
	{ "read, short", call_read_shortly, O_RDONLY, "", 1 },
	{ "readv", call_readv, O_RDONLY, "", LINE_SIZE },
	{ "INFO", call_info, O_RDONLY, "" },
	{ "TAKEN", call_taken, O_RDONLY, "" },
	{ "FIONREAD", call_fionread, O_RDONLY, "" },
	{ "FIND", call_find, O_RDONLY, "nobody", -1, ENODEV },
	{ "ADD", call_add, O_RDONLY, "", -1, EEXIST },
};

/* Where the pages come from, late. */
struct source {
	const char *name;
	bool (*prepare)(void);
	bool (*await_faults)(void);
	void (*bring)(void);
	void (*drop)(void);
};

static bool prepare_uffd(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(callers); i++) {
		if (!prepare_page(&callers[i].slow))
			return false;
		callers[i].page = callers[i].slow.page;
	}
	return true;
}

static bool await_uffd(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(callers); i++) {
		if (!await_fault(&callers[i].slow, STALL_MS))
			return false;
	}
	return true;
}

static void bring_uffd(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(callers); i++)
		bring_page(&callers[i].slow, callers[i].text);
}

static void drop_uffd(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(callers); i++)
		drop_page(&callers[i].slow);
}

static bool prepare_fuse(void)
{
	static const char *texts[ARRAY_SIZE(callers)];
	char *pages;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(callers); i++)
		texts[i] = callers[i].text;
	pages = fuse_open(texts, ARRAY_SIZE(texts));
	for (i = 0; pages && i < ARRAY_SIZE(callers); i++)
		callers[i].page = pages + i * sysconf(_SC_PAGESIZE);
	return pages;
}

static bool await_fuse(void)
{
	return await(fuse_waiting() == ARRAY_SIZE(callers));
}

static const struct source sources[] = {
	{ "userfaultfd", prepare_uffd, await_uffd, bring_uffd, drop_uffd },
	{ "FUSE", prepare_fuse, await_fuse, fuse_bring, fuse_close },
};

static void *run_caller(void *argument)
{
	struct caller *caller = argument;

	caller->ret = caller->call(caller);
	caller->errnum = errno;
	return NULL;
}

static sem_t enough;

/* Brings the pages when all was seen, or when somebody seems to wait for them. */
static void *bring_at_last(void *argument)
{
	const struct source *source = argument;
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 4 * LOOK_MAX / S;
	sem_timedwait(&enough, &end);
	source->bring();
	return NULL;
}

static bool got_what_it_wanted(const struct caller *caller)
{
	bool good = caller->ret == caller->expected &&
		    (caller->ret >= 0 || caller->errnum == caller->error);

	if (!good)
		ksft_print_msg("%s: %zd, %s\n", caller->name, caller->ret,
			       strerror(caller->errnum));
	return good;
}

/* Returns true if all are in their call and stay there. */
static bool start_callers(const struct source *source, int number)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(callers); i++) {
		callers[i].fd = open_channel(number, callers[i].flags);
		pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]);
	}
	return source->await_faults();
}

static bool end_callers(void)
{
	bool good = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(callers); i++) {
		pthread_join(callers[i].thread, NULL);
		good &= got_what_it_wanted(&callers[i]);
		close(callers[i].fd);
	}
	return good;
}

static void try_stalled(const struct source *source, const int *channels)
{
	static struct look alone[CHANNELS], beside[CHANNELS];
	bool stalled, like;
	pthread_t bringer;
	int i;

	if (!source->prepare()) {
		ksft_test_result_skip("callers that wait for %s: not to be had here\n",
				      source->name);
		ksft_test_result_skip("who else waits for %s\n", source->name);
		return;
	}
	look_at_both(channels, 0, alone);
	sem_init(&enough, 0, 0);
	stalled = start_callers(source, channels[STAGE]);
	pthread_create(&bringer, NULL, bring_at_last, (void *)source);
	look_at_both(channels, 0, beside);
	sem_post(&enough);
	pthread_join(bringer, NULL);
	ksft_test_result(end_callers() && stalled,
			 "callers that waited for %s get what they asked for\n",
			 source->name);
	source->drop();
	stalled_callers += ARRAY_SIZE(callers);

	look_again(channels, alone);
	for (i = 0, like = true; i < CHANNELS; i++) {
		tell("stalled callers", i, &alone[i], &beside[i]);
		like &= are_within(&of_idle, &alone[i], &beside[i]);
	}
	ksft_test_result(like, "nobody else waits for %s\n", source->name);
}

/*
 * Sleeping readers
 */

static int door[2];	/* closed when the crowd may go to sleep */

static void *sleep_and_read(void *argument)
{
	int fd = (long)argument;
	char line[LINE_SIZE + 1], c;
	ssize_t len;

	shared->ready++;
	(void)!read(door[0], &c, 1);
	while ((len = read(fd, line, sizeof(line))) > 0) {
		if (number_of(line, len) == shared->sent)
			shared->got++;
	}
	return NULL;
}

/* A process with so many readers, which goes on as @shared->phase does. */
static void be_a_crowd(int channel, unsigned int count)
{
	const size_t size = PTHREAD_STACK_MIN;
	char *stacks = mmap(NULL, count * size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int first = open_channel(channel, O_RDONLY);
	pthread_attr_t attributes;
	pthread_t thread;
	unsigned int i;

	for (i = 1; i < count; i++)
		open_channel(channel, O_RDONLY);
	shared->phase = FILES_OPEN;
	must_come(shared->phase == THREADS_COME);
	pthread_attr_init(&attributes);
	for (i = 0; i < count; i++) {
		pthread_attr_setstack(&attributes, stacks + i * size, size);
		if (pthread_create(&thread, &attributes, sleep_and_read,
				   (void *)(long)(first + i)))
			ksft_exit_fail_msg("no more than %u threads to be had\n", i);
	}
	must_come(shared->phase == ALL_SLEEP);
	close(door[1]);
	pause();
}

/* One line for all of them. Returns false if somebody did not get it. */
static bool send_wave(int fd, unsigned int count)
{
	__u64 begin = now(), written;
	bool all;

	shared->got = 0;
	shared->sent = begin;
	write_line(fd, begin);
	written = now() - begin;
	all = await(shared->got == count);
	ksft_print_msg("a line for %u sleepers: written in %.1f ms, %u have it after %.1f ms\n",
		       count, ms(written), shared->got, ms(now() - begin));
	return await(info_of(fd).sleepers == count) && all;
}

/* Keeps waking them. */
static pid_t start_waker(int fd, unsigned int count)
{
	pid_t pid = fork_child();

	if (pid)
		return pid;
	while (await(info_of(fd).sleepers == count))
		write_line(fd, now());
	exit(1);
}

static long bytes_each(long kib, unsigned int count)
{
	return kib * 1024 / (long)count;
}

/* Returns the crowd when all of it sleeps, and tells what it takes. */
static pid_t start_crowd(int channel, int fd, unsigned int count)
{
	struct memory before, files, threads, asleep;
	bool cheap;
	pid_t pid;

	shared->phase = 0;
	shared->ready = 0;
	if (pipe(door))
		ksft_exit_fail_msg("no pipe: %s\n", strerror(errno));
	before = memory_now();
	pid = fork_child();
	if (!pid)
		be_a_crowd(channel, count);
	close(door[1]);
	must_come(shared->phase == FILES_OPEN);
	files = memory_now();
	shared->phase = THREADS_COME;
	must_come(shared->ready == count);
	threads = memory_now();
	shared->phase = ALL_SLEEP;
	must_come(info_of(fd).sleepers == count);
	asleep = memory_now();
	close(door[0]);
	ksft_print_msg("%u readers: %ld bytes each open file, %ld thread, %ld sleep\n", count,
		       bytes_each(files.slab - before.slab, count),
		       bytes_each(files.available - threads.available, count),
		       bytes_each(asleep.slab - threads.slab, count));
	cheap = files.slab - before.slab < count * FILE_MAX / 1024 + SLACK_KIB &&
		asleep.slab - threads.slab < count * SLEEP_MAX / 1024 + SLACK_KIB &&
		asleep.vmalloc - threads.vmalloc < SLACK_KIB;
	result_of_memory(cheap, "a sleeping reader costs an open file, and its sleep nothing");
	return pid;
}

static void try_sleepers(const int *channels, unsigned int count)
{
	static struct look alone[CHANNELS], beside[CHANNELS], woken;
	struct memory before = memory_now();
	int fd = open_channel(channels[STAGE], O_WRONLY), i;
	pid_t crowd, waker;
	bool all = true;

	look_at_both(channels, 0, alone);
	crowd = start_crowd(channels[STAGE], fd, count);
	tell_memory("with all sleepers", &before);
	for (i = 0; i < WAVES && all; i++)
		all = send_wave(fd, count);
	ksft_test_result(all, "all sleeping readers get the line of one write\n");
	look_at_both(channels, count, beside);
	waker = start_waker(fd, count);
	look_at(channels[ASIDE], 0, &woken);
	end_child(waker);
	end_child(crowd);
	close(fd);

	look_again(channels, alone);
	tell("sleepers", STAGE, &alone[STAGE], &beside[STAGE]);
	tell("sleepers", ASIDE, &alone[ASIDE], &beside[ASIDE]);
	tell("sleepers that wake up", ASIDE, &alone[ASIDE], &woken);
	ksft_test_result(beside[STAGE].write.median < alone[STAGE].write.median + count * WAKE_MAX,
			 "who writes to sleeping readers pays for their wake-ups, no more\n");
	ksft_test_result(are_within(&of_idle, &alone[ASIDE], &beside[ASIDE]),
			 "who uses another channel does not notice them\n");
	ksft_test_result(are_within(&of_busy, &alone[ASIDE], &woken),
			 "nor does he wait for them when they wake up\n");
	result_of_memory(is_back(&before, KEPT_KIB + count / 4),
			 "the memory of sleeping readers that were killed is back");
}

/*
 * A process at its memory limit
 */

#define GROUPS		"/sys/fs/cgroup/"
#define GROUP		GROUPS "lastline-neighbours"

static long get_number(const char *path)
{
	char value[32];

	knob_get(path, value, sizeof(value));
	return *value ? atol(value) : LONG_MAX;
}

/* Keeps as many bytes of unfinished lines as it gets. Never returns. */
static void hog_memory(int channel)
{
	char *buf;
	int i;

	if (!knob_set(GROUP "/cgroup.procs", "0"))
		exit(1);
	buf = malloc(LASTLINE_LINE_MAX_MAX);
	memset(buf, 'x', LASTLINE_LINE_MAX_MAX);
	for (i = 0; i < HOG_FILES; i++) {
		/* There is room for the newline: it could be published. */
		if (write(open_channel(channel, O_WRONLY), buf, LASTLINE_LINE_MAX_MAX - 1) < 0)
			raise(SIGKILL);
	}
	shared->unstopped++;
	raise(SIGKILL);
}

/* There is always a new one when the last one was killed. */
static pid_t start_hogs(int channel)
{
	pid_t pid = fork_child(), hog;
	int status;

	if (pid)
		return pid;
	for (;;) {
		hog = fork_child();
		if (!hog)
			hog_memory(channel);
		if (waitpid(hog, &status, 0) == hog && WIFSIGNALED(status))
			shared->hogs++;
	}
}

static void try_hogs(const int *channels)
{
	static struct look alone[CHANNELS], beside[CHANNELS];
	struct memory before;
	unsigned int torn = shared->torn;
	pid_t hogs;
	long peak;

	look_at_both(channels, 0, alone);
	before = memory_now();
	quieten_console(true);
	hogs = start_hogs(channels[STAGE]);
	look_at_both(channels, 0, beside);
	must_come(shared->hogs >= 2);
	tell_memory("with it", &before);
	peak = get_number(GROUP "/memory.peak");
	end_child(hogs);
	ksft_test_result(await(get_number(GROUP "/memory.current") < 1 << 20),
			 "its memory group has nothing left of a process that was killed at its limit\n");
	result_of_memory(is_back(&before, KEPT_KIB), "nor has the machine");
	quieten_console(false);

	look_again(channels, alone);
	ksft_print_msg("%u processes wanted %d MiB and were killed at %ld KiB of %d\n",
		       shared->hogs, HOG_FILES, peak / 1024, MEMORY_LIMIT / 1024);
	ksft_test_result(!shared->unstopped && peak > MEMORY_LIMIT / 2 &&
			 peak <= MEMORY_LIMIT + SLACK_KIB * 1024,
			 "no process keeps more unfinished lines than its memory limit allows\n");
	tell("a process at its limit", STAGE, &alone[STAGE], &beside[STAGE]);
	tell("a process at its limit", ASIDE, &alone[ASIDE], &beside[ASIDE]);
	ksft_test_result(are_within(&of_busy, &alone[STAGE], &beside[STAGE]) &&
			 are_within(&of_busy, &alone[ASIDE], &beside[ASIDE]),
			 "nobody else waits for it\n");
	ksft_test_result(torn == shared->torn, "nobody gets its unfinished lines\n");
}

static void try_limit(int aside)
{
	const int channels[] = { add_channel(LASTLINE_LINE_MAX_MAX, LASTLINE_MODE_LINE), aside };
	char limit[16];
	int i;

	snprintf(limit, sizeof(limit), "%d", MEMORY_LIMIT);
	knob_set(GROUPS "cgroup.subtree_control", "+memory");
	mkdir(GROUP, 0755);
	if (knob_set(GROUP "/memory.max", limit)) {
		try_hogs(channels);
	} else {
		for (i = 0; i < 5; i++)
			ksft_test_result_skip("a memory limit: no memory controller here\n");
	}
	rmdir(GROUP);
	ioctl(control, LASTLINE_CTL_REMOVE, channels[STAGE]);
}

/*
 * A storm of writers
 */

static void storm_along(int fd, unsigned int i)
{
	char c;

	shared->ready++;
	(void)!read(door[0], &c, 1);
	while (!shared->stop) {
		if (!write_line(fd, now()))
			exit(1);
		shared->written[i]++;
	}
	exit(0);
}

static int place_of(unsigned int i)
{
	return i % 8 ? STAGE : ASIDE;
}

/* Starts so many writers, an eighth of them aside. */
static void start_storm(const int *fds, unsigned int count)
{
	unsigned int i;

	shared->ready = 0;
	shared->stop = false;
	if (pipe(door))
		ksft_exit_fail_msg("no pipe: %s\n", strerror(errno));
	for (i = 0; i < count; i++) {
		shared->written[i] = 0;
		if (fork_child())
			continue;
		close(door[1]);
		storm_along(fds[place_of(i)], i);
	}
	must_come(shared->ready == count);
	close(door[0]);
	close(door[1]);
}

/* Returns true if all ended well. */
static bool end_storm(unsigned int count)
{
	bool good = true;
	unsigned int i;
	int status;

	shared->stop = true;
	for (i = 0; i < count; i++)
		good &= wait(&status) > 0 && WIFEXITED(status) && !WEXITSTATUS(status);
	return good;
}

struct tally {
	unsigned int writers;
	__u64 lines;
	__u64 least;	/* of one writer */
};

static struct tally tally(int place, unsigned int count)
{
	struct tally tally = { .least = UINT64_MAX };
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (place_of(i) != place)
			continue;
		tally.writers++;
		tally.lines += shared->written[i];
		if (shared->written[i] < tally.least)
			tally.least = shared->written[i];
	}
	return tally;
}

/* Lets as many processes write to nowhere: what that does to others is not our doing. */
static void look_at_busy_machine(const int *channels, unsigned int count, struct look *looks)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), fds[] = { null, null };

	start_storm(fds, count);
	look_at_both(channels, 0, looks);
	end_storm(count);
	close(null);
}

static void tell_tally(int i, const struct tally *tally)
{
	ksft_print_msg("storm, %s: %u writers, %llu lines, %llu each, at least %llu\n", place[i],
		       tally->writers, tally->lines, tally->lines / tally->writers,
		       tally->least);
}

static bool is_fair(unsigned int count)
{
	const struct tally stage = tally(STAGE, count), aside = tally(ASIDE, count);

	tell_tally(STAGE, &stage);
	tell_tally(ASIDE, &aside);
	return stage.least && aside.least &&
	       aside.lines / aside.writers >= stage.lines / stage.writers / 4;
}

/* Has each publication of the storm, and of those who looked at it, moved the generation? */
static bool is_exact(const int *fds, const __u64 *generations, const unsigned int *others,
		     unsigned int count)
{
	bool exact = true;
	__u64 moved, lines;
	int i;

	for (i = 0; i < CHANNELS; i++) {
		moved = info_of(fds[i]).generation - generations[i];
		lines = tally(i, count).lines + others[i];
		if (moved != lines) {
			ksft_print_msg("%s: %llu lines, %llu counted\n", place[i], lines, moved);
			exact = false;
		}
	}
	return exact;
}

static void try_storm(const int *channels, unsigned int count)
{
	static struct look busy[CHANNELS], beside[CHANNELS];
	const int fds[] = {
		open_channel(channels[STAGE], O_RDWR), open_channel(channels[ASIDE], O_RDWR)
	};
	struct memory before = memory_now();
	unsigned int torn = shared->torn, others[CHANNELS];
	__u64 generations[CHANNELS];
	bool good;
	int i;

	look_at_busy_machine(channels, count, busy);
	for (i = 0; i < CHANNELS; i++)
		generations[i] = info_of(fds[i]).generation;
	start_storm(fds, count);
	for (i = 0; i < CHANNELS; i++)
		others[i] = look_at(channels[i], 0, &beside[i]);
	tell_memory("in the storm", &before);
	sleep(STORM_S);
	(void)await(tally(STAGE, count).least && tally(ASIDE, count).least);
	good = end_storm(count);

	for (i = 0; i < CHANNELS; i++)
		tell("a storm, not a busy machine", i, &busy[i], &beside[i]);
	ksft_test_result(are_within(&of_busy, &busy[STAGE], &beside[STAGE]) &&
			 are_within(&of_busy, &busy[ASIDE], &beside[ASIDE]),
			 "a storm of writers holds up others no more than a busy machine\n");
	ksft_test_result(is_fair(count),
			 "nobody starves, and who is in another channel gets his share\n");
	ksft_test_result(good && is_exact(fds, generations, others, count),
			 "each line of the storm counts once\n");
	ksft_test_result(torn == shared->torn, "each line beside the storm is whole\n");
	for (i = 0; i < CHANNELS; i++)
		close(fds[i]);
	result_of_memory(is_back(&before, KEPT_KIB + count),
			 "the memory of the storm is back");
}

/* Lets there be so many. */
static void raise_limit(const char *path, unsigned long least)
{
	FILE *file = fopen(path, "r+");
	unsigned long limit = 0;

	if (file && fscanf(file, "%lu", &limit) == 1 && limit < least) {
		rewind(file);
		fprintf(file, "%lu\n", least);
	}
	if (file)
		fclose(file);
}

int main(int argc, char **argv)
{
	unsigned int sleepers = argc > 1 ? atoi(argv[1]) : 10000;
	unsigned int writers = argc > 2 ? atoi(argv[2]) : 1000;
	const struct rlimit files = { sleepers + 64, sleepers + 64 };
	int channels[CHANNELS];
	unsigned int i;

	ksft_print_header();
	control = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		ksft_exit_skip("no /dev/lastline-control here; load the module, become root\n");
	ksft_set_plan(2 * ARRAY_SIZE(sources) + 6 + 5 + 5);
	setrlimit(RLIMIT_NOFILE, &files);
	raise_limit("/proc/sys/kernel/threads-max", sleepers + writers + 1000);
	raise_limit("/proc/sys/kernel/pid_max", sleepers + writers + 1000);
	shared = mmap(NULL, sizeof(*shared) + (writers + 1) * sizeof(__u64),
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	take_precedence();
	channels[STAGE] = add_channel(0, LASTLINE_MODE_LINE);
	channels[ASIDE] = add_channel(0, LASTLINE_MODE_LINE);

	for (i = 0; i < ARRAY_SIZE(sources); i++)
		try_stalled(&sources[i], channels);
	try_sleepers(channels, sleepers);
	try_limit(channels[ASIDE]);
	try_storm(channels, writers);
	for (i = 0; i < CHANNELS; i++)
		ioctl(control, LASTLINE_CTL_REMOVE, channels[i]);
	ksft_print_msg("amount: %u stalled calls, %u sleepers, %u writers; worst wait %.0f ms\n",
		       stalled_callers, sleepers, writers, ms(worst_of_all));
	if (ksft_get_fail_cnt())
		ksft_exit_fail();
	ksft_exit_pass();
}
