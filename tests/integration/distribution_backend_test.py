#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Our net_virtio_user on the distribution's net_vhost: every frame comes back as it was sent.

VDPA_EVERY_MODE, if not empty, asks for all ring modes rather than four that have everything in them.
"""
import os
from dataclasses import dataclass
from itertools import product

from harness.backends import vhost_port
from harness.numbered import frames, run_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, distribution, ours, vdev

FRAMES = 1_000_000


@dataclass
class Mode:
    packed: bool
    mergeable: bool
    in_order: bool
    pairs: int
    server: bool = False

    @property
    def name(self) -> str:
        return "_".join(["packed" if self.packed else "split",
                         "mergeable" if self.mergeable else "single",
                         "in_order" if self.in_order else "any_order", f"{self.pairs}_pairs"] +
                        (["server"] if self.server else []))


SOME = [Mode(False, True, True, 1), Mode(False, False, False, 2),
        Mode(True, False, True, 2, server=True), Mode(True, True, False, 16)]
EVERY = [Mode(*mode) for mode in product((False, True), (True, False), (True, False), (1, 2, 16),
                                         (False, True))]


def reflects_every_frame(workspace, mode: Mode) -> None:
    socket = workspace.path("socket")

    def frontend() -> Testpmd:
        return Testpmd(workspace, "frontend", ours(), 1,
                       [vdev("net_virtio_user0", path=socket, queues=mode.pairs,
                             packed_vq=mode.packed, mrg_rxbuf=mode.mergeable,
                             in_order=mode.in_order, server=mode.server)],
                       [f"--rxq={mode.pairs}", f"--txq={mode.pairs}"])

    # Who listens is there first.
    ends = [frontend] if mode.server else []
    ends.append(lambda: vhost_port(workspace, [socket], mode.pairs, program=distribution,
                                   client=mode.server))
    ends += [] if mode.server else [frontend]
    first, second = (end() for end in ends)
    front, back = (first, second) if mode.server else (second, first)
    front.expect("Link up|link up", start=0)
    count = frames(FRAMES // mode.pairs)
    result = run_numbered(front, count)
    there, here = back.port_stats(), front.port_stats()
    check(result.received == result.sent == mode.pairs * count,
          f"{mode.pairs * count} frames sent and received, got {result}")
    check(here.tx_packets == there.rx_packets == there.tx_packets == here.rx_packets,
          f"equal counters on both ends, got {here} and {there}")
    front.quit()
    back.quit()


def case(mode: Mode):
    return mode.name, lambda workspace: reflects_every_frame(workspace, mode)


if __name__ == "__main__":
    run(*[case(mode) for mode in (EVERY if os.environ.get("VDPA_EVERY_MODE") else SOME)])
