#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vp-vdpa --device virtio-net,driver=vp-vdpa --device virtio-net,driver=vp-vdpa
# lab: --peer 'tests/lab/peers/vhost_port_queues.py {dir}/socket'
# lab: --device virtio-net,driver=vp-vdpa,netdev=vhost-user:{dir}/socket,queues=4,packed=on,page-per-vq=on
# lab-timeout: 3000
"""net_virtio_user on virtio devices of the emulator on the kernel's vDPA bus, behind an IOMMU: two with
a hub between them, and one with 4 queue pairs, packed rings and doorbells that can be mapped, whose
frames a vhost port on the host sends back."""
from virtio_user_lab import passes, refused, restarts, start

from harness.result import check
from harness.runner import run
from harness.workspace import Workspace

HUB = ("/dev/vhost-vdpa-0", "/dev/vhost-vdpa-1")
HUB_MACS = ("52:54:00:12:34:56", "52:54:00:12:34:57")
QUEUES, QUEUES_MAC = "/dev/vhost-vdpa-2", "52:54:00:12:34:58"


def over_the_hub(workspace: Workspace) -> None:
    """What comes back is for the other one's address: only a port that takes all frames gets it."""
    reflector = start(workspace, HUB[1], HUB_MACS[0], eal=("-m", "64"))
    reflector.command("start")
    testpmd = start(workspace, HUB[0], HUB_MACS[1], huge=False)
    check(f"MAC address: {HUB_MACS[0]}" in testpmd.command("show port info 0"), "its address")
    check("doorbells of /dev/vhost-vdpa-0: eventfds" in testpmd.text, "no doorbells to map")
    passes(testpmd)
    restarts(testpmd)
    testpmd.quit()
    reflector.quit()


def four_pairs(workspace: Workspace) -> None:
    testpmd = start(workspace, QUEUES, QUEUES_MAC, pairs=4)
    check("doorbells of /dev/vhost-vdpa-2: mapped" in testpmd.text, "doorbells to be mapped")
    check("control queue 8 in" in testpmd.text, "the control queue behind 4 pairs")
    check("receive functions: split" in testpmd.text, "split rings unless others are asked for")
    passes(testpmd)
    restarts(testpmd)
    testpmd.quit()


def packed(workspace: Workspace) -> None:
    testpmd = start(workspace, QUEUES, QUEUES_MAC, packed_vq=1)
    check("receive functions: packed" in testpmd.text, "packed rings")
    passes(testpmd)
    restarts(testpmd)
    testpmd.quit()


def out_of_reach(workspace: Workspace) -> None:
    """The IOMMU has addresses of 39 bits."""
    refused(workspace, HUB[0], r"memory at 0x8\w+\.\.0x\w+ is out of reach for /dev/vhost-vdpa-0, "
            r"which has addresses 0\.\.0x7fffffffff: start with a --base-virtaddr",
            eal=("--base-virtaddr=0x8000000000",))


if __name__ == "__main__":
    run(over_the_hub, four_pairs, packed, out_of_reach)
