#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Python programs use a channel as a file.

LASTLINE_DEV selects the channel, /dev/lastline0 by default. No other program may use it during
the tests. Needs Python 3.9 or newer and no other packages.

Each test runs in its own process group, which is killed afterwards. A test that blocks fails
after LIMIT seconds. No test waits with a timeout, because select() and poll() check the channel
again when a timeout expires, which would hide a lost wake-up.
"""
import asyncio
import contextlib
import io
import logging
import os
import select
import selectors
import signal
import subprocess
import sys
import tempfile
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from tap import Tap

DEV = os.environ.get('LASTLINE_DEV', '/dev/lastline0')
LIMIT = 60  # seconds for one test

TESTS = []


def test(name):
    """Registers a test."""
    def register(function):
        TESTS.append((name, function))
        return function
    return register


def expect(wanted, got):
    """Fails the test unless both are equal."""
    if wanted != got:
        raise AssertionError(f'{got!r} instead of {wanted!r}')


@contextlib.contextmanager
def raises(kind):
    """The body must raise an exception of this kind."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f'no {kind.__name__}')


def fork(function, *arguments):
    """Calls function in a child process that ends with it."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            function(*arguments)
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    return pid


@contextlib.contextmanager
def process(function, *arguments):
    """Runs function in a child process, which is killed at the end of the body."""
    pid = fork(function, *arguments)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def wait_until_asleep(pid):
    """Waits until a single-threaded process sleeps in a system call."""
    state = ''
    while state != 'S':
        with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
            state = stat.read().rsplit(') ', 1)[1][0]


def publish(text):
    """Publishes text as a line."""
    with open(DEV, 'w') as out:
        print(text, file=out)


def write_when_asleep(*pieces):
    """Writes pieces of a line once the parent sleeps."""
    wait_until_asleep(os.getppid())
    with open(DEV, 'wb', buffering=0) as out:
        for piece in pieces:
            out.write(piece)


def newest():
    """Returns the line that a new reader gets."""
    with open(DEV) as lines:
        return lines.readline()


def generation():
    """Returns the generation of the newest line."""
    with open(f'/sys/class/lastline/{os.path.basename(DEV)}/generation', encoding='ascii') as file:
        return int(file.read())


@contextlib.contextmanager
def reader(flags=0):
    """Opens a descriptor for reading."""
    fd = os.open(DEV, os.O_RDONLY | flags)
    try:
        yield fd
    finally:
        os.close(fd)


def line_of(word):
    """Returns a line of eight equal words. A torn line has different words."""
    return ' '.join([str(word)] * 8) + '\n'


def expect_whole(line):
    """Fails the test unless line_of() made the line."""
    if isinstance(line, bytes):
        line = line.decode()
    expect(line_of(line.split(' ')[0]), line)


@contextlib.contextmanager
def fast_writer():
    """Runs a process that writes lines of several lengths as fast as it can."""
    def write():
        fd = os.open(DEV, os.O_WRONLY)
        number = 0
        while True:
            number += 1
            os.write(fd, line_of(number if number % 5 else number * 1000003).encode())

    publish(line_of('start')[:-1])
    with process(write):
        yield


@test('print(flush=True) publishes a line and readline() returns it')
def _():
    before = generation()
    with open(DEV, 'w') as out, open(DEV) as lines:
        print('one', file=out, flush=True)
        expect('one\n', lines.readline())
        print('two', 'three', file=out, flush=True)
        expect('two three\n', lines.readline())
    expect(2, generation() - before)


@test('print() without flush publishes on close, and no partial line')
def _():
    publish('start')
    with open(DEV, 'w') as out:
        print('no newline', end='', file=out)
        expect('start\n', newest())
        print(' yet', end='', file=out, flush=True)
        expect('start\n', newest())
    expect('no newline yet\n', newest())


@test('a program with buffered output never publishes a partial line')
def _():
    def write():
        with open(DEV, 'w') as out:
            number = 0
            while True:
                number += 1
                out.write(line_of(number))

    publish(line_of('start')[:-1])
    with open(DEV) as lines:
        with process(write):
            for _ in range(100):
                expect_whole(lines.readline())
        expect_whole(newest())


def whole_lines(name, mode, buffering, read):
    """Registers a test of read(file), which returns a line while a process overwrites it."""
    @test(f'{name} returns whole lines while they are overwritten')
    def _():
        with fast_writer(), open(DEV, mode, buffering) as file:
            for _ in range(100):
                expect_whole(read(file))


whole_lines('readline() of a text file', 'r', -1, lambda file: file.readline())
whole_lines('iteration of a text file', 'r', -1, next)
whole_lines('readline() of a buffered binary file', 'rb', -1, lambda file: file.readline())
whole_lines('read() of a raw file', 'rb', 0, lambda file: file.read(4096))
whole_lines('readline() of a raw file, a byte at a time,', 'rb', 0, lambda file: file.readline())


@test('every mode of open() works with a channel, except buffered reading and writing')
def _():
    for mode in 'wb', 'ab', 'r+b', 'w+b':
        with open(DEV, mode, buffering=0) as file:
            file.write(mode.encode() + b'\n')
            if file.readable():
                expect(mode.encode() + b'\n', file.read(100))
        expect(mode + '\n', newest())
    with open(DEV) as lines:
        expect(False, lines.seekable())
        expect(False, lines.isatty())
    with raises(io.UnsupportedOperation):
        open(DEV, 'r+')


@test('append mode and logging.FileHandler publish lines')
def _():
    with open(DEV, 'a') as out:
        print('one', file=out, flush=True)
        expect('one\n', newest())
        print('two', file=out)
    expect('two\n', newest())
    handler = logging.FileHandler(DEV)
    handler.emit(logging.makeLogRecord({'msg': 'logged'}))
    expect('logged\n', newest())
    handler.close()


@test('a+ skips the newest line, and works only without a buffer')
def _():
    publish('old')
    with open(DEV, 'a+b', buffering=0) as file:
        os.set_blocking(file.fileno(), False)
        expect(None, file.read(100))
        file.write(b'new\n')
        expect(b'new\n', file.read(100))
    with raises(OSError):
        open(DEV, 'a+')


@test('a nonblocking read raises BlockingIOError or returns None without a new line')
def _():
    publish('line')
    with reader(os.O_NONBLOCK) as fd, open(fd, 'rb', 0, closefd=False) as raw:
        expect(b'line\n', os.read(fd, 100))
        with raises(BlockingIOError):
            os.read(fd, 100)
        expect(None, raw.read(100))
        publish('next')
        expect(b'next\n', raw.read(100))


def wait_with_select(fd, timeout=None):
    return fd in select.select([fd], [], [], timeout)[0]


def wait_with_poll(fd, timeout=None):
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return (fd, select.POLLIN) in poll.poll(timeout)


def wait_with_selector(fd, timeout=None):
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(timeout))


def wakes(name, wait):
    """Registers a test of wait(fd, timeout), which returns whether fd is readable."""
    @test(f'a new line wakes {name}')
    def _():
        publish('start')
        with reader() as fd:
            expect(True, wait(fd))
            expect(b'start\n', os.read(fd, 100))
            expect(False, wait(fd, 0))
            for pieces in (b'whole\n',), (b'in', b' pieces\n'):
                with process(write_when_asleep, *pieces):
                    expect(True, wait(fd))
                    expect(b''.join(pieces), os.read(fd, 100))


wakes('select.select()', wait_with_select)
wakes('select.poll()', wait_with_poll)
wakes('a selector', wait_with_selector)


@test('loop.add_reader() calls its callback for each line')
def _():
    async def main():
        lines = asyncio.Queue()
        loop = asyncio.get_running_loop()
        with reader(os.O_NONBLOCK) as fd:
            loop.add_reader(fd, lambda: lines.put_nowait(os.read(fd, 100)))
            expect(b'start\n', await lines.get())
            for number in range(50):
                publish(number)
                expect(f'{number}\n'.encode(), await lines.get())
            loop.remove_reader(fd)
            expect(True, lines.empty())

    publish('start')
    asyncio.run(main())


async def stream_reader():
    """Returns an asyncio stream of the channel's lines, and its transport."""
    lines = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), open(DEV, 'rb', 0))
    return lines, transport


@test('asyncio streams read and write a channel')
def _():
    async def main():
        loop = asyncio.get_running_loop()
        lines, source = await stream_reader()
        sink, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, open(DEV, 'wb', 0))
        out = asyncio.StreamWriter(sink, protocol, None, loop)
        expect(b'start\n', await lines.readline())
        for number in range(50):
            out.write(f'{number}\n'.encode())
            await out.drain()
            expect(f'{number}\n'.encode(), await lines.readline())
        source.close()
        sink.close()

    publish('start')
    asyncio.run(main())


@test('an asyncio stream returns whole lines while they are overwritten')
def _():
    async def main():
        lines, source = await stream_reader()
        for _ in range(100):
            expect_whole(await lines.readline())
        source.close()

    with fast_writer():
        asyncio.run(main())


def interrupt(times):
    """Sends SIGUSR1 to the parent several times, each time once the parent sleeps."""
    for _ in range(times):
        wait_until_asleep(os.getppid())
        os.kill(os.getppid(), signal.SIGUSR1)
    write_when_asleep(b'new\n')


@test('a blocked readline() continues after a signal handler has run')
def _():
    handled = []
    signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))
    publish('start')
    with open(DEV) as lines:
        expect('start\n', lines.readline())
        with process(interrupt, 3):
            expect('new\n', lines.readline())
    expect(3, len(handled))


@test('an exception in a signal handler ends a blocked read, which loses no line')
def _():
    def handler(_number, _frame):
        raise TimeoutError

    signal.signal(signal.SIGUSR1, handler)
    publish('start')
    with reader() as fd:
        expect(b'start\n', os.read(fd, 100))
        with process(interrupt, 1):
            with raises(TimeoutError):
                os.read(fd, 100)
            expect(b'new\n', os.read(fd, 100))


@test('processes that share an open file get each line once')
def _():
    def read():
        while True:
            os.write(end, os.read(fd, 100))

    ends, end = os.pipe()
    publish('start')
    with reader() as fd:
        expect(b'start\n', os.read(fd, 100))
        with process(read) as one, process(read) as two, os.fdopen(ends) as results:
            for number in range(100):
                wait_until_asleep(one)
                wait_until_asleep(two)
                publish(number)
                expect(f'{number}\n', results.readline())
            wait_until_asleep(one)
            wait_until_asleep(two)
        os.close(end)


@test('a subprocess with a channel as output publishes each line that it prints')
def _():
    before = generation()
    with open(DEV, 'w') as out:
        subprocess.run(['/bin/sh', '-c', 'echo one; echo two; printf three'],
                       stdout=out, check=True)
    expect(3, generation() - before)
    expect('three\n', newest())


@test('a subprocess with a channel as input reads lines and no end of file')
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
            publish(number)
            expect(f'got {number}\n', child.stdout.readline())
        child.kill()


def run_isolated(function, log):
    """Calls function in its own process group."""
    os.setpgid(0, 0)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    signal.alarm(LIMIT)
    function()


def run(function):
    """Runs a test. Returns a description of the failure, or ''."""
    with tempfile.TemporaryFile('w+') as log:
        pid = fork(run_isolated, function, log)
        status = os.waitpid(pid, 0)[1]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        log.seek(0)
        output = log.read()
    if status == signal.SIGALRM:
        output += f'took longer than {LIMIT} s'
    return output or f'wait status {status}' if status else ''


def main():
    """Runs all tests. Returns the exit status."""
    tap = Tap()
    if not os.path.exists(DEV):
        tap.result('the channel exists', skip=f'no {DEV}: load the module')
    else:
        for name, function in TESTS:
            tap.result(name, run(function))
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
