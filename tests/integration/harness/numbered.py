# SPDX-License-Identifier: BSD-3-Clause
"""Numbered, checksummed frames: what dpdk-vdpa-testpmd's forward mode seq sends and verifies.

The program counts every frame that is missing, came twice, out of order, changed, or on the wrong
queue; nothing of that may happen on a path that does not drop by contract.
"""
import re
from dataclasses import dataclass

from .result import Failure
from .testpmd import Testpmd
from .workspace import sanitized

SECONDS = 300
FRAMES_A_SECOND = 1000  # of a machine that does much else
# How long nothing may arrive before what is under way counts as lost. A guest, or a peer, may not get
# a processor for seconds where much else runs; who waits for a lost frame waits for a failure.
PATIENCE_MS = 60_000


@dataclass
class Numbered:
    sent: int
    received: int


def frames(count: int) -> int:
    """count, or fewer where every frame takes a multiple of the time."""
    return max(count // 20, 1000) if sanitized() else count


def start_numbered(testpmd: Testpmd, count: int = 0, size: str = "64-1514",
                   window: int = 64, patience_ms: int = 0) -> None:
    """Send numbered frames on all queues, count on each (0: no end), and expect them back. Without an
    end it is about what happens when frames are lost, and goes on soon after, or after patience_ms."""
    patience_ms = patience_ms or (PATIENCE_MS if count else 1000)
    for line in ("set fwd seq", f"set seq count {count}", f"set seq size {size}",
                 f"set seq window {window}", f"set seq timeout {patience_ms}", "start"):
        testpmd.command(line)


def await_numbered(testpmd: Testpmd, seconds: float = SECONDS) -> Numbered:
    """Wait for the verdict of a run with a count; it must be that nothing was amiss."""
    verdict = testpmd.expect(r"^  all: sent=(\d+) received=(\d+) .*\n  verdict: (\w+)$", seconds)
    testpmd.expect(r"^Done\.$")
    if verdict.group(3) != "passed":
        raise Failure(f"{testpmd.name}: expected every numbered frame back, unchanged and in "
                      f"order:\n{verdict.group()}")
    return Numbered(int(verdict.group(1)), int(verdict.group(2)))


def run_numbered(testpmd: Testpmd, count: int, **options) -> Numbered:
    begin = testpmd.mark()
    start_numbered(testpmd, count, **options)
    testpmd.rewind(begin)
    return await_numbered(testpmd, max(SECONDS, count // FRAMES_A_SECOND))


def run_numbered_at_once(testpmds: list[Testpmd], count: int) -> list[Numbered]:
    """The same in several programs, with a count for each queue of each."""
    begins = [testpmd.mark() for testpmd in testpmds]
    for testpmd in testpmds:
        start_numbered(testpmd, count)
    for testpmd, begin in zip(testpmds, begins):
        testpmd.rewind(begin)
    return [await_numbered(testpmd) for testpmd in testpmds]


def seq_stats(testpmd: Testpmd) -> dict[str, int]:
    """The counters of a run that goes on."""
    text = testpmd.command("show seq stats")
    line = re.search(r"^  all: (.*)$", text, re.M)
    if not line:
        raise Failure(f"{testpmd.name}: show seq stats has no line 'all:':\n{text}")
    return {name: int(value) for name, value in re.findall(r"([\w-]+)=(\d+)", line.group(1))}


def stop_numbered(testpmd: Testpmd) -> None:
    """End a run without a count: frames must still come back, and nothing have been amiss."""
    before = seq_stats(testpmd)["received"]
    testpmd.until("more frames back", lambda: seq_stats(testpmd)["received"] > before)
    begin = testpmd.mark()
    testpmd.command("stop")
    line = re.search(r"^  all: (.*)$", testpmd.text[begin:], re.M)
    counts = dict(re.findall(r"([\w-]+)=(\d+)", line.group(1))) if line else {}
    for what in ("lost", "duplicate", "reordered", "corrupt", "misrouted"):
        if counts.get(what) != "0":
            raise Failure(f"{testpmd.name}: expected no frame {what}, got: "
                          f"{line.group() if line else 'no counters'}")
