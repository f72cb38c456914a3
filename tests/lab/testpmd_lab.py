# SPDX-License-Identifier: BSD-3-Clause
"""What tests with the distribution's testpmd on devices of the vDPA bus share."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.result import check  # noqa: E402
from harness.testpmd import PortStats, Testpmd, distribution, vdev  # noqa: E402
from harness.workspace import Workspace  # noqa: E402
from pcap_pipes import Stream  # noqa: E402
from virtio_lab import FRAMES, our_drivers  # noqa: E402
from virtio_user_lab import Traffic, pinned_kb  # noqa: E402

# Addresses that the distribution's driver gives to a vDPA device are virtual ones.
EAL = ["--iova-mode=va"]
LITTLE = ("-m", "52")  # so that the distribution's testpmd soon needs more
FRAMES_A_SECOND = 1000  # of a machine that does much else
SECONDS = 60


class Compared(Traffic):
    """Frames that go out of one virtio-user port and come in by the next one: a device gives to the next
    one what it is sent, or a single one to itself. Beside each of them is a net_pcap port, with which it
    exchanges all frames:

        pipes -> net_pcap0 -> net_virtio_user0 -> device -> device -> net_virtio_user1 -> net_pcap1 -> pipes

    They must all come back, as they were, in order, and on the queue that they were sent on.

    devices  path and address of each
    ours     use our driver, rather than the distribution's
    """

    def __init__(self, workspace: Workspace, devices: dict[str, str], ours: bool, pairs: int = 1,
                 eal: tuple = (), huge: bool | None = None, **arguments):
        addresses = list(devices.values())
        self.ports, self.pairs = 2 * len(addresses), pairs
        queues = {"queues": pairs} if pairs > 1 else {}
        # For each device, what is sent to the next one.
        self._streams: list[list[Stream]] = []
        leave = [[workspace.path(workspace.unique("leave")) for _ in range(pairs)] for _ in addresses]
        vdevs = []
        for i, path in enumerate(devices):
            to = (i + 1) % len(addresses)
            entry = [workspace.path(workspace.unique("entry")) for _ in range(pairs)]
            self._streams.append([Stream(*pipes, addresses[to]) for pipes in zip(entry, leave[to])])
            vdevs += [vdev(f"net_virtio_user{i}", path=path, **{**queues, **arguments}),
                      ",".join([f"net_pcap{i}", *(f"rx_pcap={pipe}" for pipe in entry),
                                *(f"tx_pcap={pipe}" for pipe in leave[i])])]
        self._arm()
        self.testpmd = Testpmd(
            workspace, "testpmd", distribution(), 0, vdevs,
            ["--disable-link-check", "--no-flush-rx", f"--rxq={pairs}", f"--txq={pairs}"],
            [*(our_drivers(workspace, distribution()) if ours else []), *EAL, *eal], huge=huge,
            # One for each queue to be received from: those of the pipes wait until there is something.
            workers=self.ports * pairs)
        check(("driver net_virtio_user of dpdk-vdpa" in self.testpmd.text) == ours,
              "our driver" if ours else "the distribution's driver")
        self.testpmd.command("set fwd io retry")
        self.testpmd.command(f"set burst tx delay 100 retry {SECONDS * 10000}")
        self._before: list[PortStats] = []

    def _all(self) -> list[Stream]:
        return [stream for streams in self._streams for stream in streams]

    def _arm(self) -> None:
        for stream in self._all():
            stream.begin()
        self._armed = True

    def _pcap_ports(self, verb: str) -> None:
        for port in range(1, self.ports, 2):
            self.testpmd.command(f"port {verb} {port}")

    def _since(self) -> list[PortStats]:
        return [now - before for now, before in zip(self._counts(), self._before)]

    def _counts(self) -> list[PortStats]:
        return [self.testpmd.port_stats(port) for port in range(self.ports)]

    def _start(self, each: int | None) -> None:
        """Send this many frames on each queue, or without it until the end."""
        if not self._armed:
            self._arm()
            self._pcap_ports("start")
        self._before = self._counts()
        self.testpmd.command("start")
        for stream in self._all():
            stream.go(each)

    def _are_back(self) -> bool:
        counts = self._since()
        return all(counts[(2 * i + 3) % self.ports].tx_packets >= sum(s.sent + s.others for s in streams)
                   for i, streams in enumerate(self._streams))

    def _end(self, seconds: int) -> None:
        for stream in self._all():
            stream.all_sent(seconds)
        self.testpmd.until("every frame to be back", self._are_back, seconds)
        counts = self._since()
        self.testpmd.command("stop")
        self._pcap_ports("stop")
        self._armed = False
        for i, streams in enumerate(self._streams):
            for stream in streams:
                stream.end()
            port, sent = counts[2 * i], sum(stream.sent for stream in streams)
            check(port.tx_packets == sent and not port.tx_errors and not port.rx_errors and
                  not port.rx_missed, f"{sent} frames and no errors at port {2 * i}, got {port}")

    def passes(self, frames: int = FRAMES) -> None:
        self._start(frames // self.pairs)
        self._end(max(SECONDS, frames // FRAMES_A_SECOND))

    def begin(self) -> None:
        self._start(None)
        self.testpmd.until("frames to be back", lambda: all(s.received for s in self._all()))

    def end(self) -> None:
        for stream in self._all():
            stream.over()
        self._end(SECONDS)

    def restart(self) -> None:
        self.testpmd.command("port stop all")
        self._arm()
        self.testpmd.command("port start all")

    def killed(self) -> None:
        super().killed()
        for stream in self._all():
            stream.end(all_back=False)


def passes(workspace: Workspace, devices: dict[str, str], ours: bool = False, **options) -> None:
    traffic = Compared(workspace, devices, ours, **options)
    traffic.passes()
    traffic.testpmd.quit()


def heap_grows_and_shrinks(_workspace: Workspace, traffic: Compared) -> None:
    """What DPDK takes and gives back while frames are under way is mapped and unmapped. Of its ports this
    program stops none then, not even one that it has just attached; this device takes tens of MB."""
    testpmd = traffic.testpmd
    for _ in range(2):
        traffic.begin()
        before = pinned_kb(testpmd)
        testpmd.command("port attach event_sw0")
        check(pinned_kb(testpmd) > before, f"more than {before} kB to be mapped")
        said = testpmd.command("device detach event_sw0")
        now = pinned_kb(testpmd)
        check("is detached" in said and now == before, f"{before} kB to be mapped again, got {now}, {said}")
        traffic.end()


def heap_stays(_workspace: Workspace, _traffic: Compared) -> None:
    """There is no more than the memory that it was started with."""


def refuses(testpmd: Testpmd, why: str, **arguments) -> None:
    """One more port cannot be, and one line of the driver's says why."""
    said = testpmd.command("port attach " + vdev("net_virtio_user9", **arguments))
    lines = [line for line in said.splitlines()
             if line.startswith("net_virtio_user9:") and "driver net_virtio_user" not in line]
    check(len(lines) == 1 and re.search(why, lines[0]) is not None, f"one line like '{why}', got:\n{said}")


def has(testpmd: Testpmd, *facts: str) -> None:
    info = testpmd.command("show port info 0")
    for fact in facts:
        check(fact in info, f"'{fact}', got:\n{info}")
