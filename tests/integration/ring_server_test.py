#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A program that serves rings itself, with message handlers of its own, built with the distribution's
headers and library (drop_in/ring_server.c), does on our librte_vhost what it does on the
distribution's; and killed at any moment, it completes every request exactly once, of split and of packed
rings. VDPA_KILLS=N kills it so many times."""
import enum
import os
import random
import re
import select
import signal
import struct
import sys
import time

from harness.drop_in import check_runs_on_ours, environment, their_environment
from harness.process import Process
from harness.result import Failure, check
from harness.runner import run
from harness.vhost_user import (PAGE, Closed, Feature, Frontend, Memory, ProtocolFeature, Region, Request,
                                mask)
from harness.vring import PackedRing, Segment, SplitRing
from harness.workspace import built, cores, sanitized

CONFIG = b"ring server's configuration space"
RING = 64
RINGS = 2
SLOT = 2048  # bytes of a request, and of its answer
REQUESTS = 4000
# Between the steps in which the server does a request. It kills itself at one of them, or is killed anywhere.
PLACES = ["taken", "done", "written", "announced", "visible", "given"]
KILLS = int(os.environ.get("VDPA_KILLS") or 2 * len(PLACES))
REQUESTS_OF_A_LIFE = 150
CHANGES = 20
SECONDS = 60
INFLIGHT_SHMFD = 12
INFLIGHT = struct.Struct("=QQHH4x")  # as a C compiler lays it out
PROTOCOL = mask(ProtocolFeature.MQ, ProtocolFeature.REPLY_ACK, ProtocolFeature.CONFIG,
                INFLIGHT_SHMFD)


class Own(enum.IntEnum):
    """What the program understands and librte_vhost does not."""
    DOUBLE = 64


def server(workspace, socket, ours: bool, *end) -> Process:
    eal = ["--no-pci", "--no-huge", "-m", "16", "--no-shconf", "--no-telemetry", "-l", cores()[0],
           "--log-level=lib.vhost.*:warning"]
    process = workspace.start("ring-server", [built("tests/integration/drop_in/ring_server"), *eal,
                                              "--", socket, *end],
                              # It has the sanitizer's run time in it, if there is one.
                              env={**environment(), "LD_PRELOAD": ""} if ours else their_environment())
    process.expect(r"^serving ")
    if ours:
        check_runs_on_ours(process)
    return process


class Queue:
    """A ring whose requests are random bytes, to come back reversed."""

    def __init__(self, memory: Memory, packed: bool):
        self.ring = (PackedRing if packed else SplitRing)(memory, RING)
        self.kick = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.call = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        # Up to three descriptors to a chain: one or two that the driver writes, one that it reads.
        self.areas = [memory.alloc(2 * SLOT) for _ in range(RING // 3)]
        self.idle = list(range(len(self.areas)))
        self.waiting: dict[int, tuple[int, int]] = {}
        self.completed = 0

    def post(self) -> None:
        slot = self.idle.pop()
        area, length = self.areas[slot], random.randrange(2, SLOT)
        # Of what is sent, the second part may be missing.
        first = random.choice([length, random.randrange(1, length)])
        area.view[:length] = os.urandom(length)
        area.view[SLOT:] = bytes(SLOT)
        rest = [] if first == length else [Segment(area.gpa + first, length - first)]
        chain = self.ring.add([Segment(area.gpa, first), *rest, Segment(area.gpa + SLOT, SLOT, True)])
        self.waiting[chain] = slot, length

    def reap(self) -> None:
        """Take what was completed; something that was not asked for, or twice, is a KeyError."""
        for chain, written in self.ring.reap():
            slot, length = self.waiting.pop(chain)
            view = self.areas[slot].view
            check(written == length, f"{length} bytes written, got {written}")
            check(bytes(view[SLOT:SLOT + length]) == bytes(view[:length])[::-1],
                  "what was sent, backwards")
            self.idle.append(slot)
            self.completed += 1


class Driver:
    """A front end with rings and memory that outlive the back end."""

    def __init__(self, socket, packed: bool):
        self.socket, self.packed = socket, packed
        self.memory = Memory()
        self.queues = [Queue(self.memory, packed) for _ in range(RINGS)]
        self.inflight: tuple[bytes, int] | None = None
        self.end: Frontend | None = None

    def connect(self) -> None:
        """The handshake; rings go on behind the last used entry, of packed ones as far as is known here."""
        self.end = end = Frontend.to(self.socket)
        offered = end.get_u64(Request.GET_FEATURES)
        features = mask(Feature.VERSION_1, Feature.PROTOCOL_FEATURES)
        check(offered == features | 1 << 26 | mask(Feature.RING_PACKED),
              f"what the program offers, got {offered:#x}")
        protocol = end.get_u64(Request.GET_PROTOCOL_FEATURES)
        check(protocol == PROTOCOL, f"what the program supports, got {protocol:#x}")
        end.set_u64(Request.SET_PROTOCOL_FEATURES, PROTOCOL)
        end.need_reply = True
        end.call(Request.SET_OWNER)
        end.set_u64(Request.SET_FEATURES, features | mask(*[Feature.RING_PACKED] * self.packed))
        end.call(Request.SET_MEM_TABLE, self.memory.table(), self.memory.fds)
        self._track(end)
        self.start_rings()

    def start_rings(self) -> None:
        for index, queue in enumerate(self.queues):
            desc, used, avail = queue.ring.addresses
            self.end.set_vring_state(Request.SET_VRING_NUM, index, RING)
            self.end.set_vring_state(Request.SET_VRING_BASE, index, queue.ring.position)
            self.end.set_vring_addr(index, desc, used, avail)
            self.end.set_vring_fd(Request.SET_VRING_CALL, index, queue.call)
            self.end.set_vring_fd(Request.SET_VRING_KICK, index, queue.kick)
        for index in range(RINGS):
            self.end.set_vring_state(Request.SET_VRING_ENABLE, index, 1)

    def _track(self, end: Frontend) -> None:
        """Have the back end make a region for what is in flight, or give it the one it made."""
        if self.inflight is None:
            answer = end.ask(Request.GET_INFLIGHT_FD, INFLIGHT.pack(0, 0, RINGS, RING))
            check(len(answer.fds) == 1, f"a descriptor of the region, got {answer}")
            self.inflight = answer.payload[:INFLIGHT.size], answer.fds[0]
        description, fd = self.inflight
        end.call(Request.SET_INFLIGHT_FD, description, [fd])

    def exchange(self, count: int, until=lambda: False) -> None:
        """Complete count more requests on each ring, or until says to stop."""
        targets = [queue.completed + count for queue in self.queues]
        deadline = time.monotonic() + SECONDS
        while any(queue.completed < target for queue, target in zip(self.queues, targets)):
            if until():
                return
            for queue, target in zip(self.queues, targets):
                while queue.idle and queue.completed + len(queue.waiting) < target:
                    queue.post()
                queue.reap()
            if time.monotonic() > deadline:
                raise Failure(f"expected {count} requests on each ring within {SECONDS} s, got "
                              f"{[queue.completed for queue in self.queues]} of {targets}")
            os.sched_yield()

    def change_memory(self, regions: list[Region]) -> None:
        """Another table, while as many requests are under way as there can be."""
        for queue in self.queues:
            while queue.idle:
                queue.post()
        self.memory.regions = regions
        self.end.call(Request.SET_MEM_TABLE, self.memory.table(), self.memory.fds)

    def close(self) -> None:
        self.end.close()
        self.memory.close()
        for queue in self.queues:
            os.close(queue.kick)
            os.close(queue.call)
        os.close(self.inflight[1])


def connected(workspace, ours: bool, packed: bool) -> tuple[Process, Driver]:
    socket = workspace.path("socket")
    process = server(workspace, socket, ours)
    driver = Driver(socket, packed)
    driver.connect()
    process.expect(rf"^device runs with {RINGS} rings$")
    return process, driver


def serves_rings(workspace, ours: bool, packed: bool) -> None:
    """Requests in both rings, interrupts, positions when stopped, messages of its own."""
    process, driver = connected(workspace, ours, packed)
    end = driver.end
    check(end.get_config(5, 10) == CONFIG[5:15], "the configuration space of the program")
    answer = struct.unpack("=Q", end.ask(Own.DOUBLE, struct.pack("=Q", 21)).payload)[0]
    check(answer == 42, f"twice 21, got {answer}")
    driver.exchange(REQUESTS // RINGS)
    for queue in driver.queues:
        check(select.select([queue.call], [], [], 0)[0], "an interrupt for what was completed")
    for index, queue in enumerate(driver.queues):
        base = end.get_vring_base(index)
        # Theirs tells one position of a packed ring, where chains are taken.
        told = 0xffff_ffff if ours else 0xffff
        check(base == queue.ring.position & told, f"all done at {queue.ring.position:#x}, got {base:#x}")
        check(packed or base == queue.completed, f"{queue.completed} requests taken, got {base}")
    process.expect("^device stopped$")
    driver.start_rings()
    process.expect("^device runs ")
    driver.exchange(100)
    end.close()
    process.expect("^device stopped$")
    driver.connect()
    driver.exchange(100)
    driver.close()
    process.expect("^device stopped$")
    check(process.terminate() == 0, "the program to end well")


def memory_changes_under_requests(workspace, ours: bool, packed: bool) -> None:
    """The program lets go of its rings when a new table comes, and takes them up behind that message."""
    process, driver = connected(workspace, ours, packed)
    old = [queue.areas for queue in driver.queues]
    regions = driver.memory.regions
    beside = Region(Memory.GPA + (1 << 30), Memory.VA + (1 << 30), RINGS * RING * 2 * SLOT, PAGE)
    for _ in range(CHANGES):
        driver.exchange(100)
        stops = process.text.count("device stopped")
        driver.change_memory([*regions, beside])
        process.expect("^memory of 3 regions taken up$")
        driver.exchange(100)
        # What goes on where it was need not be stopped.
        check(not ours or process.text.count("device stopped") == stops, "growth to stop nothing")
        beside.used = 0
        for queue in driver.queues:
            queue.areas = [driver.memory.alloc(2 * SLOT) for _ in old[0]]
        driver.exchange(100)
        for queue, areas in zip(driver.queues, old):
            queue.areas = areas
        driver.change_memory(regions)
        process.expect("^memory of 2 regions taken up$")
    driver.exchange(100)
    driver.close()
    process.expect("^device stopped$")
    check(process.terminate() == 0, "the program to end well")


def killed_at_any_moment(workspace, ours: bool, packed: bool) -> None:
    """Killed and started again, it goes on with what was in flight: nothing is lost or done twice.

    Half of the times it kills itself, at each of the places where only the region tells what was done: a signal
    from outside, as in the other half, hardly ever meets these.
    """
    socket = workspace.path("socket")
    driver = Driver(socket, packed)
    in_flight = 0
    deaths = [*PLACES, *[None] * len(PLACES)]
    if packed and not ours:
        # Theirs does not find out whether what was announced has become visible: a ring then stands still for
        # ever, or what was done is done again.
        deaths = ["taken", "done", "written", "given"]
    lives = (deaths * KILLS)[:KILLS if ours and not sanitized() else KILLS // 2]
    random.shuffle(lives)
    for place in lives:
        end = [place, random.randrange(1, REQUESTS_OF_A_LIFE)] if place else []
        process = server(workspace, socket, ours, *end)
        try:
            driver.connect()
            process.expect(rf"^device runs with {RINGS} rings$")
        except (Closed, Failure):
            # It may come to its end with what it is to do again, before it runs.
            check(place and process.wait() == -signal.SIGKILL, f"a server, got {process.state()}")
        in_flight += sum(map(int, re.findall(r"(\d+) requests in flight", process.text)))
        if place:
            driver.exchange(sys.maxsize, lambda process=process: not process.running)
            check(process.wait() == -signal.SIGKILL, f"an end at {place}, got {process.state()}")
        else:
            until = time.monotonic() + random.uniform(0, 0.05)
            driver.exchange(sys.maxsize, lambda until=until: time.monotonic() > until)
        workspace.forget(process)
        driver.end.close()
        if not ours:
            socket.unlink()  # theirs does not look whether anybody listens
    process = server(workspace, socket, ours)
    driver.connect()
    driver.exchange(500)
    for queue in driver.queues:
        check(not queue.waiting, f"nothing left behind, got {queue.waiting}")
    check(in_flight > 0, "requests in flight when the program was killed")
    print(f"    {sum(queue.completed for queue in driver.queues)} requests, {in_flight} of them in "
          "flight when the program was killed")
    driver.close()
    check(process.terminate() == 0, "the program to end well")


def case(function, ours: bool, packed: bool):
    name = f"{function.__name__}_on_{'ours' if ours else 'theirs'}{'_packed' if packed else ''}"
    return name, lambda workspace: function(workspace, ours, packed)


if __name__ == "__main__":
    run(*[case(function, ours, packed)
          for function in (serves_rings, memory_changes_under_requests, killed_at_any_moment)
          for packed in (False, True) for ours in (True, False)
          if ours or not packed or function is not memory_changes_under_requests])
