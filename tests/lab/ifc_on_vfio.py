#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vfio --device virtio-net,driver=vfio-pci,ids=8086:001a,iommu_platform=off,ats=off
# lab: --device virtio-net
"""VFIO behind an IOMMU: a virtio device that looks like an IFC one is alone in its group, and the
distribution's driver for those probes it through VFIO."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.result import check  # noqa: E402
from harness.runner import run  # noqa: E402
from harness.testpmd import PROMPT, START_SECONDS, distribution  # noqa: E402
from harness.workspace import Workspace  # noqa: E402

ADDRESS = os.environ.get("LAB_DEVICES", "").split(" ", maxsplit=1)[0]
SYSFS = Path("/sys/bus/pci/devices") / ADDRESS


def alone_in_its_group(_workspace: Workspace) -> None:
    members = sorted(path.name for path in (SYSFS / "iommu_group" / "devices").iterdir())
    check(members == [ADDRESS], f"{ADDRESS} alone in its IOMMU group, got {members}")
    group = Path("/dev/vfio") / (SYSFS / "iommu_group").resolve().name
    check(group.is_char_device(), f"{group} to be a device")


def distribution_driver_probes(workspace: Workspace) -> None:
    eal = workspace.eal_args(0, "ifc")
    eal.remove("--no-pci")
    testpmd = workspace.start("testpmd", [distribution(), *eal, "-a", f"{ADDRESS},vdpa=1",
                                          "--log-level=pmd.vdpa.*:debug", "--", "-i", "--total-num-mbufs=8192"])
    testpmd.expect(rf"Probe PCI driver: net_ifcvf.*{ADDRESS}", START_SECONDS, 0)
    testpmd.expect(r"support 1 queue pairs", START_SECONDS, 0)
    testpmd.expect(PROMPT, START_SECONDS)
    fds = [os.readlink(fd) for fd in Path(f"/proc/{testpmd.pid}/fd").iterdir()]
    check(any("vfio" in fd for fd in fds), f"the device to be open through VFIO, got {fds}")
    testpmd.send("quit")
    status = testpmd.wait(START_SECONDS)
    check(status == 0, f"testpmd to end with 0, got {status}")


if __name__ == "__main__":
    run(alone_in_its_group, distribution_driver_probes)
