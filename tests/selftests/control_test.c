// SPDX-License-Identifier: GPL-2.0-only
/* /dev/lastline-control: adds and removes channels. Also record mode and LASTLINE_IOC_CLEAR. */
#include <sys/epoll.h>

#include "lastline_test.h"
#include "module.h"

static bool exists(int number)
{
	return !access(node_path(number), F_OK);
}

static int find_channel(int control, const char *name)
{
	char argument[LASTLINE_NAME_MAX] = {};

	snprintf(argument, sizeof(argument), "%s", name);
	return ioctl(control, LASTLINE_CTL_FIND, argument);
}

FIXTURE(control)
{
	int fd;
	struct lastline_add add;
	int number;	/* number of the added channel, or -1 */
};

FIXTURE_SETUP(control)
{
	self->number = -1;
	self->fd = open(CONTROL, O_RDWR);
	SKIP_WITHOUT_CONTROL(self->fd >= 0);
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

TEST_F(control, add_assigns_lowest_free_number)
{
	int number, fd;

	for (number = 0; exists(number); number++)
		;
	ASSERT_EQ(number, ADD());
	ASSERT_TRUE(exists(number));
	fd = open(node_path(number), O_RDWR);
	EXPECT_EQ(2, write_str(fd, "a\n"));
	EXPECT_STREQ("a\n", read_str(fd));
	EXPECT_EQ(number, get_info(fd).number);
	EXPECT_EQ(LASTLINE_MODE_LINE, get_info(fd).mode);
	EXPECT_STREQ("line", read_attribute(number, "mode"));
	EXPECT_STREQ("", read_attribute(number, "name"));
	close(fd);
}

TEST_F(control, add_returns_eexist_for_number_in_use)
{
	self->add.number = LASTLINE_CHANNELS_MAX - 1;
	ASSERT_EQ(LASTLINE_CHANNELS_MAX - 1, ADD());
	EXPECT_ERRNO(EEXIST, ioctl(self->fd, LASTLINE_CTL_ADD, &self->add));
	EXPECT_TRUE(exists(LASTLINE_CHANNELS_MAX - 1));
}

#define EXPECT_NO_ADD(error, field, value) do {					\
	struct lastline_add add = self->add;					\
										\
	add.field = value;							\
	EXPECT_ERRNO(error, ioctl(self->fd, LASTLINE_CTL_ADD, &add));		\
} while (0)

TEST_F(control, add_returns_einval_for_value_out_of_range)
{
	EXPECT_NO_ADD(EINVAL, number, -2);
	EXPECT_NO_ADD(EINVAL, number, LASTLINE_CHANNELS_MAX);
	EXPECT_NO_ADD(EINVAL, mode, 2);
	EXPECT_NO_ADD(EINVAL, line_max, LASTLINE_LINE_MAX_MIN - 1);
	EXPECT_NO_ADD(EINVAL, line_max, LASTLINE_LINE_MAX_MAX + 1);
	EXPECT_NO_ADD(EINVAL, permissions, 01000);
	EXPECT_NO_ADD(EINVAL, uid, -1);
	EXPECT_NO_ADD(EINVAL, gid, -1);
	EXPECT_NO_ADD(EINVAL, reserved[4], 1);
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, LASTLINE_CTL_ADD, bad_address()));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, LASTLINE_CTL_FIND, bad_address()));
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd, LASTLINE_IOC_INFO, &self->add));
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd, FIONREAD, &self->add));
}

TEST_F(control, name_is_unique_and_found)
{
	int number;

	strcpy(self->add.name, "my-sensor_1.x");
	number = ADD();
	ASSERT_LE(0, number);
	EXPECT_STREQ("my-sensor_1.x", read_attribute(number, "name"));
	EXPECT_NE(NULL, strstr(read_attribute(number, "uevent"), "LASTLINE_NAME=my-sensor_1.x"));
	EXPECT_NE(NULL, strstr(read_attribute(number, "uevent"), "LASTLINE_ADDED=1"));
	EXPECT_EQ(NULL, strstr(read_attribute(0, "uevent"), "LASTLINE_ADDED"));
	EXPECT_EQ(number, find_channel(self->fd, "my-sensor_1.x"));
	EXPECT_ERRNO(ENODEV, find_channel(self->fd, "my-sensor_1"));
	EXPECT_ERRNO(EEXIST, ioctl(self->fd, LASTLINE_CTL_ADD, &self->add));
	EXPECT_EQ(number, REMOVE(number));
	EXPECT_ERRNO(ENODEV, find_channel(self->fd, "my-sensor_1.x"));
	ASSERT_EQ(number, ADD());
}

TEST_F(control, add_returns_einval_for_invalid_name)
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
	EXPECT_EQ(self->number, find_channel(self->fd, name));
}

TEST_F(control, node_has_requested_owner_and_mode)
{
	static const __u32 permissions[] = { 0640, 0 };
	struct stat status;
	size_t i;

	self->add.uid = 1234;
	self->add.gid = 5678;
	for (i = 0; i < ARRAY_SIZE(permissions); i++) {
		self->add.permissions = permissions[i];
		ASSERT_LE(0, ADD());
		ASSERT_EQ(0, stat(node_path(self->number), &status));
		EXPECT_EQ(S_IFCHR | permissions[i], status.st_mode);
		EXPECT_EQ(1234, status.st_uid);
		EXPECT_EQ(5678, status.st_gid);
		EXPECT_EQ(self->number, REMOVE(self->number));
	}
}

/* The driver checks the capability of the caller, not of the process that opened the file. */
TEST_F(control, control_calls_require_capability)
{
	struct stat status;
	pid_t pid;

	ASSERT_EQ(0, stat(CONTROL, &status));
	EXPECT_EQ(S_IFCHR | 0600, status.st_mode);
	EXPECT_EQ(0, status.st_uid);
	ASSERT_LE(0, ADD());
	pid = fork();
	if (!pid) {
		bool refused = !setgid(65534) && !setuid(65534);

		refused &= ioctl(self->fd, LASTLINE_CTL_ADD, &self->add) == -1 && errno == EPERM;
		refused &= REMOVE(self->number) == -1 && errno == EPERM;
		refused &= find_channel(self->fd, "x") == -1 && errno == EPERM;
		_exit(!refused);
	}
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(exists(self->number));
}

TEST_F(control, add_without_line_max_uses_module_parameter)
{
	char parameters[MODULE_PARAMETERS_SIZE];
	int ko = open_module(), fd;

	if (ko < 0)
		SKIP(return, "no module file: set LASTLINE_KO to the path of lastline.ko");
	save_module_parameters(parameters);
	close(self->fd);
	ASSERT_TRUE(WAIT_FOR(!unload()));
	ASSERT_EQ(0, load(ko, "devices=1 line_max=128"));
	ASSERT_TRUE(WAIT_FOR((self->fd = open(CONTROL, O_RDWR)) >= 0));
	ASSERT_LE(0, ADD());
	ASSERT_TRUE(WAIT_FOR((fd = open(node_path(self->number), O_RDONLY)) >= 0));
	EXPECT_EQ(128, get_info(fd).line_max);
	close(fd);
	close(self->fd);
	EXPECT_TRUE(WAIT_FOR(!unload()));
	EXPECT_EQ(0, load(ko, parameters));
	close(ko);
	ASSERT_TRUE(WAIT_FOR((self->fd = open(CONTROL, O_RDWR)) >= 0));
	self->number = -1;
}

/* Adding thousands of devices takes minutes on a debug kernel. */
TEST_F_TIMEOUT(control, add_returns_enospc_when_all_numbers_are_in_use, 1200)
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

TEST_F(control, remove_returns_enodev_for_missing_channel)
{
	EXPECT_ERRNO(ENODEV, REMOVE(LASTLINE_CHANNELS_MAX - 1));
	EXPECT_ERRNO(ENODEV, REMOVE(LASTLINE_CHANNELS_MAX));
	EXPECT_ERRNO(ENODEV, REMOVE(-1L));
	ASSERT_LE(0, ADD());
	EXPECT_EQ(self->number, REMOVE(self->number));
	EXPECT_ERRNO(ENODEV, REMOVE(self->number));
}

/* @fd has a partial line and the rest of a line after a short read. */
TEST_F(control, calls_return_enodev_and_mapping_stays_after_remove)
{
	const struct lastline_map *map;
	struct lastline_info info;
	struct lastline_taken taken;
	char buf[8];
	int fd, n;

	self->add.line_max = LASTLINE_LINE_MAX_MIN;
	ASSERT_LE(0, ADD());
	fd = open(node_path(self->number), O_RDWR);
	EXPECT_EQ(9, write_str(fd, "unread\nun"));
	EXPECT_EQ(3, read(fd, buf, 3));
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, map->flags);
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
	EXPECT_ERRNO(ENODEV, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(LASTLINE_MAP_REMOVED, map->flags);
	EXPECT_EQ(7, lastline_map_read(map, buf, sizeof(buf), NULL));
	munmap((void *)map, 4096);
}

TEST_F_TIMEOUT(control, remove_wakes_read_poll_and_epoll, WAKE_TIMEOUT)
{
	struct pollfd attribute = { .events = POLLPRI };
	struct epoll_event event = { .events = EPOLLIN };
	struct call reader = { .function = call_read }, poller = { .function = call_poll };
	int epoll = epoll_create1(0);
	char text[8];

	ASSERT_LE(0, ADD());
	reader.fd = open(node_path(self->number), O_RDONLY);
	poller.fd = reader.fd;
	attribute.fd = open_attribute(self->number, "readers");
	ASSERT_LT(0, pread(attribute.fd, text, sizeof(text), 0));
	EXPECT_EQ(0, poll(&attribute, 1, NO_EVENT_MS));
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, reader.fd, &event));
	ASSERT_TRUE(start_call(&reader));
	ASSERT_TRUE(start_call(&poller));
	ASSERT_TRUE(wait_for_sleepers(reader.fd, 1));
	ASSERT_TRUE(wait_until_asleep(&poller));
	EXPECT_EQ(self->number, REMOVE(self->number));
	ASSERT_TRUE(returns_within(&reader, TIMEOUT_MS));
	ASSERT_TRUE(returns_within(&poller, TIMEOUT_MS));
	EXPECT_EQ(-1, reader.ret);
	EXPECT_EQ(ENODEV, reader.error);
	EXPECT_EQ(POLLHUP | POLLERR, poller.ret);
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(EPOLLHUP | EPOLLERR, event.events);
	EXPECT_EQ(1, poll(&attribute, 1, -1));
	EXPECT_ERRNO(ENODEV, pread(attribute.fd, text, sizeof(text), 0));
	close(reader.fd);
	close(attribute.fd);
	close(epoll);
}

TEST_F(control, remove_sends_sigio)
{
	struct timespec timeout = { .tv_sec = TIMEOUT_MS / 1000 };
	siginfo_t siginfo = {};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_LE(0, ADD());
	fd = open(node_path(self->number), O_RDONLY | O_NONBLOCK);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETSIG, SIGRTMIN);
	fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
	EXPECT_EQ(self->number, REMOVE(self->number));
	EXPECT_EQ(SIGRTMIN, sigtimedwait(&set, &siginfo, &timeout));
	EXPECT_EQ(POLL_HUP, siginfo.si_code);
	EXPECT_EQ(fd, siginfo.si_fd);
	close(fd);
}

TEST_F(control, number_is_reusable_while_removed_channel_is_open)
{
	int number, old, new;

	number = ADD();
	ASSERT_LE(0, number);
	old = open(node_path(number), O_RDWR | O_NONBLOCK);
	EXPECT_EQ(4, write_str(old, "old\n"));
	EXPECT_EQ(number, REMOVE(number));
	self->add.number = number;
	ASSERT_EQ(number, ADD());
	new = open(node_path(number), O_RDWR | O_NONBLOCK);
	EXPECT_TRUE(nothing_to_read(new));
	EXPECT_EQ(4, write_str(new, "new\n"));
	EXPECT_STREQ("new\n", read_str(new));
	EXPECT_ERRNO(ENODEV, write(old, "a\n", 2));
	close(old);
	EXPECT_EQ(1, get_info(new).readers);
	close(new);
}

FIXTURE(record)
{
	struct test_channel channel;
};

FIXTURE_SETUP(record)
{
	ADD_CHANNEL(LASTLINE_MODE_RECORD, 8192);
}

FIXTURE_TEARDOWN(record)
{
	remove_channel(&self->channel);
}

TEST_F(record, each_write_publishes_one_record)
{
	static const char binary[] = "\n\0\n\xff no newline";
	struct iovec parts[2] = { { "ab", 2 }, { "\ncd", 3 } };
	int writer = self->channel.writer, reader = self->channel.reader;
	char buf[64];

	EXPECT_EQ(LASTLINE_MODE_RECORD, get_info(reader).mode);
	EXPECT_STREQ("record", read_attribute(self->channel.number, "mode"));
	EXPECT_EQ(sizeof(binary), write(writer, binary, sizeof(binary)));
	EXPECT_EQ(sizeof(binary), read(reader, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(binary, buf, sizeof(binary)));
	EXPECT_EQ(5, writev(writer, parts, 2));
	EXPECT_STREQ("ab\ncd", read_str(reader));
	EXPECT_EQ(1, write_str(writer, "x"));
	EXPECT_STREQ("x", read_str(reader));
	EXPECT_EQ(0, fsync(writer));
	close(writer);
	EXPECT_TRUE(nothing_to_read(reader));
	EXPECT_EQ(3, get_info(reader).generation);
}

/* The page fault makes the write take the slow path. */
TEST_F(record, write_from_missing_page_wakes_epoll)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(0);
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->channel.reader, &event));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(4096, write(self->channel.writer, page, 4096));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	munmap(page, 4096);
	close(epoll);
}

/* The pages of the first record are missing. */
TEST_F(record, read_returns_whole_record_of_any_size)
{
	char *record = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[8192];
	int size, i;

	EXPECT_EQ(8192, write(self->channel.writer, record, 8192));
	EXPECT_EQ(8192, read(self->channel.reader, buf, sizeof(buf)));
	for (size = 1; size <= 8192; size += 1 + size / 7) {
		for (i = 0; i < size; i++)
			record[i] = i * 7 + size;
		ASSERT_EQ(size, write(self->channel.writer, record, size));
		ASSERT_EQ(size, read(self->channel.reader, buf, sizeof(buf)));
		ASSERT_EQ(0, memcmp(record, buf, size));
	}
	munmap(record, 8192);
}

/* Two writes can share one buffer of a pipe, and would become one record. */
TEST_F(record, splice_to_record_channel_returns_einval)
{
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	EXPECT_EQ(3, write_str(ends[1], "one"));
	EXPECT_EQ(3, write_str(ends[1], "two"));
	EXPECT_ERRNO(EINVAL, splice(ends[0], NULL, self->channel.writer, NULL, 6, 0));
	EXPECT_STREQ("onetwo", read_str(ends[0]));
	EXPECT_EQ(0, get_info(self->channel.reader).generation);
	close(ends[0]);
	close(ends[1]);
}

TEST_F(record, invalid_record_changes_nothing)
{
	static char record[8193];

	EXPECT_EQ(3, write_str(self->channel.writer, "abc"));
	EXPECT_ERRNO(EMSGSIZE, write(self->channel.writer, record, sizeof(record)));
	EXPECT_EQ(0, write(self->channel.writer, record, 0));
	EXPECT_ERRNO(EFAULT, write(self->channel.writer, bad_address(), 5));
	EXPECT_EQ(1, get_info(self->channel.reader).generation);
	EXPECT_STREQ("abc", read_str(self->channel.reader));
}

/* See infoleak_test for the mapping of a cleared channel. */
TEST_F(channel, clear_removes_line_and_advances_generation_once)
{
	int bytes, other;

	EXPECT_EQ(4, write_str(self->writer, "old\n"));
	EXPECT_STREQ("old\n", read_str(self->reader));
	EXPECT_EQ(5, write_str(self->writer, "line\n"));
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	EXPECT_EQ(3, PUBLISHED());
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	EXPECT_EQ(3, PUBLISHED());
	EXPECT_EQ(0, get_info(self->reader).monotonic_ns);
	EXPECT_FALSE(readable_within(self->reader, 0));
	EXPECT_EQ(0, ioctl(self->reader, FIONREAD, &bytes));
	EXPECT_EQ(0, bytes);
	EXPECT_TRUE(nothing_to_read(self->reader));
	EXPECT_EQ(self->generation + 1, get_taken(self->reader).generation);
	EXPECT_EQ(0, lseek(self->reader, 0, SEEK_SET));
	EXPECT_TRUE(nothing_to_read(self->reader));
	other = open_channel(O_RDONLY | O_NONBLOCK);
	EXPECT_FALSE(readable_within(other, 0));
	EXPECT_TRUE(nothing_to_read(other));
	EXPECT_EQ(4, write_str(self->writer, "new\n"));
	EXPECT_TRUE(readable_within(other, 0));
	EXPECT_STREQ("new\n", read_str(other));
	EXPECT_LATEST("new\n");
	close(other);
}

TEST_F(channel, clear_does_not_wake_reader)
{
	struct call call = { .function = call_read, .fd = open_channel(O_RDONLY) };
	int i;

	EXPECT_EQ(5, write_str(self->writer, "line\n"));
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	ASSERT_TRUE(start_call(&call));
	ASSERT_TRUE(wait_for_sleepers(self->reader, 1));
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(1, get_info(self->reader).sleepers);
	EXPECT_EQ(4, write_str(self->writer, "new\n"));
	ASSERT_TRUE(returns_within(&call, TIMEOUT_MS));
	EXPECT_STREQ("new\n", call.line);

	ASSERT_TRUE(start_call(&call));
	ASSERT_TRUE(wait_for_sleepers(self->reader, 1));
	EXPECT_EQ(0, ioctl(self->writer, LASTLINE_IOC_CLEAR));
	EXPECT_FALSE(returns_within(&call, NO_EVENT_MS));
	EXPECT_EQ(1, get_info(self->reader).sleepers);
	EXPECT_EQ(4, write_str(self->writer, "two\n"));
	ASSERT_TRUE(returns_within(&call, TIMEOUT_MS));
	close(call.fd);
}

TEST_F(channel, clear_requires_write_access)
{
	EXPECT_EQ(5, write_str(self->writer, "line\n"));
	EXPECT_ERRNO(EBADF, ioctl(self->reader, LASTLINE_IOC_CLEAR));
	EXPECT_LATEST("line\n");
}

TEST_HARNESS_MAIN
