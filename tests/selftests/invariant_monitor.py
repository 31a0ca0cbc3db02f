#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Looks whether channels keep the contract while somebody else does his worst.

    witness.py watch CHANNEL...     publishes and reads until SIGTERM
    witness.py rest FILE CHANNEL... when nobody uses them: do they still work, and is
                                    everybody gone? Keeps their generations in FILE

Says what is wrong, and ends with 1.
"""
import fcntl
import json
import mmap
import os
import re
import signal
import struct
import sys
import time

INFO, TAKEN = 0x8040BE00, 0x8040BE01
MINE = re.compile(rb"(witness\d+)( \1){7}\n")


class Channel:
    def __init__(self, path):
        self.path = path
        self.writer = os.open(path, os.O_WRONLY)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.taken = self.mapped = self.lines = 0
        self.line_max, self.map_size = self.info()[3], self.info()[7]
        self.map = mmap.mmap(self.reader, self.map_size, mmap.MAP_SHARED, mmap.PROT_READ)

    def info(self):
        return struct.unpack("=3Q4IQ2IQ", fcntl.ioctl(self.reader, INFO, bytes(64)))

    def must(self, truth, what):
        if not truth:
            sys.exit(f"{self.path}: {what}")

    def publish(self, number):
        line = b" ".join([b"witness%d" % number] * 8) + b"\n"
        self.must(os.write(self.writer, line) == len(line), "a write took not all bytes")
        return line

    def look(self):
        """Takes the newest line, if there is one: is it whole, and none that is older?"""
        mapped = struct.unpack_from("=Q", self.map)[0]
        self.must(mapped >= self.mapped, f"the generation went from {self.mapped} to {mapped}")
        self.mapped = mapped
        try:
            line = os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return None
        taken = struct.unpack("=8Q", fcntl.ioctl(self.reader, TAKEN, bytes(64)))[0]
        self.must(taken > self.taken, f"generation {taken} was read after {self.taken}")
        self.must(taken >= mapped, f"generation {taken} was read when {mapped} was there")
        self.must(line.endswith(b"\n") and len(line) <= self.line_max, f"half a line: {line}")
        self.must(not line.startswith(b"witness") or MINE.fullmatch(line), f"a torn line: {line}")
        self.taken = taken
        self.lines += 1
        return line

    def close(self):
        self.map.close()
        os.close(self.reader)
        os.close(self.writer)

    def attribute(self, name):
        with open(f"/sys/class/lastline/{os.path.basename(self.path)}/{name}") as file:
            return int(file.read())


def watch(channels):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    print("watches", flush=True)
    number = 0
    while not stopped:
        number += 1
        for channel in channels:
            channel.publish(number)
            channel.look()
        time.sleep(0.005)
    print(sum(channel.lines for channel in channels), "lines")


def rest(channels, path):
    old = {}
    if os.path.exists(path):
        with open(path) as file:
            old = json.load(file)
    for channel in channels:
        # The last ones may still be on their way out.
        for _ in range(1200):
            info = channel.info()
            if info[4:7] == (1, 1, 0):
                break
            time.sleep(0.05)
        channel.must(info[4:7] == (1, 1, 0), "readers, writers, sleepers beside me: "
                     f"{info[4] - 1}, {info[5] - 1}, {info[6]}")
        channel.must(info[0] >= old.get(channel.path, 0), "the generation went back")
        line = channel.publish(info[0])
        channel.must(channel.look() == line, "what is published is not what is read")
        channel.must(channel.taken == info[0] + 1, "a publication is not one generation")
        old[channel.path] = channel.taken
        channel.close()
        for name, value in ("readers", 0), ("writers", 0), ("generation", channel.taken):
            channel.must(channel.attribute(name) == value, f"{name} is not {value}")
    with open(path, "w") as file:
        json.dump(old, file)


if sys.argv[1] == "watch":
    watch([Channel(path) for path in sys.argv[2:]])
else:
    rest([Channel(path) for path in sys.argv[3:]], sys.argv[2])
