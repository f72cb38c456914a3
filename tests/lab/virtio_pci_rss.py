#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --peer 'tests/lab/peers/tap_flows.py {name} {name}b'
# lab: --device virtio-net,netdev=tap:{name},queues=4,rss=on,driver=vfio-pci
# lab: --device virtio-net,netdev=tap:{name}b,queues=4,rss=on,driver=vp-vdpa,ctrl_mac_addr=off
# lab-timeout: 600
"""A virtio device with four queue pairs behind an IOMMU: the port's key, table and kinds of hash decide
on which queue each frame of many flows arrives; and without RSS, all queues are in use."""
from rss_lab import ARGS, all_queues_are_in_use, queues_follow_key_and_table
from virtio_lab import DEVICES
from virtio_pci_lab import on_pci, sleeper_wakes

from harness.runner import run
from harness.testpmd import Testpmd, distribution
from harness.workspace import Workspace


def start(workspace: Workspace, *args: str) -> Testpmd:
    return on_pci(workspace, distribution(), 0, DEVICES[:1], [*ARGS, *args])


def rss_decides(workspace: Workspace) -> None:
    testpmd = start(workspace)
    queues_follow_key_and_table(testpmd)
    testpmd.quit()


def all_queues_without_rss(workspace: Workspace) -> None:
    testpmd = start(workspace, "--disable-rss")
    all_queues_are_in_use(testpmd)
    testpmd.quit()


def one_queue_of_many(workspace: Workspace) -> None:
    """The control queue is behind all that the device has, whether they are used or not."""
    sleeper_wakes(workspace, DEVICES[:1], 20, "rss")


if __name__ == "__main__":
    run(rss_decides, all_queues_without_rss, one_queue_of_many)
