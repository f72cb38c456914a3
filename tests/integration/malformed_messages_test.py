#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A malformed message costs its sender the connection, and nobody else anything.

While one front end after the other sends something that the protocol does not allow, another one
on another socket of the same process has its numbered frames reflected, all of them.
"""
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from harness.backends import BACKENDS, nothing_stays
from harness.net_frontend import NetFrontend
from harness.numbered import start_numbered, stop_numbered
from harness.result import Failure
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev
from harness.vhost_user import (FLAG_REPLY, PAGE, VERSION, VRING_NOFD, Closed, Memory, Request,
                                mask)

SET = struct.Struct("=Q")
STATE = struct.Struct("=II")
ADDR = struct.Struct("=IIQQQQ")
REGION = struct.Struct("=QQQQ")
MEMORY_SIZE = 4 << 20
REGION_BODY = REGION.pack(1 << 32, PAGE, 1 << 32, 0)
ONE_REGION = STATE.pack(1, 0) + REGION_BODY   # SET_MEM_TABLE
ADDED_REGION = SET.pack(0) + REGION_BODY      # ADD_MEM_REG, REM_MEM_REG
CLOSE_SECONDS = 5


@dataclass
class Bad:
    """One message that must not be accepted, and how far the handshake comes before it."""
    name: str
    send: Callable[[NetFrontend], None]
    before: str = "SET_MEM_TABLE"  # the step that it takes the place of; "" for a running device


def message(request: int, payload: bytes = b"", nfds: int = 0, flags: int = VERSION,
            size: int | None = None) -> Callable[[NetFrontend], None]:
    """A message with nfds copies of some descriptor."""
    return lambda f: f.send(request, payload, [f.memory.fds[0]] * nfds, flags, size)


def headers() -> list[Bad]:
    return [
        Bad("request 0", message(0)),
        Bad("unknown request", message(200)),
        Bad("unknown request, huge", message(0xffffffff)),
        Bad("protocol version 0", message(Request.GET_FEATURES, flags=0)),
        Bad("protocol version 2", message(Request.GET_FEATURES, flags=2)),
        Bad("an answer nobody asked for",
            message(Request.GET_FEATURES, flags=VERSION | FLAG_REPLY)),
        Bad("payload of 4 GB", message(Request.SET_FEATURES, SET.pack(0), size=0xffffffff)),
        Bad("payload of 64 KB", message(Request.SET_MEM_TABLE, bytes(65536))),
        Bad("first message is noise", lambda f: f.send_raw(b"\xa5" * 4096), "GET_FEATURES"),
    ]


def sizes() -> list[Bad]:
    """Payloads a byte short and a byte long, and none at all, for what has a fixed size."""
    payloads = {
        Request.SET_FEATURES: SET.pack(0), Request.SET_PROTOCOL_FEATURES: SET.pack(0),
        Request.SET_VRING_NUM: STATE.pack(0, 64), Request.SET_VRING_BASE: STATE.pack(0, 0),
        Request.SET_VRING_ENABLE: STATE.pack(0, 1), Request.GET_VRING_BASE: STATE.pack(0, 0),
        Request.SET_VRING_ADDR: ADDR.pack(0, 0, 0, 0, 0, 0),
        Request.SET_VRING_KICK: SET.pack(VRING_NOFD), Request.SET_VRING_CALL: SET.pack(VRING_NOFD),
        Request.SET_VRING_ERR: SET.pack(VRING_NOFD), Request.SET_STATUS: SET.pack(0),
        Request.NET_SET_MTU: SET.pack(1500), Request.GET_CONFIG: struct.pack("=III", 0, 6, 0),
        Request.ADD_MEM_REG: ADDED_REGION,
        Request.REM_MEM_REG: ADDED_REGION,
        Request.SET_MEM_TABLE: ONE_REGION,
    }
    bad = []
    for request, payload in payloads.items():
        nfds = 1 if request in (Request.ADD_MEM_REG, Request.SET_MEM_TABLE) else 0
        for what, wrong in (("empty", b""), ("short", payload[:-1]), ("long", payload + b"\0")):
            # A table may be followed by entries that are not in use.
            if what != "long" or request != Request.SET_MEM_TABLE:
                bad.append(Bad(f"{request.name}, {what}", message(request, wrong, nfds)))
    bad += [Bad(f"{request.name}, long", message(request, b"\0"))
            for request in (Request.GET_FEATURES, Request.SET_OWNER, Request.GET_QUEUE_NUM,
                            Request.GET_PROTOCOL_FEATURES, Request.GET_STATUS)]
    return bad


def descriptors() -> list[Bad]:
    """Descriptors where none belong, too few, too many, and the wrong kind of file."""
    def with_pipe(request: Request, payload: bytes) -> Callable[[NetFrontend], None]:
        def send(f: NetFrontend) -> None:
            ends = os.pipe()
            try:
                f.send(request, payload, ends[:1])
            finally:
                os.close(ends[0])
                os.close(ends[1])
        return send

    bad = [Bad(f"{request.name} with a descriptor", message(request, payload, 1))
           for request, payload in (
               (Request.GET_FEATURES, b""), (Request.SET_OWNER, b""),
               (Request.SET_FEATURES, SET.pack(0)), (Request.SET_VRING_NUM, STATE.pack(0, 64)),
               (Request.SET_VRING_ENABLE, STATE.pack(0, 1)), (Request.SET_STATUS, SET.pack(0)),
               (Request.SET_VRING_KICK, SET.pack(VRING_NOFD)))]
    for request in (Request.SET_VRING_KICK, Request.SET_VRING_CALL, Request.SET_VRING_ERR):
        bad += [Bad(f"{request.name} without its descriptor", message(request, SET.pack(0))),
                Bad(f"{request.name} with two descriptors", message(request, SET.pack(0), 2))]
    return bad + [
        Bad("memory table without descriptors", message(Request.SET_MEM_TABLE, ONE_REGION)),
        Bad("memory table with one too many", message(Request.SET_MEM_TABLE, ONE_REGION, 2)),
        Bad("memory table with 64 descriptors", message(Request.SET_MEM_TABLE, ONE_REGION, 64)),
        Bad("memory table of a pipe", with_pipe(Request.SET_MEM_TABLE, ONE_REGION)),
        Bad("memory region without descriptor",
            message(Request.ADD_MEM_REG, ADDED_REGION)),
    ]


def ring_numbers() -> list[Bad]:
    """Rings that do not exist."""
    bad = []
    for index in (256, 0x10000, 0xffffffff):
        bad += [Bad(f"{request.name} {index}", message(request, STATE.pack(index, value)))
                for request, value in ((Request.SET_VRING_NUM, 64), (Request.SET_VRING_BASE, 0),
                                       (Request.SET_VRING_ENABLE, 1),
                                       (Request.GET_VRING_BASE, 0))]
        bad.append(Bad(f"SET_VRING_ADDR {index}",
                       message(Request.SET_VRING_ADDR, ADDR.pack(index, 0, 0, 0, 0, 0))))
    return bad


def features() -> list[Bad]:
    """Agreeing to what was not offered, and requests of features that nobody agreed on."""
    return [
        Bad("features not offered", message(Request.SET_FEATURES, SET.pack(mask(63)))),
        Bad("protocol features not offered",
            message(Request.SET_PROTOCOL_FEATURES, SET.pack(mask(63)))),
        Bad("IOTLB_MSG without an IOMMU", message(Request.IOTLB_MSG, bytes(32))),
        Bad("SET_LOG_BASE without the log",
            message(Request.SET_LOG_BASE, struct.pack("=QQ", PAGE, 0), 1)),
        Bad("SET_STATUS before it was agreed on", message(Request.SET_STATUS, SET.pack(1)),
            "SET_PROTOCOL_FEATURES"),
        Bad("GET_CONFIG before it was agreed on",
            message(Request.GET_CONFIG, struct.pack("=III", 0, 6, 0) + bytes(6)),
            "SET_PROTOCOL_FEATURES"),
        Bad("ADD_MEM_REG before it was agreed on",
            message(Request.ADD_MEM_REG, ADDED_REGION, 1),
            "SET_PROTOCOL_FEATURES"),
    ]


def memory_tables() -> list[Bad]:
    """Regions that are no regions."""
    def table(*regions: tuple[int, int, int, int], count: int | None = None):
        body = b"".join(REGION.pack(*region) for region in regions)
        payload = STATE.pack(len(regions) if count is None else count, 0) + body
        return message(Request.SET_MEM_TABLE, payload, len(regions))

    here, size = 1 << 32, MEMORY_SIZE // 2
    nine = [(here + i * size, PAGE, here + i * size, 0) for i in range(9)]
    bad = {
        "nine regions": table(*nine),
        "more regions than it says": table(*nine[:2], count=1),
        "fewer regions than it says": table(nine[0], count=2),
        "4 billion regions": table(nine[0], count=0xffffffff),
        "region of no size": table((here, 0, here, 0)),
        "region larger than its file": table((here, 64 * size, here, 0)),
        "region of nearly all addresses": table((here, (1 << 64) - PAGE, here, 0)),
        "region behind the end of its file": table((here, PAGE, here, 64 * size)),
        "region that wraps guest addresses": table(((1 << 64) - PAGE, 2 * PAGE, here, 0)),
        "region that wraps front-end addresses": table((here, 2 * PAGE, (1 << 64) - PAGE, 0)),
        "offset that wraps": table((here, PAGE, here, (1 << 64) - PAGE)),
        "regions that overlap": table((here, 2 * PAGE, here, 0),
                                      (here + PAGE, 2 * PAGE, here + size, 0)),
    }
    return [Bad(name, send) for name, send in bad.items()]


def go_on(f: NetFrontend, after: str) -> None:
    """The rest of the handshake: what is noticed when a ring starts is noticed by its end."""
    steps = f.handshake()
    names = [name for name, _ in steps]
    for _, step in steps[names.index(after) + 1:]:
        step()


def ring_sizes() -> list[Bad]:
    def ring_of(size: int):
        def send(f: NetFrontend) -> None:
            f.set_vring_state(Request.SET_VRING_NUM, 0, size)
            go_on(f, "SET_VRING_NUM 0")
        return send

    return [Bad(f"split ring of {size}", ring_of(size), "SET_VRING_NUM 0")
            for size in (0, 3, 100, 32769, 65536, 0x80000000, 0xffffffff)]


def ring_addresses() -> list[Bad]:
    """Rings that are not in memory."""
    def rings_at(change: Callable[[int, int, int], tuple[int, int, int]]):
        def send(f: NetFrontend) -> None:
            f.set_vring_addr(0, *change(*f.queues[0].ring.addresses))
            go_on(f, "SET_VRING_ADDR 0")
        return send

    end = Memory.VA + MEMORY_SIZE // 2
    bad = {
        "ring at 0": lambda desc, used, avail: (0, 0, 0),
        "ring at the end of addresses": lambda desc, used, avail: ((1 << 64) - 16, used, avail),
        "descriptors in no region": lambda desc, used, avail: (0x1000, used, avail),
        "used ring in no region": lambda desc, used, avail: (desc, 0x1000, avail),
        "avail ring in no region": lambda desc, used, avail: (desc, used, 0x1000),
        "descriptors over the end of their region": lambda desc, used, avail:
            (end - 16, used, avail),
        "used ring over the end of its region": lambda desc, used, avail: (desc, end - 4, avail),
        "avail ring over the end of its region": lambda desc, used, avail: (desc, used, end - 2),
        "misaligned descriptors": lambda desc, used, avail: (desc + 1, used, avail),
        "misaligned used ring": lambda desc, used, avail: (desc, used + 1, avail),
        "misaligned avail ring": lambda desc, used, avail: (desc, used, avail + 1),
    }
    return [Bad(name, rings_at(change), "SET_VRING_ADDR 0") for name, change in bad.items()]


def running_device() -> list[Bad]:
    """What is wrong on a device that runs."""
    return [
        Bad("unknown request to a running device", message(200), ""),
        Bad("ring index to a running device",
            message(Request.SET_VRING_ENABLE, STATE.pack(0x1000, 1)), ""),
        Bad("memory table without descriptors to a running device",
            message(Request.SET_MEM_TABLE, ONE_REGION),
            ""),
        Bad("new size for a running ring",
            message(Request.SET_VRING_NUM, STATE.pack(0, 0xffff)), ""),
    ]


BAD = {group.__name__: group for group in (
    headers, sizes, descriptors, ring_numbers, ring_sizes, features, memory_tables, ring_addresses,
    running_device)}


def offend(socket, memory: Memory, bad: Bad) -> None:
    """Connect, come as far as the bad message wants, send it; the back end must close."""
    frontend = NetFrontend.to(socket).setup(memory)
    try:
        for name, step in frontend.handshake():
            if name == bad.before:
                break
            step()
        bad.send(frontend)
        frontend.wait_closed(CLOSE_SECONDS)
    except Closed:
        pass
    except Failure as failure:
        raise Failure(f"{bad.name}: expected the connection to be closed: {failure}") from failure
    finally:
        frontend.teardown()


def costs_only_the_sender(workspace, kind: str, bads: list[Bad]) -> None:
    target, other = workspace.path("target"), workspace.path("other")
    with BACKENDS[kind](workspace, [target, other]) as backend:
        steady = Testpmd(workspace, "steady", ours(), 1, [vdev("net_virtio_user0", path=other)])
        start_numbered(steady)
        memory = Memory(MEMORY_SIZE)
        fds = backend.fd_count()
        problems = []

        def all_of_them() -> None:
            for bad in bads:
                try:
                    offend(target, memory, bad)
                except Failure as failure:
                    problems.append(str(failure))
                if not backend.running:
                    raise backend.failure(f"{backend.state()} after: {bad.name}")

        # Once as it should be, for what a process allocates when it first needs it.
        NetFrontend.to(target).setup(memory).bring_up().teardown()
        nothing_stays(backend, fds, all_of_them)
        stop_numbered(steady)
        if problems:
            raise Failure("\n".join(problems))
        steady.quit()
        memory.close()
        backend.quit()


def case(kind: str, name: str):
    return f"{kind}_{name}", lambda workspace: costs_only_the_sender(workspace, kind, BAD[name]())


if __name__ == "__main__":
    run(*[case(kind, name) for kind in BACKENDS for name in BAD])
