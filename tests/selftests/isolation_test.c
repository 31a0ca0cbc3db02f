// SPDX-License-Identifier: GPL-2.0-only
/*
 * A misbehaving process does not block other users of the same channel or of another one, and
 * the memory that it can use is limited. In kasan.isolation, kmemleak detects memory that is
 * not freed.
 *
 *	isolation_test [SLEEPERS [WRITERS]]	10000 and 1000 by default
 *
 * Needs root, a VM, and 40 KiB of memory for each sleeper (100 KiB on a debug kernel).
 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "fault_inject.h"
#include "stress.h"
#include "uffd_page.h"

#define TIMEOUT_US	60000000U	/* for an event that must happen */
#define LIMIT_S		600		/* this program is blocked if a load takes longer */
#define DELAY_MAX_US	10000000U	/* for a write, or for a line to arrive */
#define ROUNDS		20		/* lines that an observer publishes */
#define LINE_SIZE	128
#define MEMORY_LIMIT	(32 << 20)	/* bytes */
#define HOG_FILES	128		/* at 1 MiB each, these exceed MEMORY_LIMIT */

enum { SAME, OTHER, CHANNELS };

/* Shared by all processes. */
static struct shared {
	atomic_bool stop;		/* writers must exit */
	atomic_uint torn;		/* torn lines */
	atomic_uint ready;		/* running writers */
	atomic_uint sent;		/* number of the line for all sleepers */
	atomic_uint got;		/* sleepers that have read it */
	atomic_uint hogs;		/* processes killed at their memory limit */
	atomic_uint not_killed;		/* processes that exceeded it */
	atomic_ullong written;		/* lines written by all processes */
} *shared;

static int control;
static int numbers[CHANNELS];
static int fds[CHANNELS];	/* open for writing */
static unsigned int sleepers = 10000, writers = 1000;
static __u64 start_ns;

/* Time since the start. Also used as line number. */
static __u32 now_us(void)
{
	return (now_ns(CLOCK_MONOTONIC) - start_ns) / 1000;
}

/* Waits until @condition is true. False after TIMEOUT_US. */
#define WAIT_FOR(condition) ({						\
	__u32 start_ = now_us();					\
	bool done_;							\
									\
	while (!(done_ = (condition)) && now_us() - start_ < TIMEOUT_US) \
		usleep(100);						\
	done_;								\
})

#define REQUIRE(condition) do {						\
	if (!(condition))						\
		ksft_exit_fail_msg("%s: %s\n", #condition, strerror(errno)); \
} while (0)

/* Forks a child that dies with its parent. */
static pid_t fork_child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	REQUIRE(pid >= 0);
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int open_or_exit(int index, int flags)
{
	int fd = open_channel(numbers[index], flags);

	REQUIRE(fd >= 0);
	return fd;
}

static struct lastline_info get_info(int index)
{
	struct lastline_info info = {};

	ioctl(fds[index], LASTLINE_IOC_INFO, &info);
	return info;
}

static void publish(int index, __u32 number)
{
	const struct line line = { .sequence = number, .length = LINE_SIZE };
	char buf[LINE_SIZE];

	line_make(buf, &line);
	REQUIRE(write(fds[index], buf, LINE_SIZE) == LINE_SIZE);
	shared->written++;
}

static bool read_line(int fd, atomic_uint *number)
{
	char buf[LINE_SIZE + 1];
	ssize_t len = read(fd, buf, sizeof(buf));
	struct line line;

	if (len > 0 && !line_check(buf, len, &line))
		shared->torn++;
	else if (len > 0)
		*number = line.sequence;
	return len > 0;
}

/*
 * For the observer and its reader, so that they only ever wait for the driver and not for a
 * CPU.
 */
static void use_realtime_priority(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	REQUIRE(!sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first));
}

struct reader {
	int fd;
	atomic_bool stop;
	atomic_uint got;
};

static void *run_reader(void *argument)
{
	struct reader *reader = argument;

	use_realtime_priority();
	while (!reader->stop)
		REQUIRE(read_line(reader->fd, &reader->got));
	return NULL;
}

/* The observer: publishes lines that another thread reads. False if a line is too slow. */
static bool channel_responds(int index)
{
	struct reader reader = { .fd = open_or_exit(index, O_RDONLY) };
	__u32 sent, worst = 0;
	pthread_t thread;
	int i;

	REQUIRE(!pthread_create(&thread, NULL, run_reader, &reader));
	for (i = 0; i < ROUNDS && worst < DELAY_MAX_US; i++) {
		sent = now_us();
		publish(index, sent);
		(void)WAIT_FOR(reader.got >= sent);
		if (now_us() - sent > worst)
			worst = now_us() - sent;
	}
	reader.stop = true;
	publish(index, now_us());
	pthread_join(thread, NULL);
	close(reader.fd);
	ksft_print_msg("lastline%d: slowest line %u us\n", numbers[index], worst);
	return worst < DELAY_MAX_US;
}

static bool others_make_progress(void)
{
	return channel_responds(OTHER) && channel_responds(SAME);
}

/*
 * Calls whose memory is missing
 */

static struct caller {
	int flags;		/* of the open file; -1 is the control device */
	const char *text;	/* content of the page when it is filled */
	unsigned int len;	/* bytes that a read or write needs in the page */
	bool vector;
	unsigned long command;	/* of an ioctl */
	/* Set at run time. */
	pthread_t thread;
	struct uffd_page page;
	int fd;
	ssize_t ret;
} callers[] = {
	{ O_WRONLY, "slow\n", 5 },
	{ O_WRONLY, "slow", 4 },
	{ O_WRONLY, "second\n", 7, .vector = true },
	{ O_RDONLY, "", LINE_SIZE },
	{ O_RDONLY, "", 1 },
	{ O_RDONLY, "", LINE_SIZE, .vector = true },
	{ O_RDONLY, "", .command = LASTLINE_IOC_INFO },
	{ O_RDONLY, "", .command = LASTLINE_IOC_TAKEN },
	{ O_RDONLY, "", .command = FIONREAD },
	/* These two fail, because no channel has this name, and channel 0 exists. */
	{ -1, "missing", .command = LASTLINE_CTL_FIND },
	{ -1, "", .command = LASTLINE_CTL_ADD },
};

static struct caller *const callers_end = callers + ARRAY_SIZE(callers);

static void *run_caller(void *argument)
{
	struct caller *c = argument;
	char head[] = "first ";
	const struct iovec parts[] = { { head, strlen(head) }, { c->page.data, c->len } };

	if (c->command)
		c->ret = ioctl(c->fd, c->command, c->page.data);
	else if (c->flags == O_WRONLY)
		c->ret = c->vector ? writev(c->fd, parts, 2) : write(c->fd, c->page.data, c->len);
	else
		c->ret = c->vector ? readv(c->fd, parts, 2) : read(c->fd, c->page.data, c->len);
	return NULL;
}

static void start_callers(void)
{
	struct caller *c;

	for (c = callers; c < callers_end; c++) {
		REQUIRE(uffd_page_init(&c->page));
		c->fd = c->flags < 0 ? dup(control) : open_or_exit(SAME, c->flags);
		REQUIRE(!pthread_create(&c->thread, NULL, run_caller, c));
	}
	for (c = callers; c < callers_end; c++)
		REQUIRE(uffd_page_wait_fault(&c->page, TIMEOUT_US / 1000));
}

static void end_callers(void)
{
	bool good = true;
	struct caller *c;

	for (c = callers; c < callers_end; c++)
		uffd_page_fill(&c->page, c->text);
	for (c = callers; c < callers_end; c++) {
		pthread_join(c->thread, NULL);
		close(c->fd);
		uffd_page_destroy(&c->page);
		good &= c->ret < 0 ? c->flags < 0 : c->ret >= c->len;
	}
	/* Their lines are not made by line_make(), so readers would report them as torn. */
	publish(SAME, now_us());
	ksft_test_result(good, "calls succeed after a page fault\n");
}

/*
 * Sleeping readers
 */

static pid_t sleeping;

static void *sleep_in_read(void *argument)
{
	atomic_uint number;

	while (read_line((long)argument, &number)) {
		if (number == shared->sent)
			shared->got++;
	}
	return NULL;
}

static void sleepers_main(int first_fd)
{
	pthread_attr_t attributes;
	pthread_t thread;
	unsigned int i;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
	for (i = 0; i < sleepers; i++)
		REQUIRE(!pthread_create(&thread, &attributes, sleep_in_read,
					(void *)(long)(first_fd + i)));
	pause();
}

static void start_sleepers(void)
{
	int first = open_or_exit(SAME, O_RDONLY);
	unsigned int i;
	bool all;

	for (i = 1; i < sleepers; i++)
		open_or_exit(SAME, O_RDONLY);
	sleeping = fork_child();
	if (!sleeping)
		sleepers_main(first);
	for (i = 0; i < sleepers; i++)
		close(first + i);
	REQUIRE(WAIT_FOR(get_info(SAME).sleepers == sleepers));
	shared->sent = now_us();
	publish(SAME, shared->sent);
	all = WAIT_FOR(shared->got == sleepers && get_info(SAME).sleepers == sleepers);
	ksft_test_result(all, "one write wakes all sleeping readers\n");
}

static void stop_sleepers(void)
{
	kill(sleeping, SIGSTOP);
}

static void kill_sleepers(void)
{
	kill_child(sleeping);
}

/*
 * A process at its memory limit
 */

#define GROUPS		"/sys/fs/cgroup/"
#define GROUP		GROUPS "lastline-isolation"

static pid_t hogs;

/* Uses as much memory as possible for partial lines. */
static void hog_main(void)
{
	char *buf;
	int i;

	if (!write_file(GROUP "/cgroup.procs", "0"))
		exit(1);
	buf = malloc(LASTLINE_LINE_MAX_MAX);
	memset(buf, 'x', LASTLINE_LINE_MAX_MAX);
	for (i = 0; i < HOG_FILES; i++) {
		/* One byte is left for the newline. */
		if (write(open_channel(numbers[SAME], O_WRONLY), buf,
			  LASTLINE_LINE_MAX_MAX - 1) < 0)
			raise(SIGKILL);
	}
	shared->not_killed++;
	raise(SIGKILL);
}

static void start_hogs(void)
{
	char limit[16];
	int status;
	pid_t hog;

	snprintf(limit, sizeof(limit), "%d", MEMORY_LIMIT);
	write_file(GROUPS "cgroup.subtree_control", "+memory");
	mkdir(GROUP, 0755);
	REQUIRE(write_file(GROUP "/memory.max", limit));
	mute_console(true);
	hogs = fork_child();
	while (!hogs) {
		hog = fork_child();
		if (!hog)
			hog_main();
		if (waitpid(hog, &status, 0) == hog && WIFSIGNALED(status))
			shared->hogs++;
	}
}

static bool group_is_empty(void)
{
	char used[32];

	read_file(GROUP "/memory.current", used, sizeof(used));
	return atol(used) < 1 << 20;
}

static void end_hogs(void)
{
	REQUIRE(WAIT_FOR(shared->hogs >= 2));
	kill_child(hogs);
	ksft_test_result(WAIT_FOR(group_is_empty()),
			 "the memory of a process killed at its limit is freed\n");
	mute_console(false);
	ksft_print_msg("%u processes killed\n", shared->hogs);
	ksft_test_result(!shared->not_killed,
			 "partial lines are charged to the memory cgroup\n");
	rmdir(GROUP);
}

/*
 * Many writers
 */

static void start_writers(void)
{
	unsigned int i;

	for (i = 0; i < writers; i++) {
		if (fork_child())
			continue;
		for (shared->ready++; !shared->stop;)
			publish(i % 8 ? SAME : OTHER, now_us());
		_exit(0);
	}
	REQUIRE(WAIT_FOR(shared->ready == writers));
}

static void stop_writers(void)
{
	unsigned int i;

	shared->stop = true;
	for (i = 0; i < writers; i++)
		wait(NULL);
	ksft_print_msg("%llu lines written\n", shared->written);
}

/* The order matters: the stopped readers are the sleeping readers before them. */
static const struct load {
	const char *name;
	void (*start)(void);
	void (*end)(void);
} loads[] = {
	{ "calls in page faults", start_callers, end_callers },
	{ "sleeping readers", start_sleepers },
	{ "stopped readers", stop_sleepers, kill_sleepers },
	{ "a process at its memory limit", start_hogs, end_hogs },
	{ "many writers", start_writers, stop_writers },
};

int main(int argc, char **argv)
{
	const struct load *l;
	struct rlimit files;
	unsigned int i;
	bool progress;

	if (argc > 1)
		sleepers = atoi(argv[1]);
	if (argc > 2)
		writers = atoi(argv[2]);
	ksft_print_header();
	control = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		ksft_exit_skip("no /dev/lastline-control: load the module and run as root\n");
	ksft_set_plan(10);
	files = (struct rlimit) { sleepers + 64, sleepers + 64 };
	setrlimit(RLIMIT_NOFILE, &files);
	write_file("/proc/sys/kernel/threads-max", "100000");
	write_file("/proc/sys/kernel/pid_max", "100000");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	start_ns = now_ns(CLOCK_MONOTONIC) - 1000000;
	use_realtime_priority();
	for (i = 0; i < CHANNELS; i++) {
		numbers[i] = add_channel(control, -1, LASTLINE_MODE_LINE, LASTLINE_LINE_MAX_MAX);
		REQUIRE(numbers[i] >= 0);
		fds[i] = open_or_exit(i, O_WRONLY);
	}
	REQUIRE(others_make_progress());
	for (l = loads; l < loads + ARRAY_SIZE(loads); l++) {
		ksft_print_msg("load: %s\n", l->name);
		/* Kills this program if a call of the observer blocks. */
		alarm(LIMIT_S);
		l->start();
		progress = others_make_progress();
		if (l->end)
			l->end();
		ksft_test_result(progress, "other users make progress beside %s\n", l->name);
	}
	ksft_test_result(!shared->torn, "no line is torn\n");
	for (i = 0; i < CHANNELS; i++)
		ioctl(control, LASTLINE_CTL_REMOVE, numbers[i]);
	ksft_finished();
}
