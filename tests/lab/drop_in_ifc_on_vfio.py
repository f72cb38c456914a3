#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vfio --device virtio-net,driver=vfio-pci,ids=8086:001a,iommu_platform=off,ats=off
# lab: --device virtio-net
"""The distribution's driver for IFC devices registers its device with our librte_vhost instead of
theirs, and what a front end transmits leaves through it.

The driver does not take an IOMMU's addresses, so the device has the guest's physical ones, and they
are what the front end calls its memory by. Frames go one way only: where an IFC device keeps the state
of a ring that is moved to another host, at 0x20 of its BAR 4, an emulated virtio device has the
address of the ring, and what the driver writes there takes the receive ring away.
"""
import mmap
import os
import random
import socket
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from virtio_net_lab import ETHERTYPE, PATIENCE  # noqa: E402

from harness.drop_in import check_runs_on_ours, environment, mapped  # noqa: E402
from harness.net_frontend import NET_HEADER, NetFrontend  # noqa: E402
from harness.process import Process  # noqa: E402
from harness.result import check  # noqa: E402
from harness.runner import run  # noqa: E402
from harness.telemetry import ask  # noqa: E402
from harness.testpmd import PROMPT, START_SECONDS, distribution  # noqa: E402
from harness.vhost_user import Memory, Region  # noqa: E402
from harness.workspace import Workspace, built  # noqa: E402

DEVICES = [line.split()[0] for line in os.environ.get("LAB_DEVICES", "").splitlines()]
ADDRESS = DEVICES[0] if DEVICES else ""
VERSION_1 = 1 << 32
RING_PACKED = 1 << 34
HUGE = 2 << 20
FRAMES = 2000
WINDOW = 32


class HugePage(Region):
    """A page that is in one piece, and whose physical address does not change."""

    def __init__(self, va: int):
        self.va, self.size, self.offset, self.used = va, HUGE, 0, 0
        self.fd = os.memfd_create("guest", os.MFD_CLOEXEC | os.MFD_HUGETLB)
        os.ftruncate(self.fd, HUGE)
        self.map = mmap.mmap(self.fd, HUGE)
        self.view = memoryview(self.map)
        self.view[0] = 0
        self.gpa = self._physical()

    def _physical(self) -> int:
        """Where the kernel says it is: the page is the only mapping of its file that we have."""
        ours = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
        inode = str(os.fstat(self.fd).st_ino)
        start = next(int(words[0].split("-")[0], 16) for words in ours
                     if words[4] == inode and "memfd:guest" in words[5])
        with open("/proc/self/pagemap", "rb") as pagemap:
            pagemap.seek(start // mmap.PAGESIZE * 8)
            entry = struct.unpack("=Q", pagemap.read(8))[0]
        check(entry >> 63, "the page to be in memory")
        return (entry & (1 << 55) - 1) * mmap.PAGESIZE


class HugeMemory(Memory):
    def __init__(self):  # pylint: disable=super-init-not-called
        self.regions = [HugePage(self.VA), HugePage(self.VA + 2 * HUGE)]


def eal_args(workspace: Workspace) -> list[str]:
    eal = workspace.eal_args(0, "ifc")
    eal.remove("--no-pci")
    return [*eal, "-a", f"{ADDRESS},vdpa=1"]


def check_driver(process: Process) -> dict:
    """It is theirs, on our library; returns what our library tells of the device."""
    check_runs_on_ours(process)
    check(any("librte_vdpa_ifc.so" in name for name in mapped(process)),
          "the distribution's driver to be loaded")
    devices, info = ask(process, "/vdpa/list", f"/vdpa/info,{ADDRESS}")
    check(devices == [ADDRESS], f"{ADDRESS} to be registered with our library, got {devices}")
    return info


def registers_with_ours(workspace: Workspace) -> None:
    """In the distribution's dpdk-testpmd."""
    testpmd = workspace.start("testpmd", [distribution(), *eal_args(workspace), "--", "-i",
                                          "--total-num-mbufs=8192"], env=environment())
    testpmd.expect(rf"Probe PCI driver: net_ifcvf.*{ADDRESS}", START_SECONDS, 0)
    testpmd.expect(PROMPT, START_SECONDS)
    info = check_driver(testpmd)
    check(info["type"] == "net" and info["vrings"] == 2, f"one queue pair, got {info}")
    features = int(info["features"], 0)
    check(features & VERSION_1 and not features & RING_PACKED,
          f"virtio 1, and split rings only, got {info}")
    testpmd.send("quit")
    status = testpmd.wait(START_SECONDS)
    check(status == 0, f"testpmd to end with 0, got {status}")


def neighbour() -> str:
    """The interface of the other device on the hub."""
    return next(Path("/sys/bus/pci/devices", DEVICES[1]).glob("virtio*/net/*")).name


def transmit(frontend: NetFrontend, link: socket.socket) -> None:
    """Frames of all sizes, a window of them under way; they leave in order and unchanged."""
    rng = random.Random(1)
    frames = [b"\xff" * 6 + bytes.fromhex("525400000001") + struct.pack("!HI", ETHERTYPE, number) +
              rng.randbytes(rng.randrange(46, 1495)) for number in range(FRAMES)]
    queue = frontend.queues[1]
    sent = 0
    for came in range(FRAMES):
        queue.idle += [buffer for buffer, _ in queue.done()]
        while sent < FRAMES and sent - came < WINDOW and queue.idle:
            buffer, data = queue.idle.pop(), bytes(NET_HEADER) + frames[sent]
            queue.buffers[buffer].view[:len(data)] = data
            queue.post(buffer, len(data), False)
            sent += 1
        queue.notify()
        data = link.recv(2048)
        check(data == frames[came], f"frame {came} of {len(frames[came])} bytes, got number "
              f"{int.from_bytes(data[14:18], 'big')} with {len(data)} bytes")


def transmits(workspace: Workspace) -> None:
    """From a front end on a vhost-user socket, through the device, to an interface next to it."""
    path = workspace.path("socket")
    server = workspace.start("vdpa-server", [built("tests/integration/drop_in/vdpa_server"),
                                             *eal_args(workspace), "--", ADDRESS, path],
                             env=environment())
    server.expect("^ready", START_SECONDS)
    check_driver(server)
    interface = neighbour()
    subprocess.run(["ip", "link", "set", interface, "promisc", "on", "up"], check=True)
    memory = HugeMemory()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE)) as link:
        link.bind((interface, ETHERTYPE))
        link.settimeout(PATIENCE)
        for _ in range(2):
            frontend = NetFrontend.to(path).setup(memory).bring_up()
            server.expect(r"^front end \d+ has the device")
            transmit(frontend, link)
            frontend.teardown()
            server.expect(r"^front end \d+ has left it")
    memory.close()
    status = server.terminate()
    check(status == 0, f"the program to end with 0, got {status}")


if __name__ == "__main__":
    run(registers_with_ours, transmits)
