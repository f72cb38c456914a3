# SPDX-License-Identifier: BSD-3-Clause
"""The distribution's drivers that a program in a guest finds.

Each program of the distribution opens every driver there is, hundreds, which takes seconds under
emulation. Tests see those of devices that guests have, and those that dpdk-testpmd is linked with.
"""
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

WANTED = {"bus_pci", "bus_vdev", "event_sw", "mempool_ring", "net_pcap", "net_vhost", "net_virtio",
          "vdpa_ifc"}
NAME = re.compile(r"librte_(\w+)\.so")


def _linked() -> set[str]:
    program = shutil.which("dpdk-testpmd")
    if program is None:
        return set()
    return set(NAME.findall(subprocess.run(["ldd", program], check=True, capture_output=True,
                                           text=True).stdout))


class Drivers:
    """A directory for the LAB_DRIVERS of devtools/lab/batch, until the end of a with statement."""

    def __enter__(self) -> Path:
        self._directory = tempfile.TemporaryDirectory(prefix="vdpa-drivers-")
        wanted = WANTED | _linked()
        for every in Path("/usr/lib").glob("*/dpdk/pmds-*"):
            few = Path(self._directory.name) / every.name
            few.mkdir()
            for file in every.iterdir():
                match = NAME.match(file.name)
                if match and match[1] in wanted:
                    shutil.copy2(file, few, follow_symlinks=False)
        return Path(self._directory.name)

    def __exit__(self, *_exc) -> None:
        self._directory.cleanup()
