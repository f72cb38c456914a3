#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the C source that makes a driver known to dpdk-pmdinfo.py.

Usage: pmdinfo.py DRIVER OUTPUT.c OBJECT.o...

The registration macros of DPDK leave static strings behind, named
    this_pmd_name<N>              a driver's name
    __<name>_param_string_export  its device arguments
    __<name>_kmod_dep_export      kernel modules that may own its device
    __<name>_pci_tbl_export       the name of its table of struct rte_pci_id
The output holds, for each driver, one string that dpdk-pmdinfo.py looks for in .rodata of programs and
libraries: "PMD_INFO_STRING= " and JSON.
"""
import json
import re
import struct
import sys

from elftools.elf.elffile import ELFFile

# struct rte_pci_id: class, vendor, device, subsystem vendor, subsystem device.
PCI_ID = struct.Struct("=IHHHH")


class Object:
    """The named data of one relocatable file."""

    def __init__(self, path: str):
        with open(path, "rb") as file:
            elf = ELFFile(file)
            self.symbols = {}
            table = elf.get_section_by_name(".symtab")
            for symbol in table.iter_symbols() if table else ():
                index = symbol["st_shndx"]
                if symbol["st_info"]["type"] == "STT_OBJECT" and isinstance(index, int):
                    data = elf.get_section(index).data()
                    start = symbol["st_value"]
                    self.symbols[symbol.name] = data[start:start + symbol["st_size"]]

    def text(self, name: str) -> str:
        return self.symbols.get(name, b"").split(b"\0", 1)[0].decode("ascii")

    def drivers(self):
        for symbol in sorted(self.symbols):
            if re.fullmatch(r"this_pmd_name\d+", symbol):
                yield self.info(self.text(symbol))

    def info(self, name: str) -> dict:
        info = {"name": name}
        for key, symbol in (("params", "param_string"), ("kmod", "kmod_dep")):
            text = self.text(f"__{name}_{symbol}_export")
            if text:
                info[key] = text
        info["pci_ids"] = self.pci_ids(self.text(f"__{name}_pci_tbl_export"))
        return info

    def pci_ids(self, table: str) -> list:
        ids = []
        data = self.symbols.get(table, b"")
        for _, *fields in PCI_ID.iter_unpack(data[:len(data) // PCI_ID.size * PCI_ID.size]):
            if not any(fields):
                break
            ids.append(fields)
        return ids


def main() -> int:
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    name, output, *objects = sys.argv[1:]
    drivers = [info for path in objects for info in Object(path).drivers()]
    if not drivers:
        print(f"{name} registers no driver (RTE_PMD_REGISTER_* in none of its files)",
              file=sys.stderr)
        return 1
    with open(output, "w", encoding="ascii") as out:
        out.write("/* Written by buildtools/pmdinfo.py. */\n")
        for number, info in enumerate(drivers):
            text = json.dumps("PMD_INFO_STRING= " + json.dumps(info))
            # A NUL in front: whatever the linker puts before it does not become part of it.
            out.write(f'static const char pmd_info{number}[] __attribute__((used)) =\n\t"\\0"\n'
                      f"\t{text};\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
