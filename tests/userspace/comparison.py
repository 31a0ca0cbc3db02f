#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What docs/comparison.md says of the others, done with them.

    comparison.py

Needs no lastline: how that behaves, the selftests show. And it looks whether the page
names a test in the tree for each row of its table, and the costs of docs/performance.md.
"""
import ctypes
import errno
import mmap
import os
import re
import select
import signal
import struct
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
TESTS = []

libc = ctypes.CDLL(None, use_errno=True)


class Skip(Exception):
    """Cannot be done here."""


def test(function):
    """To be run at the end, in order."""
    TESTS.append(function)
    return function


def fails_with(error, call, *arguments):
    """Does the call fail with this errno?"""
    try:
        call(*arguments)
    except OSError as exception:
        return exception.errno == error
    return False


def in_child(action):
    """Runs it in a process of its own; its pid."""
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            action()
        finally:
            os._exit(0)
    return pid


def is_asleep(pid):
    """Does it sleep, now and a moment later? Then nothing is on its way."""
    for _ in range(2):
        time.sleep(0.2)
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        if stat.rsplit(")", 1)[1].split()[0] != "S":
            return False
    return True


def falls_asleep(pid):
    """The same with patience."""
    return any(is_asleep(pid) for _ in range(50))


def end(pid):
    """Kills it."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def is_readable(fd):
    """Would a read return at once?"""
    return bool(select.select([fd], [], [], 0)[0])


#
# Pipe
#

def fill(fd):
    """Writes lines that are numbered, until there is no room. How many there was."""
    os.set_blocking(fd, False)
    for count in range(1 << 20):
        try:
            os.write(fd, b"%0511d\n" % count)
        except BlockingIOError:
            return count
    raise AssertionError("it takes whatever comes")


@test
def a_full_pipe_makes_its_writer_wait():
    _, writer = os.pipe()
    fill(writer)
    os.set_blocking(writer, True)
    child = in_child(lambda: os.write(writer, b"x" * 512))
    assert falls_asleep(child)
    end(child)


@test
def a_full_pipe_that_does_not_wait_loses_the_newest_line():
    reader, writer = os.pipe()
    count = fill(writer)
    lines = os.read(reader, 1 << 20).split()
    assert int(lines[0]) == 0 and int(lines[-1]) == count - 1


@test
def a_pipe_without_a_reader_ends_its_writer():
    reader, writer = os.pipe()
    os.close(reader)
    child = in_child(lambda: os.write(writer, b"x\n"))
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGPIPE


@test
def of_a_killed_writer_half_a_line_stays_in_the_pipe():
    reader, writer = os.pipe()

    def write_half():
        os.write(writer, b"half a ")
        signal.pause()

    child = in_child(write_half)
    assert falls_asleep(child)
    end(child)
    os.write(writer, b"line of another\n")
    assert os.read(reader, 100) == b"half a line of another\n"


@test
def two_readers_of_a_pipe_share_its_lines():
    reader, writer = os.pipe()
    os.write(writer, b"one\n")
    assert os.read(reader, 100) == b"one\n"
    assert not is_readable(os.dup(reader))


#
# FIFO
#

def fifo():
    """A fresh one."""
    path = tempfile.mktemp()
    os.mkfifo(path)
    return path


@test
def who_opens_a_fifo_to_write_waits_for_a_reader():
    path = fifo()
    assert fails_with(errno.ENXIO, os.open, path, os.O_WRONLY | os.O_NONBLOCK)
    child = in_child(lambda: os.open(path, os.O_WRONLY))
    assert falls_asleep(child)
    end(child)
    os.unlink(path)


@test
def the_reader_of_a_fifo_finds_its_end_when_the_writer_goes_and_no_sleep_afterwards():
    path = fifo()
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY)
    os.write(writer, b"one\n")
    assert os.read(reader, 100) == b"one\n"
    os.close(writer)
    os.set_blocking(reader, True)
    for _ in range(1000):
        assert os.read(reader, 100) == b""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    assert poll.poll(0)[0][1] & select.POLLHUP
    os.unlink(path)


@test
def what_is_in_a_fifo_is_lost_when_both_ends_are_closed():
    path = fifo()
    both = os.open(path, os.O_RDWR)
    os.write(both, b"one\n")
    os.close(both)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(reader, 100) == b""
    assert os.path.exists(path)
    os.unlink(path)


#
# POSIX message queue
#

class Queue:
    """With room for two messages."""

    def __init__(self):
        self.name = b"/comparison-%d" % os.getpid()
        attributes = (ctypes.c_long * 8)(0, 2, 16)
        self.fd = libc.mq_open(self.name, os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, 0o600,
                               attributes)
        if self.fd < 0:
            raise Skip(f"mq_open: {os.strerror(ctypes.get_errno())}")

    def send(self, line):
        """Without waiting."""
        if libc.mq_send(self.fd, line, len(line), 0):
            raise OSError(ctypes.get_errno(), "mq_send")

    def receive(self):
        """Without waiting."""
        buffer = ctypes.create_string_buffer(16)
        length = libc.mq_receive(self.fd, buffer, 16, None)
        if length < 0:
            raise OSError(ctypes.get_errno(), "mq_receive")
        return buffer.raw[:length]

    def unlink(self):
        """It is gone when it is closed, too."""
        libc.mq_unlink(self.name)
        os.close(self.fd)


@test
def a_full_message_queue_makes_its_writer_wait():
    queue = Queue()
    queue.send(b"one")
    queue.send(b"two")
    assert fails_with(errno.EAGAIN, queue.send, b"three")
    os.set_blocking(queue.fd, True)
    child = in_child(lambda: queue.send(b"three"))
    assert falls_asleep(child)
    end(child)
    queue.unlink()


@test
def a_message_queue_gives_the_oldest_first_and_whole_and_each_to_one_reader():
    queue = Queue()
    queue.send(b"one")
    queue.send(b"two")
    assert queue.receive() == b"one" and queue.receive() == b"two"
    assert fails_with(errno.EAGAIN, queue.receive)
    queue.unlink()


@test
def what_is_in_a_message_queue_outlives_all_processes():
    queue = Queue()
    queue.send(b"one")
    os.close(queue.fd)
    queue = Queue()
    assert queue.receive() == b"one"
    queue.unlink()


#
# ZeroMQ with ZMQ_CONFLATE
#

ZMQ_PUB, ZMQ_SUB, ZMQ_SUBSCRIBE, ZMQ_LINGER, ZMQ_CONFLATE, ZMQ_DONTWAIT = 1, 2, 6, 17, 54, 1


class Zeromq:
    """A publisher and its subscribers."""

    def __init__(self, directory=None):
        try:
            self.lib = ctypes.CDLL("libzmq.so.5", use_errno=True)
        except OSError as error:
            raise Skip("no libzmq here") from error
        self.lib.zmq_ctx_new.restype = ctypes.c_void_p
        self.lib.zmq_socket.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.zmq_ctx_new())
        self.directory = tempfile.TemporaryDirectory()
        self.address = f"ipc://{directory or self.directory.name}/socket".encode()
        self.sockets = []
        self.publisher = self.socket(ZMQ_PUB)
        assert not self.lib.zmq_bind(self.publisher, self.address)

    def set(self, socket, option, value):
        """An option that is a number."""
        number = ctypes.c_int(value)
        assert not self.lib.zmq_setsockopt(socket, option, ctypes.byref(number), 4)

    def socket(self, kind):
        """One that keeps one message."""
        socket = ctypes.c_void_p(self.lib.zmq_socket(self.context, kind))
        self.set(socket, ZMQ_CONFLATE, 1)
        self.set(socket, ZMQ_LINGER, 0)
        self.sockets.append(socket)
        return socket

    def subscribe(self):
        """From now on, which takes the library a moment."""
        socket = self.socket(ZMQ_SUB)
        assert not self.lib.zmq_setsockopt(socket, ZMQ_SUBSCRIBE, b"", 0)
        assert not self.lib.zmq_connect(socket, self.address)
        time.sleep(0.5)
        return socket

    def send(self, line):
        """Without waiting."""
        assert self.lib.zmq_send(self.publisher, line, len(line), ZMQ_DONTWAIT) == len(line)

    def receive(self, socket, patience=60):
        """A line, or None."""
        buffer = ctypes.create_string_buffer(16)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            length = self.lib.zmq_recv(socket, buffer, 16, ZMQ_DONTWAIT)
            if length >= 0:
                return buffer.raw[:length]
            time.sleep(0.01)
        return None

    def receives(self, socket, line):
        """Whether that one comes, after no more others than there are without a queue."""
        for _ in range(1000):
            received = self.receive(socket)
            if received in (line, None):
                return received == line
        return False

    def gets_there(self, socket, line):
        """Sent until it is received: a subscriber that is not there yet gets none."""
        until = time.monotonic() + 60
        received = None
        while not received and time.monotonic() < until:
            self.send(line)
            received = self.receive(socket, patience=0.1)
        return received == line

    def close(self):
        """All of it."""
        for socket in self.sockets:
            self.lib.zmq_close(socket)
        self.lib.zmq_ctx_term(self.context)
        self.directory.cleanup()


@test
def a_publisher_of_zeromq_does_not_wait_and_each_subscriber_gets_the_newest():
    zeromq = Zeromq()
    subscribers = [zeromq.subscribe(), zeromq.subscribe()]
    for i in range(10000):
        zeromq.send(b"%d" % i)
    assert all(zeromq.receives(subscriber, b"9999") for subscriber in subscribers)
    zeromq.close()


@test
def who_subscribes_to_zeromq_after_a_line_gets_none_until_the_next():
    zeromq = Zeromq()
    zeromq.send(b"one")
    subscriber = zeromq.subscribe()
    assert zeromq.receive(subscriber, patience=0.5) is None
    assert zeromq.gets_there(subscriber, b"two")
    zeromq.close()


@test
def a_subscriber_of_zeromq_finds_a_publisher_that_was_restarted():
    zeromq = Zeromq()
    subscriber = zeromq.subscribe()
    zeromq.lib.zmq_close(zeromq.publisher)
    zeromq.sockets.remove(zeromq.publisher)
    zeromq.publisher = zeromq.socket(ZMQ_PUB)
    until = time.monotonic() + 60
    while zeromq.lib.zmq_bind(zeromq.publisher, zeromq.address) and time.monotonic() < until:
        time.sleep(0.1)     # the library has not closed the old one yet
    assert zeromq.gets_there(subscriber, b"one")
    zeromq.close()


@test
def a_killed_publisher_of_zeromq_leaves_the_name_of_its_socket_behind():
    Zeromq().close()    # or there is none to try it with
    with tempfile.TemporaryDirectory() as directory:

        def publish():
            Zeromq(directory)
            signal.pause()

        child = in_child(publish)
        until = time.monotonic() + 20
        while not os.listdir(directory) and time.monotonic() < until:
            time.sleep(0.1)
        end(child)
        assert os.listdir(directory) == ["socket"]


#
# Shared memory
#

def share(path, size=4096):
    """A mapping of a file that all may open."""
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    os.ftruncate(fd, size)
    memory = mmap.mmap(fd, size)
    os.close(fd)
    return memory


@test
def a_writer_killed_half_way_leaves_half_a_line_in_shared_memory_and_a_seqlock_odd():
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        memory = share(file.name)
        memory[4:12] = b"old line"

        def write_half():
            memory[0:4] = struct.pack("I", 1)
            memory[4:8] = b"new "
            signal.pause()

        child = in_child(write_half)
        assert falls_asleep(child)
        end(child)
        late = share(file.name)
        assert late[4:12] == b"new line"
        assert struct.unpack("I", late[0:4])[0] % 2 == 1


@test
def what_is_in_shared_memory_outlives_all_processes():
    path = f"/dev/shm/comparison-{os.getpid()}"

    def write():
        share(path)[0:3] = b"one"

    os.waitpid(in_child(write), 0)
    assert share(path)[0:3] == b"one"
    os.unlink(path)


#
# eventfd
#

def new_eventfd(flags=0):
    """Its descriptor."""
    fd = libc.eventfd(0, os.O_NONBLOCK | flags)
    assert fd >= 0
    return fd


@test
def an_eventfd_counts_and_carries_no_line():
    fd = new_eventfd()
    assert fails_with(errno.EINVAL, os.write, fd, b"line\n")
    for _ in range(3):
        os.write(fd, struct.pack("Q", 1))
    assert struct.unpack("Q", os.read(fd, 8))[0] == 3


@test
def of_two_readers_of_an_eventfd_one_gets_the_count():
    fd = new_eventfd()
    os.write(fd, struct.pack("Q", 1))
    other = os.dup(fd)
    os.read(fd, 8)
    assert fails_with(errno.EAGAIN, os.read, other, 8)


@test
def an_eventfd_makes_its_writer_wait_only_when_the_count_is_full():
    fd = new_eventfd()
    os.write(fd, struct.pack("Q", 2 ** 64 - 2))
    assert fails_with(errno.EAGAIN, os.write, fd, struct.pack("Q", 1))


#
# File, rename and inotify
#

IN_MODIFY, IN_MOVED_TO = 0x2, 0x80


def watch(path, mask):
    """Its descriptor."""
    fd = libc.inotify_init()
    assert libc.inotify_add_watch(fd, os.fsencode(path), mask) >= 0
    return fd


def replace(path, text):
    """As one does it, so that nobody sees half of it."""
    Path(path + ".new").write_text(text, encoding="ascii")
    os.rename(path + ".new", path)


@test
def a_file_that_is_replaced_is_seen_whole_and_inotify_tells_of_it_in_the_directory_only():
    with tempfile.TemporaryDirectory() as directory:
        path = directory + "/line"
        replace(path, "one\n")
        reader = open(path, encoding="ascii")
        on_file, on_directory = watch(path, IN_MODIFY), watch(directory, IN_MOVED_TO)
        replace(path, "two\n")
        replace(path, "three\n")
        assert is_readable(on_directory) and not is_readable(on_file)
        assert reader.read() == "one\n" and Path(path).read_text("ascii") == "three\n"


@test
def a_file_that_is_overwritten_in_place_is_seen_empty():
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_text("one\n", encoding="ascii")
        with open(file.name, "w", encoding="ascii"):
            assert Path(file.name).read_text("ascii") == ""


@test
def a_killed_writer_leaves_its_temporary_file_behind():
    with tempfile.TemporaryDirectory() as directory:
        path = directory + "/line"

        def write_half():
            Path(path + ".new").write_text("half a ", encoding="ascii")
            signal.pause()

        child = in_child(write_half)
        assert falls_asleep(child)
        end(child)
        assert os.listdir(directory) == ["line.new"]


#
# The page
#

def rows():
    """Of the table in docs/comparison.md, but for its head: cells and tests named."""
    page = (TOP / "docs/comparison.md").read_text("utf-8")
    for line in page.splitlines():
        match = re.fullmatch(r"\| \*\*(.*?)\*\* \|(.*)\| <!-- (.*) -->", line)
        if match:
            yield match[1], [cell.strip() for cell in match[2].split("|")], match[3].split()


def sentences(file):
    """The names of the tests in it, with a _ for each space."""
    text = (TOP / "tests" / file).read_text("utf-8")
    names = re.findall(r'^TEST_F(?:_TIMEOUT)?\(\w+, (\w+)|^test_that "(.*)"|^def (\w+)', text, re.M)
    return {"".join(name).replace(" ", "_") for name in names}


@test
def each_row_of_the_page_names_tests_that_exist():
    count = 0
    for heading, _, names in rows():
        count += 1
        own = [name for name in names if not name.startswith("userspace/comparison.py:")]
        assert own or heading in ("other machines", "it needs"), f"{heading}: no test of lastline"
        for name in names:
            file, sentence = name.split(":")
            assert sentence in sentences(file), f"{heading}: there is no {name}"
    assert count >= 12


@test
def each_test_of_the_others_is_named_on_the_page():
    named = {name.split(":")[1] for _, _, names in rows() for name in names}
    for function in TESTS[:TESTS.index(each_row_of_the_page_names_tests_that_exist)]:
        assert function.__name__ in named, function.__name__


def figures_of(heading, column):
    """What docs/performance.md has below a heading, by method."""
    table = (TOP / "docs/performance.md").read_text("utf-8").split(heading)[1].split("###")[0]
    return {cells[1].strip(): cells[column].strip() for cells in
            (line.split("|") for line in table.splitlines() if line.startswith("| "))}


@test
def the_costs_are_those_of_the_performance_page():
    both = figures_of("### A line of 64 bytes, nobody waiting", 4)
    costs = next(cells for heading, cells, _ in rows() if heading.startswith("cost"))
    methods = ("lastline, read and write", "pipe", "FIFO, open + write + close",
               "POSIX mq, depth 1, replaced", "ZeroMQ, ZMQ_CONFLATE, ipc", None,
               "shared seqlock + futex", "eventfd (8 bytes, no line)", "file + rename + inotify")
    assert len(costs) == len(methods)
    for cost, method in zip(costs, methods):
        assert cost == (both[method] if method else "not measured"), method
    # Those of the README, too.
    each = figures_of("### Sleeping readers", 9)
    page = (TOP / "README.md").read_text("utf-8").split("## What it costs")[1].split("##")[0]
    for cells in (line.split("|") for line in page.splitlines() if line.startswith("| ")):
        if not cells[2].strip(" -:").isdigit():
            continue
        method = next(name for name in both if cells[2].strip() == both[name])
        assert cells[3].strip() == each.get(method, "–"), method


def main():
    """KTAP."""
    failed = False
    print(f"TAP version 13\n1..{len(TESTS)}")
    for number, function in enumerate(TESTS, 1):
        verdict, skipped = "ok", ""
        try:
            function()
        except Skip as reason:
            skipped = f" # SKIP {reason}"
        except Exception as error:
            verdict, failed = "not ok", True
            line = error.__traceback__.tb_next.tb_lineno
            print(f"# line {line}: {type(error).__name__}: {error}")
        print(f"{verdict} {number} - {function.__name__.replace('_', ' ')}{skipped}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
