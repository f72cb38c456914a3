# SPDX-License-Identifier: BSD-3-Clause
"""What tests of the driver for virtio devices on PCI share."""
import re
import signal
import subprocess
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


def is_like(testpmd: Testpmd, device: str, way: str, receive: str) -> None:
    """What the log says of the only device: its transport, and how it receives."""
    check(f"{device.split(',')[0]}: {way}," in testpmd.text, f"{device} to be {way}")
    if receive:
        testpmd.expect(rf"receive functions: {receive}$", 1, 0)


def frames_cross(workspace: Workspace, one: str, other: str, ways: tuple[str, str],
                 receive: tuple[str, str] = ("", ""), program=distribution) -> None:
    """Numbered frames from one device over the hub to the other, from where a program, the
    distribution's testpmd with our driver, sends them back. ways, receive: what the transports are, and
    how they receive, as the log says."""
    forwarder = on_pci(workspace, program(), 0, [other], ["--port-topology=loop"])
    is_like(forwarder, other, ways[1], receive[1])
    forwarder.command("start")
    sender = on_pci(workspace, ours(), 1, [one])
    is_like(sender, one, ways[0], receive[0])
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


def plug_in(testpmd: Testpmd, monitor, number: int, address: str, driver: str,
            **properties) -> None:
    """Plug a device in that was pulled, and have testpmd, which runs, attach and start it."""
    name = f"dev{number}"
    testpmd.until("an empty slot", lambda: name not in [
        child["name"] for child in monitor("qom-list", path="/machine/peripheral")])
    monitor("device_add", driver="virtio-net-pci", id=name, netdev=f"net{number}", bus="plug", addr="0",
            romfile="", **{"disable-legacy": "on"}, **properties)
    testpmd.until("the device", lambda: is_there(f"{address}/driver"))
    rebind(address, driver)
    testpmd.command(f"port attach {address}")
    testpmd.command("port start all")


def await_removal(testpmd: Testpmd, begin: int, port: int, left: int) -> None:
    """Wait until the distribution's testpmd has closed a port that was pulled while it forwarded, and
    forwards again, with those that are left. It does so, and tells of it, from a thread of its own: what is
    typed meanwhile has its words in the middle of the echo, and what stops or ends it then does not know
    that it forwards."""
    testpmd.expect(rf"Port {port} is closed", START_SECONDS, begin)
    testpmd.expect(rf"Now total ports is {left}$", START_SECONDS)
    for _ in range(left):
        testpmd.expect(r"TX RS bit threshold=\d+$", START_SECONDS)
    testpmd.until("a core that polls", lambda: "running" in worker(testpmd))


def worker(testpmd: Testpmd) -> str:
    """What the only core that forwards does, as the kernel says: without work it sleeps."""
    for task in Path(f"/proc/{testpmd.pid}/task").iterdir():
        status = (task / "status").read_text(encoding="ascii")
        if re.search(r"^Name:\trte-worker", status):
            return re.search(r"^State:.*$", status, re.M).group()
    raise testpmd.failure("it has no core to forward")


def circulates(testpmd: Testpmd, *ports: int) -> None:
    """Frames go round through these ports, from a new beginning: of several, as what goes round from one port
    to another and back has come to its end with the first burst that the hub between them drops."""
    before = {port: testpmd.port_stats(port).rx_packets for port in ports}

    def arrive(port: int) -> bool:
        testpmd.command("stop")
        testpmd.command("start tx_first")
        return testpmd.port_stats(port).rx_packets > before[port] + 100

    for port in ports:
        testpmd.until(f"frames at port {port}", lambda at=port: arrive(at))
    testpmd.command("stop")


def is_there(device: str) -> bool:
    return Path("/sys/bus/pci/devices", device).exists()


def asked_back(device: str) -> bool:
    """Whether VFIO has asked the program for it."""
    log = subprocess.run(["dmesg"], check=True, capture_output=True, text=True, timeout=60).stdout
    return re.search(rf"vfio-pci {device}: Relaying device request to user", log) is not None
