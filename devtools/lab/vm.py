# SPDX-License-Identifier: BSD-3-Clause
"""A guest that runs one command: its output as it comes, its end, and its time limit."""
import os
import secrets
import selectors
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from .child import bound_to_us
from .kernel import LAB, Kernel
from .machine import Machine

EXIT_TIMEOUT = 124
EXIT_LAB = 125              # the lab itself failed, not the command
BOOT_SECONDS = 240
TAIL_BYTES = 64 << 10
TAIL_LINES = 30
PANIC_LINES = 10            # what led to it
# What a command finds of the environment in which the guest was started.
PASSED_ON = ("PATH", "HOME", "LANG", "TERM", "USER", "LOGNAME")
PASSED_PREFIXES = ("LC_", "VDPA_", "LAB_")


class GuestFailed(Exception):
    """The guest did not run the command to its end; the message says why."""
    status = EXIT_LAB


class TimeIsOver(GuestFailed):
    status = EXIT_TIMEOUT


@dataclass
class Job:
    """What to do in the guest; no command is a person's shell."""
    command: list[str]
    sets: list[str] = field(default_factory=list)
    directory: Path = field(default_factory=Path.cwd)

    def script(self, machine: Machine, token: str) -> bytes:
        """The orders that devtools/lab/init hands the guest over to."""
        def array(words) -> str:
            return "(" + " ".join(shlex.quote(str(word)) for word in words) + ")"

        environment = {name: value for name, value in os.environ.items()
                       if name in PASSED_ON or name.startswith(PASSED_PREFIXES)}
        environment["PATH"] = environment.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
        devices = "\n".join(d.guest_word(i) for i, d in enumerate(machine.devices))
        lines = [f"lab={shlex.quote(str(LAB))}",
                 f"sets={array(self.sets)}", f"command={array(self.command)}",
                 f"directory={shlex.quote(str(self.directory))}", f"token={token}",
                 f"monitor={3 if machine.monitor else ''}",
                 f"export LAB_GUEST=1 LAB_DEVICES={shlex.quote(devices)}"]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
        return ("\n".join(lines) + '\n. "$lab/guest"\n').encode(errors="surrogateescape")


def into(descriptor: int):
    """Writes all it is given to a descriptor."""
    def write(data: bytes) -> None:
        while data:
            data = data[os.write(descriptor, data):]
    return write


class Stream:
    """Bytes of a channel on their way to whom they are for, up to the token."""

    def __init__(self, sink, token: bytes):
        self.sink = sink
        self.token = token
        self.pending = b""
        self.after: bytes | None = None     # what came behind the token

    def feed(self, data: bytes) -> None:
        if self.after is not None:
            self.after += data
            return
        self.pending += data
        at = self.pending.find(self.token)
        if at >= 0:
            self.after = self.pending[at + len(self.token):]
            self._write(at)
            self.pending = b""
        else:
            self._write(len(self.pending) - self._begun())

    def flush(self) -> None:
        self._write(len(self.pending))

    def _begun(self) -> int:
        """How many of the last bytes may be the token's first ones."""
        longest = min(len(self.token) - 1, len(self.pending))
        return next((n for n in range(longest, 0, -1) if self.pending.endswith(self.token[:n])), 0)

    def _write(self, count: int) -> None:
        data, self.pending = self.pending[:count], self.pending[count:]
        if data:
            self.sink(data)


class Errors(Stream):
    """Standard error, with our own words around it: the begin, and the status at the end."""

    def __init__(self, sink, token: bytes):
        super().__init__(sink, token)
        self.begun = False

    def feed(self, data: bytes) -> None:
        super().feed(data)
        if not self.begun and self.after and self.after.startswith(b"+"):
            rest, self.after = self.after[1:], None
            self.begun = True
            super().feed(rest)

    @property
    def status(self) -> int | None:
        after = self.after or b""
        return int(after[1:]) if after.startswith(b"-") and after.endswith(b"\n") else None


class Vm:
    """Boots a machine, runs a job in it, and leaves nothing behind.

    keep_log: file for the console's output. The time limit counts from the emulator's start.
    """

    def __init__(self, kernel: Kernel, machine: Machine, job: Job, timeout: float | None = None,
                 keep_log: Path | None = None):
        self.kernel, self.machine, self.job = kernel, machine, job
        self.timeout = timeout
        self.console = b""
        self.log = open(keep_log, "wb") if keep_log else None
        self.shell = not job.command

    def run(self, out=into(1), err=into(2)) -> int:
        """Returns the command's status; raises GuestFailed if it did not come to an end.

        out and err are called with what the command writes to its standard output and error.
        """
        token = secrets.token_hex(16)
        channels = {name: os.pipe() for name in ("out", "err", "console")}
        initrd = os.memfd_create("initrd")
        with os.fdopen(os.dup(initrd), "wb") as out_file:
            out_file.write(self.kernel.initrd({
                "host": self.job.script(self.machine, token),
                "modules": str(self.kernel.modules).encode()}))
        argv = self.machine.qemu_args(self.kernel, f"/proc/self/fd/{initrd}", "hugepages="
                                      f"{self.machine.memory_mb // 8}") + self._wiring(channels)
        emulator = subprocess.Popen(
            argv, stdin=None if self.shell else subprocess.DEVNULL,
            stdout=None if self.shell else channels["console"][1], stderr=channels["console"][1],
            pass_fds=[initrd] + [end for _, end in channels.values()], preexec_fn=bound_to_us(),
            start_new_session=not self.shell)
        try:
            for _, end in channels.values():
                os.close(end)
            os.close(initrd)
            return self._pump(emulator, {name: end for name, (end, _) in channels.items()},
                              Stream(out, token.encode()), Errors(err, token.encode()))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            emulator.kill()
            emulator.wait()
            for end, _ in channels.values():
                os.close(end)
            if self.log:
                self.log.close()

    def tail(self) -> str:
        """The last lines of the console, from a panic on if there was one."""
        lines = self.console.decode(errors="replace").replace("\r", "").rstrip().splitlines()
        panic = next((at for at, line in enumerate(lines) if "Kernel panic" in line), len(lines))
        return "\n".join(lines[max(0, min(len(lines) - TAIL_LINES, panic - PANIC_LINES)):])

    def _wiring(self, channels: dict[str, tuple[int, int]]) -> list[str]:
        """Serial port, and the channels of the command's output; nothing but it goes through them."""
        def pipe(name: str) -> str:
            return f"file,id={name},path=/proc/self/fd/{channels[name][1]}"

        console = ("stdio,id=console,signal=off,logfile=/proc/self/fd/"
                   f"{channels['console'][1]}") if self.shell else pipe("console")
        return ["-chardev", console, "-serial", "chardev:console",
                "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
                "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
                "-device", "virtio-serial-pci,max_ports=4",
                "-chardev", pipe("out"), "-device", "virtserialport,nr=1,chardev=out,name=out",
                "-chardev", pipe("err"), "-device", "virtserialport,nr=2,chardev=err,name=err",
                *(self._monitor() if self.machine.monitor else [])]

    @staticmethod
    def _monitor() -> list[str]:
        """The emulator connects a third channel to its own monitor."""
        address = f"path=lab-monitor-{secrets.token_hex(8)},abstract=on"
        return ["-chardev", f"socket,id=monitor,{address},server=on,wait=off",
                "-mon", "chardev=monitor,mode=control", "-chardev", f"socket,id=client,{address}",
                "-device", "virtserialport,nr=3,chardev=client,name=monitor"]

    def _pump(self, emulator, ends: dict[str, int], out: Stream, err: Errors) -> int:
        def over(_number, _frame):
            raise TimeIsOver(f"the time limit of {self.timeout:g} s is over")

        signal.signal(signal.SIGALRM, over)
        if self.timeout:
            signal.setitimer(signal.ITIMER_REAL, self.timeout)
        boot_limit = time.monotonic() + BOOT_SECONDS
        sinks = {"out": out.feed, "err": err.feed, "console": self._console}
        with selectors.DefaultSelector() as selector:
            for name, end in ends.items():
                selector.register(end, selectors.EVENT_READ, sinks[name])
            while selector.get_map():
                if not err.begun and time.monotonic() > boot_limit:
                    raise GuestFailed(f"the guest did not come up within {BOOT_SECONDS} s")
                for key, _ in selector.select(None if err.begun else 1):
                    data = os.read(key.fd, 1 << 16)
                    if data:
                        key.data(data)
                    else:
                        selector.unregister(key.fd)
                if out.after is not None and err.status is not None:
                    return err.status
        out.flush()
        err.flush()
        status = emulator.wait()
        if status:
            raise GuestFailed(f"QEMU ended with status {status}")
        raise GuestFailed("the guest died" + ("" if err.begun else " before it ran the command"))

    def _console(self, data: bytes) -> None:
        self.console = (self.console + data)[-TAIL_BYTES:]
        if self.log:
            self.log.write(data)
            self.log.flush()
