#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What it costs to bring a line to another channel by way of a broker, by lastline-mqtt and
by mosquitto_pub; see docs/performance.md.

usage: line_cost.py [--docs]
  --docs  put the tables into the page, too

Carries this machine's mosquitto, mosquitto_pub and mosquitto_sub into a virtual one.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = Path(os.environ.get("BUILD", TOP / "build"))
PAGE = TOP / "docs/performance.md"
MARKED = re.compile(r"(<!-- mqtt: begin[^\n]*\n).*?(<!-- mqtt: end)", re.DOTALL)

sys.path.append(str(TOP / "tests/bench"))
from results import Results, Table, figures_of, ratio, whole  # noqa: E402

# As the guest has them, in the order of the tables.
METHODS = {
    "bridge": "lastline-mqtt, as it comes",
    "bridge-1": "lastline-mqtt, QoS 1",
    "bridge-0": "lastline-mqtt, QoS 0",
    "pub-l-1": "mosquitto_pub -l, QoS 1",
    "pub-l-0": "mosquitto_pub -l, QoS 0",
    "pub-m-1": "mosquitto_pub -m, QoS 1",
    "pub-m-0": "mosquitto_pub -m, QoS 0",
}
BASE = "pub-l-1"


def make(*words):
    subprocess.run(["make", "-s", "-C", *words], stdout=sys.stderr, check=True)


def measure():
    """The figures, of one boot of a machine whose clock counts instructions."""
    programs = BUILD / "userspace"
    library = (programs / "liblastline.so.1").resolve()
    tools = ("dd", "lastline-mqtt", "mosquitto", "mosquitto_pub", "mosquitto_sub", "python3")
    make(str(TOP), "vm-modules")
    make(str(TOP / "userspace"))
    command = [TOP / "tests/vm/run", "--icount", "--timeout", "1800"]
    command += [word for tool in tools for word in ("--with", tool)]
    # Where a machine without a cache of libraries finds them.
    command += ["--add", f"{programs}/lastline-mqtt:/usr/bin/lastline-mqtt",
                "--add", f"{library}:/usr/lib/liblastline.so.1", "--add", f"{HERE}:/mqtt",
                "--", "python3", "/mqtt/line_cost_guest.py"]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False,
                            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"})
    if output.returncode:
        sys.exit(f"line_cost: no figures\n{output.stdout}")
    return Results(figures_of(output.stdout.splitlines()), "instructions")


def alone_table(results):
    table = Table("One line at a time (instructions)", "", "latency", "to pub -l", "near end",
                  "broker", "far end", "all three", "to pub -l", "bytes")

    def all_three(method):
        return sum(results.get("alone:" + part, method) for part in ("near", "broker", "far"))

    for method, title in METHODS.items():
        latency = results.get("latency", method)
        table.row(title, whole(latency), ratio(latency, results.get("latency", BASE)),
                  *(whole(results.get("alone:" + part, method))
                    for part in ("near", "broker", "far")),
                  whole(all_three(method)), ratio(all_three(method), all_three(BASE)),
                  whole(results.get("alone:bytes", method)))
    table.note("latency: from publication on the near channel, or the write to the pipe, or "
               "the start of the process, to publication on the far channel. to pub -l: to "
               "that with QoS 1. bytes: on the loopback, with all headers and "
               "acknowledgements.")
    return table


def many_table(results):
    table = Table("10,000 lines, as fast as they can be written", "", "writer", "it slept",
                  "all written", "arrived", "carriers", "to pub -l", "bytes", "newest there",
                  "memory")
    for method, title in METHODS.items():
        carried = results.get("many:carried", method)
        table.row(title, whole(results.get("many:writer", method)),
                  *(whole(results.get("many:" + name, method))
                    for name in ("sleeps", "written", "arrived")),
                  whole(carried), ratio(carried, results.get("many:carried", BASE)),
                  whole(results.get("many:bytes", method)),
                  whole(results.get("many:fresh", method)),
                  whole(results.get("many:memory", method)))
    table.note("writer: dd, instructions for each line; to /dev/null "
               f"{results.get('many:writer null'):.0f}. all written: after so many µs. "
               "carriers: near end, broker and far end together, instructions for each line "
               "written. bytes: on the loopback, for each line written. newest there: so many "
               "µs after the last write. memory: of the near end, at most, in KiB.")
    return table


def put_into_page(tables):
    text, count = MARKED.subn(lambda match: match[1] + tables + match[2],
                              PAGE.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit(f"line_cost: no place for the tables in {PAGE}")
    PAGE.write_text(text, encoding="utf-8")


def main():
    if sys.argv[1:] not in ([], ["--docs"]):
        sys.exit(__doc__.strip())
    results = measure()
    tables = [alone_table(results), many_table(results)]
    print("\n\n".join(table.text() for table in tables))
    if sys.argv[1:]:
        put_into_page("".join(table.markdown() + "\n\n" for table in tables))


if __name__ == "__main__":
    main()
