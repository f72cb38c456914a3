#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""DPDK takes more memory, and gives it back, while frames of our front end flow: none is lost.

Hugepages are a file each, which the back end is told of one by one, or all of them in one file, which
grows. The distribution's back end is told all of it anew, with queues paused, and takes 8 files.
VDPA_EVERY_MODE, if not empty, asks for more rounds.
"""
from functools import partial

from harness.backends import sim_device, vhost_port
from harness.front import EVERY_MODE
from harness.process import Process
from harness.result import Skip, check
from harness.runner import run
from harness.testpmd import distribution, vdev
from harness.workspace import built, free_hugepages_mb

ROUNDS = 200 if EVERY_MODE else 5
MEMORY_MB = 8           # at first
MORE_MB = 32            # in a round
BACKEND_MB = 128
SECONDS = 120
BACKENDS = {
    "vhost": vhost_port,
    "sim": sim_device,
    "theirs": partial(vhost_port, program=distribution, retry=True),
}


def require_hugepages() -> None:
    need = BACKEND_MB + MEMORY_MB + MORE_MB
    if free_hugepages_mb() < need:
        raise Skip(f"needs {need} MB of free hugepages: without them, memory does not grow")


def growing(workspace, socket, one_file: bool, packed: bool = False,
            memory_mb: int = MEMORY_MB) -> Process:
    eal = workspace.eal_args(1, "growing", memory_mb, huge=True)
    if not one_file:
        eal.remove("--single-file-segments")
    return workspace.start("growing", [built("tests/integration/growing"), *eal, "--vdev",
                                       vdev("net_virtio_user0", path=socket, packed_vq=packed),
                                       "--", ROUNDS])


def none_is_lost(workspace, kind: str, one_file: bool, packed: bool) -> None:
    require_hugepages()
    socket = workspace.path("socket")
    backend = BACKENDS[kind](workspace, [socket])
    front = growing(workspace, socket, one_file, packed)
    status = front.wait(SECONDS)
    check(status == 0, f"status 0, got {status}")
    front.expect(r"^\d+ frames, heap grown ", start=0)
    backend.quit()


def too_many_files_are_refused(workspace) -> None:
    require_hugepages()
    socket = workspace.path("socket")
    backend = BACKENDS["theirs"](workspace, [socket])
    front = growing(workspace, socket, one_file=False, memory_mb=2 * MORE_MB)
    check(front.wait(SECONDS) != 0, "the port not to start")
    lines = [line for line in front.text.splitlines() if line.startswith("net_virtio_user0: ")]
    check(len(lines) == 2 and "takes 8: start with --single-file-segments" in lines[1],
          f"whose driver it is, and a line that says what to do, got {lines}")
    backend.quit()


def case(kind: str, one_file: bool, packed: bool):
    name = f"{kind}_{'one_file' if one_file else 'many_files'}_{'packed' if packed else 'split'}"
    return name, lambda workspace: none_is_lost(workspace, kind, one_file, packed)


if __name__ == "__main__":
    run(case("vhost", False, False), case("vhost", True, True), case("sim", False, True),
        case("sim", True, False), case("theirs", True, True), too_many_files_are_refused)
