#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Which lines of a library the tests have run, of a build with -Db_coverage=true.

Usage: coverage-report.py BUILD SOURCES REASONS PERCENT

Prints a table by file, and every line below SOURCES that nothing has run, with the reason that REASONS
gives for it. Fails if less than PERCENT of the lines were run, if a line has no reason, or if a reason
is of no use any more.
"""
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

SEPARATOR = " | "
STATEMENT_LINES = 3  # at most, besides the first


@dataclass
class Line:
    number: int
    text: str       # of the statement that begins there
    function: str
    count: int = 0


@dataclass
class Reason:
    """A line of REASONS: FILE | WHICH | WHY. WHICH is a function, NAME(), or how a statement begins;
    FILE begins with ? if the lines are run now and then."""
    file: str
    which: str
    why: str
    maybe: bool
    used: bool = False

    @staticmethod
    def parse(text: str) -> "Reason":
        file, which, why = text.split(SEPARATOR, 2)
        return Reason(file.lstrip("? "), which.strip(), why.strip(), file.startswith("?"))

    def covers(self, file: str, line: Line) -> bool:
        return file == self.file and (self.which == f"{line.function}()" or
                                      line.text.startswith(self.which))


def statement(lines: list[str], number: int) -> str:
    """What begins in a line, in one line."""
    text = lines[number - 1].strip()
    for line in lines[number:number + STATEMENT_LINES]:
        if text.endswith((";", "{", "}")):
            break
        text += " " + line.strip()
    return text


def measured(build: Path, sources: Path) -> dict[str, dict[int, Line]]:
    """What gcov says of all objects; a source that is compiled several times counts once."""
    files: dict[str, dict[int, Line]] = defaultdict(dict)
    texts: dict[Path, list[str]] = {}
    for notes in sorted((build / sources).rglob("*.gcno")):
        said = subprocess.run(["gcov", "--json-format", "--stdout", notes], cwd=build,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        for document in said.splitlines():
            for one in json.loads(document)["files"] if document.strip() else []:
                path = (build / one["file"]).resolve()
                if not path.is_relative_to(sources.resolve()):
                    continue
                if path not in texts:
                    texts[path] = path.read_text(encoding="utf-8").splitlines()
                for found in one["lines"]:
                    number = found["line_number"]
                    if number > len(texts[path]):
                        sys.exit(f"coverage: {path} is not what was built: build and run again")
                    line = files[path.name].setdefault(number, Line(
                        number, statement(texts[path], number),
                        found.get("function_name", "")))
                    line.count += found["count"]
    return files


def read_reasons(path: Path) -> list[Reason]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    bad = [line for line in lines if line and line[0] != "#" and line.count(SEPARATOR) < 2]
    if bad:
        sys.exit(f"coverage: {path}: expected 'FILE | WHICH | WHY', got '{bad[0]}'")
    return [Reason.parse(line) for line in lines if line and line[0] != "#"]


def main() -> int:
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    build, sources, listed, percent = Path(sys.argv[1]).resolve(), Path(sys.argv[2]), \
        Path(sys.argv[3]), float(sys.argv[4])
    files, reasons = measured(build, sources), read_reasons(listed)
    if not files:
        sys.exit(f"coverage: {build} has no notes of the compiler: is it built with b_coverage?")
    print(f"{'file':<28} {'lines':>6} {'run':>6} {'%':>6}")
    lines = run = unexplained = 0
    for name, found in sorted(files.items()):
        ran = sum(line.count > 0 for line in found.values())
        print(f"{name:<28} {len(found):>6} {ran:>6} {100 * ran / len(found):>6.1f}")
        lines, run = lines + len(found), run + ran
    print(f"{'all':<28} {lines:>6} {run:>6} {100 * run / lines:>6.1f}\n\nnot run:")
    for name, found in sorted(files.items()):
        for line in sorted(found.values(), key=lambda line: line.number):
            if line.count:
                continue
            why = [reason for reason in reasons if reason.covers(name, line)]
            for reason in why:
                reason.used = True
            unexplained += not why
            print(f"{sources / name}:{line.number}: {line.text}\n"
                  f"\t{why[0].why if why else 'NO REASON GIVEN'}")
    stale = [reason for reason in reasons if not reason.used and not reason.maybe]
    for reason in stale:
        print(f"{listed}: '{reason.which}' of {reason.file} is run now, or is gone: take it out")
    if unexplained:
        print(f"{unexplained} lines have no reason in {listed}: cover them with a test, or give one")
    if 100 * run < percent * lines:
        print(f"less than {percent:g} % of the lines were run")
    return 1 if stale or unexplained or 100 * run < percent * lines else 0


if __name__ == "__main__":
    sys.exit(main())
