# SPDX-License-Identifier: BSD-3-Clause
"""Which burst functions our front end has chosen, as its log and ethdev tell."""
import re
from pathlib import Path

from .result import check
from .testpmd import Testpmd

# The log names them, and nothing but the CPU limits vectors.
TELLING = ["--log-level=pmd.net.virtio.*:info", "--force-max-simd-bitwidth=512"]


def widest_vectors() -> str:
    """What the front end calls them in the names of its functions."""
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    if {"avx512f", "avx512bw", "avx512vl", "bmi2"} <= flags:
        return "AVX-512"
    if {"avx2", "bmi2"} <= flags:
        return "AVX2"
    return "NEON" if "asimd" in flags else ""


def check_functions(frontend: Testpmd, packed: bool, mergeable: bool, in_order: bool,
                    vectorized: bool) -> None:
    """The burst functions of a program that was started with TELLING are those for the mode."""
    words = ["packed" if packed else "split"]
    if mergeable:
        words.append("mergeable")
    if vectorized and widest_vectors():
        words.append(widest_vectors())
    name = ", ".join(words)
    info = frontend.command("show rxq info 0 0")
    check(re.search(rf"^Burst mode: {name}\s", info, re.M), f"Burst mode: {name}, got {info}")
    if in_order:
        name += ", in order"
    frontend.expect(rf"net_virtio_user0: receive functions: {name}\s", start=0)
