#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the fenced blocks of a page, one after another, as its reader would.

    tutorial.py PAGE [HEADING]...

With headings, only the blocks under those. KTAP output, a test for each block.

The info string of a block, which readers do not see, says what it is:

    ```sh                   commands for bash -e, of a user in the group lastline
    ```sh root              of root
    ```sh background        in another terminal, until the end of the section
    ```text                 what the block before it prints, exactly
    ```text numbers vary    the same, but each number stands for any number, and the
                            spaces beside it for as many as a column needs
    ```text background      what the last block in the background prints until the end
    ```python FILE          a file of that name (of any language)

After a block, <!-- check: COMMANDS --> are commands that must succeed. They find what
the block printed in the file $output. A block in the background has begun when it
publishes a line or opens a channel for reading. It is checked at the end of the section,
until it is right or the time is over.

A block of commands needs a text or a check. A file needs a check, or commands further
down that name it. Needs the command installed, root, and a machine of its own: it adds a
user, and leaves channels behind.
"""
import contextlib
import glob
import itertools
import os
import re
import signal
import subprocess
import sys
import time

sys.path.append(os.path.dirname(sys.path[0]))
import tap

USER = "reader"
LIMIT = 300     # seconds for one block
PATIENCE = 120  # seconds for what must happen in the background

FENCE = re.compile(r"```(\S*) ?(.*)")
CHECK = re.compile(r"<!-- check:(.*?)-->\n*", re.DOTALL)


class Block:
    """A fenced block, what it should print, and the check of it."""

    def __init__(self, heading, language, words, text):
        self.heading = heading
        self.text = text
        self.shown = None
        self.numbers_vary = False
        self.check = None
        self.root = "root" in words.split()
        self.background = "background" in words.split()
        self.is_commands = language == "sh" and {*words.split()} <= {"root", "background"}
        self.file = None if self.is_commands else words

    def name(self):
        """Its heading and first line. A # would begin a directive of TAP."""
        about = self.file or self.text.splitlines()[0]
        return f"{self.heading}: {about}".split("#")[0].rstrip()


def parse(page, headings):
    """The blocks of the page under these headings, or under all."""
    blocks, block, in_background, heading = [], None, None, "top"
    while page:
        line, _, rest = page.partition("\n")
        fence, check = FENCE.fullmatch(line), CHECK.match(page)
        if fence:
            text, end, rest = rest.partition("\n```\n")
            if not end:
                sys.exit(f"{heading}: a block without an end")
            language, words = fence.groups()
            if language == "text":
                printer = in_background if "background" in words else block
                if not printer or printer.shown is not None:
                    sys.exit(f"{heading}: a text without commands that print it")
                printer.shown, printer.numbers_vary = text + "\n", "numbers vary" in words
            else:
                block = Block(heading, language, words, text + "\n")
                blocks.append(block)
                in_background = block if block.background else in_background
        elif check:
            if not block or block.check:
                sys.exit(f"{heading}: a check without a block")
            block.check, rest = check[1].strip(), page[check.end():]
        elif re.match("#+ ", line):
            heading, block, in_background = line.lstrip("# "), None, None
        page = rest
    blocks = [block for block in blocks if not headings or block.heading in headings]
    missing = set(headings) - {block.heading for block in blocks}
    if missing or not blocks:
        sys.exit(f"no blocks under: {', '.join(missing) or 'any heading'}")
    return blocks


def find_unchecked(blocks):
    """Exits if nothing would notice a mistake in one of the blocks."""
    for i, block in enumerate(blocks):
        if not block.is_commands and not block.file:
            sys.exit(f"{block.name()}: neither commands nor a file with a name")
        named = block.file and any(
            later.is_commands and block.file in later.text for later in blocks[i + 1:])
        if block.shown is None and not block.check and not named:
            sys.exit(f"{block.name()}: nothing checks this block")


def start(commands, out, root=False, **environment):
    """A shell in a session of its own, so that end() reaches all that it starts."""
    shell = ["bash", "-e", "-c", commands]
    with open(out, "w", encoding="utf-8") as file:
        return subprocess.Popen(shell if root else ["runuser", "-u", USER, "--", *shell],
                                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                start_new_session=True,
                                env={**os.environ, "HOME": os.getcwd(), **environment})


def end(process):
    """Kills it, with what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def execute(commands, out, root=False, **environment):
    """What went wrong, or None."""
    process = start(commands, out, root, **environment)
    try:
        status = process.wait(LIMIT)
        return f"it ended with status {status}" if status else None
    except subprocess.TimeoutExpired:
        return f"it took longer than {LIMIT} s"
    finally:
        end(process)


def read(path):
    """All that is in a file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def same(block, printed):
    """Did it print what the page shows?"""
    if block.numbers_vary:
        shape = re.compile(r" *\d+ *")
        return shape.sub("0", printed) == shape.sub("0", block.shown)
    return printed == block.shown


def verify(block, output):
    """What is wrong with what it printed and did, or None."""
    if block.shown is not None and not same(block, read(output)):
        return "it printed:\n" + read(output) + "instead of:\n" + block.shown
    if block.check:
        wrong = execute(block.check, output + ".check", root=True, output=output)
        if wrong:
            return (f"the check: {wrong}:\n{block.check}\n{read(output + '.check')}"
                    f"it printed:\n{read(output)}")
    return None


def run(block, output):
    """What is wrong with a block that has an end, or None."""
    if not block.is_commands:
        with open(block.file, "w", encoding="utf-8") as file:
            file.write(block.text)
        open(output, "w", encoding="utf-8").close()
    else:
        wrong = execute(block.text, output, block.root)
        if wrong:
            return f"{wrong}; it printed:\n{read(output)}"
        if block.root:
            # A user types the next one later.
            subprocess.run(["udevadm", "settle"], check=False)
    return verify(block, output)


def await_right(block, output):
    """The same for a block in the background, which is still running."""
    deadline = time.monotonic() + PATIENCE
    while True:
        wrong = verify(block, output)
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.1)


def activity():
    """Changes when a line is published, or a channel is opened for reading."""
    return [read(path) for name in ("generation", "readers")
            for path in glob.glob(f"/sys/class/lastline/*/{name}")]


def start_in_background(block, output):
    """Starts it, and waits until it has begun: the next block may depend on it."""
    before, deadline = activity(), time.monotonic() + PATIENCE
    process = start(block.text, output, block.root)
    while activity() == before and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


def run_section(blocks):
    """Runs all blocks under one heading. Returns what is wrong with each."""
    running, wrong = [], {}
    for block in blocks:
        output = f"/tmp/output.{id(block)}"
        if block.background:
            running.append((block, output, start_in_background(block, output)))
        else:
            wrong[block] = run(block, output)
    for block, output, _ in running:
        wrong[block] = await_right(block, output)
    for _, _, process in running:
        end(process)
    return wrong


def main():
    """Runs the page, section by section."""
    page = re.sub(r"\A<!-- SPDX.*?-->\n", "", read(sys.argv[1]))
    blocks = parse(page, sys.argv[2:])
    find_unchecked(blocks)
    subprocess.run(["useradd", "--create-home", "--groups", "lastline", USER], check=True)
    os.chdir(os.path.expanduser("~" + USER))
    results = tap.Tap()
    for _, section in itertools.groupby(blocks, lambda block: block.heading):
        section = list(section)
        wrong = run_section(section)
        for block in section:
            results.result(block.name(), wrong[block] or "")
    sys.exit(results.finish())


if __name__ == "__main__":
    main()
