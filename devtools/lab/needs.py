# SPDX-License-Identifier: BSD-3-Clause
"""What a command or a test wants of its guest, in the words of devtools/lab/run's options."""
import argparse
import shlex
from dataclasses import dataclass

from . import devices
from .devices import BadDevice, VirtioNet
from .machine import Machine
from .peer import in_directory


@dataclass(frozen=True)
class ModuleSet:
    """What devtools/lab/enable loads; driver names the one that its PCI devices are bound to.

    guest_only: why --host cannot have it, or empty.
    """
    help: str
    driver: str = ""
    guest_only: str = ""


# In the order in which they are loaded: the simulator's device is the first one on its bus.
SETS = {
    "vdpa-sim": ModuleSet("the kernel's vDPA simulator, a network device: /dev/vhost-vdpa-0"),
    "vp-vdpa": ModuleSet("virtio devices on the vDPA bus; brings one unless a --device has "
                         "driver=vp-vdpa", "vp-vdpa", "cannot bring the device that it needs"),
    "vduse": ModuleSet("vDPA devices from userspace: /dev/vduse/control"),
    "vfio": ModuleSet("VFIO behind an IOMMU; brings a device unless a --device has "
                      "driver=vfio-pci", "vfio-pci"),
    "vfio-noiommu": ModuleSet("VFIO without an IOMMU, by physical addresses; brings a device unless a "
                              "--device has driver=vfio-noiommu", "vfio-noiommu",
                              "leaves this machine's memory out of the reach of its devices"),
    "uio": ModuleSet("uio_pci_generic, for devices with driver=uio_pci_generic",
                     "uio_pci_generic"),
    "vhost-net": ModuleSet("/dev/vhost-net and /dev/net/tun"),
}


class BadNeeds(Exception):
    """These are no options, or none that go together; the message says why."""


@dataclass(frozen=True)
class Needs:
    """Two tests whose needs are equal can share a boot."""
    cores: int = 2
    memory_mb: int = 1024
    sets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    peer: str = ""
    monitor: bool = False

    def machine(self, directory: str) -> Machine:
        """The machine that has it all; directory is what {dir} stands for."""
        try:
            found = [VirtioNet.parse(in_directory(text, directory)) for text in self.devices]
            drivers = {device.driver for device in found}
            for name in self.sets:
                driver = SETS[name].driver
                if driver and driver not in drivers:
                    found.append(VirtioNet(driver=driver))
            drivers = {device.driver for device in found}
            iommu = not drivers.isdisjoint(devices.NEEDS_IOMMU)
            if iommu and devices.NEEDS_NO_IOMMU in drivers:
                raise BadNeeds(f"{devices.NEEDS_NO_IOMMU} is for a guest without an IOMMU, and "
                               f"{' and '.join(devices.NEEDS_IOMMU)} need one")
            return Machine(self.cores, self.memory_mb, tuple(found), iommu, self.monitor)
        except BadDevice as error:
            raise BadNeeds(f"--device: {error}") from error

    def words(self) -> str:
        """The options that ask for it."""
        words = [f"--{name}" for name in self.sets]
        words += [f"--device {shlex.quote(device)}" for device in self.devices]
        words += [f"--peer {shlex.quote(self.peer)}"] if self.peer else []
        words += ["--monitor"] if self.monitor else []
        words += [f"--cores {self.cores}"] if self.cores != Needs.cores else []
        words += [f"--memory {self.memory_mb}"] if self.memory_mb != Needs.memory_mb else []
        return " ".join(words) or "no options"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in a line, like every program of this tree."""

    def error(self, message: str) -> None:
        raise BadNeeds(f"{message}; see --help")


def number(low: int, high: int):
    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is no number from {low} to {high}")
        return int(text)
    return parse


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that describe a guest."""
    size = parser.add_argument_group("size")
    size.add_argument("--cores", type=number(1, 16), metavar="N", default=Needs.cores,
                      help="processors of the guest (default %(default)s)")
    size.add_argument("--memory", type=number(256, 65536), metavar="MB", default=Needs.memory_mb,
                      help="memory of the guest, a quarter of it as hugepages (default "
                      "%(default)s)")
    sets = parser.add_argument_group("module sets")
    for name, one in SETS.items():
        sets.add_argument(f"--{name}", dest="sets", action="append_const", const=name,
                          help=one.help)
    parts = parser.add_argument_group("devices")
    parts.add_argument("--device", action="append", default=[], metavar="DEVICE",
                       help="a device of the guest, see below; may be repeated")
    parts.add_argument("--peer", default="", metavar="COMMAND",
                       help="run COMMAND on the host beside the guest, which boots once COMMAND has "
                       "printed the line 'ready'. {dir} in it, and in DEVICE, is a new directory, "
                       "for their sockets, and {name} is a name that an interface can have")
    parts.add_argument("--monitor", action="store_true",
                       help="let the guest talk to its emulator's monitor: LAB_MONITOR in its "
                       "environment is a character device that speaks QMP. Devices are dev0, dev1..")


def needs_of(options: argparse.Namespace) -> Needs:
    implied = {VirtioNet.parse(text).driver for text in options.device if "driver=" in text}
    wanted = set(options.sets or ())
    needs = Needs(options.cores, options.memory,
                  tuple(name for name, one in SETS.items()
                        if name in wanted or one.driver and one.driver in implied),
                  tuple(options.device), options.peer, options.monitor)
    needs.machine("/name")
    return needs


def parse(words: list[str]) -> Needs:
    """Needs in the words of a test's header."""
    parser = Parser(add_help=False, allow_abbrev=False)
    add_options(parser)
    try:
        return needs_of(parser.parse_args(words))
    except BadDevice as error:
        raise BadNeeds(f"--device: {error}") from error
