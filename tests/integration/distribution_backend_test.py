#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Our net_virtio_user on the distribution's net_vhost: every frame comes back as it was sent."""
from harness.backends import vhost_port
from harness.numbered import frames, run_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, distribution, ours, vdev

FRAMES = 1_000_000


def reflects_every_frame(workspace, packed: bool, pairs: int) -> None:
    socket = workspace.path("socket")
    backend = vhost_port(workspace, [socket], pairs, program=distribution)
    frontend = Testpmd(workspace, "frontend", ours(), 1,
                       [vdev("net_virtio_user0", path=socket, queues=pairs, packed_vq=packed)],
                       [f"--rxq={pairs}", f"--txq={pairs}"])
    count = frames(FRAMES // pairs)
    result = run_numbered(frontend, count)
    there, here = backend.port_stats(), frontend.port_stats()
    check(result.received == result.sent == pairs * count,
          f"{pairs * count} frames sent and received, got {result}")
    check(here.tx_packets == there.rx_packets == there.tx_packets == here.rx_packets,
          f"equal counters on both ends, got {here} and {there}")
    frontend.quit()
    backend.quit()


def case(packed: bool, pairs: int):
    name = f"{'packed' if packed else 'split'}_{pairs}_pairs"
    return name, lambda workspace: reflects_every_frame(workspace, packed, pairs)


if __name__ == "__main__":
    run(*[case(packed, pairs) for packed in (False, True) for pairs in (1, 2)])
