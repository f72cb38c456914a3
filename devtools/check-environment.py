#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check that the guides have each environment variable of the tests and of what developers run, and no
others.

These are names that begin with VDPA_, UNIT_ or LAB_: whole strings in Python, what getenv() is asked for in
C, and what is expanded in shell. The guides have them as ``NAME`` or ``NAME=...``, or in a command line.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = r"(?:VDPA|UNIT|LAB)_[A-Z_]+"
USED = re.compile(rf'"({NAME})"|\$\{{?({NAME})')
TOLD = re.compile(rf"(?<!\w)({NAME})(?=``|=)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="ignore")


def used() -> dict:
    """Names, each with a file that uses it."""
    found = {}
    for place in ("tests", "devtools"):
        for path in sorted((ROOT / place).rglob("*")):
            if path.is_file() and "corpus" not in path.parts and path.suffix != ".pyc":
                for match in USED.finditer(read(path)):
                    found.setdefault(match[1] or match[2], path.relative_to(ROOT))
    return found


def main() -> int:
    names = used()
    told = {name for path in (ROOT / "doc/guides").rglob("*.rst") for name in TOLD.findall(read(path))}
    for name in sorted(names.keys() - told):
        print(f"{names[name]}: {name} is in none of the guides: doc/guides/contributing/testing.rst")
    for name in sorted(told - names.keys()):
        print(f"doc/guides: {name} is read by nothing in tests/ and devtools/")
    return 1 if names.keys() != told else 0


if __name__ == "__main__":
    sys.exit(main())
