#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vdpa-sim
# lab-timeout: 3000
"""The distribution's dpdk-testpmd on the kernel's vDPA simulator, which gives back what it is sent: with
its own driver, to know what the device does, and with ours."""
from testpmd_lab import (LITTLE, Compared, has, heap_grows_and_shrinks, heap_stays, passes,
                         refuses)
from virtio_user_lab import lives, says_once

from harness.runner import run
from harness.workspace import Workspace

PATH, MAC = "/dev/vhost-vdpa-0", "00:11:22:33:44:55"
DEVICE = {PATH: MAC}


def reduced_without_hugepages(workspace: Workspace) -> None:
    def begin() -> Compared:
        traffic = Compared(workspace, DEVICE, ours=True, huge=False, queues=4, packed_vq=1,
                           queue_size=1024)
        says_once(traffic.testpmd, "has 1 of the 4 queue pairs asked for", "has no packed rings",
                  "have 256 entries and not the 1024 asked for")
        has(traffic.testpmd, f"MAC address: {MAC}", "MTU: 1400", "Link status: up",
            "Max possible RX queues: 1")
        refuses(traffic.testpmd, r"another program has it open", path=PATH)
        refuses(traffic.testpmd, r"vhost-vdpa-9: it does not exist", path="/dev/vhost-vdpa-9")
        refuses(traffic.testpmd, r"/dev/null is no vhost-vdpa device", path="/dev/null")
        refuses(traffic.testpmd, r"server=1 is for sockets", path=PATH, server=1)
        return traffic

    lives(workspace, begin, heap_stays)


if __name__ == "__main__":
    run(("their_driver", lambda workspace: passes(workspace, DEVICE)),
        ("our_driver", lambda workspace: lives(workspace, lambda: Compared(
            workspace, DEVICE, ours=True, huge=True, eal=LITTLE), heap_grows_and_shrinks)),
        reduced_without_hugepages)
