# SPDX-License-Identifier: BSD-3-Clause
"""What tests of net_virtio_user in the guest share."""
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.numbered import run_numbered  # noqa: E402
from harness.process import Process  # noqa: E402
from harness.result import check  # noqa: E402
from harness.testpmd import START_SECONDS, Testpmd, ours, vdev  # noqa: E402
from harness.workspace import Workspace  # noqa: E402
from virtio_lab import FRAMES, RESTARTS, our_drivers  # noqa: E402

PORT = "net_virtio_user0"
NOBODY = 65534


def start(workspace: Workspace, device: str, peer: str, *, program=ours, pairs: int = 1,
          huge: bool | None = None, eal: tuple = (), **arguments) -> Testpmd:
    """A testpmd whose frames are for address peer."""
    return Testpmd(workspace, "testpmd", program(), 0,
                   [vdev(PORT, path=device, **({"queues": pairs} if pairs > 1 else {}), **arguments)],
                   [f"--eth-peer=0,{peer}", f"--rxq={pairs}", f"--txq={pairs}"],
                   [*our_drivers(workspace, program()), *eal], huge=huge)


def passes(testpmd: Testpmd, frames: int = FRAMES) -> None:
    """Every frame comes back as it was sent, and on the queue that it was sent on."""
    before = testpmd.port_stats()
    sent = run_numbered(testpmd, frames).sent
    counts = testpmd.port_stats() - before
    check(counts.rx_packets == counts.tx_packets == sent and counts.rx_bytes == counts.tx_bytes,
          f"{sent} frames each way, got {counts}")


def restarts(testpmd: Testpmd, times: int = RESTARTS) -> None:
    """The port runs again each time, with no more memory or descriptors than before."""
    fds = testpmd.fd_count()
    for _ in range(times):
        testpmd.command("port stop 0")
        testpmd.command("port start 0")
        passes(testpmd, 100)
    check(testpmd.fd_count() == fds, f"{fds} descriptors as before, got {testpmd.fd_count()}")


def pinned_kb(process: Process) -> int:
    """Memory of the process that is locked for devices."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmPin:\s+(\d+) kB", status).group(1))


def refused(workspace: Workspace, device: str, why: str, *, before: tuple = (), program=ours,
            eal: tuple = (), huge: bool = False, **arguments) -> None:
    """The program ends with an error, after one line of the driver's that says why."""
    args = workspace.eal_args(0, "refused", huge=huge)
    process = workspace.start("refused", [
        *before, program(), *args, *eal, "--vdev", vdev(PORT, path=device, **arguments), "--", "-i",
        "--total-num-mbufs=8192"])
    status = process.wait(START_SECONDS)
    said = [line for line in process.text.splitlines()
            if line.startswith(f"{PORT}:") and "driver net_virtio_user" not in line]
    check(status not in (0, None) and len(said) == 1 and re.search(why, said[0]),
          f"an error and one line like '{why}', got status {status} and {said}")
    workspace.forget(process)


def unprivileged() -> Path:
    """Our testpmd as a program that gives up all rights before it begins."""
    home = Path("/run/unprivileged")
    home.mkdir(mode=0o777, exist_ok=True)
    home.chmod(0o777)
    script = home / "testpmd"
    script.write_text("#!/bin/sh\n"
                      f"export XDG_RUNTIME_DIR={home}\n"
                      f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups "
                      f"--inh-caps=-all --bounding-set=-all {ours()} \"$@\"\n", encoding="ascii")
    script.chmod(0o755)
    return script


def command(*words: str) -> None:
    subprocess.run(words, check=True, timeout=60)
