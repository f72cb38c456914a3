#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest moves from one emulator to another, its device from one instance of a back end to another
one: the device works there, and the guest's memory has come along."""
from harness.backends import BACKENDS
from harness.guest import Nic
from harness.migration import migrate
from harness.result import check
from harness.runner import run


def moves(workspace, backend: str, busy: bool, properties: str = "") -> None:
    sockets = [workspace.path(name) for name in ("source.socket", "destination.socket")]
    ends = [BACKENDS[backend](workspace, [socket]) for socket in sockets]
    report = migrate(workspace, *(Nic(socket, properties=properties) for socket in sockets), busy)
    print(f"    {report}")
    check(report.intact and not report.counters["unexpected"],
          f"memory and frames as they were, got {report.counters}")
    for end in ends:
        end.quit()


def case(backend: str, busy: bool, packed: bool = False):
    name = f"{backend}{'_packed' if packed else ''}_{'busy' if busy else 'idle'}"
    return name, lambda workspace: moves(workspace, backend, busy, "packed=on" if packed else "")


if __name__ == "__main__":
    run(case("vhost", False), case("vhost", False, packed=True), case("sim", False))
