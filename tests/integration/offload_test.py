#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checksum and segmentation offloads through a testpmd that sends every frame back: a driver in Python
leaves work to the device, and looks at what comes back, header and contents, against checksums that it
works out itself."""
import os
import select
import struct
import time

from harness.net_frontend import BUFFER, NET_HEADER, NetFrontend
from harness.result import Failure, check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev
from harness.vhost_user import Feature, Memory, mask
from harness.vring import Segment

NEEDS_CSUM = 1
GSO_TCPV4, GSO_UDP, GSO_TCPV6 = 1, 3, 4
TCP, UDP = 6, 17
SEGMENT = 1400
SECONDS = 60
SENDS = mask(Feature.NET_CSUM, Feature.NET_HOST_TSO4, Feature.NET_HOST_TSO6, Feature.NET_HOST_UFO)
TAKES = mask(Feature.NET_GUEST_CSUM, Feature.NET_GUEST_TSO4, Feature.NET_GUEST_TSO6,
             Feature.NET_GUEST_UFO)


def add_up(data: bytes, start: int = 0) -> int:
    """The sum of RFC 1071."""
    total = start + sum(struct.unpack(f">{len(data) // 2}H", data[:len(data) & ~1]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Packet:
    """A frame with its transport checksum left to the device: there is the sum of the pseudo header."""

    def __init__(self, version: int, protocol: int, tags: int, payload: int):
        transport = 20 if protocol == TCP else 8
        self.l2 = 14 + 4 * tags
        self.start = self.l2 + (20 if version == 4 else 40)
        self.offset = 16 if protocol == TCP else 6
        self.headers = self.start + transport
        self.gso = GSO_UDP if protocol == UDP else GSO_TCPV4 if version == 4 else GSO_TCPV6
        length = transport + payload
        addresses = os.urandom(8 if version == 4 else 32)
        self.pseudo = add_up(addresses, protocol + length)
        if version == 4:
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, protocol, 0) + addresses
            ip = ip[:10] + struct.pack(">H", 0xffff & ~add_up(ip)) + ip[12:]
        else:
            ip = struct.pack(">IHBB", 6 << 28, length, protocol, 64) + addresses
        head = os.urandom(transport)
        if protocol == TCP:
            head = head[:12] + b"\x50" + head[13:]
        head = head[:self.offset] + struct.pack(">H", self.pseudo) + head[self.offset + 2:]
        self.frame = b"\x02" * 12 + b"\x81\0\0\x07" * tags + \
            (b"\x08\0" if version == 4 else b"\x86\xdd") + ip + head + os.urandom(payload)

    def finished(self) -> bytes:
        """The same when the device is done with it."""
        at = self.start + self.offset
        blank = self.frame[:at] + b"\0\0" + self.frame[at + 2:]
        value = 0xffff & ~add_up(blank[self.start:], self.pseudo)
        return self.frame[:at] + struct.pack(">H", value or 0xffff) + self.frame[at + 2:]

    def header(self, large: bool) -> bytes:
        return struct.pack("<BBHHHHH", NEEDS_CSUM, self.gso if large else 0,
                           self.headers if large else 0, SEGMENT if large else 0, self.start,
                           self.offset, 0)


class OffloadFrontend(NetFrontend):
    """A driver that transmits and receives one frame at a time, of any number of buffers."""
    wanted = 0

    def _get_features(self) -> None:
        super()._get_features()
        self.features |= self.wanted

    def send_frame(self, data: bytes) -> None:
        """Send one chain: the header by itself, cut in two, then as many buffers as it takes."""
        queue = self.queues[1]
        pieces = [data[:5], data[5:NET_HEADER]] + [data[i:i + BUFFER] for i in
                                                   range(NET_HEADER, len(data), BUFFER)]
        chain = []
        for buffer, piece in zip(queue.buffers, pieces, strict=False):
            buffer.view[:len(piece)] = piece
            chain.append(Segment(buffer.gpa, len(piece)))
        check(len(chain) == len(pieces), "buffers for a whole frame")
        ident = queue.ring.add(chain)
        queue.notify()
        self.wait(queue, lambda: [c for c, _ in queue.ring.reap()] == [ident])

    def receive_frame(self) -> tuple[bytes, bytes]:
        """The next frame: header without num_buffers, and contents."""
        queue, done = self.queues[0], []

        def whole() -> bool:
            done.extend(queue.done())
            return bool(done) and len(done) >= struct.unpack_from(
                "<H", queue.buffers[done[0][0]].view, 10)[0]

        self.wait(queue, whole)
        data = b"".join(bytes(queue.buffers[buffer].view[:length]) for buffer, length in done)
        count = struct.unpack_from("<H", data, 10)[0]
        check(count == len(done) == -(-len(data) // BUFFER), f"{len(data)} bytes in as few buffers "
              f"as hold them, not {len(done)}, {count} in the header")
        for buffer, _ in done:
            queue.post(buffer, BUFFER, True)
        queue.notify()
        return data[:10], data[NET_HEADER:]

    def wait(self, queue, condition) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            left = max(0, deadline - time.monotonic())
            if self.sock in select.select([queue.call, self.sock], [], [], left)[0]:
                raise Failure("the back end spoke, or closed, in the middle of traffic")
            if left == 0:
                raise Failure(f"nothing came within {SECONDS} s")
            try:
                os.eventfd_read(queue.call)
            except BlockingIOError:
                pass


def packets(payload: int):
    return [Packet(version, protocol, tags, payload) for version in (4, 6)
            for protocol in (TCP, UDP) for tags in (0, 1, 2)]


def connect(workspace, memory: Memory, packed: bool, features: int, **devargs):
    socket = workspace.path("socket")
    backend = Testpmd(workspace, "backend", ours(), 0,
                      [vdev("net_vhost0", iface=socket, tso=1, **devargs)])
    frontend = OffloadFrontend.to(socket).setup(memory, packed=packed)
    frontend.wanted = features
    frontend.bring_up()
    backend.command("set fwd io")
    backend.command("start")
    return backend, frontend


def check_back(frontend: OffloadFrontend, packet: Packet, large: bool, finished: bool) -> None:
    """Send a packet, and compare what comes back."""
    frontend.send_frame(packet.header(large) + packet.frame)
    header, frame = frontend.receive_frame()
    check(header == (bytes(10) if finished else packet.header(large)[:10]),
          f"{'no work left' if finished else 'the offload of the frame sent'}, got {header.hex()}")
    check(frame == (packet.finished() if finished else packet.frame),
          f"the frame of {len(packet.frame)} bytes as it should be, got {len(frame)} bytes, of "
          f"them {sum(a != b for a, b in zip(frame, packet.frame, strict=False))} different")


def offloads_are_passed_on(packed: bool):
    """Both drivers agreed to everything: frames keep what is still to be done to them."""
    def case(workspace) -> None:
        memory = Memory()
        backend, frontend = connect(workspace, memory, packed, SENDS | TAKES, **{"legacy-ol-flags": 1})
        for payload in (100, 1401):
            for packet in packets(payload):
                check_back(frontend, packet, large=False, finished=False)
        for payload in (3000, 40001):
            for packet in packets(payload):
                check_back(frontend, packet, large=True, finished=False)
        drops = {name: value for name, value in backend.xstats().items()
                 if name.endswith("_drops") and value}
        check(not drops, f"no drops, got {drops}")
        frontend.teardown()
        memory.close()
        backend.quit()
    return case


def offloads_are_done(packed: bool, legacy: bool):
    """A driver that takes only finished frames gets these, or none."""
    def case(workspace) -> None:
        memory = Memory()
        backend, frontend = connect(workspace, memory, packed, SENDS, **{"legacy-ol-flags": int(legacy)})
        for payload in (100, 1401):
            for packet in packets(payload):
                check_back(frontend, packet, large=False, finished=True)
        if legacy:
            large = packets(9000)
            for packet in large:
                frontend.send_frame(packet.header(True) + packet.frame)
            backend.until("frames to be dropped for their offload", lambda:
                          backend.xstats()["tx_q0_offload_drops"] == len(large))
            check_back(frontend, Packet(4, TCP, 0, 100), large=False, finished=True)
        frontend.teardown()
        memory.close()
        backend.quit()
    return case


def ring(packed: bool) -> str:
    return "packed" if packed else "split"


if __name__ == "__main__":
    run(*[(f"{ring(packed)}_offloads_are_passed_on", offloads_are_passed_on(packed))
          for packed in (False, True)],
        *[(f"{ring(packed)}_{'transmit' if legacy else 'receive'}_flags_are_done",
           offloads_are_done(packed, legacy)) for packed in (False, True)
          for legacy in (False, True)])
