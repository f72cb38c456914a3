# SPDX-License-Identifier: BSD-3-Clause
"""A network namespace behind a tap, for a guest to talk to: addresses and a web server."""
import time
from pathlib import Path

from .process import Process
from .workspace import Workspace, installed

TAP = "vdpatap0"
HOST_ADDRESS = "10.99.0.1"
GUEST_ADDRESS = "10.99.0.2"
HTTP_PORT = 80
START_SECONDS = 30


class GuestNetwork:
    """The namespace; whoever serves the guest runs in it and makes the tap TAP there."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self.netns = workspace.network_namespace()

    def tap_up(self) -> None:
        """Give the tap its address, once there is one."""
        for line in (f"addr add {HOST_ADDRESS}/24 dev {TAP}", f"link set {TAP} up"):
            self.workspace.run([installed("ip", "iproute2"), *line.split()], netns=self.netns)

    def serve(self, directory: Path) -> Process:
        """Serve the files of a directory over HTTP."""
        server = self.workspace.start(
            "httpd", [installed("busybox", "busybox-static"), "httpd", "-f", "-p",
                      f"{HOST_ADDRESS}:{HTTP_PORT}", "-h", directory], netns=self.netns)
        deadline = time.monotonic() + START_SECONDS
        listens = f":{HTTP_PORT:04X} 00000000:0000 0A "
        while listens not in Path(f"/proc/{server.pid}/net/tcp").read_text():
            if not server.running or time.monotonic() > deadline:
                raise server.failure("does not listen")
            time.sleep(0.01)
        return server


def guest_up(guest, interface: str = "eth0") -> None:
    """Give the guest's interface its address."""
    guest.check(f"ip addr add {GUEST_ADDRESS}/24 dev {interface}")
    guest.check(f"ip link set {interface} up")
