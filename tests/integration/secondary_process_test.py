#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A port of the primary process, used by secondary ones: each moves frames on a queue of its own.

    primary    net_virtio_user0  queue 0 ----.
                                             vdpa_sim0 (loop)
    secondary  net_virtio_user0  queue 1 ----'

What is sent comes back on the same queue. The programs are ours, or the distribution's with our driver
loaded by -d.
"""
import os
import re
import signal
from contextlib import contextmanager

from harness.backends import sim_device
from harness.loaded import loadable
from harness.multiprocess import SharedMemory
from harness.numbered import run_numbered_at_once
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, distribution, ours, vdev
from harness.workspace import core_of, installed, preload

PAIRS = 2
PORT = "net_virtio_user0"
# How often a process is stopped until it is inside a burst then, which it is about every other time.
TRIES = 100
FRAMES = 20000


class Processes:
    """A back end, a primary process with a port, and what secondary ones need to find it."""

    def __init__(self, workspace, program=distribution, vdevs=None, **arguments):
        self.workspace = workspace
        self.program = program()
        self.shared = SharedMemory(workspace)
        self.library = loadable(workspace, "net_virtio")
        self.socket = workspace.path("vdpa")
        self.backend = sim_device(workspace, [self.socket], pairs=PAIRS)
        self.primary = self.testpmd(0, vdevs or [vdev(PORT, path=self.socket, queues=PAIRS,
                                                      **arguments)])

    def testpmd(self, number: int, vdevs: list[str] = ()) -> Testpmd:
        """The primary is number 0, and each number has its queues."""
        eal = ["--log-level=pmd.net.virtio.*:info"]
        if self.program == distribution():
            eal += ["-d", self.library]
        return Testpmd(self.workspace, "secondary" if number else "primary", self.program, 1,
                       list(vdevs), [f"--rxq={PAIRS}", f"--txq={PAIRS}", f"--num-procs={PAIRS}",
                                     f"--proc-id={number}"], eal, shared=self.shared,
                       secondary=number > 0)

    def secondary(self) -> Testpmd:
        return self.testpmd(1)


def received(testpmd: Testpmd, queue: int, port: int = 0) -> int:
    return testpmd.xstats(port)[f"rx_q{queue}_packets"]


def wait_traffic(witness: Testpmd, queue: int, port: int = 0) -> None:
    """Frames come back on a queue, as whoever asks sees its counters."""
    before = received(witness, queue, port)
    witness.until(f"frames on queue {queue}",
                  lambda: received(witness, queue, port) >= before + 1000)


def start_traffic(testpmd: Testpmd, queue: int, port: int = 0) -> None:
    """Have frames go round. The first ones are lost where the device is on its way back."""
    before = received(testpmd, queue, port)

    def come_back() -> bool:
        testpmd.command("stop")
        testpmd.command("start tx_first")
        return received(testpmd, queue, port) > before

    testpmd.until(f"frames on queue {queue}", come_back)
    wait_traffic(testpmd, queue, port)


def every_process_has_a_queue(workspace, **arguments) -> None:
    processes = Processes(workspace, **arguments)
    primary, secondary = processes.primary, processes.secondary()
    start_traffic(primary, 0)
    check(received(primary, 1) == 0, "nothing on queue 1 while nobody serves it")
    start_traffic(secondary, 1)
    wait_traffic(primary, 1)
    wait_traffic(secondary, 0)
    secondary.command("stop")
    wait_traffic(primary, 0)
    kicks = secondary.xstats()["tx_q1_kicks"]
    check(kicks > 0, "doorbells rung by the secondary process")
    mode = secondary.command("show rxq info 0 1")
    check("packed" in mode if arguments.get("packed_vq") else "split" in mode,
          f"the name of the burst function, got {mode}")
    secondary.quit()
    wait_traffic(primary, 0)
    again = processes.secondary()
    start_traffic(again, 1)
    again.quit()
    primary.quit()


def our_program_is_either(workspace) -> None:
    """Every frame that either process sends is back, on the process's own queue, and not changed."""
    processes = Processes(workspace, ours)
    both = [processes.primary, processes.secondary()]
    for result in run_numbered_at_once(both, FRAMES):
        check(result.sent == result.received == FRAMES, f"{FRAMES} frames, got {result}")
    counted = [received(processes.primary, queue) for queue in range(PAIRS)]
    check(counted == [FRAMES] * PAIRS, f"{FRAMES} frames counted on each queue, got {counted}")
    secondary = both[1]
    for line, answer in (("port stop 0", ""), ("port start 0", "Port 0: "), ("port stop 0", ""),
                         ("port detach 0", f"Device {PORT} is detached")):
        text = secondary.command(line)
        check(answer in text, f"'{answer}' after '{line}', got {text}")
    check("Link status: up" in processes.primary.command("show port info 0"),
          "the port to run, whatever the secondary process does")
    secondary.quit()
    processes.primary.quit()


def distribution_reads_statistics(workspace) -> None:
    processes = Processes(workspace)
    start_traffic(processes.primary, 0)
    processes.primary.command("stop")
    stats = processes.primary.xstats()
    for option, pattern in (("--stats", rf"RX-packets: {stats['rx_good_packets']} "),
                            ("--xstats", rf"rx_q0_packets: {stats['rx_q0_packets']}$")):
        text = workspace.run(
            [installed("dpdk-proc-info", "dpdk-dev"), "--no-pci", "-d", processes.library,
             "--file-prefix", processes.shared.prefix, "--", option], env=preload())
        check(re.search(pattern, text, re.M) is not None, f"{pattern} of {option}, got {text}")
    start_traffic(processes.primary, 0)
    processes.primary.quit()


def control_stays_with_the_primary(workspace) -> None:
    processes = Processes(workspace)
    primary, secondary = processes.primary, processes.secondary()
    start_traffic(primary, 0)
    for line, answer in (("port config mtu 0 1400", "Set MTU failed. diag=-95"),
                         ("set allmulti 0 on", "Operation not supported"),
                         ("mac_addr set 0 02:00:00:00:00:55", "not supported")):
        text = secondary.command(line)
        check(answer in text, f"'{answer}' after '{line}', got {text}")
    check("MTU: 1500" in secondary.command("show port info 0"), "MTU 1500")
    wait_traffic(primary, 0)
    # What is of its memory alone is let go of, and not more.
    secondary.quit()
    wait_traffic(primary, 0)
    primary.quit()


def primary_restarts_the_port_under_bursts(workspace) -> None:
    processes = Processes(workspace)
    primary, secondary = processes.primary, processes.secondary()
    for _ in range(5):
        start_traffic(secondary, 1)
        primary.command("port stop 0")
        check("Link status: down" in secondary.command("show port info 0"),
              "the secondary process to see that the link is down")
        primary.command("port start 0")
        secondary.command("stop")
    start_traffic(primary, 0)
    secondary.quit()
    primary.quit()


@contextmanager
def on_core(number: int):
    """Who signals a process from its own core has preempted it, wherever it was. From another one it may be
    the device that stands still: without that, there are no bursts by the time that the signal is sent."""
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core_of(number)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


def is_inside_burst(primary: Testpmd) -> bool:
    """Stop the port while a process stands still: that ends at once, unless it is inside a burst."""
    begin = primary.mark()
    primary.send("port stop 0")
    return "inside a burst" in primary.expect(r"stands still inside a burst|^Done$", 30,
                                              begin).group()


def stop_inside_burst(primary: Testpmd, secondary: Testpmd) -> None:
    for _ in range(TRIES):
        start_traffic(secondary, 1)
        with on_core(1):
            secondary.signal(signal.SIGSTOP)
        if is_inside_burst(primary):
            return
        secondary.signal(signal.SIGCONT)
        primary.wait_prompt()
        primary.command("port start 0")
        secondary.command("stop")
    raise primary.failure(f"never met the secondary process inside a burst in {TRIES} tries")


def process_dies_inside_a_burst(workspace) -> None:
    processes = Processes(workspace)
    primary, secondary = processes.primary, processes.secondary()
    stop_inside_burst(primary, secondary)
    secondary.signal(signal.SIGKILL)
    secondary.wait()
    primary.expect(r"queue \d+: up to \d+ mbufs are lost$")
    primary.expect(r"^Done$")
    primary.wait_prompt()
    primary.command("port start 0")
    start_traffic(primary, 0)
    again = processes.secondary()
    start_traffic(again, 1)
    again.quit()
    primary.quit()


def killed_processes_are_replaced(workspace) -> None:
    """Wherever a process is when it is killed, the next one goes on with its queue, and the primary
    with its own."""
    processes = Processes(workspace)
    primary = processes.primary
    for _ in range(4):
        secondary = processes.secondary()
        start_traffic(secondary, 1)
        secondary.signal(signal.SIGKILL)
        secondary.wait()
        workspace.forget(secondary)
        start_traffic(primary, 0)
    primary.quit()


def died_inside_burst(processes: Processes, heir: Testpmd) -> bool:
    """Kill a process that moves frames, and have another one, which was there before, go on with its
    queue. What is left of the frames of the first one is less than a thousand."""
    primary, begin = processes.primary, processes.primary.mark()

    def found() -> bool:
        return "died inside a burst" in primary.text[begin:]

    secondary = processes.secondary()
    start_traffic(secondary, 1)
    with on_core(1):
        secondary.signal(signal.SIGKILL)
    secondary.wait()
    processes.workspace.forget(secondary)
    before = received(heir, 1)
    heir.command("start tx_first")
    heir.until("frames on queue 1", lambda: found() or received(heir, 1) >= before + 1000)
    heir.command("stop")
    return found()


def who_goes_on_with_a_burst_finds_out(workspace) -> None:
    """Nobody joins, and nobody stops the port."""
    processes = Processes(workspace)
    primary, heir = processes.primary, processes.secondary()
    for _ in range(TRIES):
        if died_inside_burst(processes, heir):
            break
    else:
        raise primary.failure(f"never met a process inside a burst in {TRIES} tries")
    primary.expect(r"queue \d+: up to \d+ mbufs are lost$")
    start_traffic(heir, 1)
    start_traffic(primary, 0)
    heir.quit()
    primary.quit()


def port_comes_and_goes(workspace) -> None:
    """A secondary process that is there already gets a port when the primary does, before it is set up,
    uses it, and loses it when the primary lets go of it."""
    processes = Processes(workspace, ours, vdevs=["net_null0"])
    primary, secondary = processes.primary, processes.secondary()
    for _ in range(2):
        text = secondary.command(f"port attach {PORT}")
        check("has to attach it first" in text, f"no port before there is one, got {text}")
        primary.command("port attach " + vdev(PORT, path=processes.socket, queues=PAIRS))
        check("Port 1 is attached" in secondary.command(f"port attach {PORT}"), "a port")
        for queue, testpmd in enumerate((primary, secondary)):
            testpmd.command("port start 1")
            testpmd.command("set portlist 1")
            start_traffic(testpmd, queue, 1)
        for testpmd in (secondary, primary):
            testpmd.command("stop")
            testpmd.command("port stop 1")
            testpmd.command("port detach 1")
    secondary.quit()
    primary.quit()


def other_drivers_are_refused(workspace) -> None:
    """What shared memory says is read only by who wrote it: a secondary process that has our driver,
    where the primary has the distribution's."""
    shared = SharedMemory(workspace)
    library = loadable(workspace, "net_virtio")
    socket = workspace.path("vdpa")
    sim_device(workspace, [socket])
    primary = Testpmd(workspace, "primary", distribution(), 1, [vdev(PORT, path=socket)],
                      shared=shared)
    secondary = Testpmd(workspace, "secondary", distribution(), 1, [], ["--num-procs=2",
                        "--proc-id=1"], ["-d", library], shared=shared, secondary=True, wait=False)
    secondary.expect(rf"{PORT}: the primary process has another driver for the port, or another "
                     "build of this one: load the same there and here")
    secondary.kill()
    primary.quit()


if __name__ == "__main__":
    run(("split", every_process_has_a_queue),
        ("packed", lambda workspace: every_process_has_a_queue(workspace, packed_vq=True,
                                                               vectorized=True)),
        our_program_is_either,
        distribution_reads_statistics,
        control_stays_with_the_primary,
        primary_restarts_the_port_under_bursts,
        process_dies_inside_a_burst,
        killed_processes_are_replaced,
        who_goes_on_with_a_burst_finds_out,
        port_comes_and_goes,
        other_drivers_are_refused)
