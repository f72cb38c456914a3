# SPDX-License-Identifier: BSD-3-Clause
"""What tests of our virtio drivers share, whatever carries the device.

VDPA_FRAMES and VDPA_RESTARTS ask for more than the little that every run can afford.
"""
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.loaded import loadable  # noqa: E402
from harness.result import Failure, check  # noqa: E402
from harness.testpmd import START_SECONDS, Testpmd, distribution  # noqa: E402
from harness.workspace import Workspace  # noqa: E402

FRAMES = int(os.environ.get("VDPA_FRAMES", "2000"))
RESTARTS = int(os.environ.get("VDPA_RESTARTS", "3"))
DEVICES = [line.split()[0] for line in os.environ.get("LAB_DEVICES", "").splitlines()]
LINES = "--log-level=pmd.net.virtio.*:info"
# How the log tells of burst functions with vectorized=1, on this processor and with EAL's default limit.
VECTORS = ", AVX2" if " avx2 " in Path("/proc/cpuinfo").read_text(encoding="ascii") else ""


def our_drivers(workspace: Workspace, program: Path) -> list[str]:
    """EAL options with which a program uses our drivers: that of the distribution loads them."""
    if program != distribution():
        return [LINES]
    return ["-d", str(loadable(workspace, "net_virtio")), LINES]


class Monitor:
    """The emulator's monitor, from within the guest."""

    def __init__(self):
        self._file = os.open(os.environ["LAB_MONITOR"], os.O_RDWR)
        self._pending = b""
        # Refused when an earlier test did so already.
        self._ask("qmp_capabilities")

    def close(self) -> None:
        os.close(self._file)

    def __call__(self, command: str, **arguments):
        answer = self._ask(command, **arguments)
        if "error" in answer:
            raise Failure(f"QEMU refused {command}: {answer['error']['desc']}")
        return answer["return"]

    def _ask(self, command: str, **arguments) -> dict:
        os.write(self._file, json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            line, newline, rest = self._pending.partition(b"\n")
            if not newline:
                self._pending += os.read(self._file, 4096)
                continue
            self._pending = rest
            message = json.loads(line)
            if "return" in message or "error" in message:
                return message


# Ports 0 and 1 of the testpmd are the devices dev0 and dev1, between which is a hub.

def link_follows_the_cable(testpmd: Testpmd, monitor: Monitor) -> None:
    for up in (False, True):
        begin = testpmd.mark()
        monitor("set_link", name="dev0", up=up)
        testpmd.expect(r"Port 0: link state change event", START_SECONDS, begin)
        status = f"Link status: {'up' if up else 'down'}"
        check(status in testpmd.command("show port info 0"), f"{status} at port 0")
        check("Link status: up" in testpmd.command("show port info 1"), "the other one to be up")


def announces_itself(testpmd: Testpmd, monitor: Monitor, names: list[str]) -> None:
    begin = testpmd.mark()
    monitor("announce-self", initial=50, max=100, rounds=1, step=10)
    for name in names:
        testpmd.expect(rf"{name}: announced itself", START_SECONDS, begin)
    testpmd.command("set fwd rxonly")
    testpmd.command("start")
    for port in (0, 1):
        testpmd.until(f"a frame of another one at port {port}",
                      lambda at=port: testpmd.port_stats(at).rx_packets >= 1)
    testpmd.command("stop")


FILTERS = {"main-mac": "02:00:00:00:00:11", "unicast-table": ["02:00:00:00:00:12"],
           "multicast-table": ["01:00:5e:00:00:01"], "multicast": "all", "vlan-table": [5]}


def device_has(monitor: Monitor, expected: dict) -> None:
    """Filters of dev0, asked of the device itself."""
    found = monitor("query-rx-filter", name="dev0")[0]
    check({name: found.get(name) for name in expected} == expected,
          f"the device to have {expected}, got {found}")


def filters_reach_the_device(testpmd: Testpmd, monitor: Monitor) -> None:
    """Before and after a restart of the port."""
    for command in ("set promisc 0 off", "set allmulti 0 on", "mac_addr set 0 02:00:00:00:00:11",
                    "mac_addr add 0 02:00:00:00:00:12", "mac_addr add 0 02:00:00:00:00:13",
                    "mac_addr remove 0 02:00:00:00:00:13", "mcast_addr add 0 01:00:5e:00:00:01",
                    "rx_vlan add 5 0", "rx_vlan add 4000 0", "rx_vlan rm 4000 0"):
        said = testpmd.command(command)
        check("rror" not in said and "ailed" not in said, f"'{command}' to be done, got {said}")
    device_has(monitor, FILTERS | {"promiscuous": False})
    testpmd.command("port stop 0")
    testpmd.command("port start 0")
    device_has(monitor, FILTERS | {"promiscuous": False})
    testpmd.command("set promisc 0 on")
