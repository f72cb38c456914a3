# SPDX-License-Identifier: BSD-3-Clause
"""A front end that says good messages in every wrong order.

A table has a row for every request of the protocol: what it carries, which descriptors come with it, and
what has to be offered for it to be served. Each connection agrees on something else, says the beginning of
a handshake, and then rows in random order, without waiting for any answer. From the answers, which come in
order, it counts what was accepted and what was refused.
"""
import os
import random
import socket
import struct
import textwrap
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .net_frontend import FEATURES, PROTOCOL, RUNNING, NetFrontend
from .result import check
from .vhost_user import (FLAG_NEED_REPLY, FLAG_REPLY, VERSION, Closed, Connection, Feature, Memory,
                         Message, ProtocolFeature, Request, mask)

MESSAGES = 60       # at most, beyond the handshake, on one connection
LOG_BYTES = 256 << 10   # of dirty log: a bit for each page up to beyond the end of guest memory
RW, UPDATE, INVALIDATE = 3, 2, 3    # VHOST_ACCESS_*, VHOST_IOTLB_*
REFUSED = struct.pack("=Q", 1)


@dataclass
class Offer:
    """What a back end says that it can do."""
    features: int
    protocol: int

    @classmethod
    def of(cls, path) -> "Offer":
        with NetFrontend.to(path) as frontend:
            return cls(frontend.get_u64(Request.GET_FEATURES),
                       frontend.get_u64(Request.GET_PROTOCOL_FEATURES))


@dataclass
class Tally:
    """What came of the connections so far."""
    accepted: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    asked: int = 0      # by the back end, on its channel
    saved: bytes = b""  # the state of a device, once one was saved

    def never_accepted(self, offer: Offer) -> list[str]:
        """Of the requests that a back end serves, by what it offers; and of its own on the channel."""
        own = [] if self.asked or not offer.features & mask(Feature.ACCESS_PLATFORM) else ["a miss"]
        return own + [row.request.name for row in ROWS.values()
                      if row.possible(offer) and not self.accepted[row.request]]

    def served_by_mistake(self, offer: Offer) -> list[str]:
        return [row.request.name for row in ROWS.values()
                if not row.possible(offer) and self.accepted[row.request]]

    def __str__(self) -> str:
        counts = [f"{row.request.name} {self.accepted[row.request]}/{self.refused[row.request]}"
                  for row in ROWS.values()]
        return textwrap.fill("accepted/refused: " + ", ".join(counts), 98)


class Disorderly(NetFrontend):
    """One connection; setup() and then talk()."""

    def setup(self, memory: Memory, choice: random.Random, offer: Offer,
              tally: Tally) -> "Disorderly":
        super().setup(memory, packed=choice.random() < 0.5)
        self.choice = choice
        self.offer, self.tally = offer, tally
        self.features = self._some_features()
        self._offered_protocol = offer.protocol
        self.agreed = self._some_protocol()
        self._sent: deque[int] = deque()
        self._listens = False   # for faults: post-copy migration
        self._temporary: list[int] = []
        self._saves: list[int] = []
        self.channel, self.back = socket.socketpair()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def teardown(self) -> None:
        self.channel.shutdown(socket.SHUT_RDWR)
        self._listener.join()
        self.channel.close()
        self.back.close()
        for fd in self._temporary + self._saves:
            os.close(fd)
        super().teardown()

    def _some_features(self) -> int:
        offered = self.offer.features & ~mask(Feature.RING_PACKED, Feature.ACCESS_PLATFORM)
        must = FEATURES | (mask(Feature.RING_PACKED) if self.packed else 0)
        chosen = self.choice.choice([0, offered, offered & self.choice.getrandbits(64)]) | must
        if self.choice.random() < 0.5:
            chosen |= mask(Feature.ACCESS_PLATFORM) & self.offer.features
        return chosen

    def _some_protocol(self) -> int:
        offered = self.offer.protocol
        chosen = self.choice.choice([offered, offered, offered & self.choice.getrandbits(64),
                                     offered & PROTOCOL])
        # Without it, little is heard, and what is refused ends the connection.
        if self.choice.random() < 0.9:
            chosen |= mask(ProtocolFeature.REPLY_ACK) & offered
        return chosen

    # What is said, and what is heard.

    def send(self, request: int, payload: bytes = b"", fds: list[int] = (),
             flags: int = VERSION, size: int | None = None) -> None:
        self._sent.append(request)
        self._listens = request == Request.POSTCOPY_LISTEN or \
            self._listens and request != Request.POSTCOPY_END
        super().send(request, payload, fds, flags, size)

    def call(self, request: Request, payload: bytes = b"", fds: list[int] = ()) -> None:
        wants = not ROWS[request].unclear and self.choice.random() < 0.9
        self.send(request, payload, fds, VERSION | (FLAG_NEED_REPLY if wants else 0))

    def ask(self, request: Request, payload: bytes = b"") -> Message:
        self.call(request, payload)
        return Message(request, 0, bytes(8))

    def _get_features(self) -> None:
        self.call(Request.GET_FEATURES)

    def _get_protocol_features(self) -> None:
        self.call(Request.GET_PROTOCOL_FEATURES)

    def _set_protocol_features(self) -> None:
        self.set_u64(Request.SET_PROTOCOL_FEATURES, self.agreed)
        self.protocol = self.agreed

    def _beginning(self) -> list[Callable[[], object]]:
        """Some of a handshake, often with what else a front end says in the course of it."""
        def rows(*requests: Request) -> list:
            return [(request.name, ROWS[request].say(self)) for request in requests]

        steps = self.handshake()
        memory = [name for name, _ in steps].index("SET_MEM_TABLE")
        if self.choice.random() < 0.3:
            # The guest arrives, its memory behind it.
            steps[memory + 1:memory + 1] = rows(Request.SET_MEM_TABLE)
            steps[memory:memory] = rows(Request.POSTCOPY_ADVISE, Request.POSTCOPY_LISTEN)
        if self.choice.random() < 0.5:
            steps[3:3] = rows(Request.SET_BACKEND_REQ_FD)
        return [step for _, step in steps[:self.choice.randrange(len(steps))]]

    def talk(self) -> int:
        """Until it, or the back end, has had enough; returns how many messages that were."""
        rows = list(ROWS.values())
        steps = self._beginning() + [
            row.say(self) for row in self.choice.choices(rows, [row.weight for row in rows],
                                                         k=self.choice.randrange(MESSAGES))]
        said = 0
        try:
            for step in steps:
                step()
                said += 1
            # Whatever it thinks of them, it has to deal with all of them.
            self.sock.shutdown(socket.SHUT_WR)
        except Closed:
            pass
        for answer in self.wait_closed():
            self._hear(answer)
        for fd in self._saves:
            os.set_blocking(fd, False)
            try:
                self.tally.saved = os.read(fd, 256) or self.tally.saved
            except BlockingIOError:
                pass
        return said

    def _hear(self, answer: Message) -> None:
        """Answers come in order: whatever was sent before this one's request has none."""
        while not self._sent or self._sent.popleft() != answer.request:
            check(bool(self._sent), f"answers in order, got one to request {answer.request}")
        row = ROWS[answer.request]
        bad = not row.good(answer) or (answer.payload == REFUSED and not row.unclear)
        (self.tally.refused if bad else self.tally.accepted)[row.request] += 1
        for fd in answer.fds:
            os.close(fd)

    def _listen(self) -> None:
        """Answer what the back end asks, until the channel is closed."""
        channel = Connection(self.channel)
        try:
            while True:
                asked = channel.receive(timeout=1 << 20)
                self.tally.asked += 1
                for fd in asked.fds:
                    os.close(fd)
                if asked.flags & FLAG_NEED_REPLY:
                    channel.send(asked.request, bytes(8), flags=VERSION | FLAG_REPLY)
        except Closed:
            pass

    # What the rows of the table carry.

    def one_of(self, *values: int) -> bytes:
        return struct.pack("=Q", self.choice.choice(values))

    def state(self, *values: int) -> bytes:
        """For one of the rings, and seldom for one that there is not."""
        ring = self.choice.choices([0, 1, 2], [20, 20, 1])[0]
        return struct.pack("=II", ring, self.choice.choice(values))

    def ring_addresses(self) -> bytes:
        index = self.choice.randrange(2)
        desc, used, avail = self.queues[index].ring.addresses
        return struct.pack("=IIQQQQ", index, self.choice.choice([0, 1]), desc, used, avail,
                           self.memory.GPA)

    def ring_event(self) -> tuple[bytes, list[int]]:
        index = self.choice.randrange(2)
        if self.choice.random() < 0.1:
            return struct.pack("=Q", index | 1 << 8), []
        queue = self.queues[index]
        return struct.pack("=Q", index), [self.choice.choice([queue.kick, queue.call])]

    def memory_table(self) -> tuple[bytes, list[int]]:
        # In post-copy migration, none at all says that faults can be served.
        if self._listens and self.choice.random() < 0.5:
            return bytes(8), []
        return self.memory.table(), self.memory.fds

    def region(self) -> tuple[bytes, list[int]]:
        which = self.choice.randrange(len(self.memory.regions))
        return bytes(8) + self.memory.regions[which].describe(), [self.memory.fds[which]]

    def log(self) -> tuple[bytes, list[int]]:
        return struct.pack("=QQ", self.choice.choice([LOG_BYTES, LOG_BYTES, 4096]), 0), \
            self.memory.fds[:1]

    def iotlb(self) -> bytes:
        region = self.choice.choice(self.memory.regions)
        what = self.choice.choices([UPDATE, INVALIDATE], [3, 1])[0]
        return struct.pack("=QQQBB6x", self.choice.choice([region.va, region.gpa]), region.size,
                           region.va, RW, what)

    def inflight(self) -> bytes:
        return struct.pack("=QQHH4x", 0, 0, 2, self.queues[0].ring.size)

    def inflight_region(self) -> tuple[bytes, list[int]]:
        size = 1 << 20
        return struct.pack("=QQHH4x", size, 0, 2, self.queues[0].ring.size), [self.file(size)]

    def config(self, size: int) -> bytes:
        return struct.pack("=III", 0, size, self.choice.choice([0, 1])) + \
            self.choice.randbytes(size)

    def device_state(self) -> tuple[bytes, list[int]]:
        """To be saved into a pipe, or loaded from one."""
        there, back = os.pipe()
        loads = bool(self.tally.saved) and self.choice.random() < 0.5
        if loads:
            os.write(back, self.tally.saved)
            os.close(back)
        else:
            self._saves.append(there)
        fd = there if loads else back
        self._temporary.append(fd)
        return struct.pack("=II", int(loads), 0), [fd]

    def file(self, size: int) -> int:
        fd = os.memfd_create("given", os.MFD_CLOEXEC)
        os.ftruncate(fd, size)
        self._temporary.append(fd)
        return fd

    def sent_fds_close(self) -> None:
        """What was only made to be sent is the back end's alone."""
        for fd in self._temporary:
            os.close(fd)
        self._temporary.clear()


Made = bytes | tuple[bytes, list[int]]


@dataclass
class Row:
    """One request."""
    request: Request
    made: Callable[[Disorderly], Made] = lambda frontend: b""   # payload, or payload and fds
    needs: ProtocolFeature | None = None
    guest: Feature | None = None        # has to be offered too
    served: bool = True
    weight: float = 1
    unclear: bool = False       # its own answer may look like a refusal: none is asked for
    good: Callable[[Message], bool] = lambda answer: True       # is its own answer one of success

    def say(self, frontend: Disorderly) -> Callable[[], None]:
        def step() -> None:
            made = self.made(frontend)
            payload, fds = made if isinstance(made, tuple) else (made, [])
            frontend.call(self.request, payload, fds)
            frontend.sent_fds_close()
        return step

    def possible(self, offer: Offer) -> bool:
        return self.served and (self.needs is None or bool(offer.protocol & mask(self.needs))) and \
            (self.guest is None or bool(offer.features & mask(self.guest)))


def _no_error(answer: Message) -> bool:
    return len(answer.payload) == 8 and answer.u64 & 0xff == 0


def _rows() -> list[Row]:
    r, pf = Request, ProtocolFeature
    unserved = [r.SET_VRING_ENDIAN, r.CREATE_CRYPTO_SESSION, r.CLOSE_CRYPTO_SESSION,
                r.GPU_SET_SOCKET, r.VRING_KICK, r.GET_SHARED_OBJECT]
    return [
        Row(r.GET_FEATURES),
        Row(r.SET_FEATURES, lambda f: f.one_of(f.features, f.features ^ f.offer.features &
                                               mask(Feature.LOG_ALL), f.features, 0)),
        Row(r.SET_OWNER),
        Row(r.RESET_OWNER, weight=0.5),
        Row(r.SET_MEM_TABLE, Disorderly.memory_table, weight=2),
        Row(r.SET_LOG_BASE, Disorderly.log, pf.LOG_SHMFD),
        Row(r.SET_LOG_FD, lambda f: (b"", [f.queues[0].call])),
        Row(r.SET_VRING_NUM, lambda f: f.state(64, 64, 128)),
        Row(r.SET_VRING_ADDR, Disorderly.ring_addresses, weight=2),
        Row(r.SET_VRING_BASE, lambda f: f.state(0, 0x8000_8000)),
        Row(r.GET_VRING_BASE, lambda f: f.state(0), weight=2, unclear=True),
        Row(r.SET_VRING_KICK, Disorderly.ring_event, weight=2),
        Row(r.SET_VRING_CALL, Disorderly.ring_event, weight=2),
        Row(r.SET_VRING_ERR, Disorderly.ring_event),
        Row(r.GET_PROTOCOL_FEATURES),
        # What it agreed on before, or, seldom, nothing: the rest is refused then.
        Row(r.SET_PROTOCOL_FEATURES, lambda f: f.one_of(*[f.agreed] * 8, 0)),
        Row(r.GET_QUEUE_NUM, needs=pf.MQ, unclear=True),
        Row(r.SET_VRING_ENABLE, lambda f: f.state(1, 1, 0), weight=2),
        Row(r.SEND_RARP, lambda f: f.one_of(0x0000_5634_1200_5452), pf.RARP),
        Row(r.NET_SET_MTU, lambda f: f.one_of(1500, 9000), pf.NET_MTU),
        Row(r.SET_BACKEND_REQ_FD, lambda f: (b"", [f.back.fileno()]), pf.BACKEND_REQ),
        Row(r.IOTLB_MSG, Disorderly.iotlb, guest=Feature.ACCESS_PLATFORM, weight=3),
        Row(r.GET_CONFIG, lambda f: f.config(12), pf.CONFIG, good=lambda a: len(a.payload) > 12),
        Row(r.SET_CONFIG, lambda f: f.config(6), pf.CONFIG),
        Row(r.POSTCOPY_ADVISE, needs=pf.PAGEFAULT, good=lambda a: len(a.fds) == 1),
        Row(r.POSTCOPY_LISTEN, needs=pf.PAGEFAULT),
        Row(r.POSTCOPY_END, needs=pf.PAGEFAULT, weight=2, good=_no_error),
        Row(r.GET_INFLIGHT_FD, Disorderly.inflight, pf.INFLIGHT_SHMFD),
        Row(r.SET_INFLIGHT_FD, Disorderly.inflight_region, pf.INFLIGHT_SHMFD),
        Row(r.RESET_DEVICE, needs=pf.RESET_DEVICE, weight=0.5),
        Row(r.GET_MAX_MEM_SLOTS, needs=pf.CONFIGURE_MEM_SLOTS),
        Row(r.ADD_MEM_REG, Disorderly.region, pf.CONFIGURE_MEM_SLOTS),
        Row(r.REM_MEM_REG, Disorderly.region, pf.CONFIGURE_MEM_SLOTS),
        Row(r.SET_STATUS, lambda f: f.one_of(0, 1, 3, 11, RUNNING, RUNNING, 128), pf.STATUS),
        Row(r.GET_STATUS, needs=pf.STATUS, unclear=True),
        Row(r.SET_DEVICE_STATE_FD, Disorderly.device_state, pf.DEVICE_STATE, good=_no_error),
        Row(r.CHECK_DEVICE_STATE, needs=pf.DEVICE_STATE, weight=2, good=_no_error),
    ] + [Row(request, served=False, weight=0.1) for request in unserved]


ROWS = {row.request: row for row in _rows()}
assert set(ROWS) == set(Request)
