# SPDX-License-Identifier: BSD-3-Clause
"""A guest: Linux under QEMU with virtio_net on vhost-user sockets, and a shell on its console.

Always emulated (TCG): it behaves the same on every machine.
"""
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .process import Process
from .result import Failure, Skip
from .workspace import SOURCE_ROOT, Workspace, installed

LAB = SOURCE_ROOT / "devtools" / "lab"
BOOT_SECONDS = 120


@dataclass
class Nic:
    """A virtio-net device whose rings are served on a vhost-user socket."""
    socket: Path
    mac: str = "52:54:00:12:34:56"
    queues: int = 1
    properties: str = ""    # more properties of virtio-net-pci, such as packed=on
    server: bool = False    # QEMU listens on the socket instead of connecting to it

    def qemu_args(self, index: int) -> list[str]:
        listen = ",server=on,wait=off" if self.server else ""
        # No MSI-X: without KVM, QEMU 7.2 (7.2+dfsg-7+deb12u18) dies of a null pointer when it
        # passes a vhost-user device's interrupts to MSI-X vectors; INTx takes another path.
        device = (f"virtio-net-pci,netdev=net{index},mac={self.mac},vectors=0,romfile=,"
                  f"mq={onoff(self.queues > 1)}")
        return ["-chardev", f"socket,id=chr{index},path={self.socket}{listen}",
                "-netdev", f"vhost-user,id=net{index},chardev=chr{index},queues={self.queues}",
                "-device", device + (f",{self.properties}" if self.properties else "")]


def onoff(value: bool) -> str:
    return "on" if value else "off"


def lab_script(name: str, *args, timeout: float = 600) -> str:
    """Run a script of devtools/lab; returns the last line that it prints."""
    done = subprocess.run([LAB / name, *map(str, args)], capture_output=True, text=True,
                          timeout=timeout, check=False)
    if done.returncode != 0:
        raise Skip(f"devtools/lab/{name}: {done.stderr.strip()}")
    return (done.stdout.splitlines() or [""])[-1]


class Guest(Process):
    """Boots a guest with these NICs and waits for its shell.

    modules are loaded after those that virtio-net over PCI needs; cpus and memory_mb size it.
    """

    def __init__(self, workspace: Workspace, name: str, nics: list[Nic], modules: list[str] = (),
                 cpus: int = 2, memory_mb: int = 256):
        qemu = installed("qemu-system-x86_64", "qemu-system-x86")
        installed("busybox", "busybox-static")
        kernel = Path(lab_script("prepare"))
        initramfs = workspace.path(workspace.unique(name) + ".initramfs")
        lab_script("initramfs", kernel, initramfs, "virtio_pci", "virtio_net", *modules)
        argv = [qemu, "-nodefaults", "-no-user-config", "-no-reboot", "-nographic",
                "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(cpus),
                "-m", f"{memory_mb}M", "-object",
                f"memory-backend-memfd,id=mem,size={memory_mb}M,share=on",
                "-machine", "pc,memory-backend=mem", "-serial", "stdio", "-monitor", "none",
                "-kernel", kernel / "vmlinuz", "-initrd", initramfs,
                "-append", "console=ttyS0 panic=-1 quiet"]
        for index, nic in enumerate(nics):
            argv += nic.qemu_args(index)
        super().__init__(name, argv, workspace.path(workspace.unique(name) + ".log"))
        workspace.adopt(self)
        self.expect(r"init: ready$", BOOT_SECONDS)
        self._commands = 0

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
