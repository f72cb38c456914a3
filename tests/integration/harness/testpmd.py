# SPDX-License-Identifier: BSD-3-Clause
"""A testpmd under control of a test: the distribution's or ours, the commands are the same."""
import os
import re
import subprocess
import time
from dataclasses import dataclass, fields
from pathlib import Path

from .drop_in import their_environment
from .multiprocess import SharedMemory
from .process import Process
from .result import Failure
from .workspace import Workspace, built, installed, preload, sanitized

# What other threads print may come between any two characters that the command line writes.
INTRUDERS = r"(?:(?:(?:Port \d+|[A-Z_]+|net_\w+): [^\n]*)?\n)*"


def interrupted(words: str) -> str:
    """A pattern for words of the command line, whatever came between."""
    return INTRUDERS.join(re.escape(character) for character in words)


PROMPT = "^" + interrupted("testpmd> ")
# An emulated guest on a busy host is slow at loading programs.
START_SECONDS = 180 if os.environ.get("LAB_GUEST") else 60
COMMAND_SECONDS = 30
# Ours leaves a core that it has nothing to do on to others, of which there are more than cores, unless
# it shall poll.
MAX_SLEEP_US = 200


def ours() -> Path:
    return built("app/test-pmd/dpdk-vdpa-testpmd", "VDPA_TESTPMD")


def distribution() -> Path:
    return installed("dpdk-testpmd", "dpdk-dev")


@dataclass
class PortStats:
    """Counters of one port, as `show port stats` prints them."""
    rx_packets: int = 0
    rx_missed: int = 0
    rx_bytes: int = 0
    rx_errors: int = 0
    rx_nombuf: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    tx_bytes: int = 0

    def __sub__(self, other: "PortStats") -> "PortStats":
        return PortStats(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


class Testpmd(Process):
    """Starts testpmd and waits for its prompt.

    core   which of this process's cores it polls on; the two ends of a link take 0 and 1
    vdevs  values of --vdev
    args   testpmd's own options
    eal    more EAL options, such as ["-d", FILE]
    pci    PCI devices to use, each an address and perhaps arguments; none are without
    shared memory that it shares with other processes, of which secondary ones come later
    polls  it never sleeps, as it does not by itself: for measurements
    workers  how many threads forward frames, all of them on that core
    """

    def __init__(self, workspace: Workspace, name: str, program: Path, core: int,
                 vdevs: list[str], args: list[str] = (), eal: list[str] = (),
                 mbufs: int = 16384, huge: bool | None = None, netns: int | None = None,
                 env: dict | None = None, wait: bool = True, pci: list[str] = (),
                 shared: SharedMemory | None = None, secondary: bool = False, polls: bool = False,
                 workers: int = 1):
        common = (shared.eal_args(core, secondary) if shared else
                  workspace.eal_args(core, name, huge=huge, workers=workers))
        if pci:
            common.remove("--no-pci")
        argv = [program, *common, *eal]
        for device in pci:
            argv += ["-a", device]
        for vdev in vdevs:
            argv += ["--vdev", vdev]
        rests = [f"--max-sleep={MAX_SLEEP_US}"] if program == ours() and not polls else []
        several = [f"--nb-cores={workers}"] if workers > 1 else []
        argv += ["--", "-i", f"--total-num-mbufs={mbufs}", *several, *rests, *args]
        options = their_environment().copy() if program.name == "dpdk-testpmd" else {}
        if sanitized():
            options["UBSAN_OPTIONS"] = "print_stacktrace=1"
        if "-d" in eal:
            options.update(preload())
        elif sanitized() and secondary:
            # The distribution's virtual bus leaves its devices to the end of a secondary process.
            options["ASAN_OPTIONS"] = "detect_leaks=0"
        super().__init__(name, argv, workspace.path(workspace.unique(name) + ".log"),
                         env={**options, **(env or {})}, netns=netns)
        workspace.adopt(self)
        if wait:
            self.wait_prompt()

    def wait_prompt(self) -> None:
        self.expect(PROMPT, START_SECONDS, words="its prompt")

    def command(self, line: str, timeout: float = COMMAND_SECONDS) -> str:
        """Type line, wait for the next prompt, return what was printed between."""
        begin = self.mark()
        self.send(line)
        self.expect(interrupted(line), timeout, begin, words=f"'{line}'")
        match = self.expect(PROMPT, timeout, words=f"a prompt after '{line}'")
        return self.text[begin:match.start()]

    def quit(self) -> None:
        """Ask it to end, and fail unless it does so with status 0."""
        self.send("quit")
        status = self.wait(START_SECONDS)
        if status != 0:
            raise self.failure(f"quit ended with status {status}")

    def port_stats(self, port: int = 0) -> PortStats:
        text = self.command(f"show port stats {port}")
        stats = PortStats()
        for field in fields(PortStats):
            name = field.name.replace("_", "-").replace("rx", "RX").replace("tx", "TX")
            match = re.search(rf"{name}: *(\d+)", text)
            if not match:
                raise Failure(f"{self.name}: show port stats {port} has no {name}:\n{text}")
            setattr(stats, field.name, int(match.group(1)))
        return stats

    def timed_port_stats(self, port: int = 0) -> tuple[float, PortStats]:
        """Counters, and the moment at which they were read, for rates."""
        before = time.monotonic()
        stats = self.port_stats(port)
        return (before + time.monotonic()) / 2, stats

    def xstats(self, port: int = 0) -> dict[str, int]:
        text = self.command(f"show port xstats {port}")
        return {name: int(value) for name, value in re.findall(r"^(\w+): (\d+)$", text, re.M)}

    def until(self, what: str, condition, timeout: float = 60) -> None:
        """Ask condition() again and again until it holds; a counter has no event to wait for."""
        deadline = time.monotonic() + timeout
        while not condition():
            if not self.running:
                raise self.failure(f"ended before {what}")
            if time.monotonic() > deadline:
                raise self.failure(f"{what} did not come within {timeout} s")
            os.sched_yield()
            time.sleep(0.05)


    def until_time(self, moment: float) -> None:
        """Let it run until time.monotonic() says moment; fail if it ends before."""
        try:
            self._child.wait(max(0, moment - time.monotonic()))
        except subprocess.TimeoutExpired:
            return
        raise self.failure(f"{self.state()} in the middle of its work")


def vdev(name: str, **arguments) -> str:
    """Value of --vdev: name and its arguments, True and False as 1 and 0."""
    return ",".join([name] + [f"{key}={int(value) if isinstance(value, bool) else value}"
                              for key, value in arguments.items()])
