#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Usage: vhost_pairs.py SOCKET...

On the host, for a guest: ports of the vhost driver on sockets, with two queue pairs each, which send
back every frame on the queue that it came on.
"""
from functools import partial

from peer_lab import serve

from harness.backends import vhost_port

if __name__ == "__main__":
    serve(__doc__, partial(vhost_port, pairs=2))
