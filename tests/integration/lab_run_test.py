#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""devtools/lab/run: how a guest ends is told, devices on a tap and on sockets carry frames, and nothing
stays behind."""
import os
import re
import shutil
import signal
import time
from pathlib import Path

from harness.guest import require_kernel
from harness.guest_network import GUEST_ADDRESS, HOST_ADDRESS, TAP, GuestNetwork
from harness.result import Failure, check
from harness.runner import run
from harness.workspace import require_root
from lab.kernel import LAB, cpio

RUN_SECONDS = 150
PATIENCE_SECONDS = 30
# Not root, but can read this tree wherever it is.
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
          "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
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


def tap_and_sockets(workspace) -> None:
    require_kernel()    # so that no run has to make it, with its time running
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


def processes(mark: str) -> list[str]:
    """What runs with this name in its environment."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() + b"=" in (directory / "environ").read_bytes():
                found.append((directory / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass
    return found


def ends(workspace, wanted: int, says: str, *arguments: str, before: list[str] = ()) -> str:
    """A run that ends with this status, says this, and leaves no process behind; what it printed.

    before: a command that starts it.
    """
    if "--host" not in arguments:
        require_kernel()
    mark = workspace.unique("mark").replace("-", "_")
    guest = workspace.start("lab", [*before, LAB / "run", "--memory", 512, *arguments],
                            env={mark: "1"})
    status = guest.wait(RUN_SECONDS)
    check(status == wanted, f"status {wanted}, got {status}:\n{guest.text}")
    check(re.search(says, guest.text) is not None, f"it to say /{says}/, got:\n{guest.text}")
    left = processes(mark)
    check(not left, f"no process left, got {left}")
    return guest.text


def status_is_the_commands(workspace) -> None:
    """With a set of modules, and all of the console in a file."""
    text = ends(workspace, 7, "", "--vduse", "--keep-log", "--", "sh", "-c",
                "test -c /dev/vduse/control || exit 1; echo to the console >/dev/console; exit 7")
    log = re.search(r"^lab: the console's output is in (\S+)$", text, re.M)
    check(log is not None, f"the log's name, got:\n{text}")
    file = Path(log.group(1))
    said = file.read_text(encoding="utf-8", errors="replace")
    file.unlink()
    check("to the console" in said, f"the console's output in the log, got:\n{said}")


def time_limit_ends_a_command(workspace) -> None:
    ends(workspace, 124, "the time limit of 5 s is over", "--timeout", "5", "--", "sleep", "1000")


def panic_is_shown(workspace) -> None:
    ends(workspace, 125, r"the guest died; (?s:.*)Kernel panic - not syncing: sysrq triggered crash",
         "--", "sh", "-c", "echo c >/proc/sysrq-trigger")


def kernel_with(workspace, **files: bytes) -> Path:
    """A directory as devtools/lab/prepare makes it, with some files other than there."""
    directory = workspace.path("kernel")
    directory.mkdir()
    for path in require_kernel().directory.iterdir():
        if path.name not in files:
            (directory / path.name).symlink_to(path)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


def no_guest_without_a_kernel(workspace) -> None:
    kernel = kernel_with(workspace, vmlinux=b"no kernel")
    ends(workspace, 125, "QEMU ended with status 1", "--kernel", kernel, "--", "true")


def guest_that_never_comes_up(workspace) -> None:
    """One whose first process cannot be started, and one where that never gets anywhere."""
    kernel = kernel_with(workspace, initramfs=b"")
    ends(workspace, 125, "the guest died before it ran the command; (?s:.*)No working init found",
         "--kernel", kernel, "--", "true")
    archive = require_kernel().directory.joinpath("initramfs").read_bytes()
    shutil.rmtree(kernel)
    kernel = kernel_with(workspace, initramfs=archive + cpio(
        [("bin/sh", 0o100755, b"#!/bin/busybox watch\n")]))
    ends(workspace, 124, "the time limit of 5 s is over", "--timeout", "5", "--kernel", kernel,
         "--", "true")


def on_the_host(workspace) -> None:
    """Without a guest: the command's status is told the same way, and what it started ends with it."""
    ends(workspace, 143, "", "--host", "--", "sh", "-c", "kill $$")
    ends(workspace, 127, "cannot run /nonexistent: No such file", "--host", "--", "/nonexistent")
    ends(workspace, 126, "cannot run /etc/passwd: Permission denied", "--host", "--", "/etc/passwd")
    ends(workspace, 124, "the time limit of 1 s is over", "--host", "--timeout", "1", "--",
         "sh", "-c", "sleep 1000 & sleep 1000")
    ends(workspace, 3, "", "--host", "--", "sh", "-c", "sleep 1000 & exit 3")


def modules_on_the_host_need_root(workspace) -> None:
    require_root("become a user who is not")
    ends(workspace, 2, "^lab: --host needs root to load --vdpa-sim", "--host", "--vdpa-sim", "--",
         "true", before=NOBODY)


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
    require_kernel()
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
    run(status_is_the_commands, time_limit_ends_a_command, panic_is_shown, no_guest_without_a_kernel,
        guest_that_never_comes_up, on_the_host, modules_on_the_host_need_root, tap_and_sockets,
        killed, at_once=2)
