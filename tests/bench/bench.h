/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the bench share.
 *
 * A *method* is one way to do the job: publish a line, so that a reader gets the
 * newest. It moves lines through a *channel*, which create() makes and every
 * process inherits, between *ends*, which open() makes in the process or thread
 * that uses them. A *measure* does something with any method that can do it and
 * emits *figures*, one JSON object a line.
 *
 * The unit of all times is the nanosecond. In a virtual machine whose clock goes
 * one nanosecond an instruction that is the same as an instruction.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>
#include <time.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define min(a, b)					\
({							\
	__typeof__(a) first = (a);			\
	__typeof__(b) second = (b);			\
							\
	first < second ? first : second;		\
})

/* The compiler shall not know @value: a loop that counts with it remains a loop. */
#define hide(value)	({ __asm__ volatile("" : "+r" (value)); })

#define LINE_MAX_BYTES		1048576	/* the longest line that any method is asked for */

/*
 * Methods
 */

enum role { WRITER, READER };

/* What a method can do. */
#define SLEEPS		0x01	/* read() sleeps until there is a line to get */
#define BROADCASTS	0x02	/* each reader of one channel gets the line */
#define CONFLATES	0x04	/* a line may be published before the last one is read */
#define POLLS		0x08	/* end->fd can be polled */
#define MULTIWRITES	0x10	/* several writers may use one channel at once */
#define UNNAMED		0x20	/* made by create() for relatives only: open() does nothing */
#define NO_LINE		0x40	/* no line comes through: a floor, or a mere counter */
#define DEFERS		0x80	/* write() is back before the line is on its way */
#define DROPS		0x100	/* a full channel loses the new line: write() returns 0 */

struct method;

/**
 * struct channel - what writers and readers have in common
 * @method: how lines get through
 * @number: tells the channels of one method apart
 * @path:   its name in the file system, if it has one
 * @fds:    for ends without a name, by role
 */
struct channel {
	const struct method *method;
	unsigned int number;
	char path[64];
	int fds[2];
};

/**
 * struct end - a writer or a reader of a channel
 * @channel:  the channel
 * @role:     which of the two
 * @fd:       for the method, as all below
 * @extra_fd: for a second file
 * @map:      shared memory
 * @map_size: its bytes
 * @seen:     generation of the line read last
 * @handle:   a library's own
 * @context:  the library's
 */
struct end {
	struct channel *channel;
	enum role role;
	int fd;
	int extra_fd;
	void *map;
	size_t map_size;
	uint64_t seen;
	void *handle;
	void *context;
};

/**
 * struct method - one way to do the job
 * @name:    its name in options and results
 * @traits:  what it can do
 * @max:     the longest line it takes; 0 if only the kernel limits it
 * @crowd:   the most readers it is asked to wake; 0 for any number
 * @create:  make the channel; false if this machine does not have the method
 * @destroy: undo create()
 * @open:    make an end of end->channel in end->role; false as above
 * @close:   undo open()
 * @write:   publish @len bytes, a line; returns @len, or 0 if it was dropped
 * @read:    get the newest line, one that this end has not seen; waits for it if
 *           the method SLEEPS, else returns what is there
 * @look:    is there a line that this end has not seen? Without a system call
 * @peek:    as read(), of a line seen before, too; never waits
 * @looks:   look(), so many times: the call of look() would cost more than itself
 * @peeks:   the same for peek()
 *
 * create(), destroy(), open() and close() may be missing, and the last four mostly
 * are.
 */
struct method {
	const char *name;
	unsigned int traits;
	size_t max;
	unsigned int crowd;
	bool (*create)(struct channel *channel);
	void (*destroy)(struct channel *channel);
	bool (*open)(struct end *end);
	void (*close)(struct end *end);
	ssize_t (*write)(struct end *end, const void *line, size_t len);
	ssize_t (*read)(struct end *end, void *buf, size_t size);
	bool (*look)(struct end *end);
	ssize_t (*peek)(struct end *end, void *buf, size_t size);
	void (*looks)(struct end *end, unsigned int count);
	void (*peeks)(struct end *end, void *buf, size_t size, unsigned int count);
};

extern const struct method *const methods[];	/* of this program; ends with NULL */
extern const struct method method_nothing;	/* what the bench itself costs */
extern const struct method method_null_zero;	/* what has nothing in common */
extern const struct method method_lastline, method_mapped, method_pipe, method_fifo_reopen,
	method_fifo_drop, method_eventfd, method_mq, method_unix, method_rename, method_tmpfs,
	method_seqlock, method_getppid, method_zeromq;

bool channel_create(struct channel *channel, const struct method *method, unsigned int number);
void channel_destroy(struct channel *channel);
bool end_open(struct end *end, struct channel *channel, enum role role);
void end_close(struct end *end);
bool method_takes(const struct method *method, size_t size);

/* For the methods: what only fails if the bench is wrong ends it. */
#define CHECK(condition)						\
	((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))
noreturn void check_failed(const char *condition, const char *file, int line);

bool take_fd(struct end *end);		/* the open() of a method with channel->fds */
void close_fds(struct channel *channel);
ssize_t fd_write(struct end *end, const void *line, size_t len);
ssize_t fd_read(struct end *end, void *buf, size_t size);
void fd_close(struct end *end);
bool name_channel(struct channel *channel, const char *directory);

/*
 * Measures
 */

extern struct options {
	bool native;		/* a real machine, whose times vary */
	uint64_t budget;	/* what one figure may take, in nanoseconds */
	size_t sizes[8];	/* of lines; 0 behind the last */
	unsigned int cpus[8];	/* to run on, in this order */
	unsigned int cpu_count;
} options;

void measure_cost(const struct method *method);
void measure_peek(const struct method *method);
void measure_bulk(const struct method *method);
void measure_open(const struct method *method);
void measure_poll(const struct method *method);
void measure_trip(const struct method *method);
void measure_wake(const struct method *method);
void measure_scale(const struct method *method);

void pin(unsigned int place);		/* this thread to options.cpus[place] */
void fill_line(char *line, size_t size, unsigned int number);

/*
 * Figures
 */

/**
 * struct sample - times of one operation
 * @count: how many
 * @ns:    the times
 */
struct sample {
	unsigned int count;
	uint64_t *ns;
};

static inline uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

unsigned int rounds_within_budget(uint64_t ns, unsigned int rounds);
void sample_alloc(struct sample *sample, unsigned int count);
void sample_free(struct sample *sample);
double sample_median(struct sample *sample);
double sample_typical(struct sample *sample);

/**
 * struct figure - what is known of a figure beside its value
 * @measure: what was measured
 * @method:  on which method
 * @key:     the name of a parameter, or NULL
 * @param:   its value
 */
struct figure {
	const char *measure;
	const struct method *method;
	const char *key;
	unsigned long param;
};

void emit_sample(const struct figure *figure, struct sample *sample, double own_cost);
void emit_value(const struct figure *figure, double value);

#endif /* BENCH_H */
