#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --monitor --device virtio-net,netdev=hub:0,driver=vfio-pci
# lab: --device virtio-net,netdev=hub:0,driver=vfio-pci,packed=on
# lab: --device virtio-net,netdev=hub:0,driver=vfio-pci,plug=on
# lab-timeout: 600
"""Virtio devices on PCI behind an IOMMU: frames, restarts, arguments, and what the device tells the port
and the port the device, as QEMU's monitor shows it."""
from virtio_lab import (DEVICES, FRAMES, RESTARTS, VECTORS, Monitor, announces_itself,
                        filters_reach_the_device, link_follows_the_cable)
from virtio_pci_lab import (asked_back, await_removal, circulates, frames_cross, is_there, on_pci,
                            plug_in, secondary_moves_frames, sleeper_wakes)

from harness.numbered import run_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import START_SECONDS, Testpmd, distribution, ours
from harness.workspace import Workspace


def frames_cross_split_and_packed(workspace: Workspace) -> None:
    frames_cross(workspace, DEVICES[0], DEVICES[1], ("modern PCI", "modern PCI"),
                 ("split, mergeable", "packed, mergeable"))


def vectors_on_split_and_packed(workspace: Workspace) -> None:
    for one, other in (("split", "packed"), ("packed", "split")):
        devices = {"split": DEVICES[0], "packed": DEVICES[1]}
        frames_cross(workspace, f"{devices[one]},vectorized=1", f"{devices[other]},vectorized=1",
                     ("modern PCI", "modern PCI"),
                     (f"{one}, mergeable{VECTORS}", f"{other}, mergeable{VECTORS}"), ours)


def starts_again(workspace: Workspace) -> None:
    testpmd = on_pci(workspace, ours(), 0, DEVICES[:2])
    for _ in range(RESTARTS):
        testpmd.command("port stop all")
        check("Link status: down" in testpmd.command("show port info 0"), "no link while stopped")
        testpmd.command("port start all")
        check("Link status: up" in testpmd.command("show port info 0"), "a link when started")
    testpmd.command("start tx_first")
    testpmd.until("frames", lambda: testpmd.port_stats(1).rx_packets > 1000)
    testpmd.quit()


def secondary_process(workspace: Workspace) -> None:
    secondary_moves_frames(workspace, DEVICES[:2])


def frames_wake_a_sleeper(workspace: Workspace) -> None:
    sleeper_wakes(workspace, DEVICES[:2], 50)


def arguments_are_heeded(workspace: Workspace) -> None:
    """A device for vDPA is left alone, and a wrong argument costs the device."""
    testpmd = Testpmd(workspace, "testpmd", ours(), 0, [], wait=False,
                      pci=[f"{DEVICES[0]},vdpa=1,other=2", f"{DEVICES[1]},queues=2"])
    testpmd.expect(r"argument queues=2: must be absent", START_SECONDS)
    testpmd.wait_prompt()
    check("net_virtio of dpdk-vdpa" not in testpmd.text, "no device to be taken")
    testpmd.quit()


def pulled_from_the_distributions_testpmd(testpmd: Testpmd, monitor: Monitor) -> None:
    """VFIO asks for the device back, and the program lets go of it; the others go on."""
    testpmd.command("set fwd io")
    testpmd.command("start tx_first")
    testpmd.until("frames", lambda: testpmd.port_stats(2).rx_packets > 100)
    begin = testpmd.mark()
    monitor("device_del", id="dev2")
    await_removal(testpmd, begin, port=2, left=2)
    testpmd.until("the device to be gone", lambda: not is_there(DEVICES[2]))
    circulates(testpmd, 0, 1)
    testpmd.quit()


def device_and_port_agree(workspace: Workspace) -> None:
    monitor = Monitor()
    testpmd = on_pci(workspace, distribution(), 0, DEVICES,
                     ["--enable-hw-vlan-filter", "--hot-plug"])
    link_follows_the_cable(testpmd, monitor)
    announces_itself(testpmd, monitor, DEVICES[:2])
    filters_reach_the_device(testpmd, monitor)
    pulled_from_the_distributions_testpmd(testpmd, monitor)
    monitor.close()


def pulled_from_ours(workspace: Workspace) -> None:
    """A device that was plugged in meanwhile. The program does not let go of it before it is told to, and
    the device works until then."""
    monitor = Monitor()
    testpmd = on_pci(workspace, ours(), 0, DEVICES[:2])
    plug_in(testpmd, monitor, 2, DEVICES[2], "vfio-pci", iommu_platform=True, ats=True)
    circulates(testpmd, 0, 1, 2)
    testpmd.command("start tx_first")
    monitor("device_del", id="dev2")
    testpmd.until("VFIO to ask for the device", lambda: asked_back(DEVICES[2]))
    circulates(testpmd, 0, 1, 2)
    testpmd.command("port stop 2")
    said = testpmd.command("port detach 2")
    check(f"Device {DEVICES[2]} is detached" in said, f"the device to be let go of, got {said}")
    testpmd.until("the device to be gone", lambda: not is_there(DEVICES[2]))
    result = run_numbered(testpmd, FRAMES)
    check(result.received == result.sent == 2 * FRAMES, f"{FRAMES} frames each way, got {result}")
    testpmd.quit()
    monitor.close()


if __name__ == "__main__":
    run(frames_cross_split_and_packed, vectors_on_split_and_packed, starts_again, secondary_process,
        frames_wake_a_sleeper, arguments_are_heeded, device_and_port_agree, pulled_from_ours)
