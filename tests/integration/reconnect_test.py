#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Either end may be killed: the other one stays as it is, and traffic goes on with the next peer.

The end that listens is the one that stays, or the one that comes back; the other one connects
again by itself. Frames are numbered, so what goes on is known to be whole. Back ends are ours and the
distribution's net_vhost.

VDPA_EVERY_MODE, if not empty, asks for every back end, ring format and number of queue pairs, with the
front end's driver in our program and in the distribution's, rather than for a few of them.
"""
import signal
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from harness.backends import EVERY_BACKEND
from harness.front import EVERY_MODE, FrontEnd
from harness.runner import run
from harness.testpmd import Testpmd

FRAMES = 100_000
KILLS = 3
KILLS_OF_THEIRS = 3 if EVERY_MODE else 1  # takes longer: it never leaves a processor to others


@dataclass
class Mode:
    """What there is on the socket."""
    kind: str
    packed: bool
    pairs: int = 1
    theirs: bool = False    # our driver is in the distribution's program

    @property
    def name(self) -> str:
        return "_".join([self.kind, "packed" if self.packed else "split"] +
                        ([f"{self.pairs}_pairs"] if self.pairs > 1 else []) +
                        (["in_theirs"] if self.theirs else []))

    @property
    def kills(self) -> int:
        return KILLS_OF_THEIRS if self.kind == "distribution" else KILLS

    def frontend(self, workspace, socket: Path, server: bool = False) -> FrontEnd:
        # A server waits for its first back end before it gives a prompt.
        return FrontEnd(workspace, socket, self.theirs, self.pairs, packed_vq=self.packed,
                        server=server, wait=not server)

    def backend(self, workspace, socket: Path, client: bool = False) -> Testpmd:
        return EVERY_BACKEND[self.kind](workspace, [socket], self.pairs, client=client)


def die(process: Testpmd) -> None:
    process.signal(signal.SIGKILL)
    process.wait()


def die_listening(process: Testpmd, mode: Mode, socket: Path) -> None:
    """The next back end listens at the same path; theirs leaves it to others to clear up there."""
    die(process)
    if mode.kind == "distribution":
        socket.unlink()


def frontend_dies(workspace, mode: Mode) -> None:
    """The back end listens, and takes front end after front end."""
    socket = workspace.path("socket")
    backend = mode.backend(workspace, socket)
    for _ in range(mode.kills):
        with mode.frontend(workspace, socket) as front:
            front.start()
            front.flows()
    with mode.frontend(workspace, socket) as front:
        front.run(front.frames(FRAMES // mode.pairs))
        front.quit()
    backend.quit()


def backend_dies(workspace, mode: Mode) -> None:
    """The back end listens. The front end is never restarted, and finds each that comes."""
    socket = workspace.path("socket")
    backend = mode.backend(workspace, socket)
    with mode.frontend(workspace, socket) as front:
        front.start()
        for _ in range(mode.kills):
            front.flows()
            die_listening(backend, mode, socket)
            backend = mode.backend(workspace, socket)
        front.flows()
        front.every_frame_comes_back()
        front.quit()
    backend.quit()


def backend_of_a_listening_frontend_dies(workspace, mode: Mode) -> None:
    """The front end listens, and is never restarted; back ends connect to it."""
    socket = workspace.path("socket")
    front = mode.frontend(workspace, socket, server=True)
    with mode.backend(workspace, socket, client=True) as backend:
        front.ready()
        front.start()
        front.flows()
        die(backend)
    for _ in range(mode.kills):
        with mode.backend(workspace, socket, client=True) as backend:
            front.flows()
            die(backend)
    with mode.backend(workspace, socket, client=True) as backend:
        front.flows()
        front.every_frame_comes_back()
        front.quit()
        backend.quit()


def listening_frontend_dies(workspace, mode: Mode) -> None:
    """The back end connects, and connects again to each front end that listens."""
    socket = workspace.path("socket")
    with mode.frontend(workspace, socket, server=True) as front:
        backend = mode.backend(workspace, socket, client=True)
        front.ready()
        front.start()
        front.flows()
    for _ in range(mode.kills):
        with mode.frontend(workspace, socket, server=True) as front:
            front.ready()
            front.start()
            front.flows()
    with mode.frontend(workspace, socket, server=True) as front:
        front.ready()
        front.run(front.frames(FRAMES // mode.pairs))
        front.quit()
    backend.quit()


MODES = [Mode(*mode) for mode in product(EVERY_BACKEND, (False, True), (1, 2), (False, True))]
SOME = [Mode("vhost", False, 2), Mode("vhost", True), Mode("sim", False), Mode("sim", True, 2)]
SCENARIOS = {
    frontend_dies: SOME,
    backend_dies: [Mode("sim", False), Mode("vhost", True, 2, theirs=True),
                   Mode("distribution", True, 2)],
    backend_of_a_listening_frontend_dies: [*SOME, Mode("distribution", False, 2, theirs=True)],
    listening_frontend_dies: [*SOME, Mode("distribution", True)],
}


def case(scenario, mode: Mode):
    return f"{scenario.__name__}_{mode.name}", lambda workspace: scenario(workspace, mode)


if __name__ == "__main__":
    run(*[case(scenario, mode) for scenario, some in SCENARIOS.items()
          for mode in (MODES if EVERY_MODE else some)], at_once=4)
