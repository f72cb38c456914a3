# SPDX-License-Identifier: BSD-3-Clause
"""Frames of random content and sizes for a net_pcap port, and what has become of them when they are back.

The port reads its frames from named pipes and writes what it is given into others, one of each for a
queue, so that there can be any number of them, for any time, and all are compared as they come. It opens
both ends when it is made or started, and waits in each for us: begin() comes before that.
"""
import os
import random
import struct
import threading
from collections import deque
from pathlib import Path

from harness.result import Failure, check

# A file of packets: byte order and unit of time, version, time zone and precision, longest, Ethernet.
FILE = struct.Struct("=IHHiIII")
FILE_HEADER = FILE.pack(0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
PACKET = struct.Struct("=IIII")     # time, in two parts; how much of it is there, and how much was
SHORTEST, LONGEST = 60, 1414        # bytes; the longest for the least MTU of a device that guests have
MARK = 8                            # bytes behind the destination that tell whose a frame is
NOISE = 1 << 16
BURST = 32                          # the port gets so many at a time, or waits for them
WINDOW = 128                        # what may be under way: less than the rings of a device take
SECONDS = 60


class Stream:
    """Frames of one queue: of those with our mark, what comes back must be what was sent, in order. Others
    may come, as from a device that had them for a program that was killed.

    entry, leave  the pipes that the port reads, and writes
    to            address that they are for
    """

    def __init__(self, entry: Path, leave: Path, to: str):
        self._entry, self._leave = entry, leave
        for pipe in (entry, leave):
            os.mkfifo(pipe)
        self._head = bytes.fromhex(to.replace(":", "")) + os.urandom(MARK)
        self._noise = os.urandom(NOISE + LONGEST)
        self._under_way: deque[bytes] = deque()
        self._threads: list[threading.Thread] = []
        self._go, self._over = threading.Event(), threading.Event()
        self._news = threading.Condition()
        self._wanted = self._wrong = None
        self._gone = False      # the program
        self.sent = self.received = self.others = 0

    def begin(self) -> None:
        """Be there for a port that opens its files."""
        self._go.clear()
        self._over.clear()
        self._under_way.clear()
        self._wrong, self._gone = None, False
        self.sent = self.received = self.others = 0
        self._threads = [threading.Thread(target=work, daemon=True)
                         for work in (self._write, self._read)]
        for thread in self._threads:
            thread.start()

    def go(self, count: int | None) -> None:
        """Send count frames, or without it until over()."""
        self._wanted = count
        self._go.set()

    def over(self) -> None:
        """Send no more."""
        self._over.set()
        with self._news:
            self._news.notify()

    def all_sent(self, seconds: int) -> None:
        """Wait until the port has all of them."""
        self._threads[0].join(seconds)
        check(not self._threads[0].is_alive(), f"{self._entry} to be read within {seconds} s")

    def end(self, all_back: bool = True) -> None:
        """The port has closed its files: fail if something is wrong with what came back."""
        for thread in self._threads:
            thread.join(SECONDS)
            check(not thread.is_alive(), f"{self._entry} and {self._leave} to be closed")
        if self._wrong:
            raise Failure(self._wrong)
        check(not all_back or self.received == self.sent, f"{self.sent} frames of {self._entry} back, "
              f"got {self.received} and {self.others} others")

    def _frame(self) -> bytes:
        size = random.randint(SHORTEST, LONGEST) - len(self._head)
        at = random.randrange(NOISE)
        return self._head + self._noise[at:at + size]

    def _room(self) -> bool:
        """Wait until there may be one more burst under way; whether there shall be one."""
        with self._news:
            self._news.wait_for(lambda: self._over.is_set() or self._gone or
                                self.sent - self.received <= WINDOW - BURST)
        return not self._over.is_set() and not self._gone and self.sent != self._wanted

    def _write(self) -> None:
        try:
            with open(self._entry, "wb", buffering=0) as pipe:
                pipe.write(FILE_HEADER)
                self._go.wait()
                while self._room():
                    left = BURST if self._wanted is None else self._wanted - self.sent
                    frames = [self._frame() for _ in range(min(BURST, left))]
                    self._under_way.extend(frames)
                    self.sent += len(frames)
                    pipe.write(b"".join(PACKET.pack(0, 0, len(frame), len(frame)) + frame
                                        for frame in frames))
        except BrokenPipeError:
            pass    # the program was killed, or has ended

    def _read(self) -> None:
        with open(self._leave, "rb") as pipe:
            pipe.read(FILE.size)
            while len(head := pipe.read(PACKET.size)) == PACKET.size:
                _, _, size, length = PACKET.unpack(head)
                frame = pipe.read(size)
                if len(frame) < size:
                    break   # the program was killed in the middle of it
                if frame[:len(self._head)] == self._head:
                    self._compare(frame, length)
                else:
                    self.others += 1
        with self._news:
            self._gone = True
            self._news.notify()

    def _compare(self, frame: bytes, length: int) -> None:
        expected = self._under_way.popleft() if self._under_way else b""
        if not self._wrong and (frame != expected or length != len(frame)):
            same = len(os.path.commonprefix([frame, expected]))
            self._wrong = (f"expected frame {self.received} of {self._leave} as it was sent, got {length} "
                           f"bytes for {len(expected)}, of which {same} are the same")
        with self._news:
            self.received += 1
            self._news.notify()
