#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The distribution's ovs-vswitchd runs on our librte_vhost: frames between dpdkvhostuserclient ports,
also after front end or switch were gone.

    ours: numbered frames -> net_virtio_user0 --.             .-- net_virtio_user0 <- ours: sends back
                                         vhost1 ovs-vswitchd vhost2
"""
from harness.drop_in import check_runs_on_ours
from harness.numbered import frames, run_numbered
from harness.openvswitch import OpenVSwitch
from harness.result import Failure, check
from harness.runner import run
from harness.testpmd import Testpmd, ours, vdev

FRAMES = 200_000
# Three threads poll, perhaps on two cores: as much as possible is to happen in one go.
RING = 1024
WINDOW = 768
PROBE = 64


def listener(workspace, socket, packed: bool, wait: bool = True) -> Testpmd:
    """A front end that waits for the switch to connect."""
    return Testpmd(workspace, "guest", ours(), 1,
                   [vdev("net_virtio_user0", path=socket, server=True, packed_vq=packed,
                         queue_size=RING)],
                   ["--port-topology=loop", f"--rxd={RING}", f"--txd={RING}"], wait=wait)


def two_guests(workspace, packed: bool):
    switch = OpenVSwitch(workspace)
    check_runs_on_ours(switch.daemon)
    sockets = [workspace.path(f"socket{i}") for i in range(2)]
    guests = [listener(workspace, socket, packed, wait=False) for socket in sockets]
    switch.connect(*[switch.add_vhost_client(socket) for socket in sockets])
    for guest in guests:
        guest.wait_prompt()
    guests[1].command("start")
    return switch, sockets, guests


def passes(guest: Testpmd) -> bool:
    try:
        run_numbered(guest, PROBE, patience_ms=1000)
    except Failure:
        return False
    return True


def exchange(switch: OpenVSwitch, guest: Testpmd) -> int:
    """All frames come back, once the switch has taken the ports up: till then it drops."""
    guest.until("the first frames back", lambda: passes(guest))
    switch.settle()
    guest.until("frames back after that", lambda: passes(guest))
    count = frames(FRAMES)
    result = run_numbered(guest, count, window=WINDOW)
    check(result.received == result.sent == count, f"{count} frames, got {result}")
    return count


def frames_pass_the_switch(workspace, packed: bool) -> None:
    switch, _, guests = two_guests(workspace, packed)
    count = exchange(switch, guests[0])
    for port in (1, 2):
        guests[0].until("the switch's counters", lambda port=port: all(
            switch.statistics(port).get(name, 0) >= count for name in ("rx_packets", "tx_packets")))
        errors = {name: value for name, value in switch.statistics(port).items()
                  if value and ("error" in name or "invalid" in name)}
        check(not errors, f"no errors on port {port}, got {errors}")
    for guest in guests:
        guest.quit()
    switch.stop()


def guest_comes_back(workspace) -> None:
    """A front end that is killed, and started again, is connected to and served again."""
    switch, sockets, guests = two_guests(workspace, False)
    exchange(switch, guests[0])
    workspace.forget(guests[0])
    again = listener(workspace, sockets[0], True)
    exchange(switch, again)
    for guest in (again, guests[1]):
        guest.quit()
    switch.stop()


def case(name: str, function, **options):
    return name, lambda workspace: function(workspace, **options)


if __name__ == "__main__":
    run(case("split", frames_pass_the_switch, packed=False),
        case("packed", frames_pass_the_switch, packed=True), guest_comes_back)
