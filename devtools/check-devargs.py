#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check that the guides describe every device argument that a driver registers, and no others.

An argument is what stands before '=' in a driver's RTE_PMD_REGISTER_PARAM_STRING. Its guide is
doc/guides/nics/NAME.rst for drivers/net/NAME and doc/guides/vdpadevs/NAME.rst for
drivers/vdpa/NAME, and has to have it as ``argument`` or ``argument=...``. What begins a row of a table there
as ``argument=...`` has to be one.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEY = re.compile(r"([\w-]+)=")
GUIDES = {"net": "nics", "vdpa": "vdpadevs"}
REGISTERED = re.compile(r"RTE_PMD_REGISTER_PARAM_STRING\(\s*(\w+)\s*,(.*?)\);", re.S)
ROW = re.compile(r"^ +\* - ``([\w-]+)=", re.M)
DEFINITION = re.compile(r"^#define[ \t]+(\w+)[ \t]+((?:[^\n\\]|\\\n|\\.)*)", re.M)


def literal(text: str, macros: dict) -> str:
    """The string that literals and macros in a row make."""
    tokens = re.findall(r'"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*)', text)
    return "".join(string or literal(macros.get(name, ""), macros) for string, name in tokens)


def main() -> int:
    problems = 0
    for driver in sorted(path for kind in GUIDES for path in (ROOT / "drivers" / kind).glob("*/")):
        sources = [path.read_text(encoding="utf-8") for path in sorted(driver.glob("*.[ch]"))]
        macros = dict(pair for source in sources for pair in DEFINITION.findall(source))
        guide = ROOT / "doc" / "guides" / GUIDES[driver.parent.name] / f"{driver.name}.rst"
        text = guide.read_text(encoding="utf-8") if guide.is_file() else ""
        known = set()
        for source in sources:
            for name, strings in REGISTERED.findall(source):
                for argument in KEY.findall(literal(strings, macros)):
                    known.add(argument)
                    if not re.search(rf"``{argument}(=[^`]*)?``", text):
                        print(f"{guide.relative_to(ROOT)}: no ``{argument}`` of {name}")
                        problems += 1
        for argument in sorted(set(ROW.findall(text)) - known):
            print(f"{guide.relative_to(ROOT)}: ``{argument}=`` is registered by no driver in "
                  f"{driver.relative_to(ROOT)}")
            problems += 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
