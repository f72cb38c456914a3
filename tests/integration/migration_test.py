#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest moves between two emulators, under little and much traffic, its device between two instances of a
back end: all of its memory arrives as it was, and the device works there. Then it gets memory, under
traffic, and gives some back.

Environment variables:
  VDPA_MOVES       how often it is moved, instead of a few times
  VDPA_EVERY_MODE  if not empty, with packed rings, too
"""
import os
import re

from harness.backends import sim_device, wait_fds
from harness.dimm import Dimm
from harness.guest import Nic
from harness.migration import migrate
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev
from lab.kernel import LAB

# Rings so long that a slow guest does not go round them during a move.
LONG = "rx_queue_size=1024,tx_queue_size=1024"
SLOW, BUSY, POSTCOPY = 1, 1, 1
SECONDS = 300
EVERY_MODE = bool(os.environ.get("VDPA_EVERY_MODE"))
MOVES = int(os.environ.get("VDPA_MOVES") or 0)


def reflector(workspace, sockets) -> Testpmd:
    backend = Testpmd(workspace, "vhost-port", ours(), 0,
                      [vdev("net_vhost0", iface=sockets[0], **{"postcopy-support": 1})],
                      ["--port-topology=loop"])
    backend.command("start")
    return backend


def plug_and_pull(moving, traffic, stops) -> None:
    """The device goes on, with buffers in memory that was not there when it began to.

    stops counts how often it was stopped.
    """
    before = stops()
    guest, mac = moving.guest, bytes.fromhex(Nic.mac.replace(":", ""))
    first = Dimm(guest, moving.monitor, "first", "kernel")
    traffic.flows(guest)
    check(first.holds(mac + mac), "frames in the memory that was added")
    second = Dimm(guest, moving.monitor, "second", "movable")
    traffic.flows(guest)
    second.pull()
    traffic.flows(guest)
    check(stops() == before, f"a device that is not stopped, got {stops() - before} stops")


def moves(workspace, backend, properties: str, postcopy: int) -> None:
    sockets = [workspace.path(name) for name in ("one.socket", "other.socket")]
    ends = [backend(workspace, [socket]) for socket in sockets]
    fds = [end.fd_count() for end in ends]
    nics = [Nic(socket, properties=f"{LONG},{properties}") for socket in sockets]

    def stops() -> int:
        # A vDPA device has to be, before its memory changes.
        return 0 if backend is sim_device else sum(e.text.count("device stopped") for e in ends)

    report = migrate(workspace, nics, slow=MOVES or SLOW, busy=MOVES or BUSY,
                     postcopy=postcopy and (MOVES or postcopy),
                     then=lambda moving, traffic: plug_and_pull(moving, traffic, stops))
    print(f"    {report}")
    check(report.intact, f"memory and frames as they were, got {report.damage}")
    if postcopy:
        check(any("regions, which are on their way" in end.text for end in ends),
              "the destination to wait for pages of guest memory")
    for end, count in zip(ends, fds):
        wait_fds(end, count)
        end.quit()


def idle_by_the_program(workspace) -> None:
    """devtools/lab/migrate, as a person runs it, tells what there is to know."""
    sockets = [workspace.path(name) for name in ("one.socket", "other.socket")]
    ends = [reflector(workspace, [socket]) for socket in sockets]
    program = workspace.start("migrate", [LAB / "migrate", "--idle", "--from", sockets[0], "--to",
                                          sockets[1]])
    status = program.wait(SECONDS)
    check(status == 0, f"status 0, got {status}:\n{program.text}")
    check(re.search(r"^migrate: downtime \d+ ms of \d+ ms; \d+ of [1-9]\d* frames lost, memory intact$",
                    program.text, re.M) is not None,
          f"downtime, lost frames and what became of memory, got:\n{program.text}")
    for end in ends:
        end.quit()


def case(name: str, backend, properties: str = "", postcopy: int = 0):
    return name, lambda workspace: moves(workspace, backend, properties, postcopy)


if __name__ == "__main__":
    run(case("vhost_split", reflector, postcopy=POSTCOPY),
        *([case("vhost_packed", reflector, "packed=on", POSTCOPY)] if EVERY_MODE else []),
        case("sim", sim_device),
        idle_by_the_program)
