#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A testpmd port that is a vhost-user back end (net_vhost), with the distribution's virtio-user."""
import re

from harness import testpmd
from harness.net_frontend import FEATURES, NetFrontend
from harness.numbered import frames, run_numbered
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, vdev
from harness.vhost_user import Feature, Memory, Request, mask
from harness.workspace import Workspace

BACKEND_CORE, FRONTEND_CORE = 0, 1


def backend(ws: Workspace, port_args: list[str] = (), **devargs) -> Testpmd:
    return Testpmd(ws, "backend", testpmd.ours(), BACKEND_CORE, [vdev("net_vhost0", **devargs)],
                   port_args, ["--log-level", "lib.vhost*:warning"])


def frontend(ws: Workspace, name: str = "frontend", port_args: list[str] = (),
             **devargs) -> Testpmd:
    return Testpmd(ws, name, testpmd.distribution(), FRONTEND_CORE,
                   [vdev("net_virtio_user0", **devargs)], port_args)


def queue_args(queues: int) -> list[str]:
    return [f"--rxq={queues}", f"--txq={queues}"]


def wait_link(process: Testpmd, state: str) -> None:
    process.until(f"link {state}",
                  lambda: f"Link status: {state}" in process.command("show port info 0"))


def exchange(back: Testpmd, front: Testpmd, count: int) -> None:
    """Numbered frames from the back end, through the front end that forwards them, and back."""
    front.command("start")
    result = run_numbered(back, frames(count))
    front.command("stop")
    check(result.received == result.sent > 0, f"every frame back, not {result}")


def traffic(ring: str, queues: int):
    def case(ws: Workspace) -> None:
        path = ws.path("vhost.sock")
        back = backend(ws, iface=path, queues=queues, port_args=queue_args(queues))
        front = frontend(ws, path=path, queues=queues, packed_vq=ring == "packed",
                         port_args=queue_args(queues))
        wait_link(back, "up")
        exchange(back, front, 100_000)
        xstats = back.xstats()
        for q in range(queues):
            check(xstats[f"rx_q{q}_good_packets"] == xstats[f"tx_q{q}_good_packets"] ==
                  xstats[f"rx_q{q}_packets"] == xstats[f"tx_q{q}_packets"] > 0,
                  f"the port and the library to agree on queue {q}: {xstats}")
        front.quit()
        wait_link(back, "down")
        back.quit()
    return case


def frontend_killed(ws: Workspace) -> None:
    """A front end that dies in the middle of traffic takes nothing along; the next one goes on."""
    path = ws.path("vhost.sock")
    back = backend(ws, iface=path)
    total = 0
    for life in range(3):
        front = frontend(ws, f"frontend{life}", path=path)
        wait_link(back, "up")
        exchange(back, front, 50_000)
        back.command("set fwd io")
        back.command("start")
        front.command("start tx_first")
        before = back.port_stats().rx_packets
        back.until("traffic", lambda: back.port_stats().rx_packets > before)
        front.kill()
        wait_link(back, "down")
        last, total = total, back.xstats()["rx_q0_good_packets"]
        check(total > last + frames(50_000), f"totals that grow over {life + 1} front ends: "
              f"{last} and then {total}")
        back.command("stop")
    back.quit()


def newest_has_the_port(ws: Workspace) -> None:
    """Of two front ends on one socket; a warning names the other one, which has to connect again."""
    path = ws.path("vhost.sock")
    back = backend(ws, iface=path)
    first = frontend(ws, "first", path=path)
    wait_link(back, "up")
    with frontend(ws, "second", path=path) as second:
        back.expect(r"device (\d+) of another front end on \S+ has the port now; device (?!\1)\d+ ")
        exchange(back, second, 20_000)
        second.quit()
    wait_link(back, "down")
    first.kill()
    third = frontend(ws, "third", path=path)
    wait_link(back, "up")
    exchange(back, third, 20_000)
    third.quit()
    back.quit()


def port_restart(ws: Workspace) -> None:
    """Stopping and starting the port keeps the front end; closing it removes the socket."""
    path = ws.path("vhost.sock")
    back = backend(ws, iface=path)
    front = frontend(ws, path=path)
    wait_link(back, "up")
    for _ in range(3):
        back.command("port stop 0")
        wait_link(back, "down")
        back.command("port start 0")
        wait_link(back, "up")
        exchange(back, front, 20_000)
    back.command("port stop 0")
    back.command("port close 0")
    check(not path.exists(), f"{path} to be gone with its port")
    front.kill()
    back.quit()


def client(ws: Workspace) -> None:
    """With client=1 the port connects, again and again until somebody listens, and after a loss."""
    path = ws.path("vhost.sock")
    back = backend(ws, iface=path, client=True)
    for life in range(2):
        front = frontend(ws, f"frontend{life}", path=path, server=True)
        wait_link(back, "up")
        exchange(back, front, 50_000)
        front.kill()
        wait_link(back, "down")
        path.unlink()
    back.quit()


def queues_differ(ws: Workspace) -> None:
    """A front end with more queues than the port, or fewer, is served on those that both have."""
    path = ws.path("vhost.sock")
    back = backend(ws, iface=path, queues=2, port_args=queue_args(2))
    with frontend(ws, "more", queue_args(2), path=path, queues=4) as front:
        wait_link(back, "up")
        exchange(back, front, 20_000)
        front.quit()
    wait_link(back, "down")
    with frontend(ws, "fewer", path=path) as front:
        wait_link(back, "up")
        back.command("set fwd io")
        back.command("start")
        before = back.port_stats()
        front.command("start tx_first")
        back.until("traffic on one queue", lambda: (back.port_stats() - before).tx_packets > 10_000)
        front.quit()
    wait_link(back, "down")
    back.quit()


def rings_beyond(ws: Workspace) -> None:
    """The log tells, once, of rings of the front end that no queue of the port can serve."""
    path = ws.path("vhost.sock")
    warning = r"uses ring [4-7], which no queue serves with queues=2"
    with backend(ws, iface=path, queues=2, port_args=queue_args(2)) as back:
        for name, queues in (("as_many", 2), ("more", 4), ("again", 4)):
            with frontend(ws, name, queue_args(queues), path=path, queues=queues) as front:
                wait_link(back, "up")
                if queues > 2:
                    back.expect(warning, start=0)
                else:
                    check("uses ring" not in back.text, f"no warning with {queues} queues")
                front.quit()
            wait_link(back, "down")
        back.quit()
        check(len(re.findall(warning, back.text)) == 1, "one warning in all")


def mtu(ws: Workspace) -> None:
    """The port takes over what the front end tells, and keeps its own if that tells nothing."""
    path = ws.path("vhost.sock")
    back = backend(ws, iface=path)
    for tells, expected in ((4000, 4000), (None, 4000)):
        front = NetFrontend.to(path).setup(Memory())
        for name, step in front.handshake():
            if name == "SET_FEATURES":
                front.set_u64(Request.SET_FEATURES, FEATURES | mask(Feature.NET_MTU))
            elif name != "NET_SET_MTU":
                step()
            elif tells is not None:
                front.set_u64(Request.NET_SET_MTU, tells)
        wait_link(back, "up")
        check(f"MTU: {expected}\n" in back.command("show port info 0"),
              f"MTU {expected} of a front end that told {tells}")
        front.teardown()
        front.memory.close()
        wait_link(back, "down")
    back.quit()


def bad_arguments(ws: Workspace) -> None:
    """What cannot be is refused with one line that says what and why; no port comes to be."""
    here = ws.path("vhost.sock")
    nowhere = ws.path("no/such/dir/vhost.sock")
    for devargs, expected in (
            (f"iface={here},speed=1", r"unknown argument 'speed'"),
            (f"iface={here},queues=0", r"'queues=0' is not possible"),
            (f"iface={here},queues=1025", r"'queues=1025' is not possible"),
            (f"iface={here},client=yes", r"'client=yes' is not possible"),
            (f"iface={here},tso=1,tso=1", r"'tso' is given twice"),
            ("queues=1", r"no socket path"),
            (f"iface={'x' * 108}", r"is not possible; iface takes"),
            (f"iface={nowhere}", rf"{re.escape(str(nowhere))}: cannot .*No such file")):
        process = Testpmd(ws, "refused", testpmd.ours(), BACKEND_CORE, [f"net_vhost0,{devargs}"],
                          wait=False)
        status = process.wait(60)
        check(status == 1, f"exit status 1 for {devargs}, not {status}")
        lines = [line for line in process.text.splitlines() if re.search(expected, line)]
        check(len(lines) == 1 and "net_vhost0" in process.text,
              f"one line with /{expected}/ for {devargs}, not {lines}\n{process.tail()}")
        check(not here.exists(), f"no socket left behind by {devargs}")


if __name__ == "__main__":
    run(frontend_killed, newest_has_the_port, port_restart, client, queues_differ, rings_beyond, mtu,
        bad_arguments,
        *[(f"traffic_{ring}_{queues}", traffic(ring, queues))
          for ring in ("split", "packed") for queues in (1, 2, 3, 4)])
