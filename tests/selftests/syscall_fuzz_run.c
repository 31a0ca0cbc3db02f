// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a program: performs each operation in the model and in the driver, and compares.
 * Only one process acts at a time, so the result is always determined.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "syscall_fuzz_run.h"

#define PATIENCE_MS	30000		/* until a reader sleeps, or wakes */

struct descriptor descriptors[DESCRIPTORS];
struct view views[VIEWS + OBSERVERS];
struct area from, to;
bool numbers_taken[LASTLINE_CHANNELS_MAX];
pid_t self;
bool in_child;
int control;
volatile bool trace;

static struct failure *failure;
static unsigned int at;			/* index of the current operation */
static struct descriptor *sleeper;	/* this process sleeps in a read of it */
static volatile bool awake;		/* that read has returned */

/*
 * Comparing
 */

void describe(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(shared->call, sizeof(shared->call), format, arguments);
	va_end(arguments);
}

void fail(const char *format, ...)
{
	va_list arguments;
	size_t len;

	if (failure->failed)
		return;
	len = snprintf(failure->text, FAILURE_TEXT, "%s: ", shared->call);
	va_start(arguments, format);
	vsnprintf(failure->text + len, FAILURE_TEXT - len, format, arguments);
	va_end(arguments);
	failure->at = at;
	failure->failed = true;
}

static const char *result_text(long result)
{
	static char texts[2][32];
	static int turn;
	char *text = texts[turn ^= 1];
	const char *name = result < 0 && result > -4096 ? strerrorname_np(-result) : NULL;

	snprintf(text, sizeof(texts[0]), "%ld", result);
	return name ? name : text;
}

/* Converts to the convention of the kernel. */
long result(long returned)
{
	shared->calls++;
	return returned == -1 ? -errno : returned;
}

bool expect(long got, long wanted)
{
	if (trace)
		ksft_print_msg("  %s%s = %s\n", in_child ? "another process: " : "", shared->call,
			       result_text(got));
	if (got != wanted)
		fail("returns %s, should return %s", result_text(got),
		     result_text(wanted));
	return got == wanted;
}

void expect_field(const char *what, __u64 got, __u64 wanted)
{
	if (got != wanted)
		fail("%s is %llu, should be %llu", what, got, wanted);
}

/* The process that performs @op, if that kind of operation allows it. */
enum by by_of(const struct op *op)
{
	return op->by <= op_kinds[op->kind].by ? op->by : BY_SELF;
}

/*
 * Memory
 */

static void make_area(struct area *area, const char *name)
{
	char *base = mmap(NULL, 3 * AREA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (base == MAP_FAILED || fd < 0 || ftruncate(fd, AREA))
		ksft_exit_fail_msg("no memory\n");
	area->start = base + AREA;
	area->end = area->start + AREA;
	/* The bytes are in a file, which keeps them when the pages are dropped. */
	mmap(area->start, AREA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
}

enum where draw_where(uint32_t arg)
{
	static const enum where drawn[] = {
		THERE, THERE, THERE, THERE, THERE, THERE, THERE, THERE,
		ABSENT, ABSENT, ABSENT, CUT, CUT, NOWHERE, NOWHERE, KERNEL,
	};
	enum where where = drawn[arg % ARRAY_SIZE(drawn)];

#if !defined(__x86_64__) && !defined(__aarch64__)
	where = where == KERNEL ? NOWHERE : where;
#endif
	return where;
}

const char *where_text(enum where where)
{
	static const char *const texts[] = {
		"", ", not faulted in", ", cut short", ", inaccessible", ", in kernel memory",
	};

	return texts[where];
}

/* A place for @size bytes; @arg selects the details. */
struct place draw_place(struct area *area, enum where where, size_t size, uint32_t arg)
{
	struct place place = { .where = where };

	switch (where) {
	case CUT:
		place.good = arg % ((size < AREA / 2 ? size : AREA / 2) + 1);
		place.at = area->end - place.good;
		break;
	case NOWHERE:
		place.at = arg % 2 ? area->end : NULL;
		break;
	case KERNEL:
		place.at = KERNEL_MEMORY + arg % 4096;
		break;
	default:
		place.at = area->start + 4096 - arg % 64;
		place.good = AREA / 2;
	}
	return place;
}

/* Stores as many bytes as there are accessible ones. */
void fill(struct area *area, const struct place *place, const void *bytes, size_t size)
{
	if (place->good)
		memcpy(place->at, bytes, size < place->good ? size : place->good);
	if (place->where == ABSENT)
		madvise(area->start, AREA, MADV_DONTNEED);
}

void poison(const struct place *place, size_t size)
{
	static char bytes[AREA];

	memset(bytes, POISON, size + BEHIND);
	fill(&to, place, bytes, size + BEHIND);
}

/*
 * Descriptors
 */

/* Mostly an open one for which @can, if given, returns true. */
struct descriptor *pick(uint32_t arg, bool (*can)(const struct file *file))
{
	struct descriptor *open[DESCRIPTORS];
	unsigned int count = 0, i;

	if (arg % 8 == 0)
		can = NULL;
	for (i = 0; i < DESCRIPTORS; i++) {
		if (descriptors[i].file && (!can || can(descriptors[i].file)))
			open[count++] = &descriptors[i];
	}
	if (!count || arg % 32 == 31)
		return &descriptors[arg / 32 % DESCRIPTORS];
	return open[arg / 32 % count];
}

int slot_of(const struct descriptor *d)
{
	return d - descriptors;
}

void forget(struct descriptor *d)
{
	if (d->file)
		model_close(d->file);
	*d = (struct descriptor) { .fd = -1 };
}

/*
 * Checks after each operation
 */

static void check_slot(const struct view *view, unsigned int i)
{
	struct channel *channel = view->file->channel;
	const struct lastline_slot *slot = (const void *)((const char *)(view->map + 1) +
							  i * view->map->stride);
	const struct line *line = &channel->lines[i];
	size_t room = view->map->stride - sizeof(*slot), end = slot->offset + slot->length;
	static const char zeros[MODEL_LINE_MAX];
	/* After a write that failed, an old slot may be empty. */
	bool failed = slot->generation == LASTLINE_MAP_FILLING && line != model_latest(channel);

	if (slot->generation != line->generation && !failed)
		fail("then slot %u has generation %llu, should have %llu", i,
		     slot->generation, line->generation);
	else if ((!failed || end) &&
		 (slot->length != line->length || end > room ||
		  memcmp(slot->data + slot->offset, line->bytes, line->length)))
		fail("then slot %u has a different line: %u bytes at %u", i,
		     slot->length, slot->offset);
	else if (memcmp(slot->data + end, zeros, room - end))
		fail("then slot %u has bytes after its line of %u", i, slot->length);
}

static void check_view(const struct view *view)
{
	static char line[MODEL_LINE_MAX];
	struct channel *channel = view->file->channel;
	struct line *latest = model_latest(channel);
	const struct lastline_map head = {
		.generation = channel->newest,
		.version = LASTLINE_MAP_VERSION,
		.stride = view->map->stride,
		.line_max = channel->add.line_max,
		.flags = channel->removed ? LASTLINE_MAP_REMOVED : 0,
	};
	__u64 generation = 0;
	unsigned int i;
	int len;

	len = lastline_map_read(view->map, line, sizeof(line), &generation);
	if (generation != channel->newest || len != (int)latest->length ||
	    memcmp(line, latest->bytes, latest->length))
		fail("then a view has %d bytes of %llu, should have %zu of %llu",
		     len, generation, latest->length, channel->newest);
	if (memcmp(view->map, &head, sizeof(head)))
		fail("then a view has flags %#x, limit %u, or a field that is not 0",
		     view->map->flags, view->map->line_max);
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++)
		check_slot(view, i);
}

static short model_poll(struct file *file)
{
	if (file->channel->removed)
		return POLLHUP | POLLERR;
	if (model_can_read(file) && model_readable(file))
		return POLLOUT | POLLWRNORM | POLLIN | POLLRDNORM;
	return POLLOUT | POLLWRNORM;
}

static void check_poll(void)
{
	struct pollfd polled[DESCRIPTORS];
	short want;
	int i;

	for (i = 0; i < DESCRIPTORS; i++)
		polled[i] = (struct pollfd) {
			.fd = descriptors[i].fd,
			.events = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI |
				  POLLRDHUP,
		};
	if (result(poll(polled, DESCRIPTORS, 0)) < 0)
		fail("poll fails");
	for (i = 0; i < DESCRIPTORS; i++) {
		want = descriptors[i].file ? model_poll(descriptors[i].file) : 0;
		if (polled[i].revents != want)
			fail("then poll of #%d reports %#x, should report %#x", i,
			     polled[i].revents, want);
	}
}

/* Compares everything that can be seen without changing it. */
static void check_all(void)
{
	struct lastline_taken taken;
	struct lastline_info info;
	unsigned int i;
	int bytes;

	check_poll();
	for (i = 0; i < DESCRIPTORS; i++) {
		struct file *file = descriptors[i].file;

		if (!file || file->channel->removed)
			continue;
		if (result(ioctl(descriptors[i].fd, LASTLINE_IOC_INFO, &info)) ||
		    result(ioctl(descriptors[i].fd, LASTLINE_IOC_TAKEN, &taken)) ||
		    result(ioctl(descriptors[i].fd, FIONREAD, &bytes))) {
			fail("then an ioctl of #%d fails: %s", i, strerror(errno));
			continue;
		}
		check_info(file, &info);
		check_taken(file, &taken);
		expect_field("FIONREAD", bytes, model_readable(file));
	}
	for (i = 0; i < ARRAY_SIZE(views); i++) {
		if (views[i].map && views[i].readable)
			check_view(&views[i]);
	}
}

/* SIGIO is always blocked. */
static void check_sigio(void)
{
	const struct timespec at_once = {};
	sigset_t signals;
	bool came;

	sigemptyset(&signals);
	sigaddset(&signals, SIGIO);
	came = sigtimedwait(&signals, NULL, &at_once) == SIGIO;
	if (came != model.signalled)
		fail(came ? "then SIGIO is sent" : "then SIGIO is not sent");
	model.signalled = false;
}

/*
 * Running
 */

static void run_sleep(const struct op *op);

const struct op_kind op_kinds[KINDS] = {
	[WRITE] = { 24, BY_KILLED, run_write },
	[READ] = { 20, BY_KILLED, run_read },
	[SLEEP] = { 4, BY_SELF, run_sleep },
	[FSYNC] = { 4, BY_KILLED, run_fsync },
	[SEEK] = { 6, BY_KILLED, run_seek },
	[IOCTL] = { 8, BY_KILLED, run_ioctl },
	[FCNTL] = { 5, BY_KILLED, run_fcntl },
	[OPEN] = { 12, BY_CHILD, run_open },
	[CLOSE] = { 5, BY_SELF, run_close },
	[DUP] = { 4, BY_SELF, run_dup },
	[MMAP] = { 4, BY_SELF, run_mmap },
	[REMAP] = { 5, BY_SELF, run_remap },
	[ADD] = { 5, BY_CHILD, run_add },
	[REMOVE] = { 2, BY_KILLED, run_remove },
};

static void run_in_child(const struct op *op)
{
	in_child = true;
	model.actor = getpid();
	op_kinds[op->kind].run(op);
}

static int end_child(const struct op *op)
{
	if (by_of(op) == BY_KILLED)
		kill(getpid(), SIGKILL);
	return 0;
}

static int be_child(void *op)
{
	run_in_child(op);
	return end_child(op);
}

/*
 * Performs @op, if not NULL, while the reader sleeps. If that gives the reader something to
 * return, it must wake the reader; else the end of this process does.
 */
static int be_waker(void *op)
{
	struct lastline_info info = {};
	int ms;

	for (ms = 0; ms < PATIENCE_MS && !ioctl(sleeper->fd, LASTLINE_IOC_INFO, &info); ms++) {
		if (info.sleepers)
			break;
		usleep(1000);
	}
	if (!op)
		return 0;
	run_in_child(op);
	if (model_readable(sleeper->file) || sleeper->file->channel->removed) {
		for (ms = 0; ms < PATIENCE_MS && !awake; ms++)
			usleep(1000);
		if (!awake)
			fail("does not wake the sleeping reader");
	}
	return end_child(op);
}

/* A child with its own descriptors and with our memory: fast, and it shares the model. */
static pid_t start_child(int (*run)(void *), const struct op *op, int flags)
{
	static long stack[8192];
	pid_t child = clone(run, stack + ARRAY_SIZE(stack), CLONE_VM | SIGCHLD | flags, (void *)op);

	if (child < 0)
		ksft_exit_fail_msg("clone: %s\n", strerror(errno));
	return child;
}

static void await_child(pid_t child, const struct op *op)
{
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	in_child = false;
	model.actor = self;
	if (op && by_of(op) == BY_KILLED)
		model_killed(child);
}

/* The next operation, if another process can perform it while this one sleeps in a read. */
static const struct op *next_op(void)
{
	const struct op *op;

	if (at + 1 >= shared->program.count)
		return NULL;
	op = &shared->program.ops[at + 1];
	/* A read would compete with the sleeping one. */
	if (op_kinds[op->kind].by == BY_SELF || op_kinds[op->kind].run == run_read)
		return NULL;
	return op;
}

static bool would_sleep(const struct file *file)
{
	return model_can_read(file) && !(file->flags & O_NONBLOCK) &&
	       !file->channel->removed && !model_readable(file);
}

/* sleep: descriptor. A read that sleeps while another process performs the next operation. */
static void run_sleep(const struct op *op)
{
	static char wanted[MODEL_LINE_MAX];
	const struct place place = { .at = to.start, .good = AREA };
	const struct op *next = next_op();
	pid_t waker;
	long want, got;

	sleeper = pick(op->arg[0], would_sleep);
	if (!sleeper->file || !would_sleep(sleeper->file))
		return;
	model_read(sleeper->file, AREA / 4, AREA, wanted);
	poison(&place, AREA / 4);
	sleeper->file->channel->sleepers = 1;
	awake = false;
	waker = start_child(be_waker, next, 0);
	got = result(read(sleeper->fd, place.at, AREA / 4));
	awake = true;
	await_child(waker, next);
	sleeper->file->channel->sleepers = 0;
	at += next ? 1 : 0;

	want = model_read(sleeper->file, AREA / 4, AREA, wanted);
	describe("read(#%d), which slept", slot_of(sleeper));
	if (expect(got, want == -EAGAIN ? -EINTR : want))
		check_bytes(&place, AREA / 4, wanted, got);
}

static void run_op(const struct op *op)
{
	model.now = now_ns(CLOCK_MONOTONIC);
	shared->call[0] = '\0';
	if (by_of(op) == BY_SELF)
		op_kinds[op->kind].run(op);
	else
		await_child(start_child(be_child, op, CLONE_VFORK), op);
	if (failure->failed)
		return;
	check_sigio();
	check_all();
}

/* Reads what is left, then closes all descriptors. */
static void finish(void)
{
	unsigned int i;

	for (i = 0; i < 2 * DESCRIPTORS && !failure->failed; i++) {
		struct descriptor *d = &descriptors[i % DESCRIPTORS];

		if (!d->file)
			continue;
		model.now = now_ns(CLOCK_MONOTONIC);
		if (i < DESCRIPTORS)
			drain(i);
		else
			close_one(d);
		if (!failure->failed)
			check_all();
	}
}

static void clean_up(void)
{
	unsigned int i;

	for (i = 0; i < DESCRIPTORS; i++) {
		if (descriptors[i].fd >= 0)
			close(descriptors[i].fd);
		forget(&descriptors[i]);
	}
	for (i = 0; i < ARRAY_SIZE(views); i++)
		unmap(&views[i]);
	for (i = 0; i < model.channel_count; i++) {
		if (!model.channels[i].removed)
			ioctl(control, LASTLINE_CTL_REMOVE, model.channels[i].add.number);
	}
	model.channel_count = 0;
	check_sigio();
}

/* Runs @program; shared->failure reports the first difference. */
void run_program(const struct program *program)
{
	failure = &shared->failure;
	failure->failed = false;
	shared->program = *program;
	for (at = 0; at < program->count && !failure->failed; at++)
		run_op(&program->ops[at]);
	if (!failure->failed)
		finish();
	clean_up();
}

static void do_nothing(int signal)
{
}

void set_up(void)
{
	const struct sigaction nothing = { .sa_handler = do_nothing };
	sigset_t signals;
	cpu_set_t here;
	FILE *parameter;
	int i;

	/* Only one process acts at a time; waking it on another processor would be slower. */
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
	self = getpid();
	model.actor = self;
	make_area(&from, "from");
	make_area(&to, "to");
	sigaction(SIGALRM, &nothing, NULL);
	sigaction(SIGCHLD, &nothing, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGIO);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (i = 0; i < DESCRIPTORS; i++)
		descriptors[i].fd = -1;
	for (i = 0; i < LASTLINE_CHANNELS_MAX; i++)
		numbers_taken[i] = !access(node(i), F_OK);
	parameter = fopen("/sys/module/lastline/parameters/line_max", "r");
	if (!parameter || fscanf(parameter, "%u", &model.default_limit) != 1)
		ksft_exit_fail_msg("cannot read the parameter line_max\n");
	fclose(parameter);
}
