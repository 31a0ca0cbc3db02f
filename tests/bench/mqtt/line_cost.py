#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Measures the cost of a line over a broker with lastline-mqtt and with mosquitto_pub -l, for
docs/performance.md.

usage: line_cost.py [--docs]
  --docs  also put the tables into the page

Copies this machine's mosquitto, mosquitto_pub and mosquitto_sub into a virtual machine whose
clock counts instructions, and runs itself there with --guest. Lines go from the near channel,
or a pipe, through a broker to the far channel. The driver records when a line is published.
"""
import fcntl
import json
import os
import select
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent.parent
BUILD = Path(os.environ.get("BUILD", TOP / "build"))

# The tool at the near end, its QoS, and the QoS at the far end
METHODS = {
    "bridge": ("lastline-mqtt, defaults", "lastline-mqtt", 1, 0),
    "bridge-1": ("lastline-mqtt, QoS 1", "lastline-mqtt", 1, 1),
    "bridge-0": ("lastline-mqtt, QoS 0", "lastline-mqtt", 0, 0),
    "pub-l-1": ("mosquitto_pub -l, QoS 1", "mosquitto_pub -l", 1, 1),
    "pub-l-0": ("mosquitto_pub -l, QoS 0", "mosquitto_pub -l", 0, 0),
}
BASE = "pub-l-1"
PARTS = ("near", "broker", "far")

HOST, PORT, TOPIC = "127.0.0.1", "1883", "line"
INFO, TAKEN = 0x8040be00, 0x8040be01
SIZE = 64
ALONE = 100			# lines, one at a time
WARM_UP = 10
PAUSE = 0.01			# seconds before the next line, so that all processes sleep
MANY = 10000			# lines, as fast as the writer can
TIMEOUT = 5			# seconds without a new line
LINES = Path("/tmp/lines")


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def times_of(fd, request):
    """Generation and time: INFO of the newest line, TAKEN of the line read last."""
    return struct.unpack_from("QQ", fcntl.ioctl(fd, request, bytes(64)))


def numbered(number):
    return b"%0*d\n" % (SIZE - 1, number)


def cpu_ns(usage):
    return (usage.ru_utime + usage.ru_stime) * 1e9


class Route:
    """A broker, and the processes that carry lines to it and from it."""

    def __init__(self, method):
        self.method = method
        _, self.tool, self.near_qos, self.far_qos = METHODS[method]
        self.near = os.open("/dev/lastline0", os.O_RDWR)
        self.far = os.open("/dev/lastline1", os.O_RDONLY | os.O_NONBLOCK)
        self.entry = self.near
        self.processes = {}
        self.start("broker", "mosquitto", "-c", "/tmp/mosquitto.conf")
        if self.tool == "lastline-mqtt":
            self.bridge("far", self.far_qos, "--subscribe", f"{TOPIC}=1")
            self.bridge("near", self.near_qos, "--publish", f"0={TOPIC}")
        else:
            with open("/dev/lastline1", "wb") as out:
                self.start("far", "mosquitto_sub", *self.client(self.far_qos), stdout=out)
            out, self.entry = os.pipe()
            self.start("near", "mosquitto_pub", *self.client(self.near_qos), "-r", "-l",
                       stdin=out)
            os.close(out)

    def start(self, name, *command, **redirection):
        self.processes[name] = subprocess.Popen(command, stderr=subprocess.DEVNULL,
                                                **redirection)
        # The clock skips idle time, so this is fast.
        time.sleep(2)

    def bridge(self, name, qos, *mapping):
        self.start(name, "lastline-mqtt", "--broker", f"mqtt://{HOST}:{PORT}", "--id", name,
                   "--qos", str(qos), *mapping)

    def client(self, qos):
        return "-h", HOST, "-p", PORT, "-q", str(qos), "-t", TOPIC

    def end(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        for fd in {self.near, self.far, self.entry}:
            os.close(fd)

    def carry(self, data):
        """Sends one line. Returns the time between its publications."""
        start = now()
        os.write(self.entry, data)
        if self.entry == self.near:
            start = times_of(self.near, INFO)[1]
        if not select.select([self.far], [], [], TIMEOUT)[0] or \
                os.read(self.far, SIZE) != data:
            raise ValueError(f"{self.method}: a line did not arrive")
        return times_of(self.far, TAKEN)[1] - start

    def skip(self):
        """Skips lines that have arrived so far."""
        time.sleep(1)
        os.lseek(self.far, 0, os.SEEK_END)

    def costs(self):
        """Instructions of all threads so far, and bytes on the loopback interface."""
        costs = {name: sum(int(file.read_text(encoding="ascii").split()[0])
                           for file in Path(f"/proc/{process.pid}/task").glob("*/schedstat"))
                 for name, process in self.processes.items()}
        costs["bytes"] = int(Path("/sys/class/net/lo/statistics/tx_bytes").read_text(
            encoding="ascii"))
        return costs


def emit(measure, method, value):
    print(json.dumps({"measure": measure, "method": method, "value": value}), flush=True)


def alone(route):
    times = []
    route.skip()
    for number in range(WARM_UP + ALONE):
        if number == WARM_UP:
            before = route.costs()
        times.append(route.carry(numbered(number)))
        time.sleep(PAUSE)
    after = route.costs()
    emit("latency", route.method, statistics.mean(sorted(times[WARM_UP:])[:-1]))
    for name, value in after.items():
        emit(f"alone:{name}", route.method, (value - before[name]) / ALONE)


def write_all(out):
    """Starts a process that writes each line with one call. Returns its resource usage."""
    writer = subprocess.Popen(["dd", f"if={LINES}", f"bs={SIZE}", "status=none"], stdout=out)
    usage = os.wait4(writer.pid, 0)[2]
    writer.returncode = 0
    return usage


def wait_for(route, data):
    """Returns the time at which the line was published on the far channel, or None."""
    last, since = None, now()
    while now() - since < TIMEOUT * 1e9:
        os.lseek(route.far, 0, os.SEEK_SET)
        got = os.read(route.far, SIZE)
        if got == data:
            return times_of(route.far, INFO)[1]
        if got != last:
            last, since = got, now()
        time.sleep(0.005)
    return None


def many(route, idle):
    LINES.write_bytes(b"".join(numbered(MANY + number) for number in range(MANY)))
    route.skip()
    generation, before, start = times_of(route.far, INFO)[0], route.costs(), now()
    usage = write_all(route.entry)
    written = end = now()
    if route.entry == route.near:
        end = times_of(route.near, INFO)[1]
    arrived = wait_for(route, numbered(2 * MANY - 1))
    route.skip()
    after = route.costs()
    status = Path(f"/proc/{route.processes['near'].pid}/status").read_text(encoding="ascii")
    figures = {
        "writer": cpu_ns(usage) / MANY,
        "sleeps": usage.ru_nvcsw - idle.ru_nvcsw,
        "written": (written - start) / 1000,
        "arrived": times_of(route.far, INFO)[0] - generation,
        "carried": sum(after[name] - before[name] for name in PARTS) / MANY,
        "bytes": (after["bytes"] - before["bytes"]) / MANY,
        "memory": int(status.split("VmHWM:")[1].split()[0]),	# KiB, at most
    }
    if arrived:
        figures["fresh"] = (arrived - end) / 1000
    for name, value in figures.items():
        emit(f"many:{name}", route.method, value)


def guest():
    Path("/tmp/mosquitto.conf").write_text(
        f"listener {PORT} {HOST}\nallow_anonymous true\nuser root\n", encoding="ascii")
    LINES.write_bytes(numbered(0) * MANY)
    with open("/dev/null", "wb") as null:
        idle = write_all(null)
    emit("many:writer", "null", cpu_ns(idle) / MANY)
    for method in METHODS:
        route = Route(method)
        alone(route)
        many(route, idle)
        route.end()


def measure():
    """Returns the output of the virtual machine."""
    programs = BUILD / "userspace"
    library = (programs / "liblastline.so.1").resolve()
    for words in ((TOP, "vm-modules"), (TOP / "userspace", "MQTT=yes")):
        subprocess.run(["make", "-s", "-C", *words], stdout=sys.stderr, check=True)
    command = [TOP / "tests/vm/run", "--icount", "--timeout", "1800"]
    for tool in ("dd", "lastline-mqtt", "mosquitto", "mosquitto_pub", "mosquitto_sub", "python3"):
        command += ["--with", tool]
    command += ["--add", f"{programs}/lastline-mqtt:/usr/bin/lastline-mqtt",
                "--add", f"{library}:/usr/lib/liblastline.so.1", "--add", f"{HERE}:/mqtt",
                "--", "python3", "/mqtt/line_cost.py", "--guest"]
    vm = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False,
                        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"})
    if vm.returncode:
        sys.exit(f"line_cost: the virtual machine failed\n{vm.stdout}")
    return vm.stdout


def tables_of(output):
    sys.path.insert(0, str(HERE.parent))
    from results import Results, Table, figures_of, ratio, whole
    get = Results(figures_of(output.splitlines())).get
    one = Table("One line at a time (instructions)", "", "latency", "vs pub -l", "sender",
                "broker", "receiver", "total", "vs pub -l", "bytes")
    fast = Table("10,000 lines, written as fast as possible", "", "writer", "sleeps",
                 "written after", "arrived", "total", "vs pub -l", "bytes", "newest after",
                 "memory")

    def total(method):
        return sum(get("alone:" + part, method) for part in PARTS)

    for method, (title, *_) in METHODS.items():
        one.row(title, whole(get("latency", method)),
                ratio(get("latency", method), get("latency", BASE)),
                *(whole(get("alone:" + part, method)) for part in PARTS),
                whole(total(method)), ratio(total(method), total(BASE)),
                whole(get("alone:bytes", method)))
        fast.row(title, *(whole(get("many:" + name, method)) for name in
                          ("writer", "sleeps", "written", "arrived", "carried")),
                 ratio(get("many:carried", method), get("many:carried", BASE)),
                 *(whole(get("many:" + name, method)) for name in ("bytes", "fresh", "memory")))
    one.notes = [
        "latency: from publication on the first channel, or the write to the pipe, to "
        "publication on the second channel. vs pub -l: relative to mosquitto_pub -l with QoS 1. "
        "bytes: on the loopback interface, with headers and acknowledgements."]
    fast.notes = [
        "writer: instructions of dd per line; "
        f"{get('many:writer', 'null'):.0f} to /dev/null. sleeps: of the writer. written after: µs "
        "until all lines were written. total: instructions of sender, broker and receiver per line "
        "written. bytes: on the loopback interface per line written. newest after: µs from the "
        "last write until the newest line arrived. memory: peak of the sender, in KiB."]
    return one, fast


def main():
    if sys.argv[1:] == ["--guest"]:
        guest()
        return
    if sys.argv[1:] not in ([], ["--docs"]):
        sys.exit(__doc__.strip())
    tables = tables_of(measure())
    print("\n\n".join(table.text() for table in tables))
    if sys.argv[1:]:
        from results import put_into_page
        put_into_page(TOP / "docs/performance.md", "mqtt", tables)


if __name__ == "__main__":
    main()
