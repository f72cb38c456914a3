#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Our front end on our back ends, a vhost port and the software vDPA device, in every ring mode. In the
distribution's program it is in a few of them, or, if VDPA_EVERY_MODE is not empty, in all.

Frames of all sizes come back as they were sent, on the queue pair they were sent on; where receive
buffers are mergeable, also those that no single buffer holds. Modes with two queue pairs have the
front end use the widest vectors that the CPU has.
"""
import re
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from harness.backends import BACKENDS
from harness.burst_functions import TELLING, check_functions
from harness.front import EVERY_MODE, FrontEnd
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd
from harness.vdpa import vdpa_stats
from harness.vhost_user import Feature, mask

FRAMES = 200_000
JUMBO_FRAMES = 20_000
JUMBO = 9000  # MTU, and the longest frame but for its header
PAIRS_MAX = 128
MODE_FEATURES = mask(Feature.RING_PACKED, Feature.NET_MRG_RXBUF, Feature.IN_ORDER)


@dataclass
class Mode:
    kind: str
    packed: bool
    mergeable: bool
    in_order: bool
    pairs: int
    queue_size: int = 256
    huge: bool | None = None    # hugepages for both ends; None: if there are any
    theirs: bool = False        # our driver is in the distribution's program

    @property
    def vectorized(self) -> bool:
        return self.pairs == 2

    @property
    def name(self) -> str:
        return "_".join([self.kind, "packed" if self.packed else "split",
                         "mergeable" if self.mergeable else "single",
                         "in_order" if self.in_order else "any_order",
                         f"{self.pairs}_pairs", f"{self.queue_size}_entries"] +
                        (["no_huge"] if self.huge is False else []) +
                        (["in_theirs"] if self.theirs else []))

    @property
    def features(self) -> int:
        return mask(*(bit for bit, wanted in ((Feature.RING_PACKED, self.packed),
                                              (Feature.NET_MRG_RXBUF, self.mergeable),
                                              (Feature.IN_ORDER, self.in_order)) if wanted))


def check_memory(process: Testpmd) -> None:
    """None of it are hugepages, though this machine may have some."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    huge = re.search(r"^HugetlbPages:\s+(\d+) kB$", status, re.M)
    check(huge is not None and int(huge.group(1)) == 0, f"no hugepages, got {huge}")


def counters(mode: Mode, backend: Testpmd) -> tuple[int, int]:
    """Frames that the back end took from the front end, and that it gave to it."""
    if mode.kind == "vhost":
        stats = backend.port_stats()
        return stats.rx_packets, stats.tx_packets
    queues = vdpa_stats(backend, "vdpa_sim0")
    return sum(q["packets"] for q in queues[1::2]), sum(q["packets"] for q in queues[0::2])


def reflects_every_frame(workspace, mode: Mode) -> None:
    socket = workspace.path("socket")
    mtu = {"mtu": JUMBO} if mode.mergeable and mode.kind == "sim" else {}
    backend = BACKENDS[mode.kind](workspace, [socket], mode.pairs,
                                  eal=["--log-level=lib.vhost.config:info"], huge=mode.huge, **mtu)
    front = FrontEnd(workspace, socket, mode.theirs, mode.pairs, JUMBO + 18 if mode.mergeable else 0,
                     TELLING, huge=mode.huge, packed_vq=mode.packed, mrg_rxbuf=mode.mergeable,
                     in_order=mode.in_order, queue_size=mode.queue_size, vectorized=mode.vectorized)
    features = int(backend.expect(r"device runs, features (0x[0-9a-f]+)").group(1), 16)
    check(mode.features == features & MODE_FEATURES,
          f"features {mode.features:#x} to be agreed on, got {features:#x}")
    check_functions(front.testpmd, mode.packed, mode.mergeable, mode.in_order, mode.vectorized)
    if mode.huge is False:
        check_memory(backend)
        check_memory(front.testpmd)
    sent = front.run(front.frames(FRAMES // mode.pairs)).sent
    if mode.mergeable:
        # Five buffers hold the longest: as many frames under way as there are buffers for.
        sent += front.run(front.frames(JUMBO_FRAMES), size=f"64-{JUMBO}",
                          window=max(1, mode.queue_size // 16)).sent
    there, here = counters(mode, backend), front.port_stats()
    check(sent == here.tx_packets == there[0] == there[1] == here.rx_packets,
          f"equal counters on both ends and {sent} frames, got {here} and {there}")
    front.quit()
    backend.quit()


def modes() -> list[Mode]:
    every = [Mode(*m) for m in product(BACKENDS, (False, True), (True, False), (True, False),
                                       (1, 2))]
    # The smallest useful ring, a size that is no power of two (packed only), many queue pairs, as many
    # as there can be, memory in ordinary pages.
    for kind in BACKENDS:
        every += [Mode(kind, False, True, True, 1, 16), Mode(kind, True, True, True, 1, 16),
                  Mode(kind, True, False, True, 1, 100),
                  Mode(kind, False, True, False, 8, 128), Mode(kind, True, True, False, 8, 128),
                  Mode(kind, kind == "sim", False, True, PAIRS_MAX, 64),
                  Mode(kind, False, True, False, 1, huge=False),
                  Mode(kind, True, True, False, 1, huge=False)]
    some = every if EVERY_MODE else [Mode("sim", False, True, True, 1), Mode("vhost", True, True, False, 2)]
    return every + [replace(mode, theirs=True) for mode in some]


def case(mode: Mode):
    return mode.name, lambda workspace: reflects_every_frame(workspace, mode)


if __name__ == "__main__":
    run(*[case(mode) for mode in modes()])
