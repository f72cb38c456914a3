# SPDX-License-Identifier: BSD-3-Clause
"""Live migration of a guest between two emulators, whose vhost-user devices others serve."""
import re
from dataclasses import dataclass

from lab.kernel import LAB

from .guest import Guest, Nic
from .qmp import Qmp, moment
from .result import Failure, check
from .workspace import Workspace, installed

MOVE_SECONDS = 300
TRAFFIC_SECONDS = 120
# Frames that have to come back before the move, and again after it.
ENOUGH = 2000
PARAMETERS = {"max-bandwidth": 10 << 30, "downtime-limit": 1000}
# So that there is memory left when the guest goes.
SLOW = {"max-bandwidth": 4 << 20, "max-postcopy-bandwidth": 64 << 20}


@dataclass
class Report:
    """What became of a guest that was moved."""
    downtime_ms: float
    total_ms: int
    counters: dict[str, int]

    def __str__(self) -> str:
        return (f"downtime {self.downtime_ms:.0f} ms of {self.total_ms} ms, {self.counters['lost']}"
                f" of {self.counters['sent']} frames lost, memory " +
                ("intact" if self.intact else
                 f"DAMAGED: {self.counters['corrupt']} frames and {self.counters['pages_bad']} of "
                 f"{self.counters['pages_checked']} pages"))

    @property
    def intact(self) -> bool:
        return not self.counters["corrupt"] and not self.counters["pages_bad"]


def traffic_program(workspace: Workspace) -> bytes:
    """The guest's program, which needs nothing but the kernel."""
    file = workspace.path("traffic")
    workspace.run([installed("cc", "gcc"), "-O2", "-static", "-o", file, LAB / "traffic.c"])
    return file.read_bytes()


class Traffic:
    """The guest's program, on whichever emulator the guest is."""

    def __init__(self, guest: Guest):
        guest.check("/lab/traffic eth0 >/tmp/report 2>&1 & echo $! >/tmp/traffic; "
                    "until test -s /tmp/report; do usleep 10000; done")

    @staticmethod
    def counters(guest: Guest, signal: str = "USR1") -> dict[str, int]:
        lines = int(guest.check("wc -l </tmp/report"))
        guest.check(f"kill -{signal} $(cat /tmp/traffic); "
                    "while kill -0 $(cat /tmp/traffic) 2>/dev/null && "
                    f"test $(wc -l </tmp/report) -le {lines}; do usleep 10000; done",
                    TRAFFIC_SECONDS)
        text = guest.check("tail -n 1 /tmp/report")
        found = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", text)}
        if "sent" not in found:
            raise Failure(f"the guest's traffic ended: {text}")
        return found

    def flows(self, guest: Guest) -> None:
        """Wait until many more frames have come back."""
        begin = self.counters(guest)["received"]
        while (now := self.counters(guest))["received"] < begin + ENOUGH:
            check(now["lost"] < ENOUGH, f"frames to come back, got {now}")


class Migration:
    """A guest on a source, and a destination that waits for it."""

    def __init__(self, workspace: Workspace, source: Nic, destination: Nic, memory_mb: int = 256):
        program = traffic_program(workspace)
        self._uri = f"unix:{workspace.path('migration')}"
        monitors = [workspace.path(name) for name in ("source.qmp", "destination.qmp")]
        self.source = Guest(workspace, "source", [source], memory_mb=memory_mb,
                            files={"traffic": program}, qemu=Qmp.qemu_args(monitors[0]))
        self.source.check("ip link set eth0 up")
        self.destination = Guest(workspace, "destination", [destination], memory_mb=memory_mb,
                                 files={"traffic": program}, wait=False,
                                 qemu=Qmp.qemu_args(monitors[1]) + ["-incoming", "defer"])
        self._from, self._to = map(Qmp, monitors)

    def move(self, postcopy: bool = False) -> tuple[float, int]:
        """Move the guest; returns for how long it stood still, and how long it took, in ms.

        With postcopy, it runs at the destination before most of its memory has come.
        """
        for monitor in (self._from, self._to):
            monitor.command("migrate-set-capabilities",
                            capabilities=[{"capability": "events", "state": True},
                                          {"capability": "postcopy-ram", "state": postcopy}])
        self._from.command("migrate-set-parameters", **(SLOW if postcopy else PARAMETERS))
        self._to.command("migrate-incoming", uri=self._uri)
        self._from.command("migrate", uri=self._uri)
        if postcopy:
            self._from.event(lambda event: event["event"] == "MIGRATION" and
                             event["data"]["status"] == "active", MOVE_SECONDS)
            self._from.command("migrate-start-postcopy")
        stopped = None

        def ended(event: dict) -> bool:
            nonlocal stopped
            if event["event"] == "STOP":
                stopped = event
            return event["event"] == "MIGRATION" and \
                event["data"]["status"] in ("completed", "failed", "cancelled")

        status = self._from.event(ended, MOVE_SECONDS)["data"]["status"]
        if status != "completed":
            why = self._from.command("query-migrate").get("error-desc", "no reason given")
            raise Failure(f"the migration {status}: {why}\n{self.source.tail()}\n"
                          f"{self.destination.tail()}")
        resumed = self._to.event(lambda event: event["event"] == "RESUME", MOVE_SECONDS)
        total = self._from.command("query-migrate")["total-time"]
        self._from.command("quit")
        self.source.wait()
        return 1000 * (moment(resumed) - moment(stopped)), total

    def close(self) -> None:
        self._from.close()
        self._to.close()
        self.destination.power_off()


def migrate(workspace: Workspace, source: Nic, destination: Nic, busy: bool,
            memory_mb: int = 256, postcopy: bool = False) -> Report:
    """Move a guest, idle or busy, and see that its device works at the destination."""
    migration = Migration(workspace, source, destination, memory_mb)
    if busy:
        traffic = Traffic(migration.source)
        traffic.flows(migration.source)
    downtime, total = migration.move(postcopy)
    if not busy:
        traffic = Traffic(migration.destination)
    traffic.flows(migration.destination)
    counters = traffic.counters(migration.destination, "TERM")
    migration.close()
    return Report(downtime, total, counters)
