#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vp-vdpa --monitor --device virtio-net,driver=vp-vdpa,host_mtu=1400,speed=10000,duplex=half
# lab: --device virtio-net,driver=vp-vdpa
# lab: --peer 'tests/lab/peers/vhost_port_queues.py {dir}/socket'
# lab: --device virtio-net,driver=vp-vdpa,netdev=vhost-user:{dir}/socket,queues=4,packed=on,page-per-vq=on,host_mtu=1450
# lab-timeout: 3000
"""net_virtio_user on virtio devices of the emulator on the kernel's vDPA bus, behind an IOMMU: two with
a hub between them, and one with 4 queue pairs, packed rings and doorbells that can be mapped, whose
frames a vhost port on the host sends back."""
from pathlib import Path

from virtio_lab import (DEVICES, FILTERS, Monitor, announces_itself, device_has,
                        filters_reach_the_device, link_follows_the_cable, our_drivers)
from virtio_user_lab import (LITTLE_MB, Numbered, command, lives, outlives_its_device, refused,
                             says_once, sleeper_wakes, start, PORT)

from harness.multiprocess import SharedMemory
from harness.numbered import run_numbered_at_once
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, distribution, ours, vdev
from harness.workspace import Workspace

HUB = ("/dev/vhost-vdpa-0", "/dev/vhost-vdpa-1")
HUB_MACS = ("52:54:00:12:34:56", "52:54:00:12:34:57")
QUEUES, QUEUES_MAC = "/dev/vhost-vdpa-2", "52:54:00:12:34:58"
SHARED_FRAMES = 10000   # of each queue


def device_and_port_agree(workspace: Workspace) -> None:
    """What the devices say, and what they are told, as the emulator's monitor has it."""
    monitor = Monitor()
    testpmd = Testpmd(workspace, "testpmd", distribution(), 0,
                      [vdev(f"net_virtio_user{i}", path=path) for i, path in enumerate(HUB)],
                      ["--enable-hw-vlan-filter"], our_drivers(workspace, distribution()))
    info = testpmd.command("show port info 0")
    for expected in (f"MAC address: {HUB_MACS[0]}", "MTU: 1400", "Link speed: 10 Gbps",
                     "Link duplex: half-duplex"):
        check(expected in info, f"'{expected}', got:\n{info}")
    check("device max MTU (1400)" in testpmd.command("port config mtu 0 1401"),
          "more than the device's MTU to be refused")
    check("MTU: 1500" in testpmd.command("show port info 1"), "another MTU of the other one")
    link_follows_the_cable(testpmd, monitor)
    announces_itself(testpmd, monitor, ["net_virtio_user0", "net_virtio_user1"])
    filters_reach_the_device(testpmd, monitor)
    # A device that was made anew is told all of it.
    begin = testpmd.mark()
    command("vdpa", "dev", "del", "vp0")
    testpmd.expect(f"{HUB[0]} is gone: link down", start=begin)
    command("vdpa", "dev", "add", "name", "vp0", "mgmtdev", f"pci/{DEVICES[0]}")
    testpmd.expect(f"{HUB[0]} connected: link up", start=begin)
    device_has(monitor, FILTERS | {"promiscuous": True})
    testpmd.quit()
    monitor.close()


def over_the_hub(workspace: Workspace) -> None:
    """What comes back is for the other one's address: only a port that takes all frames gets it. The
    device of the other one lacks what is asked for."""
    reflector = start(workspace, HUB[1], HUB_MACS[0], eal=("-m", "64"), queues=4, packed_vq=1)
    says_once(reflector, "has 1 of the 4 queue pairs asked for", "has no packed rings")
    reflector.command("start")

    def begin() -> Numbered:
        testpmd = start(workspace, HUB[0], HUB_MACS[1], huge=True, eal=("-m", LITTLE_MB))
        check("doorbells of /dev/vhost-vdpa-0: eventfds" in testpmd.text, "no doorbells to map")
        return Numbered(testpmd)

    lives(workspace, begin)
    reflector.quit()


def with_four_pairs(workspace: Workspace) -> None:
    def begin() -> Numbered:
        testpmd = start(workspace, QUEUES, QUEUES_MAC, pairs=4, huge=True, eal=("-m", LITTLE_MB))
        check("doorbells of /dev/vhost-vdpa-2: mapped" in testpmd.text, "doorbells to be mapped")
        check("control queue 8 in" in testpmd.text, "the control queue behind 4 pairs")
        check("receive functions: split" in testpmd.text, "split rings unless others are asked for")
        info = testpmd.command("show port info 0")
        for expected in (f"MAC address: {QUEUES_MAC}", "MTU: 1450", "Max possible RX queues: 4"):
            check(expected in info, f"'{expected}', got:\n{info}")
        return Numbered(testpmd, 4)

    lives(workspace, begin)


def packed_without_hugepages(workspace: Workspace) -> None:
    def begin() -> Numbered:
        testpmd = start(workspace, QUEUES, QUEUES_MAC, pairs=4, huge=False, packed_vq=1)
        check("receive functions: packed" in testpmd.text, "packed rings")
        return Numbered(testpmd, 4)

    lives(workspace, begin,
          lambda _, traffic: outlives_its_device(traffic, QUEUES, "vp2", with_all_pairs))


def queues_of_two_processes(workspace: Workspace) -> None:
    """A primary process and a secondary one have two queue pairs each; the former has the device."""
    shared = SharedMemory(workspace)
    both = [Testpmd(workspace, name, ours(), 0,
                    [] if number else [vdev(PORT, path=QUEUES, queues=4)],
                    [f"--eth-peer=0,{QUEUES_MAC}", "--rxq=4", "--txq=4", "--num-procs=2",
                     f"--proc-id={number}"],
                    shared=shared, secondary=number > 0)
            for number, name in enumerate(("primary", "secondary"))]
    for result in run_numbered_at_once(both, SHARED_FRAMES):
        check(result.sent == result.received == 2 * SHARED_FRAMES,
              f"{SHARED_FRAMES} frames on each of two queues, got {result}")
    counts = both[0].xstats()
    for queue in range(4):
        check(counts[f"rx_q{queue}_packets"] == SHARED_FRAMES,
              f"{SHARED_FRAMES} frames on each of all queues, got {counts}")
    both[1].quit()
    both[0].quit()


def with_all_pairs() -> None:
    """Make the device that has 4. It says so to vp_vdpa only if it was seen to before that has it."""
    bus, address = Path("/sys/bus/pci"), DEVICES[2]
    (bus / "drivers/vp-vdpa/unbind").write_text(address, encoding="ascii")
    command("devtools/lab/multiqueue", address)
    (bus / "drivers_probe").write_text(address, encoding="ascii")
    command("vdpa", "dev", "add", "name", "vp2", "mgmtdev", f"pci/{address}")


def frames_wake_a_sleeper(workspace: Workspace) -> None:
    sleeper_wakes(workspace, *HUB)


def out_of_reach(workspace: Workspace) -> None:
    """The IOMMU has addresses of 39 bits."""
    refused(workspace, HUB[0], r"memory at 0x8\w+\.\.0x\w+ is out of reach for /dev/vhost-vdpa-0, "
            r"which has addresses 0\.\.0x7fffffffff: start with a --base-virtaddr",
            eal=("--base-virtaddr=0x8000000000",))


if __name__ == "__main__":
    run(device_and_port_agree, over_the_hub, with_four_pairs, packed_without_hugepages,
        queues_of_two_processes, frames_wake_a_sleeper, out_of_reach)
