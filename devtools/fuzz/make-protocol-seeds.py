#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the seeds of the targets messages, vdpa, iotlb and inflight, devtools/fuzz/corpus/: short
honest conversations, which the fuzzers change. The formats are those of frontend.c, fuzz_vdpa.c,
fuzz_iotlb.c and fuzz_inflight.c."""
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent / "corpus"
(MESSAGE, NEGOTIATE, MEMORY, REGION, RING, ENABLE, MAP, UNMAP, INFLIGHT, LOG, WRITE, BURSTS,
 POSTCOPY, TRAVEL, LONG, PAUSE, ASK) = range(17)
(CUT, SIZE, FLAGS, LENGTH, FDS, LATE, GLUE, HANG_UP) = (1 << n for n in range(8))
PACKED, IOMMU, LOG_ALL = 1 << 34, 1 << 33, 1 << 26
GPA, FE_VA = 0x100000000, 0x7F0000000000


def negotiate(without: int) -> bytes:
    return struct.pack("<BBQ", NEGOTIATE, 12, without | LOG_ALL)


def rings() -> bytes:
    return b"".join(bytes([RING, index, 0]) for index in range(2))


def frame(iommu: bool, packed: bool) -> bytes:
    """One buffer that the guest transmits, and a burst that takes it."""
    base = FE_VA if iommu else GPA
    flags = 0x80 if packed else 0
    link = struct.pack("<HH", 0, flags) if packed else struct.pack("<HH", flags, 0)
    desc = struct.pack("<QI", base + 0x40000, 76) + link
    return bytes([WRITE, 1, 0, 0, 16]) + desc + bytes([WRITE, 1, 0, 0x10, 6]) + \
        struct.pack("<HHH", 0, 1, 0) + bytes([BURSTS, 1, 31, BURSTS, 0, 3])


def travels() -> dict[str, bytes]:
    """Messages that do not come in one piece, or lie."""
    start = b"\0" + negotiate(PACKED | IOMMU)
    table = bytes([MEMORY, 7])
    small = bytes([MESSAGE, 1, 0, 0])

    def travel(how: int, more: bytes = b"") -> bytes:
        return bytes([TRAVEL, how]) + more

    pieces = struct.pack("<BHHH", 2, 4, 30, 100)
    config = struct.pack("<BBBHIII", LONG, 24, 1, 268, 0, 256, 0) + bytes(256)
    return {
        "cut": start + travel(CUT, pieces) + table + travel(CUT, pieces) + rings() + table,
        "late-descriptors": start + travel(CUT | LATE, pieces + b"\2") + table + rings(),
        "glued": start + travel(GLUE) + table + travel(GLUE) + small + rings() +
            frame(False, False),
        "glued-descriptors": start + travel(GLUE | CUT, pieces) + table +
            travel(GLUE | CUT, pieces) + table + small,
        "many-descriptors": start + travel(FDS, b"\1") + table,
        "most-descriptors": start + travel(FDS | CUT, pieces + b"\xff") + small,
        "too-large": start + travel(SIZE, struct.pack("<I", 277)) + small,
        "lies-of-size": start + travel(SIZE | LENGTH, struct.pack("<IH", 16, 20)) + small +
            bytes([MESSAGE, 0, 0, 8]) + bytes(8),
        "hangs-up": start + table + rings() + travel(CUT | LENGTH | HANG_UP, pieces +
            struct.pack("<H", 100)) + table,
        "is-no-request": start + travel(FLAGS, b"\4") + small,
        "whole-config": start + config + config.replace(bytes([LONG, 24]), bytes([LONG, 25]), 1),
        "longest": start + struct.pack("<BBBH", LONG, 24, 0, 276) + bytes(276),
        "odd-descriptors": start + table + b"".join(
            bytes([MESSAGE, request, 3, 8, index]) + bytes(7) + bytes([kind])
            for kind in (6, 7, 8, 9, 10, 11) for index, request in ((0, 12), (0, 13), (1, 14))) +
            rings() + frame(False, False),
        "state-aside": b"\4" + negotiate(PACKED | IOMMU) +
            bytes([MESSAGE, 42, 3, 8]) + bytes(8) + bytes([4, MESSAGE, 43, 1, 0]) +
            bytes([PAUSE, MESSAGE, 43, 1, 0]),
        "state-left-aside": b"\4" + negotiate(PACKED | IOMMU) +
            bytes([MESSAGE, 42, 3, 8]) + bytes([1]) + bytes(7) + bytes([9, MESSAGE, 43, 1, 0]),
    }


def messages() -> dict[str, bytes]:
    out = travels()
    for name, without in (("split", PACKED | IOMMU), ("packed", IOMMU)):
        start = negotiate(without) + bytes([MEMORY, 1])
        sent = frame(False, name == "packed")
        out[name] = b"\0" + start + rings() + sent
        out[f"{name}-own-rings"] = b"\1" + start + rings()
        out[f"{name}-inflight"] = b"\0" + start + bytes([INFLIGHT, 1, INFLIGHT, 8]) + rings() + sent
        out[f"{name}-logged"] = b"\0" + start + rings() + bytes([LOG]) + sent + bytes([LOG])
        out[f"{name}-memory-moves"] = b"\0" + start + rings() + bytes([MEMORY, 3]) + sent + \
            bytes([REGION, 0, REGION, 1, ENABLE, 1, 0, ENABLE, 1, 1])
        out[f"{name}-iommu"] = b"\2" + negotiate(without & ~IOMMU) + bytes([MEMORY, 0]) + \
            rings() + bytes([MAP, 0, 15, 0, 0]) + frame(True, name == "packed") + \
            bytes([MAP, 64, 0, 0, 2]) + bytes([BURSTS, 1, 31, UNMAP, 0, 255, 0, 0])
        out[f"{name}-iommu-goes"] = b"\2" + negotiate(without & ~IOMMU) + bytes([MEMORY, 0]) + \
            rings() + bytes([MAP, 0, 15, 0, 0]) + negotiate(without | IOMMU) + \
            bytes([MEMORY, 3]) + negotiate(without & ~IOMMU)
        out[f"{name}-postcopy"] = b"\0" + negotiate(without) + \
            bytes([POSTCOPY, 0, POSTCOPY, 1, MEMORY, 0, POSTCOPY, 3]) + rings() + sent + \
            bytes([POSTCOPY, 2])
    for request, size in ((24, 20), (25, 20), (42, 8), (43, 0), (19, 8), (34, 0), (11, 8)):
        out[f"request-{request}"] = b"\0" + negotiate(PACKED | IOMMU) + \
            bytes([MESSAGE, request, 3 if request == 42 else 1, size]) + bytes(size) + b"\4"
    return out


def vdpa() -> dict[str, bytes]:
    """Of what the driver does, 96 bytes in front, some of those of 0xc0 and more are failures."""
    well, badly = bytes(97), bytes(47) + b"\xc0" * 50
    start = negotiate(PACKED | IOMMU) + bytes([MEMORY, 1]) + rings()
    config = bytes([MESSAGE, 24, 0, 20]) + struct.pack("<III", 0, 8, 0) + bytes(8)
    steps = {
        "starts": bytes([ENABLE, 1, 0, ENABLE, 1, 1]),
        "logged": bytes([LOG, LOG]),
        "memory-moves": bytes([MEMORY, 3, REGION, 0, REGION, 1]),
        "config": config + bytes([MESSAGE, 19, 0, 8]) + bytes(8),
        "asked": bytes([ASK, 1, 0, 3, ASK, 2]) +
            b"".join(bytes([ASK, 0, command, params]) for command in range(3)
                     for params in (0, 1, 4)),
        "leaves": bytes([ASK, 3, ASK, 2]),
    }
    out = {name + how: what + start + more for name, more in steps.items()
           for how, what in (("", well), ("-fails", badly))}
    # The first question is for its type, then come features, protocol features and rings.
    for name, at in (("type", 0), ("features", 2), ("protocol-features", 11), ("rings", 20)):
        out[f"no-{name}"] = bytes(1 + at) + b"\xc0" + bytes(95 - at) + start
    out["no-more-operations"] = b"\xfc" + bytes(96) + start + steps["config"] + steps["asked"]
    return out


def iotlb() -> dict[str, bytes]:
    def update(first: int, n: int, unit: int, access: int = 3) -> bytes:
        return bytes([access << 2 | 1, first, n - 1, unit])

    def remove(first: int, n: int) -> bytes:
        return bytes([0, first, n - 1, 0])

    pages = b"".join(update(i, 1, i) for i in range(0, 60, 2)) + \
        b"".join(update(i, 1, i) for i in range(1, 60, 2))
    return {
        "pages": b"\0" + pages,
        "hole": b"\0" + update(0, 60, 0) + remove(20, 5) + update(22, 2, 70),
        "end-of-all": b"\1" + pages + remove(100, 28) + update(100, 28, 128, 1),
        "wild": b"\2" + struct.pack("<QQQQQQ", 0x1000, 0x2000, 0x700000000000, 3, 0x1800, 0x100),
    }


def inflight() -> dict[str, bytes]:
    write, ring, recover, take, give, given, base, forget = range(8)

    def note(step: int, first: int, second: int = 0) -> bytes:
        return struct.pack("<BHH", step, first, second)

    out = {}
    for name, kind in (("split", 0), ("packed", 1), ("packed-net", 3)):
        start = bytes([kind, 15]) + struct.pack("<BH", recover, 0x8000 if kind else 0)
        lives = note(take, 0, 0) + note(take, 1, 2) + note(give, 0) + note(given, 0, 1)
        out[name] = start + lives + struct.pack("<BH", recover, 1) + note(base, 0) + \
            bytes([forget]) + struct.pack("<BH", recover, 0)
        out[f"{name}-spoiled"] = start + lives + struct.pack("<BHB", write, 16, 8) + \
            b"\3\0\2\0\1\1\0\0" + struct.pack("<BHB", ring, 14, 2) + b"\x80\x80" + \
            struct.pack("<BH", recover, 1)
    return out


def main() -> None:
    for target, seeds in (("messages", messages()), ("vdpa", vdpa()), ("iotlb", iotlb()), ("inflight", inflight())):
        (HERE / target).mkdir(parents=True, exist_ok=True)
        for name, data in seeds.items():
            (HERE / target / name).write_bytes(data)


if __name__ == "__main__":
    main()
