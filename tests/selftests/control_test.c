// SPDX-License-Identifier: GPL-2.0-only
/* /dev/lastline-control: channels that come and go; record mode; clearing */
#include <sys/epoll.h>

#include "lastline_test.h"

#define CONTROL	"/dev/lastline-control"

#define EXPECT_ERRNO(error, call) do {						\
	errno = 0;								\
	EXPECT_EQ(-1, call);							\
	EXPECT_EQ(error, errno);						\
} while (0)

static const char *node(int number)
{
	static char path[64];

	snprintf(path, sizeof(path), "/dev/lastline%d", number);
	return path;
}

/* What sysfs says of a channel, without the newline. */
static const char *attribute(int number, const char *name)
{
	static char value[256];
	char path[96];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/lastline/lastline%d/%s", number, name);
	fd = open(path, O_RDONLY);
	len = read(fd, value, sizeof(value) - 1);
	close(fd);
	value[len > 0 ? len - 1 : 0] = '\0';
	return value;
}

static bool exists(int number)
{
	return !access(node(number), F_OK);
}

FIXTURE(control)
{
	int fd;
	struct lastline_add add;
	int number;	/* of what a test added, or -1 */
};

FIXTURE_SETUP(control)
{
	self->number = -1;
	self->fd = open(CONTROL, O_RDWR);
	if (self->fd < 0)
		SKIP(return, "no %s here; load the module and become root", CONTROL);
	self->add = (struct lastline_add){ .number = -1, .permissions = 0666 };
}

FIXTURE_TEARDOWN(control)
{
	if (self->number >= 0)
		ioctl(self->fd, LASTLINE_CTL_REMOVE, self->number);
	close(self->fd);
}

#define ADD()		(self->number = ioctl(self->fd, LASTLINE_CTL_ADD, &self->add))
#define REMOVE(number)	ioctl(self->fd, LASTLINE_CTL_REMOVE, number)

static int find(int control, const char *name)
{
	char arg[LASTLINE_NAME_MAX] = {};

	snprintf(arg, sizeof(arg), "%s", name);
	return ioctl(control, LASTLINE_CTL_FIND, arg);
}

TEST_F(control, a_new_channel_is_there_at_once_with_the_lowest_free_number)
{
	int number, fd;

	for (number = 0; exists(number); number++)
		;
	ASSERT_EQ(number, ADD());
	ASSERT_TRUE(exists(number));
	fd = open(node(number), O_RDWR);
	EXPECT_EQ(2, put(fd, "a\n"));
	EXPECT_STREQ("a\n", get(fd));
	EXPECT_EQ(number, info_of(fd).number);
	EXPECT_EQ(LASTLINE_MODE_LINE, info_of(fd).mode);
	EXPECT_STREQ("line", attribute(number, "mode"));
	EXPECT_STREQ("", attribute(number, "name"));
	close(fd);
}

TEST_F(control, a_number_can_be_chosen_once)
{
	self->add.number = LASTLINE_CHANNELS_MAX - 1;
	ASSERT_EQ(LASTLINE_CHANNELS_MAX - 1, ADD());
	EXPECT_TRUE(exists(LASTLINE_CHANNELS_MAX - 1));
	EXPECT_ERRNO(EEXIST, ioctl(self->fd, LASTLINE_CTL_ADD, &self->add));
	EXPECT_TRUE(exists(LASTLINE_CHANNELS_MAX - 1));
}

#define EXPECT_NO_ADD(error, field, value) do {					\
	struct lastline_add add = self->add;					\
										\
	add.field = value;							\
	EXPECT_ERRNO(error, ioctl(self->fd, LASTLINE_CTL_ADD, &add));		\
} while (0)

TEST_F(control, what_is_out_of_range_is_refused)
{
	EXPECT_NO_ADD(EINVAL, number, -2);
	EXPECT_NO_ADD(EINVAL, number, LASTLINE_CHANNELS_MAX);
	EXPECT_NO_ADD(EINVAL, mode, 2);
	EXPECT_NO_ADD(EINVAL, line_max, LASTLINE_LINE_MAX_MIN - 1);
	EXPECT_NO_ADD(EINVAL, line_max, LASTLINE_LINE_MAX_MAX + 1);
	EXPECT_NO_ADD(EINVAL, permissions, 01000);
	EXPECT_NO_ADD(EINVAL, uid, -1);
	EXPECT_NO_ADD(EINVAL, gid, -1);
	EXPECT_NO_ADD(EINVAL, spare[4], 1);
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, LASTLINE_CTL_ADD, bad_address()));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, LASTLINE_CTL_FIND, bad_address()));
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd, LASTLINE_IOC_INFO, &self->add));
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd, FIONREAD, &self->add));
}

TEST_F(control, a_name_is_told_found_and_nobody_elses)
{
	int number;

	strcpy(self->add.name, "my-sensor_1.x");
	number = ADD();
	ASSERT_LE(0, number);
	EXPECT_STREQ("my-sensor_1.x", attribute(number, "name"));
	EXPECT_NE(NULL, strstr(attribute(number, "uevent"), "LASTLINE_NAME=my-sensor_1.x"));
	EXPECT_NE(NULL, strstr(attribute(number, "uevent"), "LASTLINE_ADDED=1"));
	EXPECT_EQ(NULL, strstr(attribute(0, "uevent"), "LASTLINE_ADDED"));
	EXPECT_EQ(number, find(self->fd, "my-sensor_1.x"));
	EXPECT_ERRNO(ENODEV, find(self->fd, "my-sensor_1"));
	EXPECT_ERRNO(EEXIST, ioctl(self->fd, LASTLINE_CTL_ADD, &self->add));
	EXPECT_EQ(number, REMOVE(number));
	EXPECT_ERRNO(ENODEV, find(self->fd, "my-sensor_1.x"));
	ASSERT_EQ(number, ADD());
}

TEST_F(control, a_name_is_of_letters_digits_and_few_signs)
{
	static const char * const bad[] = {
		".", "..", "a/b", "a b", "a\n", "\xc3\xa4", "a=b", "*",
	};
	char *name = self->add.name;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		strcpy(name, bad[i]);
		EXPECT_ERRNO(EINVAL, ioctl(self->fd, LASTLINE_CTL_ADD, &self->add));
	}
	memset(name, 'a', LASTLINE_NAME_MAX);
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, LASTLINE_CTL_ADD, &self->add));
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, LASTLINE_CTL_FIND, name));
	name[LASTLINE_NAME_MAX - 1] = '\0';
	ASSERT_LE(0, ADD());
	EXPECT_EQ(self->number, find(self->fd, name));
}

TEST_F(control, the_node_has_the_owner_the_group_and_the_permissions_asked_for)
{
	/* Also none at all, which not even its owner may open. */
	static const __u32 permissions[] = { 0640, 0 };
	struct stat status;
	size_t i;

	self->add.uid = 1234;
	self->add.gid = 5678;
	for (i = 0; i < ARRAY_SIZE(permissions); i++) {
		self->add.permissions = permissions[i];
		ASSERT_LE(0, ADD());
		ASSERT_EQ(0, stat(node(self->number), &status));
		EXPECT_EQ(S_IFCHR | permissions[i], status.st_mode);
		EXPECT_EQ(1234, status.st_uid);
		EXPECT_EQ(5678, status.st_gid);
		EXPECT_EQ(self->number, REMOVE(self->number));
	}
}

TEST_F(control, each_channel_has_its_own_line_limit)
{
	char line[100];
	int fd;

	self->add.line_max = 100;
	ASSERT_LE(0, ADD());
	EXPECT_STREQ("100", attribute(self->number, "line_max"));
	fd = open(node(self->number), O_RDWR | O_NONBLOCK);
	memset(line, 'a', sizeof(line));
	EXPECT_EQ(100, write(fd, line, 100));
	EXPECT_ERRNO(EMSGSIZE, write(fd, "\n", 1));
	close(fd);
}

/* Control is for administrators, whoever got hold of the descriptor. */
TEST_F(control, nobody_else_may_do_anything)
{
	struct stat status;
	pid_t pid;
	int ret;

	ASSERT_EQ(0, stat(CONTROL, &status));
	EXPECT_EQ(S_IFCHR | 0600, status.st_mode);
	EXPECT_EQ(0, status.st_uid);
	ASSERT_LE(0, ADD());
	pid = fork();
	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(9);
		if (ioctl(self->fd, LASTLINE_CTL_ADD, &self->add) != -1 || errno != EPERM)
			_exit(1);
		if (REMOVE(self->number) != -1 || errno != EPERM)
			_exit(2);
		if (find(self->fd, "x") != -1 || errno != EPERM)
			_exit(3);
		_exit(0);
	}
	waitpid(pid, &ret, 0);
	EXPECT_EQ(0, ret);
	EXPECT_TRUE(exists(self->number));
}

/* Some thousand devices take their time on a debug kernel. */
TEST_F_TIMEOUT(control, there_are_as_many_as_promised_and_no_more, 1200)
{
	int number, first, last = -1;

	for (first = 0; exists(first); first++)
		;
	for (number = first; number < LASTLINE_CHANNELS_MAX; number++) {
		if (exists(number))
			continue;
		last = ioctl(self->fd, LASTLINE_CTL_ADD, &self->add);
		if (last != number)
			break;
	}
	EXPECT_EQ(LASTLINE_CHANNELS_MAX - 1, last);
	EXPECT_ERRNO(ENOSPC, ioctl(self->fd, LASTLINE_CTL_ADD, &self->add));
	for (number = first; number <= last; number++)
		EXPECT_EQ(number, REMOVE(number));
}

/*
 * Removal
 */

TEST_F(control, what_is_not_there_cannot_be_removed)
{
	EXPECT_ERRNO(ENODEV, REMOVE(LASTLINE_CHANNELS_MAX - 1));
	EXPECT_ERRNO(ENODEV, REMOVE(LASTLINE_CHANNELS_MAX));
	EXPECT_ERRNO(ENODEV, REMOVE(-1L));
	ASSERT_LE(0, ADD());
	EXPECT_EQ(self->number, REMOVE(self->number));
	EXPECT_ERRNO(ENODEV, REMOVE(self->number));
}

TEST_F(control, everything_fails_with_ENODEV_once_the_channel_is_removed)
{
	struct lastline_info info;
	struct lastline_taken taken;
	char buf[8];
	int fd, n;

	ASSERT_LE(0, ADD());
	fd = open(node(self->number), O_RDWR);
	EXPECT_EQ(9, put(fd, "unread\nun"));
	EXPECT_EQ(self->number, REMOVE(self->number));
	EXPECT_FALSE(exists(self->number));
	EXPECT_ERRNO(ENODEV, read(fd, buf, sizeof(buf)));
	EXPECT_ERRNO(ENODEV, read(fd, buf, 0));
	EXPECT_ERRNO(ENODEV, write(fd, "a\n", 2));
	EXPECT_ERRNO(ENODEV, fsync(fd));
	EXPECT_ERRNO(ENODEV, lseek(fd, 0, SEEK_END));
	EXPECT_ERRNO(ENODEV, ioctl(fd, LASTLINE_IOC_INFO, &info));
	EXPECT_ERRNO(ENODEV, ioctl(fd, LASTLINE_IOC_TAKEN, &taken));
	EXPECT_ERRNO(ENODEV, ioctl(fd, LASTLINE_IOC_CLEAR));
	EXPECT_ERRNO(ENODEV, ioctl(fd, LASTLINE_IOC_TAKE, &taken));
	EXPECT_ERRNO(ENODEV, ioctl(fd, FIONREAD, &n));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, close(fd));
}

TEST_F(control, who_polls_for_readers_is_told_that_the_channel_is_gone)
{
	struct pollfd pfd = { .events = POLLPRI };
	char path[96], text[8];

	ASSERT_LE(0, ADD());
	snprintf(path, sizeof(path), "/sys/class/lastline/lastline%d/readers", self->number);
	pfd.fd = open(path, O_RDONLY);
	ASSERT_LT(0, pread(pfd.fd, text, sizeof(text), 0));
	EXPECT_EQ(0, poll(&pfd, 1, PAUSE_MS));
	EXPECT_EQ(self->number, REMOVE(self->number));
	EXPECT_EQ(1, poll(&pfd, 1, PATIENCE_MS));
	EXPECT_ERRNO(ENODEV, pread(pfd.fd, text, sizeof(text), 0));
	close(pfd.fd);
}

TEST_F(control, a_rest_of_a_line_goes_with_the_channel)
{
	char buf[3];
	int fd;

	ASSERT_LE(0, ADD());
	fd = open(node(self->number), O_RDWR);
	EXPECT_EQ(5, put(fd, "line\n"));
	EXPECT_EQ(3, read(fd, buf, sizeof(buf)));
	EXPECT_EQ(self->number, REMOVE(self->number));
	EXPECT_ERRNO(ENODEV, read(fd, buf, sizeof(buf)));
	close(fd);
}

struct sleeper {
	int fd;
	int error;
};

static void *sleep_in_read(void *argument)
{
	struct sleeper *sleeper = argument;
	char c;

	sleeper->error = read(sleeper->fd, &c, 1) < 0 ? errno : 0;
	return NULL;
}

static void *sleep_in_poll(void *argument)
{
	struct sleeper *sleeper = argument;
	struct pollfd pfd = { .fd = sleeper->fd, .events = POLLIN };

	sleeper->error = poll(&pfd, 1, PATIENCE_MS) == 1 ? pfd.revents : -1;
	return NULL;
}

TEST_F(control, removal_wakes_who_sleeps_in_read_or_poll)
{
	struct sleeper reader = {}, poller = {};
	struct epoll_event event = { .events = EPOLLIN };
	pthread_t reading, polling;
	int epoll = epoll_create1(0);

	ASSERT_LE(0, ADD());
	reader.fd = open(node(self->number), O_RDONLY);
	poller.fd = open(node(self->number), O_RDONLY);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, reader.fd, &event));
	pthread_create(&reading, NULL, sleep_in_read, &reader);
	pthread_create(&polling, NULL, sleep_in_poll, &poller);
	EXPECT_TRUE(await_sleepers(poller.fd, 1));
	pause_ms(20);
	EXPECT_EQ(self->number, REMOVE(self->number));
	pthread_join(reading, NULL);
	pthread_join(polling, NULL);
	EXPECT_EQ(ENODEV, reader.error);
	EXPECT_EQ(POLLHUP | POLLERR, poller.error);
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(EPOLLHUP | EPOLLERR, event.events);
	close(reader.fd);
	close(poller.fd);
	close(epoll);
}

TEST_F(control, removal_sends_SIGIO_to_who_asked_for_it)
{
	struct timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
	siginfo_t siginfo = {};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_LE(0, ADD());
	fd = open(node(self->number), O_RDONLY | O_NONBLOCK);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETSIG, SIGRTMIN);
	fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
	EXPECT_EQ(self->number, REMOVE(self->number));
	EXPECT_EQ(SIGRTMIN, sigtimedwait(&set, &siginfo, &patience));
	EXPECT_EQ(POLL_HUP, siginfo.si_code);
	EXPECT_EQ(fd, siginfo.si_fd);
	close(fd);
}

TEST_F(control, a_number_can_be_used_again_while_its_old_channel_is_still_open)
{
	int number, old, new;

	number = ADD();
	ASSERT_LE(0, number);
	old = open(node(number), O_RDWR | O_NONBLOCK);
	EXPECT_EQ(4, put(old, "old\n"));
	EXPECT_EQ(number, REMOVE(number));
	self->add.number = number;
	ASSERT_EQ(number, ADD());
	new = open(node(number), O_RDWR | O_NONBLOCK);
	EXPECT_TRUE(nothing_to_read(new));
	EXPECT_EQ(4, put(new, "new\n"));
	EXPECT_STREQ("new\n", get(new));
	EXPECT_ERRNO(ENODEV, write(old, "a\n", 2));
	close(old);
	EXPECT_EQ(1, info_of(new).readers);
	close(new);
}

TEST_F(control, a_mapping_outlives_its_channel_and_says_so)
{
	struct lastline_map *map;
	struct lastline_info info;
	char line[16];
	int fd;

	ASSERT_LE(0, ADD());
	fd = open(node(self->number), O_RDWR);
	info = info_of(fd);
	map = mmap(NULL, info.map_size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(5, put(fd, "line\n"));
	EXPECT_EQ(0, map->flags);
	close(fd);
	EXPECT_EQ(self->number, REMOVE(self->number));
	EXPECT_EQ(LASTLINE_MAP_REMOVED, map->flags);
	EXPECT_EQ(5, lastline_map_read(map, line, sizeof(line), NULL));
	munmap(map, info.map_size);
}

/*
 * Records
 */

FIXTURE(record)
{
	int control;
	int number;
	int writer;
	int reader;
};

FIXTURE_SETUP(record)
{
	struct lastline_add add = {
		.number = -1,
		.mode = LASTLINE_MODE_RECORD,
		.line_max = 8192,
		.permissions = 0600,
	};

	self->number = -1;
	self->control = open(CONTROL, O_RDWR);
	if (self->control < 0)
		SKIP(return, "no %s here; load the module and become root", CONTROL);
	self->number = ioctl(self->control, LASTLINE_CTL_ADD, &add);
	ASSERT_LE(0, self->number);
	self->writer = open(node(self->number), O_WRONLY);
	self->reader = open(node(self->number), O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->reader);
}

FIXTURE_TEARDOWN(record)
{
	if (self->number < 0)
		return;
	close(self->writer);
	close(self->reader);
	ioctl(self->control, LASTLINE_CTL_REMOVE, self->number);
	close(self->control);
}

TEST_F(record, the_channel_says_that_it_has_records)
{
	EXPECT_EQ(LASTLINE_MODE_RECORD, info_of(self->reader).mode);
	EXPECT_STREQ("record", attribute(self->number, "mode"));
}

TEST_F(record, each_write_is_one_record_whatever_is_in_it)
{
	static const char binary[] = "\n\0\n\xff no newline";
	char buf[64];

	EXPECT_EQ(sizeof(binary), write(self->writer, binary, sizeof(binary)));
	EXPECT_EQ(sizeof(binary), read(self->reader, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(binary, buf, sizeof(binary)));
	EXPECT_EQ(4, put(self->writer, "a\nb\n"));
	EXPECT_STREQ("a\nb\n", get(self->reader));
	EXPECT_EQ(1, put(self->writer, "x"));
	EXPECT_STREQ("x", get(self->reader));
	EXPECT_EQ(3, info_of(self->reader).generation);
}

TEST_F(record, records_of_all_sizes_are_whole)
{
	static char record[8192], buf[8192];
	int size, i;

	for (size = 1; size <= 8192; size += 1 + size / 7) {
		for (i = 0; i < size; i++)
			record[i] = i * 7 + size;
		ASSERT_EQ(size, write(self->writer, record, size));
		ASSERT_EQ(size, read(self->reader, buf, sizeof(buf)));
		ASSERT_EQ(0, memcmp(record, buf, size));
	}
}

TEST_F(record, nothing_is_kept_unfinished)
{
	EXPECT_EQ(3, put(self->writer, "abc"));
	EXPECT_STREQ("abc", get(self->reader));
	EXPECT_EQ(0, fsync(self->writer));
	EXPECT_TRUE(nothing_to_read(self->reader));
	close(self->writer);
	EXPECT_TRUE(nothing_to_read(self->reader));
	self->writer = open(node(self->number), O_WRONLY);
}

TEST_F(record, what_is_too_long_empty_or_not_there_changes_nothing)
{
	static char record[8193];

	EXPECT_EQ(3, put(self->writer, "abc"));
	EXPECT_ERRNO(EMSGSIZE, write(self->writer, record, sizeof(record)));
	EXPECT_EQ(0, write(self->writer, record, 0));
	EXPECT_ERRNO(EFAULT, write(self->writer, bad_address(), 5));
	EXPECT_EQ(1, info_of(self->reader).generation);
	EXPECT_STREQ("abc", get(self->reader));
}

TEST_F(record, a_vector_is_one_record)
{
	struct iovec parts[2] = { { "ab", 2 }, { "\ncd", 3 } };

	EXPECT_EQ(5, writev(self->writer, parts, 2));
	EXPECT_STREQ("ab\ncd", get(self->reader));
}

TEST_F(record, a_short_read_gets_the_rest_afterwards)
{
	char buf[3] = {};

	EXPECT_EQ(5, put(self->writer, "abcde"));
	EXPECT_EQ(2, read(self->reader, buf, 2));
	EXPECT_STREQ("ab", buf);
	EXPECT_STREQ("cde", get(self->reader));
}

TEST_F(record, a_record_in_memory_that_is_not_there_yet_is_published)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[8192];

	EXPECT_EQ(8192, write(self->writer, page, 8192));
	EXPECT_EQ(8192, read(self->reader, buf, sizeof(buf)));
	munmap(page, 8192);
}

/*
 * Clearing
 */

TEST_F(channel, who_opens_after_a_clear_finds_nothing)
{
	int later;

	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	later = open_channel(O_RDONLY | O_NONBLOCK);
	EXPECT_TRUE(nothing_to_read(later));
	EXPECT_FALSE(readable_within(later, 0));
	EXPECT_EQ(0, info_of(later).monotonic_ns);
	EXPECT_EQ(4, put(self->writer, "new\n"));
	EXPECT_TRUE(readable_within(later, 0));
	EXPECT_STREQ("new\n", get(later));
	close(later);
}

TEST_F(channel, an_unread_line_is_cleared_away_for_all)
{
	unsigned long long taken;
	int bytes;

	EXPECT_EQ(4, put(self->writer, "old\n"));
	EXPECT_STREQ("old\n", get(self->reader));
	taken = taken_of(self->reader).generation;
	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	EXPECT_FALSE(readable_within(self->reader, 0));
	EXPECT_EQ(0, ioctl(self->reader, FIONREAD, &bytes));
	EXPECT_EQ(0, bytes);
	EXPECT_TRUE(nothing_to_read(self->reader));
	EXPECT_EQ(taken, taken_of(self->reader).generation);
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_TRUE(nothing_to_read(self->reader));
	EXPECT_EQ(4, put(self->writer, "new\n"));
	EXPECT_STREQ("new\n", get(self->reader));
}

TEST_F(channel, the_generation_goes_on_when_cleared)
{
	unsigned long long before;

	EXPECT_EQ(5, put(self->writer, "line\n"));
	before = info_of(self->reader).generation;
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	EXPECT_EQ(before + 1, info_of(self->reader).generation);
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	EXPECT_EQ(before + 1, info_of(self->reader).generation);
}

TEST_F(channel, clearing_wakes_nobody)
{
	struct sleeper sleeper = { .fd = open_channel(O_RDONLY), .error = -1 };
	pthread_t thread;

	EXPECT_EQ(5, put(self->writer, "line\n"));
	lseek(sleeper.fd, 0, SEEK_END);
	pthread_create(&thread, NULL, sleep_in_read, &sleeper);
	EXPECT_TRUE(await_sleepers(self->reader, 1));
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	pause_ms(PAUSE_MS);
	EXPECT_EQ(-1, sleeper.error);
	EXPECT_EQ(1, info_of(self->reader).sleepers);
	EXPECT_EQ(4, put(self->writer, "new\n"));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, sleeper.error);
	close(sleeper.fd);
}

TEST_F(channel, a_reader_sleeps_in_a_channel_that_was_cleared)
{
	struct sleeper sleeper = { .fd = open_channel(O_RDONLY), .error = -1 };
	pthread_t thread;
	int i;

	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	pthread_create(&thread, NULL, sleep_in_read, &sleeper);
	EXPECT_TRUE(await_sleepers(self->reader, 1));
	/* And does not only look in now and then. */
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(1, info_of(self->reader).sleepers);
	EXPECT_EQ(4, put(self->writer, "new\n"));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, sleeper.error);
	close(sleeper.fd);
}

TEST_F(channel, clearing_wipes_the_bytes)
{
	struct lastline_info info = info_of(self->reader);
	void *map = mmap(NULL, info.map_size, PROT_READ, MAP_SHARED, self->reader, 0);
	int i;

	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < LASTLINE_MAP_SLOTS; i++)
		EXPECT_EQ(7, put(self->writer, "secret\n"));
	EXPECT_NE(NULL, memmem(map, info.map_size, "secret", 6));
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	EXPECT_EQ(NULL, memmem(map, info.map_size, "secret", 6));
	EXPECT_EQ(0, lastline_map_read(map, &i, sizeof(i), NULL));
	munmap(map, info.map_size);
}

TEST_F(channel, only_a_writer_may_clear)
{
	EXPECT_EQ(5, put(self->writer, "line\n"));
	EXPECT_ERRNO(EBADF, ioctl(self->reader, LASTLINE_IOC_CLEAR));
	lseek(self->reader, 0, SEEK_SET);
	EXPECT_STREQ("line\n", get(self->reader));
}

TEST_HARNESS_MAIN
