#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Our net_virtio_user, in our program and in the distribution's, on the distribution's net_vhost: every
frame comes back as it was sent.

By default each ring format is there with mergeable buffers and without, in order and in any order, half of
them with vector functions. VDPA_EVERY_MODE, if not empty, asks for all combinations, and more frames.
"""
from dataclasses import dataclass
from itertools import product

from harness.backends import vhost_port
from harness.burst_functions import TELLING, check_functions
from harness.front import EVERY_MODE, FrontEnd, both_ends
from harness.result import check
from harness.runner import run
from harness.testpmd import distribution

FRAMES = 1_000_000 if EVERY_MODE else 300_000


@dataclass
class Mode:
    packed: bool
    mergeable: bool
    in_order: bool
    pairs: int
    vectorized: bool
    server: bool = False
    theirs: bool = False    # our driver is in the distribution's program

    @property
    def name(self) -> str:
        return "_".join(["packed" if self.packed else "split",
                         "mergeable" if self.mergeable else "single",
                         "in_order" if self.in_order else "any_order", f"{self.pairs}_pairs"] +
                        (["vectorized"] if self.vectorized else []) +
                        (["server"] if self.server else []) +
                        (["in_theirs"] if self.theirs else []))


SOME = [Mode(False, True, True, 1, True),
        Mode(False, True, False, 2, False),
        Mode(False, False, True, 16, True),
        Mode(False, False, False, 2, False, server=True),
        Mode(True, True, True, 2, False),
        Mode(True, True, False, 16, True),
        Mode(True, False, True, 2, True, server=True),
        Mode(True, False, False, 1, False),
        Mode(False, True, False, 2, True, theirs=True),
        Mode(True, True, True, 16, True, server=True, theirs=True)]
EVERY = [Mode(*mode) for mode in product((False, True), (True, False), (True, False), (1, 2, 16),
                                         (False, True), (False, True), (False, True))]


def reflects_every_frame(workspace, mode: Mode) -> None:
    socket = workspace.path("socket")
    front, back = both_ends(
        lambda wait: FrontEnd(workspace, socket, mode.theirs, mode.pairs, eal=TELLING,
                              packed_vq=mode.packed, mrg_rxbuf=mode.mergeable,
                              in_order=mode.in_order, vectorized=mode.vectorized,
                              server=mode.server, wait=wait),
        lambda: vhost_port(workspace, [socket], mode.pairs, program=distribution,
                           client=mode.server), mode.server)
    front.wait_link()
    check_functions(front.testpmd, mode.packed, mode.mergeable, mode.in_order, mode.vectorized)
    count = front.frames(FRAMES // mode.pairs)
    result = front.run(count)
    there, here = back.port_stats(), front.port_stats()
    check(result.received == result.sent == mode.pairs * count,
          f"{mode.pairs * count} frames sent and received, got {result}")
    check(result.sent == here.tx_packets == there.rx_packets == there.tx_packets == here.rx_packets,
          f"equal counters on both ends, got {here} and {there}")
    front.quit()
    back.quit()


def case(mode: Mode):
    return mode.name, lambda workspace: reflects_every_frame(workspace, mode)


if __name__ == "__main__":
    run(*[case(mode) for mode in (EVERY if EVERY_MODE else SOME)])
