#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Linux's virtio_net behind an IOMMU that the kernel uses strictly, under QEMU on a port of the vhost
driver: each buffer is mapped when it is posted and unmapped when it is done. The guest reaches the
network behind a tap, and a file arrives there as it is."""
import hashlib
import os

from harness.guest import Guest, Nic
from harness.guest_network import HOST_ADDRESS, TAP, GuestNetwork, guest_up
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev

FILE_MB = 4
FETCH_SECONDS = 200
PINGS = 5
ACCESS_PLATFORM = 33
RING_PACKED = 34
# The tap computes no checksums, so the guest has to.
PROPERTIES = "disable-legacy=on,iommu_platform=on,ats=on,csum=off,gso=off,guest_csum=off"


def pings_and_fetches(workspace, packed: bool) -> None:
    socket, www = workspace.path("socket"), workspace.path("www")
    network = GuestNetwork(workspace)
    backend = Testpmd(workspace, "backend", ours(), 0,
                      [vdev("net_tap0", iface=TAP),
                       vdev("net_vhost0", iface=socket, **{"iommu-support": 1})],
                      netns=network.netns)
    backend.command("start")
    network.tap_up()
    www.mkdir()
    contents = os.urandom(FILE_MB << 20)
    (www / "file").write_bytes(contents)
    network.serve(www)
    properties = PROPERTIES + (",packed=on" if packed else "")
    with Guest(workspace, "guest", [Nic(socket, properties=properties)], iommu=True) as guest:
        guest.check("dmesg -n 1")
        features = guest.check("cat /sys/class/net/eth0/device/features").split()[-1]
        check(features[ACCESS_PLATFORM] == "1", f"a device behind the IOMMU, got {features}")
        check((features[RING_PACKED] == "1") == packed,
              f"{'packed' if packed else 'split'} rings, got features {features}")
        guest_up(guest)
        answers = guest.check(f"ping -c {PINGS} -W 10 {HOST_ADDRESS}")
        check(f"{PINGS} packets received" in answers, f"{PINGS} answers, got:\n{answers}")
        fetched = guest.check(f"wget -q -O - http://{HOST_ADDRESS}/file | sha256sum", FETCH_SECONDS)
        check(hashlib.sha256(contents).hexdigest() in fetched,
              f"the file as it is, got:\n{fetched}")
        # The rings go away and come back.
        guest.check("ip link set eth0 down && ip link set eth0 up")
        answers = guest.check(f"ping -c {PINGS} -W 10 {HOST_ADDRESS}")
        check(f"{PINGS} packets received" in answers, f"{PINGS} answers, got:\n{answers}")
        guest.power_off()
    backend.quit()


if __name__ == "__main__":
    run(("split", lambda workspace: pings_and_fetches(workspace, False)),
        ("packed", lambda workspace: pings_and_fetches(workspace, True)), at_once=2)
