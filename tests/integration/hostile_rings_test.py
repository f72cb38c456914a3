#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A driver that lies in its rings harms nobody but itself.

Whatever is written into a ring, the back end neither dies nor leaks; another front end on another
socket of the same process has all of its frames reflected, and the socket that the liar used
serves the next, honest one.
"""
import os
import struct
from collections.abc import Callable

from harness.backends import BACKENDS, nothing_stays, wait_fds
from harness.net_frontend import BUFFER, NET_HEADER, NetFrontend
from harness.numbered import seq_stats, start_numbered, stop_numbered
from harness.result import Failure, check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev
from harness.vhost_user import Closed, Memory
from harness.vring import DESC, DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, PackedRing, SplitRing

MEMORY_SIZE = 4 << 20
NOWHERE = 0x10_0000  # below every region
FRAME = NET_HEADER + 64
ALL_ONES = (1 << 64) - 1

# A lie takes the ring, the guest address of a good buffer, the flags that a good descriptor of the
# ring has, and the address of the last byte of a region.
Lie = Callable[[object, int, int, int], None]


def descriptor_lies() -> dict[str, tuple[int | None, int, int]]:
    """One descriptor: address (None: the good one), length, flags that are inverted."""
    return {
        "address in no region": (NOWHERE, FRAME, 0),
        "address 0": (0, FRAME, 0),
        "address at the end of all": (ALL_ONES - 7, FRAME, 0),
        "length 0": (None, 0, 0),
        "length of a byte": (None, 1, 0),
        "less than a header": (None, NET_HEADER - 1, 0),
        "just a header": (None, NET_HEADER, 0),
        "length of 4 GB": (None, 0xffffffff, 0),
        "length of 1 MB": (None, 1 << 20, 0),
        "wrong direction": (None, FRAME, DESC_F_WRITE),
        "unknown flags": (None, FRAME, 0x0078),
        "indirect, not agreed on": (None, 64, DESC_F_INDIRECT),
        "indirect and odd": (None, 63, DESC_F_INDIRECT),
        "indirect in no region": (NOWHERE, 64, DESC_F_INDIRECT),
        "indirect of 4 GB": (None, 0xfffffff0, DESC_F_INDIRECT),
        "indirect of nothing": (None, 0, DESC_F_INDIRECT),
    }


def split_lies() -> dict[str, Lie]:
    def one(gpa: int | None, length: int, invert: int) -> Lie:
        def lie(ring: SplitRing, good: int, flags: int, _end: int) -> None:
            ring.write_desc(0, good if gpa is None else gpa, length, flags ^ invert, 0)
            ring.publish(0)
        return lie

    def chain(links: list[int]) -> Lie:
        """Descriptors 0, 1, .. with these links."""
        def lie(ring: SplitRing, good: int, flags: int, _end: int) -> None:
            for slot, link in enumerate(links):
                ring.write_desc(slot, good, FRAME, flags | DESC_F_NEXT, link)
            ring.publish(0)
        return lie

    def head(index: int, step: int = 1) -> Lie:
        def lie(ring: SplitRing, good: int, flags: int, _end: int) -> None:
            ring.write_desc(0, good, FRAME, flags, 0)
            ring.publish(index, step)
        return lie

    def over_the_end(ring: SplitRing, _good: int, flags: int, end: int) -> None:
        ring.write_desc(0, end - 3, FRAME, flags, 0)
        ring.publish(0)

    def same_head(ring: SplitRing, good: int, flags: int, _end: int) -> None:
        ring.write_desc(0, good, FRAME, flags, 0)
        for _ in range(ring.size):
            ring.publish(0)

    def indirect_in_itself(ring: SplitRing, good: int, flags: int, _end: int) -> None:
        # The table's first entry is an indirect table again, which is the table.
        ring.write_desc(0, ring.desc.gpa, 16 * ring.size, flags | DESC_F_INDIRECT, 0)
        ring.publish(0)
        DESC.pack_into(ring.desc.view, 16, good, FRAME, flags | DESC_F_INDIRECT | DESC_F_NEXT, 1)

    lies = {name: one(*how) for name, how in descriptor_lies().items()}
    lies |= {
        "buffer over the end of its region": over_the_end,
        "chain that links to itself": chain([0]),
        "chain that goes round": chain([1, 2, 0]),
        "chain that leaves the table": chain([0xffff]),
        "chain to the first that is not there": chain([64]),
        "head that is not there": head(64),
        "head far away": head(0xffff),
        "more available than the ring holds": head(0, 65),
        "available index that jumps back": head(0, 0xffff),
        "available index far ahead": head(0, 0x8000),
        "one head many times": same_head,
        "indirect table in itself": indirect_in_itself,
    }
    return lies


def packed_lies() -> dict[str, Lie]:
    def one(gpa: int | None, length: int, invert: int) -> Lie:
        return lambda ring, good, flags, _end: ring.publish(
            [(good if gpa is None else gpa, length, flags ^ invert)], 0)

    def over_the_end(ring: PackedRing, _good: int, flags: int, end: int) -> None:
        ring.publish([(end - 3, FRAME, flags)], 0)

    def endless(ring: PackedRing, good: int, flags: int, _end: int) -> None:
        ring.publish([(good, FRAME, flags | DESC_F_NEXT)] * ring.size, 0)

    def one_id(ring: PackedRing, good: int, flags: int, _end: int) -> None:
        for _ in range(ring.size):
            ring.publish([(good, FRAME, flags)], 7)

    def far_id(ring: PackedRing, good: int, flags: int, _end: int) -> None:
        ring.publish([(good, FRAME, flags)], 0xffff)

    def noise(ring: PackedRing, _good: int, _flags: int, _end: int) -> None:
        ring.desc.view[16:] = os.urandom(16 * ring.size - 16)
        ring.desc.view[:16] = struct.pack("<QIHH", ALL_ONES, 0xffffffff, 0xffff,
                                          0xff7f | ring.avail_flags(True))

    lies = {name: one(*how) for name, how in descriptor_lies().items()}
    lies |= {"buffer over the end of its region": over_the_end, "chain without an end": endless,
             "one id many times": one_id, "id that is not there": far_id, "noise": noise}
    return lies


def tell(socket, memory: Memory, packed: bool, direction: str, lie: Lie, pause) -> None:
    """Bring a device up, lie in its receive or its transmit ring, and have the device look."""
    frontend = NetFrontend.to(socket).setup(memory, packed=packed)
    for _, step in frontend.handshake():
        step()
    receive, transmit = frontend.queues
    liar, flags = (receive, DESC_F_WRITE) if direction == "receive" else (transmit, 0)
    region = memory.regions[0]
    lie(liar.ring, liar.buffers[0].gpa, flags, region.gpa + region.size - 1)
    liar.notify()
    if direction == "receive":
        # Frames for the device to reflect into what the ring pretends to hold.
        for buffer in range(8):
            transmit.post(buffer, FRAME, False)
        transmit.notify()
    pause()
    frontend.teardown()


def expect_frames(testpmd: Testpmd) -> None:
    """Frames come back to a front end that has nothing to do with it."""
    before = seq_stats(testpmd)["received"]
    testpmd.until("frames of the other front end",
                  lambda: seq_stats(testpmd)["received"] > before + 1000)


def harms_nobody(workspace, kind: str, packed: bool, direction: str) -> None:
    target, other = workspace.path("target"), workspace.path("other")
    lies = packed_lies() if packed else split_lies()
    with BACKENDS[kind](workspace, [target, other]) as backend:
        steady = Testpmd(workspace, "steady", ours(), 1, [vdev("net_virtio_user0", path=other)])
        start_numbered(steady)

        memory = Memory(MEMORY_SIZE)
        fds = backend.fd_count()
        first = NetFrontend.to(target).setup(memory).bring_up()
        # Who raises an interrupt for the first time gets what it takes to do so.
        first.exchange([bytes(FRAME)])
        first.teardown()

        def tell_all() -> None:
            for name, lie in lies.items():
                tell(target, memory, packed, direction, lie, lambda: expect_frames(steady))
                if not backend.running:
                    raise backend.failure(f"{backend.state()} after: {name}")

        nothing_stays(backend, fds, tell_all)
        honest = NetFrontend.to(target).setup(memory, packed=packed).bring_up()
        frames = [os.urandom(60 + i % (BUFFER - 100)) for i in range(100)]
        check(honest.exchange(frames) == frames, "an honest driver to be served after the liars")
        honest.teardown()
        stop_numbered(steady)
        steady.quit()
        memory.close()
        backend.quit()


def serves_others(workspace, kind: str, harm: Callable[[object, object], None]) -> None:
    """harm(backend, socket) is done on one socket; another one, and who comes later, is served."""
    target, other = workspace.path("target"), workspace.path("other")
    with BACKENDS[kind](workspace, [target, other]) as backend:
        steady = Testpmd(workspace, "steady", ours(), 1, [vdev("net_virtio_user0", path=other)])
        start_numbered(steady)
        expect_frames(steady)
        harm(backend, target)
        expect_frames(steady)
        stop_numbered(steady)
        steady.quit()
        memory = Memory(MEMORY_SIZE)
        honest = NetFrontend.to(target).setup(memory).bring_up()
        frames = [os.urandom(60 + i) for i in range(100)]
        check(honest.exchange(frames) == frames, "an honest driver to be served afterwards")
        honest.teardown()
        memory.close()
        backend.quit()


def takes_memory_away(backend, socket) -> None:
    """A front end that shortens the files it shared while its rings run."""
    fds = None
    for packed in (False, True):
        memory = Memory(MEMORY_SIZE)
        fds = fds or backend.fd_count()
        thief = NetFrontend.to(socket).setup(memory, packed=packed).bring_up()
        for region in memory.regions:
            os.ftruncate(region.fd, 0)
        thief.queues[1].notify()
        try:
            raise Failure(f"expected the end of the connection, got {thief.receive()}")
        except Closed:
            pass
        thief.teardown()
        # Not touched any more: its pages are gone here as well.
        memory.close()
        wait_fds(backend, fds)


def fills_its_call_eventfds(backend, socket) -> None:
    """A front end whose eventfds have no room left, and keep waiting who writes to them."""
    memory = Memory(MEMORY_SIZE)
    clogger = NetFrontend.to(socket).setup(memory).bring_up()
    for queue in clogger.queues:
        os.set_blocking(queue.call, True)
        os.eventfd_write(queue.call, ALL_ONES - 1)
    transmit = clogger.queues[1]
    for _ in range(10):
        transmit.post(0, FRAME, False)
        transmit.notify()
        backend.until("frames to be moved whatever eventfds hold", transmit.done)
    clogger.teardown()
    memory.close()


def case(kind: str, packed: bool, direction: str):
    return (f"{kind}_{'packed' if packed else 'split'}_{direction}",
            lambda workspace: harms_nobody(workspace, kind, packed, direction))


if __name__ == "__main__":
    run(*[case(kind, packed, direction) for kind in BACKENDS for packed in (False, True)
          for direction in ("receive", "transmit")],
        *[(f"{kind}_{harm.__name__}", lambda workspace, kind=kind, harm=harm:
           serves_others(workspace, kind, harm)) for kind in BACKENDS
          for harm in (takes_memory_away, fills_its_call_eventfds)])
