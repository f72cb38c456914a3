#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check a library's export map against its public headers, and write the linker's version script.

Usage: export-map.py MAP ABI_MAJOR OUTPUT HEADER...

MAP names every exported function once, under a line that says which contract it is exported with:

    [stable]         declared with no tag             -> node DPDK_<ABI_MAJOR>
    [experimental]   declared with __rte_experimental -> node EXPERIMENTAL
    [internal]       declared with __rte_internal     -> node INTERNAL

It is an error if a function is in MAP and in no header, in a header and not in MAP, or in both under
different contracts.
"""
import re
import sys

NODES = {"stable": "DPDK_{major}", "experimental": "EXPERIMENTAL", "internal": "INTERNAL"}
TAGS = {"__rte_experimental": "experimental", "__rte_internal": "internal"}


def read_map(path: str) -> dict:
    exports, contract = {}, None
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            section = re.fullmatch(r"\[(\w+)\]", line)
            if section:
                contract = section[1]
                if contract not in NODES:
                    raise ValueError(f"{path}:{number}: unknown section [{contract}]")
            elif contract is None or not re.fullmatch(r"\w+", line):
                raise ValueError(f"{path}:{number}: expected a section or a name, not '{line}'")
            elif line in exports:
                raise ValueError(f"{path}:{number}: {line} is listed twice")
            else:
                exports[line] = contract
    return exports


def declarations(text: str):
    """Yield the statements at file scope, without comments, directives and bodies."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"^[ \t]*#[^\n]*", " ", text, flags=re.M)
    text = re.sub(r'extern\s*"C"\s*\{', " ", text)
    statement, depth = "", 0
    for char in text:
        if char == "{":
            depth += 1
            statement += "{" if depth == 1 else ""
        elif char == "}":
            depth = max(depth - 1, 0)
            # The body of a function ends a statement without a semicolon.
            if depth == 0 and re.search(r"\)\s*\{$", statement):
                statement = ""
        elif depth == 0 and char == ";":
            yield " ".join(statement.split())
            statement = ""
        elif depth == 0:
            statement += char


def read_header(path: str) -> dict:
    found = {}
    with open(path, encoding="utf-8") as header:
        text = header.read()
    for statement in declarations(text):
        if re.match(r"(typedef|static|struct \w+ ?\{|union|enum \w+ ?\{)", statement):
            continue
        name = re.search(r"\b(\w+) ?\(", re.sub(r"__attribute__ ?\(\(.*?\)\)", "", statement))
        if name:
            words = statement.split()
            tag = next((TAGS[word] for word in words if word in TAGS), "stable")
            found[name[1]] = tag
    return found


def compare(path: str, exports: dict, declared: dict) -> list:
    problems = []
    for name in sorted(set(exports) | set(declared)):
        if name not in declared:
            problems.append(f"{path}: {name} is exported, but no public header declares it")
        elif name not in exports:
            problems.append(f"{path}: {name} is declared {declared[name]}, but not exported")
        elif exports[name] != declared[name]:
            problems.append(f"{path}: {name} is exported {exports[name]}, but declared "
                            f"{declared[name]}")
    return problems


def write_script(path: str, exports: dict, major: str) -> None:
    with open(path, "w", encoding="utf-8") as out:
        for contract, node in NODES.items():
            names = sorted(name for name in exports if exports[name] == contract)
            if not names and contract != "stable":
                continue
            out.write(node.format(major=major) + " {\n")
            if names:
                out.write("\tglobal:\n" + "".join(f"\t{name};\n" for name in names))
            if contract == "stable":
                out.write("\tlocal: *;\n")
            out.write("};\n")


def main() -> int:
    if len(sys.argv) < 5:
        print(__doc__, file=sys.stderr)
        return 2
    path, major, output, *headers = sys.argv[1:]
    try:
        exports = read_map(path)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    declared = {}
    for header in headers:
        declared.update(read_header(header))
    problems = compare(path, exports, declared)
    print(*problems, sep="\n" if problems else "", file=sys.stderr, end="\n" if problems else "")
    if problems:
        return 1
    write_script(output, exports, major)
    return 0


if __name__ == "__main__":
    sys.exit(main())
