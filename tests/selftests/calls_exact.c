// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a program: each operation in the model and really, one after the other, and
 * compares. Other processes take part, but one at a time, so that all is certain.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "calls_exact.h"

#define PATIENCE_MS	30000		/* until a reader is asleep, or awake */

struct descriptor descriptors[DESCRIPTORS];
struct view views[VIEWS + OBSERVERS];
struct area from, to;
bool numbers_taken[LASTLINE_CHANNELS_MAX];
pid_t self;
bool in_child;
int control;
volatile bool trace;

static struct failure *failure;
static unsigned int at;		/* the operation being done */
static char call[256];		/* the call being made */
static struct descriptor *sleeper;	/* somebody sleeps in a read of this */
static volatile bool awake;		/* or does not any more */

/*
 * Comparing
 */

__u64 now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

void describe(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(call, sizeof(call), format, arguments);
	va_end(arguments);
}

void fail(enum about about, const char *format, ...)
{
	va_list arguments;
	size_t len;

	if (failure->failed)
		return;
	len = snprintf(failure->text, FAILURE_TEXT, "%s: ", call);
	va_start(arguments, format);
	vsnprintf(failure->text + len, FAILURE_TEXT - len, format, arguments);
	va_end(arguments);
	failure->about = about;
	failure->at = at;
	failure->failed = true;
}

static const char *result_text(long result)
{
	static char texts[2][32];
	static int turn;
	char *text = texts[turn ^= 1];
	const char *name = result < 0 && result > -4096 ? strerrorname_np(-result) : NULL;

	if (name)
		return name;
	snprintf(text, sizeof(texts[0]), "%ld", result);
	return text;
}

/* What a call returned, as the kernel did. */
long result(long returned)
{
	shared->calls++;
	return returned == -1 ? -errno : returned;
}

bool expect(long got, long wanted)
{
	if (trace)
		ksft_print_msg("  %s%s = %s\n", in_child ? "another process: " : "", call,
			       result_text(got));
	if (got != wanted)
		fail(ABOUT_RESULT, "gives %s, should give %s", result_text(got),
		     result_text(wanted));
	return got == wanted;
}

void expect_field(const char *what, __u64 got, __u64 wanted)
{
	if (got != wanted)
		fail(ABOUT_STATE, "%s is %llu, should be %llu", what, got, wanted);
}

/* Who does it, of those who can. */
enum by by_of(const struct op *op)
{
	return op->by <= op_kinds[op->kind].by ? op->by : BY_SELF;
}

/*
 * Memory
 */

static void make_area(struct area *area, const char *name)
{
	char *base = mmap(NULL, HUGE + 2 * AREA, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (base == MAP_FAILED || fd < 0 || ftruncate(fd, AREA))
		ksft_exit_fail_msg("no memory\n");
	area->start = base + HUGE;
	area->end = area->start + AREA;
	/* The bytes are in a file, so that they survive what makes their pages absent. */
	mmap(area->start, AREA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
}

/*
 * Whether that address is refused before any device is asked. It may be a program's own for
 * one of 32 bits on a kernel of 64, and on s390, where each has all addresses for itself.
 */
static bool kernel_memory_is_refused(void)
{
	static int known = -1;
	int fd;

	if (known < 0) {
		fd = open("/dev/null", O_RDONLY);
		known = read(fd, KERNEL_MEMORY, 1) < 0;
		close(fd);
	}
	return known;
}

enum where draw_where(uint32_t arg)
{
	static const enum where drawn[] = {
		THERE, THERE, THERE, THERE, THERE, THERE, THERE, THERE,
		ABSENT, ABSENT, RUNS_OUT, RUNS_OUT, COMES_LATE, NOWHERE, NOWHERE, KERNEL,
	};
	enum where where = drawn[arg % ARRAY_SIZE(drawn)];

	return where == KERNEL && !kernel_memory_is_refused() ? NOWHERE : where;
}

const char *where_text(enum where where)
{
	static const char *const texts[] = {
		"", ", not yet there", ", cut short", ", begins too early", ", nowhere",
		", kernel's",
	};

	return texts[where];
}

/* For @size bytes; @arg draws the details. Where too early is, is the caller's. */
struct place draw_place(struct area *area, enum where where, size_t size, uint32_t arg)
{
	struct place place = { .where = where };

	switch (where) {
	case RUNS_OUT:
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

void poison(const struct place *place, size_t size)
{
	size_t len = size + BEHIND;

	memset(place->at, POISON, len < place->good ? len : place->good);
}

/* Its pages will have to be faulted in. */
void make_absent(struct area *area, const struct place *place)
{
	if (place->where == ABSENT)
		madvise(area->start, AREA, MADV_DONTNEED);
}

/* The whole as up to four pieces, one of them perhaps empty. */
int draw_vector(struct iovec *vector, void *at, size_t size, uint32_t arg)
{
	int count = 1 + arg % 4, i;
	size_t piece;

	for (i = 0; i < count; i++) {
		piece = i == count - 1 ? size : (arg >> 4 * i) % (size + 1);
		vector[i] = (struct iovec) { at, piece };
		at += piece;
		size -= piece;
	}
	return count;
}

/*
 * Descriptors
 */

/* Mostly one that is open and, if @can is given, that can do it. */
struct descriptor *pick(uint32_t arg, bool (*can)(const struct file *file))
{
	struct descriptor *open[DESCRIPTORS];
	unsigned int count = 0, i;

	if (arg % 8 == 0)
		can = NULL;
	for (i = 0; i < DESCRIPTORS; i++) {
		if (descriptors[i].fd < 0)
			continue;
		if (!can || (descriptors[i].file && can(descriptors[i].file)))
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

/* For a call that would sleep: something ends it soon. */
void tick(bool on)
{
	const struct itimerval time = {
		.it_interval.tv_usec = on * 2000,
		.it_value.tv_usec = on * 2000,
	};

	setitimer(ITIMER_REAL, &time, NULL);
}

static void do_nothing(int signal)
{
}

/*
 * Running
 */

static void run_sleep(const struct op *op);

const struct op_kind op_kinds[] = {
	{ "write", 24, BY_KILLED, run_write },
	{ "read", 20, BY_KILLED, run_read },
	{ "sleep", 4, BY_SELF, run_sleep },
	{ "fsync", 4, BY_KILLED, run_fsync },
	{ "seek", 6, BY_KILLED, run_seek },
	{ "ioctl", 8, BY_KILLED, run_ioctl },
	{ "poll", 2, BY_KILLED, run_poll },
	{ "fcntl", 5, BY_KILLED, run_fcntl },
	{ "open", 12, BY_NOBODY, run_open },
	{ "close", 5, BY_SELF, run_close },
	{ "dup", 4, BY_SELF, run_dup },
	{ "mmap", 4, BY_SELF, run_mmap },
	{ "protect", 2, BY_SELF, run_protect },
	{ "unmap", 3, BY_SELF, run_unmap },
	{ "add", 5, BY_NOBODY, run_add },
	{ "remove", 2, BY_NOBODY, run_remove },
	{ "find", 1, BY_NOBODY, run_find },
};

const unsigned int op_kind_count = ARRAY_SIZE(op_kinds);

/* The head and every slot of a mapping. */
static void check_slot(const struct view *view, unsigned int i)
{
	struct channel *channel = view->file->channel;
	const struct lastline_slot *slot = (const void *)((const char *)(view->map + 1) +
							  i * view->map->stride);
	const struct line *line = &channel->lines[i];
	size_t room = view->map->stride - sizeof(*slot), end;
	static const char zeros[MODEL_LINE_MAX];
	bool newest = line == model_latest(channel);

	/* One that was begun in vain is wiped or as it was; that is never the latest. */
	if (slot->generation != line->generation &&
	    (newest || slot->generation != LASTLINE_MAP_FILLING)) {
		fail(ABOUT_VIEW, "then slot %u has generation %llu, should have %llu", i,
		     slot->generation, line->generation);
		return;
	}
	end = slot->offset + slot->length;
	if ((slot->generation != LASTLINE_MAP_FILLING || end) &&
	    (slot->length != line->length || end > room ||
	     memcmp(slot->data + slot->offset, line->bytes, line->length)))
		fail(ABOUT_VIEW, "then slot %u has another line, of %u bytes from %u on", i,
		     slot->length, slot->offset);
	if (end < room && memcmp(slot->data + end, zeros, room - end))
		fail(ABOUT_VIEW, "then slot %u has bytes behind its line of %u", i, slot->length);
}

static void check_view(const struct view *view)
{
	static char line[MODEL_LINE_MAX];
	struct channel *channel = view->file->channel;
	struct line *latest = model_latest(channel);
	__u64 generation = 0;
	unsigned int i;
	int len;

	len = lastline_map_read(view->map, line, sizeof(line), &generation);
	if (generation != channel->newest || len != (int)latest->length ||
	    memcmp(line, latest->bytes, latest->length))
		fail(ABOUT_VIEW, "then a view shows %d bytes of %llu, should show %zu of %llu",
		     len, generation, latest->length, channel->newest);
	if (view->map->version != LASTLINE_MAP_VERSION ||
	    view->map->line_max != channel->add.line_max ||
	    view->map->flags != (channel->removed ? LASTLINE_MAP_REMOVED : 0))
		fail(ABOUT_VIEW, "then the head of a view has flags %#x, limit %u",
		     view->map->flags, view->map->line_max);
	for (i = 0; i < ARRAY_SIZE(view->map->spare); i++) {
		if (view->map->spare[i])
			fail(ABOUT_VIEW, "then the head of a view has a spare field set");
	}
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++)
		check_slot(view, i);
}

/* Everything that can be seen without changing it. */
static void check_all(void)
{
	struct lastline_taken taken;
	struct lastline_info info;
	unsigned int i;
	int bytes;

	poll_all(EVERY_EVENT);
	for (i = 0; i < DESCRIPTORS; i++) {
		struct file *file = descriptors[i].file;

		if (!file || file->channel->removed)
			continue;
		if (result(ioctl(descriptors[i].fd, LASTLINE_IOC_INFO, &info)) ||
		    result(ioctl(descriptors[i].fd, LASTLINE_IOC_TAKEN, &taken)) ||
		    result(ioctl(descriptors[i].fd, FIONREAD, &bytes))) {
			fail(ABOUT_RESULT, "then an ioctl of #%d fails: %s", i, strerror(errno));
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

/* It is blocked all the time, and taken here. */
static void check_sigio(void)
{
	const struct timespec at_once = {};
	sigset_t signals;
	bool came;

	sigemptyset(&signals);
	sigaddset(&signals, SIGIO);
	came = sigtimedwait(&signals, NULL, &at_once) == SIGIO;
	if (came != model.signalled)
		fail(ABOUT_SIGIO, came ? "then SIGIO came" : "then SIGIO did not come");
	model.signalled = false;
}

static void become_nobody(void)
{
	/* Not by the C library, which would look for threads. */
	if (syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) ||
	    syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY))
		_exit(KSFT_FAIL);
}

static void begin_child(const struct op *op)
{
	in_child = true;
	model.actor = getpid();
	cover_child();
	if (by_of(op) == BY_NOBODY)
		become_nobody();
}

static int end_child(const struct op *op)
{
	if (by_of(op) == BY_KILLED)
		kill(getpid(), SIGKILL);
	return 0;
}

static int be_child(void *argument)
{
	const struct op *op = argument;

	begin_child(op);
	op_kinds[op->kind].run(op);
	return end_child(op);
}

/*
 * Does @argument, an operation, when a reader is asleep. What gives the reader something
 * must wake it; else the end of this process does.
 */
static int help(void *argument)
{
	struct lastline_info info = {};
	int ms;

	for (ms = 0; ms < PATIENCE_MS && !ioctl(sleeper->fd, LASTLINE_IOC_INFO, &info); ms++) {
		if (info.sleepers)
			break;
		usleep(1000);
	}
	if (!argument)
		return 0;
	begin_child(argument);
	op_kinds[((struct op *)argument)->kind].run(argument);
	if (model_readable(sleeper->file) || sleeper->file->channel->removed) {
		for (ms = 0; ms < PATIENCE_MS && !awake; ms++)
			usleep(1000);
		if (!awake)
			fail(ABOUT_RESULT, "the reader that sleeps is not woken");
	}
	return end_child(argument);
}

/*
 * A child with descriptors of its own, but with our memory: it is so much quicker, and
 * goes on with the same model.
 */
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

/* The next operation of the program, if another process can do it. */
static const struct op *next_op(void)
{
	const struct op *op;

	if (at + 1 >= shared->program.count)
		return NULL;
	op = &shared->program.ops[at + 1];
	/* It would have to read what was published for us. */
	if (op_kinds[op->kind].by == BY_SELF || op_kinds[op->kind].run == run_read)
		return NULL;
	return op;
}

static bool would_sleep(const struct file *file)
{
	return model_can_read(file) && !(file->flags & O_NONBLOCK) &&
	       !file->channel->removed && !model_readable(file);
}

/*
 * sleep: descriptor. A read that sleeps until another process has done the next
 * operation; if that gives it nothing, the other one's end interrupts it.
 */
static void run_sleep(const struct op *op)
{
	static char wanted[MODEL_LINE_MAX];
	const struct place place = { .at = to.start, .good = AREA };
	const struct op *next = next_op();
	pid_t helper;
	long want, got;

	sleeper = pick(op->arg[0], would_sleep);
	if (!sleeper->file || !would_sleep(sleeper->file))
		return;
	model_read(sleeper->file, AREA / 4, AREA, wanted);
	poison(&place, AREA / 4);
	sleeper->file->channel->sleepers = 1;
	awake = false;
	helper = start_child(help, next, 0);
	got = result(read(sleeper->fd, place.at, AREA / 4));
	awake = true;
	await_child(helper, next);
	sleeper->file->channel->sleepers = 0;
	at += next ? 1 : 0;

	want = model_read(sleeper->file, AREA / 4, AREA, wanted);
	describe("read(#%d), asleep meanwhile", slot_of(sleeper));
	if (expect(got, want == -EAGAIN ? -EINTR : want))
		check_bytes(&place, AREA / 4, wanted, got);
}

static void run_op(const struct op *op)
{
	const struct op_kind *kind = &op_kinds[op->kind];

	model.now = now(CLOCK_MONOTONIC);
	call[0] = '\0';
	if (by_of(op) == BY_SELF)
		kind->run(op);
	else
		await_child(start_child(be_child, op, CLONE_VFORK), op);
	if (failure->failed)
		return;
	check_sigio();
	check_all();
}

/* What is left is read, and all is closed. */
static void finish(void)
{
	unsigned int i;

	for (i = 0; i < DESCRIPTORS && !failure->failed; i++) {
		if (descriptors[i].fd >= 0)
			drain(i);
	}
	for (i = 0; i < DESCRIPTORS && !failure->failed; i++) {
		model.now = now(CLOCK_MONOTONIC);
		if (descriptors[i].fd >= 0)
			close_one(&descriptors[i]);
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

/* Does all of @program; what was not as it should be is in shared->failure. */
void exact_run(const struct program *program)
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

void exact_set_up(void)
{
	const struct sigaction nothing = { .sa_handler = do_nothing };
	struct lastline_add add = { .number = FIRST_NUMBER };
	struct lastline_info info;
	cpu_set_t here;
	sigset_t signals;
	int number, fd;

	/* Nothing happens at once; to wake another processor would only take time. */
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
	for (number = 0; number < DESCRIPTORS; number++)
		descriptors[number].fd = -1;
	for (number = 0; number < LASTLINE_CHANNELS_MAX; number++)
		numbers_taken[number] = !access(node(number), F_OK);
	/* What the module was loaded with. */
	ioctl(control, LASTLINE_CTL_ADD, &add);
	fd = open(node(FIRST_NUMBER), O_RDONLY);
	if (ioctl(fd, LASTLINE_IOC_INFO, &info))
		ksft_exit_fail_msg("a channel cannot be made: %s\n", strerror(errno));
	close(fd);
	ioctl(control, LASTLINE_CTL_REMOVE, FIRST_NUMBER);
	model.default_limit = info.line_max;
}
