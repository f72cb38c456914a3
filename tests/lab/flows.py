# SPDX-License-Identifier: BSD-3-Clause
"""Frames of many flows, and the receive queue that a device with RSS gives each of them to (virtio 1.2,
5.1.6.5.7), computed from a key and a table. Who sends them and who counts them agree on these."""
import random
import struct
from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_address

SEED = 1
FRAME = 64                     # at least; bytes
ETHERTYPES = {4: 0x0800, 6: 0x86dd}
TCP, UDP = 6, 17
ICMP = {4: 1, 6: 58}
LOCAL_EXPERIMENTAL = 0x88b5
OTHER = 0                      # frames that are not IP
DEFAULT_KEY = bytes([0x6d, 0x5a] * 20)


@dataclass(frozen=True)
class Flow:
    version: int               # of IP, or OTHER
    protocol: int
    addresses: bytes           # from, to
    ports: bytes               # from, to; of TCP and UDP

    @property
    def tuple(self) -> tuple[int, int]:
        return self.version, self.protocol

    def frame(self, to: bytes) -> bytes:
        """A frame for a MAC address. No checksum in it is right, and nobody on its way looks."""
        ethernet = to + bytes.fromhex("020000000001")
        if self.version == OTHER:
            frame = ethernet + struct.pack("!H", LOCAL_EXPERIMENTAL)
        else:
            payload = self.ports
            if self.protocol == TCP:
                payload += struct.pack("!IIHHHH", 0, 0, 5 << 12 | 2, 1024, 0, 0)
            elif self.protocol == UDP:
                payload += struct.pack("!HH", 8, 0)
            else:
                payload = bytes([8 if self.version == 4 else 128]) + bytes(7)
            if self.version == 4:
                header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64,
                                     self.protocol, 0)
            else:
                header = struct.pack("!IHBB", 6 << 28, len(payload), self.protocol, 64)
            frame = ethernet + struct.pack("!H", ETHERTYPES[self.version]) + header + \
                self.addresses + payload
        return frame.ljust(FRAME, b"\0")


def flows() -> list[Flow]:
    """The same 128 each time, of all kinds that a device tells apart, and some that it does not."""
    source = random.Random(SEED)

    def flow(version: int, protocol: int) -> Flow:
        size = {4: 4, 6: 16, OTHER: 0}[version]
        net = {4: b"\xc6\x12", 6: b"\x20\x01\x02\x00", OTHER: b""}[version]
        addresses = b"".join(net + source.randbytes(size - len(net)) for _ in range(2))
        return Flow(version, protocol, addresses,
                    source.randbytes(4) if protocol in (TCP, UDP) else b"")

    kinds = [(4, TCP), (4, UDP), (6, TCP), (6, UDP)] * 24 + [(4, ICMP[4]), (6, ICMP[6])] * 12 + \
        [(OTHER, 0)] * 8
    return [flow(*kind) for kind in kinds]


def toeplitz(key: bytes, data: bytes) -> int:
    """Each bit of the data that is set adds the 32 bits of the key that begin where it stands."""
    long_key = int.from_bytes(key, "big")
    bits = 8 * len(key)
    value = 0
    for at, byte in enumerate(data):
        for bit in range(8):
            if byte & 0x80 >> bit:
                value ^= long_key >> (bits - 32 - 8 * at - bit) & 0xffffffff
    return value


@dataclass
class Spread:
    """What a device with RSS was told. kinds: of frames whose ports count."""
    key: bytes
    table: list[int]
    kinds: frozenset

    def queue(self, flow: Flow) -> int:
        if flow.version == OTHER:
            return 0
        data = flow.addresses + (flow.ports if flow.tuple in self.kinds else b"")
        return self.table[toeplitz(self.key, data) % len(self.table)]

    def counts(self, queues: int) -> list[int]:
        """Of flows(), how many each queue gets."""
        found = Counter(self.queue(flow) for flow in flows())
        return [found[queue] for queue in range(queues)]


def self_test() -> None:
    """The sums that Microsoft gives for its key, by which every implementation is judged."""
    key = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c"
                        "6a42b73bbeac01fa")

    def sum_of(source: str, destination: str, *ports: int) -> int:
        data = ip_address(source).packed + ip_address(destination).packed
        return toeplitz(key, data + b"".join(struct.pack("!H", port) for port in ports))

    assert sum_of("66.9.149.187", "161.142.100.80") == 0x323e8fc2
    assert sum_of("66.9.149.187", "161.142.100.80", 2794, 1766) == 0x51ccc178
    assert sum_of("3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766) == 0x40207d3d
