#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vdpa-sim
# lab-timeout: 3000
"""net_virtio_user on the kernel's vDPA simulator, which gives back frames for its own address. It has
one pair of split queues and a control queue in an address space of its own."""
import os

from virtio_lab import VECTORS
from virtio_user_lab import (FEW, LITTLE_MB, Numbered, command, lives, outlives_its_device,
                             refused, says_once, sleeper_wakes, start, unprivileged)

from harness.result import check
from harness.runner import run
from harness.workspace import Workspace

DEVICE = "/dev/vhost-vdpa-0"
MAC = "00:11:22:33:44:55"
OTHER_MAC = "00:11:22:33:44:66"


def hugepages(workspace: Workspace) -> None:
    lives(workspace, lambda: Numbered(start(workspace, DEVICE, MAC, huge=True,
                                            eal=("-m", LITTLE_MB))))


def knows_the_device(workspace: Workspace) -> None:
    testpmd = start(workspace, DEVICE, MAC)
    log = testpmd.text
    check("control queue 2 in address space 1" in log, "a control queue of its own")
    check("doorbells of /dev/vhost-vdpa-0: eventfds" in log, "to be told of doorbells")
    info = testpmd.command("show port info 0")
    for expected in (f"MAC address: {MAC}", "Link status: up", "MTU: 1400",
                     "Max possible RX queues: 1"):
        check(expected in info, f"'{expected}', got:\n{info}")
    refused(workspace, DEVICE, r"another program has it open")
    # The device filters by an address that only a command on its control queue changes.
    testpmd.command(f"mac_addr set 0 {OTHER_MAC}")
    testpmd.command(f"set eth-peer 0 {OTHER_MAC}")
    Numbered(testpmd).passes(FEW)
    testpmd.quit()
    # Or a write to its configuration, where there is no such queue.
    testpmd = start(workspace, DEVICE, MAC, mac=MAC, cq=0, vectorized=1)
    check(f"receive functions: split{VECTORS}\n" in testpmd.text, "functions of vectors")
    Numbered(testpmd).passes(FEW)
    testpmd.command(f"mac_addr set 0 {OTHER_MAC}")
    testpmd.command(f"set eth-peer 0 {OTHER_MAC}")
    Numbered(testpmd).passes(FEW)
    testpmd.quit()


def frames_wake_a_sleeper(workspace: Workspace) -> None:
    sleeper_wakes(workspace, DEVICE)


def reduced_unprivileged_without_hugepages(workspace: Workspace) -> None:
    """All at once: none of it has to do with the others."""
    def begin() -> Numbered:
        testpmd = start(workspace, DEVICE, MAC, program=unprivileged, huge=False, queues=4,
                        packed_vq=1, queue_size=1024, mac=MAC)
        says_once(testpmd, "has 1 of the 4 queue pairs asked for", "has no packed rings",
                  "have 256 entries and not the 1024 asked for")
        return Numbered(testpmd)

    os.chmod(DEVICE, 0o666)
    lives(workspace, begin, lambda _, traffic: outlives_its_device(
        traffic, DEVICE, "vdpa0", lambda: command("vdpa", "dev", "add", "name", "vdpa0", "mgmtdev",
                                                  "vdpasim_net", "mac", MAC, "mtu", "1400")))
    os.chmod(DEVICE, 0o600)


def what_cannot_be(workspace: Workspace) -> None:
    refused(workspace, "/dev/vhost-vdpa-9", "vhost-vdpa-9: it does not exist")
    refused(workspace, "/dev/null", "/dev/null is no vhost-vdpa device")
    refused(workspace, DEVICE, r"queue_size= must be a power of 2", packed_vq=1, queue_size=100)
    refused(workspace, DEVICE, r"server=1 is for sockets", server=1)
    refused(workspace, DEVICE, r"cannot open .*Permission denied: let this user",
            program=unprivileged)
    refused(workspace, DEVICE, r"needs \d+ kB of locked memory, and the limit is 8192 kB: raise",
            before=("prlimit", "--memlock=8388608"))


if __name__ == "__main__":
    os.chmod(DEVICE, 0o600)
    run(hugepages, knows_the_device, frames_wake_a_sleeper,
        reduced_unprivileged_without_hugepages, what_cannot_be)
