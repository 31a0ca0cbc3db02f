/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by all parts of the benchmark.
 *
 * A *method* is one way to publish a line so that a reader gets the newest. It moves
 * lines through a *channel*, which create() makes and every process inherits, between
 * *ends*, which open() makes in the process or thread that uses them. A *measure* times
 * operations of a method and emits *figures*, one JSON object per line.
 *
 * Times are in nanoseconds. In the virtual machine, whose clock advances one nanosecond
 * per instruction, they are instructions.
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

/* Hides @value from the compiler, so that it does not remove a loop that counts with it. */
#define hide(value)	({ __asm__ volatile("" : "+r" (value)); })

#define CHECK(condition)						\
	((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))
noreturn void check_failed(const char *condition, const char *file, int line);

#define LINE_BYTES	64	/* for measures without a size */
#define LINE_MAX_BYTES	1048576	/* longest line of any measure */

/* Methods */

enum role { WRITER, READER };

#define SLEEPS		0x01	/* read() sleeps until there is an unseen line */
#define BROADCASTS	0x02	/* each reader of one channel gets the line */
#define CONFLATES	0x04	/* a line may be published before the last one is read */
#define POLLS		0x08	/* end->fd can be polled */
#define UNNAMED		0x10	/* create() opens both ends; other processes inherit them */
#define NO_LINE		0x20	/* carries no line: a floor or a counter */
#define DEFERS		0x40	/* write() returns before the line is sent */

struct method;

/* Shared by writers and readers */
struct channel {
	const struct method *method;
	unsigned int number;	/* among the channels of one method */
	char path[64];		/* in the file system; empty if unnamed */
	int fds[2];		/* of unnamed ends, by role */
};

/* A writer or a reader of a channel */
struct end {
	struct channel *channel;
	enum role role;
	int fd;			/* -1 if there is none */
	void *map;		/* shared memory */
	size_t map_size;
	uint64_t seen;		/* generation of the line read last */
	void *handle;		/* object of a library, or a buffer */
	void *context;		/* of a library */
};

/**
 * struct method - one way to do the job
 * @name:    name in options and results
 * @traits:  flags above
 * @max:     longest line; 0 if only the kernel limits it
 * @crowd:   largest number of readers to wake; 0 means no limit
 * @create:  make the channel; false if this machine does not support the method
 * @destroy: undo create()
 * @open:    make an end of end->channel in end->role; false as above
 * @close:   undo open()
 * @write:   publish @len bytes, a line; returns @len
 * @read:    get the newest line; waits for an unseen one if the method SLEEPS
 * @peek:    get the newest line, seen or not, without sleeping
 * @looks:   check @count times, without a system call, for an unseen line
 * @peeks:   peek @count times, where a call through this table would cost more than a peek
 *
 * All but write() and read() may be NULL. A method has peek() or peeks(), not both.
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
	ssize_t (*peek)(struct end *end, void *buf, size_t size);
	void (*looks)(struct end *end, unsigned int count);
	void (*peeks)(struct end *end, void *buf, size_t size, unsigned int count);
};

extern const struct method *const methods[];	/* of this program; ends with NULL */
extern const struct method method_lastline, method_mapped, method_seqlock;

bool channel_create(struct channel *channel, const struct method *method, unsigned int number);
void channel_destroy(struct channel *channel);
bool end_open(struct end *end, struct channel *channel, enum role role);
void end_close(struct end *end);

/* For the methods */
ssize_t fd_write(struct end *end, const void *line, size_t len);
ssize_t fd_read(struct end *end, void *buf, size_t size);
void name_channel(struct channel *channel, const char *directory);

/* Both ends in one process or thread */
struct pair {
	struct channel channel;	/* if pair_open() made it */
	struct end writer;
	struct end reader;
	char *line;		/* to write */
	char *buf;		/* for the line that is read */
	size_t size;		/* of both */
};

bool pair_open(struct pair *pair, const struct method *method, size_t size);
bool pair_join(struct pair *pair, struct channel *from, struct channel *to, size_t size);
void pair_close(struct pair *pair);
void fill_line(char *line, size_t size, unsigned int number);

static inline ssize_t put(struct pair *pair)
{
	return pair->writer.channel->method->write(&pair->writer, pair->line, pair->size);
}

/* The buffer is as large as the line, so no method fills more. */
static inline ssize_t get(struct pair *pair)
{
	return pair->reader.channel->method->read(&pair->reader, pair->buf, pair->size);
}

/* Measures */

extern struct options {
	bool native;		/* real machine: times vary */
	uint64_t budget;	/* time for one figure, in nanoseconds */
	size_t sizes[8];	/* of lines; 0 after the last */
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

void pin(unsigned int place);		/* this thread to options.cpus[place] */

/* Figures */

static inline uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

/* Identifies a result */
struct figure {
	const char *measure;
	const struct method *method;
	const char *key;	/* name of a parameter, or NULL */
	unsigned long param;	/* its value */
};

/* Repeated values of one figure */
struct sample {
	unsigned int count;
	double *values;
};

/* A timed function; @subject is its argument. */
typedef void operation(void *subject);

/* Indices of the samples of timed() */
enum part { FIRST, SECOND, BOTH, PARTS };

unsigned int rounds_within_budget(uint64_t ns, unsigned int rounds);
unsigned int rounds_for(operation *first, operation *second, void *subject);
void timed(operation *first, operation *second, void *subject, unsigned int rounds,
	   struct sample samples[PARTS]);
void measure(const struct figure *figure, operation *call, void *subject, unsigned int rounds,
	     double own_cost);
double sample_typical(struct sample *sample);
void samples_free(struct sample samples[PARTS]);
void emit_value(const struct figure *figure, double value);

#endif /* BENCH_H */
