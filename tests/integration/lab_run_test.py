#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""devtools/lab/run: devices on a tap and on sockets carry frames, and nothing stays behind of a run
that is killed."""
import os
import signal
import time

from harness.guest_network import GUEST_ADDRESS, HOST_ADDRESS, TAP, GuestNetwork
from harness.result import Failure, Skip, check
from harness.runner import run
from lab.kernel import LAB, NotPrepared, prepared

RUN_SECONDS = 150
PATIENCE_SECONDS = 30
WIRE_HERE, WIRE_THERE = "198.51.100.1", "198.51.100.2"

# The guest's eth0 is on the tap. What eth1 sends leaves the emulator by TCP, and comes back to eth2,
# which is in a network namespace of its own.
IN_GUEST = f"""set -ex
ip address add {GUEST_ADDRESS}/24 dev eth0
ip link set eth0 up
unshare --net sleep infinity &
until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link set eth2 netns $!
nsenter --net=/proc/$!/ns/net ip address add {WIRE_THERE}/24 dev eth2
nsenter --net=/proc/$!/ns/net ip link set eth2 up
ip address add {WIRE_HERE}/24 dev eth1
ip link set eth1 up
busybox ping -c 3 -W 10 {HOST_ADDRESS}
busybox ping -c 3 -W 10 {WIRE_THERE}
kill $!
"""


def prepare() -> None:
    """So that no run has to, with its time running."""
    try:
        prepared()
    except NotPrepared as why:
        raise Skip(str(why)) from why


def tap_and_sockets(workspace) -> None:
    prepare()
    network = GuestNetwork(workspace)
    workspace.run(["ip", "tuntap", "add", TAP, "mode", "tap"], netns=network.netns)
    network.tap_up()
    wire = "virtio-net,netdev=socket"
    guest = workspace.start("lab", [
        LAB / "run", "--memory", 512, "--device", f"virtio-net,netdev=tap:{TAP}",
        "--device", f"{wire}:listen=127.0.0.1:9000", "--device", f"{wire}:connect=127.0.0.1:9000",
        "--", "bash", "-c", IN_GUEST], netns=network.netns)
    status = guest.wait(RUN_SECONDS)
    check(status == 0, f"the pings to be answered, got status {status}:\n{guest.text}")
    check(guest.text.count("3 packets received") == 2, f"6 answers, got:\n{guest.text}")


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def until(what: str, condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Failure(f"waited {PATIENCE_SECONDS} s for {what}")
        time.sleep(0.02)
    return found


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def killed(workspace) -> None:
    """Whoever runs it can be killed: emulator, peer and their directory are gone at once."""
    prepare()
    scratch = workspace.path("scratch")
    scratch.mkdir()
    guest = workspace.start("lab", [LAB / "run", "--memory", 512, "--peer",
                                    "sh -c 'echo ready; exec sleep 1000'", "--", "sleep", "1000"],
                            env={"TMPDIR": scratch})
    # The directory's keeper, the peer and the emulator.
    below = until("three children", lambda: len(pids := children(guest.pid)) >= 3 and pids)
    check(len(os.listdir(scratch)) == 1, f"a directory, got {os.listdir(scratch)}")
    guest.signal(signal.SIGKILL)
    guest.wait()
    until("the children to end", lambda: not any(map(alive, below)))
    until("the directory to go", lambda: not os.listdir(scratch))


if __name__ == "__main__":
    run(tap_and_sockets, killed)
