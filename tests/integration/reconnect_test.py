#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Either end may be killed: the other one stays as it is, and traffic goes on with the next peer.

The end that listens is the one that stays, or the one that comes back; the other one connects
again by itself. Frames are numbered, so what goes on is known to be whole.
"""
import signal

from harness.backends import BACKENDS
from harness.numbered import frames, run_numbered, seq_stats, start_numbered
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev

FRAMES = 100_000
KILLS = 3


def frontend(workspace, socket, packed: bool, server: bool) -> Testpmd:
    # A server waits for its first back end before it gives a prompt.
    return Testpmd(workspace, "frontend", ours(), 1,
                   [vdev("net_virtio_user0", path=socket, packed_vq=packed, server=server)],
                   wait=not server)


def die(process) -> None:
    process.signal(signal.SIGKILL)
    process.wait()


def flows(front: Testpmd) -> None:
    """Numbered frames come back from now on."""
    before = seq_stats(front)["received"]
    front.until("frames coming back", lambda: seq_stats(front)["received"] > before + 10_000)


def frontend_dies(workspace, kind: str, packed: bool) -> None:
    """The back end listens, and takes front end after front end."""
    socket = workspace.path("socket")
    backend = BACKENDS[kind](workspace, [socket])
    for _ in range(KILLS):
        with frontend(workspace, socket, packed, server=False) as front:
            start_numbered(front)
            flows(front)
            die(front)
    with frontend(workspace, socket, packed, server=False) as front:
        run_numbered(front, frames(FRAMES))
        front.quit()
    backend.quit()


def backend_dies(workspace, kind: str, packed: bool) -> None:
    """The front end listens, and is never restarted; back ends connect to it."""
    socket = workspace.path("socket")
    front = frontend(workspace, socket, packed, server=True)
    with BACKENDS[kind](workspace, [socket], client=True) as backend:
        front.wait_prompt()
        start_numbered(front)
        flows(front)
        die(backend)
    for _ in range(KILLS):
        with BACKENDS[kind](workspace, [socket], client=True) as backend:
            flows(front)
            die(backend)
    with BACKENDS[kind](workspace, [socket], client=True) as backend:
        flows(front)
        front.command("stop")
        # What the dead back ends had in hand is lost; from here on, nothing may be.
        run_numbered(front, frames(FRAMES))
        front.quit()
        backend.quit()


def listening_frontend_dies(workspace, kind: str, packed: bool) -> None:
    """The back end connects, and connects again to each front end that listens."""
    socket = workspace.path("socket")
    with frontend(workspace, socket, packed, server=True) as front:
        backend = BACKENDS[kind](workspace, [socket], client=True)
        front.wait_prompt()
        start_numbered(front)
        flows(front)
        die(front)
    for _ in range(KILLS):
        with frontend(workspace, socket, packed, server=True) as front:
            front.wait_prompt()
            start_numbered(front)
            flows(front)
            die(front)
    with frontend(workspace, socket, packed, server=True) as front:
        front.wait_prompt()
        run_numbered(front, frames(FRAMES))
        front.quit()
    backend.quit()


SCENARIOS = {
    "front_end_dies": frontend_dies,
    "back_end_of_a_listening_front_end_dies": backend_dies,
    "listening_front_end_dies": listening_frontend_dies,
}


def case(name: str, kind: str, packed: bool):
    return (f"{name}_{kind}_{'packed' if packed else 'split'}",
            lambda workspace: SCENARIOS[name](workspace, kind, packed))


if __name__ == "__main__":
    run(*[case(name, kind, packed) for name in SCENARIOS for kind in BACKENDS
          for packed in (False, True)])
