#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A hostile guest and a hostile front end at once, for as long as one likes.

The guest scribbles over the descriptors, rings, event structures and headers that it shares with the
back end while its frames are moved. The front end says what is good by itself in every wrong order, with
whatever of the offered features it likes; of each request that the back end serves, some must have been
accepted. Meanwhile another front end of the same process has every frame back, unchanged and in order.

For VDPA_HOSTILE_SECONDS (default 3); VDPA_HOSTILE_SEED repeats the choices of an earlier run.
"""
import os
import random
import struct
import textwrap
import threading
import time

from harness.backends import sim_device, vhost_port, wait_fds
from harness.disorderly import Disorderly, Offer, Tally
from harness.net_frontend import BUFFER, NET_HEADER, NetFrontend, Queue
from harness.numbered import start_numbered, stop_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev
from harness.vhost_user import Feature, Memory, Request, mask
from harness.vring import DESC, DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE

SECONDS = float(os.environ.get("VDPA_HOSTILE_SECONDS", 3))
SEED = int(os.environ.get("VDPA_HOSTILE_SEED", time.time_ns()))
MEMORY_SIZE = 4 << 20
SCRIBBLES = 60      # at most, on one connection
MOST_ROUNDS = 1000  # of connections, when time is up and something has not been seen
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


class Attack(threading.Thread):
    """One way to be hostile, on its own socket, until time is up."""

    def __init__(self, path, seed: int, seconds: float):
        super().__init__(daemon=True)
        self.count = self.rounds = 0
        self.error: BaseException | None = None
        self._path = path
        self._choice = random.Random(seed)
        self._end = time.monotonic() + seconds

    def run(self) -> None:
        memory = Memory(MEMORY_SIZE)
        try:
            while time.monotonic() < self._end or self.lacks():
                self.count += self.once(memory, self._choice)
                self.rounds += 1
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
        memory.close()

    def once(self, memory: Memory, choice: random.Random) -> int:
        """One connection; returns how much there was of what is counted."""
        raise NotImplementedError

    def lacks(self) -> bool:
        """Has it not seen yet what it must have, although time is up?"""
        return self.rounds < MOST_ROUNDS and not self.seen()

    def seen(self) -> bool:
        raise NotImplementedError


class Scribbling(Attack):
    def once(self, memory: Memory, choice: random.Random) -> int:
        frontend = Scribbler.to(self._path).setup(memory, choice)
        try:
            return frontend.bring_up().scribble()
        finally:
            frontend.teardown()

    def seen(self) -> bool:
        return self.count > 0


class Disorder(Attack):
    def __init__(self, path, seed: int, seconds: float):
        super().__init__(path, seed, seconds)
        self.offer = Offer.of(path)
        self.tally = Tally()

    def once(self, memory: Memory, choice: random.Random) -> int:
        frontend = Disorderly.to(self._path).setup(memory, choice, self.offer, self.tally)
        try:
            return frontend.talk()
        finally:
            frontend.teardown()

    def seen(self) -> bool:
        return not self.tally.never_accepted(self.offer)


def honest_ones_are_served(workspace, serve) -> None:
    sockets = [workspace.path(name) for name in ("guest", "frontend", "other")]
    print(f"    seed {SEED}, {SECONDS:g} s", flush=True)
    with serve(workspace, sockets) as backend:
        steady = Testpmd(workspace, "steady", ours(), 1, [vdev("net_virtio_user0", path=sockets[2])])
        start_numbered(steady)
        fds = backend.fd_count()
        scribbling = Scribbling(sockets[0], SEED, SECONDS)
        disorder = Disorder(sockets[1], SEED + 1, SECONDS)
        for attack in (scribbling, disorder):
            attack.start()
        for attack in (scribbling, disorder):
            attack.join()
        tally = disorder.tally
        print(f"    {scribbling.rounds} guests interrupted {scribbling.count} times, "
              f"{disorder.rounds} front ends said {disorder.count} messages and were asked "
              f"{tally.asked} times\n{textwrap.indent(str(tally), '    ')}", flush=True)
        for attack in (scribbling, disorder):
            if attack.error:
                raise attack.error
        check(backend.running, "the back end to survive")
        check(scribbling.count > 0, "the guest's rings to have been served at all")
        lacking, mistaken = (names(disorder.offer)
                             for names in (tally.never_accepted, tally.served_by_mistake))
        check(not lacking, f"each request that is served to be accepted, never were {lacking}")
        check(not mistaken, f"what is not offered to be refused, accepted were {mistaken}")
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


def vhost(workspace, sockets) -> Testpmd:
    """All that there is to be negotiated is offered to the front end that knows no order."""
    return vhost_port(workspace, sockets,
                      extra={sockets[1]: {"iommu-support": True, "postcopy-support": True}})


if __name__ == "__main__":
    run(*[(name, lambda workspace, serve=serve: honest_ones_are_served(workspace, serve))
          for name, serve in (("vhost", vhost), ("sim", sim_device))])
