#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vfio --device virtio-net,driver=vfio-pci,ids=8086:001a
"""The distribution's driver for IFC devices, in the distribution's dpdk-testpmd, registers its device
with our librte_vhost instead of theirs."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness.drop_in import check_runs_on_ours, environment, mapped  # noqa: E402
from harness.result import check  # noqa: E402
from harness.runner import run  # noqa: E402
from harness.telemetry import ask  # noqa: E402
from harness.testpmd import PROMPT, START_SECONDS, distribution  # noqa: E402
from harness.workspace import Workspace  # noqa: E402

ADDRESS = os.environ.get("LAB_DEVICES", "").split(" ", maxsplit=1)[0]
VERSION_1 = 1 << 32


def distribution_driver_registers_with_ours(workspace: Workspace) -> None:
    eal = workspace.eal_args(0, "ifc")
    eal.remove("--no-pci")
    testpmd = workspace.start("testpmd", [distribution(), *eal, "-a", f"{ADDRESS},vdpa=1", "--", "-i",
                                          "--total-num-mbufs=8192"], env=environment())
    testpmd.expect(rf"Probe PCI driver: net_ifcvf.*{ADDRESS}", START_SECONDS, 0)
    testpmd.expect(PROMPT, START_SECONDS)
    check_runs_on_ours(testpmd)
    check(any("librte_vdpa_ifc.so" in name for name in mapped(testpmd)),
          "the distribution's driver to be loaded")
    devices, info = ask(testpmd, "/vdpa/list", f"/vdpa/info,{ADDRESS}")
    check(devices == [ADDRESS], f"{ADDRESS} to be registered with our library, got {devices}")
    check(info["type"] == "net" and info["vrings"] == 2, f"one queue pair, got {info}")
    check(int(info["features"], 0) & VERSION_1, f"virtio 1, got {info}")
    testpmd.send("quit")
    status = testpmd.wait(START_SECONDS)
    check(status == 0, f"testpmd to end with 0, got {status}")


if __name__ == "__main__":
    run(distribution_driver_registers_with_ours)
