# SPDX-License-Identifier: BSD-3-Clause
"""Back ends that reflect what a front end transmits: a vhost port, ours or the distribution's, and the
software vDPA device."""
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .process import Process
from .testpmd import Testpmd, distribution, ours, vdev
from .workspace import Workspace, sanitized


def vhost_port(workspace: Workspace, sockets: list[Path], pairs: int = 1, core: int = 0,
               program=ours, client: bool = False, iommu: bool = False, retry: bool = False,
               extra: dict[Path, dict] | None = None, **options) -> Testpmd:
    """net_vhost ports, each of which sends back what it receives; client: they connect; retry: what a
    queue does not take is offered again; extra: more arguments of the port on a socket.

    The distribution's testpmd reports each queue of a connection that it makes, be it in the middle of
    what it echoes: nothing is typed at one that does so from its start.
    """
    more = {"iommu-support": True} if iommu else {}
    at_once = ["--auto-start"] if client else []
    vdevs = [vdev(f"net_vhost{i}", iface=socket, queues=pairs, client=client, **more,
                  **(extra or {}).get(socket, {}))
             for i, socket in enumerate(sockets)]
    backend = Testpmd(workspace, "vhost-port", program(), core, vdevs,
                      ["--port-topology=loop", f"--rxq={pairs}", f"--txq={pairs}", *at_once],
                      **options)
    if iommu or retry:
        # A burst ends where a mapping is missing, which takes a while to come, or a queue is paused.
        backend.command("set fwd io retry")
        backend.command("set burst tx delay 100 retry 10000")
    if not at_once:
        backend.command("start")
    return backend


def sim_device(workspace: Workspace, sockets: list[Path], pairs: int = 1, core: int = 0,
               client: bool = False, mtu: int = 1500, **options) -> Testpmd:
    """vdpa_sim devices in mode loop, each on its socket."""
    vdevs = [vdev(f"vdpa_sim{i}", queues=pairs, mode="loop", mtu=mtu)
             for i in range(len(sockets))]
    role = ",client" if client else ""
    return Testpmd(workspace, "sim-device", ours(), core, vdevs,
                   [f"--vdpa=vdpa_sim{i}={socket}{role}" for i, socket in enumerate(sockets)],
                   **options)


BACKENDS = {"vhost": vhost_port, "sim": sim_device}
EVERY_BACKEND = {**BACKENDS, "distribution": partial(vhost_port, program=distribution)}


# Mappings of the sanitizers' own: their allocator takes one more when a new thread needs memory.
SANITIZER_MAPS = 8
PATIENCE = 30       # seconds until a process has seen that a peer is gone
SETTLES = 1         # seconds after that until its threads have given back what they had
ROUNDS = 4


def falls_to(process: Process, fds: int, maps: int, patience: float) -> bool:
    """Wait until a process has no more descriptors and mappings than these."""
    deadline = time.monotonic() + patience
    maps += SANITIZER_MAPS if sanitized() else 0
    while process.fd_count() > fds or process.map_count() > maps:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_fds(process: Process, fds: int) -> None:
    """Wait until a process has no more descriptors than these: none may stay."""
    if not falls_to(process, fds, 1 << 30, PATIENCE):
        raise process.failure(f"expected {fds} descriptors at most, found {process.fd_count()}")


def nothing_stays(process: Process, fds: int, act: Callable[[], None]) -> int:
    """Have act() leave no descriptor and no mapping in a process; returns how many mappings it has.

    What a process takes when it first needs it stays, as the stacks of threads that ran at the same time
    do: once. What leaks stays every time.
    """
    wait_fds(process, fds)
    for _ in range(ROUNDS):
        maps = process.map_count()
        act()
        wait_fds(process, fds)
        if falls_to(process, fds, maps, SETTLES):
            return maps
    raise process.failure(f"expected {maps} mappings at most, found {process.map_count()}")
