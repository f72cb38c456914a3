# SPDX-License-Identifier: BSD-3-Clause
"""What tests of RSS share, whatever carries the device: a port of four queue pairs, whose frames the peer
tap_flows.py answers with those of flows.py."""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from flows import DEFAULT_KEY, TCP, UDP, Spread, flows, self_test  # noqa: E402
from harness.result import check  # noqa: E402
from harness.testpmd import Testpmd  # noqa: E402

QUEUES = 4
ARGS = [f"--rxq={QUEUES}", f"--txq={QUEUES}", "--forward-mode=rxonly"]
BURST = 32
TABLE = 128
PORTS_COUNT = frozenset((version, protocol) for version in (4, 6) for protocol in (TCP, UDP))
# Entries of the table that one command can name.
ENTRIES = 8


def packets(testpmd: Testpmd, way: str) -> list[int]:
    counters = testpmd.xstats(0)
    return [counters[f"{way}_q{queue}_packets"] for queue in range(QUEUES)]


def every_flow_once(testpmd: Testpmd) -> tuple[list[int], list[int]]:
    """Have all flows sent; frames sent and received on each queue since the ones before."""
    before = [packets(testpmd, way) for way in ("tx", "rx")]
    # A frame sent is a frame back.
    all_of_them = sum(before[1]) + len(flows())
    testpmd.command(f"start tx_first {len(flows()) // (QUEUES * BURST)}")
    testpmd.until("every flow to arrive",
                  lambda: testpmd.port_stats(0).rx_packets >= all_of_them)
    testpmd.command("stop")
    after = [packets(testpmd, way) for way in ("tx", "rx")]
    sent, received = ([late - early for early, late in zip(*counts)]
                      for counts in zip(before, after))
    check(sum(sent) == sum(received) == len(flows()),
          f"{len(flows())} frames sent and received, got {sent} and {received}")
    return sent, received


def follows(testpmd: Testpmd, spread: Spread, when: str) -> None:
    _, received = every_flow_once(testpmd)
    expected = spread.counts(QUEUES)
    check(received == expected, f"{when}: {expected} frames by queue, got {received}")


def set_table(testpmd: Testpmd, table: list[int], entries: list[int]) -> None:
    for at in range(0, len(entries), ENTRIES):
        testpmd.command("port config 0 rss reta " + ",".join(
            f"({entry},{table[entry]})" for entry in entries[at:at + ENTRIES]))


def queues_follow_key_and_table(testpmd: Testpmd) -> None:
    self_test()
    choose = random.Random(2)
    spread = Spread(DEFAULT_KEY, [entry % QUEUES for entry in range(TABLE)], PORTS_COUNT)
    testpmd.command("port config all rss all")
    follows(testpmd, spread, "at first")
    spread.key = choose.randbytes(len(DEFAULT_KEY))
    # This leaves one kind of frames, and the next command the key.
    testpmd.command(f"port config 0 rss-hash-key ipv4 {spread.key.hex()}")
    testpmd.command("port config all rss all")
    follows(testpmd, spread, "with another key")
    changed = choose.sample(range(TABLE), TABLE // 2)
    for entry in changed:
        spread.table[entry] = choose.choice((0, 3, 3))
    set_table(testpmd, spread.table, changed)
    follows(testpmd, spread, "with another table")
    testpmd.command("port stop 0")
    testpmd.command("port start 0")
    follows(testpmd, spread, "after a restart")
    spread.kinds = frozenset()
    testpmd.command("port config all rss ip")
    follows(testpmd, spread, "with addresses alone")


def all_queues_are_in_use(testpmd: Testpmd) -> None:
    sent, received = every_flow_once(testpmd)
    check(sent == [BURST] * QUEUES, f"{BURST} frames sent on each queue, got {sent}")
    check(all(received), f"frames on each of {QUEUES} queues, got {received}")
