#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --monitor --peer 'tests/lab/peers/vhost_pairs.py {dir}/socket'
# lab: --device virtio-net,netdev=hub:0,driver=uio_pci_generic,disable-modern=on
# lab: --device virtio-net,netdev=hub:0,driver=uio_pci_generic,disable-modern=on,mrg_rxbuf=off
# lab: --device virtio-net,netdev=hub:1,driver=uio_pci_generic,packed=on
# lab: --device virtio-net,netdev=hub:1,driver=uio_pci_generic,disable-legacy=on,plug=on
# lab: --device virtio-net,netdev=vhost-user:{dir}/socket,queues=2,driver=uio_pci_generic
# lab-timeout: 600
"""Virtio devices on PCI by physical addresses, without an IOMMU: legacy and modern, split and packed, with
several queue pairs, and pulled out without a word."""
from virtio_lab import DEVICES, FRAMES, Monitor
from virtio_pci_lab import (end_after_removal, expect_removal, frames_cross, on_pci,
                            secondary_moves_frames)

from harness.multiprocess import SharedMemory
from harness.numbered import run_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import distribution, ours
from harness.workspace import Workspace


def several_queue_pairs(workspace: Workspace) -> None:
    """The back end on the host sends each frame back on the queue that it came on."""
    testpmd = on_pci(workspace, ours(), 0, [DEVICES[4]], ["--rxq=2", "--txq=2"])
    result = run_numbered(testpmd, FRAMES)
    check(result.received == result.sent == 2 * FRAMES,
          f"{FRAMES} frames back on each of two queues, got {result}")
    testpmd.quit()


def secondary_has_a_queue(workspace: Workspace) -> None:
    """Two processes on a port, with a queue pair each."""
    shared = SharedMemory(workspace)
    args = ["--rxq=2", "--txq=2", "--num-procs=2"]
    primary = on_pci(workspace, ours(), 0, [DEVICES[4]], [*args, "--proc-id=0"], shared=shared)
    secondary = on_pci(workspace, ours(), 1, [DEVICES[4]], [*args, "--proc-id=1"], shared=shared,
                       secondary=True)
    for queue, testpmd in enumerate((primary, secondary)):
        testpmd.command("start tx_first")
        primary.until(f"frames on queue {queue}",
                      lambda: primary.xstats()[f"rx_q{queue}_packets"] > 100)
    secondary.quit()
    before = primary.xstats()["rx_q0_packets"]
    primary.until("more frames", lambda: primary.xstats()["rx_q0_packets"] > before + 100)
    primary.quit()


def pulled_without_a_word(workspace: Workspace) -> None:
    """Nobody asks the program, as VFIO does: the registers are gone while it uses them."""
    monitor = Monitor()
    testpmd = on_pci(workspace, distribution(), 0, DEVICES[2:4], ["--hot-plug"])
    testpmd.command("start tx_first")
    testpmd.until("frames", lambda: testpmd.port_stats(1).rx_packets > 100)
    begin = testpmd.mark()
    monitor("device_del", id="dev3")
    expect_removal(testpmd, begin, port=1, left=1)
    check("Link status: up" in testpmd.command("show port info 0"), "the other one to be up")
    end_after_removal(workspace, testpmd)
    monitor.close()


if __name__ == "__main__":
    run(("legacy", lambda workspace: frames_cross(
            workspace, DEVICES[0], DEVICES[1], ("legacy PCI", "legacy PCI"), "split, mergeable")),
        ("legacy_with_short_header", lambda workspace: frames_cross(
            workspace, DEVICES[1], DEVICES[0], ("legacy PCI", "legacy PCI"), "split\\r?$", ours)),
        ("modern", lambda workspace: frames_cross(
            workspace, DEVICES[2], DEVICES[3], ("modern PCI", "modern PCI"), "packed, mergeable",
            ours)),
        several_queue_pairs, secondary_has_a_queue,
        ("legacy_in_a_secondary_process", lambda workspace: secondary_moves_frames(
            workspace, DEVICES[:2])),
        ("modern_in_a_secondary_process", lambda workspace: secondary_moves_frames(
            workspace, DEVICES[2:4])),
        pulled_without_a_word)
