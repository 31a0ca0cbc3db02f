// SPDX-License-Identifier: GPL-2.0-only
/*
 * Channels that are added and removed while others open, read, write, poll, map and
 * sleep in them, on all processors; then a module that is unloaded and loaded again
 * whenever nobody has anything of it open for a moment.
 *
 *	lifetimes [SECONDS]	how long to go on with each, 5 unless it is given
 *
 * Needs root, the last few numbers of channels for itself, and to load the module as
 * LASTLINE_KO.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/lastline.h>

#include "kselftest.h"
#include "module.h"

#define NUMBERS		4	/* of channels to fight for */
#define FIRST		(LASTLINE_CHANNELS_MAX - NUMBERS)
#define PATIENCE_S	60	/* until a thread that must end counts as lost */
#define LINE_SIZE	16

static int ko;
static char parameters[MODULE_PARAMETERS_SIZE];
static atomic_bool stop;
static atomic_bool unloading;	/* the module may be gone at any moment */
static atomic_uint running;
static atomic_ulong added, removed, opened, errors, strangers, woken, loads;

/* Each thread has a row of numbers of its own. */
static __thread unsigned int seed;

static unsigned int draw(unsigned int below)
{
	return rand_r(&seed) % below;
}

static const char *node(int number)
{
	static __thread char path[32];

	snprintf(path, sizeof(path), "/dev/lastline%d", number);
	return path;
}

/* Notes an error that the contract does not have. */
static void expect(bool expected, const char *what)
{
	if (expected)
		return;
	if (atomic_fetch_add(&errors, 1) < 10)
		ksft_print_msg("%s: %s\n", what, strerror(errno));
}

/* A line tells the channel that it was written to. */
static void expect_of(int number, const char *line, ssize_t len)
{
	if (len == LINE_SIZE && atoi(line) == number)
		return;
	if (atomic_fetch_add(&strangers, 1) < 10)
		ksft_print_msg("a line of %zd bytes in channel %d: %.*s\n", len, number, (int)len,
			       line);
}

/* Nothing behind a node, or none: the channel, or the module, is gone or to come. */
static bool is_gone(void)
{
	return errno == ENOENT || errno == ENXIO || errno == ENODEV;
}

/* Opened each time, or the module could never go. */
static int control_call(unsigned long command, unsigned long argument)
{
	int ret, fd = open("/dev/lastline-control", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		expect(unloading && is_gone(), "open of the control device");
		errno = ENODEV;
		return -1;
	}
	ret = ioctl(fd, command, argument);
	close(fd);
	return ret;
}

static void add(int number)
{
	struct lastline_add add = {
		.number = number,
		.permissions = 0600,
		.line_max = 64 << draw(4),
	};

	if (draw(2))
		snprintf(add.name, sizeof(add.name), "name-%u", draw(NUMBERS));
	if (control_call(LASTLINE_CTL_ADD, (unsigned long)&add) == number)
		added++;
	else
		expect(errno == EEXIST || (unloading && errno == ENODEV), "ADD");
}

static void take_away(int number)
{
	if (control_call(LASTLINE_CTL_REMOVE, number) == number)
		removed++;
	else
		expect(errno == ENODEV, "REMOVE");
}

static void find_any(void)
{
	char name[LASTLINE_NAME_MAX] = "";

	snprintf(name, sizeof(name), "name-%u", draw(NUMBERS));
	if (control_call(LASTLINE_CTL_FIND, (unsigned long)name) < 0)
		expect(errno == ENODEV, "FIND");
}

static void change(void)
{
	int number = FIRST + draw(NUMBERS);

	switch (draw(3)) {
	case 0:
		add(number);
		break;
	case 1:
		take_away(number);
		break;
	default:
		find_any();
	}
}

/* The channel may be gone, or about to go, or have come this very moment. */
static int enter(int number, int flags)
{
	int fd = open(node(number), flags | O_CLOEXEC);

	if (fd >= 0)
		opened++;
	else
		expect(is_gone(), "open");
	return fd;
}

static void write_line(int fd, int number)
{
	char line[LINE_SIZE + 1];

	snprintf(line, sizeof(line), "%15d\n", number);
	if (write(fd, line, LINE_SIZE) != LINE_SIZE)
		expect(errno == ENODEV, "write");
}

static void read_line(int fd, int number)
{
	char line[LINE_SIZE];
	ssize_t len = read(fd, line, sizeof(line));

	if (len >= 0)
		expect_of(number, line, len);
	else
		expect(errno == ENODEV || errno == EAGAIN, "read");
}

/* May be the last one that has anything of the channel. */
static void look_at_map(int *fd, int number)
{
	struct lastline_info info;
	struct lastline_map *map;
	char line[LINE_SIZE];
	int len;

	if (ioctl(*fd, LASTLINE_IOC_INFO, &info)) {
		expect(errno == ENODEV, "INFO");
		return;
	}
	if ((int)info.number != number)
		expect_of(number, "", 0);
	map = mmap(NULL, info.map_size, PROT_READ, MAP_SHARED, *fd, 0);
	if (map == MAP_FAILED) {
		expect(errno == ENODEV, "mmap");
		return;
	}
	if (draw(2)) {
		close(*fd);
		*fd = -1;
	}
	len = lastline_map_read(map, line, sizeof(line), NULL);
	if (len > 0)
		expect_of(number, line, len);
	munmap(map, info.map_size);
}

static void wait_a_little(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ret = poll(&pfd, 1, 1);

	expect(ret >= 0, "poll");
	if (ret > 0 && pfd.revents & (POLLHUP | POLLERR))
		expect(pfd.revents == (POLLHUP | POLLERR), "poll of a removed channel");
}

static void visit(void)
{
	int number = FIRST + draw(NUMBERS), fd = enter(number, O_RDWR | O_NONBLOCK);
	unsigned int things = draw(8);

	for (; fd >= 0 && things; things--) {
		switch (draw(6)) {
		case 0:
		case 1:
			write_line(fd, number);
			break;
		case 2:
			read_line(fd, number);
			break;
		case 3:
			look_at_map(&fd, number);
			break;
		case 4:
			wait_a_little(fd);
			break;
		default:
			if (ioctl(fd, LASTLINE_IOC_CLEAR))
				expect(errno == ENODEV, "CLEAR");
		}
	}
	if (fd >= 0)
		close(fd);
}

/* Only a line or the channel's end can end this. */
static void sleep_there(void)
{
	int number = FIRST + draw(NUMBERS), fd = enter(number, O_RDONLY);

	if (fd < 0)
		return;
	read_line(fd, number);
	woken++;
	close(fd);
}

/* Others need a moment to come in, too. */
static void unload_and_load(void)
{
	if (unload()) {
		expect(errno == EAGAIN || errno == EBUSY, "unload");
	} else if (load(ko, parameters)) {
		expect(false, "load");
		stop = true;
	} else {
		loads++;
	}
	usleep(draw(10000));
}

/* Half of the time nobody of them is in, however slow the machine is. */
static void at_times(void (*work)(void))
{
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	work();
	clock_gettime(CLOCK_MONOTONIC, &end);
	usleep((end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000 +
	       draw(10000));
}

static void visit_at_times(void)
{
	at_times(visit);
}

static void change_at_times(void)
{
	at_times(change);
}

struct job {
	void (*work)(void);
	unsigned int threads;
};

static const struct job channels_come_and_go[] = {
	{ change, 2 },
	{ visit, 6 },
	{ sleep_there, 4 },
	{ }
};

static const struct job the_module_comes_and_goes[] = {
	{ unload_and_load, 1 },
	{ change_at_times, 1 },
	{ visit_at_times, 3 },
	{ }
};

static void *run(void *work)
{
	static atomic_uint seeds;

	seed = ++seeds;
	while (!stop)
		((void (*)(void))work)();
	running--;
	return NULL;
}

static void begin(const struct job *job)
{
	unsigned int i;
	pthread_t thread;

	stop = false;
	for (; job->work; job++) {
		for (i = 0; i < job->threads; i++) {
			if (pthread_create(&thread, NULL, run, job->work))
				ksft_exit_fail_msg("no thread to be had\n");
			pthread_detach(thread);
			running++;
		}
	}
}

/* Those that sleep are woken by the removal of what they sleep in. */
static bool all_end(void)
{
	int ms, number;

	stop = true;
	for (ms = 0; ms < PATIENCE_S * 1000 && running; ms++) {
		for (number = FIRST; number < FIRST + NUMBERS; number++)
			control_call(LASTLINE_CTL_REMOVE, number);
		usleep(1000);
	}
	return !running;
}

static void test(const char *name, const struct job *jobs, unsigned int seconds)
{
	unsigned int i;

	begin(jobs);
	sleep(seconds);
	/* The moment in which nobody is in may come late. */
	for (i = 0; unloading && !loads && i < PATIENCE_S; i++)
		sleep(1);
	ksft_test_result(all_end(), "%s: nobody sleeps in a channel that is gone\n", name);
	ksft_test_result(!errors, "%s: every error is one of the contract\n", name);
	ksft_test_result(!strangers, "%s: no line is of another channel\n", name);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 5;

	ksft_print_header();
	if (access("/dev/lastline-control", W_OK))
		ksft_exit_skip("no /dev/lastline-control here; load the module, become root\n");
	ko = open_module();
	if (ko < 0)
		ksft_exit_skip("no module to load again; LASTLINE_KO=path of lastline.ko\n");
	ksft_set_plan(7);
	test("channels come and go", channels_come_and_go, seconds);
	module_parameters(parameters);
	unloading = true;
	test("the module comes and goes", the_module_comes_and_goes, seconds);
	ksft_test_result(loads, "the module was unloaded meanwhile\n");
	ksft_print_msg("amount: %lu added, %lu removed, %lu opened, %lu sleeps, %lu loads\n",
		       added, removed, opened, woken, loads);
	if (ksft_get_fail_cnt())
		ksft_exit_fail();
	ksft_exit_pass();
}
