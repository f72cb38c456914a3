#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest runs at the destination before its memory has come: what the back end there touches is
waited for, and arrives as it was."""
from harness.backends import wait_counts
from harness.guest import Nic
from harness.migration import migrate
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev


def reflector(workspace, socket) -> Testpmd:
    backend = Testpmd(workspace, "vhost-port", ours(), 0,
                      [vdev("net_vhost0", iface=socket, **{"postcopy-support": 1})],
                      ["--port-topology=loop"])
    backend.command("start")
    return backend


def arrives(workspace, packed: bool) -> None:
    sockets = [workspace.path(name) for name in ("source.socket", "destination.socket")]
    ends = [reflector(workspace, socket) for socket in sockets]
    fds = [end.fd_count() for end in ends]
    properties = "packed=on" if packed else ""
    report = migrate(workspace, *(Nic(socket, properties=properties) for socket in sockets),
                     busy=True, postcopy=True)
    print(f"    {report}")
    check(report.intact and not report.counters["unexpected"],
          f"memory and frames as they were, got {report.counters}")
    check("regions, which are on their way" in ends[1].text,
          "the destination to wait for pages of guest memory")
    for end, count in zip(ends, fds):
        wait_counts(end, count, 1 << 30)
        end.quit()


if __name__ == "__main__":
    run(("split", lambda workspace: arrives(workspace, False)),
        ("packed", lambda workspace: arrives(workspace, True)))
