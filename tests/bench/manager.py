#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The newest line as a value in the process of a multiprocessing.Manager.

Writer and reader have a proxy; each access is a request over a socket. No reader can sleep
until a new value, so there is no round trip.

usage: manager.py [--native]
"""
import json
import multiprocessing
import statistics
import sys
import time

SIZES = (1, 64, 512, 4096, 65536, 1048576)
WARM_UP, ROUNDS = 4, 32


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def typical(times):
    """As in figures.c: the median, or the mean without the slowest."""
    if "--native" in sys.argv[1:]:
        return statistics.median(times)
    return statistics.mean(sorted(times)[:-1])


def main():
    with multiprocessing.Manager() as manager:
        proxy = manager.Value(bytes, b"")
        for size in SIZES:
            line = b"x" * (size - 1) + b"\n"
            times = []
            for _ in range(WARM_UP + ROUNDS):
                start = now()
                proxy.value = line
                between = now()
                assert proxy.value == line
                end = now()
                times.append((between - start, end - between, end - start))
            for measure, values in zip(("write", "read", "write+read"), zip(*times[WARM_UP:])):
                print(json.dumps({"measure": measure, "method": "manager", "size": size,
                                  "value": typical(values), "count": ROUNDS}))


if __name__ == "__main__":
    main()
