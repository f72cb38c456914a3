#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Boil a log of meson's tests down to one line a test.

Usage: test-results.py TESTLOG.JSON LABEL

Prints RESULT<tab>NAME<tab>REASON for each test. RESULT is OK, FAIL or SKIP; REASON is empty for OK,
and for SKIP the last line that the test printed.
"""
import json
import sys

OUTCOME = {"OK": "OK", "EXPECTEDFAIL": "OK", "SKIP": "SKIP"}


def reason(test: dict, outcome: str) -> str:
    if outcome == "OK":
        return ""
    if outcome == "FAIL":
        return f"{test['result'].lower()}, exit status {test.get('returncode')}"
    lines = [line.strip() for part in ("stdout", "stderr")
             for line in test.get(part, "").splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def main() -> int:
    log, label = sys.argv[1:]
    try:
        with open(log, encoding="utf-8", errors="replace") as lines:
            tests = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        print(f"{log}: {error}", file=sys.stderr)
        return 1
    for test in tests:
        outcome = OUTCOME.get(test["result"], "FAIL")
        name = test["name"].rsplit(" / ", 1)[-1]
        print(outcome, f"{name} ({label})", reason(test, outcome), sep="\t")
    return 0 if tests else 1


if __name__ == "__main__":
    sys.exit(main())
