# SPDX-License-Identifier: BSD-3-Clause
"""Virtqueues as a driver in Python fills them: split and packed, as the virtio specification
lays them out ("Split Virtqueues", "Packed Virtqueues").

Indices and flags are stored with one aligned 16-bit store each, through typed memoryviews, after
what they publish. On processors that keep stores in order (x86) that is all a driver owes; others
order them by the system call of the kick, so there a driver must kick.
"""
import struct
from dataclasses import dataclass

from .vhost_user import Memory

DESC = struct.Struct("<QIHH")
DESC_F_NEXT = 1
DESC_F_WRITE = 2
DESC_F_INDIRECT = 4
PACKED_F_AVAIL = 1 << 7
PACKED_F_USED = 1 << 15


@dataclass
class Segment:
    """One buffer of a chain: where, how long, and whether the device writes it."""
    gpa: int
    length: int
    write: bool = False


class SplitRing:
    """Split virtqueue: descriptor table, available ring, used ring."""
    packed = False
    base = 0  # SET_VRING_BASE of a fresh ring

    def __init__(self, memory: Memory, size: int, region: int = 0):
        self.size = size
        self.desc = memory.alloc(16 * size, region, 16)
        self.avail = memory.alloc(6 + 2 * size, region, 64)
        self.used = memory.alloc(6 + 8 * size, region, 64)
        self._avail16 = self.avail.view.cast("H")
        self._used16 = self.used.view[:4].cast("H")
        self._free = list(range(size))
        self._chains: dict[int, list[int]] = {}
        self._next_avail = 0
        self._next_used = 0

    @property
    def addresses(self) -> tuple[int, int, int]:
        """Descriptors, used, avail: the order of SET_VRING_ADDR."""
        return self.desc.va, self.used.va, self.avail.va

    @property
    def position(self) -> int:
        """SET_VRING_BASE of a ring all of whose chains the device is done with."""
        return self._used16[1]

    def write_desc(self, slot: int, gpa: int, length: int, flags: int, link: int) -> None:
        """Write one descriptor as it is, unchecked."""
        DESC.pack_into(self.desc.view, 16 * slot, gpa, length, flags, link)

    def publish(self, head: int, step: int = 1) -> None:
        """Make a chain available, whatever head is; step moves the index on by more than one."""
        self._avail16[2 + self._next_avail % self.size] = head
        self._next_avail = (self._next_avail + step) & 0xffff
        self._avail16[1] = self._next_avail

    def add(self, chain: list[Segment]) -> int | None:
        """Make a chain available; returns its id, or None when the ring has no room for it."""
        if len(self._free) < len(chain):
            return None
        slots = [self._free.pop() for _ in chain]
        for i, (slot, segment) in enumerate(zip(slots, chain)):
            last = i + 1 == len(chain)
            flags = (0 if last else DESC_F_NEXT) | (DESC_F_WRITE if segment.write else 0)
            self.write_desc(slot, segment.gpa, segment.length, flags, 0 if last else slots[i + 1])
        self._chains[slots[0]] = slots
        self.publish(slots[0])
        return slots[0]

    def reap(self) -> list[tuple[int, int]]:
        """Chains that the device is done with: (id, bytes written)."""
        done = []
        end = self._used16[1]
        while self._next_used != end:
            chain, length = struct.unpack_from("<II", self.used.view,
                                               4 + 8 * (self._next_used % self.size))
            done.append((chain, length))
            self._free += self._chains.pop(chain)
            self._next_used = (self._next_used + 1) & 0xffff
        return done


class PackedRing:
    """Packed virtqueue: one descriptor ring, and an event structure for each side."""
    packed = True
    base = 0x8000_8000  # both wrap counters start at 1

    def __init__(self, memory: Memory, size: int, region: int = 0):
        self.size = size
        self.desc = memory.alloc(16 * size, region, 64)
        self.avail = memory.alloc(4, region, 64)  # driver event suppression
        self.used = memory.alloc(4, region, 64)   # device event suppression
        self._desc16 = self.desc.view.cast("H")
        self._chains: dict[int, int] = {}
        self._ids = list(range(size))
        self._room = size
        self._next, self._wrap = 0, True
        self._next_used, self._used_wrap = 0, True

    @property
    def addresses(self) -> tuple[int, int, int]:
        """Descriptors, device event, driver event: the order of SET_VRING_ADDR."""
        return self.desc.va, self.used.va, self.avail.va

    @property
    def position(self) -> int:
        """SET_VRING_BASE of a ring all of whose chains were reaped."""
        return (self._next_used | self._used_wrap << 15) * 0x1_0001

    def write_desc(self, slot: int, gpa: int, length: int, flags: int, link: int) -> None:
        """Write one descriptor but its flags, which make it available, last; link is its id."""
        struct.pack_into("<QIH", self.desc.view, 16 * slot, gpa, length, link)
        self._desc16[8 * slot + 7] = flags

    def avail_flags(self, wrap: bool) -> int:
        return PACKED_F_AVAIL if wrap else PACKED_F_USED

    def publish(self, segments: list[tuple[int, int, int]], chain: int) -> None:
        """Write (gpa, length, flags) in ring order, unchecked; the first becomes visible last."""
        ready = []
        for gpa, length, flags in segments:
            ready.append((self._next, gpa, length, flags | self.avail_flags(self._wrap), chain))
            self._next += 1
            if self._next == self.size:
                self._next, self._wrap = 0, not self._wrap
        for entry in reversed(ready):
            self.write_desc(*entry)

    def add(self, chain: list[Segment]) -> int | None:
        """Make a chain available; returns its id, or None when the ring has no room for it."""
        if self._room < len(chain):
            return None
        ident = self._ids.pop()
        self._room -= len(chain)
        self._chains[ident] = len(chain)
        self.publish([(s.gpa, s.length, (DESC_F_NEXT if i + 1 < len(chain) else 0) |
                       (DESC_F_WRITE if s.write else 0)) for i, s in enumerate(chain)], ident)
        return ident

    def reap(self) -> list[tuple[int, int]]:
        """Chains that the device is done with: (id, bytes written)."""
        done = []
        while True:
            flags = self._desc16[8 * self._next_used + 7]
            if bool(flags & PACKED_F_AVAIL) != self._used_wrap or \
               bool(flags & PACKED_F_USED) != self._used_wrap:
                return done
            _, length, chain = struct.unpack_from("<QIH", self.desc.view, 16 * self._next_used)
            count = self._chains.pop(chain)
            self._ids.append(chain)
            self._room += count
            self._next_used += count
            if self._next_used >= self.size:
                self._next_used -= self.size
                self._used_wrap = not self._used_wrap
            done.append((chain, length if flags & DESC_F_WRITE else 0))
