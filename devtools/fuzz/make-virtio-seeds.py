#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the seeds of the targets virtio_rings, virtio_device and virtio_backend, in devtools/fuzz/corpus/:
short honest conversations, for each ring format and direction, and with each kind of device and back end,
which the fuzzers change. The formats are those of fuzz_TARGET.c."""
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


(START, STOP, RX, TX, SCRIBBLE, SWITCH, LIE, REGISTERS, EXAMINE, LINK, INTERRUPT, PROMISCUOUS, ALL_MULTICAST,
 SET_MAC, ADD_MAC, REMOVE_MAC, MULTICAST, VLAN, STRIP, SET_MTU, HASH, TABLE, PORT_RESET) = range(23)
CALLS, BAR, PORTS = range(3)
HONEST, REFUSES, SILENT, SCRIBBLES = range(4)
VERSION_1, PACKED, IN_ORDER, RSS, PROTOCOL = 1 << 32, 1 << 34, 1 << 35, 1 << 60, 1 << 30
CSUM, GUEST_CSUM, MTU, MAC, MRG, STATUS, CTRL_VQ, CTRL_RX, CTRL_VLAN, ANNOUNCE, MQ, CTRL_MAC = (
    1 << bit for bit in (0, 1, 3, 5, 15, 16, 17, 18, 19, 21, 22, 23))
UP_AND_ANNOUNCE = 3
WITH_RSS, WITH_LSC, WITH_RX_INTERRUPTS, ALL_TYPES = 1, 2, 4, 8


def configure(offloads: int = 0, how: int = 0, pairs: int = 2) -> bytes:
    return struct.pack("<BIIB", pairs - 1, offloads, offloads, how)


def port(features: int, kind: int = CALLS, answer: int = HONEST, offloads: int = 0,
         how: int = 0) -> bytes:
    """A device that the port uses in every way once, stops, and uses again. Each command is answered."""
    config = struct.pack("<6sHHHIBBHI", b"\2\0\0\0\0\1", UP_AND_ANNOUNCE, 4, 1500, 10000, 1, 40, 128,
                         0x1ff).ljust(32, b"\0")
    begin = struct.pack("<BQB32sBB", kind, features, 0, config, bool(how & WITH_RX_INTERRUPTS), 0)
    commands = [[PROMISCUOUS, 0], [ALL_MULTICAST, 1], [SET_MAC, 2], [ADD_MAC, 3, 1],
                [PROMISCUOUS, 1], [ALL_MULTICAST, 0], [STRIP], [MULTICAST, 2], [VLAN, 5, 0, 1], [REMOVE_MAC, 1],
                [HASH, 1, 0, *[0xff] * 8, *range(41)],
                [TABLE, *([*[0xff] * 8, 4, 1, 0, 1, 0]) * 2]]
    use = bytes([START, answer, LINK, RX, 0, TX, 0, TX, 1, INTERRUPT, 0, answer])
    if features & CTRL_VQ:
        use += b"".join(bytes([*command, answer]) for command in commands)
    use += bytes([SWITCH, 0, 0, SWITCH, 0, 1, SWITCH, 0, 4, EXAMINE, 0, 1, 9, SET_MTU, 0, 4, RX, 0])
    return begin + configure(offloads, how) + use + bytes([STOP]) + use + bytes([PORT_RESET]) + \
        configure(offloads, how) + bytes([START, answer, REGISTERS, 0, 20, 0, 2, RX, 0])


(NOTHING, GREET, SET_FEATURES, SHARE, SETUP, STOP_RING, ENABLE, SET_STATUS, READ_CONFIG, MTU_ASKED, COMMAND,
 RESTORE, RUNNING, CHECK, TELL_MAC) = range(15)
BY_SOCKET, BY_KERNEL = 1, 0
GET_FEATURES, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM, GET_SLOTS = 1, 15, 17, 36


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
    out = bytes([BY_SOCKET, len(answers)]) + b"".join(answers)
    confirms, slots = bool(protocol & 8), bool(protocol & 1 << 15)
    for what, always, confirmed, more in (
            (SET_FEATURES, [], [2], 8), (SHARE, [] if confirms else [1], [37 if slots else 5], 0),
            (SETUP, [], [13, 8, 10, 9, 12], 1), (ENABLE, [], [18], 2), (SET_STATUS, [], [39], 1),
            (READ_CONFIG, [24], [], 1), (MTU_ASKED, [], [20], 2), (STOP_RING, [11], [], 1)):
        requests = always + (confirmed if confirms else [])
        out += bytes([what, len(requests)]) + b"".join(says(r, 0) for r in requests) + \
            bytes(more)
    return out


def vdpa_device(features: int, answer: int = HONEST, backend: int = 0) -> bytes:
    """A device that comes up, is given commands, goes through a reset, and is told them again. A zero
    byte lets an ioctl succeed, and is a step that does nothing."""
    hello = bytes(4) + struct.pack("<Q", features) + bytes(1) + struct.pack("<Q", backend)
    hello += bytes(7 if backend else 6)
    if features & (MQ | RSS):
        hello += struct.pack("<BH", 0, 2)
    hello += bytes([0, 5, 0])
    rise = bytes([SET_FEATURES]) + struct.pack("<Q", features) + bytes([0, SHARE, *bytes(8)])
    rise += bytes([SETUP, 0, *bytes(8), SETUP, 1, *bytes(8)])
    rise += bytes([SET_STATUS, 3, *bytes(40), RUNNING, 1])
    commands = b"".join(
        bytes([COMMAND, *command, answer, *bytes(2)])
        for command in ([0, 0, 1, 0, 1], [1, 0, 6, 0, 1, 2, 3, 4, 5, 6], [2, 0, 2, 0, 7, 0],
                        [4, 1, 32, 0, *[3] * 32], [4, 0, 2, 0, 1, 0]))
    end = bytes([CHECK, *bytes(4), READ_CONFIG, 10, *bytes(11), TELL_MAC, 7, *bytes(20), RUNNING, 0,
                 STOP_RING, 0, SET_STATUS, 0, *bytes(12)])
    return bytes([BY_KERNEL]) + hello + rise + commands + end + rise + \
        bytes([RESTORE, *[answer] * 8])


def write_seeds(target: str, seeds: dict[str, bytes]) -> None:
    corpus = HERE / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    for name, seed in seeds.items():
        (corpus / name).write_bytes(seed)


def write_device_seeds() -> None:
    plain = VERSION_1 | MAC | STATUS
    control = plain | CTRL_VQ | CTRL_RX | CTRL_VLAN | CTRL_MAC | ANNOUNCE | MQ | MTU
    spread = control | RSS
    everything = WITH_RSS | WITH_LSC | WITH_RX_INTERRUPTS | ALL_TYPES
    write_seeds("virtio_device", {
        "plain": port(plain), "packed": port(plain | PACKED | IN_ORDER),
        "control": port(control | MRG, how=WITH_LSC),
        "control-packed": port(control | PACKED),
        "control-refuses": port(control, answer=REFUSES),
        "control-silent": port(control | PACKED, answer=SILENT),
        "control-scribbles": port(control, answer=SCRIBBLES),
        "offloads": port(control | MRG | CSUM | GUEST_CSUM, offloads=0xffffffff),
        "rss": port(spread, offloads=0xffffffff, how=everything),
        "rss-packed": port(spread | PACKED, how=everything),
        "rss-one-pair": port(spread & ~MQ, how=WITH_RSS | ALL_TYPES),
        # Both halves of its features are the same word.
        "registers": port(spread & ~VERSION_1 | CSUM, kind=BAR, how=everything),
        "registers-packed": port((spread | PACKED) & ~VERSION_1 | CSUM, kind=BAR),
        "ports": port(control & ~VERSION_1, kind=PORTS, how=WITH_LSC),
        "ports-msix": port(control & ~VERSION_1, kind=PORTS, how=WITH_LSC | WITH_RX_INTERRUPTS)})


def write_backend_seeds() -> None:
    control = VERSION_1 | MAC | STATUS | CTRL_VQ | CTRL_RX | CTRL_VLAN | CTRL_MAC | MQ
    write_seeds("virtio_backend", {
        "socket": back_end(0), "socket-confirms": back_end(1 | 8 | 16 | 1 << 16),
        "socket-slots": back_end(1 | 8 | 16 | 1 << 15 | 1 << 16),
        "vdpa": vdpa_device(VERSION_1 | MAC | STATUS), "vdpa-control": vdpa_device(control),
        "vdpa-control-packed": vdpa_device(control | PACKED, backend=0x1f),
        "vdpa-control-refuses": vdpa_device(control, REFUSES),
        "vdpa-control-silent": vdpa_device(control, SILENT),
        "vdpa-control-scribbles": vdpa_device(control | PACKED, SCRIBBLES)})


def main() -> None:
    write_device_seeds()
    write_backend_seeds()
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
