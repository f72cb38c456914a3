# SPDX-License-Identifier: BSD-3-Clause
"""Our front end in the programs that it runs in: ours, and the distribution's unmodified dpdk-testpmd.

Ours numbers frames and checks them as they come back. The distribution's cannot, so it passes frames
on between the port under test and another one, behind which a program of ours numbers them:

    ours     numbered frames -> net_virtio_user0 -> back end, which reflects them

    theirs   numbered frames -> net_vhost0 -> net_virtio_user1 -> net_virtio_user0 -> back end
             (a program of ours)             (our driver, in the distribution's program)
"""
import os
from collections.abc import Callable
from pathlib import Path

from .loaded import Loaded
from .numbered import Numbered, frames, run_numbered, seq_stats, start_numbered
from .testpmd import PortStats, Testpmd, ours, vdev
from .workspace import Workspace

EVERY_MODE = bool(os.environ.get("VDPA_EVERY_MODE"))
# Frames on each queue pair that three programs, which poll on perhaps two cores, pass on in a second or two.
PASSED_ON = 5000
RING = 256  # entries, unless they are said
FRAMES = 100_000
GOES_ON = 10_000  # frames
PATIENCE_MS = 200  # until frames that a dead peer had count as lost
MBUFS_MAX = 24576  # rings of two ports with as many queues as there can be take no more
MBUFS_OF_PAIR = 8192
SCATTER = ["--enable-scatter", "--tx-offloads=0x8000"]  # frames of several segments, both ways


class FrontEnd:
    """A net_virtio_user port of ours, and what numbers frames for it.

    testpmd  the program that runs the driver; the port under test is its port 0
    numbers  the program for numbered frames; the same one, if it can do that
    """

    def __init__(self, workspace: Workspace, socket: Path, theirs: bool = False, pairs: int = 1,
                 longest: int = 0, eal: list[str] = (), wait: bool = True,
                 huge: bool | None = None, **arguments):
        """Without wait, the program may need a back end to come up: call ready() when there is one.
        longest is what the longest frame has, if that is more than usual."""
        self.theirs = theirs
        # The more there are on their way, the more pass each time that a program has its turn.
        self.window = min(128 if theirs else 64, arguments.get("queue_size", RING) // 2)
        queues = [f"--rxq={pairs}", f"--txq={pairs}"]
        args = queues + ([f"--max-pkt-len={longest}"] if longest else [])
        port = vdev("net_virtio_user0", path=socket, queues=pairs, **arguments)
        if not theirs:
            self.testpmd = self.numbers = Testpmd(workspace, "frontend", ours(), 1, [port], args,
                                                  eal, huge=huge, wait=wait)
            return
        entry = workspace.path("numbers")
        self.numbers = Testpmd(workspace, "numbers", ours(), 0,
                               [vdev("net_vhost0", iface=entry, queues=pairs)], queues, huge=huge)
        room = {key: arguments[key] for key in ("queue_size", "packed_vq") if key in arguments}
        self.testpmd = Loaded(workspace, "net_virtio", 1,
                              [port, vdev("net_virtio_user1", path=entry, queues=pairs, **room)],
                              args + (SCATTER if longest else []), eal, huge=huge, mbufs=min(MBUFS_MAX, (1 + pairs) * MBUFS_OF_PAIR),
                              wait=False)
        if wait:
            self.ready()

    def __enter__(self) -> "FrontEnd":
        return self

    def __exit__(self, *_exc) -> None:
        self.die()

    def ready(self) -> None:
        """Wait for the prompt of a program that was not waited for."""
        self.testpmd.wait_prompt()
        if self.theirs:
            self.testpmd.command("start")

    def wait_link(self) -> None:
        """Wait until the port under test has a back end."""
        self.testpmd.until("link", lambda: "Link status: up" in
                           self.testpmd.command("show port info 0"))

    def frames(self, count: int) -> int:
        """count of frames, or fewer where they have farther to go."""
        return frames(min(count, PASSED_ON) if self.theirs else count)

    def run(self, count: int, **options) -> Numbered:
        """Have count numbered frames come back on each queue pair."""
        return run_numbered(self.numbers, count, **{"window": self.window, **options})

    def start(self, **options) -> None:
        """Send numbered frames without end, whatever becomes of the back end that has them."""
        start_numbered(self.numbers, **{"window": self.window, "patience_ms": PATIENCE_MS, **options})

    def flows(self) -> None:
        """Numbered frames come back from now on."""
        enough = seq_stats(self.numbers)["received"] + self.frames(GOES_ON)
        self.numbers.until("frames coming back",
                           lambda: seq_stats(self.numbers)["received"] > enough)

    def every_frame_comes_back(self) -> None:
        """What dead peers had in hand is lost; from here on, nothing may be."""
        self.numbers.command("stop")
        self._let_late_ones_in()
        self.run(self.frames(FRAMES // 2))

    def _let_late_ones_in(self) -> None:
        """What waits on its way back since nobody takes it leaves too little room for a window of others:
        one more frame is behind all of it, be it that it finds no room itself."""
        begin = self.numbers.mark()
        start_numbered(self.numbers, 1, window=1, patience_ms=PATIENCE_MS)
        self.numbers.rewind(begin)
        self.numbers.expect(r"^  verdict: \w+$")
        self.numbers.expect(r"^Done\.$")

    def port_stats(self) -> PortStats:
        return self.testpmd.port_stats(0)

    def die(self) -> None:
        """Be killed."""
        self.testpmd.kill()
        self.numbers.kill()

    def quit(self) -> None:
        if self.theirs:
            self.testpmd.command("stop")
        self.testpmd.quit()
        if self.theirs:
            self.numbers.quit()


def both_ends(front: Callable[[bool], FrontEnd], back: Callable[[], Testpmd],
              server: bool) -> tuple[FrontEnd, Testpmd]:
    """Start both ends of a socket; the one that listens, the front end if it is a server, comes first.
    front is told whether it may wait."""
    if not server:
        backend = back()
        return front(True), backend
    frontend = front(False)
    backend = back()
    frontend.ready()
    return frontend, backend
