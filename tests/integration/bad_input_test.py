#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the user got wrong is told in one line that names it; the program ends with an error, or goes on
as if nothing had been."""
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.result import Failure, check
from harness.runner import run
from harness.testpmd import Testpmd, ours
from harness.workspace import require_root, sanitized

NOBODY = 65534
SECONDS = 60
ROUNDS = 1000
ROUNDS_SECONDS = 300
# What EAL adds on its own account.
EAL_LINE = re.compile(r"^(EAL|TELEMETRY|vdev_probe\(\)|MBUF|ETHDEV)\b")


@dataclass
class Wrong:
    """Command line, and what the one line must say."""
    name: str
    eal: list[str]
    says: str
    args: tuple[str, ...] = ()


def wrongs(workspace) -> list[Wrong]:
    nowhere = "/nonexistent/directory/socket"
    long_path = "/tmp/" + 110 * "x"
    file = workspace.path("file")
    file.write_text("no socket")

    def vdev(name: str, device: str, says: str, *args: str) -> Wrong:
        return Wrong(name, ["--vdev", device], says, args)

    return [
        vdev("unknown argument of net_virtio_user", f"net_virtio_user0,path={nowhere},colour=red",
             r"net_virtio_user0.*colour"),
        vdev("unknown argument of net_vhost", f"net_vhost0,iface={workspace.path('s')},colour=red",
             r"net_vhost0.*colour"),
        vdev("unknown argument of vdpa_sim", "vdpa_sim0,colour=red", r"vdpa_sim0.*colour"),
        vdev("net_virtio_user without a path", "net_virtio_user0", r"net_virtio_user0.*path"),
        vdev("net_vhost without a path", "net_vhost0", r"net_vhost0.*iface"),
        vdev("no queues for net_virtio_user", f"net_virtio_user0,path={nowhere},queues=0",
             r"net_virtio_user0.*queues"),
        vdev("no queues for net_vhost", f"net_vhost0,iface={workspace.path('s')},queues=0",
             r"net_vhost0.*queues"),
        vdev("no queues for vdpa_sim", "vdpa_sim0,queues=0", r"vdpa_sim0.*queues"),
        vdev("129 queue pairs for vdpa_sim", "vdpa_sim0,queues=129", r"vdpa_sim0.*queues"),
        vdev("a mode that vdpa_sim has not", "vdpa_sim0,mode=sideways", r"vdpa_sim0.*mode"),
        vdev("a MAC that is none", "vdpa_sim0,mac=red", r"vdpa_sim0.*mac"),
        vdev("port mode without a port", "vdpa_sim0,mode=port", r"vdpa_sim0.*port"),
        vdev("nobody listens", f"net_virtio_user0,path={nowhere}", rf"net_virtio_user0.*{nowhere}"),
        vdev("socket of net_vhost that cannot be made", f"net_vhost0,iface={nowhere}",
             rf"{nowhere}.*No such file"),
        vdev("socket of net_virtio_user that cannot be made",
             f"net_virtio_user0,path={nowhere},server=1", rf"{nowhere}.*No such file"),
        vdev("socket of a vDPA device that cannot be made", "vdpa_sim0",
             rf"{nowhere}.*No such file", f"--vdpa=vdpa_sim0={nowhere}"),
        vdev("path that is too long for a socket", "vdpa_sim0", r"x{100}.*(long|File name)",
             f"--vdpa=vdpa_sim0={long_path}"),
        vdev("socket path that is a file", "vdpa_sim0", rf"{file}",
             f"--vdpa=vdpa_sim0={file}"),
        vdev("vDPA device that is not there", "vdpa_sim0", r"vdpa_sim7",
             f"--vdpa=vdpa_sim7={workspace.path('s')}"),
        vdev("unknown option", "vdpa_sim0", r"colour", "--colour=red"),
        vdev("unknown forward mode", "vdpa_sim0", r"sideways", "--forward-mode=sideways"),
    ]


def ends_with_one_line(workspace, wrong: Wrong) -> None:
    program = workspace.start("testpmd", [ours(), *workspace.eal_args(0, "bad"), *wrong.eal, "--",
                                          *wrong.args])
    status = program.wait(SECONDS)
    said = program.text
    workspace.forget(program)
    if status <= 0:
        raise Failure(f"{wrong.name}: expected the program to end with an error, it "
                      f"{program.state()}:\n{said}")
    lines = [line for line in said.splitlines()
             if re.search(wrong.says, line) and not EAL_LINE.match(line)]
    # The line after which the program ends names the device too, and points at the line before.
    lines = [line for line in lines if "see above" not in line]
    if len(lines) != 1:
        raise Failure(f"{wrong.name}: expected one line like /{wrong.says}/, got {len(lines)}:\n"
                      f"{said}")


def tells_what_is_wrong(workspace) -> None:
    problems = []
    for wrong in wrongs(workspace):
        try:
            ends_with_one_line(workspace, wrong)
        except Failure as failure:
            problems.append(str(failure))
    if problems:
        raise Failure("\n".join(problems))


def nothing_is_left_of_a_thousand_wrongs(workspace) -> None:
    """Descriptors and mappings of one program are as many as after the first round of them."""
    nowhere = "/nonexistent/directory/socket"
    wrongs_and_answers = (
        ("port attach net_virtio_user0,colour=red", r"^net_virtio_user0,colour.* no driver took it"),
        (f"port attach net_virtio_user0,path={nowhere}", r"^net_virtio_user0,path.* no driver took"),
        (f"port attach net_vhost0,iface={nowhere}", r"^net_vhost0,iface.* no driver took it"),
        (f"vdpa attach vdpa_sim0 {nowhere}", r"^vDPA device vdpa_sim0: cannot listen on"))
    once, often = workspace.path("once"), workspace.path("often")
    commands = "".join(f"{wrong}\n" for wrong, _ in wrongs_and_answers)
    once.write_text(commands)
    often.write_text(ROUNDS * commands)
    app = Testpmd(workspace, "testpmd", ours(), 0, ["vdpa_sim0"])

    def counts_after(file: Path, rounds: int) -> tuple[int, int]:
        text = app.command(f"load {file}", ROUNDS_SECONDS)
        for wrong, answer in wrongs_and_answers:
            got = len(re.findall(answer, text, re.M))
            check(got == rounds, f"'{wrong}' to be refused {rounds} times, got {got}")
        return app.fd_count(), app.map_count()

    before, after = counts_after(once, 1), counts_after(often, ROUNDS)
    check(after == before, f"{before} descriptors and mappings, got {after}")
    app.quit()


def tells_that_hugepages_are_not_permitted(workspace) -> None:
    """A user who may not have hugepages, with a program that is not told to do without."""
    require_root("become a user without permission for hugepages")
    program = workspace.path("testpmd")
    shutil.copy2(ours(), program)
    home = workspace.path("home")
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    workspace.dir.chmod(0o755)
    process = workspace.start(
        "nobody", ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                   "--no-new-privs", program, "--no-pci", "-m", "32", "--huge-dir", "/nonexistent",
                   "--file-prefix", workspace.unique("nobody"), "--"],
        env={"XDG_RUNTIME_DIR": str(home)})
    status = process.wait(SECONDS)
    check(status > 0, f"an error, got status {status}:\n{process.text}")
    lines = [line for line in process.text.splitlines() if line.startswith("testpmd: ")]
    check(len(lines) == 1 and "--no-huge" in lines[0],
          f"one line of the program that says what to do, got:\n{process.text}")


if __name__ == "__main__":
    # What a sanitized program reports is not for other users.
    run(tells_what_is_wrong, nothing_is_left_of_a_thousand_wrongs,
        *([] if sanitized() else [tells_that_hugepages_are_not_permitted]))
