#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A back end is killed while frames are in its hands, and the next one goes on with the same rings.

The front end keeps rings and in-flight region, and knows nothing of how far the dead one came. What
the dead one had taken may be lost; all else comes back, in order, none twice, and every buffer is
given back exactly once.
"""
import os
import random
import signal
import struct
import time

from harness.backends import vhost_port
from harness.net_frontend import BUFFER, NET_HEADER, PROTOCOL, NetFrontend
from harness.result import Failure, check
from harness.runner import run
from harness.vhost_user import Memory, ProtocolFeature, Request, mask

LIVES = 8
RING_SIZE = 64
PATIENCE_SECONDS = 60
INFLIGHT = struct.Struct("=QQHHxxxx")


class Survivor(NetFrontend):
    """A front end that goes on with the rings of the one before it."""

    def take_over(self, former: "Survivor | None") -> "Survivor":
        if former is not None:
            self.memory, self.packed, self.pairs = former.memory, former.packed, former.pairs
            self.queues, self.protocol = former.queues, 0
        self.region = former.region if former is not None else None
        for name, step in self.handshake():
            if name == "SET_MEM_TABLE":
                self.hand_over_region()
            step()
        return self

    def hand_over_region(self) -> None:
        if self.region is None:
            answer = self.ask(Request.GET_INFLIGHT_FD,
                              INFLIGHT.pack(0, 0, len(self.queues), RING_SIZE))
            check(len(answer.fds) == 1, f"one region, got {len(answer.fds)}")
            self.region = (answer.payload, answer.fds[0])
        self.call(Request.SET_INFLIGHT_FD, self.region[0], [self.region[1]])

    def _set_protocol_features(self) -> None:
        agreed = self._offered_protocol & (PROTOCOL | mask(ProtocolFeature.INFLIGHT_SHMFD))
        check(agreed & mask(ProtocolFeature.INFLIGHT_SHMFD), "INFLIGHT_SHMFD to be offered")
        self.set_u64(Request.SET_PROTOCOL_FEATURES, agreed)
        self.protocol = agreed
        self.need_reply = True


class Traffic:
    """Numbered frames, and what has come back of them."""

    def __init__(self, queues):
        self.receive, self.transmit = queues
        self.sent, self.back = 0, []

    def post_receive(self) -> None:
        while self.receive.idle:
            self.receive.post(self.receive.idle.pop(), BUFFER, True)

    def send_all(self) -> None:
        """As many frames as there are buffers."""
        while self.transmit.idle:
            buffer = self.transmit.idle.pop()
            frame = struct.pack("<Q", self.sent) + bytes(52)
            self.transmit.buffers[buffer].view[:NET_HEADER + len(frame)] = \
                bytes(NET_HEADER) + frame
            self.transmit.post(buffer, NET_HEADER + len(frame), False)
            self.sent += 1
        self.transmit.notify()

    def collect(self) -> None:
        self.transmit.idle += [buffer for buffer, _ in self.transmit.done()]
        for buffer, length in self.receive.done():
            data = self.receive.buffers[buffer].view[NET_HEADER:length]
            check(length == NET_HEADER + 60, f"frames of 60 bytes, got {length - NET_HEADER}")
            self.back.append(struct.unpack_from("<Q", data)[0])
            self.receive.idle.append(buffer)
        self.post_receive()

    def settle(self, last: int) -> None:
        """Wait until a frame is back and every transmit buffer is."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (self.back and self.back[-1] >= last and
                   len(self.transmit.idle) == RING_SIZE):
            self.collect()
            if time.monotonic() > deadline:
                raise Failure(f"expected frame {last} and {RING_SIZE} buffers back, got frame "
                              f"{self.back[-1] if self.back else None} and "
                              f"{len(self.transmit.idle)} buffers")
            time.sleep(0.001)


def goes_on(workspace, packed: bool) -> None:
    socket = workspace.path("socket")
    memory = Memory(4 << 20)
    former, traffic = None, None
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    for life in range(LIVES):
        # Frames of the dead one's may still be on their way back when as many as there is room for follow.
        with vhost_port(workspace, [socket], retry=True) as backend:
            front = Survivor.to(socket)
            if former is None:
                front.setup(memory, packed=packed, ring_size=RING_SIZE)
            front.take_over(former)
            if traffic is None:
                traffic = Traffic(front.queues)
                traffic.post_receive()
            else:
                # What the dead one left in the ring comes first.
                former.close()
                traffic.settle(-1 if not traffic.back else traffic.back[-1])
            traffic.send_all()
            traffic.settle(traffic.sent - 1)
            if life + 1 < LIVES:
                traffic.send_all()
                time.sleep(chance.random() * 0.002)
                backend.signal(signal.SIGKILL)
                backend.wait()
            former = front
    check(traffic.back == sorted(set(traffic.back)), "frames in order, and none twice")
    check(len(traffic.back) >= LIVES * RING_SIZE,
          f"all frames but those in the hands of the dead, got {len(traffic.back)}")
    former.teardown()
    os.close(former.region[1])
    memory.close()


if __name__ == "__main__":
    run(("split", lambda workspace: goes_on(workspace, False)),
        ("packed", lambda workspace: goes_on(workspace, True)))
