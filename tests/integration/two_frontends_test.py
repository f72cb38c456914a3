#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two front ends on two sockets of one process do not disturb each other."""
import signal

from harness.backends import BACKENDS
from harness.numbered import (await_numbered, frames, run_numbered, start_numbered,
                              stop_numbered)
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev

FRAMES = 100_000


def frontend(workspace, socket, packed: bool) -> Testpmd:
    return Testpmd(workspace, "frontend", ours(), 1,
                   [vdev("net_virtio_user0", path=socket, packed_vq=packed)])


def both_are_served(workspace, kind: str) -> None:
    sockets = [workspace.path("first"), workspace.path("second")]
    backend = BACKENDS[kind](workspace, sockets)
    fronts = [frontend(workspace, socket, packed)
              for socket, packed in zip(sockets, (False, True))]
    marks = [front.mark() for front in fronts]
    for front in fronts:
        start_numbered(front, frames(FRAMES))
    for front, mark in zip(fronts, marks):
        front.rewind(mark)
        await_numbered(front)
        front.quit()
    backend.quit()


def one_dies_the_other_goes_on(workspace, kind: str) -> None:
    sockets = [workspace.path("first"), workspace.path("second")]
    backend = BACKENDS[kind](workspace, sockets)
    steady = frontend(workspace, sockets[0], True)
    start_numbered(steady)
    for _ in range(3):
        with frontend(workspace, sockets[1], False) as other:
            run_numbered(other, frames(FRAMES) // 10)
            start_numbered(other)
            other.signal(signal.SIGKILL)
            other.wait()
    stop_numbered(steady)
    steady.quit()
    backend.quit()


if __name__ == "__main__":
    run(*[(f"{scenario.__name__}_{kind}", lambda w, s=scenario, k=kind: s(w, k))
          for scenario in (both_are_served, one_dies_the_other_goes_on) for kind in BACKENDS])
