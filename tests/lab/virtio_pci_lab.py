# SPDX-License-Identifier: BSD-3-Clause
"""What tests of the driver for virtio devices on PCI share."""
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.multiprocess import SharedMemory  # noqa: E402
from harness.numbered import run_numbered  # noqa: E402
from harness.result import check  # noqa: E402
from harness.testpmd import START_SECONDS, Testpmd, distribution, ours  # noqa: E402
from harness.workspace import Workspace, built  # noqa: E402
from virtio_lab import FRAMES, our_drivers  # noqa: E402


def on_pci(workspace: Workspace, program: Path, core: int, devices: list[str], args: list[str] = (),
           eal: list[str] = (), **options) -> Testpmd:
    """A testpmd on PCI devices, each an address and perhaps arguments; that of the distribution
    loads our driver."""
    testpmd = Testpmd(workspace, "testpmd", program, core, [], args,
                      [*our_drivers(workspace, program), *eal], mbufs=4096, pci=devices, **options)
    for device in devices:
        check(f"{device.split(',')[0]}: driver net_virtio of dpdk-vdpa" in testpmd.text,
              f"our driver on {device}")
    return testpmd


def frames_cross(workspace: Workspace, one: str, other: str, ways: tuple[str, str],
                 receive: str = "", program=distribution) -> None:
    """Numbered frames from one device over the hub to the other, from where a program, the
    distribution's testpmd with our driver, sends them back. ways: what the transports are, as the log
    names them; receive: how the first one receives."""
    forwarder = on_pci(workspace, program(), 0, [other], ["--port-topology=loop"])
    check(f"{other.split(',')[0]}: {ways[1]}," in forwarder.text, f"{other} to be {ways[1]}")
    forwarder.command("start")
    sender = on_pci(workspace, ours(), 1, [one])
    check(f"{one.split(',')[0]}: {ways[0]}," in sender.text, f"{one} to be {ways[0]}")
    if receive:
        sender.expect(rf"receive functions: {receive}", 1, 0)
    result = run_numbered(sender, FRAMES)
    check(result.received == result.sent == FRAMES, f"{FRAMES} frames back, got {result}")
    sender.quit()
    forwarder.quit()


def secondary_moves_frames(workspace: Workspace, devices: list[str]) -> None:
    """A process that finds two ports made and started by another one has frames go round over the hub
    between them, until it is killed; then the primary does."""
    shared = SharedMemory(workspace)
    primary = on_pci(workspace, ours(), 0, devices, shared=shared)
    secondary = on_pci(workspace, ours(), 1, devices, shared=shared, secondary=True)
    secondary.command("start tx_first")
    for port in (0, 1):
        primary.until("frames of the secondary process",
                      lambda at=port: primary.port_stats(at).rx_packets > 100)
    check("Link status: up" in secondary.command("show port info 0"), "the link to be up")
    secondary.signal(signal.SIGKILL)
    secondary.wait()
    primary.command("port stop all")
    primary.command("port start all")
    before = primary.port_stats(1).rx_packets
    primary.command("start tx_first")
    primary.until("frames", lambda: primary.port_stats(1).rx_packets > before + 100)
    primary.quit()


def sleeper_wakes(workspace: Workspace, devices: list[str], rounds: int, *words: str) -> str:
    """Frames wake a program that sleeps on the first device's receive queue; what it printed."""
    eal = [word for word in workspace.eal_args(0, "sleeper") if word != "--no-pci"]
    allowed = [word for device in devices for word in ("-a", device)]
    said = workspace.run([built("tests/lab/sleeper"), *eal, *allowed, "--", str(rounds), *words],
                         START_SECONDS)
    check(f"woken {rounds} times" in said,
          f"each of {rounds} frames to wake the sleeper, got {said}")
    return said


@contextmanager
def bound_to(driver: str, devices: list[str]):
    """Give devices to a driver of the guest's, and afterwards back to the one that they had."""
    before = {}
    try:
        for device in devices:
            before[device] = rebind(device, driver)
        yield
    finally:
        for device, owner in before.items():
            rebind(device, owner)


def rebind(address: str, driver: str) -> str:
    """The driver that the device had."""
    bus = Path("/sys/bus/pci")
    link = bus / "devices" / address / "driver"
    before = link.resolve().name
    (bus / "devices" / address / "driver_override").write_text(driver, encoding="ascii")
    (link / "unbind").write_text(address, encoding="ascii")
    (bus / "drivers_probe").write_text(address, encoding="ascii")
    check(link.resolve().name == driver, f"{address} to be bound to {driver}")
    return before


def expect_removal(testpmd: Testpmd, begin: int, port: int, left: int) -> None:
    """Wait until the distribution's testpmd has closed a port that was pulled while it forwarded, and
    forwards again, with those that are left. It tells of it from a thread of its own: what is typed
    meanwhile has its words in the middle of the echo."""
    testpmd.expect(rf"Port {port} is closed", START_SECONDS, begin)
    testpmd.expect(rf"Now total ports is {left}$", START_SECONDS)
    for _ in range(left):
        testpmd.expect(r"TX RS bit threshold=\d+$", START_SECONDS)


def end_after_removal(workspace: Workspace, testpmd: Testpmd) -> None:
    """The distribution's testpmd, when a port was pulled, forwards again from a thread of its own. Told
    to quit meanwhile, it closes the ports that thread polls, and may wait for it for ever."""
    workspace.forget(testpmd)
