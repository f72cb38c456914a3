# SPDX-License-Identifier: BSD-3-Clause
"""Runs the cases of a test file and tells the result the way meson understands it.

A test file ends in
    if __name__ == "__main__":
        run(case, case, ("name", callable), ...)
and every case takes a Workspace. Exit status: 0 passed, 1 failed, 77 every case skipped.

Cases that wait more than they work can run at the same time, each in a process of its own, and none with
hugepages, since nobody knows how many there will be left:
        run(case, .., at_once=4)
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.child import bound_to_us

from .result import Failure, Skip
from .workspace import Workspace

EXIT_SKIP = 77


def _terminated(_number, _frame) -> None:
    raise SystemExit("terminated")  # unwinds through every workspace


def _one(name: str, case, keep: bool) -> tuple[str, str]:
    print(f"{name} ...", flush=True)
    began = time.monotonic()
    try:
        with Workspace(re.sub(r"[^A-Za-z0-9]+", "_", name), keep) as workspace:
            try:
                case(workspace)
            except Skip:
                raise
            except Exception:
                workspace.report()
                raise
        outcome, why = "ok", ""
    except Skip as skip:
        outcome, why = "skipped", str(skip)
    except Failure as failure:
        outcome, why = "FAILED", str(failure)
    except Exception:  # pylint: disable=broad-except
        outcome, why = "FAILED", traceback.format_exc()
    took = time.monotonic() - began
    print(f"{name}: {outcome} ({took:.1f} s){': ' if why else ''}{why}", flush=True)
    return outcome, why


class _Apart:
    """Runs cases in processes of their own, which end before this object does."""

    def __init__(self, keep: bool):
        self._command = [sys.executable, sys.argv[0], "--exactly", *["--keep"] * keep]
        self._children: set[subprocess.Popen] = set()
        self._over = False

    def __enter__(self) -> "_Apart":
        return self

    def __exit__(self, *_exc) -> None:
        self._over = True
        for child in list(self._children):
            child.terminate()

    def __call__(self, name: str) -> tuple[str, str]:
        if self._over:
            return "skipped", "terminated"
        with subprocess.Popen([*self._command, name], stdout=subprocess.PIPE, text=True,
                              errors="replace", preexec_fn=bound_to_us(),
                              env={**os.environ, "VDPA_NO_HUGE": "1"}) as child:
            self._children.add(child)
            lines = child.communicate()[0].splitlines() or [""]
            self._children.discard(child)
        # All but the line with the counts.
        print("\n".join(lines[:-1]), flush=True)
        outcome = {0: "ok", EXIT_SKIP: "skipped"}.get(child.returncode, "FAILED")
        return outcome, lines[-1]


def _all(named: list, keep: bool, at_once: int) -> list[tuple[str, str]]:
    if at_once == 1 or len(named) == 1:
        return [_one(name, case, keep) for name, case in named]
    with ThreadPoolExecutor(at_once) as pool, _Apart(keep) as apart:
        return list(pool.map(apart, [name for name, _ in named]))


def run(*cases, at_once: int = 1) -> None:
    """Run cases, each a function or a pair (name, function), and exit."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--keep", action="store_true", help="keep the directories with the logs")
    parser.add_argument("--exactly", action="store_true", help="PATTERN is a whole name")
    parser.add_argument("pattern", nargs="*", help="run only cases whose name has one of these")
    options = parser.parse_args()
    named = [c if isinstance(c, tuple) else (c.__name__, c) for c in cases]
    if options.exactly:
        named = [(n, c) for n, c in named if n in options.pattern]
    elif options.pattern:
        named = [(n, c) for n, c in named if any(p in n for p in options.pattern)]
    if options.list:
        print("\n".join(n for n, _ in named))
        sys.exit(0)
    if not named:
        sys.exit("no case has a name like that; --list prints them")

    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGHUP, _terminated)
    results = _all(named, options.keep, at_once)
    counts = Counter(outcome for outcome, _ in results)
    print(f"{Path(sys.argv[0]).stem}: {counts['ok']} passed, {counts['FAILED']} failed, "
          f"{counts['skipped']} skipped")
    if counts["FAILED"]:
        sys.exit(1)
    if not counts["ok"]:
        print(results[0][1])  # whoever collects results shows the last line as the reason
        sys.exit(EXIT_SKIP)
    sys.exit(0)
