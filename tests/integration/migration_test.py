#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest moves between two emulators, idle and under traffic, its device between two instances of a
back end: all of its memory arrives as it was, and the device works there.

VDPA_MOVES  environment variable: how often it is moved, instead of a few times
"""
import os

from harness.backends import sim_device, wait_counts
from harness.guest import Nic
from harness.migration import migrate
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev

# With rings that long, pages of used entries and of buffers are written by the device long after the
# driver has written them, if it writes them at all: nothing else makes them dirty.
LONG = "rx_queue_size=1024,tx_queue_size=1024"
IDLE, BUSY, POSTCOPY = 1, 2, 1
MOVES = int(os.environ.get("VDPA_MOVES") or 0)


def reflector(workspace, sockets) -> Testpmd:
    backend = Testpmd(workspace, "vhost-port", ours(), 0,
                      [vdev("net_vhost0", iface=sockets[0], **{"postcopy-support": 1})],
                      ["--port-topology=loop"])
    backend.command("start")
    return backend


def moves(workspace, backend, properties: str, postcopy: int) -> None:
    sockets = [workspace.path(name) for name in ("one.socket", "other.socket")]
    ends = [backend(workspace, [socket]) for socket in sockets]
    fds = [end.fd_count() for end in ends]
    nics = [Nic(socket, properties=f"{LONG},{properties}") for socket in sockets]
    report = migrate(workspace, nics, MOVES or IDLE, MOVES or BUSY, postcopy and (MOVES or postcopy))
    print(f"    {report}")
    check(report.intact, f"memory and frames as they were, got {report.damage}")
    if postcopy:
        check(any("regions, which are on their way" in end.text for end in ends),
              "the destination to wait for pages of guest memory")
    for end, count in zip(ends, fds):
        wait_counts(end, count, 1 << 30)
        end.quit()


def case(name: str, backend, properties: str = "", postcopy: int = 0):
    return name, lambda workspace: moves(workspace, backend, properties, postcopy)


if __name__ == "__main__":
    run(case("vhost_split", reflector, postcopy=POSTCOPY),
        case("vhost_packed", reflector, "packed=on", POSTCOPY),
        case("sim", sim_device))
