# SPDX-License-Identifier: BSD-3-Clause
"""Back ends that reflect what a front end transmits: a vhost port and the software vDPA device."""
import time
from pathlib import Path

from .process import Process
from .testpmd import Testpmd, ours, vdev
from .workspace import Workspace, sanitized


def vhost_port(workspace: Workspace, sockets: list[Path], pairs: int = 1, core: int = 0,
               program=ours, client: bool = False, iommu: bool = False, retry: bool = False,
               **options) -> Testpmd:
    """net_vhost ports, each of which sends back what it receives; client: they connect; retry: what a
    queue does not take is offered again.

    The distribution's testpmd reports each queue of a connection that it makes, be it in the middle of
    what it echoes: nothing is typed at one that does so from its start.
    """
    more = {"iommu-support": True} if iommu else {}
    at_once = ["--auto-start"] if client else []
    vdevs = [vdev(f"net_vhost{i}", iface=socket, queues=pairs, client=client, **more)
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


# Mappings of the sanitizers' own: their allocator takes one more when a new thread needs memory.
SANITIZER_MAPS = 8


def wait_counts(process: Process, fds: int, maps: int, patience: float = 30) -> None:
    """Wait until a process has no more descriptors and mappings than these: it takes a moment
    until it has seen that a peer is gone, but nothing may stay."""
    deadline = time.monotonic() + patience
    maps += SANITIZER_MAPS if sanitized() else 0
    while True:
        counts = process.fd_count(), process.map_count()
        if counts[0] <= fds and counts[1] <= maps:
            return
        if time.monotonic() > deadline:
            raise process.failure(f"expected {fds} descriptors and {maps} mappings at most, "
                                  f"found {counts[0]} and {counts[1]}")
        time.sleep(0.02)
