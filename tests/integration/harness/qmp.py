# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's machine protocol: commands, and events in the order in which they come."""
import json
import socket
import time
from pathlib import Path

from .result import Failure

CONNECT_SECONDS = 30


class Qmp:
    """A connection to the monitor of an emulator that was started with these arguments."""

    @staticmethod
    def qemu_args(path: Path) -> list[str]:
        return ["-qmp", f"unix:{path},server=on,wait=off"]

    def __init__(self, path: Path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(CONNECT_SECONDS)
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise Failure(f"no QEMU monitor on {path}: {error}") from error
                time.sleep(0.02)
        self._lines = self._socket.makefile("rb")
        self._events: list[dict] = []
        self._read()
        self.command("qmp_capabilities")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def command(self, name: str, **arguments):
        self._socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode())
        while True:
            message = self._read()
            if "event" in message:
                self._events.append(message)
            elif "error" in message:
                raise Failure(f"QEMU refused {name}: {message['error']['desc']}")
            else:
                return message["return"]

    def event(self, accept, seconds: float) -> dict:
        """Wait for an event that accept() takes; those before it are dropped."""
        deadline = time.monotonic() + seconds
        while True:
            while self._events:
                event = self._events.pop(0)
                if accept(event):
                    return event
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                message = self._read()
            except TimeoutError:
                raise Failure(f"QEMU told of no such event within {seconds} s") from None
            self._events.append(message)

    def _read(self) -> dict:
        line = self._lines.readline()
        if not line:
            raise Failure("QEMU closed its monitor")
        return json.loads(line)


def moment(event: dict) -> float:
    """When an event happened, in seconds."""
    return event["timestamp"]["seconds"] + event["timestamp"]["microseconds"] / 1e6
