#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The channel in the hands of Python programs.

LASTLINE_DEV names it, /dev/lastline0 unless it is set; nothing else may use it
meanwhile. Python 3.9 or newer with nothing but its standard library. Each test
runs in a process group of its own, which ends with it: nothing that a test
started outlives it, and what blocks for too long is a failure.
"""
import asyncio
import contextlib
import errno
import fcntl
import os
import select
import selectors
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import traceback

DEV = os.environ.get('LASTLINE_DEV', '/dev/lastline0')
LIMIT = 300     # seconds for one test
PATIENCE = 60   # seconds until something that must happen counts as lost
PAUSE = 0.2     # seconds in which something that must not happen would have

# <linux/lastline.h>, as _IOR() makes it on most machines
INFO = struct.Struct('=QQQIIII24x')
TAKEN = struct.Struct('=QQQQQ24x')
IOC_INFO = 2 << 30 | INFO.size << 16 | 0xBE << 8 | 0
IOC_TAKEN = 2 << 30 | TAKEN.size << 16 | 0xBE << 8 | 1

TESTS = []


class Skip(Exception):
    """The machine lacks what a test needs."""


def test(sentence):
    """Registers a test under the sentence that it proves."""
    def register(function):
        TESTS.append((sentence, function))
        return function
    return register


def expect(wanted, got):
    """Fails the test unless both are equal."""
    if wanted != got:
        raise AssertionError(f'{got!r} instead of {wanted!r}')


@contextlib.contextmanager
def fails_with(number):
    """The body must raise OSError with this errno."""
    try:
        yield
    except OSError as error:
        if error.errno != number:
            raise
    else:
        raise AssertionError(f'no {errno.errorcode[number]}')


@contextlib.contextmanager
def opened(flags):
    """A file descriptor of the channel."""
    fd = os.open(DEV, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def reader(flags=0):
    """A descriptor for reading; a fresh one has the present line to read."""
    return opened(os.O_RDONLY | flags)


def writer():
    """A descriptor for writing."""
    return opened(os.O_WRONLY)


def publish(text):
    """Makes text the latest line."""
    with writer() as fd:
        os.write(fd, text.encode() + b'\n')


def info(fd):
    """generation, monotonic_ns, realtime_ns, line_max, readers, writers, sleepers"""
    return INFO.unpack(fcntl.ioctl(fd, IOC_INFO, bytes(INFO.size)))


def taken(fd):
    """generation, monotonic_ns, realtime_ns, missed, missed_last"""
    return TAKEN.unpack(fcntl.ioctl(fd, IOC_TAKEN, bytes(TAKEN.size)))


def generation():
    """Of the latest line."""
    with writer() as fd:
        return info(fd)[0]


def wait_until(condition):
    """Waits until condition() is true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError('waited in vain')
        time.sleep(0.01)


def await_sleepers(count):
    """Waits until so many reads of the channel sleep."""
    with writer() as fd:
        wait_until(lambda: info(fd)[6] == count)


def tokens(word):
    """A line that shows whether it is whole."""
    return ' '.join([str(word)] * 8) + '\n'


def check_whole(line):
    """Fails the test unless tokens() made the line."""
    if isinstance(line, bytes):
        line = line.decode()
    if line != tokens(line.split(' ')[0]):
        raise AssertionError(f'torn: {line!r}')


@contextlib.contextmanager
def process(function, *arguments):
    """Runs function in a process that is killed at the end of the body."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            function(*arguments)
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextlib.contextmanager
def thread(function, *arguments):
    """Runs function in a thread that must have ended soon after the body."""
    runner = threading.Thread(target=function, args=arguments, daemon=True)
    runner.start()
    yield runner
    runner.join(PATIENCE)
    if runner.is_alive():
        raise AssertionError('a thread is stuck')


def write_fast():
    """Overwrites one line with the next, of several lengths, without end."""
    fd = os.open(DEV, os.O_WRONLY)
    number = 0
    while True:
        number += 1
        os.write(fd, tokens(number if number % 5 else number * 1000003).encode())


@contextlib.contextmanager
def fast_writer():
    """The present line is whole, and then it is overwritten all the time."""
    publish(tokens('start')[:-1])
    with process(write_fast):
        yield


#
# Files
#

@test('print(flush=True) publishes, and readline() gets it')
def _():
    with open(DEV, 'w') as out:
        before = generation()
        print('one', file=out, flush=True)
        with open(DEV) as lines:
            expect('one\n', lines.readline())
            print('two', 'three', file=out, flush=True)
            expect('two three\n', lines.readline())
        expect(2, generation() - before)


@test('print() without flush publishes at the close, and half a line never before')
def _():
    publish('start')
    with open(DEV, 'w') as out:
        print('no newline', end='', file=out)
        with open(DEV) as lines:
            expect('start\n', lines.readline())
        print('no newline', end='', file=out, flush=True)
        with open(DEV) as lines:
            expect('start\n', lines.readline())
    with open(DEV) as lines:
        expect('no newlineno newline\n', lines.readline())


@test('text-mode readline() gets whole lines while a fast writer overwrites them')
def _():
    with fast_writer(), open(DEV) as lines:
        for _ in range(500):
            check_whole(lines.readline())


@test('for line in open() gets whole lines while a fast writer overwrites them')
def _():
    with fast_writer(), open(DEV) as lines:
        for count, line in enumerate(lines):
            check_whole(line)
            if count == 500:
                break


@test('an unbuffered binary read gets exactly one line')
def _():
    with fast_writer(), open(DEV, 'rb', buffering=0) as lines:
        for _ in range(500):
            check_whole(lines.read(4096))


@test('a binary readline() that takes a byte at a time gets whole lines')
def _():
    with fast_writer(), open(DEV, 'rb', buffering=0) as lines:
        for _ in range(100):
            check_whole(lines.readline())


@test('a program that writes through a buffer never publishes half a line')
def _():
    def write():
        with open(DEV, 'w') as out:
            number = 0
            while True:
                number += 1
                out.write(tokens(number))

    publish(tokens('start')[:-1])
    with open(DEV) as lines:
        with process(write):
            for _ in range(100):
                check_whole(lines.readline())
        with open(DEV) as last:
            check_whole(last.readline())


@test('Python takes it for a stream')
def _():
    with open(DEV) as lines:
        expect(False, lines.seekable())
        expect(False, lines.isatty())
    expect(True, stat.S_ISCHR(os.stat(DEV).st_mode))
    with open(DEV, 'ab') as out:
        out.write(b'appended\n')
    with open(DEV, 'r+b', buffering=0) as both:
        expect(b'appended\n', both.read(100))
        both.write(b'mine\n')
        expect(b'mine\n', both.read(100))
    with reader() as fd, fails_with(errno.ESPIPE):
        os.pread(fd, 10, 0)


@test('os.lseek() reads the line again or skips it')
def _():
    publish('line')
    with reader(os.O_NONBLOCK) as fd:
        expect(b'line\n', os.read(fd, 100))
        os.lseek(fd, 0, os.SEEK_SET)
        expect(b'line\n', os.read(fd, 100))
        publish('next')
        os.lseek(fd, 0, os.SEEK_END)
        with fails_with(errno.EAGAIN):
            os.read(fd, 100)
        with fails_with(errno.ESPIPE):
            os.lseek(fd, 0, os.SEEK_CUR)


@test('os.fsync() publishes the unfinished line')
def _():
    with writer() as out, reader(os.O_NONBLOCK) as fd:
        os.lseek(fd, 0, os.SEEK_END)
        os.write(out, b'half')
        with fails_with(errno.EAGAIN):
            os.read(fd, 100)
        os.fsync(out)
        expect(b'half\n', os.read(fd, 100))


@test('a line that is too long raises EMSGSIZE and publishes nothing')
def _():
    publish('line')
    before = generation()
    with writer() as out:
        line_max = info(out)[3]
        with fails_with(errno.EMSGSIZE):
            os.write(out, b'x' * line_max + b'\n')
    expect(before, generation())
    with reader() as fd:
        expect(b'line\n', os.read(fd, 100))


#
# Without waiting
#

@test('a nonblocking read raises BlockingIOError when nothing is new')
def _():
    publish('line')
    with reader(os.O_NONBLOCK) as fd:
        expect(b'line\n', os.read(fd, 100))
        for _ in range(3):
            try:
                line = os.read(fd, 100)
            except BlockingIOError:
                continue
            raise AssertionError(f'no BlockingIOError but {line!r}')
        publish('next')
        expect(b'next\n', os.read(fd, 100))
    with open(os.open(DEV, os.O_RDONLY | os.O_NONBLOCK), 'rb', buffering=0) as lines:
        expect(b'next\n', lines.read(100))
        expect(None, lines.read(100))


@test('os.preadv() with RWF_NOWAIT does not wait')
def _():
    if not hasattr(os, 'RWF_NOWAIT'):
        raise Skip('no RWF_NOWAIT in this Python')
    line = bytearray(100)
    publish('line')
    with reader() as fd:
        expect(5, os.preadv(fd, [line], -1, os.RWF_NOWAIT))
        expect(b'line\n', bytes(line[:5]))
        with fails_with(errno.EAGAIN):
            os.preadv(fd, [line], -1, os.RWF_NOWAIT)
        publish('next')
        expect(5, os.preadv(fd, [memoryview(line)[:2], memoryview(line)[2:]], -1,
                            os.RWF_NOWAIT))
        expect(b'next\n', bytes(line[:5]))


@test('FIONREAD tells the length of the line')
def _():
    def length():
        return struct.unpack('i', fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]

    publish('line')
    with reader() as fd:
        expect(5, length())
        os.read(fd, 2)
        expect(3, length())
        os.read(fd, 100)
        expect(0, length())


#
# Waiting for several things at once
#

@test('select.select() tells of a new line, and always of room to write')
def _():
    publish('start')
    with opened(os.O_RDWR) as fd:
        expect(([fd], [fd], []), select.select([fd], [fd], [fd], PATIENCE))
        expect(b'start\n', os.read(fd, 100))
        expect(([], [fd], []), select.select([fd], [fd], [fd], 0))
        expect(([], [], []), select.select([fd], [], [fd], PAUSE))
        with thread(publish_later, 'new'):
            expect(([fd], [], []), select.select([fd], [], [], PATIENCE))
        expect(b'new\n', os.read(fd, 100))


def publish_later(text):
    """Gives the other side time to fall asleep."""
    time.sleep(PAUSE)
    publish(text)


@test('select.poll() tells of a new line and never of a hang-up')
def _():
    publish('start')
    with reader() as fd:
        poll = select.poll()
        poll.register(fd, select.POLLIN | select.POLLPRI)
        expect([(fd, select.POLLIN)], poll.poll(PATIENCE * 1000))
        expect(b'start\n', os.read(fd, 100))
        # The writer is gone already.
        expect([], poll.poll(PAUSE * 1000))
        with thread(publish_later, 'new'):
            expect([(fd, select.POLLIN)], poll.poll(PATIENCE * 1000))
        expect(b'new\n', os.read(fd, 100))


@test('edge-triggered epoll tells of each publication once')
def _():
    publish('start')
    with reader(os.O_NONBLOCK) as fd, select.epoll() as epoll:
        epoll.register(fd, select.EPOLLIN | select.EPOLLET)
        expect([(fd, select.EPOLLIN)], epoll.poll(PATIENCE))
        expect([], epoll.poll(0))
        expect(b'start\n', os.read(fd, 100))
        for text in 'one', 'two', 'three':
            with thread(publish_later, text):
                expect([(fd, select.EPOLLIN)], epoll.poll(PATIENCE))
            expect([], epoll.poll(0))
        # It tells even though the earlier ones were not read.
        expect(b'three\n', os.read(fd, 100))
        expect([], epoll.poll(0))


@test('edge-triggered epoll loses nothing when a writer answers each line')
def _():
    def write():
        with reader() as fd, os.fdopen(answers) as confirmed:
            for number in range(1, 301):
                publish(str(number))
                expect(f'{number}\n', confirmed.readline())

    publish('0')
    answers, answer = os.pipe()
    with process(write), reader(os.O_NONBLOCK) as fd, select.epoll() as epoll:
        epoll.register(fd, select.EPOLLIN | select.EPOLLET)
        line = b''
        while line != b'300\n':
            if not epoll.poll(PATIENCE):
                raise AssertionError(f'nothing after {line!r}')
            with contextlib.suppress(BlockingIOError):
                while True:
                    line = os.read(fd, 100)
                    if line != b'0\n':
                        os.write(answer, line)


@test('a selector serves two open files')
def _():
    publish('start')
    with reader() as one, reader() as two, selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, 'one')
        selector.register(two, selectors.EVENT_READ, 'two')
        for text in 'start', 'new':
            if text == 'new':
                publish(text)
            events = selector.select(PATIENCE)
            expect({'one', 'two'}, {key.data for key, _ in events})
            expect(text.encode() + b'\n', os.read(one, 100))
            expect(['two'], [key.data for key, _ in selector.select(0)])
            expect(text.encode() + b'\n', os.read(two, 100))
            expect([], selector.select(0))


@test('SIGIO tells of a new line')
def _():
    publish('start')
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
    with reader(os.O_NONBLOCK) as fd:
        os.read(fd, 100)
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | fcntl.FASYNC)
        expect(None, signal.sigtimedwait([signal.SIGIO], PAUSE))
        with thread(publish_later, 'new'):
            if not signal.sigtimedwait([signal.SIGIO], PATIENCE):
                raise AssertionError('no SIGIO')
        expect(b'new\n', os.read(fd, 100))


#
# asyncio
#

@test('asyncio: add_reader() is called for each line that it is given time for')
def _():
    async def main():
        def readable():
            lines.put_nowait(os.read(fd, 100))

        lines = asyncio.Queue()
        loop = asyncio.get_running_loop()
        with reader(os.O_NONBLOCK) as fd:
            loop.add_reader(fd, readable)
            expect(b'start\n', await asyncio.wait_for(lines.get(), PATIENCE))
            for number in range(50):
                publish(str(number))
                expect(f'{number}\n'.encode(),
                       await asyncio.wait_for(lines.get(), PATIENCE))
            loop.remove_reader(fd)
            expect(True, lines.empty())

    publish('start')
    asyncio.run(main())


@test('asyncio: streams read and write it')
def _():
    async def main():
        loop = asyncio.get_running_loop()
        lines = asyncio.StreamReader()
        source, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), open(DEV, 'rb', buffering=0))
        sink, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, open(DEV, 'wb', buffering=0))
        out = asyncio.StreamWriter(sink, protocol, None, loop)
        expect(b'start\n', await asyncio.wait_for(lines.readline(), PATIENCE))
        for number in range(50):
            out.write(f'{number}\n'.encode())
            await out.drain()
            expect(f'{number}\n'.encode(),
                   await asyncio.wait_for(lines.readline(), PATIENCE))
        source.close()
        sink.close()

    publish('start')
    asyncio.run(main())


@test('asyncio: a stream gets whole lines while a fast writer overwrites them')
def _():
    async def main():
        lines = asyncio.StreamReader()
        source, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), open(DEV, 'rb', buffering=0))
        for _ in range(100):
            check_whole(await asyncio.wait_for(lines.readline(), PATIENCE))
        source.close()

    with fast_writer():
        asyncio.run(main())


#
# Signals, threads, processes
#

@test('a blocking read goes on after a signal handler has run')
def _():
    def interrupt():
        for count in range(1, 4):
            await_sleepers(1)
            os.kill(os.getpid(), signal.SIGUSR1)
            wait_until(lambda: len(handled) == count)
        await_sleepers(1)
        publish('new')

    handled = []
    signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))
    publish('start')
    with open(DEV) as lines:
        expect('start\n', lines.readline())
        with thread(interrupt):
            expect('new\n', lines.readline())
    expect(3, len(handled))


@test('a signal handler that raises ends a blocking read, and no line is lost')
def _():
    class Enough(Exception):
        pass

    def handler(_number, _frame):
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Enough

    signal.signal(signal.SIGALRM, handler)
    publish('start')
    with reader() as fd:
        os.read(fd, 100)
        try:
            # Again and again: the first one may come just before the read sleeps.
            signal.setitimer(signal.ITIMER_REAL, PAUSE, PAUSE)
            line = os.read(fd, 100)
        except Enough:
            pass
        else:
            raise AssertionError(f'the read gave {line!r}')
        publish('new')
        expect(b'new\n', os.read(fd, 100))


@test('threads that share an open file each get whole lines, and no line twice')
def _():
    def read():
        while True:
            line = os.read(fd, 4096)
            if line == b'stop\n':
                break
            lines.append(line)
        stopped.append(line)

    lines, stopped, runners = [], [], []
    publish(tokens('start')[:-1])
    with reader() as fd:
        for _ in range(4):
            runners.append(threading.Thread(target=read, daemon=True))
            runners[-1].start()
        with process(write_fast):
            wait_until(lambda: len(lines) >= 500)
        # Each one ends with a line of its own.
        for count in range(1, 5):
            wait_until(lambda: info(fd)[6] == 5 - count)
            publish('stop')
            wait_until(lambda: len(stopped) == count)
        for runner in runners:
            runner.join(PATIENCE)
            expect(False, runner.is_alive())
    for line in lines:
        check_whole(line)
    expect(len(lines), len(set(lines)))


@test('a thread that sleeps in a read holds up nothing on the same open file')
def _():
    publish('start')
    lines = []
    with reader() as fd:
        os.read(fd, 100)
        with thread(lambda: lines.append(os.read(fd, 100))):
            await_sleepers(1)
            expect([], select.select([fd], [], [], 0)[0])
            expect(generation(), taken(fd)[0])
            os.lseek(fd, 0, os.SEEK_END)
            if hasattr(os, 'RWF_NOWAIT'):
                with fails_with(errno.EAGAIN):
                    os.preadv(fd, [bytearray(100)], -1, os.RWF_NOWAIT)
            publish('new')
    expect([b'new\n'], lines)


@test('processes that share an open file get each line once')
def _():
    publish('start')
    with reader() as fd:
        expect(b'start\n', os.read(fd, 100))
        ends, end = os.pipe()

        def read():
            while True:
                os.write(end, os.read(fd, 100))

        with process(read), process(read), os.fdopen(ends) as results:
            for number in range(100):
                await_sleepers(2)
                publish(str(number))
                expect(f'{number}\n', results.readline())
            await_sleepers(2)
            os.close(end)
        expect(0, taken(fd)[3])


@test('a subprocess with the channel as its output publishes what it says')
def _():
    before = generation()
    with open(DEV, 'w') as out:
        subprocess.run(['/bin/sh', '-c', 'echo one; echo two; printf three'],
                       stdout=out, check=True)
    expect(3, generation() - before)
    with open(DEV) as lines:
        expect('three\n', lines.readline())


@test('a subprocess with the channel as its input reads lines from it')
def _():
    program = ('import sys\n'
               'for line in sys.stdin:\n'
               '    print("got", line, end="", flush=True)\n')
    publish('start')
    with open(DEV) as lines, subprocess.Popen(
            [sys.executable, '-c', program], stdin=lines,
            stdout=subprocess.PIPE, text=True) as child:
        expect('got start\n', child.stdout.readline())
        for number in range(10):
            publish(str(number))
            expect(f'got {number}\n', child.stdout.readline())
        child.kill()


@test('a blocked reader carries on when the writer is restarted')
def _():
    def write(number):
        with open(DEV, 'w') as out:
            for count in range(20):
                print(tokens(f'{number}.{count}'), end='', file=out, flush=True)
            print(tokens(f'{number}.end'), end='', file=out, flush=True)

    publish(tokens('start')[:-1])
    with open(DEV) as lines:
        expect(tokens('start'), lines.readline())
        for number in range(10):
            with process(start_when_asleep, write, number):
                line = ''
                while line != tokens(f'{number}.end'):
                    line = lines.readline()
                    check_whole(line)


def start_when_asleep(function, *arguments):
    """Calls function when a reader sleeps."""
    await_sleepers(1)
    function(*arguments)


@test('a writer killed in the middle of a line publishes nothing of it')
def _():
    def write(number):
        fd = os.open(DEV, os.O_WRONLY)
        os.write(fd, f'whole {number}\nhalf'.encode())
        os.kill(os.getpid(), signal.SIGKILL)

    publish('start')
    with reader() as fd:
        expect(b'start\n', os.read(fd, 100))
        for number in range(20):
            before = generation()
            pid = os.fork()
            if not pid:
                start_when_asleep(write, number)
                os._exit(1)
            expect(f'whole {number}\n'.encode(), os.read(fd, 100))
            expect(signal.SIGKILL, os.waitpid(pid, 0)[1])
            expect(1, generation() - before)
        publish('end')
        expect(b'end\n', os.read(fd, 100))


@test('a writer killed at any moment leaves a whole line')
def _():
    def write():
        fd = os.open(DEV, os.O_WRONLY)
        number = 0
        while True:
            number += 1
            line = tokens(number).encode()
            os.write(fd, line[:5])
            os.write(fd, line[5:])

    publish(tokens('start')[:-1])
    with reader() as fd:
        for number in range(20):
            before = generation()
            with process(write):
                while generation() < before + 10:
                    check_whole(os.read(fd, 4096))
                time.sleep(number / 1000)
            os.lseek(fd, 0, os.SEEK_SET)
            check_whole(os.read(fd, 4096))


#
# ioctl
#

@test('LASTLINE_IOC_INFO tells of the channel')
def _():
    with writer() as out, reader() as fd:
        before = info(fd)[0]
        earliest = time.monotonic_ns()
        publish('line')
        latest = time.monotonic_ns()
        now, monotonic, realtime, line_max, readers, writers, sleepers = info(fd)
        expect(before + 1, now)
        expect(True, earliest <= monotonic <= latest)
        expect(True, abs(realtime - time.time_ns()) < PATIENCE * 10**9)
        expect((1, 1, 0), (readers, writers, sleepers))
        os.write(out, b'x' * (line_max - 1) + b'\n')
        expect(line_max, len(os.read(fd, line_max + 1)))
        with reader():
            expect(2, info(fd)[4])
        expect(1, info(fd)[4])


@test('LASTLINE_IOC_TAKEN counts what a reader missed')
def _():
    publish('start')
    with reader() as fd:
        start = info(fd)[0]
        expect((0, 0, 0, 0, 0), taken(fd))
        os.read(fd, 100)
        expect((start, 0, 0), taken(fd)[:1] + taken(fd)[3:])
        expect(info(fd)[1], taken(fd)[1])
        for number in range(5):
            publish(str(number))
        expect(b'4\n', os.read(fd, 100))
        expect((start + 5, 4, 4), taken(fd)[:1] + taken(fd)[3:])
        publish('next')
        expect(b'next\n', os.read(fd, 100))
        expect((start + 6, 4, 0), taken(fd)[:1] + taken(fd)[3:])
        # Skipped is not missed.
        publish('skipped')
        os.lseek(fd, 0, os.SEEK_END)
        publish('last')
        expect(b'last\n', os.read(fd, 100))
        expect((start + 8, 4, 0), taken(fd)[:1] + taken(fd)[3:])


@test('what a reader took and missed adds up under a fast writer')
def _():
    publish(tokens('start')[:-1])
    with reader() as fd:
        start = info(fd)[0]
        expect(start, generation())
        os.read(fd, 100)
        with process(write_fast):
            last = missed = 0
            for count in range(1, 501):
                check_whole(os.read(fd, 4096))
                now, _, _, missed, missed_last = taken(fd)
                expect(now - (last or start) - 1, missed_last)
                expect(now - start, count + missed)
                last = now


@test('an unknown ioctl raises ENOTTY')
def _():
    with reader() as fd, fails_with(errno.ENOTTY):
        fcntl.ioctl(fd, IOC_TAKEN + 1, bytes(TAKEN.size))


#
# Moving lines without looking at them
#

@test('os.sendfile() copies a line out of the channel')
def _():
    publish('line')
    with reader() as fd, tempfile.TemporaryFile() as file:
        try:
            expect(5, os.sendfile(file.fileno(), fd, None, 5))
        except OSError as error:
            if error.errno != errno.EINVAL or int(os.uname().release.split('.')[0]) >= 6:
                raise
            raise Skip('this kernel does not send from devices (it came with 6.0)')
        file.seek(0)
        expect(b'line\n', file.read())


@test('os.sendfile() copies lines into the channel')
def _():
    with reader() as fd, writer() as out, tempfile.TemporaryFile() as file:
        file.write(b'line\none\ntwo\nhalf')
        file.flush()
        expect(12, os.sendfile(out, file.fileno(), 5, 100))
        expect(b'two\n', os.read(fd, 100))


@test('os.splice() moves a line into a pipe and out of it')
def _():
    if not hasattr(os, 'splice'):
        raise Skip('no os.splice in this Python')
    ends, end = os.pipe()
    with fast_writer(), reader() as fd:
        for _ in range(100):
            length = os.splice(fd, end, 4096)
            line = os.read(ends, 4096)
            expect(length, len(line))
            check_whole(line)
    with writer() as out, reader(os.O_NONBLOCK) as fd:
        os.write(end, b'one\ntwo\nhalf')
        expect(12, os.splice(ends, out, 4096))
        expect(b'two\n', os.read(fd, 100))
        with fails_with(errno.EAGAIN):
            os.splice(fd, end, 4096)


#
# All of them
#

def run(function, log):
    """Runs a test in a process group of its own; returns its exit status."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.setpgid(0, 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            function()
            status = 0
        except Skip as reason:
            print(reason, file=sys.stderr)
            status = 4
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    status = None
    end = time.monotonic() + LIMIT
    try:
        while status is None and time.monotonic() < end:
            ended, ending = os.waitpid(pid, os.WNOHANG)
            if ended:
                status = os.waitstatus_to_exitcode(ending)
            else:
                time.sleep(0.01)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    if status is None:
        os.waitpid(pid, 0)
        log.write(f'took longer than {LIMIT} s\n')
    return status


def main():
    """Prints KTAP; returns the exit status."""
    print('TAP version 13')
    if not os.path.exists(DEV):
        print(f'1..0 # SKIP no {DEV} here; load the module')
        return 4
    print(f'1..{len(TESTS)}')
    failed = skipped = 0
    for number, (sentence, function) in enumerate(TESTS, 1):
        sys.stdout.flush()
        with tempfile.TemporaryFile('w+') as log:
            status = run(function, log)
            log.seek(0)
            said = log.read().splitlines()
        if status == 0:
            print(f'ok {number} - {sentence}')
        elif status == 4:
            print(f'ok {number} - {sentence} # SKIP {said[-1]}')
            skipped += 1
        else:
            for line in said:
                print(f'# {line}')
            print(f'not ok {number} - {sentence}')
            failed += 1
    if failed:
        return 1
    return 4 if skipped == len(TESTS) else 0


if __name__ == '__main__':
    sys.exit(main())
