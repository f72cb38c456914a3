#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vdpa-sim
"""The distribution's dpdk-testpmd, with our driver, on the kernel's vDPA simulator, which gives back what it is sent."""
from testpmd_lab import circulates

from harness.runner import run

if __name__ == "__main__":
    run(("frames_come_back", lambda workspace: circulates(
        workspace, {"/dev/vhost-vdpa-0": "00:11:22:33:44:55"}, our_driver=True)))
