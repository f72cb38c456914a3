# SPDX-License-Identifier: BSD-3-Clause
"""The emulator's command line for a guest.

Always emulated (TCG): it behaves the same on every machine, those without KVM among them.
"""
import shutil
from dataclasses import dataclass
from pathlib import Path

from .devices import SLOTS, BadDevice, VirtioNet
from .kernel import Kernel

QEMU = "qemu-system-x86_64"
# A kernel that has gone wrong shall end, not try to carry on; -no-reboot turns its reboot into
# the end of the emulator. It need not check that timers tick, which on a busy host they do late.
APPEND = "console=ttyS0 quiet panic=-1 oops=panic nokaslr mitigations=off no_timer_check"
# QEMU 7.2 (7.2+dfsg-7+deb12u18) misses pages that an emulated processor writes while a guest is moved,
# if its memory is so many whole words of the bitmap of dirty pages, 256 KiB each. With this much more,
# in KB, it does not.
MORE_TO_MOVE = 8


class NoEmulator(Exception):
    """QEMU is not installed."""


@dataclass(frozen=True)
class Machine:
    """Size and devices of a guest. Its memory can be shared with the processes of the host.

    moves: it can be moved to another emulator.
    """
    cores: int = 2
    memory_mb: int = 1024
    devices: tuple[VirtioNet, ...] = ()
    iommu: bool = False
    monitor: bool = False
    moves: bool = False

    def __post_init__(self):
        if len(self.devices) > SLOTS:
            raise BadDevice(f"a guest has room for {SLOTS} devices")
        if sum(bool(device.plug) for device in self.devices) > 1:
            raise BadDevice("a guest has room for one device with plug=on")

    @property
    def memory_kb(self) -> int:
        return self.memory_mb * 1024 + (MORE_TO_MOVE if self.moves else 0)

    def qemu_args(self, kernel: Kernel, initrd: str | Path, append: str = "") -> list[str]:
        """Everything but serial ports, channels and monitor; initrd is a file."""
        program = shutil.which(QEMU)
        if not program:
            raise NoEmulator(f"{QEMU} is not installed (package qemu-system-x86)")
        argv = [program, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
                "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(self.cores),
                "-m", f"{self.memory_kb}K", "-object",
                f"memory-backend-memfd,id=mem,size={self.memory_kb}K,share=on",
                "-machine", "q35,memory-backend=mem", "-kernel", str(kernel.image),
                "-initrd", str(initrd)]
        if self.iommu:
            argv += ["-device", "intel-iommu,intremap=on,device-iotlb=on"]
            append += " intel_iommu=on"
        for index, device in enumerate(self.devices):
            argv += device.qemu_args(index)
        return argv + ["-append", f"{APPEND} {append}".strip()]
