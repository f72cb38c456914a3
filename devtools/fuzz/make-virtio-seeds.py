#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the seeds of the targets virtio_rings and virtio_device, in devtools/fuzz/corpus/: short honest
conversations, for each ring format and direction, and with each kind of device, which the fuzzers change.
The formats are those of fuzz_virtio_rings.c and fuzz_virtio_device.c."""
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
BURST, RETURN, WRITE_RING, WRITE_TABLE, WRITE_HEADER, LOOK, FILL, INTERRUPTS, RESET, RETURN_SHORT = range(10)
FEATURES = ["version_1", "packed", "in_order", "mergeable", "indirect", "event_idx", "csum",
            "guest_csum"]
SIZE = 64
ROOM_FOR_HEADER = 0x40
STRIP_TAGS = 0x20


def head(*features: str, transmit: bool, vectors: int, more: int = 0) -> bytes:
    bits = sum(1 << FEATURES.index(name) for name in features)
    return bytes([bits, transmit | vectors << 1 | 1 << 3 | ROOM_FOR_HEADER | more, SIZE - 2])


def give_back(length: int, id_off: int = 0, skip: int = 0) -> bytes:
    return struct.pack("<BBBH", RETURN, id_off, skip, length)


def header(slot: int, num_buffers: int) -> bytes:
    return struct.pack("<BBHB", WRITE_HEADER, slot, 0, 11) + struct.pack("<BBHHHHH", 0, 0, 0, 0, 0,
                                                                         0, num_buffers)


def receive(*features: str, vectors: int) -> bytes:
    out = head(*features, transmit=False, vectors=vectors)
    for i in range(20):
        buffers = 2 if "mergeable" in features and i % 5 == 0 else 1
        out += header(i, buffers) + give_back(72)
    return out + bytes([LOOK, 8, 0, BURST, 32, FILL, INTERRUPTS, 1, RESET, BURST, 4])


def short(*features: str, vectors: int, strip: bool) -> bytes:
    out = head(*features, transmit=False, vectors=vectors, more=STRIP_TAGS if strip else 0)
    for length in (0, 3, 4, 13, 14, 17, 18):
        out += bytes([RETURN_SHORT, length])
    return out + bytes([BURST, 32])


def transmit(*features: str, vectors: int) -> bytes:
    out = head(*features, transmit=True, vectors=vectors)
    out += bytes([BURST, 24, 2 if "indirect" in features else 0, BURST, 24, 32])
    out += give_back(0) * 24
    return out + bytes([FILL, LOOK, 8, 0, BURST, 64, 64, RESET, BURST, 4, 0])


(START, STOP, CONTROL, LINK, RX, TX, SCRIBBLE, QUEUE_ONOFF, LIE, CONFIG, COUNT) = range(11)
HONEST, REFUSES, SILENT = range(3)
VERSION_1, PACKED, IN_ORDER, PROTOCOL = 1 << 32, 1 << 34, 1 << 35, 1 << 30
CSUM, GUEST_CSUM, MTU, MAC, MRG, STATUS, CTRL_VQ, CTRL_RX, MQ, CTRL_MAC = (
    1 << bit for bit in (0, 1, 3, 5, 15, 16, 17, 18, 22, 23))


def port(features: int, answers: int = HONEST, offloads: int = 0) -> bytes:
    config = struct.pack("<6sHHHIB", b"\2\0\0\0\0\1", 1, 4, 1500, 10000, 1).ljust(32, b"\0")
    begin = struct.pack("<BQB32sBII", 0, features, 0, config, 1, offloads, offloads)
    use = bytes([START, HONEST, LINK, RX, 0, TX, 0, TX, 1, CONTROL, 0, 0, answers, CONTROL, 0, 2,
                 answers, QUEUE_ONOFF, 0, 0, QUEUE_ONOFF, 0, 1, COUNT, 0, RX, 0, STOP])
    return begin + use + use


GET_FEATURES, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM, GET_SLOTS = 1, 15, 17, 36
GREET = 8


def says(request: int, value: int) -> bytes:
    return struct.pack("<BBQ", 0, request, value)


def back_end(protocol: int) -> bytes:
    """A back end that is greeted, and then asked for everything once."""
    answers = [says(GET_FEATURES, PROTOCOL | VERSION_1 | MQ | MTU),
               says(GET_PROTOCOL_FEATURES, protocol)]
    if protocol & 1:
        answers.append(says(GET_QUEUE_NUM, 4))
    if protocol & 1 << 15:
        answers.append(says(GET_SLOTS, 8))
    out = bytes([1, len(answers)]) + b"".join(answers)
    confirms, slots = bool(protocol & 8), bool(protocol & 1 << 15)
    for what, always, confirmed, more in (
            (0, [], [2], 8), (1, [] if confirms else [1], [37 if slots else 5], 0),
            (2, [], [13, 8, 10, 9, 12], 0), (4, [], [18], 0), (5, [], [39], 1), (7, [], [20], 2),
            (3, [11], [], 0)):
        requests = always + (confirmed if confirms else [])
        out += bytes([what, len(requests)]) + b"".join(says(r, 0) for r in requests) + bytes(more)
    return out


def write_device_seeds() -> None:
    corpus = HERE / "corpus" / "virtio_device"
    corpus.mkdir(parents=True, exist_ok=True)
    plain = VERSION_1 | MAC | STATUS
    control = plain | CTRL_VQ | CTRL_RX | CTRL_MAC | MQ | MTU
    for name, seed in {
            "port": port(plain), "port-packed": port(plain | PACKED | IN_ORDER),
            "port-control": port(control | MRG),
            "port-control-packed": port(control | PACKED),
            "port-control-refuses": port(control, REFUSES),
            "port-control-silent": port(control | PACKED, SILENT),
            "port-offloads": port(control | MRG | CSUM | GUEST_CSUM, offloads=0xffffffff),
            "back-end": back_end(0), "back-end-confirms": back_end(1 | 8 | 16 | 1 << 16),
            "back-end-slots": back_end(1 | 8 | 16 | 1 << 15 | 1 << 16)}.items():
        (corpus / name).write_bytes(seed)


def main() -> None:
    write_device_seeds()
    corpus = HERE / "corpus" / "virtio_rings"
    corpus.mkdir(parents=True, exist_ok=True)
    vectors = 0
    for ring in ([], ["packed"]):
        for more in ([], ["in_order"], ["mergeable", "indirect"], ["event_idx", "csum",
                                                                  "guest_csum"]):
            name = "-".join([*ring, *more]) or "split"
            for direction in (receive, transmit):
                vectors = (vectors + 1) % 4
                (corpus / f"{name}-{direction.__name__}").write_bytes(
                    direction("version_1", *ring, *more, vectors=vectors))
        for strip in (False, True):
            name = "-".join([*ring, "short", "stripped" if strip else "plain"])
            (corpus / name).write_bytes(short("version_1", *ring, vectors=1, strip=strip))


if __name__ == "__main__":
    main()
