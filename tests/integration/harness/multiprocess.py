# SPDX-License-Identifier: BSD-3-Clause
"""Memory that several DPDK processes map: a primary one and its secondary ones.

They find each other by a file prefix, and their memory in hugepages that are files. Both are a test's own.
"""
from .result import Skip
from .workspace import MEMORY_MB, RUNTIME_DIR, Workspace, cores, free_hugepages_mb, sanitized

# Addresses that no sanitizer takes: above their shadow memory and below where the kernel maps.
ABOVE_SHADOW = 0x200000000000


class SharedMemory:
    def __init__(self, workspace: Workspace, memory_mb: int = MEMORY_MB):
        if free_hugepages_mb() < memory_mb:
            raise Skip(f"several processes share memory in hugepages only: {memory_mb} MB of them "
                       f"are needed, {free_hugepages_mb()} MB are free")
        self.memory_mb = memory_mb
        self.directory = workspace.mount("hugetlbfs", workspace.unique("huge"))
        self.prefix = workspace.unique("shared")
        workspace.remove_directory(RUNTIME_DIR / self.prefix)

    def eal_args(self, core: int, secondary: bool = False) -> list[str]:
        """EAL options of one of the processes, which polls on one core."""
        usable = cores()
        cpu = usable[core % len(usable)]
        # Where EAL looks for room by itself is the sanitizer's own memory.
        base = [f"--base-virtaddr={ABOVE_SHADOW:#x}"] if sanitized() else []
        return [*base, "--no-pci", "--lcores", f"0@{cpu},1@{cpu}", "--file-prefix", self.prefix,
                "--huge-dir", str(self.directory),
                "--proc-type", "secondary" if secondary else "primary"] + (
                    [] if secondary else ["-m", str(self.memory_mb), "--single-file-segments"])
