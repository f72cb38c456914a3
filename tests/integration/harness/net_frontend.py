# SPDX-License-Identifier: BSD-3-Clause
"""An honest virtio-net driver in Python behind a vhost-user connection.

It brings a device up step by step, so that a test can stop, or lie, at any step, and it moves
frames through the rings so that a test can tell that the back end still serves it.
"""
import os
import select
import struct
import time
from collections.abc import Callable

from .result import Failure
from .vhost_user import Feature, Frontend, Memory, ProtocolFeature, Request, Status, mask
from .vring import PackedRing, Segment, SplitRing

NET_HEADER = 12  # virtio_net_hdr with num_buffers, as version 1 has it
BUFFER = 2048
FEATURES = mask(Feature.PROTOCOL_FEATURES, Feature.VERSION_1, Feature.NET_MRG_RXBUF)
PROTOCOL = mask(ProtocolFeature.MQ, ProtocolFeature.REPLY_ACK, ProtocolFeature.NET_MTU,
                ProtocolFeature.CONFIG, ProtocolFeature.RESET_DEVICE, ProtocolFeature.STATUS,
                ProtocolFeature.CONFIGURE_MEM_SLOTS)
RUNNING = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK | Status.DRIVER_OK
TRAFFIC_SECONDS = 60


class Queue:
    """One ring with its kick and call events and a buffer for each of its descriptors."""

    def __init__(self, memory: Memory, size: int, packed: bool):
        self.ring = (PackedRing if packed else SplitRing)(memory, size)
        self.kick = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.call = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.buffers = [memory.alloc(BUFFER) for _ in range(size)]
        self.idle = list(range(size))
        self.busy: dict[int, int] = {}  # chain -> buffer

    def post(self, buffer: int, length: int, write: bool) -> None:
        chain = self.ring.add([Segment(self.buffers[buffer].gpa, length, write)])
        self.busy[chain] = buffer

    def done(self) -> list[tuple[int, int]]:
        """Buffers that the device gave back: (buffer, bytes written)."""
        return [(self.busy.pop(chain), length) for chain, length in self.ring.reap()]

    def notify(self) -> None:
        os.eventfd_write(self.kick, 1)

    def close(self) -> None:
        os.close(self.kick)
        os.close(self.call)


class NetFrontend(Frontend):
    """One device with pairs queue pairs; ring 2n receives, ring 2n+1 transmits."""

    def setup(self, memory: Memory, pairs: int = 1, packed: bool = False,
              ring_size: int = 64) -> "NetFrontend":
        """Lay the rings out in memory; nothing is sent. Whoever calls it calls teardown()."""
        self.memory, self.packed, self.pairs = memory, packed, pairs
        memory.free_all()
        self.queues = [Queue(memory, ring_size, packed) for _ in range(2 * pairs)]
        self.protocol = 0
        return self

    def teardown(self) -> None:
        self.close()
        for queue in self.queues:
            queue.close()

    def handshake(self) -> list[tuple[str, Callable[[], object]]]:
        """Everything from the first message to a running device, one message to a step."""
        steps = [
            ("GET_FEATURES", self._get_features),
            ("GET_PROTOCOL_FEATURES", self._get_protocol_features),
            ("SET_PROTOCOL_FEATURES", self._set_protocol_features),
            ("GET_QUEUE_NUM", lambda: self.get_u64(Request.GET_QUEUE_NUM)),
            ("GET_MAX_MEM_SLOTS", self._optional(ProtocolFeature.CONFIGURE_MEM_SLOTS, lambda:
             self.get_u64(Request.GET_MAX_MEM_SLOTS))),
            ("SET_OWNER", lambda: self.call(Request.SET_OWNER)),
            ("GET_CONFIG", self._optional(ProtocolFeature.CONFIG, lambda:
             self.get_config(0, 12))),
            ("SET_STATUS driver", self._status(Status.ACKNOWLEDGE | Status.DRIVER)),
            ("SET_FEATURES", lambda: self.set_u64(Request.SET_FEATURES, self.features)),
            ("SET_STATUS features_ok",
             self._status(Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK)),
            ("NET_SET_MTU", self._optional(ProtocolFeature.NET_MTU, lambda:
             self.set_u64(Request.NET_SET_MTU, 1500))),
            ("SET_MEM_TABLE", lambda: self.call(Request.SET_MEM_TABLE, self.memory.table(),
                                                self.memory.fds)),
        ]
        for index, queue in enumerate(self.queues):
            steps += self._ring_steps(index, queue)
        steps += [
            ("SET_STATUS driver_ok", self._status(RUNNING)),
            ("GET_STATUS", self._optional(ProtocolFeature.STATUS, lambda:
             self.get_u64(Request.GET_STATUS))),
        ]
        return steps

    def bring_up(self) -> "NetFrontend":
        """The whole handshake, and receive buffers for the device."""
        for _, step in self.handshake():
            step()
        self.post_all()
        return self

    def post_all(self) -> None:
        """Give the device every receive buffer that it has not."""
        for queue in self.queues[::2]:
            for buffer in queue.idle:
                queue.post(buffer, BUFFER, True)
            queue.idle = []
            queue.notify()

    def exchange(self, frames: list[bytes], pair: int = 0) -> list[bytes]:
        """Transmit frames on a pair that reflects them; returns them in the order they came back.

        No more are under way than there are receive buffers: a back end may drop the others.
        """
        receive, transmit = self.queues[2 * pair:2 * pair + 2]
        waiting, back = list(frames), []
        deadline = time.monotonic() + TRAFFIC_SECONDS
        while len(back) < len(frames):
            under_way = len(frames) - len(waiting) - len(back)
            moved = self._transmit(transmit, waiting, receive.ring.size - under_way) + \
                self._receive(receive, back)
            if moved:
                continue
            left = deadline - time.monotonic()
            ready = select.select([receive.call, transmit.call, self.sock], [], [], max(0, left))[0]
            if self.sock in ready:
                raise Failure("the back end spoke, or closed, in the middle of traffic")
            if not ready:
                raise Failure(f"{len(back)} of {len(frames)} frames came back within "
                              f"{TRAFFIC_SECONDS} s")
            for event in ready:
                os.eventfd_read(event)
        return back

    def _transmit(self, queue: Queue, waiting: list[bytes], room: int) -> int:
        queue.idle += [buffer for buffer, _ in queue.done()]
        count = min(len(queue.idle), len(waiting), room)
        for _ in range(count):
            buffer, frame = queue.idle.pop(), waiting.pop(0)
            queue.buffers[buffer].view[:NET_HEADER + len(frame)] = bytes(NET_HEADER) + frame
            queue.post(buffer, NET_HEADER + len(frame), False)
        if count:
            queue.notify()
        return count

    def _receive(self, queue: Queue, back: list[bytes]) -> int:
        done = queue.done()
        for buffer, length in done:
            data = queue.buffers[buffer].view[:length]
            if struct.unpack_from("<H", data, 10)[0] != 1:
                raise Failure("a frame that fits one buffer was spread over several")
            back.append(bytes(data[NET_HEADER:]))
            queue.post(buffer, BUFFER, True)
        if done:
            queue.notify()
        return len(done)

    def _get_features(self) -> None:
        offered = self.get_u64(Request.GET_FEATURES)
        self.features = FEATURES | (mask(Feature.RING_PACKED) if self.packed else 0) | \
            (mask(Feature.NET_MQ, Feature.NET_CTRL_VQ) & offered if self.pairs > 1 else 0)
        if self.features & ~offered:
            raise Failure(f"the back end offers {offered:#x}, which lacks "
                          f"{self.features & ~offered:#x}")

    def _get_protocol_features(self) -> None:
        self._offered_protocol = self.get_u64(Request.GET_PROTOCOL_FEATURES)

    def _set_protocol_features(self) -> None:
        agreed = self._offered_protocol & PROTOCOL
        self.set_u64(Request.SET_PROTOCOL_FEATURES, agreed)
        self.protocol = agreed
        self.need_reply = bool(agreed & mask(ProtocolFeature.REPLY_ACK))

    def _optional(self, bit: ProtocolFeature, step: Callable) -> Callable:
        """A step that is taken only if the protocol feature was agreed on."""
        return lambda: step() if self.protocol & mask(bit) else None

    def _status(self, status: int) -> Callable:
        return self._optional(ProtocolFeature.STATUS,
                              lambda: self.set_u64(Request.SET_STATUS, status))

    def _ring_steps(self, index: int, queue: Queue) -> list[tuple[str, Callable]]:
        ring = queue.ring
        desc, used, avail = ring.addresses
        return [(f"{name} {index}", step) for name, step in [
            ("SET_VRING_NUM", lambda: self.set_vring_state(Request.SET_VRING_NUM, index,
                                                           ring.size)),
            ("SET_VRING_BASE", lambda: self.set_vring_state(Request.SET_VRING_BASE, index,
                                                            ring.base)),
            ("SET_VRING_ADDR", lambda: self.set_vring_addr(index, desc, used, avail)),
            ("SET_VRING_ERR", lambda: self.call(Request.SET_VRING_ERR,
                                                struct.pack("=Q", index | 1 << 8))),
            ("SET_VRING_CALL", lambda: self.set_vring_fd(Request.SET_VRING_CALL, index,
                                                         queue.call)),
            ("SET_VRING_KICK", lambda: self.set_vring_fd(Request.SET_VRING_KICK, index,
                                                         queue.kick)),
            ("SET_VRING_ENABLE", lambda: self.set_vring_state(Request.SET_VRING_ENABLE, index,
                                                              1)),
        ]]
