#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --peer 'tests/lab/peers/tap_flows.py {name} {name}b'
# lab: --device virtio-net,netdev=tap:{name},queues=4,rss=on,driver=vfio-pci
# lab: --device virtio-net,netdev=tap:{name}b,queues=4,rss=on,driver=vp-vdpa,ctrl_mac_addr=off
# lab-timeout: 600
"""net_virtio_user on a device of the kernel's vDPA bus that has RSS, and an address that cannot be set: what
its port is told reaches the device over two control queues, and the refusal the program."""
from rss_lab import ARGS, every_flow_once, queues_follow_key_and_table
from virtio_lab import our_drivers
from virtio_user_lab import PORT, says_once

from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, distribution, vdev
from harness.workspace import Workspace

DEVICE, MAC = "/dev/vhost-vdpa-0", "52:54:00:12:34:57"
OTHER_MAC = "02:00:00:00:00:11"


def rss_decides(workspace: Workspace) -> None:
    testpmd = Testpmd(workspace, "testpmd", distribution(), 0,
                      [vdev(PORT, path=DEVICE, queues=4)], ARGS,
                      our_drivers(workspace, distribution()))
    queues_follow_key_and_table(testpmd)
    said = testpmd.command(f"mac_addr set 0 {OTHER_MAC}")
    check("rror" in said, f"the address to be refused, got {said}")
    says_once(testpmd, f"{PORT}: the device at {DEVICE} keeps its own address, {MAC.upper()}")
    every_flow_once(testpmd)
    testpmd.quit()


if __name__ == "__main__":
    run(rss_decides)
