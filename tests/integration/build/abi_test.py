#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Whether a binary linked with the distribution's librte_vhost can run on ours.

Usage: abi_test.py OUR_LAYOUT THEIR_LAYOUT DRIVER_LAYOUT LIBRARY VERSION_SCRIPT DPDK_LIBRARY ABSENT

OUR_LAYOUT and THEIR_LAYOUT are abi_layout.c, compiled with the headers of this tree and of the
installed DPDK. DRIVER_LAYOUT has what would be there too if DPDK installed the header that vDPA drivers
include. VERSION_SCRIPT is what LIBRARY was linked with. ABSENT names, in the words of abidiff,
what may be missing in it. What newer releases of DPDK added may be there, as long as it is experimental.
"""
import os
import re
import subprocess
import sys


def run(*command: str) -> list:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def exported(library: str) -> dict:
    """Name -> version node of every function."""
    symbols = (line.split()[-1].split("@@") for line in
               run("nm", "-D", "--defined-only", "--with-symbol-versions", library))
    return {symbol[0]: symbol[1] for symbol in symbols if len(symbol) == 2}


def promised(script: str) -> dict:
    nodes = {}
    with open(script, encoding="utf-8") as text:
        for name, body in re.findall(r"(\w+) \{(.*?)\};", text.read(), re.S):
            nodes.update((symbol, name) for symbol in re.findall(r"(\w+);", body))
    return nodes


def differences(ours: dict, theirs: dict, what: str) -> list:
    return [f"{name}: {ours.get(name, 'absent')}, but {theirs.get(name, 'absent')} in {what}"
            for name in sorted(set(ours) | set(theirs)) if ours.get(name) != theirs.get(name)]


def allowances(path: str) -> list:
    with open(path, encoding="utf-8") as text:
        return re.findall(r"^\s*symbol_name_regexp\s*=\s*(\S+)", text.read(), re.M)


def compare(ours: dict, theirs: dict, absent: list) -> list:
    """What a program linked with theirs would miss, and what ours promises for ever unasked."""
    problems = []
    for name in sorted(set(ours) | set(theirs)):
        here, there = ours.get(name), theirs.get(name)
        if here is None and not any(re.search(regex, name) for regex in absent):
            problems.append(f"{name}: absent, but {there} in the distribution's library")
        elif here is not None and there is None and here != "EXPERIMENTAL":
            problems.append(f"{name}: {here}, but absent in the distribution's library")
        elif here is not None and there is not None and here != there:
            problems.append(f"{name}: {here}, but {there} in the distribution's library")
    return problems


def facts(path: str) -> list:
    with open(path, encoding="utf-8") as text:
        return [line.rstrip("\n") for line in text if line.strip() and not line.startswith("#")]


def main() -> int:
    our_layout, their_layout, drivers, library, script, dpdk_library, absent = sys.argv[1:]
    ours = exported(library)
    problems = differences(ours, promised(script), "the export map")

    layout = [set(run(our_layout)), {*run(their_layout), *facts(drivers)}]
    problems += [f"{line}: only in our headers" for line in sorted(layout[0] - layout[1])]
    problems += [f"{line}: only in DPDK's headers" for line in sorted(layout[1] - layout[0])]

    if os.path.exists(dpdk_library):
        problems += compare(ours, exported(dpdk_library), allowances(absent))
    print(*problems, sep="\n")
    print(f"{len(ours)} functions exported, {len(layout[0])} layout facts compared")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
