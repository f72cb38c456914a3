#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Tell test.sh which tests a build has, and how they ended.

Usage: meson-tests.py names BUILD_DIR SUITES PATTERN
       meson-tests.py list BUILD_DIR SUITES PATTERN
       meson-tests.py results BUILD_DIR [no-skips]

"names" prints what to give meson to run the tests in SUITES (some, with commas between them; any, if
empty) that match the shell pattern PATTERN (any, if empty); "list" prints the names of the tests
themselves, which are not the same where one program runs several of them (those print TAP, and their
option --list names them).
"results" prints RESULT<tab>NAME<tab>REASON for each test of the last run, where RESULT is OK, FAIL
or SKIP, and REASON of a skipped one is the last line that it printed, of a failed one those that tell
what went wrong. Cases that a test skipped have lines of their own. With "no-skips", what was skipped
counts as failed, unless its reason begins with "hardware:".
"""
import fnmatch
import json
import os
import re
import subprocess
import sys

# How a failure reads in what cmocka, the sanitizers, our own scripts and Python print.
TELLING = re.compile(r"FAILED \(|error: |ERROR: |Error: |^\[ *LINE *\]")
TELLING_LINES = 4
# How a case that was skipped reads in what the integration tests print, those in guests with a # before
# it, and in what cmocka does.
HARNESS_SKIP = re.compile(r"^(?:# )?(\S.*): skipped \([\d.]+ s\)(?:: (.*))?$")
CMOCKA_RUN = "[ RUN      ] "
CMOCKA_SKIP = "[  SKIPPED ] "
NO_REASON = "no reason given"
HARDWARE = "hardware:"
OUTCOME = {"OK": "OK", "EXPECTEDFAIL": "OK", "SKIP": "SKIP"}


def members(test: dict) -> list[str]:
    """The tests that meson's test is made of."""
    if test["protocol"] != "tap":
        return [test["name"]]
    # Without the pattern that is in the environment, which would hide those that it is not for.
    environment = {**os.environ, **test["env"], "VDPA_ONLY": ""}
    return subprocess.run([*test["cmd"], "--list"], check=True, stdout=subprocess.PIPE, text=True,
                          env=environment).stdout.split()


def names(build: str, suites: str, pattern: str, each: bool) -> None:
    known = subprocess.run(["meson", "introspect", build, "--tests"], check=True,
                           stdout=subprocess.PIPE).stdout
    for test in json.loads(known):
        member_of = {name.rsplit(":", 1)[-1] for name in test["suite"]}
        if suites and member_of.isdisjoint(suites.split(",")):
            continue
        found = [name for name in members(test) if fnmatch.fnmatch(name, pattern or "*")]
        for name in found if each else [test["name"]] if found else []:
            print(name)


def reason(test: dict, outcome: str) -> str:
    if outcome == "OK":
        return ""
    lines = [line.strip() for part in ("stdout", "stderr")
             for line in test.get(part, "").splitlines() if line.strip()]
    if outcome == "FAIL":
        told = [line for line in lines if TELLING.search(line)][:TELLING_LINES]
        status = f"{test['result'].lower()}, exit status {test.get('returncode')}"
        return "; ".join([status, *told]).expandtabs(1)
    return lines[-1] if lines else NO_REASON


def skipped_cases(test: dict) -> list[tuple[str, str]]:
    """Name and reason of each case that a test skipped; of cmocka's the reason is its last line."""
    found = []
    running = last = ""
    for line in (test.get("stdout", "") + "\n" + test.get("stderr", "")).splitlines():
        if line.startswith(CMOCKA_RUN):
            running, last = line[len(CMOCKA_RUN):], ""
        elif harness := HARNESS_SKIP.match(line):
            found.append((harness.group(1), harness.group(2) or NO_REASON))
        elif running and line == CMOCKA_SKIP + running:
            found.append((running, last or NO_REASON))
            running = ""    # named again where cmocka lists all of them
        elif line.strip():
            last = line.strip()
    return found


def tap_results(output: str) -> list[tuple[str, str, str]]:
    """Outcome, name and reason of each test that a program's output in TAP tells of."""
    found = []
    for bad, name, directive, why in re.findall(r"^(not )?ok \d+ - (\S+)( # SKIP ?(.*))?$", output,
                                                re.M):
        outcome = "FAIL" if bad else "SKIP" if directive else "OK"
        told = re.findall(rf"^# {re.escape(name)}: (.*)$", output, re.M) if bad else []
        found.append((outcome, name, told[-1] if told else why))
    plan = re.search(r"^1\.\.(\d+)", output, re.M)
    if not plan or int(plan.group(1)) != len(found):
        found.append(("FAIL", "the rest of them", "the program ended before it had run all"))
    return found


def results_of(test: dict) -> list[tuple[str, str, str]]:
    """Outcome, name and reason of all that one of meson's tests is made of."""
    outcome = OUTCOME.get(test["result"], "FAIL")
    name = test["name"].rsplit(" / ", 1)[-1]
    if test.get("stdout", "").startswith("TAP version"):
        return tap_results(test["stdout"]) + [("SKIP", *one) for one in skipped_cases(test)]
    cases = [("SKIP", f"{name}: {case}", why) for case, why in skipped_cases(test)]
    return cases if outcome == "SKIP" and cases else \
        [(outcome, name, reason(test, outcome))] + cases


def results(build: str, no_skips: bool) -> None:
    with open(os.path.join(build, "meson-logs", "testlog.json"), encoding="utf-8",
              errors="replace") as lines:
        for test in map(json.loads, lines):
            for outcome, name, why in results_of(test):
                if no_skips and outcome == "SKIP" and not why.startswith(HARDWARE):
                    outcome, why = "FAIL", f"skipped: {why}"
                print(outcome, f"{name} ({os.path.basename(build)})", why, sep="\t")


def main() -> int:
    command, *arguments = sys.argv[1:] or [""]
    try:
        if command in ("names", "list") and len(arguments) == 3:
            names(*arguments, command == "list")
        elif command == "results" and arguments[1:] in ([], ["no-skips"]):
            results(arguments[0], len(arguments) > 1)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"meson-tests.py {command}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
