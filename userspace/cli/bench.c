// SPDX-License-Identifier: GPL-2.0-only
/* lastline bench: what it costs on this machine, beside a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "cli.h"
#include "ending.h"

#define DURATION_MIN_NS		(NS_PER_S / 10)
#define DURATION_MAX_NS		(3600 * NS_PER_S)

/* What is found; in JSON under @key. What does the same as the pipe has a ratio. */
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
 * struct findings - all of it
 * @number: N of /dev/lastlineN
 * @calls:  that do not sleep
 * @wakes:  of a reader that sleeps
 */
struct findings {
	int number;
	struct figure calls[CALLS];
	struct wakes wakes[WAKES];
};

static double call_ratio(const struct findings *findings, int call)
{
	return findings->calls[call].ns / findings->calls[CALL_PIPE].ns;
}

/* 0 if one of them never slept. */
static double wake_ratio(const struct findings *findings, int wake)
{
	double pipe = findings->wakes[WAKE_PIPE].median;

	return pipe ? findings->wakes[wake].median / pipe : 0;
}

static void print_call(const struct findings *findings, int call)
{
	const struct figure *figure = &findings->calls[call];

	if (!figure->ns) {
		printf("%-26s %10s\n", call_texts[call].text, "-");
		return;
	}
	printf("%-26s %10.1f %10.1f %10.1f", call_texts[call].text, figure->ns, figure->fastest,
	       figure->slowest);
	if (call_texts[call].has_ratio)
		printf(" %10.2f", call_ratio(findings, call));
	putchar('\n');
}

static void print_table(const struct findings *findings)
{
	int i;

	printf("Lines of %d bytes through /dev/lastline%d; nanoseconds, median of %d rounds\n\n",
	       LINE_BYTES, findings->number, ROUNDS);
	printf("%-26s %10s %10s %10s %10s\n", "", "median", "fastest", "slowest", "pipe = 1");
	for (i = 0; i < CALLS; i++)
		print_call(findings, i);
	puts("\nA reader that sleeps, from before the write until it has the line\n");
	printf("%-26s %10s %10s %10s %10s\n", "", "median", "99 %", "samples", "pipe = 1");
	for (i = 0; i < WAKES; i++)
		printf("%-26s %10.0f %10.0f %10u %10.2f\n", wake_texts[i].text,
		       findings->wakes[i].median, findings->wakes[i].p99,
		       findings->wakes[i].samples, wake_ratio(findings, i));
}

static json_t *call_json(const struct findings *findings, int call)
{
	const struct figure *figure = &findings->calls[call];

	if (!figure->ns)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:o}", "median_ns", figure->ns, "fastest_ns",
			 figure->fastest, "slowest_ns", figure->slowest, "of_pipe",
			 call_texts[call].has_ratio ? json_real(call_ratio(findings, call)) :
						      json_null());
}

static json_t *wake_json(const struct findings *findings, int wake)
{
	const struct wakes *wakes = &findings->wakes[wake];

	return json_pack("{s:f, s:f, s:i, s:f}", "median_ns", wakes->median, "p99_ns",
			 wakes->p99, "samples", (int)wakes->samples, "of_pipe",
			 wake_ratio(findings, wake));
}

static void print_json(const struct findings *findings)
{
	json_t *calls = json_object(), *wakes = json_object(), *json;
	int i;

	for (i = 0; i < CALLS; i++)
		json_object_set_new(calls, call_texts[i].key, call_json(findings, i));
	for (i = 0; i < WAKES; i++)
		json_object_set_new(wakes, wake_texts[i].key, wake_json(findings, i));
	json = json_pack("{s:i, s:i, s:i, s:o, s:o}", "number", findings->number, "line_bytes",
			 LINE_BYTES, "rounds", ROUNDS, "calls", calls, "wake_ups", wakes);
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(json);
}

/* What is written is nothing that anybody could take for a value. */
static void fill_line(struct subject *subject)
{
	static const char text[] = "lastline bench ";
	size_t i;

	for (i = 0; i < LINE_BYTES; i++)
		subject->line[i] = text[i % (sizeof(text) - 1)];
	subject->line[LINE_BYTES - 1] = '\n';
}

/* Returns 0 or a negative errno. */
static int measure(const char *which, uint64_t duration_ns, struct findings *findings)
{
	struct subject subject = {};
	int ret;

	fill_line(&subject);
	if (pipe2(subject.pipe, O_CLOEXEC))
		return -errno;
	ret = lastline_open(&subject.channel, which, O_RDWR);
	if (ret)
		goto close_pipe;
	/* Where there is none, the rest can be measured. */
	if (lastline_map(subject.channel, &subject.map))
		subject.map = NULL;
	ret = measure_calls(&subject, duration_ns / 2, findings->calls);
	if (!ret)
		ret = measure_wakes(&subject, duration_ns / 2, findings->wakes);
	lastline_close(subject.channel);
close_pipe:
	close(subject.pipe[0]);
	close(subject.pipe[1]);
	return ret;
}

/* On a channel that is there only meanwhile, and only for us. */
static int measure_own(uint64_t duration_ns, struct findings *findings)
{
	struct lastline_add add = { .number = -1, .permissions = 0600 };
	char which[16];
	int ret;

	snprintf(add.name, sizeof(add.name), "bench.%d", getpid());
	findings->number = lastline_add(&add);
	if (findings->number == -EACCES || findings->number == -EPERM)
		give_up("only root may add one to measure with; try: lastline bench CHANNEL");
	if (findings->number < 0)
		return findings->number;
	snprintf(which, sizeof(which), "%d", findings->number);
	ret = measure(which, duration_ns, findings);
	lastline_remove(findings->number);
	return ret;
}

static int measure_on(const char *which, uint64_t duration_ns, struct findings *findings)
{
	findings->number = lastline_find(which);
	return findings->number < 0 ? findings->number : measure(which, duration_ns, findings);
}

static int bench(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "seconds", required_argument, NULL, 's' },
		{},
	};
	uint64_t duration_ns = 3 * NS_PER_S;
	struct findings findings = {};
	const char *which = NULL;
	bool as_json = false;
	int option, ret;

	while ((option = next_option(&bench_command, argc, argv, options)) >= 0) {
		if (option == 'j')
			as_json = true;
		else
			duration_ns = parse_duration(&bench_command, optarg);
	}
	if (duration_ns < DURATION_MIN_NS || duration_ns > DURATION_MAX_NS)
		usage_error(&bench_command, "it can take 0.1s to 1h");
	if (optind < argc)
		which = only_channel(&bench_command, argc, argv);
	end_gently();
	ret = which ? measure_on(which, duration_ns, &findings) :
		      measure_own(duration_ns, &findings);
	end_by_signal();
	if (ret)
		return explain(which ? which : "bench", ret);
	as_json ? print_json(&findings) : print_table(&findings);
	return STATUS_OK;
}

const struct command bench_command = {
	.name = "bench",
	.run = bench,
	.about = "what it costs on this machine",
	.usage = "[OPTION]... [CHANNEL]\n"
		 "Times calls and wake-ups, and a pipe's beside them, for this machine only: the\n"
		 "ratios are what can be compared. Without CHANNEL it adds one (root) and removes\n"
		 "it. On CHANNEL it PUBLISHES, which all of its readers get; nobody else should.\n\n"
		 "  -s, --seconds N  how long that may take, else 3\n"
		 "  -j, --json       for programs\n",
};
