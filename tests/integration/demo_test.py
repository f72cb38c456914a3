#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""devtools/demo.sh: both ends count the same in each of its forms, and it fails where they do not."""
import importlib.util
import os
import re
import signal
from pathlib import Path

from harness.guest import require_kernel
from harness.process import Process
from harness.result import check
from harness.runner import run
from harness.workspace import BUILD_DIR, SOURCE_ROOT, free_hugepages_mb, require_root

SECONDS = 120


def demo(workspace, *arguments: str, env: dict | None = None) -> Process:
    return workspace.start("demo", [SOURCE_ROOT / "devtools" / "demo.sh", "--no-setup", *arguments],
                           env={"BUILD": str(BUILD_DIR), **(env or {})})


def agrees(workspace, *arguments: str, queues: int = 1, memory: str = "", env=None) -> None:
    shown = demo(workspace, "--seconds", "1", *arguments, env=env)
    status = shown.wait(SECONDS)
    text = shown.text
    check(status == 0, f"status 0, got {status}:\n{text}")
    check(memory in text.splitlines()[1], f"'{memory}' to be told first, got:\n{text}")
    check("frames/s" in text, f"a table of rates, got:\n{text}")
    of_queue = re.findall(r"^queue (\d+) +\S+ +[1-9][\d,]* +[1-9][\d,]* +\S+$", text, re.M)
    check(of_queue == [str(queue) for queue in range(queues)],
          f"frames of {queues} queues, got:\n{text}")
    total = re.search(r"^all +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)$", text, re.M)
    check(total is not None, f"all queues' frames, got:\n{text}")
    sent, taken, given, got = total.groups()
    check(sent == taken and given == got, f"equal counts on both ends, got:\n{text}")
    check(f"\ndemo: both ends agree: {sent} frames from the " in text and
          text.endswith(f"{got} back\n"), f"the summary to say so, got:\n{text}")


def split(workspace) -> None:
    agrees(workspace, memory="ordinary" if free_hugepages_mb() == 0 else "hugepages, ")


def packed_on_two_queues(workspace) -> None:
    agrees(workspace, "--packed", "--queues", "2", queues=2)


def without_hugepages(workspace) -> None:
    agrees(workspace, memory="ordinary memory", env={"VDPA_NO_HUGE": "1"})


def guest(workspace) -> None:
    require_root("give the guest a tap")
    require_kernel()
    agrees(workspace, "--guest", "--packed")


def below(pid: int) -> list[int]:
    """All processes that descend from one."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = [int(word) for word in file.read().split()]
    return children + [descendant for child in children for descendant in below(child)]


def device_that_dies(workspace) -> None:
    """The table ends, and the status says that something was wrong."""
    shown = demo(workspace, "--seconds", "600")
    shown.expect("front end sent", SECONDS)
    device = [pid for pid in below(shown.pid)
              if "--vdpa=vdpa_sim0" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")]
    check(len(device) == 1, f"one process with the device, got {device}")
    os.kill(device[0], signal.SIGKILL)
    status = shown.wait(SECONDS)
    check(status == 1 and "demo: FAILED: " in shown.text,
          f"status 1 and what has failed, got {status}:\n{shown.text}")


def counts_that_differ(_workspace) -> None:
    """Frames lost in either direction, or none at all, are no success."""
    spec = importlib.util.spec_from_file_location("demo", SOURCE_ROOT / "devtools" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def judged(*frames: int | None) -> bool:
        counts = [None if n is None else module.Count(n, 64 * n) for n in frames]
        return module.summary([module.Row("all", *counts)], "front end")

    check(judged(9, 9, 8, 8), "counts that agree to be right")
    for wrong in ((9, 8, 8, 8), (9, 9, 9, 8), (0, 0, 0, 0), (9, 9, 0, 0)):
        check(not judged(*wrong), f"counts of {wrong} frames to be wrong")


def wrong_options(workspace) -> None:
    for arguments in (["--queues", "33"], ["--seconds", "0"], ["--seconds"], ["--colour"]):
        shown = demo(workspace, *arguments)
        status = shown.wait(SECONDS)
        check(status == 2 and len(shown.text.splitlines()) == 1 and arguments[0] in shown.text,
              f"status 2 and one line about {arguments[0]}, got {status}:\n{shown.text}")


if __name__ == "__main__":
    run(split, packed_on_two_queues, without_hugepages, guest, device_that_dies,
        counts_that_differ, wrong_options)
