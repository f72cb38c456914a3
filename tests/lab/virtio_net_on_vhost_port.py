#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --peer 'tests/lab/peers/vhost_port.py {dir}/socket'
# lab: --device virtio-net,netdev=vhost-user:{dir}/socket,packed=on
"""The guest's virtio_net, with packed rings, on a port of the vhost driver."""
from virtio_net_lab import every_frame_comes_back, rings_are_packed

from harness.runner import run

if __name__ == "__main__":
    run(("rings_are_packed", lambda _: rings_are_packed(True)),
        ("every_frame_comes_back", lambda _: every_frame_comes_back()))
