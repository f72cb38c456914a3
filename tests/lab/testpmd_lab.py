# SPDX-License-Identifier: BSD-3-Clause
"""What tests with a testpmd in the guest share."""
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.result import check  # noqa: E402
from harness.testpmd import PortStats, Testpmd, distribution, vdev  # noqa: E402
from harness.workspace import BUILD_DIR, Workspace  # noqa: E402

OUR_DRIVER = "drivers/librte_net_virtio.so"
ENOUGH = 1000
BURSTS = 1
BURST = 32


def settled(testpmd: Testpmd, ports: int) -> list[PortStats]:
    """Counters of all ports, once nothing is on its way any more."""
    def counts() -> list[PortStats]:
        return [testpmd.port_stats(port) for port in range(ports)]

    testpmd.until("every frame to arrive", lambda: sum(c.tx_packets - c.rx_packets
                                                       for c in counts()) == 0)
    return counts()


def circulates(workspace: Workspace, devices: dict[str, str], our_driver: bool = False) -> None:
    """Frames go round through virtio-user ports on these devices (path and address of each): a
    device gives to the next one what it is sent, or a single one to itself, and the program sends
    from there what it gets here. None is lost, and none comes twice."""
    # Addresses that the distribution's driver gives to a vDPA device are virtual ones.
    eal = ["--iova-mode=va"]
    if our_driver:
        # A copy: EAL loads nothing from below a directory that all may write.
        eal = ["-d", shutil.copy2(BUILD_DIR / OUR_DRIVER, workspace.private_dir())]
    ports = len(devices)
    topology = "paired" if ports > 1 else "loop"
    addresses = list(devices.values())
    testpmd = Testpmd(workspace, "testpmd", distribution(), 0,
                      [vdev(f"net_virtio_user{i}", path=path) for i, path in enumerate(devices)],
                      [f"--port-topology={topology}", "--forward-mode=mac"] +
                      [f"--eth-peer={port},{addresses[(port + 1) % ports]}"
                       for port in range(ports)],
                      eal)
    check(("driver net_virtio_user of dpdk-vdpa" in testpmd.text) == our_driver,
          "our driver" if our_driver else "the distribution's driver")
    testpmd.command(f"start tx_first {BURSTS}")
    testpmd.until(f"{ENOUGH} frames in each port",
                  lambda: all(testpmd.port_stats(port).rx_packets >= ENOUGH
                              for port in range(ports)))
    testpmd.command("stop")
    # What is still on its way goes no further than to the next port.
    testpmd.command("set fwd rxonly")
    testpmd.command("start")
    counts = settled(testpmd, ports)
    testpmd.command("stop")
    for port, sent in enumerate(counts):
        received = counts[(port + 1) % ports]
        check(received.rx_packets == sent.tx_packets and received.rx_bytes == sent.tx_bytes,
              f"all that port {port} sent to be received, sent {sent}, received {received}")
        check(sent.tx_packets >= ENOUGH + BURSTS * BURST and not sent.tx_errors and
              not sent.rx_errors and not sent.rx_missed,
              f"{ENOUGH} frames and no errors at port {port}, got {sent}")
    testpmd.quit()
