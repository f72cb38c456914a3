#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Usage: tap_flows.py INTERFACE...

On the host, for a guest with a device on each of these tap interfaces, which have several queues: each frame
that the guest sends is answered with the next one of the flows of tests/lab/flows.py, round and round.
"""
import fcntl
import os
import socket
import struct
import sys
import threading
from pathlib import Path

from peer_lab import serve

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flows import flows  # noqa: E402
from harness.result import Skip  # noqa: E402
from harness.workspace import Workspace, require_root  # noqa: E402

TUNSETIFF, TUNSETQUEUE = 0x400454ca, 0x400454d9
IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE, IFF_VNET_HDR = 0x0002, 0x1000, 0x0100, 0x4000
IFF_DETACH_QUEUE = 0x0400
ETH_P_ALL, OUTGOING = 3, 4


class TapFlows:
    """The interface is there as long as this process has it open."""

    def __init__(self, workspace: Workspace, name: str):
        try:
            self._tap = os.open("/dev/net/tun", os.O_RDWR)
            flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE | IFF_VNET_HDR
            fcntl.ioctl(self._tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        except OSError as error:
            raise Skip(f"this machine has no tap interfaces: {error.strerror}") from error
        # The queues that carry frames are the emulator's.
        fcntl.ioctl(self._tap, TUNSETQUEUE, struct.pack("16sH22x", b"", IFF_DETACH_QUEUE))
        # The kernel has nothing to say on it.
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1", encoding="ascii")
        workspace.run(["ip", "link", "set", "dev", name, "up"])
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((name, ETH_P_ALL))
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def _answer(self) -> None:
        every, count = flows(), 0
        while True:
            frame, (_, _, kind, *_) = self._socket.recvfrom(65536)
            if kind == OUTGOING:
                continue
            self._socket.send(every[count % len(every)].frame(to=frame[6:12]))
            count += 1


class Taps:
    def __init__(self, workspace: Workspace, names: list[Path]):
        require_root("make a tap interface")
        self._taps = [TapFlows(workspace, str(name)) for name in names]

    @property
    def running(self) -> bool:
        return all(tap.running for tap in self._taps)

    def quit(self) -> None:
        """Nothing to wait for: they end with the process."""


if __name__ == "__main__":
    serve(__doc__, Taps)
