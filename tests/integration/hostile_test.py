#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A hostile guest and a hostile front end at once, for as long as one likes.

The guest scribbles over the descriptors, rings, event structures and headers that it shares with the
back end while its frames are moved. The front end says what is good by itself in every wrong order.
Meanwhile another front end of the same process has every frame back, unchanged and in order.

For VDPA_HOSTILE_SECONDS (default 3); VDPA_HOSTILE_SEED repeats the choices of an earlier run.
"""
import os
import random
import socket
import struct
import threading
import time

from harness.backends import BACKENDS, wait_fds
from harness.net_frontend import BUFFER, FEATURES, NET_HEADER, PROTOCOL, NetFrontend, Queue
from harness.numbered import start_numbered, stop_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev
from harness.vhost_user import (FLAG_NEED_REPLY, VERSION, Closed, Feature, Memory, Message, Request,
                                mask)
from harness.vring import DESC, DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE

SECONDS = float(os.environ.get("VDPA_HOSTILE_SECONDS", 3))
SEED = int(os.environ.get("VDPA_HOSTILE_SEED", time.time_ns()))
MEMORY_SIZE = 4 << 20
SCRIBBLES = 60      # at most, on one connection
MESSAGES = 60
OPTIONAL = [mask(Feature.RING_INDIRECT), mask(Feature.RING_EVENT_IDX), mask(Feature.IN_ORDER),
            mask(Feature.NET_CSUM, Feature.NET_HOST_TSO4, Feature.NET_HOST_TSO6),
            mask(Feature.NET_GUEST_CSUM, Feature.NET_GUEST_TSO4, Feature.NET_GUEST_TSO6)]
LENGTHS = [0, 1, NET_HEADER - 1, NET_HEADER, NET_HEADER + 60, BUFFER, 1 << 20, 0xffffffff]
BORDERS = [0, 1, 0x7fff, 0x8000, 0xffff]


class Scribbler(NetFrontend):
    """Comes up as it should, and then writes what it likes."""

    def setup(self, memory: Memory, choice: random.Random) -> "Scribbler":
        super().setup(memory, packed=choice.random() < 0.5)
        self.choice = choice
        self.extra = sum(bits for bits in OPTIONAL if choice.random() < 0.5)
        return self

    def _get_features(self) -> None:
        super()._get_features()
        offered = self.get_u64(Request.GET_FEATURES)
        self.features |= self.extra & offered

    def scribble(self) -> int:
        """Until it has had enough; returns how often the device gave something back."""
        answers = 0
        for _ in range(self.choice.randrange(SCRIBBLES)):
            queue = self.choice.choice(self.queues)
            # Most of what it says must be good enough for the device to go on.
            self.choice.choices([self._descriptors, self._anything, self._header],
                                [20, 1, 5])[0](queue)
            queue.notify()
            try:
                answers += os.eventfd_read(queue.call)
            except BlockingIOError:
                pass
        return answers

    def _address(self, queue: Queue) -> int:
        good = self.choice.choice(queue.buffers).gpa
        return self.choice.choices([good, queue.ring.desc.gpa, good + BUFFER - 3, 0x1000,
                                    self.choice.getrandbits(64)], [20, 2, 1, 1, 1])[0]

    def _length(self) -> int:
        return NET_HEADER + 60 if self.choice.random() < 0.8 else self.choice.choice(LENGTHS)

    def _flags(self, queue: Queue) -> int:
        good = DESC_F_WRITE if queue is self.queues[0] else 0
        wrong = [DESC_F_NEXT, DESC_F_WRITE, DESC_F_INDIRECT, self.choice.getrandbits(16)]
        return good ^ (self.choice.choice(wrong) if self.choice.random() < 0.2 else 0)

    def _descriptors(self, queue: Queue) -> None:
        """Some chains, the good and the bad, that are made available."""
        size = queue.ring.size
        for _ in range(self.choice.randrange(1, 9)):
            if self.packed:
                queue.ring.publish([(self._address(queue), self._length(), self._flags(queue))],
                                   self.choice.randrange(size))
                continue
            slot = self.choice.randrange(size)
            queue.ring.write_desc(slot, self._address(queue), self._length(), self._flags(queue),
                                  self.choice.randrange(size + 1))
            queue.ring.publish(slot)

    def _anything(self, queue: Queue) -> None:
        """A few bytes, anywhere in what both sides look at."""
        ring = queue.ring
        area = self.choice.choice([ring.desc, ring.avail, ring.used])
        at = self.choice.randrange(len(area.view) - 1) & ~1
        value = self.choice.choice(BORDERS + [self.choice.getrandbits(16)])
        struct.pack_into("<H", area.view, at, value)

    def _header(self, queue: Queue) -> None:
        """An offload header and an indirect table, in one buffer."""
        buffer = self.choice.choice(queue.buffers)
        buffer.view[:NET_HEADER] = self.choice.randbytes(NET_HEADER)
        buffer.view[0] &= 0x03
        buffer.view[1] = self.choice.choice([0, 1, 3, 4, 5, 0x81, 0xff])
        for entry in range(1, 8):
            DESC.pack_into(buffer.view, DESC.size * entry, self._address(queue), self._length(),
                           self._flags(queue), self.choice.randrange(9))


class Disorderly(NetFrontend):
    """Says good messages at the wrong time, without waiting for any answer."""

    def setup(self, memory: Memory, choice: random.Random) -> "Disorderly":
        super().setup(memory, packed=choice.random() < 0.5)
        self.choice = choice
        self.features = FEATURES | (mask(Feature.RING_PACKED) if self.packed else 0)
        self._offered_protocol = PROTOCOL
        return self

    def call(self, request: Request, payload: bytes = b"", fds: list[int] = ()) -> None:
        self.send(request, payload, fds, VERSION | self.choice.choice([0, FLAG_NEED_REPLY]))

    def ask(self, request: Request, payload: bytes = b"") -> Message:
        self.call(request, payload)
        return Message(request, 0, bytes(8))

    def _get_features(self) -> None:
        self.call(Request.GET_FEATURES)

    def _get_protocol_features(self) -> None:
        self.call(Request.GET_PROTOCOL_FEATURES)

    def talk(self) -> int:
        """Until it, or the back end, has had enough; returns how many messages that were."""
        good = [step for _, step in self.handshake()]
        steps = good[:self.choice.randrange(len(good))] + \
            self.choice.choices(good + self._others(), k=self.choice.randrange(MESSAGES))
        said = 0
        try:
            for step in steps:
                step()
                said += 1
            # Whatever it thinks of them, it has to deal with all of them.
            self.sock.shutdown(socket.SHUT_WR)
        except Closed:
            pass
        self.wait_closed()
        return said

    def _others(self) -> list:
        def ring(request: Request, *values: int):
            return lambda: self.set_vring_state(request, self.choice.randrange(3),
                                                self.choice.choice(values))

        def region(request: Request, with_fd: bool):
            return lambda: self.call(request, bytes(8) + self.memory.regions[0].describe(),
                                     self.memory.fds[:1] if with_fd else [])

        def number(request: Request, *values: int):
            return lambda: self.set_u64(request, self.choice.choice(values))

        return [
            lambda: self.get_vring_base(self.choice.randrange(2)),
            lambda: self.call(Request.RESET_OWNER),
            lambda: self.call(Request.RESET_DEVICE),
            ring(Request.SET_VRING_ENABLE, 0, 1),
            ring(Request.SET_VRING_NUM, 64, 128),
            ring(Request.SET_VRING_BASE, 0, 0x8000_8000),
            region(Request.ADD_MEM_REG, True),
            region(Request.REM_MEM_REG, False),
            number(Request.SET_STATUS, 0, 1, 3, 11, 15, 128),
            number(Request.SEND_RARP, 0x0000563412005452),
            number(Request.SET_FEATURES, 0, self.features, mask(Feature.PROTOCOL_FEATURES)),
            number(Request.SET_PROTOCOL_FEATURES, 0, PROTOCOL),
            lambda: self.call(Request.SET_LOG_BASE, struct.pack("=QQ", 4096, 0),
                              self.memory.fds[:1]),
            lambda: self.call(Request.SET_BACKEND_REQ_FD, b"", [self.sock.fileno()]),
            lambda: self.call(Request.IOTLB_MSG, bytes(32)),
        ]


class Attack(threading.Thread):
    """One way to be hostile, on its own socket, until time is up."""

    def __init__(self, once, path, seed: int, seconds: float):
        super().__init__(daemon=True)
        self.count = self.rounds = 0
        self.error: BaseException | None = None
        self._once, self._path = once, path
        self._choice = random.Random(seed)
        self._end = time.monotonic() + seconds

    def run(self) -> None:
        memory = Memory(MEMORY_SIZE)
        try:
            while time.monotonic() < self._end:
                self.count += self._once(self._path, memory, self._choice)
                self.rounds += 1
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
        memory.close()


def scribble(path, memory: Memory, choice: random.Random) -> int:
    frontend = Scribbler.to(path).setup(memory, choice)
    try:
        return frontend.bring_up().scribble()
    finally:
        frontend.teardown()


def disorder(path, memory: Memory, choice: random.Random) -> int:
    frontend = Disorderly.to(path).setup(memory, choice)
    try:
        return frontend.talk()
    finally:
        frontend.teardown()


def honest_ones_are_served(workspace, kind: str) -> None:
    sockets = [workspace.path(name) for name in ("guest", "frontend", "other")]
    print(f"    seed {SEED}, {SECONDS:g} s", flush=True)
    with BACKENDS[kind](workspace, sockets) as backend:
        steady = Testpmd(workspace, "steady", ours(), 1, [vdev("net_virtio_user0", path=sockets[2])])
        start_numbered(steady)
        fds = backend.fd_count()
        attacks = [Attack(scribble, sockets[0], SEED, SECONDS),
                   Attack(disorder, sockets[1], SEED + 1, SECONDS)]
        for attack in attacks:
            attack.start()
        for attack in attacks:
            attack.join()
        for attack in attacks:
            if attack.error:
                raise attack.error
        check(backend.running, "the back end to survive")
        check(attacks[0].count > 0, "the guest's rings to have been served at all")
        print(f"    {attacks[0].rounds} guests interrupted {attacks[0].count} times, "
              f"{attacks[1].rounds} front ends said {attacks[1].count} messages", flush=True)
        wait_fds(backend, fds)
        memory = Memory(MEMORY_SIZE)
        frames = [os.urandom(60 + i) for i in range(100)]
        for path in sockets[:2]:
            honest = NetFrontend.to(path).setup(memory).bring_up()
            check(honest.exchange(frames) == frames, "an honest driver to be served afterwards")
            honest.teardown()
        memory.close()
        stop_numbered(steady)
        steady.quit()
        backend.quit()


if __name__ == "__main__":
    run(*[(kind, lambda workspace, kind=kind: honest_ones_are_served(workspace, kind))
          for kind in BACKENDS])
