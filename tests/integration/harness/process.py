# SPDX-License-Identifier: BSD-3-Clause
"""Child processes on a terminal of their own: wait for what they print, type at them, reap them.

A child's output is drained by a thread at all times, into memory and into a log file, so that no
child ever blocks on a full pipe and nothing is lost when a test fails. Waiting is always for an
event (a line, the end) and always bounded by a deadline.

No child outlives its test: the kernel kills it when the test's process dies, whatever the reason.
"""
import codecs
import os
import pty
import re
import signal
import subprocess
import termios
import threading
import time
import tty
from pathlib import Path

from lab.child import LIBC, die_with, end_session

from .result import Failure

CLONE_NEWNET = 0x40000000

# Terminal control that line editors emit around what they echo.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1bc|[\r\x07]")
UNFINISHED_ESCAPE = re.compile(r"\x1b[\[()]?[0-9;?]*\Z")
TAIL_LINES = 30


class Process:
    """A child on a pty. Usable as a context manager: it is dead and reaped on the way out."""

    def __init__(self, name: str, argv: list, log: Path, env: dict | None = None,
                 netns: int | None = None, cwd: Path | None = None):
        """Start argv; netns is a descriptor of the network namespace it shall run in."""
        self.name = name
        self.argv = [str(a) for a in argv]
        self.log_path = log
        self._text = ""
        self._mark = 0
        self._eof = False
        self._killed = False
        self._news = threading.Condition()
        master, slave = pty.openpty()
        tty.setraw(slave, termios.TCSANOW)
        parent = os.getpid()

        def in_child() -> None:
            # Runs between fork and exec, so only direct calls into libc.
            die_with(parent)
            if netns is not None and LIBC.setns(netns, CLONE_NEWNET) != 0:
                os._exit(126)

        try:
            self._log = open(log, "w", encoding="utf-8", errors="replace")
            self._log.write("$ " + " ".join(self.argv) + "\n")
            self._child = subprocess.Popen(
                self.argv, stdin=slave, stdout=slave, stderr=slave, close_fds=True, cwd=cwd,
                env={**os.environ, **(env or {})}, preexec_fn=in_child, start_new_session=True)
        except OSError as error:
            os.close(master)
            raise Failure(f"{name}: cannot start {argv[0]}: {error}") from error
        finally:
            os.close(slave)
        self._master = master
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_exc) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def text(self) -> str:
        """Everything printed so far."""
        with self._news:
            return self._text

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def tail(self, lines: int = TAIL_LINES) -> str:
        return "\n".join(self.text.rstrip().splitlines()[-lines:])

    def mark(self) -> int:
        """Position in the output that a later expect may start from."""
        with self._news:
            return len(self._text)

    def rewind(self, mark: int) -> None:
        """Let the next expect search from mark on."""
        with self._news:
            self._mark = mark

    def expect(self, pattern: str, timeout: float = 30, start: int | None = None,
               words: str = "") -> re.Match:
        """Wait until pattern (multi-line regular expression) is printed and return its match. A failure
        says words, if there are any, in its place.

        Searches from start, or from behind what the last expect found, and moves that point on.
        Fails when the time is over or when the child ends without having printed it.
        """
        regex = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        with self._news:
            begin = self._mark if start is None else start
            while True:
                match = regex.search(self._text, begin)
                if match:
                    self._mark = match.end()
                    return match
                if self._eof:
                    raise self.failure(f"{self.state()} without printing {words or f'/{pattern}/'}")
                if not self._news.wait(deadline - time.monotonic()):
                    if time.monotonic() >= deadline:
                        raise self.failure(f"did not print {words or f'/{pattern}/'} "
                                           f"within {timeout} s")

    def send(self, line: str) -> None:
        """Type line and return."""
        try:
            os.write(self._master, (line + "\n").encode())
        except OSError as error:
            raise self.failure(f"does not read its terminal any more: {error}") from error

    def signal(self, number: int) -> None:
        if self.running:
            self._child.send_signal(number)

    def wait(self, timeout: float = 30) -> int:
        """Wait for the child to end by itself; returns its status, negative for a signal."""
        try:
            status = self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.failure(f"did not end within {timeout} s") from None
        self._reader.join(5)
        return status

    def terminate(self, timeout: float = 30) -> int:
        """Ask the child to end, wait until it has; returns its status."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """Kill the child and all of its session that still runs, and reap it. Never fails."""
        self._killed |= self.running
        end_session(self._child)
        self._reader.join(5)
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
        self._log.close()

    def failure(self, what: str) -> Failure:
        """A Failure about this child."""
        return Failure(f"{self.name} (pid {self.pid}): {what}")

    def fd_count(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def map_count(self) -> int:
        return len(Path(f"/proc/{self.pid}/maps").read_text().splitlines())

    def resident_kib(self) -> int:
        """Memory that it has in use, in KiB, but for hugepages."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^VmRSS:\s*(\d+) kB", status, re.MULTILINE)[1])

    def state(self) -> str:
        """What has become of the child, in words."""
        if self._killed:
            return "ran until the test ended it"
        if not self._eof and self.running:
            return "runs"
        try:
            code = self._child.wait(5)
        except subprocess.TimeoutExpired:
            return "has closed its terminal"
        return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"

    def _drain(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        carry = ""
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                data = b""  # the pty's way to say that the last writer has gone
            text = carry + decode(data)
            cut = UNFINISHED_ESCAPE.search(text)
            carry = cut.group() if cut and data else ""
            text = ESCAPES.sub("", text[:cut.start()] if carry else text)
            self._log.write(text)
            self._log.flush()
            with self._news:
                self._text += text
                self._eof = not data
                self._news.notify_all()
            if not data:
                return
