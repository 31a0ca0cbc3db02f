# SPDX-License-Identifier: GPL-2.0-only
"""What tests/mqtt/line_cost.py runs in the virtual machine. Prints figures, one a line.

Lines go from one channel, or a pipe, by way of a mosquitto to another channel. The driver
keeps the time at which each was published on either side.
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

HOST, PORT, TOPIC = "127.0.0.1", "1883", "line"
NEAR, FAR = 0, 1		# channels
INFO, TAKEN = 0x8040be00, 0x8040be01
SIZE = 64
ALONE = 100			# lines, one at a time
ALONE_BY_PROCESS = 20
WARM_UP = 10
PAUSE = 0.01			# until the next one, so that all sleep again
MANY = 10000			# lines, as fast as the writer can
GONE = 5			# seconds after which no more lines come
LINES = Path("/tmp/lines")

# Method: who joins the near end to the broker, with which QoS there, and at the far end.
METHODS = {
    "bridge": ("lastline-mqtt", 1, 0),
    "bridge-0": ("lastline-mqtt", 0, 0),
    "bridge-1": ("lastline-mqtt", 1, 1),
    "pub-l-0": ("mosquitto_pub -l", 0, 0),
    "pub-l-1": ("mosquitto_pub -l", 1, 1),
    "pub-m-0": ("mosquitto_pub -m", 0, 0),
    "pub-m-1": ("mosquitto_pub -m", 1, 1),
}


def device(number):
    return f"/dev/lastline{number}"


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def newest(fd):
    """Generation and time of the newest line of a channel."""
    return struct.unpack_from("QQ", fcntl.ioctl(fd, INFO, bytes(64)))


def taken_ns(fd):
    """When the line was published that was read last."""
    return struct.unpack_from("8Q", fcntl.ioctl(fd, TAKEN, bytes(64)))[1]


def line(number):
    return b"%0*d\n" % (SIZE - 1, number)


def loopback_bytes():
    return int(Path("/sys/class/net/lo/statistics/tx_bytes").read_text(encoding="ascii"))


def instructions(process):
    """Of all its threads, the kernel's for them included."""
    return sum(int(file.read_text(encoding="ascii").split()[0])
               for file in Path(f"/proc/{process.pid}/task").glob("*/schedstat"))


def memory(process):
    """At most, in KiB."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


def own_instructions(usage):
    return (usage.ru_utime + usage.ru_stime) * 1e9


class Way:
    """A broker, and what carries lines to it and from it."""

    def __init__(self, method):
        self.method = method
        self.tool, self.near_qos, self.far_qos = METHODS[method]
        self.near = os.open(device(NEAR), os.O_RDWR)
        self.far = os.open(device(FAR), os.O_RDONLY | os.O_NONBLOCK)
        self.entry = self.near
        self.processes = {}
        self.per_line = 0	# of processes that were there for one line
        self.begin("broker", "mosquitto", "-c", "/tmp/mosquitto.conf")
        if self.tool == "lastline-mqtt":
            self.bridge("far", self.far_qos, "--subscribe", f"{TOPIC}={FAR}")
            self.bridge("near", self.near_qos, "--publish", f"{NEAR}={TOPIC}")
        else:
            with open(device(FAR), "wb") as out:
                self.begin("far", "mosquitto_sub", *self.client(self.far_qos), stdout=out)
        if self.tool == "mosquitto_pub -l":
            out, self.entry = os.pipe()
            self.begin("near", "mosquitto_pub", *self.client(self.near_qos), "-r", "-l",
                       stdin=out)
            os.close(out)

    def begin(self, name, *command, **redirection):
        self.processes[name] = subprocess.Popen(command, stderr=subprocess.DEVNULL,
                                                **redirection)
        # Idle, the machine's clock jumps: waiting costs nothing here.
        time.sleep(2)

    def bridge(self, name, qos, *mapping):
        self.begin(name, "lastline-mqtt", "--broker", f"mqtt://{HOST}:{PORT}", "--id", name,
                   "--qos", str(qos), *mapping)

    def client(self, qos):
        return "-h", HOST, "-p", PORT, "-q", str(qos), "-t", TOPIC

    def end(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        for fd in {self.near, self.far, self.entry}:
            os.close(fd)

    def write(self, data):
        """Returns when that was."""
        start = now()
        if self.tool == "mosquitto_pub -m":
            program = subprocess.Popen(["mosquitto_pub", *self.client(self.near_qos), "-r",
                                        "-m", data[:-1]])
            self.per_line += own_instructions(os.wait4(program.pid, 0)[2])
            program.returncode = 0
            return start
        os.write(self.entry, data)
        return newest(self.near)[1] if self.entry == self.near else start

    def read(self, data):
        """Returns when that line was published on the far channel."""
        if not select.select([self.far], [], [], GONE)[0]:
            raise TimeoutError(f"{self.method}: nothing comes")
        got = os.read(self.far, SIZE)
        if got != data:
            raise ValueError(f"{self.method}: {got} is not {data}")
        return taken_ns(self.far)

    def skip(self):
        """What has come so far."""
        time.sleep(1)
        os.lseek(self.far, 0, os.SEEK_END)

    def costs(self):
        costs = {name: instructions(process) for name, process in self.processes.items()}
        costs.setdefault("near", self.per_line)
        costs["bytes"] = loopback_bytes()
        return costs


def report(measure, method, value):
    print(json.dumps({"measure": measure, "method": method, "value": value}), flush=True)


def one_by_one(way, count):
    times = []
    for number in range(count):
        data = line(number)
        start = way.write(data)
        times.append(way.read(data) - start)
        time.sleep(PAUSE)
    return times


def alone(way):
    count = ALONE_BY_PROCESS if way.tool == "mosquitto_pub -m" else ALONE
    way.skip()
    one_by_one(way, WARM_UP)
    before = way.costs()
    times = sorted(one_by_one(way, count))
    after = way.costs()
    report("latency", way.method, statistics.mean(times[:-1]))
    for name, value in after.items():
        report(f"alone:{name}", way.method, (value - before[name]) / count)


def writer(out):
    """A process that writes many lines, a call for each: when it ended and what it took."""
    program = subprocess.Popen(["dd", f"if={LINES}", f"bs={SIZE}", "status=none"], stdout=out)
    usage = os.wait4(program.pid, 0)[2]
    program.returncode = 0
    return now(), usage


def wait_for(way, data):
    """Returns when that line was published on the far channel; None if it does not come."""
    last, since = None, now()
    while now() - since < GONE * 1e9:
        os.lseek(way.far, 0, os.SEEK_SET)
        got = os.read(way.far, SIZE)
        if got == data:
            return newest(way.far)[1]
        if got != last:
            last, since = got, now()
        time.sleep(0.005)
    return None


def many(way, idle):
    LINES.write_bytes(b"".join(line(MANY + number) for number in range(MANY)))
    way.skip()
    came, before = newest(way.far)[0], way.costs()
    start = now()
    end, usage = writer(way.entry)
    written = end
    if way.entry == way.near:
        end = newest(way.near)[1]
    arrived = wait_for(way, line(2 * MANY - 1))
    way.skip()
    after = way.costs()
    carried = sum(after[name] - before[name] for name in ("near", "broker", "far"))
    report("many:writer", way.method, own_instructions(usage) / MANY)
    report("many:sleeps", way.method, usage.ru_nvcsw - idle.ru_nvcsw)
    report("many:written", way.method, (written - start) / 1000)
    report("many:arrived", way.method, newest(way.far)[0] - came)
    report("many:carried", way.method, carried / MANY)
    report("many:bytes", way.method, (after["bytes"] - before["bytes"]) / MANY)
    report("many:memory", way.method, memory(way.processes["near"]))
    if arrived:
        report("many:fresh", way.method, (arrived - end) / 1000)


def main():
    Path("/tmp/mosquitto.conf").write_text(
        f"listener {PORT} {HOST}\nallow_anonymous true\nuser root\n", encoding="ascii")
    LINES.write_bytes(line(0) * MANY)
    with open("/dev/null", "wb") as null:
        idle = writer(null)[1]
    report("many:writer", "null", own_instructions(idle) / MANY)
    for method in sys.argv[1:] or METHODS:
        way = Way(method)
        alone(way)
        if way.tool != "mosquitto_pub -m":
            many(way, idle)
        way.end()


if __name__ == "__main__":
    main()
