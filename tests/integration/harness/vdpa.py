# SPDX-License-Identifier: BSD-3-Clause
"""What dpdk-vdpa-testpmd says about its vDPA devices."""
import re

from .result import Failure
from .testpmd import Testpmd


def vdpa_stats(testpmd: Testpmd, device: str) -> list[dict[str, int]]:
    """Counters of each queue of a device: queue 2n receives, queue 2n+1 transmits."""
    text = testpmd.command(f"vdpa stats {device}")
    queues = re.split(rf"^#+ vDPA statistics for device {device} queue \d+$", text, flags=re.M)[1:]
    if not queues:
        raise Failure(f"{testpmd.name}: vdpa stats {device} has no queue:\n{text}")
    return [{name: int(value) for name, value in re.findall(r"^(\w+): (\d+)$", queue, re.M)}
            for queue in queues]


def await_frontend(testpmd: Testpmd, device: str) -> None:
    """Wait until a front end runs the device."""
    testpmd.until(f"{device} ready",
                  lambda: re.search(rf"^{device} .* ready ", testpmd.command("vdpa list"), re.M))
