#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""However many front ends come, and however they go, the back end is afterwards what it was before.

  VDPA_CONNECTS       how many come (default 400, and a fifth of that with sanitizers)
  VDPA_CONNECTS_SEED  repeats the choices of an earlier run
"""
import os
import random
import signal
from collections import Counter
from collections.abc import Callable

from harness.backends import BACKENDS, nothing_stays
from harness.net_frontend import NetFrontend
from harness.result import check
from harness.runner import run
from harness.vhost_user import Memory, Request
from harness.workspace import sanitized

CONNECTS = int(os.environ.get("VDPA_CONNECTS", 80 if sanitized() else 400))
SEED = int(os.environ.get("VDPA_CONNECTS_SEED", random.randrange(1 << 32)))
FRAMES = [bytes(range(60 + 20 * i)) for i in range(8)]
# Once, whatever the number of front ends: what allocators keep of what they had to give at one moment.
SLACK_KIB = 256


class Steps:
    """A life of a front end: step() does something more with the back end, for as long as one likes.

    Its memory is its own: the back end may still be at that of those who have just gone.
    """

    def __init__(self, socket, packed: bool):
        self._memory = Memory()
        self.front = NetFrontend.to(socket).setup(self._memory, packed=packed)
        self._steps = [step for _, step in self.front.handshake()] + [self.front.post_all]
        self.handshake = len(self._steps)

    def step(self) -> None:
        if self._steps:
            self._steps.pop(0)()
        else:
            check(self.front.exchange(FRAMES) == FRAMES, "every frame back, unchanged and in order")

    def end(self) -> None:
        self.front.teardown()
        self._memory.close()

    def some(self, choice: random.Random) -> int:
        """How many steps a life has: in the handshake, or past it."""
        return choice.randrange(self.handshake + 4)


def says_nothing(steps: Steps, _choice: random.Random) -> None:
    steps.front.close()


def leaves(steps: Steps, choice: random.Random) -> None:
    for _ in range(steps.some(choice)):
        steps.step()


def stops_and_leaves(steps: Steps, choice: random.Random) -> None:
    for _ in range(steps.handshake + choice.randrange(4)):
        steps.step()
    for ring in range(len(steps.front.queues)):
        steps.front.get_vring_base(ring)


def hands_over_too_much(steps: Steps, choice: random.Random) -> None:
    """Each message has descriptors for which there is no use."""
    for _ in range(steps.some(choice)):
        steps.step()
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    steps.front.send(Request.GET_FEATURES, fds=[null] * 8)
    os.close(null)
    steps.front.wait_closed()


def is_killed(steps: Steps, choice: random.Random) -> None:
    """In a process of its own, which tells of each step that it took."""
    kill_after = 1 + steps.some(choice)
    told, tell = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            while True:
                steps.step()
                os.write(tell, b".")
        finally:
            os._exit(1)
    os.close(tell)
    steps.front.close()
    while kill_after > 0 and (steps_taken := os.read(told, kill_after)):
        kill_after -= len(steps_taken)
    os.close(told)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    check(os.WIFSIGNALED(status), "the front end to be served until it was killed")


WAYS = (says_nothing, leaves, stops_and_leaves, hands_over_too_much, is_killed)


def come_and_go(socket, packed: bool, number: int, choice: random.Random) -> Counter:
    """Has so many front ends come, and tells how many of them went in which way."""
    went: Counter = Counter()
    for _ in range(number):
        way = choice.choice(WAYS)
        steps = Steps(socket, packed)
        try:
            way(steps, choice)
        finally:
            steps.end()
        went[way.__name__] += 1
    return went


def nothing_is_kept(workspace, kind: str, packed: bool) -> None:
    socket = workspace.path("socket")
    choice = random.Random(SEED)
    print(f"    VDPA_CONNECTS_SEED={SEED}")
    with BACKENDS[kind](workspace, [socket]) as backend:
        fds = backend.fd_count()
        # What a process allocates when it first needs it, and it may need most of it.
        come_and_go(socket, packed, max(CONNECTS // 10, len(WAYS) * 8), choice)
        went: Counter = Counter()
        before = 0

        def all_of_them() -> None:
            nonlocal went, before
            before = backend.resident_kib()
            went = come_and_go(socket, packed, CONNECTS, choice)

        maps = nothing_stays(backend, fds, all_of_them)
        after = backend.resident_kib()
        print(f"    {CONNECTS} front ends ({', '.join(f'{n} {way}' for way, n in went.items())}): "
              f"{backend.fd_count()} descriptors, {backend.map_count()} mappings, {after} KiB after, "
              f"{fds}, {maps} and {before} before")
        # Sanitizers keep what is freed for a while.
        check(sanitized() or after <= before + SLACK_KIB,
              f"{before} KiB of memory in use, and {SLACK_KIB} more at most, got {after}")
        steps = Steps(socket, packed)
        for _ in range(steps.handshake + 1):
            steps.step()
        steps.end()
        backend.quit()


def case(kind: str, packed: bool) -> tuple[str, Callable]:
    return (f"{kind}_keeps_nothing_{'packed' if packed else 'split'}",
            lambda workspace: nothing_is_kept(workspace, kind, packed))


if __name__ == "__main__":
    run(*[case(kind, packed) for kind in BACKENDS for packed in (False, True)])
