// SPDX-License-Identifier: GPL-2.0-only
/*
 * Channels that are added and removed while others open, read, write, poll, map and
 * sleep in them, on all processors.
 *
 *	lifetimes [SECONDS]	how long to go on, 5 unless it is given
 *
 * Needs root, and the last few numbers of channels for itself.
 */
#define _GNU_SOURCE 1
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

#define NUMBERS		4	/* of channels to fight for */
#define FIRST		(LASTLINE_CHANNELS_MAX - NUMBERS)
#define CHANGERS	2
#define VISITORS	6
#define SLEEPERS	4
#define PATIENCE_S	20	/* until a thread that must end counts as lost */
#define LINE_SIZE	16

static int control;
static atomic_bool stop;
static atomic_uint running;
static atomic_ulong added, removed, opened, errors, strangers, woken;

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

static void add(int number)
{
	struct lastline_add add = {
		.number = number,
		.permissions = 0600,
		.line_max = 64 << draw(4),
	};

	if (draw(2))
		snprintf(add.name, sizeof(add.name), "name-%u", draw(NUMBERS));
	if (ioctl(control, LASTLINE_CTL_ADD, &add) == number)
		added++;
	else
		expect(errno == EEXIST, "ADD");
}

static void take_away(int number)
{
	if (ioctl(control, LASTLINE_CTL_REMOVE, number) == number)
		removed++;
	else
		expect(errno == ENODEV, "REMOVE");
}

static void find_any(void)
{
	char name[LASTLINE_NAME_MAX] = "";

	snprintf(name, sizeof(name), "name-%u", draw(NUMBERS));
	if (ioctl(control, LASTLINE_CTL_FIND, name) < 0)
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
		expect(errno == ENOENT || errno == ENXIO || errno == ENODEV, "open");
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

struct job {
	void (*work)(void);
	unsigned int seed;
};

static void *run(void *argument)
{
	const struct job *job = argument;

	seed = job->seed;
	while (!stop)
		job->work();
	running--;
	return NULL;
}

/* Those that sleep are woken by the removal of what they sleep in. */
static bool all_end(void)
{
	int ms, number;

	stop = true;
	for (ms = 0; ms < PATIENCE_S * 1000 && running; ms++) {
		for (number = FIRST; number < FIRST + NUMBERS; number++)
			ioctl(control, LASTLINE_CTL_REMOVE, number);
		usleep(1000);
	}
	return !running;
}

int main(int argc, char **argv)
{
	static struct job jobs[CHANGERS + VISITORS + SLEEPERS];
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 5, i;
	pthread_t thread;

	ksft_print_header();
	control = open("/dev/lastline-control", O_RDWR);
	if (control < 0)
		ksft_exit_skip("no /dev/lastline-control here; load the module, become root\n");
	ksft_set_plan(3);
	running = ARRAY_SIZE(jobs);
	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		jobs[i].seed = i + 1;
		jobs[i].work = i < CHANGERS ? change :
			       i < CHANGERS + VISITORS ? visit : sleep_there;
		if (pthread_create(&thread, NULL, run, &jobs[i]))
			ksft_exit_fail_msg("no thread to be had\n");
		pthread_detach(thread);
	}
	sleep(seconds);
	ksft_test_result(all_end(), "nobody sleeps in a channel that is gone\n");
	ksft_test_result(!errors, "every error is one of the contract\n");
	ksft_test_result(!strangers, "no line is of another channel\n");
	ksft_print_msg("%lu added, %lu removed, %lu opened, %lu woken\n", added, removed, opened,
		       woken);
	if (ksft_get_fail_cnt())
		ksft_exit_fail();
	ksft_exit_pass();
}
