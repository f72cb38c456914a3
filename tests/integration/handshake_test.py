#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A front end may leave at any moment of the handshake, and the back end keeps nothing of it."""
import os

from harness.backends import BACKENDS, nothing_stays
from harness.net_frontend import NetFrontend
from harness.result import check
from harness.runner import run
from harness.vhost_user import Memory
from harness.workspace import sanitized

ROUNDS = 1000
SANITIZED_ROUNDS = 200


class Left(Exception):
    """The front end has gone, as planned."""


class LeavingFrontend(NetFrontend):
    """Goes away with its message number last: right behind it, or in the middle of it."""

    def leave_at(self, last: int, whole: bool) -> None:
        self._left, self._whole = last, whole

    def send_raw(self, data: bytes, fds: list[int] = ()) -> None:
        self._left -= 1
        if self._left > 0:
            return super().send_raw(data, fds)
        super().send_raw(data if self._whole else data[:len(data) // 2], fds)
        raise Left


def message_count(socket, memory: Memory, packed: bool) -> int:
    """Messages of one whole handshake with this back end."""
    sent = 0

    class Counting(NetFrontend):
        def send_raw(self, data, fds=()):
            nonlocal sent
            sent += 1
            super().send_raw(data, fds)

    frontend = Counting.to(socket).setup(memory, packed=packed)
    frontend.bring_up()
    frontend.teardown()
    return sent


def leave(socket, memory: Memory, last: int, whole: bool, packed: bool) -> None:
    frontend = LeavingFrontend.to(socket).setup(memory, packed=packed)
    frontend.leave_at(last, whole)
    try:
        frontend.bring_up()
    except Left:
        pass
    finally:
        frontend.teardown()


def exchange(socket, memory: Memory, packed: bool) -> None:
    """A front end that stays is served."""
    frontend = NetFrontend.to(socket).setup(memory, packed=packed).bring_up()
    frames = [os.urandom(60 + i % 1454) for i in range(200)]
    check(frontend.exchange(frames) == frames, "every frame back, unchanged and in order")
    frontend.teardown()


def disconnects_at_every_message(workspace, kind: str, packed: bool, **options) -> None:
    socket = workspace.path("socket")
    rounds = SANITIZED_ROUNDS if sanitized() else ROUNDS
    with BACKENDS[kind](workspace, [socket], **options) as backend:
        memory = Memory()
        fds = backend.fd_count()
        messages = message_count(socket, memory, packed)
        # Once through all, for what a process allocates when it first needs it.
        for last in range(1, messages + 1):
            leave(socket, memory, last, True, packed)
            leave(socket, memory, last, False, packed)
        exchange(socket, memory, packed)

        def leave_often() -> None:
            for i in range(rounds):
                leave(socket, memory, 1 + i % messages, i // messages % 2 == 0, packed)

        maps = nothing_stays(backend, fds, leave_often)
        exchange(socket, memory, packed)
        print(f"    {messages} messages, {rounds} rounds: {backend.fd_count()} descriptors and "
              f"{backend.map_count()} mappings after, {fds} and {maps} before")
        memory.close()
        backend.quit()


def case(kind: str, packed: bool):
    ring = "packed" if packed else "split"
    return (f"{kind}_keeps_nothing_of_a_front_end_that_leaves_{ring}",
            lambda workspace: disconnects_at_every_message(workspace, kind, packed))


if __name__ == "__main__":
    run(*[case(kind, packed) for kind in BACKENDS for packed in (False, True)])
