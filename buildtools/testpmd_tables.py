# SPDX-License-Identifier: BSD-3-Clause
"""The options, commands and forwarding modes of dpdk-vdpa-testpmd, read from its sources.

What the program says about itself (--help, help) is in tables there. The guide and the manual page
are made from the same tables.
"""
import re
from dataclasses import dataclass
from pathlib import Path

STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
# Sections as the program's "help" lists them.
SECTION_ORDER = re.compile(r"sections\[\] = \{(.*?)\};", re.S)
SECTION = re.compile(r'const struct section section_(\w+) = \{(.*?)\};', re.S)
COMMANDS = re.compile(r"static const struct command commands\[\] = \{(.*?)\n\};", re.S)
OPTIONS = re.compile(r"static const struct option_row rows\[\] = \{(.*?)\n\};", re.S)
MODE = re.compile(r'\.name = "(\w+)",\s*\.help = ((?:"(?:[^"\\]|\\.)*"\s*)+)')
MODE_ORDER = re.compile(r"fwd_engines\[\] = \{(.*?)\};", re.S)


@dataclass
class Option:
    letter: str
    name: str
    argument: str
    help: str


@dataclass
class Command:
    syntax: str
    help: str


def strings(text: str) -> str:
    """The string that literals in a row make."""
    return "".join(STRING.findall(text)).replace('\\"', '"').replace("\\n", "\n")


def rows(table: str) -> list:
    """Text of each { row } of a table."""
    table = re.sub(r"/\*.*?\*/", "", table, flags=re.S)
    found, depth, start, quoted = [], 0, 0, False
    for i, char in enumerate(table):
        if char == '"' and table[i - 1] != "\\":
            quoted = not quoted
        elif not quoted and char == "{":
            depth += 1
            if depth == 1:
                start = i + 1
        elif not quoted and char == "}":
            depth -= 1
            if depth == 0:
                found.append(table[start:i])
    return found


def options(source: Path) -> list:
    table = OPTIONS.search((source / "options.c").read_text(encoding="utf-8"))[1]
    found = []
    for row in rows(table):
        head, text = row.split(".help =", 1)
        words = STRING.findall(head)
        letter = re.search(r"'(\w)'", head)
        found.append(Option(letter[1] if letter else "", words[0],
                            words[1] if len(words) > 1 else "", strings(text)))
    return found


def sections(source: Path) -> list:
    """(title, commands) of each section."""
    found = {}
    for file in source.glob("cmd_*.c"):
        text = file.read_text(encoding="utf-8")
        commands = []
        for row in rows(COMMANDS.search(text)[1]):
            syntax = STRING.search(row)
            if syntax:
                commands.append(Command(syntax[1], strings(row[syntax.end():])))
        symbol, fields = SECTION.search(text).groups()
        found[symbol] = (STRING.findall(fields)[1], commands)
    order = SECTION_ORDER.search((source / "console_help.c").read_text(encoding="utf-8"))[1]
    return [found[name] for name in re.findall(r"&section_(\w+)", order)]


def modes(source: Path) -> list:
    """(name, help) of each forwarding mode."""
    found = {}
    for file in source.glob("engine_*.c"):
        for name, text in MODE.findall(file.read_text(encoding="utf-8")):
            found[name] = strings(text)
    order = MODE_ORDER.search((source / "engines.c").read_text(encoding="utf-8"))[1]
    return [(name, found[name]) for name in re.findall(r"&fwd_engine_(\w+)", order)]
