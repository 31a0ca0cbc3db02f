#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Models channels joined over MQTT, and computes the figures of docs/scale.md.

usage: scale.py --write PAGE	put the figures into the page
       scale.py --check PAGE	fail if the page has other figures

In the page, a table is between "<!-- NAME: begin -->" and "<!-- NAME: end -->". A figure in
a sentence is the word before "<!-- NAME -->". Random numbers have a fixed seed, so results
are reproducible.
"""
import difflib
import random
import re
import sys
from collections import deque
from pathlib import Path

from packets import PING, PUBACK, line, on_wire

MACHINES = 100_000
CHANNELS = 1_000_000
EACH = CHANNELS // MACHINES	# channels of a machine

# lastline-mqtt and the driver
KEEPALIVE = 15.0		# seconds; also the time limit of a connection attempt
FIRST_TRY = 1.0			# seconds, at most, after a connection is lost
WILDCARD_CHANNELS = 64		# --max-channels
MACHINE_CHANNELS = 4096		# LASTLINE_CHANNELS_MAX

# Measured by broker_cost.py: mosquitto 2.0.11, one core of a busy machine.
BROKER = {
    "connection": 1800, "tls connection": 24_000, "retained": 762,	# bytes
    "published": 35e-6, "delivered": 20e-6, "handshake": 3e-3,		# seconds
    "handshake bytes": 3700,
    "queued": 1020,		# max_inflight_messages and max_queued_messages
    "last": (12_000, 1019),	# line that a reader got after sleeping for 30,000; QoS 0 and 1
}
# Published: 5 million connections a node in 113 GiB; 50,000 lines of QoS 1 a second into
# the node and as many out of it, at 97 % of 64 cores.
NODE = {"connection": 113 * 2**30 / 5e6, "messages": 100_000}

# Assumed
OPEN_FILES = 1024		# systemd's soft limit, which mosquitto does not raise
LOCAL_PORTS = 60999 - 32768 + 1	# of one address, Linux default
SLOW_LINK, SLOW_DELAY = 100e3, 0.05	# bit/s, seconds each way
READER_LINK = 100e6
GIGABIT = 1e9

ON_WIRE = on_wire(len(line(packet_id=1)))
TABLES = {}


def table(name):
    """Registers a function that returns the rows of a table. None keeps the cell's text."""
    def add(make):
        TABLES[name] = make
        return make
    return add


def show(value, unit=""):
    """Three significant digits, with thousands separators."""
    if value >= 100:
        out = f"{round(value, 3 - len(str(int(value)))):,.0f}"
    else:
        out = f"{value:.3g}"
    return out + (f" {unit}" if unit else "")


def rough(value):
    """Two significant digits, for measurements on a busy machine."""
    return show(float(f"{value:.2g}"))


def memory(value):
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return show(value, unit)
        value /= 1000
    return show(value, "TB")


def seconds(value):
    if value >= 90:
        return show(value / 60, "min")
    return show(value, "s") if value >= 1 else show(value * 1000, "ms")


@table("wire")
def wire_table():
    for data, answer in ((line(own=False), 0), (line(), 0), (line(packet_id=1), on_wire(PUBACK))):
        size = on_wire(len(data))
        yield [None, f"{len(data)}", f"{size}", f"{answer}",
               *(show(rate / 8 / size) for rate in (SLOW_LINK, 1e6, GIGABIT))]


def sent(trip, link):
    """Lines per second of a channel with one line in flight."""
    return 1 / (trip + ON_WIRE * 8 / link)


# The age of the newest line at the reader of a slow link. Lines are pairs of the times of
# delivery and of publication.

def written(load, service, duration):
    """Times of publication: a Poisson process at load times the rate of the link."""
    rng, now, out = random.Random(7), 0.0, []
    while now < duration:
        now += rng.expovariate(load / service)
        out.append(now)
    return out


def queued(times, service, limit=None):
    """Deliveries of a queue that drops new lines beyond the limit."""
    free, starts, out = 0.0, deque(), []
    for time in times:
        while starts and starts[0] <= time:
            starts.popleft()
        if limit and len(starts) >= limit:
            continue
        starts.append(max(time, free))
        free = starts[-1] + service
        out.append((free + SLOW_DELAY, time))
    return out


def newest_at(times, index, moment):
    """The index of the newest line at that moment, starting at index."""
    while index + 1 < len(times) and times[index + 1] <= moment:
        index += 1
    return index


def conflated(times, service):
    """Deliveries of a channel with one line in flight."""
    free, out, index = 0.0, [], 0
    while index < len(times):
        start = max(times[index], free)
        index = newest_at(times, index, start)
        out.append((start + service + SLOW_DELAY, times[index]))
        free = start + service + 2 * SLOW_DELAY
        index += 1
    return out


def reconnected(times, service, lag):
    """Deliveries of a queue at the broker, dropped when the reader's bridge reconnects."""
    rng = random.Random(7)
    again = 3 * 2 * SLOW_DELAY + BROKER["handshake bytes"] * 8 / SLOW_LINK
    free, out, index, retained = 0.0, [], 0, False
    while index < len(times):
        start = max(times[index], free)
        free = start + service
        out.append((free + SLOW_DELAY, times[index]))
        late = start - times[index] > lag and not retained	# a retained line may be old
        if late:
            free += SLOW_DELAY + rng.random() * FIRST_TRY + again
            index = newest_at(times, index, free)
        else:
            index += 1
        retained = late
    return out


def ages(deliveries, begin, end):
    """Mean and worst age of the reader's line between two times."""
    area = worst = 0.0
    for (time, line_time), (until, _) in zip(deliveries, deliveries[1:]):
        if begin <= time and until <= end:
            worst = max(worst, until - line_time)
            area += (until - time) * ((time + until) / 2 - line_time)
    return area / (end - begin), worst


@table("age")
def age_table():
    service = ON_WIRE * 8 / SLOW_LINK
    for load in (0.5, 0.9, 1.1, 2, 10):
        times = written(load, service, 300)
        every, limited, one, again = (ages(deliveries, 200, 300) for deliveries in (
            queued(times, service), queued(times, service, 1000), conflated(times, service),
            reconnected(times, service, 5)))
        yield [f"{load:g}", *(seconds(value) for value in (every[0], limited[0], *one, *again))]


@table("costs")
def cost_table():
    """The cost of each machine or line, and of all."""
    pings, burst = MACHINES / KEEPALIVE, CHANNELS * ON_WIRE
    for size in (BROKER["tls connection"], BROKER["connection"], NODE["connection"]):
        yield None, memory(size), memory(size * MACHINES), None
    yield (None, memory(BROKER["retained"]), memory(BROKER["retained"] * CHANNELS) + " a copy",
           None)
    yield (None, None, show(2 * pings) + " packets/s, " +
           show(pings * on_wire(PING) * 8 / 1e6, "Mbit/s") + " each way", None)
    core, size = BROKER["handshake"], BROKER["handshake bytes"]
    yield (None, f"{seconds(core)} of a core, {memory(size)}",
           f"{seconds(core * MACHINES)} of a core, {memory(size * MACHINES)}", None)
    for rate, name in ((GIGABIT, "1 Gbit/s"), (READER_LINK, "100 Mbit/s")):
        yield (None, memory(ON_WIRE), f"{memory(burst)}, {seconds(burst * 8 / rate)} at {name}",
               None)


CORE = 1 / (BROKER["published"] + BROKER["delivered"])	# lines a second


@table("first")
def first_table():
    """Numbers of machines that exhaust something."""
    for machines in sorted((
            WILDCARD_CHANNELS / EACH, BROKER["queued"] / EACH, MACHINE_CHANNELS / EACH,
            READER_LINK / 8 / ON_WIRE / EACH, OPEN_FILES, CORE / EACH,
            KEEPALIVE / BROKER["handshake"], NODE["messages"] / 2 / EACH, LOCAL_PORTS,
            GIGABIT / 8 / ON_WIRE / EACH,
            16e9 / (BROKER["tls connection"] + EACH * BROKER["retained"]))):
        yield rough(int(machines)), None, None, None, None


FIGURES = {
    "sent.lan": show(sent(0.0005, GIGABIT)),
    "sent.slow": show(sent(2 * SLOW_DELAY, SLOW_LINK)),
    "packet": f"{len(line(packet_id=1))}",
    "own": f"{len(line(packet_id=1)) - len(line(packet_id=1, own=False))}",
    "last.0": f"{BROKER['last'][0]:,}",
    "last.1": f"{BROKER['last'][1]:,}",
    "bound": show(1000 * (2 * ON_WIRE * 8 / SLOW_LINK + 3 * SLOW_DELAY)),
    # Each line costs one message at the node that sends a copy and one at the node that gets it.
    "wall": show(NODE["messages"] / 2),
    "wall.rate": f"{NODE['messages'] / 2 / CHANNELS:g}",
    "node": show(NODE["messages"]),
    "parts": show(2 * CHANNELS / NODE["messages"]),
    "core": rough(CORE),
    "handshakes": rough(1 / BROKER["handshake"]),
    "handshake": show(BROKER["handshake"] * 1e3),
    "published": show(BROKER["published"] * 1e6),
    "delivered": show(BROKER["delivered"] * 1e6),
    "plain": show(BROKER["connection"] / 1e3),
    "tls": show(BROKER["tls connection"] / 1e3),
    "core.seconds": show(BROKER["handshake"] * MACHINES),
    "queued": show(BROKER["queued"]),
}


def filled_row(line, cells):
    old = line.strip("| ").split(" | ")
    if len(old) != len(cells):
        sys.exit(f"scale.py: row with {len(old)} cells instead of {len(cells)}: {line}")
    return "| " + " | ".join(new or text for text, new in zip(old, cells)) + " |"


def filled(page):
    """The page with the figures of this model."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, opened, rest = page.partition(begin)
        old, closed, after = rest.partition(end)
        lines, rows = old.splitlines(), list(make())
        if not opened or not closed or len(lines) != len(rows) + 2:
            sys.exit(f"scale.py: the page has no table {name} with {len(rows)} rows")
        lines[2:] = map(filled_row, lines[2:], rows)
        page = before + begin + "\n".join(lines) + "\n" + end + after
    odd = set(FIGURES) ^ set(re.findall(r"<!-- ([\w.]+) -->", page))
    if odd:
        sys.exit(f"scale.py: not in both the page and the model: {', '.join(sorted(odd))}")
    for name, value in FIGURES.items():
        page = re.sub(rf"[^\s(]+<!-- {re.escape(name)} -->", f"{value}<!-- {name} -->", page)
    return page


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("--write", "--check"):
        sys.exit(__doc__.strip())
    path = Path(sys.argv[2])
    old = path.read_text(encoding="utf-8")
    new = filled(old)
    if sys.argv[1] == "--write":
        path.write_text(new, encoding="utf-8")
    elif new != old:
        sys.exit("\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), str(path),
                                                "computed", lineterm="", n=0)))


if __name__ == "__main__":
    main()
