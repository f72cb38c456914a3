#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vp-vdpa --monitor --device virtio-net,driver=vp-vdpa,host_mtu=1400,speed=10000,duplex=half
# lab: --device virtio-net,driver=vp-vdpa
# lab: --peer 'tests/lab/peers/vhost_port_queues.py {dir}/socket'
# lab: --device virtio-net,driver=vp-vdpa,netdev=vhost-user:{dir}/socket,queues=4,packed=on,page-per-vq=on,host_mtu=1450
# lab-timeout: 3000
"""The distribution's dpdk-testpmd on virtio devices on the kernel's vDPA bus: on two with a hub between
them, where what one sends the other one receives, with its own driver and with ours; with ours also on
one with 4 queue pairs, whose frames a vhost port on the host sends back."""
from testpmd_lab import LITTLE, Compared, heap_grows_and_shrinks, heap_stays, passes
from virtio_user_lab import lives

from harness.runner import run

HUB = {"/dev/vhost-vdpa-0": "52:54:00:12:34:56", "/dev/vhost-vdpa-1": "52:54:00:12:34:57"}
QUEUES = {"/dev/vhost-vdpa-2": "52:54:00:12:34:58"}

if __name__ == "__main__":
    run(("their_driver", lambda workspace: passes(workspace, HUB)),
        ("our_driver", lambda workspace: lives(workspace, lambda: Compared(
            workspace, HUB, ours=True, huge=True, eal=LITTLE), heap_grows_and_shrinks)),
        ("our_driver_with_4_pairs", lambda workspace: lives(workspace, lambda: Compared(
            workspace, QUEUES, ours=True, pairs=4, huge=True, eal=LITTLE), heap_grows_and_shrinks)),
        ("packed_without_hugepages", lambda workspace: lives(workspace, lambda: Compared(
            workspace, QUEUES, ours=True, pairs=4, packed_vq=1, huge=False), heap_stays)))
