#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --monitor --peer 'tests/lab/peers/vhost_pairs.py {dir}/socket'
# lab: --device virtio-net,netdev=hub:0,driver=uio_pci_generic,disable-modern=on
# lab: --device virtio-net,netdev=hub:0,driver=vfio-noiommu,disable-modern=on,mrg_rxbuf=off
# lab: --device virtio-net,netdev=hub:1,driver=vfio-noiommu,packed=on
# lab: --device virtio-net,netdev=hub:1,driver=uio_pci_generic,disable-legacy=on,plug=on
# lab: --device virtio-net,netdev=vhost-user:{dir}/socket,queues=2,driver=uio_pci_generic
# lab-timeout: 600
"""Virtio devices on PCI by physical addresses, without an IOMMU: legacy and modern, split and packed, with
several queue pairs, and pulled out without a word; a device of each kind with uio_pci_generic and one with
vfio-pci, and then with igb_uio."""
import os
from contextlib import contextmanager
from pathlib import Path

from virtio_lab import DEVICES, FRAMES, Monitor
from virtio_pci_lab import (await_removal, bound_to, circulates, frames_cross, on_pci,
                            plug_in, secondary_moves_frames, sleeper_wakes)

from harness.multiprocess import SharedMemory
from harness.numbered import run_numbered
from harness.result import Skip, check
from harness.runner import run
from harness.testpmd import START_SECONDS, distribution, ours
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


def frames_wake_a_sleeper(workspace: Workspace) -> None:
    """VFIO has interrupts of queues also where it has no IOMMU."""
    said = sleeper_wakes(workspace, DEVICES[2:4], 20)
    check("type 8 (No-IOMMU)" in said, f"VFIO without an IOMMU, got {said}")


@contextmanager
def igb_uio(workspace: Workspace, devices: list[str], mode: str):
    """Devices with that module, which gives each one interrupt of this mode."""
    absent = Path("/lib/modules", os.uname().release, "lab", "igb_uio.absent")
    if absent.exists():
        raise Skip(absent.read_text(encoding="ascii").strip())
    workspace.run(["modprobe", "igb_uio", f"intr_mode={mode}"])
    with bound_to("igb_uio", devices):
        yield
    workspace.run(["modprobe", "-r", "igb_uio"])


def through_igb_uio(workspace: Workspace, first: int, mode: str, interrupt: str) -> None:
    """Interrupts of the link, and frames between two devices."""
    devices = DEVICES[first:first + 2]
    with igb_uio(workspace, devices, mode):
        monitor = Monitor()
        testpmd = on_pci(workspace, ours(), 0, devices)
        for up in (False, True):
            begin = testpmd.mark()
            monitor("set_link", name=f"dev{first}", up=up)
            testpmd.expect(rf"^Port 0: Link {'up' if up else 'down'}", START_SECONDS, begin)
        ours_are = [line for line in Path("/proc/interrupts").read_text(encoding="ascii").splitlines()
                    if "igb_uio" in line]
        check(len(ours_are) == 2 and all(interrupt in line for line in ours_are),
              f"two interrupts by {interrupt}, got {ours_are}")
        result = run_numbered(testpmd, FRAMES)
        check(result.received == result.sent == 2 * FRAMES,
              f"{FRAMES} frames each way, got {result}")
        testpmd.quit()
        monitor.close()


def pulled_without_a_word(workspace: Workspace) -> None:
    """Nobody asks the program, as VFIO does: the registers are gone while it uses them. The device
    whose frames come back from the host goes on."""
    monitor = Monitor()
    devices = sorted(DEVICES[2:5])      # in the order of ports
    pulled, loops = devices.index(DEVICES[3]), devices.index(DEVICES[4])
    testpmd = on_pci(workspace, distribution(), 0, devices,
                     ["--hot-plug", "--port-topology=loop"])
    testpmd.command("start tx_first")
    testpmd.until("frames", lambda: testpmd.port_stats(pulled).rx_packets > 100)
    begin = testpmd.mark()
    monitor("device_del", id="dev3")
    await_removal(testpmd, begin, port=pulled, left=2)
    check("Link status: up" in testpmd.command("show port info 0"), "the other one to be up")
    circulates(testpmd, loops)
    testpmd.quit()
    monitor.close()


def pulled_without_a_word_from_ours(workspace: Workspace) -> None:
    """The same for our program: its port is closed, and what is left goes on by itself."""
    monitor = Monitor()
    testpmd = on_pci(workspace, ours(), 0, [DEVICES[4]], ["--hot-plug", "--port-topology=loop"])
    plug_in(testpmd, monitor, 3, DEVICES[3], "uio_pci_generic")
    testpmd.command("start tx_first")
    begin = testpmd.mark()
    monitor("device_del", id="dev3")
    testpmd.expect(rf"^Port 1: device {DEVICES[3]} was removed$", START_SECONDS, begin)
    testpmd.expect(rf"^Device {DEVICES[3]} is detached. Now total ports is 1$", START_SECONDS)
    circulates(testpmd, 0)
    testpmd.quit()
    monitor.close()


if __name__ == "__main__":
    run(("legacy", lambda workspace: frames_cross(
            workspace, DEVICES[0], DEVICES[1], ("legacy PCI", "legacy PCI"),
            ("split, mergeable", "split"))),
        ("legacy_with_short_header", lambda workspace: frames_cross(
            workspace, DEVICES[1], DEVICES[0], ("legacy PCI", "legacy PCI"),
            ("split", "split, mergeable"), ours)),
        ("modern", lambda workspace: frames_cross(
            workspace, DEVICES[2], DEVICES[3], ("modern PCI", "modern PCI"),
            ("packed, mergeable", "split, mergeable"), ours)),
        several_queue_pairs, secondary_has_a_queue,
        ("legacy_in_a_secondary_process", lambda workspace: secondary_moves_frames(
            workspace, DEVICES[:2])),
        ("modern_in_a_secondary_process", lambda workspace: secondary_moves_frames(
            workspace, DEVICES[2:4])),
        frames_wake_a_sleeper,
        ("igb_uio_on_legacy_by_msix", lambda workspace: through_igb_uio(
            workspace, 0, "msix", "PCI-MSI")),
        ("igb_uio_on_modern_by_intx", lambda workspace: through_igb_uio(
            workspace, 2, "legacy", "IO-APIC")),
        pulled_without_a_word, pulled_without_a_word_from_ours)
