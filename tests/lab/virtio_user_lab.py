# SPDX-License-Identifier: BSD-3-Clause
"""What tests of net_virtio_user in the guest share."""
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.numbered import (PATIENCE_MS, run_numbered, seq_stats, start_numbered,  # noqa: E402
                              stop_numbered)
from harness.process import Process  # noqa: E402
from harness.result import check  # noqa: E402
from harness.testpmd import START_SECONDS, Testpmd, ours, vdev  # noqa: E402
from harness.workspace import Workspace, built  # noqa: E402
from virtio_lab import FRAMES, RESTARTS, our_drivers  # noqa: E402

PORT = "net_virtio_user0"
NOBODY = 65534
FEW = 100
FRAME_MIN = 64          # bytes
ROUNDS = 50
LITTLE_MB = "44"  # so that our testpmd soon needs more
PORTS_MAX = 8
RING, WINDOW = 256, 64  # frames of a queue that it has room for, or that are under way
LOST_MS = 3000          # until those that a device took with it count as lost


def start(workspace: Workspace, device: str, peer: str, *, program=ours, pairs: int = 1,
          huge: bool | None = None, eal: tuple = (), **arguments) -> Testpmd:
    """A testpmd whose frames are for address peer."""
    return Testpmd(workspace, "testpmd", program(), 0,
                   [vdev(PORT, path=device, **({"queues": pairs} if pairs > 1 else {}), **arguments)],
                   [f"--eth-peer=0,{peer}", f"--rxq={pairs}", f"--txq={pairs}"],
                   [*our_drivers(workspace, program()), *eal], huge=huge)


class Traffic:
    """Frames of a testpmd that come back."""
    testpmd: Testpmd

    def restart(self) -> None:
        """Stop and start the ports while there are none."""
        self.testpmd.command("port stop all")
        self.testpmd.command("port start all")

    def killed(self) -> None:
        """The program is killed in the middle of it."""
        self.testpmd.signal(signal.SIGKILL)
        self.testpmd.wait()


class Numbered(Traffic):
    """Traffic of our testpmd: every frame comes back as it was sent, and on the queue that it was sent
    on."""
    ports = 1
    lets_ports_go = True    # while there is traffic

    def __init__(self, testpmd: Testpmd, pairs: int = 1):
        self.testpmd, self.pairs = testpmd, pairs

    def passes(self, frames: int = FRAMES) -> None:
        before = self.testpmd.port_stats()
        sent = run_numbered(self.testpmd, frames // self.pairs).sent
        counts = self.testpmd.port_stats() - before
        # Who is new on a network, a back end's guest for one, says so; and a back end may still have had
        # frames for a front end that was killed.
        others = counts.rx_packets - sent
        check(counts.tx_packets == sent and others >= 0 and
              counts.rx_bytes >= counts.tx_bytes + others * FRAME_MIN,
              f"{sent} frames each way, got {counts}")

    def begin(self) -> None:
        start_numbered(self.testpmd, patience_ms=PATIENCE_MS)

    def end(self) -> None:
        stop_numbered(self.testpmd)


def starts_again(traffic, times: int = RESTARTS) -> None:
    """The ports run again each time, with no more descriptors than before."""
    testpmd = traffic.testpmd
    fds = testpmd.fd_count()
    for _ in range(times):
        traffic.restart()
        traffic.passes(FEW)
    check(testpmd.fd_count() == fds, f"{fds} descriptors as before, got {testpmd.fd_count()}")


def status_kb(process: Process, what: str) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(re.search(rf"{what}:\s+(\d+) kB", status).group(1))


def pinned_kb(process: Process) -> int:
    """Memory of the process that is locked for devices."""
    return status_kb(process, "VmPin")


def hugepages_kb(process: Process) -> int:
    """Memory that it has in such pages, as DPDK's heap is: for devices that have nothing locked."""
    return status_kb(process, "HugetlbPages")


def heap_grows(workspace: Workspace, traffic, memory_kb) -> int:
    """Attach ports with long rings until more memory is mapped; returns the number behind the last."""
    testpmd, port = traffic.testpmd, traffic.ports
    before = memory_kb(testpmd)
    while memory_kb(testpmd) == before and port < traffic.ports + PORTS_MAX:
        socket = workspace.path(f"nobody{port}")
        testpmd.command(f"port attach net_virtio_user{port},path={socket},server=1,"
                        f"queues={traffic.pairs},queue_size=32768")
        # The distribution's testpmd does not ask the driver; ours does, and has no such command.
        for queue in ("rxq", "txq"):
            testpmd.command(f"port config {port} {queue} 0 ring_size 32768")
        testpmd.command(f"port start {port}")
        port += 1
    check(memory_kb(testpmd) > before, f"more than {before} kB to be mapped")
    return port


def heap_grows_and_shrinks(workspace: Workspace, traffic, memory_kb=pinned_kb) -> None:
    """What DPDK takes and gives back while frames are under way is mapped and unmapped."""
    testpmd = traffic.testpmd
    before = memory_kb(testpmd)
    for _ in range(2):
        traffic.begin()
        port = heap_grows(workspace, traffic, memory_kb)
        grown = memory_kb(testpmd)
        if not traffic.lets_ports_go:
            traffic.end()
        while port > traffic.ports:
            port -= 1
            testpmd.command(f"port stop {port}")
            testpmd.command(f"port detach {port}")
        now = memory_kb(testpmd)
        # The distribution's testpmd takes memory of its own when its traffic begins and ends.
        check(now == before if traffic.lets_ports_go else now < grown,
              f"{before} kB to be mapped again, after {grown}, got {now}")
        if traffic.lets_ports_go:
            traffic.end()


def outlives_its_device(traffic: Numbered, path: str, name: str, make) -> None:
    """The device of the vDPA bus is deleted while frames are under way, and make() makes it again. What was
    in its rings is lost, and nothing more."""
    testpmd = traffic.testpmd

    def more_frames_come_back() -> None:
        enough = seq_stats(testpmd)["received"] + FEW
        testpmd.until("frames coming back", lambda: seq_stats(testpmd)["received"] > enough)

    counts, begin = testpmd.port_stats(), testpmd.mark()
    start_numbered(testpmd, window=WINDOW, patience_ms=LOST_MS)
    more_frames_come_back()
    command("vdpa", "dev", "del", name)
    testpmd.expect(rf"{PORT}: the back end at {path} is gone: link down", start=begin)
    check("Link status: down" in testpmd.command("show port info 0"), "the link to be down")
    still = testpmd.port_stats()
    testpmd.until("the frames on their way to be missed", lambda: seq_stats(testpmd)["lost"] > 0)
    check(testpmd.port_stats() == still, "no frames without a device")
    make()
    os.chmod(path, 0o666)
    testpmd.expect(rf"{PORT}: back end at {path} connected: link up")
    more_frames_come_back()
    testpmd.command("stop")
    found = {word: int(number) for word, number in re.findall(
        r"([\w-]+)=(\d+)", re.findall(r"^  all: .*$", testpmd.text[begin:], re.M)[-1])}
    check(0 < found["lost"] <= traffic.pairs * (RING + WINDOW),
          f"the frames of {traffic.pairs} pairs of queues to be lost, got {found}")
    check(not any(found[word] for word in ("duplicate", "reordered", "corrupt", "misrouted")),
          f"all others to be as they were sent, got {found}")
    counts = testpmd.port_stats() - counts
    check(not counts.rx_errors and not counts.tx_errors, f"no errors, got {counts}")
    check(testpmd.text.count("link down", begin) == 1, "one line for the device that is gone")
    traffic.passes(FEW)


def lives(workspace: Workspace, begin, middle=heap_grows_and_shrinks) -> None:
    """All that becomes of a program on a device, until it is killed, and another one has the device.
    begin() starts one, and gives its traffic; middle(workspace, traffic) is in the middle of it."""
    traffic = begin()
    traffic.passes()
    middle(workspace, traffic)
    starts_again(traffic)
    traffic.begin()
    traffic.killed()
    traffic = begin()
    traffic.passes(FEW)
    traffic.testpmd.quit()


def says_once(testpmd: Testpmd, *lines: str) -> None:
    for line in lines:
        check(len([said for said in testpmd.text.splitlines() if line in said]) == 1,
              f"one line '{line}', got:\n{testpmd.text}")


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


def sleeper_wakes(workspace: Workspace, *devices: str) -> None:
    """Frames that one port sends wake a program that sleeps on the receive queue of the other, or of
    the only one there is."""
    vdevs = [word for i, path in enumerate(devices)
             for word in ("--vdev", vdev(f"net_virtio_user{i}", path=path))]
    said = workspace.run([built("tests/lab/sleeper"), *workspace.eal_args(0, "sleeper"), *vdevs,
                          "--", str(ROUNDS)], START_SECONDS)
    check(f"woken {ROUNDS} times" in said, f"{ROUNDS} frames to wake the sleeper, got {said}")


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
