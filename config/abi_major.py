#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Print the ABI major version of the DPDK libraries in a directory.

Usage: abi_major.py LIBDIR

It is the number that librte_eal.so points at: librte_eal.so -> librte_eal.so.23[.0].
"""
import os
import re
import sys


def main() -> int:
    link = os.path.join(sys.argv[1], "librte_eal.so")
    match = re.search(r"\.so\.(\d+)", os.path.realpath(link))
    if not match:
        print(f"{link}: no versioned librte_eal.so there; install the DPDK development package",
              file=sys.stderr)
        return 1
    print(match.group(1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
