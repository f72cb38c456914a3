#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The part of demo.sh that runs the processes, reads their counters and judges."""
import argparse
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))

from harness.backends import sim_device  # noqa: E402
from harness.guest import Guest, Nic  # noqa: E402
from harness.guest_network import HOST_ADDRESS, TAP, GuestNetwork, guest_up  # noqa: E402
from harness.numbered import start_numbered, stop_numbered  # noqa: E402
from harness.result import Failure, Skip  # noqa: E402
from harness.testpmd import Testpmd, ours, vdev  # noqa: E402
from harness.vdpa import vdpa_stats  # noqa: E402
from harness.workspace import Workspace, cores, free_hugepages_mb  # noqa: E402

SETTLE_SECONDS = 30
FILE_MB = 64


@dataclass
class Count:
    packets: int = 0
    bytes: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.packets + other.packets, self.bytes + other.bytes)

    def __sub__(self, other: "Count") -> "Count":
        return Count(self.packets - other.packets, self.bytes - other.bytes)


@dataclass
class Row:
    """Counters of a queue pair, or of all of them: both directions, at both ends."""
    name: str
    sent: Count | None      # by the front end; None where it does not count by queue
    taken: Count            # by the device
    given: Count            # by the device
    received: Count | None  # by the front end

    @property
    def counts(self) -> list[Count | None]:
        return [self.sent, self.taken, self.given, self.received]

    def since(self, before: "Row") -> "Row":
        return Row(self.name, *(a and b and a - b for a, b in zip(self.counts, before.counts)))

    def agrees(self) -> bool:
        """Frames, not bytes: ends differ in whether they count headers and padding."""
        return all(one is None or one.packets == other.packets
                   for one, other in ((self.sent, self.taken), (self.received, self.given)))


def device_rows(device: list[dict[str, int]]) -> list[Row]:
    """A row for each queue pair, as far as the device knows."""
    rings = [Count(ring["packets"], ring["bytes"]) for ring in device]
    return [Row(str(q), None, rings[2 * q + 1], rings[2 * q], None) for q in range(len(rings) // 2)]


def total(rows: list[Row]) -> Row:
    return Row("all", *(None if None in column else sum(column, Count())
                        for column in zip(*(row.counts for row in rows))))


class VirtioUser:
    """The front end is a virtio-user port, which numbers its frames and checks what comes back."""
    what = "virtio-user port"

    def __init__(self, workspace: Workspace, options: argparse.Namespace):
        socket = workspace.path("socket")
        self.backend = sim_device(workspace, [socket], options.queues)
        self.frontend = Testpmd(
            workspace, "front-end", ours(), 1,
            [vdev("net_virtio_user0", path=socket, queues=options.queues,
                  packed_vq=options.packed)],
            [f"--rxq={options.queues}", f"--txq={options.queues}"], polls=True)

    def start(self) -> None:
        start_numbered(self.frontend, window=128)

    def stop(self) -> None:
        stop_numbered(self.frontend)
        # What the device still gives after the last look into the ring is received as well.
        self.frontend.command("set fwd rxonly")
        self.frontend.command("start")

    def rows(self) -> list[Row]:
        port, rows = self.frontend.xstats(), device_rows(vdpa_stats(self.backend, "vdpa_sim0"))
        for row in rows:
            row.sent, row.received = (
                Count(*(port[f"{direction}_q{row.name}_{unit}"] for unit in ("packets", "bytes")))
                for direction in ("tx", "rx"))
        return rows + [total(rows)]

    def end(self) -> None:
        self.frontend.command("stop")
        self.frontend.quit()
        self.backend.quit()


class LinuxGuest:
    """The front end is Linux in QEMU, which counts for all of its queues together."""
    what = "guest's virtio_net"

    def __init__(self, workspace: Workspace, options: argparse.Namespace):
        socket, www = workspace.path("socket"), workspace.path("www")
        network = GuestNetwork(workspace)
        self.backend = Testpmd(
            workspace, "device", ours(), 0,
            [vdev("net_tap0", iface=TAP),
             vdev("vdpa_sim0", queues=options.queues, mode="port", port="net_tap0")],
            [f"--vdpa=vdpa_sim0={socket}"], netns=network.netns)
        network.tap_up()
        www.mkdir()
        with open(www / "file", "wb") as file:
            file.truncate(FILE_MB << 20)
        network.serve(www)
        print("demo: the guest boots", flush=True)
        self.guest = Guest(workspace, "guest", [Nic(
            socket, queues=options.queues, properties="packed=on" if options.packed else "")],
            cpus=max(2, options.queues))

    def start(self) -> None:
        guest_up(self.guest)
        # In a shell of its own: the one on the console would tell when the job ends.
        self.guest.check("(while wget -q -O /dev/null http://" + HOST_ADDRESS +
                         "/file; do :; done >/dev/null 2>&1 & echo $! >/tmp/fetching)")

    def stop(self) -> None:
        self.guest.check("kill $(cat /tmp/fetching); killall wget; true")

    def rows(self) -> list[Row]:
        names = [f"{d}_{unit}" for d in ("tx", "rx") for unit in ("packets", "bytes")]
        values = [int(v) for v in self.guest.check(
            "cd /sys/class/net/eth0/statistics; cat " + " ".join(names)).split()]
        rows = device_rows(vdpa_stats(self.backend, "vdpa_sim0"))
        every = total(rows)
        every.sent, every.received = Count(*values[:2]), Count(*values[2:])
        return rows + [every]

    def end(self) -> None:
        self.guest.power_off()
        self.backend.quit()


HEAD = ["front end sent", "device took", "device gave", "front end got"]


def print_rates(rows: list[Row], seconds: float, elapsed: float, redraw: bool) -> None:
    lines = [f"{elapsed:5.0f} s  " + "".join(f"{name:>26}" for name in HEAD),
             "queue    " + 4 * f"{'frames/s':>13}{'Mbit/s':>13}"]
    for row in rows:
        lines.append(f"{row.name:<9}" + "".join(
            f"{count.packets / seconds:>13,.0f}{8 * count.bytes / seconds / 1e6:>13,.1f}"
            if count else f"{'-':>13}{'-':>13}" for count in row.counts))
    if redraw:
        sys.stdout.write(f"\x1b[{len(lines)}A")
    print("".join(f"{line}\x1b[K\n" if sys.stdout.isatty() else f"{line}\n" for line in lines),
          end="", flush=True)


def show_rates(end, seconds: int) -> None:
    began = moment = time.monotonic()
    before, first = end.rows(), True
    while moment - began < seconds:
        end.backend.until_time(moment + min(1, began + seconds - moment))
        now, rows = time.monotonic(), end.rows()
        print_rates([row.since(old) for row, old in zip(rows, before)], now - moment, now - began,
                    not first and sys.stdout.isatty())
        before, moment, first = rows, now, False


def settled(end) -> list[Row]:
    """Counters once nothing is on its way any more."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        rows = end.rows()
        if all(row.agrees() for row in rows) or time.monotonic() > deadline:
            return rows


def summary(rows: list[Row], what: str) -> bool:
    """Print the counts of both ends; returns whether they agree and are not zero."""
    print("\nframes   " + "".join(f"{name:>18}" for name in HEAD))
    for row in rows:
        print(f"{row.name if row is rows[-1] else 'queue ' + row.name:<9}" +
              "".join(f"{count.packets:>18,}" if count else f"{'-':>18}" for count in row.counts))
    everything = rows[-1]
    if not all(row.agrees() for row in rows):
        print("demo: FAILED: the counts of both ends differ")
        return False
    if not everything.sent.packets or not everything.received.packets:
        print("demo: FAILED: no frames in one direction")
        return False
    print(f"demo: both ends agree: {everything.sent.packets:,} frames from the {what} to the vDPA "
          f"device, {everything.received.packets:,} back")
    return True


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--queues", type=int, default=1)
    parser.add_argument("--packed", action="store_true")
    parser.add_argument("--guest", action="store_true")
    return parser.parse_args()


def terminated(_number, _frame) -> None:
    raise SystemExit("demo: terminated")


def main() -> int:
    options = parse_options()
    signal.signal(signal.SIGTERM, terminated)
    print(f"demo: {'hugepages' if free_hugepages_mb() else 'no hugepages free: ordinary memory'}, "
          f"{len(cores())} cores, {'packed' if options.packed else 'split'} rings, "
          f"{options.queues} queue pair{'s' if options.queues > 1 else ''}", flush=True)
    try:
        with Workspace("demo") as workspace:
            try:
                end = (LinuxGuest if options.guest else VirtioUser)(workspace, options)
                print(f"demo: {end.what} <-> vhost-user socket <-> vDPA device vdpa_sim0\n",
                      flush=True)
                end.start()
                show_rates(end, options.seconds)
                end.stop()
                agree = summary(settled(end), end.what)
                end.end()
                return 0 if agree else 1
            except Failure:
                workspace.report()
                raise
    except (Failure, Skip) as why:
        print(f"demo: FAILED: {why}", file=sys.stderr)
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
