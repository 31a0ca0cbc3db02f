// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a program: performs each operation on the model and on the driver, and compares them.
 * Only one process makes calls at a time, so the results are predictable.
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

#define TIMEOUT_MS	30000		/* until a reader sleeps, or wakes */

struct descriptor descriptors[DESCRIPTORS];
struct view views[VIEWS + OBSERVERS];
struct area input, output;
bool numbers_taken[LASTLINE_CHANNELS_MAX];
pid_t self;
bool in_child;
int control;
volatile bool print_calls;

static struct failure *failure;
static unsigned int current_op;		/* index of the current operation */
static struct descriptor *sleeper;	/* descriptor from which SLEEP reads */
static volatile bool reader_returned;	/* this read has returned */

void describe_call(const char *format, ...)
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
	failure->op = current_op;
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

/* Returns a negative errno for a call that failed. */
long result(long returned)
{
	shared->calls++;
	return returned == -1 ? -errno : returned;
}

bool expect(long got, long wanted)
{
	if (print_calls)
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

/* Returns the process that performs @op: op->actor if this kind of operation allows it. */
enum actor actor_of(const struct op *op)
{
	return op->actor <= op_kinds[op->kind].last_actor ? op->actor : SELF;
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
	/* A file keeps the bytes when fill_buffer() drops the pages. */
	mmap(area->start, AREA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
}

enum placement random_placement(uint32_t arg)
{
	static const enum placement choices[] = {
		PRESENT, PRESENT, PRESENT, PRESENT, PRESENT, PRESENT, PRESENT, PRESENT,
		NOT_PRESENT, NOT_PRESENT, NOT_PRESENT, TRUNCATED, TRUNCATED,
		UNMAPPED, UNMAPPED, KERNEL,
	};
	enum placement placement = choices[arg % ARRAY_SIZE(choices)];

#if !defined(__x86_64__) && !defined(__aarch64__)
	placement = placement == KERNEL ? UNMAPPED : placement;
#endif
	return placement;
}

const char *placement_text(enum placement placement)
{
	static const char *const texts[] = {
		"", ", not faulted in", ", cut short", ", inaccessible", ", in kernel memory",
	};

	return texts[placement];
}

/* Returns a buffer of @size bytes. @arg selects the details. */
struct buffer random_buffer(struct area *area, enum placement placement, size_t size, uint32_t arg)
{
	struct buffer buffer = { .placement = placement };

	switch (placement) {
	case TRUNCATED:
		buffer.accessible = arg % ((size < AREA / 2 ? size : AREA / 2) + 1);
		buffer.addr = area->end - buffer.accessible;
		break;
	case UNMAPPED:
		buffer.addr = arg % 2 ? area->end : NULL;
		break;
	case KERNEL:
		buffer.addr = KERNEL_MEMORY + arg % 4096;
		break;
	default:
		buffer.addr = area->start + 4096 - arg % 64;
		buffer.accessible = AREA / 2;
	}
	return buffer;
}

/* Stores @bytes in the accessible part of the buffer. */
void fill_buffer(struct area *area, const struct buffer *buffer, const void *bytes, size_t size)
{
	if (buffer->accessible)
		memcpy(buffer->addr, bytes, size < buffer->accessible ? size : buffer->accessible);
	if (buffer->placement == NOT_PRESENT)
		madvise(area->start, AREA, MADV_DONTNEED);
}

void poison_buffer(const struct buffer *buffer, size_t size)
{
	static char bytes[AREA];

	memset(bytes, POISON, size + GUARD);
	fill_buffer(&output, buffer, bytes, size + GUARD);
}

/*
 * Descriptors
 */

/* Returns mostly an open descriptor, for which @can, unless NULL, returns true. */
struct descriptor *pick_descriptor(uint32_t arg, bool (*can)(const struct file *file))
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

int index_of(const struct descriptor *d)
{
	return d - descriptors;
}

void reset_descriptor(struct descriptor *d)
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
	/* A write that failed may have cleared an old slot. */
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

/* Compares all state that can be read without changing it. */
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
	[WRITE] = { 24, KILLED_CHILD, run_write },
	[READ] = { 20, KILLED_CHILD, run_read },
	[SLEEP] = { 4, SELF, run_sleep },
	[FSYNC] = { 4, KILLED_CHILD, run_fsync },
	[SEEK] = { 6, KILLED_CHILD, run_seek },
	[IOCTL] = { 8, KILLED_CHILD, run_ioctl },
	[FCNTL] = { 5, KILLED_CHILD, run_fcntl },
	[OPEN] = { 12, CHILD, run_open },
	[CLOSE] = { 5, SELF, run_close },
	[DUP] = { 4, SELF, run_dup },
	[MMAP] = { 4, SELF, run_mmap },
	[REMAP] = { 5, SELF, run_remap },
	[ADD] = { 5, CHILD, run_add },
	[REMOVE] = { 2, KILLED_CHILD, run_remove },
};

static void run_in_child(const struct op *op)
{
	in_child = true;
	model.caller = getpid();
	op_kinds[op->kind].run(op);
}

static int end_child(const struct op *op)
{
	if (actor_of(op) == KILLED_CHILD)
		kill(getpid(), SIGKILL);
	return 0;
}

static int child_main(void *op)
{
	run_in_child(op);
	return end_child(op);
}

/*
 * Performs @op, unless NULL, while the reader sleeps. If the read can return then, @op must
 * wake the reader. Otherwise the SIGCHLD of this process interrupts the read.
 */
static int waker_main(void *op)
{
	struct lastline_info info = {};
	int ms;

	for (ms = 0; ms < TIMEOUT_MS && !ioctl(sleeper->fd, LASTLINE_IOC_INFO, &info); ms++) {
		if (info.sleepers)
			break;
		usleep(1000);
	}
	if (!op)
		return 0;
	run_in_child(op);
	if (model_readable(sleeper->file) || sleeper->file->channel->removed) {
		for (ms = 0; ms < TIMEOUT_MS && !reader_returned; ms++)
			usleep(1000);
		if (!reader_returned)
			fail("does not wake the sleeping reader");
	}
	return end_child(op);
}

/* The child has the same memory, and so the same model, but its own descriptors. */
static pid_t start_child(int (*run)(void *), const struct op *op, int flags)
{
	static long stack[8192];
	pid_t child = clone(run, stack + ARRAY_SIZE(stack), CLONE_VM | SIGCHLD | flags, (void *)op);

	if (child < 0)
		ksft_exit_fail_msg("clone: %s\n", strerror(errno));
	return child;
}

static void wait_for_child(pid_t child, const struct op *op)
{
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	in_child = false;
	model.caller = self;
	if (op && actor_of(op) == KILLED_CHILD)
		model_process_killed(child);
}

/* Returns the next operation if another process can perform it while this one sleeps. */
static const struct op *next_op(void)
{
	const struct op *op;

	if (current_op + 1 >= shared->program.count)
		return NULL;
	op = &shared->program.ops[current_op + 1];
	/* A second read could take the line. */
	if (op_kinds[op->kind].last_actor == SELF || op_kinds[op->kind].run == run_read)
		return NULL;
	return op;
}

static bool would_sleep(const struct file *file)
{
	return model_can_read(file) && !(file->flags & O_NONBLOCK) &&
	       !file->channel->removed && !model_readable(file);
}

/* Arguments: descriptor. Reads, and sleeps while another process performs the next operation. */
static void run_sleep(const struct op *op)
{
	static char wanted[MODEL_LINE_MAX];
	const struct buffer buffer = { .addr = output.start, .accessible = AREA };
	const struct op *next = next_op();
	pid_t waker;
	long want, got;

	sleeper = pick_descriptor(op->arg[0], would_sleep);
	if (!sleeper->file || !would_sleep(sleeper->file))
		return;
	model_read(sleeper->file, AREA / 4, AREA, wanted);
	poison_buffer(&buffer, AREA / 4);
	sleeper->file->channel->sleepers = 1;
	reader_returned = false;
	waker = start_child(waker_main, next, 0);
	got = result(read(sleeper->fd, buffer.addr, AREA / 4));
	reader_returned = true;
	wait_for_child(waker, next);
	sleeper->file->channel->sleepers = 0;
	current_op += next ? 1 : 0;

	want = model_read(sleeper->file, AREA / 4, AREA, wanted);
	describe_call("read(#%d), which slept", index_of(sleeper));
	if (expect(got, want == -EAGAIN ? -EINTR : want))
		check_bytes(&buffer, AREA / 4, wanted, got);
}

static void run_op(const struct op *op)
{
	model.now = now_ns(CLOCK_MONOTONIC);
	shared->call[0] = '\0';
	if (actor_of(op) == SELF)
		op_kinds[op->kind].run(op);
	else
		wait_for_child(start_child(child_main, op, CLONE_VFORK), op);
	if (failure->failed)
		return;
	check_sigio();
	check_all();
}

static void drain_and_close_all(void)
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
		reset_descriptor(&descriptors[i]);
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

/* Runs @program. Sets shared->failure to the first difference. */
void run_program(const struct program *program)
{
	failure = &shared->failure;
	failure->failed = false;
	shared->program = *program;
	for (current_op = 0; current_op < program->count && !failure->failed; current_op++)
		run_op(&program->ops[current_op]);
	if (!failure->failed)
		drain_and_close_all();
	clean_up();
}

static void do_nothing(int signal)
{
}

void fuzz_init(void)
{
	const struct sigaction nothing = { .sa_handler = do_nothing };
	sigset_t signals;
	cpu_set_t here;
	FILE *parameter;
	int i;

	/* Only one process runs at a time. Waking it on another CPU would be slower. */
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
	self = getpid();
	model.caller = self;
	make_area(&input, "input");
	make_area(&output, "output");
	sigaction(SIGALRM, &nothing, NULL);
	sigaction(SIGCHLD, &nothing, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGIO);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (i = 0; i < DESCRIPTORS; i++)
		descriptors[i].fd = -1;
	for (i = 0; i < LASTLINE_CHANNELS_MAX; i++)
		numbers_taken[i] = !access(node_path(i), F_OK);
	parameter = fopen("/sys/module/lastline/parameters/line_max", "r");
	if (!parameter || fscanf(parameter, "%u", &model.default_limit) != 1)
		ksft_exit_fail_msg("cannot read the parameter line_max\n");
	fclose(parameter);
}
