#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""How channels joined over MQTT grow: a model, and the figures of docs/scale.md.

usage: scale.py			prints each table and figure
       scale.py --write PAGE	puts them into the page
       scale.py --check PAGE	says where the page has others

A table stands in the page between "<!-- NAME: begin -->" and "<!-- NAME: end -->", a
figure in a sentence is the word before "<!-- NAME -->". The random numbers are seeded:
each run prints the same.
"""
import difflib
import random
import re
import sys
from collections import deque
from pathlib import Path

from packets import PING, PUBACK, line, on_wire

# The fleet.
MACHINES = 100_000
CHANNELS = 1_000_000
EACH = CHANNELS // MACHINES	# channels of a machine

# What lastline-mqtt and the driver do.
KEEPALIVE = 15.0		# seconds; also how long a connection may take to be made
FIRST_TRY = 1.0			# after a connection that worked: within this time
BACKOFF_MAX = 60.0		# from 1 s, doubled; each times 0.5 to 1
WILDCARD_CHANNELS = 64		# --max-channels
MACHINE_CHANNELS = 4096		# LASTLINE_CHANNELS_MAX

# Measured: broker_cost.py, mosquitto 2.0.11, one core of a machine that does other things.
BROKER = {
    "connection": 1800, "tls connection": 24_000, "retained": 762,	# bytes
    "published": 35e-6, "delivered": 20e-6, "handshake": 3e-3,		# seconds
    "handshake bytes": 3700,
    "gone": 0.2,		# of a handshake, for who hung up before its turn
    "queued": 1020,		# max_inflight_messages and max_queued_messages
    "last": (12_000, 1019),	# line that a reader got who slept through 30,000; QoS 0 and 1
}
# Published: 5 million connections a node in 113 GiB; 50,000 lines of QoS 1 a second into
# the node and as many out of it, at 97 % of 64 cores.
NODE = {"connection": 113 * 2**30 / 5e6, "messages": 100_000}

# Assumed.
OPEN_FILES = 1024		# systemd's soft limit, which mosquitto does not raise
LOCAL_PORTS = 60999 - 32768 + 1	# of one address, Linux' default
SLOW_LINK = 100e3		# bit/s, 50 ms each way
SLOW_DELAY = 0.05
READER_LINK = 100e6
GIGABIT = 1e9

MODELLED = MACHINES // 10	# at a tenth of the connections a second: ten times as quick

LINE = len(line(packet_id=1))
ON_WIRE = on_wire(LINE)
TABLES = {}
FIGURES = {}


def table(name):
    """The function makes that table: a list of rows of text."""
    def add(make):
        TABLES[name] = make
        return make
    return add


def markdown(rows):
    head, *rest = rows
    lines = [head, ["---"] + ["---:" if is_number(cell) else "---" for cell in rest[0][1:]]]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines + rest)


def is_number(cell):
    return cell[:1].isdigit() or cell in ("–", "never", "none")


def show(value, unit=""):
    """Three digits; groups of thousands."""
    if value >= 100:
        value = round(value, 3 - len(str(int(value))))
        out = f"{value:,.0f}"
    else:
        out = f"{value:.3g}"
    return out + (f" {unit}" if unit else "")


def rough(value):
    """Two digits: of what was measured on a busy machine."""
    return show(float(f"{value:.2g}"))


def memory(value):
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return show(value, unit)
        value /= 1000


def seconds(value):
    if value >= 90:
        return show(value / 60, "min")
    return show(value, "s") if value >= 1 else show(value * 1000, "ms")


# Bytes of a line.

@table("wire")
def wire_table():
    rows = [["64 bytes, TLS", "packet", "on the wire", "answer", "at 100 kbit/s",
             "at 1 Mbit/s", "at 1 Gbit/s"]]
    for title, data, answer in (
            ("QoS 0, any client's", line(own=False), 0),
            ("QoS 0, lastline-mqtt's", line(), 0),
            ("QoS 1, lastline-mqtt's", line(packet_id=1), on_wire(PUBACK))):
        size = on_wire(len(data))
        rows.append([title, f"{len(data)}", f"{size}", f"{answer}"] +
                    [show(rate / 8 / size) for rate in (SLOW_LINK, 1e6, GIGABIT)])
    return rows


FIGURES["packet"] = f"{LINE}"
FIGURES["own"] = f"{LINE - len(line(packet_id=1, own=False))}"


# How often a channel is sent.

def pace(writer, limit, round_trip, link, sharers):
    """Lines a second, and what they are limited by."""
    bounds = {
        "the writer": writer,
        "`--max-rate`": limit,
        "the link's share": link / 8 / ON_WIRE / sharers,
        "the round trip": 1 / (round_trip + ON_WIRE * 8 / link),
    }
    least = min(bounds, key=lambda name: bounds[name] or float("inf"))
    return bounds[least], least


@table("pace")
def pace_table():
    rows = [["writer, lines/s", "`--max-rate`", "round trip", "link", "channels on it",
             "sent, lines/s", "limited by"]]
    for writer, limit, round_trip, link, name, sharers in (
            (10, None, 0.0005, GIGABIT, "1 Gbit/s", 10),
            (100e3, None, 0.0005, GIGABIT, "1 Gbit/s", 1),
            (100e3, None, 0.0005, GIGABIT, "1 Gbit/s", 1000),
            (100e3, None, 0.1, 10e6, "10 Mbit/s", 1),
            (100e3, None, 0.1, SLOW_LINK, "100 kbit/s", 1),
            (100e3, None, 0.1, SLOW_LINK, "100 kbit/s", 10),
            (100e3, 1, 0.1, SLOW_LINK, "100 kbit/s", 10)):
        rate, why = pace(writer, limit, round_trip, link, sharers)
        rows.append([show(writer), show(limit) if limit else "–", seconds(round_trip), name,
                     show(sharers), show(rate), why])
    return rows


# The age of the newest line at the reader, when a link carries less than is written.

def written(load, service, duration):
    """Times of publication: a Poisson process of that many times the link's rate."""
    rng, now, out = random.Random(7), 0.0, []
    while now < duration:
        now += rng.expovariate(load / service)
        out.append(now)
    return out


def queued(times, service, limit=None):
    """Each line, in turn; beyond the limit the new one is dropped: (delivered, written)."""
    free, starts, out = 0.0, deque(), []
    for time in times:
        while starts and starts[0] <= time:
            starts.popleft()
        if limit and len(starts) >= limit:
            continue
        start = max(time, free)
        starts.append(start)
        free = start + service
        out.append((free + SLOW_DELAY, time))
    return out


def conflated(times, service):
    """One line in flight, then the newest at that moment."""
    free, out, index = 0.0, [], 0
    while index < len(times):
        start = max(times[index], free)
        while index + 1 < len(times) and times[index + 1] <= start:
            index += 1
        out.append((start + service + SLOW_DELAY, times[index]))
        free = start + service + 2 * SLOW_DELAY
        index += 1
    return out


def connected_anew(times, service, lag):
    """A queue at the broker, which goes when the reader's bridge finds it too long."""
    rng = random.Random(7)
    again = 3 * 2 * SLOW_DELAY + BROKER["handshake bytes"] * 8 / SLOW_LINK
    free, out, index, retained = 0.0, [], 0, False
    while index < len(times):
        start = max(times[index], free)
        free = start + service
        out.append((free + SLOW_DELAY, times[index]))
        late = start - times[index] > lag and not retained	# which is no measure
        if late:
            free += SLOW_DELAY + rng.random() * FIRST_TRY + again
            while index + 1 < len(times) and times[index + 1] <= free:
                index += 1
        else:
            index += 1
        retained = late
    return out


def ages(deliveries, begin, end):
    """Mean and worst age of what the reader has, between two times."""
    area = worst = 0.0
    for (time, line_time), (until, _) in zip(deliveries, deliveries[1:]):
        if begin <= time and until <= end:
            worst = max(worst, until - line_time)
            area += (until - time) * ((time + until) / 2 - line_time)
    return area / (end - begin), worst


@table("age")
def age_table():
    service = ON_WIRE * 8 / SLOW_LINK
    rows = [["written, to what the link carries", "each line, queued", "queue of 1,000, new ones "
             "dropped", "conflated", "the same, worst", "slow reader, `--max-lag 5s`",
             "the same, worst"]]
    for load in (0.5, 0.9, 1.1, 2, 10):
        times = written(load, service, 300)
        results = [ages(deliveries, 200, 300) for deliveries in (
            queued(times, service), queued(times, service, 1000), conflated(times, service),
            connected_anew(times, service, 5))]
        (every, _), (limited, _), slow, anew = results
        rows.append([f"{load:g}"] + [seconds(value) for value in (every, limited, *slow, *anew)])
    return rows


FIGURES["last.0"], FIGURES["last.1"] = (f"{number:,}" for number in BROKER["last"])
FIGURES["bound"] = show(1000 * (2 * ON_WIRE * 8 / SLOW_LINK + 3 * SLOW_DELAY))


# Messages in a cluster.

def forwards(nodes, readers):
    """Other nodes on which a line has readers, who are spread evenly."""
    return (nodes - 1) * (1 - (1 - 1 / nodes) ** readers)


def node_load(rate, readers, nodes, copies):
    """Messages a second through each node; copies: of the retained store, 0: all nodes."""
    peers = (nodes if copies == 0 else min(copies, nodes)) - 1
    return CHANNELS * rate / nodes * (1 + readers + 2 * forwards(nodes, readers) + 2 * peers)


def nodes_needed(rate, readers, copies):
    for nodes in range(1, 10_000):
        if node_load(rate, readers, nodes, copies) <= NODE["messages"]:
            return nodes
    return None


def brokers_needed(rate, readers):
    """Brokers that know nothing of each other: a topic belongs to one."""
    return -int(-CHANNELS * rate * (1 + readers) // NODE["messages"])


@table("cluster")
def cluster_table():
    rows = [["lines/s of a channel", "readers of each", "in, msg/s", "out, msg/s",
             "between nodes, msg/s", "to readers", "nodes: a copy on each", "nodes: two copies",
             "brokers: topics divided"]]
    for rate in (0.01, 0.1, 1):
        for readers in (1, 10):
            enters = CHANNELS * rate
            two = nodes_needed(rate, readers, 2)
            between = enters * (forwards(two, readers) + min(1, two - 1))
            full = nodes_needed(rate, readers, 0)
            rows.append([f"{rate:g}", f"{readers}", show(enters), show(enters * readers),
                         show(between), show(enters * readers * ON_WIRE * 8 / 1e9, "Gbit/s"),
                         show(full) if full else "none", show(two),
                         show(brokers_needed(rate, readers))])
    return rows


# Each line is one message of each node that sends the copy and of each that takes it.
FIGURES["wall"] = show(NODE["messages"] / 2)
FIGURES["wall.rate"] = f"{NODE['messages'] / 2 / CHANNELS:g}"
FIGURES["node"] = show(NODE["messages"])
FIGURES["parts"] = show(brokers_needed(1, 1))


# All machines come back at once.

class Storm:
    """The broker is away for a while, then makes so many TLS connections a second, in the
    order in which they came. Who would have to wait longer than waiting, if there is such
    a limit, is refused at once."""

    OUTAGE, HORIZON, STEP = 5.0, 1800.0, 0.01	# seconds

    def __init__(self, accepts, jitter, waiting):
        self.accepts = accepts * MODELLED / MACHINES
        self.room = waiting * self.accepts if waiting else float("inf")
        self.jitter = jitter
        self.rng = random.Random(7)
        self.calendar = [[] for _ in range(int(self.HORIZON / self.STEP) + 1)]
        self.doubled = [0] * MODELLED
        self.waits = [0] * MODELLED	# since when a machine does; 0: it does not
        self.queue, self.patience = deque(), deque()
        self.made, self.gone, self.budget = [], 0, 0.0
        self.tries = [0] * (int(self.HORIZON) + 1)
        for machine in range(MODELLED):
            self.calendar[int(self.rng.random() * FIRST_TRY / self.STEP) if jitter
                          else 0].append(machine)
        for now, due in enumerate(self.calendar):
            self.tries[int(now * self.STEP)] += len(due)
            for machine in due:
                self.come(machine, now)
            self.give_up(now)
            self.serve(now)
            if len(self.made) == MODELLED:
                break

    def later(self, machine, now):
        delay = min(BACKOFF_MAX, 2.0 ** self.doubled[machine])
        self.doubled[machine] += 1
        if self.jitter:
            delay *= self.rng.uniform(0.5, 1)
        tick = now + int(delay / self.STEP)
        if tick < len(self.calendar):
            self.calendar[tick].append(machine)

    def come(self, machine, now):
        if now * self.STEP < self.OUTAGE or len(self.queue) >= self.room:
            self.later(machine, now)
            return
        self.waits[machine] = now
        self.queue.append((machine, now))
        self.patience.append((machine, now))

    def give_up(self, now):
        while self.patience and self.patience[0][1] + KEEPALIVE / self.STEP <= now:
            machine, since = self.patience.popleft()
            if self.waits[machine] == since:
                self.waits[machine] = 0
                self.later(machine, now)

    def serve(self, now):
        self.budget = self.budget + self.accepts * self.STEP if self.queue else 0.0
        while self.queue and self.budget >= 1:
            machine, since = self.queue.popleft()
            if self.waits[machine] == since:
                self.waits[machine] = 0
                self.made.append(now * self.STEP)
                self.budget -= 1
            else:
                self.gone += 1
                self.budget -= BROKER["gone"]

    def back(self, share):
        """When that share of the machines was back."""
        index = int(MODELLED * share) - 1
        return seconds(self.made[index]) if index < len(self.made) else "never"


@table("storm")
def storm_table():
    rows = [["TLS connections/s", "jitter", "may wait", "half are back", "99 %", "all",
             "most tries in a second", "tries of a machine", "of those it took, gone"]]
    for accepts in (300, 1000, 10_000):
        for jitter, waiting in ((False, 5), (True, 5), (True, None)):
            run = Storm(accepts, jitter, waiting)
            taken = run.gone + len(run.made)
            rows.append([show(accepts), "yes" if jitter else "no",
                         "as many as take 5 s" if waiting else "all"] +
                        [run.back(share) for share in (0.5, 0.99, 1)] +
                        [show(max(run.tries) * MACHINES // MODELLED),
                         show(sum(run.tries) / MODELLED), f"{100 * run.gone // taken} %"])
    return rows


# What stays, and what comes after a restart.

@table("costs")
def cost_table():
    ping = on_wire(PING)
    burst = CHANNELS * ON_WIRE
    return [
        [f"{show(MACHINES)} machines, {show(CHANNELS)} channels", "each", "in all", "figure is"],
        ["a connection with TLS, mosquitto", memory(BROKER["tls connection"]),
         memory(BROKER["tls connection"] * MACHINES), "measured"],
        ["a connection without, mosquitto", memory(BROKER["connection"]),
         memory(BROKER["connection"] * MACHINES), "measured"],
        ["a connection, clustered broker", memory(NODE["connection"]),
         memory(NODE["connection"] * MACHINES), "published [1]"],
        ["a retained line, mosquitto", memory(BROKER["retained"]),
         memory(BROKER["retained"] * CHANNELS) + " a copy", "measured"],
        ["keepalive of an idle machine", "2 packets in 15 s",
         show(2 * MACHINES / KEEPALIVE) + " packets/s, " +
         show(MACHINES / KEEPALIVE * ping * 8 / 1e6, "Mbit/s") + " each way", "computed"],
        ["a TLS handshake, mosquitto", seconds(BROKER["handshake"]) + " of a core, " +
         memory(BROKER["handshake bytes"]), seconds(BROKER["handshake"] * MACHINES) +
         " of a core, " + memory(BROKER["handshake bytes"] * MACHINES), "measured"],
        ["after a restart: each line sent anew", memory(ON_WIRE), memory(burst) + ", " +
         seconds(burst * 8 / GIGABIT) + " at 1 Gbit/s", "computed"],
        ["the same, to one reader of each", memory(ON_WIRE), memory(burst) + ", " +
         seconds(burst * 8 / READER_LINK) + " at 100 Mbit/s", "computed"],
    ]


# What breaks first.

def limits():
    """(machines at which it is full, whose, what, kind of the figure, what one does)"""
    reader, one, cluster = "a reader of all", "one mosquitto", "a cluster"
    core = 1 / (BROKER["published"] + BROKER["delivered"])
    yield (WILDCARD_CHANNELS / EACH, reader, "`--max-channels`", "default",
           "a narrower wildcard, or a higher limit")
    yield (BROKER["queued"] / EACH, reader, "what mosquitto queues of retained messages at QoS 1",
           "measured", "QoS 0, as without `--qos`; or `max_queued_messages 0`")
    yield (MACHINE_CHANNELS / EACH, reader, "channels of a machine", "driver",
           "several machines, each with a part of the topics")
    yield (READER_LINK / 8 / ON_WIRE / EACH, reader, "its 100 Mbit/s", "computed",
           "`--max-rate` at the writers")
    yield (OPEN_FILES, one, "open files, as Debian starts it", "measured",
           "`LimitNOFILE=` in its unit")
    yield (core / EACH, one, "the one core that it uses", "measured",
           "`--max-rate`; topics divided among brokers, or a cluster")
    yield (KEEPALIVE / BROKER["handshake"], one, "handshakes, before a machine gives up",
           "measured", "more cores behind the address; few waiting, the others refused at once")
    yield (NODE["messages"] / 2 / EACH, cluster, "writes, where each node keeps each retained "
           "message", "published [1]", "copies on few nodes; clusters for parts of the topics")
    yield (LOCAL_PORTS, "a load balancer", "ports from its one address to one node",
           "Linux' default", "more addresses")
    yield (GIGABIT / 8 / ON_WIRE / EACH, one, "1 Gbit/s in, and 1 Gbit/s out", "computed",
           "`--max-rate`; more nodes")
    yield (16e9 / (BROKER["tls connection"] + EACH * BROKER["retained"]), one,
           "16 GB of memory", "measured", "it is the last")


@table("first")
def first_table():
    rows = [["machines", "whose", "what is full", "figure", "what one does"]]
    for machines, *words in sorted(limits()):
        rows.append([rough(int(machines)), *words])
    return rows


FIGURES["core"] = rough(1 / (BROKER["published"] + BROKER["delivered"]))
FIGURES["handshakes"] = rough(1 / BROKER["handshake"])
FIGURES["handshake"] = show(BROKER["handshake"] * 1e3)
FIGURES["published"] = show(BROKER["published"] * 1e6)
FIGURES["delivered"] = show(BROKER["delivered"] * 1e6)
FIGURES["plain"] = show(BROKER["connection"] / 1e3)
FIGURES["tls"] = show(BROKER["tls connection"] / 1e3)
FIGURES["core.seconds"] = show(BROKER["handshake"] * MACHINES)
FIGURES["queued"] = show(BROKER["queued"])


# The page.

def filled(page):
    """The page with the tables and figures of this model."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, opened, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not opened or not closed:
            sys.exit(f"scale.py: the page has no place for the table {name}")
        page = before + begin + markdown(make()) + "\n" + end + after
    odd = set(FIGURES) ^ set(re.findall(r"<!-- ([\w.]+) -->", page))
    if odd:
        sys.exit(f"scale.py: only one of page and model has {', '.join(sorted(odd))}")
    for name, value in FIGURES.items():
        page = re.sub(rf"[^\s(]+<!-- {re.escape(name)} -->", f"{value}<!-- {name} -->", page)
    return page


def main():
    if len(sys.argv) == 1:
        for name, make in TABLES.items():
            print(f"{name}\n\n{markdown(make())}\n")
        for name, value in FIGURES.items():
            print(f"{name}: {value}")
        return
    if len(sys.argv) != 3 or sys.argv[1] not in ("--write", "--check"):
        sys.exit(__doc__.strip())
    path = Path(sys.argv[2])
    old = path.read_text(encoding="utf-8")
    new = filled(old)
    if sys.argv[1] == "--write":
        path.write_text(new, encoding="utf-8")
    elif new != old:
        sys.exit("\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), str(path),
                                                "as the model has it", lineterm="", n=0)))


if __name__ == "__main__":
    main()
