#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --monitor --device virtio-net,netdev=hub:0,driver=vfio-pci
# lab: --device virtio-net,netdev=hub:0,driver=vfio-pci,packed=on
# lab: --device virtio-net,netdev=hub:0,driver=vfio-pci,plug=on
# lab-timeout: 300
"""Virtio devices on PCI behind an IOMMU: frames, restarts, arguments, and what the device tells the port
and the port the device, as QEMU's monitor shows it."""
import os

from virtio_pci_lab import (DEVICES, Monitor, end_after_removal, expect_removal, frames_cross,
                            on_pci)

from harness.result import check
from harness.runner import run
from harness.testpmd import PROMPT, START_SECONDS, Testpmd, distribution, ours
from harness.workspace import Workspace, built


def frames_cross_split_and_packed(workspace: Workspace) -> None:
    frames_cross(workspace, DEVICES[0], DEVICES[1], ("modern PCI", "modern PCI"))


def starts_again(workspace: Workspace) -> None:
    testpmd = on_pci(workspace, ours(), 0, DEVICES[:2])
    for _ in range(int(os.environ.get("VDPA_RESTARTS", "5"))):
        testpmd.command("port stop all")
        check("Link status: down" in testpmd.command("show port info 0"), "no link while stopped")
        testpmd.command("port start all")
        check("Link status: up" in testpmd.command("show port info 0"), "a link when started")
    testpmd.command("start tx_first")
    testpmd.until("frames", lambda: testpmd.port_stats(1).rx_packets > 1000)
    testpmd.quit()


def frames_wake_a_sleeper(workspace: Workspace) -> None:
    eal = [word for word in workspace.eal_args(0, "sleeper") if word != "--no-pci"]
    said = workspace.run([built("tests/lab/sleeper"), *eal, "-a", DEVICES[0], "-a", DEVICES[1],
                          "--", "50"], START_SECONDS)
    check("woken 50 times" in said, f"each of 50 frames to wake the sleeper, got {said}")


def arguments_are_heeded(workspace: Workspace) -> None:
    """A device for vDPA is left alone, and a wrong argument costs the device."""
    testpmd = Testpmd(workspace, "testpmd", ours(), 0, [], wait=False,
                      pci=[f"{DEVICES[0]},vdpa=1,other=2", f"{DEVICES[1]},queues=2"])
    testpmd.expect(r"argument queues=2: must be absent", START_SECONDS)
    testpmd.expect(PROMPT, START_SECONDS)
    check("net_virtio of dpdk-vdpa" not in testpmd.text, "no device to be taken")
    testpmd.quit()


def link_follows_the_cable(testpmd: Testpmd, monitor: Monitor) -> None:
    for up in (False, True):
        begin = testpmd.mark()
        monitor("set_link", name="dev0", up=up)
        testpmd.expect(r"Port 0: link state change event", START_SECONDS, begin)
        status = f"Link status: {'up' if up else 'down'}"
        check(status in testpmd.command("show port info 0"), f"{status} at port 0")
        check("Link status: up" in testpmd.command("show port info 1"), "the other one to be up")


def announces_itself(testpmd: Testpmd, monitor: Monitor) -> None:
    begin = testpmd.mark()
    monitor("announce-self", initial=50, max=100, rounds=1, step=10)
    for device in DEVICES[:2]:
        testpmd.expect(rf"{device}: announced itself", START_SECONDS, begin)
    testpmd.command("set fwd rxonly")
    testpmd.command("start")
    for port in (0, 1):
        testpmd.until(f"a frame of another one at port {port}",
                      lambda at=port: testpmd.port_stats(at).rx_packets >= 1)
    testpmd.command("stop")


def filters_reach_the_device(testpmd: Testpmd, monitor: Monitor) -> None:
    """Asked of the device itself, before and after a restart of the port."""
    for command in ("set promisc 0 off", "set allmulti 0 on", "mac_addr set 0 02:00:00:00:00:11",
                    "mac_addr add 0 02:00:00:00:00:12", "mac_addr add 0 02:00:00:00:00:13",
                    "mac_addr remove 0 02:00:00:00:00:13", "mcast_addr add 0 01:00:5e:00:00:01",
                    "rx_vlan add 5 0", "rx_vlan add 4000 0", "rx_vlan rm 4000 0"):
        said = testpmd.command(command)
        check("rror" not in said and "ailed" not in said, f"'{command}' to be done, got {said}")
    for _ in range(2):
        found = monitor("query-rx-filter", name="dev0")[0]
        expected = {"promiscuous": False, "multicast": "all", "main-mac": "02:00:00:00:00:11",
                    "unicast-table": ["02:00:00:00:00:12"],
                    "multicast-table": ["01:00:5e:00:00:01"], "vlan-table": [5]}
        check({name: found.get(name) for name in expected} == expected,
              f"the device to have {expected}, got {found}")
        testpmd.command("port stop 0")
        testpmd.command("port start 0")
    testpmd.command("set promisc 0 on")


def pulled_under_traffic(testpmd: Testpmd, monitor: Monitor) -> None:
    """VFIO asks for the device back, and the program lets go of it; the others go on."""
    testpmd.command("set fwd io")
    testpmd.command("start tx_first")
    testpmd.until("frames", lambda: testpmd.port_stats(2).rx_packets > 100)
    begin = testpmd.mark()
    monitor("device_del", id="dev2")
    expect_removal(testpmd, begin, port=2, left=2)
    testpmd.until("the device to be gone",
                  lambda: DEVICES[2] not in os.listdir("/sys/bus/pci/drivers/vfio-pci"))
    testpmd.port_stats(0)


def device_and_port_agree(workspace: Workspace) -> None:
    monitor = Monitor()
    testpmd = on_pci(workspace, distribution(), 0, DEVICES,
                     ["--enable-hw-vlan-filter", "--hot-plug"])
    for step in (link_follows_the_cable, announces_itself, filters_reach_the_device,
                 pulled_under_traffic):
        print(f"  {step.__name__}", flush=True)
        step(testpmd, monitor)
    end_after_removal(workspace, testpmd)
    monitor.close()


if __name__ == "__main__":
    run(frames_cross_split_and_packed, starts_again, frames_wake_a_sleeper, arguments_are_heeded,
        device_and_port_agree)
