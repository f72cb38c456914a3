# SPDX-License-Identifier: BSD-3-Clause
"""What tests with the distribution's testpmd on devices of the vDPA bus share."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.result import check  # noqa: E402
from harness.testpmd import PortStats, Testpmd, distribution, vdev  # noqa: E402
from harness.workspace import Workspace  # noqa: E402
from virtio_lab import FRAMES, our_drivers  # noqa: E402
from virtio_user_lab import Traffic  # noqa: E402

# Addresses that the distribution's driver gives to a vDPA device are virtual ones.
EAL = ["--iova-mode=va"]
LITTLE = ("-m", "52")  # so that the distribution's testpmd soon needs more
BURSTS = 1
FRAMES_A_SECOND = 1000  # of a machine that does much else
SECONDS = 60


class Circulating(Traffic):
    """Frames that go round through virtio-user ports: a device gives to the next one what it is sent,
    or a single one to itself, and the program sends from there what it gets here. None is lost, and
    none comes twice.

    devices  path and address of each
    ours     use our driver, rather than the distribution's
    """
    lets_ports_go = False   # none can be stopped while there is traffic

    def __init__(self, workspace: Workspace, devices: dict[str, str], ours: bool, pairs: int = 1,
                 eal: tuple = (), huge: bool | None = None, **arguments):
        addresses = list(devices.values())
        self.ports, self.pairs = len(addresses), pairs
        queues = {"queues": pairs} if pairs > 1 else {}
        self.testpmd = Testpmd(
            workspace, "testpmd", distribution(), 0,
            [vdev(f"net_virtio_user{i}", path=path, **queues, **arguments)
             for i, path in enumerate(devices)],
            [f"--port-topology={'paired' if self.ports > 1 else 'loop'}", "--disable-link-check",
             f"--rxq={pairs}", f"--txq={pairs}"] +
            [f"--eth-peer={port},{addresses[(port + 1) % self.ports]}"
             for port in range(self.ports)],
            [*(our_drivers(workspace, distribution()) if ours else []), *EAL, *eal], huge=huge)
        check(("driver net_virtio_user of dpdk-vdpa" in self.testpmd.text) == ours,
              "our driver" if ours else "the distribution's driver")
        self._before: list[PortStats] = []

    def _counts(self) -> list[PortStats]:
        return [self.testpmd.port_stats(port) for port in range(self.ports)]

    def _since(self) -> list[PortStats]:
        return [now - before for now, before in zip(self._counts(), self._before)]

    def begin(self) -> None:
        self._before = self._counts()
        self.testpmd.command("set fwd mac")
        self.testpmd.command(f"start tx_first {BURSTS}")

    def end(self) -> None:
        self.testpmd.command("stop")
        # What is still on its way goes no further than to the next port.
        self.testpmd.command("set fwd rxonly")
        self.testpmd.command("start")
        self.testpmd.until("every frame to arrive", lambda: sum(c.tx_packets - c.rx_packets
                                                                for c in self._since()) == 0)
        counts = self._since()
        self.testpmd.command("stop")
        for port, sent in enumerate(counts):
            received = counts[(port + 1) % self.ports]
            check(received.rx_packets == sent.tx_packets and received.rx_bytes == sent.tx_bytes,
                  f"all that port {port} sent to be received, sent {sent}, received {received}")
            check(not sent.tx_errors and not sent.rx_errors and not sent.rx_missed,
                  f"no errors at port {port}, got {sent}")

    def passes(self, frames: int = FRAMES) -> None:
        self.begin()
        self.testpmd.until(f"{frames} frames in each port",
                           lambda: all(c.rx_packets >= frames for c in self._since()),
                           max(SECONDS, frames // FRAMES_A_SECOND))
        self.end()


def circulates(workspace: Workspace, devices: dict[str, str], ours: bool = False, **options) -> None:
    traffic = Circulating(workspace, devices, ours, **options)
    traffic.passes()
    traffic.testpmd.quit()
