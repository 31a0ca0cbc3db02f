#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Checks that channels keep the contract while other programs use them.

    invariant_monitor.py watch CHANNEL...   publish and read until SIGTERM
    invariant_monitor.py rest CHANNEL...    wait until no other process has the channels
                                            open, then publish and read one line

Exits with status 1 after it has printed the first violation.
"""
import fcntl
import mmap
import os
import re
import signal
import struct
import sys
import time

INFO, TAKEN = 0x8040BE00, 0x8040BE01
OWN_LINE = re.compile(rb"(monitor\d+)( \1){7}\n")


class Channel:
    def __init__(self, path):
        self.path = path
        self.writer = os.open(path, os.O_WRONLY)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.taken = self.mapped = 0
        self.line_max, map_size = self.info()[3], self.info()[7]
        self.map = mmap.mmap(self.reader, map_size, mmap.MAP_SHARED, mmap.PROT_READ)

    def info(self):
        return struct.unpack("=3Q4IQ2IQ", fcntl.ioctl(self.reader, INFO, bytes(64)))

    def require(self, condition, violation):
        if not condition:
            sys.exit(f"{self.path}: {violation}")

    def publish(self, number):
        line = b" ".join([b"monitor%d" % number] * 8) + b"\n"
        self.require(os.write(self.writer, line) == len(line), "a write was short")
        return line

    def read(self):
        """Returns the newest line, which must be whole and newer than the last one, or None."""
        mapped = struct.unpack_from("=Q", self.map)[0]
        self.require(mapped >= self.mapped, f"generation {mapped} follows {self.mapped}")
        self.mapped = mapped
        try:
            line = os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return None
        taken = struct.unpack("=8Q", fcntl.ioctl(self.reader, TAKEN, bytes(64)))[0]
        self.require(taken > self.taken, f"generation {taken} was read after {self.taken}")
        self.require(taken >= mapped, f"generation {taken} was read after {mapped} was mapped")
        self.require(line.endswith(b"\n") and len(line) <= self.line_max and
                     (not line.startswith(b"monitor") or OWN_LINE.fullmatch(line)),
                     f"a read returned a torn line: {line}")
        self.taken = taken
        return line


def watch(channels):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    print("ready", flush=True)
    number = 0
    while not stopped:
        number += 1
        for channel in channels:
            channel.publish(number)
            channel.read()
        time.sleep(0.005)


def rest(channels):
    end = time.monotonic() + 60
    for channel in channels:
        while (users := channel.info()[4:7]) != (1, 1, 0) and time.monotonic() < end:
            time.sleep(0.02)
        channel.require(users == (1, 1, 0),
                        f"readers, writers, sleepers: {users} instead of (1, 1, 0)")
        generation = channel.info()[0]
        line = channel.publish(generation)
        channel.require(channel.read() == line, "a read does not return the published line")
        channel.require(channel.taken == generation + 1, "the generation did not increase by 1")


{"watch": watch, "rest": rest}[sys.argv[1]]([Channel(path) for path in sys.argv[2:]])
