# SPDX-License-Identifier: BSD-3-Clause
"""Devices of a guest, from the words that describe them on a command line."""
import re
from dataclasses import dataclass

HELP = """\
A DEVICE is virtio-net[,netdev=NETDEV][,queues=N][,driver=DRIVER][,ids=VENDOR:DEVICE][,NAME=VALUE]...
  NETDEV is one of
    hub, hub:N              a hub in the emulator: what one device sends all others on it get
    vhost-user:PATH         the device's rings are served by whoever listens on the socket PATH
    vhost-user-server:PATH  the same, but the emulator listens
    tap:NAME                a tap interface of the host
    socket:listen=ADDRESS, socket:connect=ADDRESS
                            the frames as they are, over TCP between emulators
  queues  pairs of queues, also of NETDEV
  driver  virtio-pci (default), vp-vdpa, vfio-pci or uio_pci_generic: what the guest binds the
          device to; vfio-noiommu is vfio-pci in a guest without an IOMMU
  plug    on: behind a port of its own, out of which the monitor's device_del pulls it
  ids     what the guest takes for the device's PCI subsystem, such as 8086:001a
Everything else is a property of QEMU's virtio-net-pci: packed=on, mrg_rxbuf=off, rx_queue_size=1024.
"""

# Driver in the guest -> what the device has to be like for it.
DRIVERS = {
    "virtio-pci": {},
    "vp-vdpa": {"disable-legacy": "on", "iommu_platform": "on", "ats": "on"},
    "vfio-pci": {"disable-legacy": "on", "iommu_platform": "on", "ats": "on"},
    "vfio-noiommu": {},
    "uio_pci_generic": {},
}
NEEDS_IOMMU = ("vp-vdpa", "vfio-pci")
NEEDS_NO_IOMMU = "vfio-noiommu"
FIRST_SLOT = 0x10
SLOTS = 0x1f - FIRST_SLOT
# The port that a device can be pulled out of: where it is, and the address in the guest of what is
# plugged into it, whose bus the firmware numbers as the first one.
PLUG_SLOT = 4
PLUG_ADDRESS = "0000:01:00.0"


class BadDevice(ValueError):
    """The words describe no device; the message says why."""


@dataclass(frozen=True)
class Netdev:
    """Where a device's frames go."""
    kind: str
    where: str = ""

    @staticmethod
    def parse(text: str) -> "Netdev":
        kind, _, where = text.partition(":")
        if kind not in NETDEVS:
            raise BadDevice(f"unknown netdev '{kind}'; there are {', '.join(NETDEVS)}")
        pattern, example = NETDEVS[kind]
        if not re.fullmatch(pattern, where):
            raise BadDevice(f"netdev '{text}' should be like {example}")
        return Netdev(kind, where)

    @property
    def vhost_user(self) -> bool:
        return self.kind.startswith("vhost-user")

    def qemu_args(self, index: int, queues: int) -> list[str]:
        netdev = f"id=net{index}"
        if self.vhost_user:
            listen = ",server=on,wait=off" if self.kind == "vhost-user-server" else ""
            return ["-chardev", f"socket,id=chr{index},path={self.where}{listen}",
                    "-netdev", f"vhost-user,{netdev},chardev=chr{index},queues={queues}"]
        if self.kind == "hub":
            return ["-netdev", f"hubport,{netdev},hubid={int(self.where or 0)}"]
        if self.kind == "tap":
            pairs = f",queues={queues}" if queues > 1 else ""
            return ["-netdev",
                    f"tap,{netdev},ifname={self.where},script=no,downscript=no{pairs}"]
        return ["-netdev", f"socket,{netdev},{self.where}"]


# Kind -> what stands behind its colon, and an example.
NETDEVS = {
    "hub": (r"\d*", "hub or hub:1"),
    "vhost-user": (r".+", "vhost-user:/tmp/socket"),
    "vhost-user-server": (r".+", "vhost-user-server:/tmp/socket"),
    "tap": (r"[^/\s]{1,15}", "tap:tap0"),
    "socket": (r"(listen|connect)=[\w.]*:\d+", "socket:listen=:1234"),
}


@dataclass(frozen=True)
class VirtioNet:
    """A virtio-net device on PCI."""
    netdev: Netdev = Netdev("hub")
    queues: int = 1
    driver: str = "virtio-pci"
    ids: str = ""
    mac: str = ""
    plug: str = ""
    properties: tuple[str, ...] = ()

    @staticmethod
    def parse(text: str) -> "VirtioNet":
        kind, *words = text.split(",")
        if kind != "virtio-net":
            raise BadDevice(f"unknown device '{kind}'; there is virtio-net")
        values, properties = {}, []
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or not name or not value:
                raise BadDevice(f"'{word}' should be NAME=VALUE")
            if name in ("netdev", "queues", "driver", "ids", "mac", "plug"):
                values[name] = value
            else:
                properties.append(word)
        if "netdev" in values:
            values["netdev"] = Netdev.parse(values["netdev"])
        if "queues" in values:
            if not re.fullmatch(r"[1-9]\d{0,2}", values["queues"]):
                raise BadDevice(f"queues={values['queues']} should be a number from 1 to 999")
            values["queues"] = int(values["queues"])
        if values.get("driver", "virtio-pci") not in DRIVERS:
            raise BadDevice(f"unknown driver '{values['driver']}'; there are {', '.join(DRIVERS)}")
        if values.get("plug", "on") != "on":
            raise BadDevice(f"plug={values['plug']} should be plug=on, or left out")
        if not re.fullmatch(r"([0-9a-f]{4}:[0-9a-f]{4})?", values.get("ids", "")):
            raise BadDevice(f"ids={values['ids']} should be like 8086:001a")
        return VirtioNet(properties=tuple(properties), **values)

    def address(self, index: int) -> str:
        """PCI address in the guest of this device, which is its number index."""
        return PLUG_ADDRESS if self.plug else f"0000:00:{FIRST_SLOT + index:02x}.0"

    def guest_word(self, index: int) -> str:
        """What devtools/lab/enable has to know of it."""
        return f"{self.address(index)} {self.driver} {self.ids or '-'}"

    def qemu_args(self, index: int) -> list[str]:
        place = {"addr": hex(FIRST_SLOT + index)}
        port = []
        if self.plug:
            place = {"bus": "plug", "addr": "0"}
            port = ["-device", f"pcie-root-port,id=plug,slot=1,chassis=1,addr={PLUG_SLOT}"]
        properties = {"netdev": f"net{index}", "id": f"dev{index}", **place, "romfile": "",
                      "mac": self.mac or f"52:54:00:12:34:{0x56 + index:02x}"}
        if self.queues > 1:
            properties["mq"] = "on"
        if self.netdev.vhost_user:
            # No MSI-X: without KVM, QEMU 7.2 (7.2+dfsg-7+deb12u18) dies of a null pointer when it
            # passes a vhost-user device's interrupts to MSI-X vectors; INTx takes another path.
            properties["vectors"] = "0"
        properties |= DRIVERS[self.driver]
        properties |= dict(word.split("=", 1) for word in self.properties)
        return self.netdev.qemu_args(index, self.queues) + port + [
            "-device", "virtio-net-pci," + ",".join(f"{k}={v}" for k, v in properties.items())]
