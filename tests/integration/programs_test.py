#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is built runs where it has to: our program without any DPDK library, our drivers in the
distribution's dpdk-testpmd."""
import re
import shutil
import stat
from pathlib import Path

from harness.backends import vhost_port
from harness.drop_in import preload
from harness.numbered import frames, run_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, distribution, ours, vdev
from harness.workspace import built, ldd

FRAMES = 1_000_000


def program_needs_no_dpdk_library(_workspace) -> None:
    needed = [line.split()[0] for line in ldd(ours()).splitlines()]
    check("libc.so.6" in needed, f"a list of libraries, got {needed}")
    check(not [name for name in needed if name.startswith("librte_")],
          f"no librte_* among {needed}")


def loadable(workspace, library: Path) -> Path:
    """The library, or a copy: EAL loads nothing from below a directory that all may write, which
    a build below /tmp is."""
    library = library.resolve()
    if not any(parent.stat().st_mode & stat.S_IWOTH for parent in library.parents):
        return library
    return Path(shutil.copy2(library, workspace.private_dir()))


def with_driver(workspace, driver: str, vdevs: list[str], args: list[str] = (), core: int = 1):
    """The distribution's testpmd with a driver of ours loaded with -d."""
    library = loadable(workspace, built(f"drivers/librte_{driver}.so"))
    testpmd = Testpmd(workspace, "theirs", distribution(), core, vdevs, args, ["-d", library],
                      env=preload())
    with open(f"/proc/{testpmd.pid}/maps", encoding="utf-8") as maps:
        check(str(library) in maps.read(), f"{library} to be loaded")
    check(re.search(r"^\w+: driver \w+ of dpdk-vdpa ", testpmd.text, re.M) is not None,
          "the log to say whose driver it is")
    return testpmd


def testpmd_runs_our_net_virtio(workspace) -> None:
    """Our net_virtio_user, in the distribution's program, sends back every frame it is sent."""
    socket = workspace.path("socket")
    with Testpmd(workspace, "ours", ours(), 0, [vdev("net_vhost0", iface=socket)]) as backend:
        frontend = with_driver(workspace, "net_virtio",
                               [vdev("net_virtio_user0", path=socket)], ["--port-topology=loop"])
        frontend.command("start")
        count = frames(FRAMES)
        result = run_numbered(backend, count)
        check(result.received == result.sent == count, f"{count} frames, got {result}")
        frontend.command("stop")
        frontend.quit()
        backend.quit()


def testpmd_runs_our_net_vhost(workspace) -> None:
    """Our net_vhost, in the distribution's program."""
    socket = workspace.path("socket")
    with with_driver(workspace, "net_vhost", [vdev("net_vhost0", iface=socket)],
                     ["--port-topology=loop"], core=0) as backend:
        backend.command("start")
        frontend = Testpmd(workspace, "ours", ours(), 1, [vdev("net_virtio_user0", path=socket)])
        count = frames(FRAMES)
        result = run_numbered(frontend, count)
        check(result.received == result.sent == count, f"{count} frames, got {result}")
        frontend.quit()
        backend.command("stop")
        backend.quit()


def testpmd_runs_our_net_virtio_on_its_own_back_end(workspace) -> None:
    """Nothing of ours but the front end's driver."""
    socket = workspace.path("socket")
    with vhost_port(workspace, [socket], program=distribution) as backend:
        frontend = with_driver(workspace, "net_virtio", [vdev("net_virtio_user0", path=socket)])
        frontend.command("start tx_first 1")
        frontend.until("a million frames back",
                       lambda: frontend.port_stats().rx_packets > frames(FRAMES))
        frontend.command("stop")
        backend.command("stop")
        sent, taken = frontend.port_stats().tx_packets, backend.port_stats().rx_packets
        # What the front end sent last, the back end may not have been given the time to take.
        check(sent - 256 <= taken <= sent, f"{sent} frames to arrive, got {taken}")
        frontend.quit()
        backend.quit()


if __name__ == "__main__":
    run(program_needs_no_dpdk_library, testpmd_runs_our_net_virtio, testpmd_runs_our_net_vhost,
        testpmd_runs_our_net_virtio_on_its_own_back_end)
