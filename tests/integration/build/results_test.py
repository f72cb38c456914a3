#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""devtools/meson-tests.py tells of each case that a test skipped, and lets none pass where none may be; and
it tells why a test failed.

Usage: results_test.py MESON_TESTS HARNESS_DIRECTORY
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = """
import sys
sys.path.insert(0, {harness!r})
from harness.result import Skip
from harness.runner import run

def passes(workspace):
    pass

def lacks_a_package(workspace):
    raise Skip("nothing is not installed (package nothing)")

def lacks_a_device(workspace):
    raise Skip("hardware: no ConnectX-6")

run({cases})
"""
CMOCKA = """[==========] some: Running 2 test(s).
[ RUN      ] splits
[       OK ] splits
[ RUN      ] packs
this kernel does not let us
[  SKIPPED ] packs
[==========] some: 2 test(s) run.
[  PASSED  ] 1 test(s).
[  SKIPPED ] some: 1 test(s), listed below:
[  SKIPPED ] packs

 1 SKIPPED TEST(S)
"""
TAP = """TAP version 13
1..3
# lab_a: on_a_card: skipped (0.1 s): hardware: no card
ok 1 - lab_a
ok 2 - lab_b # SKIP no kernel to boot
# lab_c: 12.3 s
not ok 3 - lab_c
# lab_c: exit status 1; a_case: FAILED (3.2 s): no frame
"""
NOT_INSTALLED = "nothing is not installed (package nothing)"
NOT_HERE = "hardware: no ConnectX-6"
EXPECTED = [
    ("OK", "some", ""),
    ("SKIP", "some: lacks_a_package", NOT_INSTALLED), ("SKIP", "some: lacks_a_device", NOT_HERE),
    ("SKIP", "all: lacks_a_package", NOT_INSTALLED),
    ("SKIP", "script", "abidiff is not installed"),
    ("OK", "unit", ""), ("SKIP", "unit: packs", "this kernel does not let us"),
    ("OK", "lab_a", ""), ("SKIP", "lab_b", "no kernel to boot"),
    ("FAIL", "lab_c", "exit status 1; a_case: FAILED (3.2 s): no frame"),
    ("SKIP", "lab_a: on_a_card", "hardware: no card"),
]


def entry(name: str, result: str, stdout: str) -> str:
    return json.dumps({"name": f"suite / {name}", "result": result, "stdout": stdout})


def ran(harness: str, cases: str, status: int) -> str:
    """What the harness prints when it runs these cases."""
    done = subprocess.run([sys.executable, "-c", CASES.format(harness=harness, cases=cases)],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != status:
        sys.exit(f"expected status {status}, got {done.returncode}:\n{done.stdout}")
    return done.stdout


def rows(tool: str, build: Path, *more: str) -> list[tuple]:
    output = subprocess.run([sys.executable, tool, "results", build, *more], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    return [tuple(line.replace(f" ({build.name})", "").split("\t")) for line in output.splitlines()]


def main() -> int:
    tool, harness = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        build = Path(directory)
        (build / "meson-logs").mkdir()
        (build / "meson-logs" / "testlog.json").write_text("\n".join((
            entry("some", "OK", ran(harness, "passes, lacks_a_package, lacks_a_device", 0)),
            entry("all", "SKIP", ran(harness, "lacks_a_package", 77)),
            entry("script", "SKIP", "abidiff is not installed\n"),
            entry("unit", "OK", CMOCKA), entry("lab", "OK", TAP))), encoding="utf-8")
        found, strict = rows(tool, build), rows(tool, build, "no-skips")
    none_may_be = [("FAIL", name, f"skipped: {why}")
                   if outcome == "SKIP" and not why.startswith("hardware:") else (outcome, name, why)
                   for outcome, name, why in EXPECTED]
    for got, expected in ((found, EXPECTED), (strict, none_may_be)):
        if got != expected:
            print("expected", *expected, "got", *got, sep="\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
