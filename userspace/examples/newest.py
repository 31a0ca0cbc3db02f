#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints the newest line of a channel once a second, or that there is no new one.

    newest.py [/dev/lastline0]
"""
import select
import sys
import time

path = sys.argv[1] if len(sys.argv) > 1 else "/dev/lastline0"
with open(path, "rb", buffering=0) as channel:
    while True:
        ready, _, _ = select.select([channel], [], [], 5)
        if ready:
            print(channel.read(1 << 20).decode(errors="replace"), end="", flush=True)
        else:
            print("nothing new for 5 seconds", flush=True)
        time.sleep(1)
