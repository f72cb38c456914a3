# SPDX-License-Identifier: BSD-3-Clause
"""Back ends that talk nonsense to a front end that listens, over the socket or in its rings.

They have VERSION_1 and nothing else, so that all they are asked is their features: when they come, and
again when they have been told of memory.
"""
import mmap
import os
import random
import struct
from pathlib import Path

from .result import Failure
from .vhost_user import (FLAG_REPLY, HEADER, VERSION, Closed, Connection, Feature, Message, Request,
                         mask)

MAP_NORESERVE = 0x4000  # what of a file of hugepages is not there shall not be
ADDRESSES = struct.Struct("=IIQQQQ")
REGION = struct.Struct("=QQQQ")


def answer(request: int = Request.GET_FEATURES, flags: int = VERSION | FLAG_REPLY, size: int = 8,
           payload: bytes = struct.pack("=Q", mask(Feature.VERSION_1))) -> bytes:
    return HEADER.pack(request, flags, size) + payload


def _take(connection: Connection) -> Message:
    """The next message; nothing is left of its descriptors but those of memory."""
    message = connection.receive()
    if message.request != Request.SET_MEM_TABLE:
        for fd in message.fds:
            os.close(fd)
    return message


def answer_nonsense(path: Path, what: bytes, honest: int = 0) -> None:
    """Answer so many questions, and what is no answer to the next one: the front end must hang up."""
    with Connection.to(path) as connection:
        try:
            while True:
                message = _take(connection)
                for fd in message.fds if message.request == Request.SET_MEM_TABLE else []:
                    os.close(fd)
                if message.request == Request.GET_FEATURES:
                    connection.send_raw(answer() if honest > 0 else what)
                    honest -= 1
        except Closed:
            return


class _Rings:
    """What of a front end's memory is used rings."""

    def __init__(self):
        self.memory: list[tuple[int, int, mmap.mmap]] = []
        self.used: dict[int, int] = {}

    def learn(self, message: Message) -> None:
        if message.request == Request.SET_VRING_ADDR:
            index, _, _, used, _, _ = ADDRESSES.unpack(message.payload)
            self.used[index] = used
        if message.request == Request.SET_MEM_TABLE:
            for fd, (_, size, va, offset) in zip(message.fds, REGION.iter_unpack(message.payload[8:])):
                self.memory.append((va, size, mmap.mmap(fd, size, mmap.MAP_SHARED | MAP_NORESERVE,
                                                        offset=offset)))
                os.close(fd)

    def scribble(self, choose: random.Random) -> None:
        """Elements that nobody made available are back."""
        for address in self.used.values():
            for va, size, view in self.memory:
                if va <= address < va + size:
                    ring = address - va
                    view[ring + 4:ring + 4 + 8 * 8] = choose.randbytes(8 * 8)
                    view[ring + 2:ring + 4] = struct.pack("=H", choose.randrange(1, 65536))
                    break
            else:
                raise Failure(f"a used ring at {address:#x} is in no region")


def lie_in_rings(path: Path, rings: int, choose: random.Random) -> None:
    """Take the rings, and write nonsense into them: the front end must hang up."""
    known = _Rings()
    with Connection.to(path) as connection:
        try:
            while True:
                message = _take(connection)
                known.learn(message)
                if message.request == Request.GET_FEATURES:
                    connection.send_raw(answer())
                if message.request == Request.SET_VRING_KICK and \
                        struct.unpack("=Q", message.payload)[0] == rings - 1:
                    known.scribble(choose)
        except Closed:
            return
