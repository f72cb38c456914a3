#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Linux's virtio_net under QEMU on the software vDPA device, which is connected to a tap: the guest
reaches the network behind the tap, and a large file arrives there as it is."""
import hashlib
import os

from harness.guest import Guest, Nic
from harness.guest_network import HOST_ADDRESS, TAP, GuestNetwork, guest_up
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev
from harness.vdpa import vdpa_stats
from harness.vhost_user import Feature

FILE_MB = 100
FETCH_SECONDS = 300
PINGS = 5


def make_file(path) -> str:
    """A file of random bytes; returns its SHA-256."""
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for _ in range(FILE_MB):
            block = os.urandom(1 << 20)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def pings_and_fetches(workspace, packed: bool, pairs: int) -> None:
    socket, www = workspace.path("socket"), workspace.path("www")
    network = GuestNetwork(workspace)
    backend = Testpmd(workspace, "backend", ours(), 0,
                      [vdev("net_tap0", iface=TAP),
                       vdev("vdpa_sim0", queues=pairs, mode="port", port="net_tap0")],
                      [f"--vdpa=vdpa_sim0={socket}"], netns=network.netns)
    network.tap_up()
    www.mkdir()
    digest = make_file(www / "file")
    network.serve(www)
    with Guest(workspace, "guest", [Nic(socket, queues=pairs,
                                        properties="packed=on" if packed else "")]) as guest:
        features = guest.check("cat /sys/class/net/eth0/device/features").split()[-1]
        check((features[Feature.RING_PACKED] == "1") == packed,
              f"{'packed' if packed else 'split'} rings, got features {features}")
        check(guest.queues() == pairs, f"{pairs} queue pairs, got {guest.queues()}")
        guest_up(guest)
        answers = guest.check(f"ping -c {PINGS} -W 10 {HOST_ADDRESS}")
        check(f"{PINGS} packets received" in answers, f"{PINGS} answers, got:\n{answers}")
        fetched = guest.check(f"wget -q -O - http://{HOST_ADDRESS}/file | sha256sum", FETCH_SECONDS)
        check(fetched.split()[0] == digest, f"the file with digest {digest}, got:\n{fetched}")
        stats = vdpa_stats(backend, "vdpa_sim0")
        guest.power_off()
    check(len(stats) == 2 * pairs, f"counters of {2 * pairs} queues, got {stats}")
    received = sum(queue["bytes"] for queue in stats[0::2])
    check(received > FILE_MB << 20, f"at least the file to be counted, got {received} bytes")
    backend.quit()


def case(packed: bool, pairs: int):
    return (f"{'packed' if packed else 'split'}_{pairs}_pairs",
            lambda workspace: pings_and_fetches(workspace, packed, pairs))


if __name__ == "__main__":
    run(*[case(packed, pairs) for packed in (False, True) for pairs in (1, 2)],
        at_once=2)
