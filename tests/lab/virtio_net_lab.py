# SPDX-License-Identifier: BSD-3-Clause
"""Numbered frames through a network interface of the guest whose other end gives them back."""
import random
import socket
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.result import Failure, check  # noqa: E402

ETHERTYPE = 0x88b5      # for local experiments
FRAMES = 2000
WINDOW = 64
PATIENCE = 30
PACKET_OUTGOING = 4
RING_PACKED = 34


def frame(number: int, address: bytes, rng: random.Random) -> bytes:
    size = rng.randrange(64, 1515)
    return (address + address + struct.pack("!HI", ETHERTYPE, number) +
            rng.randbytes(size - 18))


def features(interface: str) -> str:
    return Path(f"/sys/class/net/{interface}/device/features").read_text(encoding="ascii").strip()


def every_frame_comes_back(interface: str = "eth0") -> None:
    """In order, once, and as it was sent."""
    subprocess.run(["ip", "link", "set", interface, "up"], check=True)
    rng = random.Random(1)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE)) as link:
        link.bind((interface, ETHERTYPE))
        link.settimeout(PATIENCE)
        address = link.getsockname()[4]
        frames = [frame(number, address, rng) for number in range(FRAMES)]
        sent = came = 0
        while came < FRAMES:
            while sent < FRAMES and sent - came < WINDOW:
                link.send(frames[sent])
                sent += 1
            try:
                data, origin = link.recvfrom(2048)
            except TimeoutError:
                raise Failure(f"frame {came} of {sent} did not come back within "
                              f"{PATIENCE} s") from None
            if origin[2] == PACKET_OUTGOING:
                continue
            check(data == frames[came], f"frame {came} of {len(frames[came])} bytes, got number "
                  f"{int.from_bytes(data[14:18], 'big')} with {len(data)} bytes")
            came += 1


def rings_are_packed(wanted: bool, interface: str = "eth0") -> None:
    agreed = features(interface)
    check((agreed[RING_PACKED] == "1") == wanted,
          f"{'packed' if wanted else 'split'} rings, got features {agreed}")
