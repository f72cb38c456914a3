# SPDX-License-Identifier: BSD-3-Clause
"""Memory that is plugged into a running guest, and pulled out again."""
import mmap
import os
from pathlib import Path

from .guest import Guest
from .qmp import Qmp

SLOTS = ["-m", "slots=2,maxmem=4G"]     # more arguments for the emulator
DIMM_MB = 128                           # what Linux puts to use at once
PLUG_SECONDS = 60


class Dimm:
    """A module of memory in a guest that was started with SLOTS.

    kind says what the guest may use it for: "kernel" for everything, buffers of its devices first of
    all, since it takes memory above 4 GB first; "movable" for what it can move elsewhere, so that
    the module can be pulled.
    """

    def __init__(self, guest: Guest, monitor: Qmp, name: str, kind: str):
        self.guest, self.monitor, self.name = guest, monitor, name
        monitor.command("object-add", **{"qom-type": "memory-backend-memfd", "id": f"mem-{name}",
                                         "size": DIMM_MB << 20, "share": True})
        monitor.command("device_add", driver="pc-dimm", id=name, memdev=f"mem-{name}")
        guest.check("cd /sys/devices/system/memory; until grep -l offline memory*/state; do "
                    "usleep 10000; done; for state in $(grep -l offline memory*/state); do "
                    f"echo online_{kind} >$state || exit; done; cd /", PLUG_SECONDS)

    def holds(self, data: bytes) -> bool:
        """Whether these bytes are anywhere in it; there is no other one so far."""
        for file in Path(f"/proc/{self.guest.pid}/fd").iterdir():
            if "memfd:" in os.readlink(file) and file.stat().st_size == DIMM_MB << 20:
                with open(file, "rb") as memory, \
                        mmap.mmap(memory.fileno(), 0, prot=mmap.PROT_READ) as contents:
                    if contents.find(data) >= 0:
                        return True
        return False

    def pull(self) -> None:
        """Have the guest let it go, and take it away."""
        self.monitor.command("device_del", id=self.name)
        self.monitor.event(lambda event: event["event"] == "DEVICE_DELETED" and
                           event["data"].get("device") == self.name, PLUG_SECONDS)
        self.monitor.command("object-del", id=f"mem-{self.name}")
