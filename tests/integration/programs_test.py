#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is built runs where it has to: our program without any DPDK library, our net_vhost in the
distribution's dpdk-testpmd. Our net_virtio runs there in tests of its own (harness/front.py)."""
from harness.loaded import Loaded
from harness.numbered import frames, run_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev
from harness.workspace import ldd

FRAMES = 1_000_000


def program_needs_no_dpdk_library(_workspace) -> None:
    needed = [line.split()[0] for line in ldd(ours()).splitlines()]
    check("libc.so.6" in needed, f"a list of libraries, got {needed}")
    check(not [name for name in needed if name.startswith("librte_")],
          f"no librte_* among {needed}")


def testpmd_runs_our_net_vhost(workspace) -> None:
    """Our net_vhost, in the distribution's program."""
    socket = workspace.path("socket")
    with Loaded(workspace, "net_vhost", 0, [vdev("net_vhost0", iface=socket)],
                ["--port-topology=loop"]) as backend:
        backend.command("start")
        frontend = Testpmd(workspace, "ours", ours(), 1, [vdev("net_virtio_user0", path=socket)])
        count = frames(FRAMES)
        result = run_numbered(frontend, count)
        check(result.received == result.sent == count, f"{count} frames, got {result}")
        frontend.quit()
        backend.command("stop")
        backend.quit()


if __name__ == "__main__":
    run(program_needs_no_dpdk_library, testpmd_runs_our_net_vhost)
