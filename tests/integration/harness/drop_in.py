# SPDX-License-Identifier: BSD-3-Clause
"""Programs of the distribution, unchanged, that find our librte_vhost where they look for theirs."""
import functools
import subprocess
from pathlib import Path

from .process import Process
from .result import Failure, check
from .workspace import Workspace, built, preload


def environment() -> dict[str, str]:
    """Our library first, and every symbol looked up at once: one that is missing ends the program."""
    return {"LD_LIBRARY_PATH": str(library().parent), "LD_BIND_NOW": "1", **preload()}


@functools.cache
def their_environment() -> dict[str, str]:
    """Their library first, even where ours is installed for all programs."""
    libdir = subprocess.run(["pkg-config", "--variable=libdir", "libdpdk"], capture_output=True, text=True,
                            check=True).stdout.strip()
    return {"LD_LIBRARY_PATH": libdir}


def library() -> Path:
    """Our library, under the name that programs ask the loader for."""
    found = [path for path in built("lib/vhost").iterdir()
             if path.name.startswith("librte_vhost.so.") and path.is_file()]
    if len(found) != 1:
        raise Failure(f"expected one shared librte_vhost, got {found}")
    return found[0]


def mapped(process: Process) -> set[str]:
    """The files that a process has mapped."""
    with open(f"/proc/{process.pid}/maps", encoding="utf-8") as maps:
        return {fields[5] for fields in (line.split(maxsplit=5) for line in maps.read().splitlines())
                if len(fields) == 6}


def check_runs_on_ours(process: Process) -> None:
    vhost = sorted(name for name in mapped(process) if "librte_vhost.so" in name)
    check(vhost == [str(library().resolve())], f"our librte_vhost and no other, got {vhost}")


def check_all_else_is_theirs(workspace: Workspace, process: Process) -> None:
    root = str(built("."))
    ours = sorted(name for name in mapped(process)
                  if name.startswith(root) and not name.startswith(str(workspace.dir)))
    check(ours == [str(library().resolve())], f"nothing else of ours, got {ours}")
