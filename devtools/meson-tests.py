#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Tell test.sh which tests a build has, and how they ended.

Usage: meson-tests.py names BUILD_DIR SUITE PATTERN
       meson-tests.py results BUILD_DIR

"names" prints the names of the tests in SUITE (any, if empty) that match the shell pattern PATTERN
(any, if empty). "results" prints RESULT<tab>NAME<tab>REASON for each test of the last run, where
RESULT is OK, FAIL or SKIP, and REASON of a skipped one is the last line that it printed.
"""
import fnmatch
import json
import os
import subprocess
import sys

OUTCOME = {"OK": "OK", "EXPECTEDFAIL": "OK", "SKIP": "SKIP"}


def names(build: str, suite: str, pattern: str) -> None:
    known = subprocess.run(["meson", "introspect", build, "--tests"], check=True,
                           stdout=subprocess.PIPE).stdout
    for test in json.loads(known):
        suites = [name.rsplit(":", 1)[-1] for name in test["suite"]]
        if (not suite or suite in suites) and fnmatch.fnmatch(test["name"], pattern or "*"):
            print(test["name"])


def reason(test: dict, outcome: str) -> str:
    if outcome == "OK":
        return ""
    if outcome == "FAIL":
        return f"{test['result'].lower()}, exit status {test.get('returncode')}"
    lines = [line.strip() for part in ("stdout", "stderr")
             for line in test.get(part, "").splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def results(build: str) -> None:
    with open(os.path.join(build, "meson-logs", "testlog.json"), encoding="utf-8",
              errors="replace") as lines:
        for test in map(json.loads, lines):
            outcome = OUTCOME.get(test["result"], "FAIL")
            name = test["name"].rsplit(" / ", 1)[-1]
            print(outcome, f"{name} ({os.path.basename(build)})", reason(test, outcome), sep="\t")


def main() -> int:
    command, *arguments = sys.argv[1:] or [""]
    try:
        if command == "names" and len(arguments) == 3:
            names(*arguments)
        elif command == "results" and len(arguments) == 1:
            results(*arguments)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"meson-tests.py {command}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
