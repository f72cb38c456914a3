# SPDX-License-Identifier: BSD-3-Clause
"""What a guest boots from: the kernel that `prepare` made, and an initial file system that ends in
orders for this very guest."""
import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

LAB = Path(__file__).resolve().parent


class NotPrepared(Exception):
    """There is no kernel to boot, and the message says why."""


@dataclass(frozen=True)
class Kernel:
    """A directory as devtools/lab/prepare makes it."""
    directory: Path

    def __post_init__(self):
        for name in ("vmlinux", "version", "initramfs"):
            if not (self.directory / name).is_file():
                raise NotPrepared(f"{self.directory} has no {name}: it is no directory of "
                                  "devtools/lab/prepare")

    @property
    def image(self) -> Path:
        return self.directory / "vmlinux"

    @property
    def version(self) -> str:
        return (self.directory / "version").read_text(encoding="ascii").strip()

    @property
    def modules(self) -> Path:
        return self.directory / "lib" / "modules" / self.version

    def initrd(self, files: dict[str, bytes]) -> bytes:
        """Initial file system with init, and these files in its /lab."""
        entries = [("init", 0o100755, (LAB / "init").read_bytes()), ("lab", 0o40755, b"")]
        entries += [(f"lab/{name}", 0o100755, content) for name, content in files.items()]
        return (self.directory / "initramfs").read_bytes() + cpio(entries)


@functools.cache
def prepared() -> Kernel:
    """The machine's kernel, made now if it is not there; progress goes to standard error."""
    done = subprocess.run([LAB / "prepare"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode != 0:
        raise NotPrepared("devtools/lab/prepare could not make a kernel to boot")
    return Kernel(Path(done.stdout.strip()))


def cpio(entries: list[tuple[str, int, bytes]]) -> bytes:
    """An archive in the format "newc" of files (name, mode, content), owned by root."""
    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 4)

    archive = b""
    for inode, (name, mode, content) in enumerate(entries + [("TRAILER!!!", 0, b"")], 1):
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        archive += padded(header + name.encode() + b"\0") + padded(content)
    return archive
