# SPDX-License-Identifier: BSD-3-Clause
"""Live migration of a guest between two emulators, whose vhost-user devices others serve."""
import mmap
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from lab.kernel import LAB

from .dimm import SLOTS
from .guest import BOOT_SECONDS, Guest, Nic
from .qmp import Qmp, moment
from .result import Failure, check
from .workspace import Workspace, installed

MOVE_SECONDS = 300
TRAFFIC_SECONDS = 120
# Frames that have to come back before the move, and again after it; fewer from a slow guest.
ENOUGH, ENOUGH_SLOW = 600, 50
PARAMETERS = {"max-bandwidth": 10 << 30, "downtime-limit": 1000}
LOST = 10000
# So that most pages have gone when the device writes to them.
LENGTHY = {"max-bandwidth": 32 << 20, "downtime-limit": 300}
# So that there is memory left when the guest goes.
POSTCOPY = {"max-bandwidth": 4 << 20, "max-postcopy-bandwidth": 64 << 20}


PAGE = 4096
STEP = 1 << 20


@dataclass
class Move:
    """A guest's way from one emulator to another."""
    downtime_ms: float
    total_ms: int
    different: list[int]    # guest physical addresses of pages that did not arrive as they were

    def __str__(self) -> str:
        return f"downtime {self.downtime_ms:.0f} ms of {self.total_ms} ms"


@dataclass
class Report:
    """What became of a guest that was moved."""
    moves: list[Move]
    counters: dict[str, int]

    def __str__(self) -> str:
        return (f"{'; '.join(map(str, self.moves))}; {self.counters['lost']} of "
                f"{self.counters['sent']} frames lost, memory " +
                ("intact" if self.intact else f"DAMAGED: {self.damage}"))

    @property
    def damage(self) -> str:
        """What is not as it was, in words; empty if there is nothing."""
        found = [f"{len(move.different)} pages differ after move {number}, among them "
                 f"{', '.join(map(hex, move.different[:8]))}"
                 for number, move in enumerate(self.moves, 1) if move.different]
        found += [f"{self.counters[name]} {what}" for name, what in BAD.items()
                  if self.counters[name]]
        return "; ".join(found)

    @property
    def intact(self) -> bool:
        return not self.damage


# Counters of the guest's program that have to stay 0.
BAD = {"corrupt": "frames with wrong contents", "unexpected": "frames that should not be there",
       "pages_bad": "pages of its own with wrong contents"}


def guest_memory(guest: Guest) -> mmap.mmap:
    """The memory of a guest, as its emulator holds it."""
    for file in Path(f"/proc/{guest.pid}/fd").iterdir():
        if "memfd:" in os.readlink(file) and file.stat().st_size >= guest.memory_bytes:
            with open(file, "rb") as memory:
                return mmap.mmap(memory.fileno(), guest.memory_bytes, prot=mmap.PROT_READ)
    raise Failure(f"{guest.name}: finds no memory that its emulator shares")


def different_pages(source: Guest, destination: Guest) -> list[int]:
    """Guest physical addresses of the pages that differ between two guests at rest."""
    with guest_memory(source) as a, guest_memory(destination) as b:
        return [page for step in range(0, len(a), STEP) if a[step:step + STEP] != b[step:step + STEP]
                for page in range(step, min(step + STEP, len(a)), PAGE)
                if a[page:page + PAGE] != b[page:page + PAGE]]


def traffic_program(workspace: Workspace) -> bytes:
    """The guest's program, which needs nothing but the kernel."""
    file = workspace.path("traffic")
    workspace.run([installed("cc", "gcc"), "-O2", "-static", "-o", file, LAB / "traffic.c"])
    return file.read_bytes()


class Traffic:
    """The guest's program, on whichever emulator the guest is.

    A slow one sends so little that the device's writes are not hidden behind the driver's, which
    makes the same pages dirty when it posts buffers anew.
    """

    def __init__(self, guest: Guest, slow: bool = False):
        self._slow = False
        guest.check("/lab/traffic eth0 >/tmp/report 2>&1 & echo $! >/tmp/traffic; "
                    "until test -s /tmp/report; do usleep 10000; done")

        if slow:
            self.pace(guest, True)

    def pace(self, guest: Guest, slow: bool) -> None:
        if slow != self._slow:
            guest.check("kill -USR2 $(cat /tmp/traffic)")
        self._slow = slow

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
        begin = self.counters(guest)
        enough = ENOUGH_SLOW if self._slow else ENOUGH
        while (now := self.counters(guest))["received"] < begin["received"] + enough:
            check(now["lost"] < begin["lost"] + LOST, f"frames to come back, got {now}")


def over(event: dict) -> bool:
    return event["event"] == "MIGRATION" and \
        event["data"]["status"] in ("completed", "failed", "cancelled")


class MovingGuest:
    """A guest that goes from one emulator to another one, and takes modules of memory."""

    def __init__(self, workspace: Workspace, nic: Nic, memory_mb: int = 256):
        self._workspace = workspace
        self._memory_mb = memory_mb
        self._files = {"traffic": traffic_program(workspace)}
        self.guest, self.monitor = self._emulator(nic, [])
        self.guest.expect(r"init: ready$", BOOT_SECONDS)
        self.guest.check("ip link set eth0 up")

    def _emulator(self, nic: Nic, qemu: list[str]) -> tuple[Guest, Qmp]:
        monitor = self._workspace.path(self._workspace.unique("qmp"))
        guest = Guest(self._workspace, "guest", [nic], memory_mb=self._memory_mb,
                      files=self._files, wait=False, moves=True,
                      qemu=Qmp.qemu_args(monitor) + SLOTS + qemu)
        return guest, Qmp(monitor)

    def move(self, nic: Nic, lengthy: bool = False, postcopy: bool = False) -> Move:
        """Move the guest to an emulator with this device, taking some time or none.

        With postcopy, it runs there before most of its memory has come. Without, it does not run
        before its memory has been compared with what it left behind.
        """
        guest, monitor = self._emulator(nic, ["-incoming", "defer"] + ([] if postcopy else ["-S"]))
        source = self.monitor
        for end in (source, monitor):
            end.command("migrate-set-capabilities",
                        capabilities=[{"capability": "events", "state": True},
                                      {"capability": "postcopy-ram", "state": postcopy}])
        source.command("migrate-set-parameters",
                       **(POSTCOPY if postcopy else LENGTHY if lengthy else PARAMETERS))
        uri = f"unix:{self._workspace.path(self._workspace.unique('migration'))}"
        monitor.command("migrate-incoming", uri=uri)
        source.command("migrate", uri=uri)
        if postcopy:
            source.event(lambda event: event["event"] == "MIGRATION" and
                         event["data"]["status"] == "active", MOVE_SECONDS)
            source.command("migrate-start-postcopy")
        stopped = None

        def ended(event: dict) -> bool:
            nonlocal stopped
            if event["event"] == "STOP":
                stopped = event
            return over(event)

        status = source.event(ended, MOVE_SECONDS)["data"]["status"]
        if status != "completed":
            why = source.command("query-migrate").get("error-desc", "no reason given")
            raise Failure(f"the migration {status}: {why}\n{self.guest.tail()}\n{guest.tail()}")
        looked = 0.0
        different = []
        if not postcopy:
            arrived = monitor.event(over, MOVE_SECONDS)
            if arrived["data"]["status"] != "completed":
                raise Failure(f"the guest did not arrive:\n{guest.tail()}")
            different = different_pages(self.guest, guest)
            looked = time.time() - moment(arrived)
            monitor.command("cont")
        resumed = monitor.event(lambda event: event["event"] == "RESUME", MOVE_SECONDS)
        total = source.command("query-migrate")["total-time"]
        source.command("quit")
        self.guest.wait()
        source.close()
        self._workspace.forget(self.guest)
        self.guest, self.monitor = guest, monitor
        return Move(1000 * (moment(resumed) - moment(stopped) - looked), total, different)

    def close(self) -> None:
        self.monitor.close()
        self.guest.power_off()


def migrate(workspace: Workspace, nics: list[Nic], idle: int = 0, slow: int = 0, busy: int = 0,
            postcopy: int = 0, memory_mb: int = 256, then=None) -> Report:
    """Move a guest from one device to the next, see that it works there, and what it has kept.

    It is moved idle, then under slow traffic, then under more, then under traffic to where it runs
    before its memory has come, each so many times. nics serve it in turns. then is called with the
    moved guest, and its traffic, before it ends.
    """
    moving = MovingGuest(workspace, nics[0], memory_mb)
    made = []

    def move(**how: bool) -> None:
        made.append(moving.move(nics[(len(made) + 1) % len(nics)], **how))

    for _ in range(idle):
        move()
    traffic = Traffic(moving.guest, slow > 0)
    traffic.flows(moving.guest)
    for number in range(slow + busy + postcopy):
        traffic.pace(moving.guest, number < slow)
        move(lengthy=number < slow, postcopy=number >= slow + busy)
        traffic.flows(moving.guest)
    if then:
        then(moving, traffic)
    counters = traffic.counters(moving.guest, "TERM")
    moving.close()
    return Report(made, counters)
