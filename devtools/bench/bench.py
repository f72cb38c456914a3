#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compare the throughput of this tree with that of the distribution's DPDK, on one ring.

A run starts two testpmd on one core each, a vhost-user back end (net_vhost) and a front end
(net_virtio_user), bounces frames between them (forward mode mac, started by the front end with
"start tx_first 32"), and takes the front end's received frames over a measured interval.

Runs of equal commands differ by a factor of two on small machines, from start to start. Hence a
pair is one run of each combination directly after the other, in alternating order, and what
counts is the ratio of medians over pairs of the same session, never a figure by itself.

Combinations name the back end, then the front end: 'ours' is both ends of this tree, 'theirs' both
ends of the distribution, 'ours+theirs' our back end with the distribution's front end, and so on.
'loaded' is the distribution's program with our driver loaded into it, and, at the back end, on our
librte_vhost: what differs from 'theirs' is the driver and nothing else.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "integration"))

from harness import drop_in  # noqa: E402
from harness.loaded import Loaded  # noqa: E402
from harness.result import Failure, Skip  # noqa: E402
from harness.testpmd import Testpmd, distribution, ours, vdev  # noqa: E402
from harness.workspace import (BUILD_DIR, SANITIZE, SOURCE_ROOT, Workspace, cores,  # noqa: E402
                               free_hugepages_mb, sanitized)

# Ring modes by name: arguments of net_virtio_user. Split and packed are its defaults, which are both
# mergeable and in order; with the six others that is every ring there is.
MODES = {
    "split": {},
    "packed": {"packed_vq": True},
    "split-inorder": {"in_order": True, "mrg_rxbuf": False},
    "packed-inorder": {"packed_vq": True, "in_order": True, "mrg_rxbuf": False},
    "split-nomrg": {"mrg_rxbuf": False, "in_order": False},
    "packed-nomrg": {"packed_vq": True, "mrg_rxbuf": False, "in_order": False},
    "split-mrg": {"mrg_rxbuf": True, "in_order": False},
    "packed-mrg": {"packed_vq": True, "mrg_rxbuf": True, "in_order": False},
}
SCALAR_MODES = list(MODES)
# The same, asking for burst functions of vector instructions, as wide as the CPU has them.
VECTOR = "-vector"
MODES |= {mode + VECTOR: {**args, "vectorized": True} for mode, args in MODES.items()}
WIDEST = "--force-max-simd-bitwidth=512"

PROGRAMS = {"ours": ours, "theirs": distribution}
DRIVERS = {"backend": "net_vhost", "frontend": "net_virtio"}
PRECEDENCE = "-15"  # nice value
COMBINATIONS = ["ours", "theirs", "ours+theirs", "theirs+ours", "loaded+theirs", "theirs+loaded"]


@dataclass
class Series:
    """All runs of one combination in one cell of the table, in millions of frames a second."""
    combination: str
    runs: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def best(self) -> float:
        return max(self.runs)


@dataclass
class Cell:
    mode: str
    size: int
    queues: int
    series: list[Series]

    def row(self) -> dict:
        """What the JSON says of this cell; ratios are to the last combination."""
        base = self.series[-1]
        return {"mode": self.mode, "size": self.size, "queues": self.queues, "series": [
            {**asdict(s), "median": s.median, "best": s.best,
             "ratio_median": s.median / base.median, "ratio_best": s.best / base.best}
            for s in self.series]}


def favour(testpmd: Testpmd) -> None:
    """Let it have its core, whatever else runs on this machine; not everybody may ask for that."""
    try:
        Path(f"/proc/{testpmd.pid}/autogroup").write_text(PRECEDENCE, encoding="ascii")
    except OSError:
        pass


def start(workspace: Workspace, end: str, whose: str, device: str, queues: int,
          eal: list[str] = ()) -> Testpmd:
    """One end, which polls; device is its --vdev."""
    core = 0 if end == "backend" else 1
    ports = [f"--rxq={queues}", f"--txq={queues}"]
    if whose == "loaded":
        testpmd = Loaded(workspace, DRIVERS[end], core, [device], ports, eal,
                         env=drop_in.environment(), polls=True)
    else:
        testpmd = Testpmd(workspace, end, PROGRAMS[whose](), core, [device], ports, eal, polls=True)
    favour(testpmd)
    return testpmd


def measure(workspace: Workspace, combination: str, mode: str, size: int, queues: int,
            seconds: float, warmup: float) -> float:
    """One run; returns millions of frames a second that came back to the front end."""
    backend, _, frontend = combination.partition("+")
    frontend = frontend or backend
    socket = workspace.path("socket")
    eal = [WIDEST] if mode.endswith(VECTOR) else []
    with start(workspace, "backend", backend,
               vdev("net_vhost0", iface=socket, queues=queues), queues) as back, \
         start(workspace, "frontend", frontend,
               vdev("net_virtio_user0", path=socket, queues=queues, **MODES[mode]), queues,
               eal) as front:
        back.command("set fwd mac")
        front.command("set fwd mac")
        front.command(f"set txpkts {size}")
        back.command("start")
        front.command("start tx_first 32")
        begin = front.timed_port_stats()
        front.until_time(begin[0] + warmup)
        begin = front.timed_port_stats()
        front.until_time(begin[0] + seconds)
        end = front.timed_port_stats()
        frames = end[1].rx_packets - begin[1].rx_packets
        if frames == 0:
            raise front.failure("no frame came back during the measurement")
        front.quit()
        back.quit()
    return frames / (end[0] - begin[0]) / 1e6


def measure_again(where: str, *what) -> float:
    """measure(), with a second chance: one start that goes wrong shall not cost the whole table."""
    try:
        with Workspace("bench") as workspace:
            return measure(workspace, *what)
    except Failure as failure:
        progress(f"{where}: {failure}; once again")
    with Workspace("bench") as workspace:
        return measure(workspace, *what)


def measure_cell(options: argparse.Namespace, mode: str, size: int, queues: int) -> Cell:
    cell = Cell(mode, size, queues, [Series(c) for c in options.combinations])
    for pair in range(options.pairs):
        order = cell.series if pair % 2 == 0 else cell.series[::-1]
        for series in order:
            where = f"{mode} {size} B, {queues} queue pairs, pair {pair + 1} of {options.pairs}, " \
                    f"{series.combination}"
            series.runs.append(measure_again(where, series.combination, mode, size, queues,
                                             options.seconds, options.warmup))
            progress(f"{where}: {series.runs[-1]:.2f} Mpps")
    progress("")
    return cell


def progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
    elif text:
        print(text, file=sys.stderr, flush=True)


def print_table(cells: list[Cell], base: str) -> None:
    print(f"{'ring':<21} {'bytes':>5} {'queues':>6}  {'combination':<14} {'median':>8} "
          f"{'best':>8} {'worst':>8}   {'ratio of medians':>16} {'of bests':>8}")
    print(f"{'':<21} {'':>5} {'':>6}  {'':<14} {'Mpps':>8} {'Mpps':>8} {'Mpps':>8}"
          f"   {'to ' + base:>16}")
    for cell in cells:
        for series in cell.row()["series"]:
            print(f"{cell.mode:<21} {cell.size:>5} {cell.queues:>6}  {series['combination']:<14} "
                  f"{series['median']:>8.2f} {series['best']:>8.2f} {min(series['runs']):>8.2f}   "
                  f"{series['ratio_median']:>16.2f} {series['ratio_best']:>8.2f}")


def machine() -> dict:
    """What a reader of the JSON needs to place the figures."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "-C", SOURCE_ROOT, "describe", "--always", "--dirty"],
                            capture_output=True, text=True, check=False).stdout.strip()
    dpdk = subprocess.run(["pkg-config", "--modversion", "libdpdk"], capture_output=True,
                          text=True, check=False).stdout.strip()
    return {"cpu": model, "cores": len(cores()), "kernel": platform.release(), "dpdk": dpdk,
            "commit": commit, "hugepages": free_hugepages_mb() > 0}


def parse_options() -> argparse.Namespace:
    def words(known):
        def split(text: str) -> list[str]:
            chosen = text.split(",")
            for word in chosen:
                if word not in known:
                    raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(known)}")
            return chosen
        return split

    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, metavar="N",
                        help="runs of each combination in each cell (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=2, metavar="S",
                        help="length of the measured interval (default %(default)s)")
    parser.add_argument("--warmup", type=float, default=0.5, metavar="S",
                        help="time between start and measurement (default %(default)s)")
    parser.add_argument("--sizes", default=[64, 1518], metavar="BYTES,...",
                        type=lambda t: [int(s) for s in t.split(",")],
                        help="frame sizes (default 64,1518)")
    parser.add_argument("--modes", type=words(MODES), metavar="M,...",
                        help=f"ring modes (default split,packed) of {', '.join(MODES)}")
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--combinations", type=words(COMBINATIONS), default=["ours", "theirs"],
                      metavar="C,...", help="what to compare; ratios are to the last one "
                      f"(default ours,theirs) of {', '.join(COMBINATIONS)}")
    ends.add_argument("--mixed", action="store_const", dest="combinations", const=[
                      "ours", "ours+theirs", "theirs+ours", "theirs"],
                      help="all four combinations: shows which of our ends is the slower one")
    ends.add_argument("--back-end", action="store_true",
                      help="our back end against theirs, both in their program and under their "
                      "front end: in all ring modes unless --modes chooses among them, and, "
                      "unless --queues says how many, with two queue pairs as well")
    ends.add_argument("--front-end", action="store_true",
                      help="our front end against theirs, both in their program and on their "
                      "back end, in all ring modes, with and without vectors, unless --modes "
                      "chooses among them, and, unless --queues says how many, with two queue "
                      "pairs as well")
    parser.add_argument("--queues", type=int, metavar="N", help="queue pairs (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="where to write all figures (default BUILD/bench.json)")
    options = parser.parse_args()
    if options.back_end:
        options.combinations = ["loaded+theirs", "theirs"]
        options.modes = options.modes or SCALAR_MODES
    if options.front_end:
        options.combinations = ["theirs+loaded", "theirs"]
        options.modes = options.modes or list(MODES)
    options.modes = options.modes or ["split", "packed"]
    no_queues = options.queues is not None and options.queues < 1
    if options.pairs < 1 or no_queues or options.seconds <= 0 or options.warmup < 0:
        parser.error("--pairs, --queues and --seconds are positive numbers")
    if any(not 60 <= size <= 2048 for size in options.sizes):
        parser.error("--sizes are between 60 and 2048 bytes, what one buffer of testpmd holds")
    return options


def rows(options: argparse.Namespace) -> list[tuple[str, int, int]]:
    """Mode, frame size and queue pairs of each row of the table."""
    table = [(mode, size, options.queues or 1)
             for mode in options.modes for size in options.sizes]
    if (options.back_end or options.front_end) and options.queues is None:
        table += [(mode, options.sizes[0], 2)
                  for mode in ("split", "packed") if mode in options.modes]
    return table


def main() -> int:
    options = parse_options()
    if len(cores()) < 2:
        print("bench: needs two cores, one for each end", file=sys.stderr)
        return 1
    if sanitized():
        print(f"bench: {BUILD_DIR} is built with {SANITIZE}: its figures would say nothing",
              file=sys.stderr)
        return 1
    try:
        cells = [measure_cell(options, *row) for row in rows(options)]
    except (Failure, Skip) as why:
        print(f"bench: {why}", file=sys.stderr)
        return 1
    about = machine()
    print(f"{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}, DPDK {about['dpdk']}, "
          f"{'hugepages' if about['hugepages'] else 'no hugepages'}, commit {about['commit']}, "
          f"{options.pairs} pairs of {options.seconds:g} s")
    print_table(cells, options.combinations[-1])
    file = options.json or BUILD_DIR / "bench.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"machine": about, "pairs": options.pairs,
                                "seconds": options.seconds,
                                "cells": [cell.row() for cell in cells]}, indent=2) + os.linesep)
    print(f"all figures: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
