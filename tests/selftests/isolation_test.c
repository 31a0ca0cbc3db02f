// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that misbehaves does not block other users of its channel or of another one,
 * and the memory that it can occupy is bounded.
 *
 *	isolation_test [SLEEPERS [WRITERS]]	10000 and 1000 unless given
 *
 * Needs root, and 40 KiB of memory for each sleeper (100 on a debug kernel).
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

#define MS		1000000ULL		/* ns */
#define PATIENCE	(60000 * MS)		/* after which an event counts as missing */
#define RESCUE_MS	60000			/* after which missing pages come anyway */
#define WAIT_MAX	(10000 * MS)		/* for a write, or for a line to arrive */
#define ROUNDS		50			/* of an observation */
#define ROUNDS_MIN	5			/* if they take more than OBSERVE_MAX */
#define OBSERVE_MAX	(2000 * MS)
#define LINE_SIZE	128
#define WAVES		3			/* lines for all sleepers */
#define FILE_MAX	2048			/* bytes of an open file */
#define SLACK_KIB	512			/* that other processes may allocate meanwhile */
#define KEPT_KIB	4096			/* that the kernel may keep for later */
#define MEMORY_LIMIT	(32 << 20)		/* bytes */
#define HOG_FILES	128			/* with 1 MiB each, which exceeds the limit */

enum { SAME, OTHER, CHANNELS };

/* Shared by all processes. */
static struct shared {
	atomic_bool stop;
	atomic_uint torn;
	atomic_bool go;			/* sleepers and storm start */
	atomic_uint ready;		/* processes that wait for that */
	atomic_uint sent;		/* line that all sleepers should get */
	atomic_uint got;		/* sleepers that have it */
	atomic_uint hogs;		/* processes that were killed at their memory limit */
	atomic_uint unstopped;		/* processes that exceeded it */
	atomic_ullong written[2];	/* lines of the storm, by channel */
} *shared;

static int control;
static int channels[CHANNELS];
static __u64 start_ns;

static __u64 now(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

/* Waits until the expression is true. Returns false if it never is. */
#define await(condition) ({						\
	__u64 await_end = now() + PATIENCE;				\
	bool await_done;						\
									\
	while (!(await_done = (condition)) && now() < await_end)	\
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

static int must_open(int number, int flags)
{
	int fd = open_channel(number, flags);

	must(fd >= 0);
	return fd;
}

static struct lastline_info info_of(int fd)
{
	struct lastline_info info = {};

	ioctl(fd, LASTLINE_IOC_INFO, &info);
	return info;
}

/* Microseconds since the start, which number the lines. */
static __u32 now_us(void)
{
	return (now() - start_ns) / 1000;
}

static bool write_line(int fd, __u32 number)
{
	const struct line line = { .sequence = number, .length = LINE_SIZE };
	char buf[LINE_SIZE];

	line_make(buf, &line);
	return write(fd, buf, LINE_SIZE) == LINE_SIZE;
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
 * The observer: another user of the channels
 */

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

/*
 * Writes lines to a channel until another thread has read each of them. Returns the number of
 * lines, 0 if one of them took too long.
 */
static unsigned int observe(int number)
{
	struct reader reader = {};
	__u64 begin = now(), before, worst = 0;
	unsigned int lines = 0;
	pthread_t thread;
	__u32 sent;
	int fd;

	fd = must_open(number, O_WRONLY);
	reader.fd = must_open(number, O_RDONLY);
	must(!pthread_create(&thread, NULL, run_reader, &reader));
	while (worst < WAIT_MAX && lines < ROUNDS &&
	       (lines < ROUNDS_MIN || now() < begin + OBSERVE_MAX)) {
		before = now();
		sent = now_us();
		must(write_line(fd, sent));
		lines++;
		(void)await(reader.got >= sent);
		if (now() - before > worst)
			worst = now() - before;
	}
	reader.stop = true;
	must(write_line(fd, now_us()));
	pthread_join(thread, NULL);
	close(reader.fd);
	close(fd);
	ksft_print_msg("lastline%d: %u lines, slowest %llu us\n", number, lines, worst / 1000);
	return worst < WAIT_MAX ? lines + 1 : 0;
}

static bool others_proceed(void)
{
	return observe(channels[OTHER]) && observe(channels[SAME]);
}

/*
 * Memory of the machine
 */

/* The sum of all lines of a file that begin with this name. */
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

/* In KiB. MemAvailable lacks the free pages in the lists of each CPU. */
static long available_memory(void)
{
	return sum_of("/proc/meminfo", "MemAvailable:") +
	       sum_of("/proc/zoneinfo", "count:") * sysconf(_SC_PAGESIZE) / 1024;
}

/* A kernel that looks for leaks and use after free keeps freed memory. */
static bool is_debug_kernel(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

/* The kernel frees some of it later. */
static bool is_back(long before, long kept)
{
	if (is_debug_kernel() || await(available_memory() > before - kept))
		return true;
	ksft_print_msg("%ld KiB less memory than before\n", before - available_memory());
	return false;
}

static void memory_result(bool good, const char *name)
{
	if (is_debug_kernel())
		ksft_test_result_skip("%s: not measurable on a debug kernel\n", name);
	else
		ksft_test_result(good, "%s\n", name);
}

/*
 * Calls whose memory is missing
 */

static struct caller {
	const char *name;
	const char *text;	/* in the page that arrives late */
	int flags;		/* of the open file */
	bool vector;
	unsigned int len;	/* of a read or write, in the page */
	unsigned long command;	/* of an ioctl */
	ssize_t expected;
	int error;
	/* Filled in at run time. */
	pthread_t thread;
	struct slow_page slow;
	int fd;
	ssize_t ret;
	int errnum;
} callers[] = {
	{ "write", "slow\n", O_WRONLY, false, 5, 0, 5 },
	{ "write of a partial line", "slow", O_WRONLY, false, 4, 0, 4 },
	{ "writev", "second\n", O_WRONLY, true, 7, 0, 13 },
	{ "read", "", O_RDONLY, false, LINE_SIZE, 0, LINE_SIZE },
	{ "short read", "", O_RDONLY, false, 1, 0, 1 },
	{ "readv", "", O_RDONLY, true, LINE_SIZE, 0, LINE_SIZE },
	{ "INFO", "", O_RDONLY, .command = LASTLINE_IOC_INFO },
	{ "TAKEN", "", O_RDONLY, .command = LASTLINE_IOC_TAKEN },
	{ "FIONREAD", "", O_RDONLY, .command = FIONREAD },
	{ "FIND", "nobody", -1, .command = LASTLINE_CTL_FIND, .expected = -1, .error = ENODEV },
	/* Channel 0, which exists. */
	{ "ADD", "", -1, .command = LASTLINE_CTL_ADD, .expected = -1, .error = EEXIST },
};

static struct caller *const callers_end = callers + ARRAY_SIZE(callers);

static void *run_caller(void *argument)
{
	struct caller *c = argument;
	char begin[] = "first ";
	const struct iovec parts[] = { { begin, strlen(begin) }, { c->slow.page, c->len } };

	if (c->command)
		c->ret = ioctl(c->fd, c->command, c->slow.page);
	else if (c->flags == O_WRONLY)
		c->ret = c->vector ? writev(c->fd, parts, 2) : write(c->fd, c->slow.page, c->len);
	else
		c->ret = c->vector ? readv(c->fd, parts, 2) : read(c->fd, c->slow.page, c->len);
	c->errnum = c->ret < 0 ? errno : 0;
	return NULL;
}

static bool prepare_pages(void)
{
	struct caller *c;

	for (c = callers; c < callers_end; c++) {
		if (!prepare_page(&c->slow))
			return false;
	}
	return true;
}

/* Returns true if all of them are in their call and stay there. */
static bool start_callers(void)
{
	struct caller *c;

	for (c = callers; c < callers_end; c++) {
		c->fd = c->flags < 0 ? dup(control) : must_open(channels[SAME], c->flags);
		must(!pthread_create(&c->thread, NULL, run_caller, c));
	}
	for (c = callers; c < callers_end; c++) {
		if (!await_fault(&c->slow, PATIENCE / MS))
			return false;
	}
	return true;
}

static bool end_callers(void)
{
	bool good = true;
	struct caller *c;

	for (c = callers; c < callers_end; c++) {
		pthread_join(c->thread, NULL);
		close(c->fd);
		drop_page(&c->slow);
		if (c->ret == c->expected && c->errnum == c->error)
			continue;
		ksft_print_msg("%s: %zd, %s\n", c->name, c->ret, strerror(c->errnum));
		good = false;
	}
	return good;
}

static atomic_bool observed;

/* A process that waits for the missing page of another one must not wait forever. */
static void *bring_pages(void *unused)
{
	struct caller *c;
	int ms;

	for (ms = 0; ms < RESCUE_MS && !observed; ms++)
		usleep(1000);
	for (c = callers; c < callers_end; c++)
		bring_page(&c->slow, c->text);
	return unused;
}

static void test_stalled_callers(void)
{
	bool stalled, proceed, succeed;
	pthread_t bringer;
	int fd;

	if (!prepare_pages()) {
		ksft_test_result_skip("calls that wait for a page: no userfaultfd\n");
		ksft_test_result_skip("others beside them: no userfaultfd\n");
		return;
	}
	/* Also leaves a line for the callers that read. */
	must(others_proceed());
	must(!pthread_create(&bringer, NULL, bring_pages, NULL));
	stalled = start_callers();
	proceed = others_proceed();
	observed = true;
	pthread_join(bringer, NULL);
	succeed = end_callers();
	/* For the readers of the next tests: a line that line_check() accepts. */
	fd = must_open(channels[SAME], O_WRONLY);
	must(write_line(fd, now_us()));
	close(fd);
	ksft_test_result(succeed && stalled, "calls succeed after they wait for a missing page\n");
	ksft_test_result(proceed, "others proceed while calls wait for missing pages\n");
}

/*
 * Sleeping readers
 */

static void *sleep_in_read(void *argument)
{
	atomic_uint number;

	while (read_line((long)argument, &number)) {
		if (number == shared->sent)
			shared->got++;
	}
	return NULL;
}

static void be_sleepers(unsigned int count)
{
	const size_t size = PTHREAD_STACK_MIN;
	char *stacks = mmap(NULL, count * size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int first = must_open(channels[SAME], O_RDONLY);
	pthread_attr_t attributes;
	pthread_t thread;
	unsigned int i;

	for (i = 1; i < count; i++)
		must_open(channels[SAME], O_RDONLY);
	shared->ready++;
	must(await(shared->go));
	pthread_attr_init(&attributes);
	for (i = 0; i < count; i++) {
		pthread_attr_setstack(&attributes, stacks + i * size, size);
		must(!pthread_create(&thread, &attributes, sleep_in_read,
				     (void *)(long)(first + i)));
	}
	pause();
}

/* Returns a process with sleepers that all sleep. */
static pid_t start_sleepers(int fd, unsigned int count)
{
	long slab = sum_of("/proc/meminfo", "Slab:");
	pid_t pid;

	shared->ready = 0;
	shared->go = false;
	pid = fork_child();
	if (!pid)
		be_sleepers(count);
	must(await(shared->ready));
	slab = sum_of("/proc/meminfo", "Slab:") - slab;
	shared->go = true;
	must(await(info_of(fd).sleepers == count));
	ksft_print_msg("%u open files occupy %ld KiB\n", count, slab);
	memory_result(slab < count * FILE_MAX / 1024 + SLACK_KIB,
		      "an open file occupies less than 2 KiB");
	return pid;
}

/* Returns false if a sleeper does not get the line. */
static bool send_to_all(int fd, unsigned int count)
{
	shared->got = 0;
	shared->sent = now_us();
	must(write_line(fd, shared->sent));
	return await(shared->got == count && info_of(fd).sleepers == count);
}

static void test_sleepers(unsigned int count)
{
	int fd = must_open(channels[SAME], O_WRONLY), i;
	long before = available_memory();
	bool all = true;
	pid_t pid;

	pid = start_sleepers(fd, count);
	for (i = 0; i < WAVES && all; i++)
		all = send_to_all(fd, count);
	ksft_test_result(all, "all sleeping readers get the line of one write\n");
	ksft_test_result(others_proceed(), "others proceed beside sleeping readers\n");
	kill(pid, SIGSTOP);
	ksft_test_result(others_proceed(), "others proceed beside stopped readers\n");
	kill_child(pid);
	close(fd);
	memory_result(is_back(before, KEPT_KIB + count / 4),
		      "the memory of killed readers is freed");
}

/*
 * A process at its memory limit
 */

#define GROUPS		"/sys/fs/cgroup/"
#define GROUP		GROUPS "lastline-isolation"

static long get_number(const char *path)
{
	char value[32];

	knob_get(path, value, sizeof(value));
	return *value ? atol(value) : LONG_MAX;
}

/* Fills as many partial lines as possible. */
static void hog_memory(int number)
{
	char *buf;
	int i;

	if (!knob_set(GROUP "/cgroup.procs", "0"))
		exit(1);
	buf = malloc(LASTLINE_LINE_MAX_MAX);
	memset(buf, 'x', LASTLINE_LINE_MAX_MAX);
	for (i = 0; i < HOG_FILES; i++) {
		/*
		 * There is room for the newline: the line could be published. The open fails
		 * if this process outlives its parent for a moment and the channel is removed.
		 */
		if (write(open_channel(number, O_WRONLY), buf, LASTLINE_LINE_MAX_MAX - 1) < 0)
			raise(SIGKILL);
	}
	shared->unstopped++;
	raise(SIGKILL);
}

static pid_t start_hogs(int number)
{
	pid_t pid = fork_child(), hog;
	int status;

	while (!pid) {
		hog = fork_child();
		if (!hog)
			hog_memory(number);
		if (waitpid(hog, &status, 0) == hog && WIFSIGNALED(status))
			shared->hogs++;
	}
	return pid;
}

static void test_hogs(void)
{
	bool proceed;
	long before, peak;
	pid_t hogs;

	/* The first open allocates the slots of the channel. */
	close(must_open(channels[SAME], O_RDONLY));
	before = available_memory();
	quieten_console(true);
	hogs = start_hogs(channels[SAME]);
	proceed = others_proceed();
	must(await(shared->hogs >= 2));
	peak = get_number(GROUP "/memory.peak");
	kill_child(hogs);
	ksft_test_result(await(get_number(GROUP "/memory.current") < 1 << 20),
			 "a memory group is empty after its process is killed at the limit\n");
	memory_result(is_back(before, KEPT_KIB), "the memory of the process is freed");
	quieten_console(false);
	ksft_print_msg("%u processes killed at %ld KiB\n", shared->hogs, peak / 1024);
	ksft_test_result(!shared->unstopped && peak > MEMORY_LIMIT / 2 &&
			 peak <= MEMORY_LIMIT + SLACK_KIB * 1024,
			 "partial lines count towards the memory limit of a process\n");
	ksft_test_result(proceed, "others proceed beside a process at its memory limit\n");
	ksft_test_result(!shared->torn, "no reader gets its partial lines\n");
}

static void test_memory_limit(void)
{
	int i, same = channels[SAME];
	char limit[16];

	snprintf(limit, sizeof(limit), "%d", MEMORY_LIMIT);
	knob_set(GROUPS "cgroup.subtree_control", "+memory");
	mkdir(GROUP, 0755);
	channels[SAME] = add_channel(control, -1, LASTLINE_MODE_LINE, LASTLINE_LINE_MAX_MAX);
	must(channels[SAME] >= 0);
	if (knob_set(GROUP "/memory.max", limit)) {
		test_hogs();
	} else {
		for (i = 0; i < 5; i++)
			ksft_test_result_skip("memory limit: no memory controller\n");
	}
	rmdir(GROUP);
	ioctl(control, LASTLINE_CTL_REMOVE, channels[SAME]);
	channels[SAME] = same;
}

/*
 * A storm of writers
 */

/* A child of the storm, which writes to one of the channels. */
static void write_storm(int place, int fd)
{
	for (shared->ready++; !shared->go;)
		usleep(10000);
	for (; !shared->stop; shared->written[place]++)
		must(write_line(fd, now_us()));
	_exit(0);
}

static void test_storm(unsigned int count)
{
	const int fds[] = {
		must_open(channels[SAME], O_RDWR), must_open(channels[OTHER], O_RDWR)
	};
	long before = available_memory();
	__u64 generations[CHANNELS];
	unsigned int observed_lines[CHANNELS], i;
	bool exact = true;
	int status;

	for (i = 0; i < CHANNELS; i++)
		generations[i] = info_of(fds[i]).generation;
	shared->ready = 0;
	shared->go = false;
	for (i = 0; i < count; i++) {
		if (!fork_child())
			write_storm(i % 8 ? SAME : OTHER, fds[i % 8 ? SAME : OTHER]);
	}
	must(await(shared->ready == count));
	shared->go = true;
	for (i = 0; i < CHANNELS; i++)
		observed_lines[i] = observe(channels[i]);
	ksft_test_result(observed_lines[SAME] && observed_lines[OTHER],
			 "others proceed beside a storm of writers\n");
	shared->stop = true;
	for (i = 0; i < count; i++)
		exact &= wait(&status) > 0 && WIFEXITED(status) && !WEXITSTATUS(status);
	for (i = 0; i < CHANNELS; i++) {
		exact &= info_of(fds[i]).generation - generations[i] ==
			 shared->written[i] + observed_lines[i];
		ksft_print_msg("storm in lastline%d: %llu lines\n", channels[i],
			       shared->written[i]);
		close(fds[i]);
	}
	ksft_test_result(exact, "each line of a storm counts once\n");
	ksft_test_result(!shared->torn, "each line beside a misbehaving process is whole\n");
	memory_result(is_back(before, KEPT_KIB + count), "the memory of a storm is freed");
}

static void raise_limit(const char *path, unsigned long least)
{
	char value[24];

	if (get_number(path) >= (long)least)
		return;
	snprintf(value, sizeof(value), "%lu", least);
	knob_set(path, value);
}

int main(int argc, char **argv)
{
	unsigned int sleepers = argc > 1 ? atoi(argv[1]) : 10000;
	unsigned int writers = argc > 2 ? atoi(argv[2]) : 1000;
	const struct rlimit files = { sleepers + 64, sleepers + 64 };
	unsigned int i;

	ksft_print_header();
	control = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		ksft_exit_skip("no /dev/lastline-control: load the module, become root\n");
	ksft_set_plan(2 + 5 + 5 + 4);
	setrlimit(RLIMIT_NOFILE, &files);
	raise_limit("/proc/sys/kernel/threads-max", sleepers + writers + 1000);
	raise_limit("/proc/sys/kernel/pid_max", sleepers + writers + 1000);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	start_ns = now() - MS;
	take_precedence();
	for (i = 0; i < CHANNELS; i++) {
		channels[i] = add_channel(control, -1, LASTLINE_MODE_LINE, 0);
		must(channels[i] >= 0);
	}
	test_stalled_callers();
	test_sleepers(sleepers);
	test_memory_limit();
	test_storm(writers);
	for (i = 0; i < CHANNELS; i++)
		ioctl(control, LASTLINE_CTL_REMOVE, channels[i]);
	ksft_finished();
}
