// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that misbehaves does not block other users of its channel or of another one,
 * and the memory that it can occupy is bounded. kmemleak, in kasan.isolation, reports memory
 * that is not freed.
 *
 *	isolation_test [SLEEPERS [WRITERS]]	10000 and 1000 unless given
 *
 * Needs root, a virtual machine, and 40 KiB of memory for each sleeper (100 on a debug kernel).
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

#define PATIENCE	60000000U	/* us after which an event counts as missing */
#define LIMIT_S		600		/* after which this program counts as blocked */
#define WAIT_MAX	10000000U	/* us for a write, or for a line to arrive */
#define ROUNDS		20		/* of an observation */
#define LINE_SIZE	128
#define MEMORY_LIMIT	(32 << 20)	/* bytes */
#define HOG_FILES	128		/* with 1 MiB each, which exceeds the limit */

enum { SAME, OTHER, CHANNELS };

/* Shared by all processes. */
static struct shared {
	atomic_bool stop;		/* the storm */
	atomic_uint torn;
	atomic_uint ready;		/* writers of the storm */
	atomic_uint sent;		/* line that all sleepers should get */
	atomic_uint got;		/* sleepers that have it */
	atomic_uint hogs;		/* processes that were killed at their memory limit */
	atomic_uint unstopped;		/* processes that exceeded it */
	atomic_ullong written;		/* lines of all processes */
} *shared;

static int control;
static int numbers[CHANNELS];
static int fds[CHANNELS];	/* open for writing */
static unsigned int sleepers = 10000, writers = 1000;
static __u64 start_ns;

/* Since the start. This also numbers the lines. */
static __u32 now_us(void)
{
	return (now_ns(CLOCK_MONOTONIC) - start_ns) / 1000;
}

/* Waits until the expression is true. Returns false if it never is. */
#define await(condition) ({						\
	__u32 await_begin = now_us();					\
	bool await_done;						\
									\
	while (!(await_done = (condition)) && now_us() - await_begin < PATIENCE) \
		usleep(100);						\
	await_done;							\
})

#define must(condition) do {						\
	if (!(condition))						\
		ksft_exit_fail_msg("%s: %s\n", #condition, strerror(errno)); \
} while (0)

/* The child does not outlive its parent. */
static pid_t fork_child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int must_open(int place, int flags)
{
	int fd = open_channel(numbers[place], flags);

	must(fd >= 0);
	return fd;
}

static struct lastline_info info_of(int place)
{
	struct lastline_info info = {};

	ioctl(fds[place], LASTLINE_IOC_INFO, &info);
	return info;
}

static void publish(int place, __u32 number)
{
	const struct line line = { .sequence = number, .length = LINE_SIZE };
	char buf[LINE_SIZE];

	line_make(buf, &line);
	must(write(fds[place], buf, LINE_SIZE) == LINE_SIZE);
	shared->written++;
}

/* Returns false if there is no next line. */
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
 * The observer and its reader precede all other processes, except those that hold a lock. So
 * they wait for the driver, not for their share of the CPUs.
 */
static void take_precedence(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	must(!sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first));
}

struct reader {
	int fd;
	atomic_bool stop;
	atomic_uint got;
};

static void *run_reader(void *argument)
{
	struct reader *reader = argument;

	take_precedence();
	while (!reader->stop)
		must(read_line(reader->fd, &reader->got));
	return NULL;
}

/* Publishes lines until another thread has read each. False if one of them took too long. */
static bool observe(int place)
{
	struct reader reader = { .fd = must_open(place, O_RDONLY) };
	__u32 sent, worst = 0;
	pthread_t thread;
	int i;

	must(!pthread_create(&thread, NULL, run_reader, &reader));
	for (i = 0; i < ROUNDS && worst < WAIT_MAX; i++) {
		sent = now_us();
		publish(place, sent);
		(void)await(reader.got >= sent);
		if (now_us() - sent > worst)
			worst = now_us() - sent;
	}
	reader.stop = true;
	publish(place, now_us());
	pthread_join(thread, NULL);
	close(reader.fd);
	ksft_print_msg("lastline%d: slowest line %u us\n", numbers[place], worst);
	return worst < WAIT_MAX;
}

static bool others_proceed(void)
{
	return observe(OTHER) && observe(SAME);
}

/*
 * Calls whose memory is missing
 */

static struct caller {
	int flags;		/* of the open file; -1 is the control device */
	const char *text;	/* in the page that arrives late */
	unsigned int len;	/* of a read or write, in the page */
	bool vector;
	unsigned long command;	/* of an ioctl */
	/* Filled in at run time. */
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
	/* These two fail: no channel has this name, and channel 0 exists. */
	{ -1, "nobody", .command = LASTLINE_CTL_FIND },
	{ -1, "", .command = LASTLINE_CTL_ADD },
};

static struct caller *const callers_end = callers + ARRAY_SIZE(callers);

static void *run_caller(void *argument)
{
	struct caller *c = argument;
	char begin[] = "first ";
	const struct iovec parts[] = { { begin, strlen(begin) }, { c->page.data, c->len } };

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
		must(uffd_page_init(&c->page));
		c->fd = c->flags < 0 ? dup(control) : must_open(SAME, c->flags);
		must(!pthread_create(&c->thread, NULL, run_caller, c));
	}
	for (c = callers; c < callers_end; c++)
		must(uffd_page_wait_fault(&c->page, PATIENCE / 1000));
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
	/* Their lines would count as torn. */
	publish(SAME, now_us());
	ksft_test_result(good, "calls succeed after they wait for a missing page\n");
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

static void be_sleepers(int first_fd)
{
	pthread_attr_t attributes;
	pthread_t thread;
	unsigned int i;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
	for (i = 0; i < sleepers; i++)
		must(!pthread_create(&thread, &attributes, sleep_in_read,
				     (void *)(long)(first_fd + i)));
	pause();
}

static void start_sleepers(void)
{
	int first = must_open(SAME, O_RDONLY);
	unsigned int i;
	bool all;

	for (i = 1; i < sleepers; i++)
		must_open(SAME, O_RDONLY);
	sleeping = fork_child();
	if (!sleeping)
		be_sleepers(first);
	for (i = 0; i < sleepers; i++)
		close(first + i);
	must(await(info_of(SAME).sleepers == sleepers));
	shared->sent = now_us();
	publish(SAME, shared->sent);
	all = await(shared->got == sleepers && info_of(SAME).sleepers == sleepers);
	ksft_test_result(all, "all sleeping readers get the line of one write\n");
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

/* Fills as many partial lines as possible. */
static void hog_memory(void)
{
	char *buf;
	int i;

	if (!write_file(GROUP "/cgroup.procs", "0"))
		exit(1);
	buf = malloc(LASTLINE_LINE_MAX_MAX);
	memset(buf, 'x', LASTLINE_LINE_MAX_MAX);
	for (i = 0; i < HOG_FILES; i++) {
		/* There is room for the newline: the line could be published. */
		if (write(open_channel(numbers[SAME], O_WRONLY), buf,
			  LASTLINE_LINE_MAX_MAX - 1) < 0)
			raise(SIGKILL);
	}
	shared->unstopped++;
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
	must(write_file(GROUP "/memory.max", limit));
	mute_console(true);
	hogs = fork_child();
	while (!hogs) {
		hog = fork_child();
		if (!hog)
			hog_memory();
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
	must(await(shared->hogs >= 2));
	kill_child(hogs);
	ksft_test_result(await(group_is_empty()),
			 "a memory group is empty after its process is killed at the limit\n");
	mute_console(false);
	ksft_print_msg("%u processes killed\n", shared->hogs);
	ksft_test_result(!shared->unstopped,
			 "partial lines count towards the memory limit of a process\n");
	rmdir(GROUP);
}

/*
 * A storm of writers
 */

static void start_storm(void)
{
	unsigned int i;

	for (i = 0; i < writers; i++) {
		if (fork_child())
			continue;
		for (shared->ready++; !shared->stop;)
			publish(i % 8 ? SAME : OTHER, now_us());
		_exit(0);
	}
	must(await(shared->ready == writers));
}

static void end_storm(void)
{
	unsigned int i;

	shared->stop = true;
	for (i = 0; i < writers; i++)
		wait(NULL);
	ksft_print_msg("storm: %llu lines\n", shared->written);
}

/* In this order: the readers that are stopped are those that slept. */
static const struct disturbance {
	const char *name;
	void (*start)(void);
	void (*end)(void);
} disturbances[] = {
	{ "calls that wait for missing pages", start_callers, end_callers },
	{ "sleeping readers", start_sleepers },
	{ "stopped readers", stop_sleepers, kill_sleepers },
	{ "a process at its memory limit", start_hogs, end_hogs },
	{ "a storm of writers", start_storm, end_storm },
};

int main(int argc, char **argv)
{
	const struct disturbance *d;
	struct rlimit files;
	unsigned int i;
	bool proceed;

	if (argc > 1)
		sleepers = atoi(argv[1]);
	if (argc > 2)
		writers = atoi(argv[2]);
	ksft_print_header();
	control = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		ksft_exit_skip("no /dev/lastline-control: load the module, become root\n");
	ksft_set_plan(10);
	files = (struct rlimit) { sleepers + 64, sleepers + 64 };
	setrlimit(RLIMIT_NOFILE, &files);
	write_file("/proc/sys/kernel/threads-max", "100000");
	write_file("/proc/sys/kernel/pid_max", "100000");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	start_ns = now_ns(CLOCK_MONOTONIC) - 1000000;
	take_precedence();
	for (i = 0; i < CHANNELS; i++) {
		numbers[i] = add_channel(control, -1, LASTLINE_MODE_LINE, LASTLINE_LINE_MAX_MAX);
		must(numbers[i] >= 0);
		fds[i] = must_open(i, O_WRONLY);
	}
	must(others_proceed());
	for (d = disturbances; d < disturbances + ARRAY_SIZE(disturbances); d++) {
		ksft_print_msg("beside %s:\n", d->name);
		/* Kills this program if a call of the observer never ends. */
		alarm(LIMIT_S);
		d->start();
		proceed = others_proceed();
		if (d->end)
			d->end();
		ksft_test_result(proceed, "others proceed beside %s\n", d->name);
	}
	ksft_test_result(!shared->torn, "each line beside a misbehaving process is whole\n");
	for (i = 0; i < CHANNELS; i++)
		ioctl(control, LASTLINE_CTL_REMOVE, numbers[i]);
	ksft_finished();
}
