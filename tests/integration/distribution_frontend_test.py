#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The distribution's dpdk-testpmd, loading nothing of ours, forwards 10 million frames through our
software vDPA device: none is lost or changed.

    ours                                   the distribution's
    numbered frames -> net_vhost0 -------> net_virtio_user1 ---.
          verdict   <- net_vhost0 <------- net_virtio_user1 <--|--.
                                                     io        |  |
                       vdpa_sim0  <------- net_virtio_user0 <--'  |
                       (loop)     -------> net_virtio_user0 ------'
"""
from harness.numbered import frames, run_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, distribution, ours, vdev
from harness.vdpa import vdpa_stats

FRAMES = 10_000_000
# Three threads poll, perhaps on two cores: as much as possible is to happen in one go.
RING = 2048
WINDOW = 1536


def forwards_10_million_frames(workspace, packed: bool) -> None:
    device, entry = workspace.path("vdpa"), workspace.path("vhost")
    backend = Testpmd(workspace, "ours", ours(), 0,
                      [vdev("vdpa_sim0", mode="loop"), vdev("net_vhost0", iface=entry)],
                      [f"--vdpa=vdpa_sim0={device}"])
    frontend = Testpmd(workspace, "theirs", distribution(), 1,
                       [vdev(f"net_virtio_user{i}", path=socket, packed_vq=packed, queue_size=RING)
                        for i, socket in enumerate((device, entry))],
                       [f"--rxd={RING}", f"--txd={RING}"])
    check("librte_net_virtio" in open(f"/proc/{frontend.pid}/maps", encoding="utf-8").read(),
          "the distribution's driver in the distribution's program")
    frontend.command("start")
    count = frames(FRAMES)
    result = run_numbered(backend, count, window=WINDOW)
    frontend.command("stop")
    check(result.received == result.sent == count,
          f"{count} frames sent and received, got {result}")
    theirs = frontend.port_stats(0)
    stats = vdpa_stats(backend, "vdpa_sim0")
    check(theirs.tx_packets == stats[1]["packets"] == stats[0]["packets"] == theirs.rx_packets,
          f"equal counters on both ends, got {theirs} and {stats}")
    check(theirs.tx_packets == count, f"{count} frames through the device, got {theirs}")
    frontend.quit()
    backend.quit()


if __name__ == "__main__":
    run(("split", lambda workspace: forwards_10_million_frames(workspace, False)),
        ("packed", lambda workspace: forwards_10_million_frames(workspace, True)))
