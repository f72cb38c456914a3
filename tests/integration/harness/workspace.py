# SPDX-License-Identifier: BSD-3-Clause
"""What a test stands on: a directory of its own, the machine's cores and memory, and the programs.

Environment variables, all optional (the build sets the first three):
  VDPA_BUILD     build directory of this tree (default: build in the source root)
  VDPA_SANITIZE  b_sanitize of that build (default: none)
  VDPA_COMPILER  what it was compiled with, gcc or clang (default: gcc)
  VDPA_TESTPMD   program to use as dpdk-vdpa-testpmd instead of the one built there
  VDPA_NO_HUGE   not empty: behave as if this machine had no hugepages
"""
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from .process import CLONE_NEWNET, LIBC, Process
from .result import Failure, Skip

SOURCE_ROOT = Path(__file__).resolve().parents[3]
BUILD_DIR = Path(os.environ.get("VDPA_BUILD") or SOURCE_ROOT / "build")
SANITIZE = os.environ.get("VDPA_SANITIZE", "none")
COMPILER = os.environ.get("VDPA_COMPILER", "gcc")
RUN_TIMES = {"gcc": "libasan.so", "clang": f"libclang_rt.asan-{platform.machine()}.so"}
HUGEPAGE_DIR = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
MEMORY_MB = 128
CLONE_NEWNS = 0x20000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
# Where EAL makes a directory for each file prefix, which it never removes.
RUNTIME_DIR = Path(os.environ.get("RUNTIME_DIRECTORY") or
                   ("/var/run" if os.geteuid() == 0 else
                    os.environ.get("XDG_RUNTIME_DIR") or "/tmp")) / "dpdk"
# In /tmp it belongs to the first user who ran EAL, and no other one can run it there.
OTHERS_RUNTIME_DIR = RUNTIME_DIR == Path("/tmp/dpdk")


def sanitized() -> bool:
    return SANITIZE not in ("", "none")


def preload() -> dict[str, str]:
    """A program that is not sanitized needs the sanitizer's run time before libraries that are."""
    if not sanitized():
        return {}
    library = subprocess.run([COMPILER, f"-print-file-name={RUN_TIMES[COMPILER]}"],
                             capture_output=True, text=True, check=True).stdout.strip()
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"}


def built(path: str, override: str = "") -> Path:
    """A product of this tree's build."""
    file = Path(os.environ.get(override) or BUILD_DIR / path)
    if not file.exists():
        raise Skip(f"{file} is not there: build it first (ninja -C {BUILD_DIR})")
    return file


def installed(program: str, package: str) -> Path:
    """A program of the distribution."""
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not found:
        raise Skip(f"{program} is not installed (package {package})")
    return Path(found)


def free_hugepages_mb() -> int:
    if os.environ.get("VDPA_NO_HUGE"):
        return 0
    try:
        return 2 * int((HUGEPAGE_DIR / "free_hugepages").read_text())
    except OSError:
        return 0


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def core_of(number: int) -> int:
    """The core that counts as this number among those that this process may use."""
    usable = cores()
    return usable[number % len(usable)]


def require_root(why: str) -> None:
    if os.geteuid() != 0:
        raise Skip(f"needs root to {why}")


class Workspace:
    """Directory, unique names and children of one test case; on the way out all are gone."""

    def __init__(self, name: str, keep: bool = False):
        self.dir = Path(tempfile.mkdtemp(prefix=f"vdpa-{name}-"[:40]))
        self.keep = keep
        self._processes: list[Process] = []
        self._namespaces: list[int] = []
        self._directories: list[Path] = []
        self._mounts: list[Path] = []
        self._counter = 0
        if OTHERS_RUNTIME_DIR:
            os.environ["XDG_RUNTIME_DIR"] = str(self.dir)

    def __enter__(self) -> "Workspace":
        return self

    def __exit__(self, kind, _value, _trace) -> None:
        for process in reversed(self._processes):
            process.kill()
        for fd in self._namespaces:
            os.close(fd)
        for directory in self._mounts:
            LIBC.umount2(bytes(directory), MNT_DETACH)
        for directory in self._directories:
            shutil.rmtree(directory, ignore_errors=True)
        if self.keep:
            print(f"    kept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def report(self) -> None:
        """Print how the children are and what they said last; for when a case has failed."""
        for process in self._processes:
            print(f"--- {process.name} (pid {process.pid}) {process.state()}; its last words:\n"
                  f"{process.tail()}\n---", flush=True)

    def path(self, name: str) -> Path:
        return self.dir / name

    def private_dir(self) -> Path:
        """A directory that nobody else may write, nor any above it, unlike those in /tmp."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dpdk-vdpa"
        cache.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(dir=cache))
        self._directories.append(directory)
        return directory

    def remove_directory(self, directory: Path) -> None:
        """Have a directory removed when the case ends, if it is there then."""
        self._directories.append(directory)

    def mount(self, kind: str, name: str) -> Path:
        """Mount a file system of that kind, which nobody else sees, below this directory.

        The mount namespace that it is in goes away with us and our children.
        """
        directory = self.path(name)
        directory.mkdir()
        if (LIBC.unshare(CLONE_NEWNS) != 0 or
                LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0 or
                LIBC.mount(b"nodev", bytes(directory), kind.encode(), 0, None) != 0):
            raise Skip(f"this machine does not let us mount {kind}")
        self._mounts.append(directory)
        return directory

    def unique(self, stem: str) -> str:
        """A name that nothing else on this machine uses."""
        self._counter += 1
        return f"{self.dir.name}-{stem}{self._counter}"

    def adopt(self, process: Process) -> Process:
        """Have process killed and reaped when the case ends, however it ends."""
        self._processes.append(process)
        return process

    def forget(self, process: Process) -> None:
        """End a process that is of no interest any more."""
        process.kill()
        self._processes.remove(process)

    def start(self, name: str, argv: list, **options) -> Process:
        return self.adopt(Process(name, argv, self.path(self.unique(name) + ".log"), **options))

    def run(self, argv: list, timeout: float = 60, netns: int | None = None,
            env: dict | None = None) -> str:
        """Run a short command to its end and return what it printed; it must succeed."""
        process = self.start(Path(str(argv[0])).name, argv, netns=netns, env=env)
        status = process.wait(timeout)
        if status != 0:
            raise process.failure(f"ended with {status}")
        self.forget(process)
        return process.text

    def network_namespace(self) -> int:
        """Descriptor of a new network namespace.

        It has no name anywhere, so it, and all devices in it, vanish with its last user.
        """
        require_root("make a network namespace")
        with open("/proc/self/ns/net", encoding="ascii") as home:
            if LIBC.unshare(CLONE_NEWNET) != 0:
                raise Skip("this machine does not let us make a network namespace")
            fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            if LIBC.setns(home.fileno(), CLONE_NEWNET) != 0:
                raise Failure("cannot return to the network namespace we came from")
        self._namespaces.append(fd)
        self.run(["ip", "link", "set", "lo", "up"], netns=fd)
        return fd

    def eal_args(self, core: int, name: str, memory_mb: int = MEMORY_MB,
                 huge: bool | None = None, workers: int = 1) -> list[str]:
        """EAL options of a process that shares its memory with peers and polls on one core.

        core counts the cores that this process may use; main and worker lcores share it. Without
        hugepages, one memfd carries everything: vhost-user can describe 8 regions at most.
        """
        cpu = core_of(core)
        lcores = ",".join(f"{lcore}@{cpu}" for lcore in range(workers + 1))
        if huge is None:
            huge = free_hugepages_mb() >= memory_mb
        prefix = self.unique(name)
        self._directories.append(RUNTIME_DIR / prefix)
        return ["--no-pci", "--lcores", lcores, "-m", str(memory_mb),
                "--file-prefix", prefix] + (
                    ["--in-memory", "--single-file-segments"] if huge else
                    ["--no-huge", "--single-file-segments", "--no-shconf"])


def ldd(program: Path) -> str:
    return subprocess.run(["ldd", program], check=True, capture_output=True, text=True,
                          timeout=30).stdout
