#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The distribution's dpdk-testpmd runs on our librte_vhost without being rebuilt: its net_vhost carries
frames as before, and its vDPA drivers load."""
from harness.backends import vhost_port
from harness.drop_in import (check_all_else_is_theirs, check_runs_on_ours, environment, mapped)
from harness.numbered import frames, run_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, distribution, ours, vdev

FRAMES = 1_000_000
VDPA_DRIVERS = ["ifc", "mlx5", "sfc"]


def backend(workspace, sockets, **options) -> Testpmd:
    """Nothing of ours but the library."""
    testpmd = vhost_port(workspace, sockets, program=distribution, env=environment(), **options)
    check_runs_on_ours(testpmd)
    check_all_else_is_theirs(workspace, testpmd)
    return testpmd


def numbered_frames_come_back(workspace, packed: bool, pairs: int = 1, client: bool = False) -> None:
    """Our front end sends through their port on our library and checks every frame."""
    socket = workspace.path("socket")
    end = [vdev("net_virtio_user0", path=socket, packed_vq=packed, queues=pairs, server=client)]
    args = [f"--rxq={pairs}", f"--txq={pairs}"]
    if client:
        # A front end that listens waits for the back end while it starts.
        frontend = Testpmd(workspace, "ours", ours(), 1, end, args, wait=False)
        theirs = backend(workspace, [socket], client=True)
        frontend.wait_prompt()
    else:
        theirs = backend(workspace, [socket], pairs=pairs)
        frontend = Testpmd(workspace, "ours", ours(), 1, end, args)
    count = frames(FRAMES) // pairs
    result = run_numbered(frontend, count)
    check(result.received == result.sent == count * pairs, f"{count * pairs} frames, got {result}")
    theirs.command("stop")
    stats, xstats = theirs.port_stats(), theirs.xstats()
    check(stats.rx_packets == stats.tx_packets == count * pairs, f"all counted, got {stats}")
    for queue in range(pairs):
        names = (f"rx_q{queue}_good_packets", f"tx_q{queue}_good_packets")
        check([xstats.get(name) for name in names] == [count] * 2,
              f"{count} frames on queue {queue}, got {xstats}")
    frontend.quit()
    theirs.quit()


def both_ends_are_theirs(workspace, packed: bool) -> None:
    """Their front end, their back end; only the library in between is ours."""
    socket = workspace.path("socket")
    theirs = backend(workspace, [socket])
    frontend = Testpmd(workspace, "frontend", distribution(), 1,
                       [vdev("net_virtio_user0", path=socket, packed_vq=packed)])
    frontend.command("start tx_first 1")
    frontend.until("a million frames back",
                   lambda: frontend.port_stats().rx_packets > frames(FRAMES))
    frontend.command("stop")
    theirs.command("stop")
    sent, taken = frontend.port_stats().tx_packets, theirs.port_stats().rx_packets
    # What the front end sent last, the back end may not have been given the time to take.
    check(sent - 256 <= taken <= sent, f"{sent} frames to arrive, got {taken}")
    frontend.quit()
    theirs.quit()


def vdpa_drivers_load(workspace) -> None:
    """EAL loads every driver of its directory; those need all that they name."""
    theirs = Testpmd(workspace, "theirs", distribution(), 0, [vdev("net_null0")], env=environment())
    check_runs_on_ours(theirs)
    files = mapped(theirs)
    for driver in VDPA_DRIVERS:
        check(any(f"librte_vdpa_{driver}.so" in name for name in files),
              f"librte_vdpa_{driver} to be loaded, got {sorted(files)}")
    check("cannot open" not in theirs.text and "undefined symbol" not in theirs.text,
          f"no complaint of the loader, got:\n{theirs.tail()}")
    theirs.quit()


def case(name: str, function, **options):
    return name, lambda workspace: function(workspace, **options)


if __name__ == "__main__":
    run(vdpa_drivers_load,
        case("net_vhost_split", numbered_frames_come_back, packed=False),
        case("net_vhost_packed", numbered_frames_come_back, packed=True),
        case("net_vhost_two_pairs", numbered_frames_come_back, packed=False, pairs=2),
        case("net_vhost_client", numbered_frames_come_back, packed=True, client=True),
        case("both_ends_theirs_split", both_ends_are_theirs, packed=False),
        case("both_ends_theirs_packed", both_ends_are_theirs, packed=True))
