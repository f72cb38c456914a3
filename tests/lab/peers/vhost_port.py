#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Usage: vhost_port.py SOCKET...

On the host, for a guest: ports of the vhost driver on sockets, which send back every frame.
"""
from peer_lab import serve

from harness.backends import vhost_port

if __name__ == "__main__":
    serve(__doc__, vhost_port)
