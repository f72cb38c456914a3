# SPDX-License-Identifier: BSD-3-Clause
"""Directives that show the tables of dpdk-vdpa-testpmd: testpmd-options, testpmd-modes and
testpmd-commands."""
import sys
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "app" / "test-pmd"
sys.path.insert(0, str(ROOT / "buildtools"))

import testpmd_tables as tables  # noqa: E402


def definitions(pairs) -> nodes.Node:
    """A list of literals, each with the text that explains it."""
    top = nodes.definition_list()
    for literal, text in pairs:
        term = nodes.term("", "", nodes.literal(literal, literal))
        top += nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph("", text)))
    return top


class Table(Directive):
    def run(self):
        environment = self.state.document.settings.env
        for file in SOURCE.glob("*.c"):
            environment.note_dependency(str(file))
        return self.content_nodes()


class Options(Table):
    def content_nodes(self):
        return [definitions(
            ((f"-{o.letter}, " if o.letter else "") + f"--{o.name}"
             + (f"={o.argument}" if o.argument else ""), o.help)
            for o in tables.options(SOURCE))]


class Modes(Table):
    def content_nodes(self):
        return [definitions(tables.modes(SOURCE))]


class Commands(Table):
    def content_nodes(self):
        found = []
        for title, commands in tables.sections(SOURCE):
            section = nodes.section(ids=[nodes.make_id(title)])
            section += nodes.title(title, title)
            section += definitions((c.syntax, c.help) for c in commands)
            found.append(section)
        return found


def setup(app):
    for name, directive in (("options", Options), ("modes", Modes), ("commands", Commands)):
        app.add_directive(f"testpmd-{name}", directive)
    return {"parallel_read_safe": True}
