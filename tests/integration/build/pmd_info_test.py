#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What DPDK's own dpdk-pmdinfo.py reads out of a library that the build put PMD info into.

Usage: pmd_info_test.py SAMPLE.so DRIVER.so...
"""
import json
import shutil
import subprocess
import sys

EXPECTED = [
    {"name": "net_plain"},
    {
        "name": "net_sample",
        "params": 'path=<text> mode="a|b"',
        "kmod": "* vfio-pci",
        "pci_ids": [
            {"vendor": "1af4", "device": "1041"},
            {"vendor": "1af4", "device": "1041",
             "subsystem_vendor": "8086", "subsystem_device": "001a"},
        ],
    },
]


def read(tool: str, path: str) -> list:
    output = subprocess.run([tool, path], check=True, stdout=subprocess.PIPE).stdout
    return sorted(json.loads(output), key=lambda driver: driver["name"])


def main() -> int:
    tool = shutil.which("dpdk-pmdinfo.py")
    if not tool:
        print("dpdk-pmdinfo.py is not installed (package dpdk)")
        return 77
    sample, *drivers = sys.argv[1:]
    found = read(tool, sample)
    if found != EXPECTED:
        print(f"{sample}:\nexpected {EXPECTED}\nfound    {found}")
        return 1
    for path in drivers:
        nameless = [info for info in read(tool, path) if not info.get("params")]
        if nameless or not read(tool, path):
            print(f"{path}: expected a driver and its device arguments, found {read(tool, path)}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
