// SPDX-License-Identifier: GPL-2.0-only
/* lastline bench: measure calls and wake-ups, and compare with a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "cli.h"
#include "signals.h"

#define DURATION_MIN_NS		(NS_PER_S / 10)
#define DURATION_MAX_NS		(3600 * NS_PER_S)

/* @key: name in JSON; @text: name in the table; @has_ratio: does the same as the pipe. */
static const struct {
	const char *key;
	const char *text;
	bool has_ratio;
} call_texts[CALLS] = {
	[CALL_WRITE]		= { "write", "write" },
	[CALL_WRITE_READ]	= { "write_read", "write, read", true },
	[CALL_WRITE_TAKE]	= { "write_take", "write, take", true },
	[CALL_PEEK]		= { "peek", "peek (mapped)" },
	[CALL_NEWER]		= { "newer", "anything newer? (mapped)" },
	[CALL_PIPE]		= { "pipe_write_read", "a pipe: write, read", true },
};

static const struct {
	const char *key;
	const char *text;
} wake_texts[WAKES] = {
	[WAKE_CHANNEL]	= { "take", "take" },
	[WAKE_PIPE]	= { "pipe_read", "a pipe: read" },
};

/**
 * struct results - all results
 * @number: N of /dev/lastlineN
 * @calls:  calls that do not sleep
 * @wakes:  wake-ups of a sleeping reader
 */
struct results {
	int number;
	struct figure calls[CALLS];
	struct wakes wakes[WAKES];
};

static double call_ratio(const struct results *results, int call)
{
	return results->calls[call].ns / results->calls[CALL_PIPE].ns;
}

/* 0 if a reader never slept. */
static double wake_ratio(const struct results *results, int wake)
{
	double pipe = results->wakes[WAKE_PIPE].median;

	return pipe ? results->wakes[wake].median / pipe : 0;
}

static void print_call(const struct results *results, int call)
{
	const struct figure *figure = &results->calls[call];

	if (!figure->ns) {
		printf("%-26s %10s\n", call_texts[call].text, "-");
		return;
	}
	printf("%-26s %10.1f %10.1f %10.1f", call_texts[call].text, figure->ns, figure->fastest,
	       figure->slowest);
	if (call_texts[call].has_ratio)
		printf(" %10.2f", call_ratio(results, call));
	putchar('\n');
}

static void print_table(const struct results *results)
{
	int i;

	printf("Lines of %d bytes through /dev/lastline%d; nanoseconds, median of %d rounds\n\n",
	       LINE_BYTES, results->number, ROUNDS);
	printf("%-26s %10s %10s %10s %10s\n", "", "median", "fastest", "slowest", "pipe = 1");
	for (i = 0; i < CALLS; i++)
		print_call(results, i);
	puts("\nWake-up of a sleeping reader: from the write until it has the line\n");
	printf("%-26s %10s %10s %10s %10s\n", "", "median", "99 %", "samples", "pipe = 1");
	for (i = 0; i < WAKES; i++)
		printf("%-26s %10.0f %10.0f %10u %10.2f\n", wake_texts[i].text,
		       results->wakes[i].median, results->wakes[i].p99,
		       results->wakes[i].samples, wake_ratio(results, i));
}

static json_t *call_json(const struct results *results, int call)
{
	const struct figure *figure = &results->calls[call];

	if (!figure->ns)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:o}", "median_ns", figure->ns, "fastest_ns",
			 figure->fastest, "slowest_ns", figure->slowest, "of_pipe",
			 call_texts[call].has_ratio ? json_real(call_ratio(results, call)) :
						      json_null());
}

static json_t *wake_json(const struct results *results, int wake)
{
	const struct wakes *wakes = &results->wakes[wake];

	return json_pack("{s:f, s:f, s:i, s:f}", "median_ns", wakes->median, "p99_ns",
			 wakes->p99, "samples", (int)wakes->samples, "of_pipe",
			 wake_ratio(results, wake));
}

static void print_json(const struct results *results)
{
	json_t *calls = json_object(), *wakes = json_object(), *json;
	int i;

	for (i = 0; i < CALLS; i++)
		json_object_set_new(calls, call_texts[i].key, call_json(results, i));
	for (i = 0; i < WAKES; i++)
		json_object_set_new(wakes, wake_texts[i].key, wake_json(results, i));
	json = json_pack("{s:i, s:i, s:i, s:o, s:o}", "number", results->number, "line_bytes",
			 LINE_BYTES, "rounds", ROUNDS, "calls", calls, "wake_ups", wakes);
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(json);
}

/* Other readers of the channel should recognize the text. */
static void fill_line(struct subject *subject)
{
	static const char text[] = "lastline bench ";
	size_t i;

	for (i = 0; i < LINE_BYTES; i++)
		subject->line[i] = text[i % (sizeof(text) - 1)];
	subject->line[LINE_BYTES - 1] = '\n';
}

/* Returns 0 or a negative errno. */
static int measure(const char *which, uint64_t duration_ns, struct results *results)
{
	struct subject subject = {};
	int ret;

	fill_line(&subject);
	if (pipe2(subject.pipe, O_CLOEXEC))
		return -errno;
	ret = lastline_open(&subject.channel, which, O_RDWR);
	if (ret)
		goto close_pipe;
	/* If mapping is not supported, measure the rest. */
	if (lastline_map(subject.channel, &subject.map))
		subject.map = NULL;
	ret = measure_calls(&subject, duration_ns / 2, results->calls);
	if (!ret)
		ret = measure_wakes(&subject, duration_ns / 2, results->wakes);
	lastline_close(subject.channel);
close_pipe:
	close(subject.pipe[0]);
	close(subject.pipe[1]);
	return ret;
}

/* Measures on a temporary channel. */
static int measure_temporary(uint64_t duration_ns, struct results *results)
{
	struct lastline_add add = { .number = -1, .permissions = 0600 };
	char which[16];
	int ret;

	snprintf(add.name, sizeof(add.name), "bench.%d", getpid());
	results->number = lastline_add(&add);
	if (results->number == -EACCES || results->number == -EPERM)
		die("permission denied: only root may add channels; try: lastline bench CHANNEL");
	if (results->number < 0)
		return results->number;
	snprintf(which, sizeof(which), "%d", results->number);
	ret = measure(which, duration_ns, results);
	lastline_remove(results->number);
	return ret;
}

static int measure_on(const char *which, uint64_t duration_ns, struct results *results)
{
	results->number = lastline_find(which);
	return results->number < 0 ? results->number : measure(which, duration_ns, results);
}

static int bench(int argc, char **argv)
{
	uint64_t duration_ns = 3 * NS_PER_S;
	struct results results = {};
	const char *which = NULL;
	bool as_json = false;
	int option, ret;

	while ((option = next_option(&bench_command, argc, argv)) >= 0) {
		if (option == 'j')
			as_json = true;
		else
			duration_ns = parse_duration(&bench_command, optarg);
	}
	if (duration_ns < DURATION_MIN_NS || duration_ns > DURATION_MAX_NS)
		usage_error(&bench_command, "invalid time: --seconds must be 0.1s to 1h");
	if (optind < argc)
		which = channel_argument(&bench_command, argc, argv);
	catch_termination_signals();
	ret = which ? measure_on(which, duration_ns, &results) :
		      measure_temporary(duration_ns, &results);
	raise_caught_signal();
	if (ret)
		return channel_error(which ? which : "temporary channel", ret);
	as_json ? print_json(&results) : print_table(&results);
	return STATUS_OK;
}

static const struct command_option options[] = {
	{ 's', "seconds", "N", "measure for N seconds (default: 3)" },
	{ 'j', "json", NULL, "print JSON" },
	{},
};

const struct command bench_command = {
	.name = "bench",
	.run = bench,
	.about = "measure the speed on this machine",
	.usage = "[OPTION]... [CHANNEL]\n"
		 "Measure calls and wake-ups, and those of a pipe for comparison. Compare only\n"
		 "the ratios with other machines. Without CHANNEL, use a temporary channel (root).\n"
		 "With CHANNEL, this PUBLISHES lines on it, and all its readers get them.\n",
	.options = options,
};
