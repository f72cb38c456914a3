# SPDX-License-Identifier: BSD-3-Clause
"""The vhost-user protocol as a scripted front end, that is honest or as malicious as a test wants.

Numbers and layouts are those of the vhost-user protocol document ("Front-end message types",
"Protocol features", "Memory region description"). Nothing here shares code with what it tests.

  Connection  messages with descriptors over a socket, sent whole, in pieces, or malformed
  Memory      what a guest would have: memfd regions, guest physical and front-end addresses
  Frontend    the requests by name, a ring's set-up, and a whole handshake as a list of steps
"""
import array
import enum
import mmap
import os
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path

from .result import Failure

VERSION = 1
FLAG_REPLY = 1 << 2
FLAG_NEED_REPLY = 1 << 3
VRING_NOFD = 1 << 8
HEADER = struct.Struct("=III")
PAGE = mmap.PAGESIZE
REPLY_SECONDS = 20


class Request(enum.IntEnum):
    GET_FEATURES = 1
    SET_FEATURES = 2
    SET_OWNER = 3
    RESET_OWNER = 4
    SET_MEM_TABLE = 5
    SET_LOG_BASE = 6
    SET_LOG_FD = 7
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_VRING_BASE = 11
    SET_VRING_KICK = 12
    SET_VRING_CALL = 13
    SET_VRING_ERR = 14
    GET_PROTOCOL_FEATURES = 15
    SET_PROTOCOL_FEATURES = 16
    GET_QUEUE_NUM = 17
    SET_VRING_ENABLE = 18
    SEND_RARP = 19
    NET_SET_MTU = 20
    SET_BACKEND_REQ_FD = 21
    IOTLB_MSG = 22
    SET_VRING_ENDIAN = 23
    GET_CONFIG = 24
    SET_CONFIG = 25
    CREATE_CRYPTO_SESSION = 26
    CLOSE_CRYPTO_SESSION = 27
    POSTCOPY_ADVISE = 28
    POSTCOPY_LISTEN = 29
    POSTCOPY_END = 30
    GET_INFLIGHT_FD = 31
    SET_INFLIGHT_FD = 32
    GPU_SET_SOCKET = 33
    RESET_DEVICE = 34
    VRING_KICK = 35
    GET_MAX_MEM_SLOTS = 36
    ADD_MEM_REG = 37
    REM_MEM_REG = 38
    SET_STATUS = 39
    GET_STATUS = 40
    GET_SHARED_OBJECT = 41
    SET_DEVICE_STATE_FD = 42
    CHECK_DEVICE_STATE = 43


class Feature(enum.IntEnum):
    """Bits of the virtio feature word."""
    NET_CSUM = 0
    NET_GUEST_CSUM = 1
    NET_MTU = 3
    NET_MAC = 5
    NET_GSO = 6
    NET_GUEST_TSO4 = 7
    NET_GUEST_TSO6 = 8
    NET_GUEST_UFO = 10
    NET_HOST_TSO4 = 11
    NET_HOST_TSO6 = 12
    NET_HOST_ECN = 13
    NET_HOST_UFO = 14
    NET_MRG_RXBUF = 15
    NET_STATUS = 16
    NET_CTRL_VQ = 17
    NET_CTRL_RX = 18
    NET_CTRL_VLAN = 19
    NET_GUEST_ANNOUNCE = 21
    NET_MQ = 22
    NET_CTRL_MAC_ADDR = 23
    LOG_ALL = 26
    PROTOCOL_FEATURES = 30
    RING_INDIRECT = 28
    RING_EVENT_IDX = 29
    VERSION_1 = 32
    ACCESS_PLATFORM = 33
    RING_PACKED = 34
    IN_ORDER = 35


class ProtocolFeature(enum.IntEnum):
    """Bits of the protocol feature word."""
    MQ = 0
    LOG_SHMFD = 1
    RARP = 2
    REPLY_ACK = 3
    NET_MTU = 4
    BACKEND_REQ = 5
    CRYPTO_SESSION = 7
    PAGEFAULT = 8
    CONFIG = 9
    INFLIGHT_SHMFD = 12
    RESET_DEVICE = 13
    CONFIGURE_MEM_SLOTS = 15
    STATUS = 16
    DEVICE_STATE = 19


class Status(enum.IntFlag):
    """The device status byte of virtio."""
    ACKNOWLEDGE = 1
    DRIVER = 2
    DRIVER_OK = 4
    FEATURES_OK = 8


def mask(*bits: int) -> int:
    return sum(1 << bit for bit in bits)


@dataclass
class Message:
    request: int
    flags: int
    payload: bytes
    fds: list[int] = field(default_factory=list)

    @property
    def u64(self) -> int:
        if len(self.payload) != 8:
            raise Failure(f"expected an answer of 8 bytes to request {self.request}, "
                          f"got {len(self.payload)}")
        return struct.unpack("=Q", self.payload)[0]


class Closed(Exception):
    """The peer has closed the connection."""


class Connection:
    """One end of a vhost-user socket."""

    def __init__(self, sock: socket.socket):
        self.sock = sock

    @classmethod
    def to(cls, path: Path, timeout: float = 30) -> "Connection":
        """Connect to a listening peer, waiting for it to listen."""
        deadline = time.monotonic() + timeout
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                sock.connect(str(path))
                return cls(sock)
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError) as error:
                sock.close()
                if time.monotonic() > deadline:
                    raise Failure(f"cannot connect to {path}: {error}") from error
                time.sleep(0.01)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_exc) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def send_raw(self, data: bytes, fds: list[int] = ()) -> None:
        """Send bytes as they are, with descriptors on the first of them."""
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            sent = self.sock.sendmsg([data], control)
            # The peer may have read all of it, and closed, by now.
            if sent < len(data):
                self.sock.sendall(data[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed(str(error)) from error

    def send(self, request: int, payload: bytes = b"", fds: list[int] = (),
             flags: int = VERSION, size: int | None = None) -> None:
        """Send a message; size, when given, is what the header claims of the payload."""
        claimed = len(payload) if size is None else size
        self.send_raw(HEADER.pack(request, flags, claimed) + payload, fds)

    def receive(self, timeout: float = REPLY_SECONDS) -> Message:
        """Receive one message; raises Closed when the peer has closed instead."""
        deadline = time.monotonic() + timeout
        head, fds = self._read(HEADER.size, deadline)
        request, flags, size = HEADER.unpack(head)
        payload, more = self._read(size, deadline) if size else (b"", [])
        return Message(request, flags, payload, fds + more)

    def wait_closed(self, timeout: float = REPLY_SECONDS) -> list[Message]:
        """Wait until the peer closes; returns what it said before."""
        said = []
        deadline = time.monotonic() + timeout
        while True:
            try:
                said.append(self.receive(max(0, deadline - time.monotonic())))
            except Closed:
                return said

    def _read(self, size: int, deadline: float) -> tuple[bytes, list[int]]:
        data, fds = b"", []
        while len(data) < size:
            if not select.select([self.sock], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failure("expected an answer or the end of the connection, got neither")
            try:
                part, control, _, _ = self.sock.recvmsg(size - len(data),
                                                        socket.CMSG_SPACE(8 * 4))
            except ConnectionResetError as error:
                raise Closed(str(error)) from error
            if not part:
                raise Closed("end of the connection")
            data += part
            for level, kind, raw in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    received = array.array("i")
                    received.frombytes(raw[:len(raw) - len(raw) % received.itemsize])
                    fds += received
        return data, fds


@dataclass
class Area:
    """A piece of memory: where the device finds it, and our view of it."""
    gpa: int
    va: int
    view: memoryview


class Region:
    """One memfd, mapped here and described to the back end.

    The region begins inside its file, as a guest's does behind the hole below 4 GB.
    """

    def __init__(self, gpa: int, va: int, size: int, offset: int):
        self.gpa, self.va, self.size, self.offset = gpa, va, size, offset
        self.fd = os.memfd_create("guest", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, offset + size)
        self.view = memoryview(mmap.mmap(self.fd, size, offset=offset))
        self.used = 0

    def describe(self) -> bytes:
        return struct.pack("=QQQQ", self.gpa, self.size, self.va, self.offset)


class Memory:
    """Guest memory in several regions; areas are handed out and never taken back."""
    GPA = 0x1_0000_0000
    VA = 0x7e00_0000_0000

    def __init__(self, size: int = 4 << 20, regions: int = 2):
        each = size // regions
        # A hole between regions, of guest addresses and of front-end addresses alike.
        self.regions = [Region(self.GPA + i * (each + PAGE), self.VA + i * 2 * each, each, i * PAGE)
                        for i in range(regions)]

    def close(self) -> None:
        for region in self.regions:
            os.close(region.fd)
        self.regions = []

    def alloc(self, size: int, region: int = -1, align: int = 64) -> Area:
        """Hand out zeroed memory, from the last region unless told otherwise."""
        home = self.regions[region]
        start = -(-home.used // align) * align
        if start + size > home.size:
            raise ValueError(f"region of {home.size} bytes is full")
        home.used = start + size
        return Area(home.gpa + start, home.va + start, home.view[start:start + size])

    def free_all(self) -> None:
        """Take everything back, zeroed."""
        for region in self.regions:
            region.view[:region.used] = bytes(region.used)
            region.used = 0

    def table(self) -> bytes:
        """Payload of SET_MEM_TABLE."""
        return struct.pack("=II", len(self.regions), 0) + b"".join(
            region.describe() for region in self.regions)

    @property
    def fds(self) -> list[int]:
        return [region.fd for region in self.regions]


class Frontend(Connection):
    """A front end that knows the requests; every method sends one and takes its answer."""
    need_reply = False  # ask for an acknowledgement of every request that has no answer

    def call(self, request: Request, payload: bytes = b"", fds: list[int] = ()) -> None:
        """A request without an answer; acknowledged when that was agreed on."""
        flags = VERSION | (FLAG_NEED_REPLY if self.need_reply else 0)
        self.send(request, payload, fds, flags)
        if self.need_reply:
            status = self._answer(request).u64
            if status != 0:
                raise Failure(f"{request.name} was refused with {status}")

    def ask(self, request: Request, payload: bytes = b"") -> Message:
        """A request with an answer of its own."""
        self.send(request, payload)
        return self._answer(request)

    def _answer(self, request: Request) -> Message:
        answer = self.receive()
        if answer.request != request or not answer.flags & FLAG_REPLY:
            raise Failure(f"expected the answer to {request.name}, got request {answer.request} "
                          f"with flags {answer.flags:#x}")
        return answer

    def get_u64(self, request: Request) -> int:
        return self.ask(request).u64

    def set_u64(self, request: Request, value: int, fds: list[int] = ()) -> None:
        self.call(request, struct.pack("=Q", value), fds)

    def set_vring_state(self, request: Request, index: int, value: int) -> None:
        """SET_VRING_NUM, SET_VRING_BASE, SET_VRING_ENABLE."""
        self.call(request, struct.pack("=II", index, value))

    def set_vring_addr(self, index: int, desc: int, used: int, avail: int, flags: int = 0,
                       log: int = 0) -> None:
        """Where a ring is, in front-end addresses."""
        self.call(Request.SET_VRING_ADDR,
                  struct.pack("=IIQQQQ", index, flags, desc, used, avail, log))

    def set_vring_fd(self, request: Request, index: int, fd: int) -> None:
        """SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR."""
        self.set_u64(request, index, [fd])

    def get_vring_base(self, index: int) -> int:
        """Stop a ring; returns where the back end stands in it."""
        answer = self.ask(Request.GET_VRING_BASE, struct.pack("=II", index, 0)).payload
        return struct.unpack("=II", answer)[1]

    def get_config(self, offset: int, size: int) -> bytes:
        answer = self.ask(Request.GET_CONFIG,
                          struct.pack("=III", offset, size, 0) + bytes(size)).payload
        return answer[12:]
