#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Usage: vhost_port_queues.py SOCKET...

On the host, for a guest: ports of the vhost driver with 4 queue pairs each, for devices behind an
IOMMU, on sockets. They send back every frame on the queue pair it came from.
"""
from functools import partial

from peer_lab import serve

from harness.backends import vhost_port

if __name__ == "__main__":
    serve(__doc__, partial(vhost_port, pairs=4, iommu=True))
