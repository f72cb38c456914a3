# SPDX-License-Identifier: BSD-3-Clause
"""Drivers of ours in the distribution's dpdk-testpmd, which has some of the same names itself."""
import re
import shutil
import stat
from pathlib import Path

from .drop_in import mapped
from .result import check
from .testpmd import Testpmd, distribution
from .workspace import Workspace, built


def loadable(workspace: Workspace, driver: str) -> Path:
    """The library of a driver, or a copy: EAL loads nothing from below a directory that all may write,
    which a build below /tmp is."""
    library = built(f"drivers/librte_{driver}.so").resolve()
    if not any(parent.stat().st_mode & stat.S_IWOTH for parent in library.parents):
        return library
    return Path(shutil.copy2(library, workspace.private_dir()))


class Loaded(Testpmd):
    """The distribution's testpmd with a driver of ours for all of its devices."""

    def __init__(self, workspace: Workspace, driver: str, core: int, vdevs: list[str],
                 args: list[str] = (), eal: list[str] = (), **options):
        self._devices = [vdev.split(",")[0] for vdev in vdevs]
        self._library = loadable(workspace, driver)
        super().__init__(workspace, "theirs", distribution(), core, vdevs, args,
                         ["-d", self._library, *eal], **options)

    def wait_prompt(self) -> None:
        """Wait for it, and see that it is our driver that has the devices."""
        super().wait_prompt()
        check(str(self._library) in mapped(self), f"{self._library} to be loaded")
        for device in self._devices:
            check(re.search(rf"\b{device}: driver \w+ of dpdk-vdpa ", self.text) is not None,
                  f"the log to say that our driver has {device}, got:\n{self.tail()}")
