# SPDX-License-Identifier: BSD-3-Clause
"""Back ends that a front end which listens must not fall for: they talk nonsense over the socket, lie in
the rings, or say nothing at all.

Up to there they are honest: they answer what they are asked, learn of memory and rings, and know by the
doorbell that frames are under way. They return no buffer, so what they lie about is the first lap.
"""
import mmap
import os
import random
import select
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .result import Failure, check
from .vhost_user import (FLAG_NEED_REPLY, FLAG_REPLY, HEADER, REPLY_SECONDS, VERSION, Closed, Connection,
                         Feature, Message, ProtocolFeature, Request, mask)
from .vring import DESC_F_WRITE, PACKED_F_AVAIL, PACKED_F_USED

MAP_NORESERVE = 0x4000  # what of a file of hugepages is not there shall not be
ADDRESSES = struct.Struct("=IIQQQQ")
REGION = struct.Struct("=QQQQ")
PAIR = struct.Struct("=II")
NET_HEADER = struct.Struct("<10xH")  # zeroes, and how many buffers the frame is in
FRAME = 100  # bytes, with this header
POLLS_SECONDS = 1


def answer(request: int = Request.GET_FEATURES, flags: int = VERSION | FLAG_REPLY, size: int = 8,
           payload: bytes = struct.pack("=Q", mask(Feature.VERSION_1))) -> bytes:
    return HEADER.pack(request, flags, size) + payload


class FrontEndMemory:
    """What a front end has shared, by its own addresses."""

    def __init__(self):
        self._regions: list[tuple[int, int, mmap.mmap]] = []

    def learn(self, message: Message) -> None:
        for fd, (_, size, va, offset) in zip(message.fds, REGION.iter_unpack(message.payload[8:])):
            self._regions.append((va, size, mmap.mmap(fd, size, mmap.MAP_SHARED | MAP_NORESERVE,
                                                      offset=offset)))

    def at(self, address: int) -> tuple[mmap.mmap, int]:
        """The mapping of an address, and where it is in there."""
        for va, size, view in self._regions:
            if va <= address < va + size:
                return view, address - va
        raise Failure(f"{address:#x} is in no region")

    def write(self, address: int, data: bytes) -> None:
        view, at = self.at(address)
        view[at:at + len(data)] = data

    def read(self, layout: str, address: int) -> tuple:
        return struct.unpack_from(layout, *self.at(address))


@dataclass
class Ring:
    """A ring of a front end; desc, avail and used are where SET_VRING_ADDR says."""
    memory: FrontEndMemory
    index: int
    size: int = 0
    desc: int = 0
    avail: int = 0
    used: int = 0
    kick: int = -1
    returned: int = field(default=0, init=False)

    @property
    def received(self) -> bool:
        return self.index % 2 == 0

    def give_back(self, ident: int, length: int = FRAME, buffers: int = 1) -> None:
        """Return a buffer, and if it is one for a received frame, say in how many this one is."""
        if self.received and ident < self.size:
            self.memory.write(self.memory.read("<Q", self.desc + 16 * ident)[0], NET_HEADER.pack(buffers))
        self.put(ident, length)
        self.returned += 1


class SplitRing(Ring):
    packed = False

    @property
    def available(self) -> int:
        return self.memory.read("<2xH", self.avail)[0]

    def put(self, ident: int, length: int) -> None:
        self.memory.write(self.used + 4 + 8 * (self.returned % self.size), struct.pack("<II", ident, length))
        self.end(self.returned + 1)

    def end(self, index: int) -> None:
        self.memory.write(self.used + 2, struct.pack("<H", index))

    def scribble(self, choose: random.Random) -> None:
        self.memory.write(self.used + 4, choose.randbytes(8 * 8))
        self.end(choose.randrange(1, 65536))


class PackedRing(Ring):
    packed = True

    @property
    def available(self) -> int:
        """Of those that were never returned, how many at the front of the ring are available."""
        flags = (self.memory.read("<14xH", self.desc + 16 * i)[0] for i in range(self.size))
        return next((i for i, f in enumerate(flags) if not f & PACKED_F_AVAIL), self.size)

    def put(self, ident: int, length: int, flags: int = PACKED_F_AVAIL | PACKED_F_USED) -> None:
        at = self.desc + 16 * self.returned
        self.memory.write(at + 8, struct.pack("<IH", length, ident))
        self.memory.write(at + 14, struct.pack("<H", flags | (DESC_F_WRITE if self.received else 0)))

    def scribble(self, choose: random.Random) -> None:
        for self.returned in reversed(range(8)):
            self.put(choose.randrange(self.size, 65536), choose.getrandbits(32),
                     choose.getrandbits(16) | PACKED_F_AVAIL | PACKED_F_USED)


class RudeBackend:
    """Serves a front end that listens, for as long as a test wants.

    features  the virtio features that it offers, beside VERSION_1
    pairs     of queues; more than one are offered by the protocol feature MQ
    confirms  it has REPLY_ACK
    """

    def __init__(self, path: Path, features: int = 0, pairs: int = 1, confirms: bool = False):
        self.connection = Connection.to(path)
        self._features = features | mask(Feature.VERSION_1)
        self._protocol = 0
        self._pairs = pairs
        self._agreed = 0
        if pairs > 1:
            self._features |= mask(Feature.NET_MQ)
            self._protocol |= mask(ProtocolFeature.MQ)
        if confirms:
            self._protocol |= mask(ProtocolFeature.REPLY_ACK)
        if self._protocol:
            self._features |= mask(Feature.PROTOCOL_FEATURES)
        self._memory = FrontEndMemory()
        self._rings: dict[int, Ring] = {}

    def __enter__(self) -> "RudeBackend":
        return self

    def __exit__(self, *_exc) -> None:
        self.connection.close()
        for ring in self._rings.values():
            if ring.kick >= 0:
                os.close(ring.kick)

    def ring(self, index: int) -> Ring:
        check(index < 2 * self._pairs, f"rings of {self._pairs} queue pairs, got one of index {index}")
        if index not in self._rings:
            packed = self._agreed & mask(Feature.RING_PACKED)
            self._rings[index] = (PackedRing if packed else SplitRing)(self._memory, index)
        return self._rings[index]

    def _learn(self, message: Message) -> None:
        request, payload, fds = message.request, message.payload, message.fds
        if request == Request.SET_FEATURES:
            self._agreed = message.u64
        elif request == Request.SET_MEM_TABLE:
            self._memory.learn(message)
        elif request == Request.SET_VRING_NUM:
            index, size = PAIR.unpack(payload)
            self.ring(index).size = size
        elif request == Request.SET_VRING_ADDR:
            index, _, desc, used, avail, _ = ADDRESSES.unpack(payload)
            ring = self.ring(index)
            ring.desc, ring.used, ring.avail = desc, used, avail
        elif request == Request.SET_VRING_KICK:
            self.ring(message.u64 & 0xff).kick = fds.pop()
        for fd in fds:
            os.close(fd)

    def _reply(self, message: Message) -> None:
        said = {Request.GET_FEATURES: self._features,
                Request.GET_PROTOCOL_FEATURES: self._protocol,
                Request.GET_QUEUE_NUM: self._pairs}.get(message.request)
        if said is None and message.flags & FLAG_NEED_REPLY:
            said = 0
        if said is not None:
            self.connection.send_raw(answer(message.request, payload=struct.pack("=Q", said)))

    def take(self) -> Message:
        """Take a message and learn from it; it is not answered yet."""
        message = self.connection.receive()
        self._learn(message)
        return message

    def serve_until(self, request: Request) -> None:
        """Answer all but this request, which is the last one to be taken."""
        while (message := self.take()).request != request:
            self._reply(message)

    def serve_until_enabled(self) -> None:
        """Answer until all rings are enabled, which is the last thing that the device comes up with."""
        for _ in range(2 * self._pairs):
            self.serve_until(Request.SET_VRING_ENABLE)
            self.connection.send_raw(answer(Request.SET_VRING_ENABLE, payload=bytes(8)))

    def serve_until_frames(self, index: int, count: int = 2) -> Ring:
        """Answer until frames are under way on a transmit ring; they ring its doorbell."""
        while True:
            ring = self._rings.get(index)
            kick = [ring.kick] if ring and ring.kick >= 0 else []
            ready = select.select([self.connection.sock, *kick], [], [], REPLY_SECONDS)[0]
            check(ready, f"messages, or the doorbell of ring {index}, got neither")
            if self.connection.sock in ready:
                self._reply(self.take())
                continue
            os.read(ring.kick, 8)
            if ring.available >= count:
                return ring

    def let_it_poll(self, index: int) -> None:
        """Give the front end the time to look at its rings: so often that one doorbell may be an old one, and
        another from behind that look. A ring that is full has no more."""
        for _ in range(3):
            if select.select([self._rings[index].kick], [], [], POLLS_SECONDS)[0]:
                os.read(self._rings[index].kick, 8)

    def wait_closed(self) -> None:
        """Answer nothing more: the front end must hang up."""
        self.connection.wait_closed()


def answer_nonsense(path: Path, what: bytes, honest: int = 0) -> None:
    """Answer so many times what the features are, and what is no answer to the next question: the front
    end must hang up."""
    with RudeBackend(path) as rude:
        try:
            for _ in range(honest):
                rude.serve_until(Request.GET_FEATURES)
                rude.connection.send_raw(answer())
            rude.serve_until(Request.GET_FEATURES)
            rude.connection.send_raw(what)
            rude.wait_closed()
        except Closed:
            return


HAS_NOT = "a descriptor that it does not have"
NOT_ITS = "a length that is not the buffer's"
MORE = "more buffers than it has"
NO_FRAME = "a frame in more buffers than the ring has, or without header"
ANY = "(?s:.*?)"


@dataclass
class Format:
    """Of a ring."""
    packed: bool
    mergeable: bool
    in_order: bool

    @property
    def features(self) -> int:
        return mask(*(bit for bit, wanted in ((Feature.RING_PACKED, self.packed),
                                              (Feature.NET_MRG_RXBUF, self.mergeable),
                                              (Feature.IN_ORDER, self.in_order)) if wanted))


def _id_past_the_end(ring: Ring, _poll) -> tuple[str, int]:
    ring.give_back(ring.size)
    return HAS_NOT, ring.size


def _largest_id(ring: Ring, _poll) -> tuple[str, int]:
    ident = 0xffff if ring.packed else 0xffff_ffff
    ring.give_back(ident)
    return HAS_NOT, ident


def _twice(ring: Ring, _poll) -> tuple[str, int]:
    ring.give_back(0)
    ring.give_back(0)
    return HAS_NOT, 0


def _longer_than_the_buffer(ring: Ring, _poll) -> tuple[str, int]:
    ring.give_back(0, 0xffff_ffff)
    return NOT_ITS, 0xffff_ffff


def _empty(ring: Ring, _poll) -> tuple[str, int]:
    ring.give_back(0, 0)
    return NOT_ITS, 0


def _without_header_single(ring: Ring, _poll) -> tuple[str, int]:
    ring.give_back(0, NET_HEADER.size - 1)
    return NOT_ITS, NET_HEADER.size - 1


def _without_header_mergeable(ring: Ring, _poll) -> tuple[str, int]:
    ring.give_back(0, NET_HEADER.size - 1)
    return NO_FRAME, 1


def _in_too_many_buffers(ring: Ring, _poll) -> tuple[str, int]:
    ring.give_back(0, buffers=ring.size + 1)
    return NO_FRAME, ring.size + 1


def _flags_of_other_laps(ring: Ring, let_it_poll, flags: int) -> tuple[str, int]:
    """With such flags none of them is returned, in this lap: what is wrong with them must not be seen."""
    for ring.returned in range(ring.size):
        ring.put(0xffff, 0xffff_ffff, flags)
    ring.returned = 0
    let_it_poll()
    return _id_past_the_end(ring, let_it_poll)


def _more_than_there_are(ring: Ring, _poll) -> tuple[str, int]:
    ring.end(ring.size + 1)
    return MORE, ring.size + 1


def _scribbles(ring: Ring, _poll) -> tuple[str, str]:
    ring.scribble(random.Random(ring.size))
    return ANY, r"\d+"


@dataclass
class Lie:
    """tell takes the ring, and a function that lets the front end poll it, and returns what the front end
    has to say of it; fits tells whether it is a lie on rings of a format."""
    tell: Callable[[Ring, Callable[[], None]], tuple[str, int]]
    received: bool
    fits: Callable[[Format], bool] = lambda _format: True

    def __str__(self) -> str:
        name = getattr(self.tell, "func", self.tell).__name__
        return f"{name.strip('_')} of {'received' if self.received else 'transmitted'} frames"


LIES = [
    Lie(_id_past_the_end, True),
    Lie(_largest_id, True),
    Lie(_twice, True),
    Lie(_longer_than_the_buffer, True),
    Lie(_empty, True),
    Lie(_without_header_single, True, lambda f: not f.mergeable),
    Lie(_without_header_mergeable, True, lambda f: f.mergeable),
    Lie(_in_too_many_buffers, True, lambda f: f.mergeable),
    *[Lie(partial(_flags_of_other_laps, flags=flags), True, lambda f: f.packed)
      for flags in (0, PACKED_F_USED, PACKED_F_AVAIL)],
    Lie(_more_than_there_are, True, lambda f: not f.packed),
    Lie(_scribbles, True),
    # Of what is returned in order on split rings, nothing but the count is looked at.
    Lie(_id_past_the_end, False, lambda f: f.packed or not f.in_order),
    Lie(_twice, False, lambda f: f.packed or not f.in_order),
    Lie(_more_than_there_are, False, lambda f: not f.packed),
    Lie(_scribbles, False, lambda f: f.packed),
]


def lie_in_ring(path: Path, what: Lie, ring_format: Format, pairs: int) -> str:
    """Lie in a ring of the last pair: the front end must hang up. Returns what it has to say, as a
    regular expression."""
    transmitted = 2 * pairs - 1
    with RudeBackend(path, ring_format.features, pairs) as rude:
        ring = rude.serve_until_frames(transmitted)
        check(ring.packed == ring_format.packed, f"rings as in {ring_format}, got {ring}")
        if what.received:
            ring = rude.ring(transmitted - 1)
        complaint, value = what.tell(ring, lambda: rude.let_it_poll(transmitted))
        rude.wait_closed()
    return rf"queue {ring.index}: the back end returned {complaint} \({value}\)"


def fall_silent(path: Path, request: Request, features: int = 0, pairs: int = 1,
                meanwhile: Callable[[], None] = lambda: None) -> None:
    """Serve, have meanwhile() be done when all rings are enabled, if it comes to that, and from this request
    on say nothing more: the front end must hang up."""
    with RudeBackend(path, features, pairs, confirms=True) as rude:
        if request == Request.GET_VRING_BASE:
            rude.serve_until_enabled()
            meanwhile()
        rude.serve_until(request)
        rude.wait_closed()
