# SPDX-License-Identifier: GPL-2.0-only
"""KTAP output for tests in Python."""
import re


class Skip(Exception):
    """The test cannot run on this machine; the argument is the reason."""


class Tap:
    """Prints each result immediately, and the plan at the end."""

    def __init__(self):
        self.number = self.failed = self.skipped = 0
        print("TAP version 13", flush=True)

    def result(self, name, problem="", skip=""):
        """Prints one result. A problem means that the test failed; skip is a reason."""
        self.number += 1
        self.failed += bool(problem)
        self.skipped += bool(skip)
        if problem:
            print(re.sub("^", "# ", problem.rstrip("\n"), flags=re.MULTILINE))
        print(f"{'not ' if problem else ''}ok {self.number} - {name}"
              f"{' # SKIP ' + skip if skip else ''}", flush=True)

    def finish(self):
        """Prints the plan. Returns kselftest's exit status: 1 failed, 4 all skipped."""
        print(f"1..{self.number}", flush=True)
        if self.failed:
            return 1
        return 4 if self.number and self.skipped == self.number else 0
