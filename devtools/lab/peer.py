# SPDX-License-Identifier: BSD-3-Clause
"""A process on the host that serves a guest's device."""
import os
import select
import shlex
import signal
import subprocess
import tempfile
import time

from .child import bound_to_us, end_session

READY_SECONDS = 60
END_SECONDS = 30
EXIT_SKIP = 77


class PeerFailed(Exception):
    """The process did not begin, or did not end, as it should."""


class PeerSkips(PeerFailed):
    """The process cannot do its work on this machine; the message says why."""


def in_directory(words: str, directory: str) -> str:
    """These words with what is known only when there is a directory: {dir}, and {name}, its last part."""
    return words.replace("{dir}", directory).replace("{name}", os.path.basename(directory))


class Scratch:
    """A new directory, which is gone when this process is, be it killed."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="lab-")
        try:
            # Reads until nobody can write any more: nobody but us has the other end.
            self._remover = subprocess.Popen(
                ["sh", "-c", 'read -r _; exec rm -rf -- "$0"', self.path], stdin=subprocess.PIPE,
                start_new_session=True)
        except BaseException:
            os.rmdir(self.path)
            raise

    def close(self) -> None:
        self._remover.stdin.close()
        self._remover.wait()


class Peer:
    """Starts a command and waits until it has printed the line "ready"; a context manager.

    directory is a new directory for its sockets, and what {dir} in the command stands for; {name} is its
    last part. With no command it is just that directory. What the command prints goes to standard error;
    if it ends with status 77, before it is ready, its last line says why it cannot do its work here.
    """

    def __init__(self, command: str):
        self.command = command
        self._scratch = Scratch()
        self.directory = self._scratch.path
        self._child = None

    def __enter__(self) -> "Peer":
        if self.command:
            try:
                self._start()
            except BaseException:
                self._kill()
                raise
        return self

    def __exit__(self, kind, _value, _trace) -> None:
        try:
            if self._child and kind is None:
                self._end()
        finally:
            self._kill()

    def _start(self) -> None:
        argv = shlex.split(in_directory(self.command, self.directory))
        try:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=bound_to_us(),
                start_new_session=True, env={**os.environ, "LAB_DIR": self.directory})
        except OSError as error:
            raise PeerFailed(f"cannot start the peer {argv[0]}: {error.strerror}") from error
        deadline = time.monotonic() + READY_SECONDS
        said = b""
        while b"\nready\n" not in b"\n" + said:
            readable, _, _ = select.select([self._child.stdout], [], [],
                                           max(0, deadline - time.monotonic()))
            if not readable:
                raise PeerFailed(f"the peer '{self.command}' was not ready within "
                                 f"{READY_SECONDS} s")
            data = os.read(self._child.stdout.fileno(), 4096)
            if not data:
                self._raise_early_end(self._child.wait(), said.decode(errors="replace").strip())
            said += data

    def _raise_early_end(self, status: int, said: str) -> None:
        if status == EXIT_SKIP:
            raise PeerSkips((said.splitlines() or ["no reason given"])[-1])
        raise PeerFailed(f"the peer '{self.command}' ended with status {status} before it was "
                         f"ready: {said}")

    def _end(self) -> None:
        """A peer that has gone wrong, or does so when asked to end, makes the run fail."""
        self._child.send_signal(signal.SIGTERM)
        try:
            said, _ = self._child.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            raise PeerFailed(f"the peer '{self.command}' did not end within {END_SECONDS} s of "
                             "SIGTERM") from None
        if self._child.returncode not in (0, -signal.SIGTERM):
            raise PeerFailed(f"the peer '{self.command}' ended with status "
                             f"{self._child.returncode}: {said.decode(errors='replace').strip()}")

    def _kill(self) -> None:
        if self._child:
            end_session(self._child)
            self._child.stdout.close()
        self._scratch.close()
