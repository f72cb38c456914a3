#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vdpa-sim
# lab-timeout: 3000
"""The distribution's dpdk-testpmd on the kernel's vDPA simulator, which gives back what it is sent: with
its own driver, to know what the device does, and with ours."""
from testpmd_lab import LITTLE, Circulating, circulates
from virtio_user_lab import lives

from harness.runner import run

DEVICE = {"/dev/vhost-vdpa-0": "00:11:22:33:44:55"}

if __name__ == "__main__":
    run(("their_driver", lambda workspace: circulates(workspace, DEVICE)),
        ("our_driver", lambda workspace: lives(workspace, lambda: Circulating(
            workspace, DEVICE, ours=True, huge=True, eal=LITTLE))))
