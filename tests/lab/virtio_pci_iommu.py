#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --monitor --device virtio-net,netdev=hub:0,driver=vfio-pci
# lab: --device virtio-net,netdev=hub:0,driver=vfio-pci,packed=on
# lab-timeout: 300
"""Virtio devices on PCI behind an IOMMU."""
from virtio_pci_lab import DEVICES, frames_cross, on_pci

from harness.result import check
from harness.runner import run
from harness.testpmd import PROMPT, START_SECONDS, Testpmd, ours
from harness.workspace import Workspace


def frames_cross_split_and_packed(workspace: Workspace) -> None:
    frames_cross(workspace, DEVICES[0], DEVICES[1], ("modern PCI", "modern PCI"))


def starts_again(workspace: Workspace) -> None:
    testpmd = on_pci(workspace, ours(), 0, DEVICES)
    for _ in range(5):
        testpmd.command("port stop all")
        check("Link status: down" in testpmd.command("show port info 0"), "no link while stopped")
        testpmd.command("port start all")
        check("Link status: up" in testpmd.command("show port info 0"), "a link when started")
    testpmd.command("start tx_first")
    testpmd.until("frames", lambda: testpmd.port_stats(1).rx_packets > 1000)
    testpmd.quit()


def device_for_vdpa_is_left_alone(workspace: Workspace) -> None:
    testpmd = Testpmd(workspace, "testpmd", ours(), 0, [], pci=[f"{DEVICES[0]},vdpa=1,other=2"],
                      wait=False)
    testpmd.expect(PROMPT, START_SECONDS)
    check("net_virtio of dpdk-vdpa" not in testpmd.text, "the device not to be taken")
    testpmd.quit()


def wrong_argument_is_refused(workspace: Workspace) -> None:
    testpmd = Testpmd(workspace, "testpmd", ours(), 0, [], pci=[f"{DEVICES[0]},queues=2"],
                      wait=False)
    testpmd.expect(r"argument queues=2: must be absent", START_SECONDS)
    testpmd.expect(PROMPT, START_SECONDS)
    testpmd.quit()


if __name__ == "__main__":
    run(frames_cross_split_and_packed, starts_again, device_for_vdpa_is_left_alone,
        wrong_argument_is_refused)
