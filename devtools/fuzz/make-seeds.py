#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the seeds of the ring target, devtools/fuzz/corpus/ring/: one short honest conversation for
each format, direction and offload, which the fuzzers change. The format is that of fuzz_ring.c."""
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
(WRITE_BYTES, WRITE_DESC, OFFER_CHAIN, _, DEQUEUE, ENQUEUE, KICKS, SET_LOG, _,
 RESTART) = range(10)
FEATURES = ["packed", "in_order", "version_1", "mergeable", "indirect", "event_idx", "log", "csum",
            "guest_csum", "guest_tso4", "guest_tso6", "guest_ufo", "tracked", "linear", "external",
            "compliant"]
NEXT, WRITE, INDIRECT = 1, 2, 4
BUFFER, TABLE, NEAR_REGION_END = 0x1000, 0xA00, 0x4000 - 20
GIANT, LONGEST = 0xF000, 0xFFFE


def head(*features: str, size: int = 10) -> bytes:
    """Of 8 entries if it is split, of 11 if it is packed."""
    bits = sum(1 << FEATURES.index(name) for name in features)
    return struct.pack("<HB", bits, size)


def write(offset: int, data: bytes) -> bytes:
    return struct.pack("<BHB", WRITE_BYTES, offset, len(data)) + data


def desc(offset: int, addr: int, length: int, flags: int, link: int = 0) -> bytes:
    return struct.pack("<BHHHHH", WRITE_DESC, offset, addr, length, flags, link)


def chain(packed: bool, *descs: tuple[int, int, int], where: int = 0) -> bytes:
    out = struct.pack("<BB", OFFER_CHAIN, len(descs) - 1)
    if not packed:
        out += bytes([where])
    for i, (flags, addr, length) in enumerate(descs):
        out += struct.pack("<BHH", flags | (NEXT if i + 1 < len(descs) else 0), addr, length)
        if packed:
            out += bytes([where])
    return out


def frame(length: int, flags: int = 0, l2: int = 14, l3: int = 20, l4: int = 20,
          segment: int = 1000) -> bytes:
    pieces = -(-length // 2048)
    contents = b"".join(packet(4, 6)[:40].ljust(40, b"\0") for _ in range(pieces))
    return struct.pack("<HBB", length - 14, flags, 0) + contents[:min(length, 40 * pieces)] + \
        struct.pack("<BBBH", l2, l3, l4, segment)


def packet(version: int, protocol: int, tags: int = 0) -> bytes:
    """Ethernet, VLAN tags, IP and the beginning of a transport header, 120 bytes in all."""
    out = b"\xff" * 6 + b"\x02" * 6 + b"\x81\x00\x00\x01" * tags
    if version == 4:
        out += b"\x08\x00" + struct.pack(">BBHHHBBH4s4s", 0x45, 0, 106, 0, 0, 64, protocol, 0,
                                         b"\x0a\0\0\1", b"\x0a\0\0\2")
    else:
        out += b"\x86\xdd" + struct.pack(">IHBB16s16s", 6 << 28, 66, protocol, 64, bytes(16),
                                         bytes(16))
    out += b"\0\1\0\2" + bytes(8) + b"\x50" + bytes(120)
    return out[:120]


def header(long: bool, flags: int = 0, gso: int = 0, size: int = 0, start: int = 0,
           offset: int = 0) -> bytes:
    return struct.pack("<BBHHHH", flags, gso, 0, size, start, offset) + (b"\0\0" if long else b"")


def seeds() -> dict[str, bytes]:
    out = {}
    for packed in (False, True):
        form = ("packed",) if packed else ()
        name = "packed" if packed else "split"
        for extra in ((), ("in_order",), ("event_idx",)) + ((("tracked",),) if packed else ()):
            features = form + ("version_1",) + extra
            sent = header(True) + packet(4, 6)
            out["-".join((name, *extra, "send"))] = head(*features) + write(BUFFER, sent) + \
                chain(packed, (0, BUFFER, len(sent))) + \
                chain(packed, (0, BUFFER, 12), (0, BUFFER + 12, 120), where=1) + \
                bytes([DEQUEUE, 31, KICKS, 1])
        for extra in ((), ("mergeable",), ("mergeable", "in_order")):
            features = form + ("version_1",) + extra
            out["-".join((name, *extra, "receive"))] = head(*features) + \
                b"".join(chain(packed, (WRITE, BUFFER + 0x200 * i, 0x200), where=i)
                         for i in range(4)) + \
                bytes([ENQUEUE, 1]) + frame(100) + frame(1200)
        for extra in ((), ("in_order",), ("csum",)):
            out["-".join((name, *extra, "longest"))] = head(*form, "version_1", *extra) + \
                chain(packed, (0, GIANT, LONGEST)) + \
                chain(packed, (0, BUFFER, 12), (0, GIANT, LONGEST), where=1) + \
                bytes([DEQUEUE, 31]) + \
                chain(packed, (WRITE, GIANT, LONGEST), where=3) + bytes([ENQUEUE, 0]) + frame(100)
        table = desc(TABLE, BUFFER, 12, NEXT, 1) + desc(TABLE + 16, NEAR_REGION_END, 60, 0)
        out[name + "-indirect-send"] = head(*form, "version_1", "indirect") + table + \
            chain(packed, (INDIRECT, TABLE, 32)) + bytes([DEQUEUE, 0])
        table = desc(TABLE, BUFFER, 8, NEXT | WRITE, 1) + \
            desc(TABLE + 16, NEAR_REGION_END, 1600, WRITE)
        out[name + "-indirect-receive"] = head(*form, "version_1", "indirect") + table + \
            chain(packed, (INDIRECT, TABLE, 32)) + bytes([ENQUEUE, 0]) + frame(1500)
        out[name + "-logged"] = head(*form, "version_1", "mergeable", "log", "event_idx") + \
            bytes([SET_LOG, 1]) + \
            chain(packed, (WRITE, NEAR_REGION_END, 1000)) + bytes([ENQUEUE, 0]) + frame(900) + \
            chain(packed, (0, NEAR_REGION_END, 90), where=1) + bytes([DEQUEUE, 3, KICKS, 1]) + \
            bytes([SET_LOG, 0, KICKS, 0, RESTART])
        for kind, (version, protocol, gso, offset) in {
                "tso4": (4, 6, 1, 16), "tso6": (6, 6, 4, 16), "ufo": (4, 17, 3, 6),
                "csum6": (6, 17, 0, 6)}.items():
            for compliant in ((), ("compliant",)):
                sent = header(True, 1, gso, 50 if gso else 0, 14 + (20 if version == 4 else 40),
                              offset) + packet(version, protocol)
                out["-".join((name, kind, *compliant, "send"))] = \
                    head(*form, "version_1", "csum", *compliant) + write(BUFFER, sent) + \
                    chain(packed, (0, BUFFER, len(sent))) + bytes([DEQUEUE, 0])
        sent = header(True, 1, 1, 500, 18 + 20, 16) + packet(4, 6, tags=1)
        for extra in ("linear", "external"):
            out["-".join((name, extra, "send"))] = \
                head(*form, "version_1", "csum", "linear", extra) if extra != "linear" else \
                head(*form, "version_1", "csum", "linear")
            out["-".join((name, extra, "send"))] += write(BUFFER, sent) + \
                chain(packed, (0, BUFFER, 0x2800)) + bytes([DEQUEUE, 0])
        # TCP_CKSUM, TCP_SEG, IP_CKSUM and IPV4 are bits 0, 2, 4 and 5 of a frame's flags.
        for agreed in ((), ("guest_csum",), ("guest_csum", "guest_tso4")):
            flags = 0x35 if len(agreed) == 2 else 0x31
            out["-".join((name, *agreed, "offload", "receive"))] = \
                head(*form, "version_1", "mergeable", *agreed) + \
                chain(packed, (WRITE, BUFFER, 0x800)) + \
                bytes([ENQUEUE, 0]) + frame(1400, flags)
    return out


def main() -> None:
    directory = HERE / "corpus" / "ring"
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (directory / name).write_bytes(data)


if __name__ == "__main__":
    main()
