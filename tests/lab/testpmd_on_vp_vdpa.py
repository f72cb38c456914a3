#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vp-vdpa --device virtio-net,driver=vp-vdpa --device virtio-net,driver=vp-vdpa
# lab: --peer 'tests/lab/peers/vhost_port_queues.py {dir}/socket'
# lab: --device virtio-net,driver=vp-vdpa,netdev=vhost-user:{dir}/socket,queues=4,packed=on,page-per-vq=on
"""The distribution's dpdk-testpmd on two virtio devices on the kernel's vDPA bus, with a hub between
them: what one sends the other one receives."""
from testpmd_lab import circulates

from harness.runner import run

if __name__ == "__main__":
    run(("frames_arrive_at_the_other_one", lambda workspace: circulates(
        workspace, {"/dev/vhost-vdpa-0": "52:54:00:12:34:56",
                    "/dev/vhost-vdpa-1": "52:54:00:12:34:57"})))
