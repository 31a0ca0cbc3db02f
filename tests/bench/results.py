# SPDX-License-Identifier: GPL-2.0-only
"""Figures of the bench: collected, looked up, and made into tables.

A figure is what one line of the programs' output says. It is looked up by a key of
its measure, its method and, if there is one, its parameter: "write pipe 64".
"""
import json

PARAMETERS = ("size", "readers", "cpus")

# In the order of the tables; a floor is nobody's rival.
TITLES = {
    "lastline": "lastline, read and write",
    "mapped": "lastline, mapped view",
    "pipe": "pipe",
    "fifo-reopen": "FIFO, open + write + close",
    "fifo-drop": "FIFO, O_NONBLOCK, drops",
    "eventfd": "eventfd (8 bytes, no line)",
    "mq": "POSIX mq, depth 1, replaced",
    "unix": "unix datagram",
    "rename": "file + rename + inotify",
    "tmpfs": "tmpfs, pwrite + pread",
    "seqlock": "shared seqlock + futex",
    "zeromq": "ZeroMQ, ZMQ_CONFLATE, ipc",
    "manager": "Python Manager proxy",
    "null-zero": "floor: /dev/null, /dev/zero",
    "getppid": "floor: getppid",
}


def key_of(figure):
    words = [figure["measure"], figure["method"]]
    words += [str(figure[name]) for name in PARAMETERS if name in figure]
    return " ".join(words)


class Results:
    """All figures of one run."""

    def __init__(self, figures, unit, about=None):
        self.figures = figures
        self.unit = unit
        self.about = about or {}
        self.by_key = {key_of(figure): figure for figure in figures}

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        return cls(data["figures"], data["unit"], data["about"])

    def text(self):
        """JSON, one figure a line."""
        figures = ",\n".join("  " + json.dumps(figure) for figure in self.figures)
        return (f'{{\n "about": {json.dumps(self.about)},\n "unit": {json.dumps(self.unit)},\n'
                f' "figures": [\n{figures}\n ]\n}}\n')

    def get(self, *words):
        """The value of a figure, or None."""
        figure = self.by_key.get(" ".join(str(word) for word in words))
        return figure["value"] if figure else None

    def methods(self, *measures):
        """Those that have a figure of any of these measures."""
        present = {f["method"] for f in self.figures if f["measure"] in measures}
        return [method for method in TITLES if method in present]


def figures_of(lines):
    """The figures in a program's output; anything else there is an error."""
    figures = []
    for line in lines:
        line = line.strip()
        if not line:
            continue
        try:
            figures.append(json.loads(line))
        except ValueError as error:
            raise SystemExit(f"bench: not a figure: {line}") from error
    return figures


def per_reader(results, method):
    """What each further sleeping reader adds, from the two largest crowds."""
    crowds = sorted((f["readers"], f["value"]) for f in results.figures
                    if f["measure"] == "wake" and f["method"] == method)
    if len(crowds) < 2:
        return None
    (fewer, less), (more, much) = crowds[-2:]
    return (much - less) / (more - fewer)


def scaled(results, measure, method, cpus):
    """How many times the calls of one CPU so many did, if the control did as many."""
    one = results.get(measure + ":to-control", method, 1)
    many = results.get(measure + ":to-control", method, cpus)
    return many / one * cpus if one and many else None


def raw_scaled(results, measure, method, cpus):
    one, many = results.get(measure, method, 1), results.get(measure, method, cpus)
    return many / one if one and many else None


class Table:
    def __init__(self, title, *columns):
        self.title = title
        self.columns = columns
        self.rows = []
        self.notes = []

    def row(self, *cells):
        """A row with no figure at all says nothing."""
        if any(cell is not None for cell in cells[1:]):
            self.rows.append([show(cell) for cell in cells])

    def note(self, text):
        self.notes.append(text)

    def text(self):
        lines = [self.columns] + self.rows
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        out = [self.title]
        for number, line in enumerate(lines):
            cells = [cell.ljust(width) if i == 0 else cell.rjust(width)
                     for i, (cell, width) in enumerate(zip(line, widths))]
            out.append("  " + "  ".join(cells).rstrip())
            if number == 0:
                out.append("  " + "-" * (sum(widths) + 2 * len(widths) - 2))
        return "\n".join(out + ["  " + note for note in self.notes])

    def markdown(self):
        out = [f"### {self.title}", "", "| " + " | ".join(self.columns) + " |",
               "| --- |" + " ---: |" * (len(self.columns) - 1)]
        out += ["| " + " | ".join(row) + " |" for row in self.rows]
        for note in self.notes:
            out += ["", note]
        return "\n".join(out)


def show(cell):
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.2f}" if abs(cell) < 10 and cell % 1 else f"{cell:.0f}"
    return str(cell)


def ratio(value, base):
    return f"{value / base:.2f}" if value is not None and base else None


def whole(value):
    return round(value) if value is not None else None
