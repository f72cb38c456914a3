#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --peer 'tests/lab/peers/vdpa_sim.py {dir}/socket'
# lab: --device virtio-net,netdev=vhost-user:{dir}/socket
"""The guest's virtio_net, with split rings, on the software vDPA device."""
from virtio_net_lab import every_frame_comes_back, rings_are_packed

from harness.runner import run

if __name__ == "__main__":
    run(("rings_are_split", lambda _: rings_are_packed(False)),
        ("every_frame_comes_back", lambda _: every_frame_comes_back()))
