#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write a C file that compiles only if our headers declare functions as DPDK's do.

Usage: abi_prototypes.py EXPORT_MAP_PY MAP OUTPUT DPDK_HEADER...

It includes our headers and declares once more, with the words of the installed DPDK's, every function
that both have: the compiler refuses two declarations that differ.
"""
import importlib.util
import re
import sys


def load(path: str):
    spec = importlib.util.spec_from_file_location("export_map", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    tool, map_path, output, *headers = sys.argv[1:]
    export_map = load(tool)
    ours = export_map.read_map(map_path)
    declared = {}
    for path in headers:
        names = export_map.read_header(path)
        with open(path, encoding="utf-8") as header:
            for statement in export_map.declarations(header.read()):
                name = re.search(r"\b(rte_\w+) ?\(", statement)
                if name and name[1] in names and name[1] in ours:
                    declared[name[1]] = re.sub(r"__rte_(experimental|internal|deprecated\w*)\b", "",
                                               statement).strip()
    with open(output, "w", encoding="utf-8") as out:
        out.write('#include "rte_vdpa.h"\n#include "rte_vhost.h"\n')
        out.writelines(f"{statement};\n" for _, statement in sorted(declared.items()))
    print(f"{len(declared)} prototypes")
    return 0 if declared else 1


if __name__ == "__main__":
    sys.exit(main())
