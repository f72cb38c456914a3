# SPDX-License-Identifier: BSD-3-Clause
"""A guest: Linux under QEMU with virtio_net on vhost-user sockets, and a shell on its console.

Always emulated (TCG): it behaves the same on every machine.
"""
import re
from dataclasses import dataclass
from pathlib import Path

from lab.devices import Netdev, VirtioNet
from lab.kernel import Kernel, NotPrepared, prepared
from lab.machine import Machine, NoEmulator

from .process import Process
from .result import Failure, Skip
from .workspace import Workspace, installed

BOOT_SECONDS = 120


@dataclass
class Nic:
    """A virtio-net device whose rings are served on a vhost-user socket."""
    socket: Path
    mac: str = "52:54:00:12:34:56"
    queues: int = 1
    properties: str = ""    # more properties of virtio-net-pci, such as packed=on
    server: bool = False    # QEMU listens on the socket instead of connecting to it

    def device(self) -> VirtioNet:
        kind = "vhost-user-server" if self.server else "vhost-user"
        return VirtioNet(Netdev(kind, str(self.socket)), self.queues, mac=self.mac,
                         properties=tuple(filter(None, self.properties.split(","))))


def require_kernel() -> Kernel:
    """What guests boot from, made now if it is not there."""
    try:
        return prepared()
    except NotPrepared as why:
        raise Skip(str(why)) from why


class Guest(Process):
    """Boots a guest with these NICs and waits for its shell.

    It has nothing but busybox: not the host's files, as the guests of devtools/lab/run have.
    cpus and memory_mb size it; qemu are more arguments for the emulator. With iommu, devices stand
    behind one that is told of every mapping at once when it ends. moves: it is one that is moved.
    """

    def __init__(self, workspace: Workspace, name: str, nics: list[Nic], cpus: int = 2,
                 memory_mb: int = 256, files: dict[str, bytes] | None = None,
                 qemu: list[str] = (), wait: bool = True, iommu: bool = False,
                 moves: bool = False):
        """files are put into the guest's /lab; wait: until its shell is there."""
        installed("busybox", "busybox-static")
        machine = Machine(cpus, memory_mb, tuple(nic.device() for nic in nics), iommu,
                          moves=moves)
        self.memory_bytes = machine.memory_kb << 10
        kernel = require_kernel()
        initrd = workspace.path(workspace.unique(name) + ".initrd")
        initrd.write_bytes(kernel.initrd(files or {}))
        try:
            argv = machine.qemu_args(kernel, initrd, "iommu.strict=1" if iommu else "")
        except NoEmulator as why:
            raise Skip(str(why)) from why
        super().__init__(name, argv + ["-serial", "stdio", *qemu],
                         workspace.path(workspace.unique(name) + ".log"))
        workspace.adopt(self)
        self._commands = 0
        if wait:
            self.expect(r"init: ready$", BOOT_SECONDS)

    def run(self, command: str, timeout: float = 60) -> tuple[int, str]:
        """Run a shell command in the guest; returns its status and what it printed."""
        self._commands += 1
        token = f"@{self._commands}@"
        begin = self.mark()
        self.send(f"{{ {command} ; }} 2>&1; echo {token} $?")
        match = self.expect(rf"^(.*){token} (\d+)$", timeout, begin)
        return int(match.group(2)), self.text[begin:match.start()] + match.group(1)

    def check(self, command: str, timeout: float = 60) -> str:
        """Run a command that must succeed; returns what it printed."""
        status, text = self.run(command, timeout)
        if status != 0:
            raise Failure(f"{self.name}: '{command}' ended with {status}:\n{text}")
        return text

    def queues(self, interface: str = "eth0") -> int:
        """Receive queues that the guest's driver has in use."""
        entries = self.check(f"ls /sys/class/net/{interface}/queues").split()
        return len([e for e in entries if re.fullmatch(r"rx-\d+", e)])

    def power_off(self) -> None:
        """Switch the guest off, and wait until its emulator has ended."""
        self.send("echo o >/proc/sysrq-trigger")
        status = self.wait(30)
        if status != 0:
            raise self.failure(f"ended with status {status}")
