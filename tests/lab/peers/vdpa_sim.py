#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Usage: vdpa_sim.py SOCKET...

On the host, for a guest: software vDPA devices on sockets, which give back every frame.
"""
from peer_lab import serve

from harness.backends import sim_device

if __name__ == "__main__":
    serve(__doc__, sim_device)
