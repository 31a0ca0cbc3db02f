#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The newest line as a value in a multiprocessing.Manager's process.

Writer and reader hold a proxy; each access asks the manager by a socket. Nobody
can sleep for a new value, so there is no round trip to be measured.

usage: manager.py [--native]
"""
import json
import multiprocessing
import statistics
import sys
import time

SIZES = (1, 64, 512, 4096, 65536, 1048576)
ROUNDS = 32


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def typical(times, native):
    """As figures.c has it: the median, or the mean without the slowest."""
    return statistics.median(times) if native else statistics.mean(sorted(times)[:-1])


def main():
    native = "--native" in sys.argv[1:]
    with multiprocessing.Manager() as manager:
        proxy = manager.Value(bytes, b"")
        for size in SIZES:
            line = b"x" * (size - 1) + b"\n"
            times = {"write": [], "read": [], "write+read": []}
            for number in range(ROUNDS + 4):
                start = now()
                proxy.value = line
                between = now()
                assert proxy.value == line
                end = now()
                if number >= 4:
                    times["write"].append(between - start)
                    times["read"].append(end - between)
                    times["write+read"].append(end - start)
            for measure, values in times.items():
                print(json.dumps({"measure": measure, "method": "manager", "size": size,
                                  "value": typical(values, native), "count": ROUNDS}))


if __name__ == "__main__":
    main()
