#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the fenced blocks of pages in order, as a reader would type them.

    page_test.py PAGE...

KTAP output, one test per block. The info string of a block selects what is done with it:

    ```sh                   run by bash -e as a user in the group lastline
    ```sh root              run as root
    ```sh background        run in a second terminal until the next "## " heading
    ```sh hangs             must open a channel, and neither print nor end
    ```text                 what the block before it prints, exactly
    ```text numbers vary    the same, but any number matches any number, with any number of
                            spaces around it
    ```python FILE          written to this file; any language
    ```sh on MACHINE        not for this machine: ignored, in any language
    ```                     ignored

<!-- check: COMMANDS --> after a block are commands that must succeed, as root. $output is the
file with the output of the block. A background block has started when it publishes a line or
opens a channel for reading; its check is repeated until it succeeds or times out.

Every block of commands needs a text or a check. A file needs a check, or a later block of
commands that names it. Needs root, the installed commands and a machine of its own: it adds a
user and leaves channels behind.
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
PATIENCE = 120  # seconds for an event in the background
HANG = 2        # seconds that a block must hang

FENCE = re.compile(r"```(\S*) ?(.*)")
CHECK = re.compile(r"<!-- check:(.*?)-->\n*", re.DOTALL)
FLAGS = ("root", "background", "hangs")


class Block:
    """A fenced block with its expected output and its check."""

    def __init__(self, section, heading, language, words, text):
        self.section, self.heading, self.text = section, heading, text
        self.shown = self.check = None
        self.numbers_vary = False
        flags = set(words.split())
        self.root, self.background, self.hangs = (flag in flags for flag in FLAGS)
        self.is_commands = language == "sh" and flags <= set(FLAGS)
        self.file = None if self.is_commands else words

    def name(self):
        """Its heading and first line. A # would start a TAP directive."""
        return f"{self.heading}: {self.file or self.text.splitlines()[0]}".split("#")[0].rstrip()

    def is_checked(self, later):
        """Would a mistake in it be noticed?"""
        if self.shown is not None or self.check or self.hangs:
            return True
        return self.file and any(other.is_commands and self.file in other.text for other in later)


def parse(page):
    """The blocks of a page. Exits if one of them is malformed or unchecked."""
    blocks, block, section, heading = [], None, 0, ""
    while page:
        line, _, rest = page.partition("\n")
        fence, check = FENCE.fullmatch(line), CHECK.match(page)
        if fence:
            text, end, rest = rest.partition("\n```\n")
            language, words = fence.groups()
            if not end:
                sys.exit(f"{heading}: a block without an end")
            if language == "text":
                if not block or block.shown is not None:
                    sys.exit(f"{heading}: a text without commands that print it")
                block.shown, block.numbers_vary = text + "\n", words == "numbers vary"
            elif language and not words.startswith("on "):
                block = Block(section, heading, language, words, text + "\n")
                blocks.append(block)
        elif check:
            if not block or block.check:
                sys.exit(f"{heading}: a check without a block")
            block.check, rest = check[1].strip(), page[check.end():]
        elif re.match("#+ ", line):
            heading, block = line.lstrip("# "), None
            section += line.startswith("## ")
        page = rest
    for i, block in enumerate(blocks):
        if not block.is_commands and not block.file:
            sys.exit(f"{block.name()}: neither commands nor a file with a name")
        if not block.is_checked(blocks[i + 1:]):
            sys.exit(f"{block.name()}: nothing checks this block")
    return blocks


def start(commands, out, root=False, **environment):
    """Starts a shell in a session of its own, so that end() reaches all its children."""
    shell = ["bash", "-e", "-c", commands]
    with open(out, "w", encoding="utf-8") as file:
        return subprocess.Popen(shell if root else ["runuser", "-u", USER, "--", *shell],
                                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                start_new_session=True,
                                env={**os.environ, "HOME": os.getcwd(), **environment})


def end(process):
    """Kills a shell and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def execute(commands, out, root=False, **environment):
    """Runs commands. Returns what went wrong, or None."""
    process = start(commands, out, root, **environment)
    try:
        status = process.wait(LIMIT)
        return f"it ended with status {status}" if status else None
    except subprocess.TimeoutExpired:
        return f"it took longer than {LIMIT} s"
    finally:
        end(process)


def read(path):
    """The content of a file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def same(block, printed):
    """Did it print what the page shows?"""
    if block.numbers_vary:
        shape = re.compile(r" *\d+ *")
        return shape.sub("0", printed) == shape.sub("0", block.shown)
    return printed == block.shown


def verify(block, output):
    """What is wrong with its output or its effect, or None."""
    if block.shown is not None and not same(block, read(output)):
        return "it printed:\n" + read(output) + "instead of:\n" + block.shown
    if block.check:
        wrong = execute(block.check, output + ".check", root=True, output=output)
        if wrong:
            return (f"the check: {wrong}:\n{block.check}\n{read(output + '.check')}"
                    f"it printed:\n{read(output)}")
    return None


def run(block, output):
    """Runs a block that ends. Returns what is wrong, or None."""
    if not block.is_commands:
        with open(block.file, "w", encoding="utf-8") as file:
            file.write(block.text)
        open(output, "w", encoding="utf-8").close()
    else:
        wrong = execute(block.text, output, block.root)
        if wrong:
            return f"{wrong}; it printed:\n{read(output)}"
        if block.root:
            # The next block may run as a user: wait until udev has set the permissions.
            subprocess.run(["udevadm", "settle"], check=False)
    return verify(block, output)


def activity():
    """Changes when a line is published, or a channel is opened for reading."""
    return [read(path) for name in ("generation", "readers")
            for path in glob.glob(f"/sys/class/lastline/*/{name}")]


def start_in_background(block, output):
    """Starts a block and waits until it uses a channel: the next block may depend on it."""
    before, deadline = activity(), time.monotonic() + PATIENCE
    process = start(block.text, output, block.root)
    while activity() == before and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


def hang(block, output):
    """Runs a block that has to hang. Returns what is wrong, or None."""
    process = start_in_background(block, output)
    time.sleep(HANG)
    ended = process.poll() is not None
    end(process)
    return f"it does not hang; it printed:\n{read(output)}" if ended or read(output) else None


def await_right(block, output):
    """Waits until the output and the effect of a background block are right."""
    deadline = time.monotonic() + PATIENCE
    while True:
        wrong = verify(block, output)
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.1)


def run_section(blocks):
    """Runs the blocks of a section. Returns what is wrong with each."""
    running, wrong = [], {}
    for block in blocks:
        output = f"/tmp/output.{id(block)}"
        if block.background:
            running.append((block, output, start_in_background(block, output)))
        else:
            wrong[block] = (hang if block.hangs else run)(block, output)
    for block, output, _ in running:
        wrong[block] = await_right(block, output)
    for _, _, process in running:
        end(process)
    return wrong


def main():
    """Runs the pages, section by section."""
    pages = [parse(read(path)) for path in sys.argv[1:]]
    subprocess.run(["useradd", "--create-home", "--groups", "lastline", USER], check=True)
    os.chdir(os.path.expanduser("~" + USER))
    results = tap.Tap()
    for blocks in pages:
        for _, section in itertools.groupby(blocks, lambda block: block.section):
            section = list(section)
            wrong = run_section(section)
            for block in section:
                results.result(block.name(), wrong[block] or "")
    sys.exit(results.finish())


if __name__ == "__main__":
    main()
