// SPDX-License-Identifier: GPL-2.0-only
/*
 * A demonstration: one process writes thousands of lines a second, one reads three
 * times a second, and one as fast as it can. The writer is killed half way, and
 * another one continues.
 *
 * The three use only open(), read() and write() for the lines. Shared memory carries
 * their statistics to the parent, which prints a row twice a second.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/lastline.h>

#define DEVICE		"/dev/lastline0"
#define ROWS		6		/* before and after the writer is killed */
#define ROW_MS		500
#define TIMEOUT_MS	60000		/* for the last line to reach the readers */

struct reader {
	unsigned long lines;
	unsigned long missed;
	unsigned long newest;
};

static struct {
	volatile struct reader slow, fast;
} *stats;

static int device;	/* opened by the parent, for ioctls */

static void sleep_ms(long ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static int open_device(int flags)
{
	int fd = open(DEVICE, flags);

	if (fd < 0) {
		perror(DEVICE);
		exit(1);
	}
	return fd;
}

static unsigned long published(void)
{
	struct lastline_info info;

	return ioctl(device, LASTLINE_IOC_INFO, &info) ? 0 : info.generation;
}

/* A line is its number and the uptime. */
static void write_lines(void)
{
	int source = open("/proc/uptime", O_RDONLY), fd = open_device(O_WRONLY);
	unsigned long number = published();
	char uptime[64], line[96];
	ssize_t len;

	for (;;) {
		len = pread(source, uptime, sizeof(uptime) - 1, 0);
		if (len <= 0)
			exit(1);
		uptime[strcspn(uptime, " ")] = '\0';
		len = snprintf(line, sizeof(line), "%lu %s\n", ++number, uptime);
		if (write(fd, line, len) != len)
			exit(1);
	}
}

/* Reads lines and sleeps @ms between them. */
static void read_lines(volatile struct reader *reader, long ms)
{
	int fd = open_device(O_RDONLY);
	struct lastline_taken taken;
	char line[96];
	ssize_t len;

	for (;;) {
		len = read(fd, line, sizeof(line) - 1);
		if (len <= 0 || line[len - 1] != '\n')
			exit(1);
		line[len] = '\0';
		reader->newest = strtoul(line, NULL, 10);
		reader->lines++;
		if (ioctl(fd, LASTLINE_IOC_TAKEN, &taken))
			exit(1);
		reader->missed = taken.missed;
		if (ms)
			sleep_ms(ms);
	}
}

static pid_t start_writer(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	write_lines();
	exit(0);
}

static pid_t start_reader(volatile struct reader *reader, long ms)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	read_lines(reader, ms);
	exit(0);
}

static void print_rows(int *row, int rows)
{
	while (rows--) {
		sleep_ms(ROW_MS);
		printf("%4.1f s | %9lu | %9lu %6lu %8lu | %9lu %6lu %8lu\n",
		       ++*row * ROW_MS / 1000.0, published(),
		       stats->slow.newest, stats->slow.lines, stats->slow.missed,
		       stats->fast.newest, stats->fast.lines, stats->fast.missed);
		fflush(stdout);
	}
}

int main(void)
{
	pid_t writer, slow, fast;
	unsigned long last;
	int row = 0, i, failed = 1;

	stats = mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stats == MAP_FAILED)
		return 1;
	device = open_device(O_WRONLY);

	printf("\n%s: one writer at full speed, two readers.\n\n", DEVICE);
	printf("       |  writer   |  slow reader, 3 a second  |  blocking reader, each line\n");
	printf("  time | published |  got line  lines   missed |  got line  lines   missed\n");
	printf("-------+-----------+---------------------------+--------------------------\n");
	fflush(stdout);

	writer = start_writer();
	slow = start_reader(&stats->slow, 333);
	fast = start_reader(&stats->fast, 0);
	print_rows(&row, ROWS);

	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	printf("       | writer killed: both readers sleep; they get no end-of-file\n");
	print_rows(&row, 2);
	printf("       | another writer opens the device, and the readers continue\n");
	writer = start_writer();
	print_rows(&row, ROWS);

	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	last = published();
	for (i = 0; i < TIMEOUT_MS && failed; i += ROW_MS) {
		sleep_ms(ROW_MS);
		failed = stats->slow.newest != last || stats->fast.newest != last;
	}
	kill(slow, SIGKILL);
	kill(fast, SIGKILL);

	printf("\nThe writer never waited: %lu lines in %.0f s, %lu a second.\n", last,
	       2 * ROWS * ROW_MS / 1000.0, last * 1000 / (2 * ROWS * ROW_MS));
	printf("The slow reader got %lu lines, each the newest one at that time, and missed %lu.\n",
	       stats->slow.lines, stats->slow.missed);
	printf("The blocking reader got %lu lines and missed %lu.\n",
	       stats->fast.lines, stats->fast.missed);
	printf(failed ? "But a reader did not get the last line: that is a bug.\n" :
	       "Both got the last line.\n");
	return failed;
}
