// SPDX-License-Identifier: GPL-2.0-only
/*
 * A demo of lastline: one process writes thousands of lines per second, one reads three times
 * a second, and one reads as fast as it can. The writer is killed half way, and a new one
 * starts.
 *
 * The processes use only open(), read() and write() for their lines. They count what they read
 * in shared memory, and the parent prints the counts twice a second.
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
#define ROWS		6		/* printed before and after the writer is killed */
#define ROW_MS		500
#define TIMEOUT_MS	60000		/* a line that takes longer is lost */

struct reader {
	unsigned long lines;
	unsigned long missed;
	unsigned long newest;
};

static struct {
	volatile struct reader slow, fast;
} *counts;

static int device;	/* the parent's descriptor, for LASTLINE_IOC_INFO */

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

/* Writes lines with a number and the uptime of the machine. */
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
		       counts->slow.newest, counts->slow.lines, counts->slow.missed,
		       counts->fast.newest, counts->fast.lines, counts->fast.missed);
		fflush(stdout);
	}
}

int main(void)
{
	pid_t writer, slow, fast;
	unsigned long last;
	int row = 0, i, failed = 1;

	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		return 1;
	device = open_device(O_WRONLY);

	printf("\n%s: one writer at full speed, two readers.\n\n", DEVICE);
	printf("       |  writer   | slow reader, 3 per second |  blocking reader, each line\n");
	printf("  time | published |  got line  lines   missed |  got line  lines   missed\n");
	printf("-------+-----------+---------------------------+--------------------------\n");
	fflush(stdout);

	writer = start_writer();
	slow = start_reader(&counts->slow, 333);
	fast = start_reader(&counts->fast, 0);
	print_rows(&row, ROWS);

	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	printf("       | writer killed with SIGKILL: both readers sleep, without an end of file\n");
	print_rows(&row, 2);
	printf("       | a new writer opens the device: the readers continue\n");
	writer = start_writer();
	print_rows(&row, ROWS);

	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	last = published();
	for (i = 0; i < TIMEOUT_MS && failed; i += ROW_MS) {
		sleep_ms(ROW_MS);
		failed = counts->slow.newest != last || counts->fast.newest != last;
	}
	kill(slow, SIGKILL);
	kill(fast, SIGKILL);

	printf("\nThe writers never blocked: %lu lines in %.0f s, %lu per second.\n", last,
	       2 * ROWS * ROW_MS / 1000.0, last * 1000 / (2 * ROWS * ROW_MS));
	printf("The slow reader got %lu lines, each the newest at that time, and missed %lu.\n",
	       counts->slow.lines, counts->slow.missed);
	printf("The blocking reader got %lu lines and missed %lu.\n",
	       counts->fast.lines, counts->fast.missed);
	printf(failed ? "But a reader did not get the newest line: this is a bug.\n" :
	       "Both got the newest line in the end.\n");
	return failed;
}
