# SPDX-License-Identifier: GPL-2.0-only
"""Parses figures of the benchmark and prints them in tables.

A figure is one line of the programs' output. Its key consists of measure, method and an
optional parameter: "write pipe 64".
"""
import json

PARAMETERS = ("size", "readers")

# In the order of the tables
TITLES = {
    "lastline": "lastline, read and write",
    "mapped": "lastline, mapped view",
    "pipe": "pipe",
    "fifo-reopen": "FIFO, open + write + close",
    "eventfd": "eventfd (8 bytes, no line)",
    "mq": "POSIX mq, depth 1, replaced",
    "rename": "file + rename + inotify",
    "seqlock": "shared seqlock + futex",
    "zeromq": "ZeroMQ, ZMQ_CONFLATE, ipc",
    "null-zero": "floor: /dev/null, /dev/zero",
}


def key_of(figure):
    words = [figure["measure"], figure["method"]]
    words += [str(figure[name]) for name in PARAMETERS if name in figure]
    return " ".join(words)


def figures_of(lines):
    """Parses a program's output; anything but a figure is an error."""
    figures = []
    for line in lines:
        try:
            if line.strip():
                figures.append(json.loads(line))
        except ValueError as error:
            raise SystemExit(f"bench: not a figure: {line.strip()}") from error
    return figures


class Results:
    """All figures of one run."""

    def __init__(self, figures):
        self.figures = figures
        self.by_key = {key_of(figure): figure for figure in figures}

    def get(self, *words):
        """The value of a figure, or None."""
        figure = self.by_key.get(" ".join(str(word) for word in words))
        return figure["value"] if figure else None

    def methods(self, *measures):
        """The methods that have a figure of any of these measures."""
        present = {f["method"] for f in self.figures if f["measure"] in measures}
        return [method for method in TITLES if method in present]

    def per_reader(self, method):
        """The cost of each additional sleeping reader, from the two largest crowds."""
        crowds = sorted((f["readers"], f["value"]) for f in self.figures
                        if f["measure"] == "wake" and f["method"] == method)
        if len(crowds) < 2:
            return None
        (fewer, less), (more, much) = crowds[-2:]
        return (much - less) / (more - fewer)


class Table:
    def __init__(self, title, *columns):
        self.title = title
        self.columns = columns
        self.rows = []
        self.notes = []

    def row(self, *cells):
        """Adds a row, unless it has no figure."""
        if any(cell is not None for cell in cells[1:]):
            self.rows.append([show(cell) for cell in cells])

    def text(self):
        """Returns the table in Markdown."""
        lines = [self.columns] + self.rows
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
        out = [f"### {self.title}", ""]
        for first, *others in lines:
            cells = [cell.rjust(width) for cell, width in zip(others, widths[1:])]
            out.append("| " + " | ".join([first.ljust(widths[0]), *cells]) + " |")
        for note in self.notes:
            out += ["", note]
        return "\n".join(out)


def put_into_page(page, name, tables):
    """Puts the tables between "<!-- NAME: begin" and "<!-- NAME: end"."""
    old = page.read_text(encoding="utf-8")
    before, begin, rest = old.partition(f"<!-- {name}: begin")
    first, _, rest = rest.partition("\n")
    _, end, after = rest.partition(f"<!-- {name}: end")
    if not end:
        raise SystemExit(f"bench: {page} has no markers for {name}")
    text = "".join(table.text() + "\n\n" for table in tables)
    page.write_text(before + begin + first + "\n" + text + end + after, encoding="utf-8")


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
