#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""abidiff finds nothing that the distribution's librte_vhost has and ours lacks or has otherwise.

Usage: abidiff_test.py DPDK_LIBRARY LIBRARY BROKEN_LIBRARY ABSENT

ABSENT says which symbols may be absent. BROKEN_LIBRARY is ours without a symbol and with another one in
the wrong version node: that must be found, or the comparison means nothing. Neither library has debug
information, so symbols and their versions are compared; abi_test.py and the build compare the rest.
"""
import os
import re
import shutil
import subprocess
import sys

# Bits of abidiff's exit status: it could not work; the ABI changed.
ERROR, CHANGE = 3, 12
SKIP = 77


def compare(theirs: str, ours: str, absent: str) -> tuple:
    """Whether the ABI is kept, and what abidiff says."""
    result = subprocess.run(["abidiff", "--no-added-syms", "--suppressions", absent, theirs, ours],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode & ERROR:
        sys.exit(f"abidiff cannot compare:\n{result.stdout}")
    return result.returncode & CHANGE == 0, result.stdout


def main() -> int:
    theirs, ours, broken, absent = sys.argv[1:]
    if not shutil.which("abidiff"):
        print("abidiff is not installed (package abigail-tools)")
        return SKIP
    if not os.path.exists(theirs):
        print(f"{theirs} is not there: this DPDK has no shared librte_vhost")
        return SKIP
    kept, report = compare(theirs, ours, absent)
    print(report)
    if not kept:
        print("expected nothing removed or changed but what", absent, "names")
        return 1
    kept, report = compare(theirs, broken, absent)
    found = sorted(re.findall(r"\[D\] (\w+)@", report))
    expected = ["rte_vhost_avail_entries", "rte_vhost_get_mtu"]
    if kept or found != expected:
        print(f"expected {expected} to be missed in {broken}, got {found}:\n{report}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
