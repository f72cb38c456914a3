#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-vdpa-testpmd as its user meets it: options, commands, signals, traffic over software ports."""
import json
import re
import select
import signal
import socket
import struct
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from harness import testpmd as tp
from harness.process import CLONE_NEWNET, LIBC
from harness.result import Failure, check
from harness.runner import run
from harness.workspace import Workspace, cores, installed

LOOP = ["net_ring0"]
PAIR = ["net_null0", "net_null1"]
ETH_P_IP = 0x0800


def pmd(w: Workspace, vdevs=(), args=(), **options) -> tp.Testpmd:
    options.setdefault("huge", False)
    return tp.Testpmd(w, "app", tp.ours(), 0, list(vdevs), list(args), **options)


def plain(w: Workspace, vdevs=(), args=(), stdin=None, eal=None) -> subprocess.CompletedProcess:
    """Run it to its end with pipes for stdin, stdout and stderr, as scripts do."""
    argv = [tp.ours(), *(eal if eal is not None else w.eal_args(0, "plain", huge=False))]
    for vdev in vdevs:
        argv += ["--vdev", vdev]
    return subprocess.run([*argv, "--", *args], input=stdin, stdin=None if stdin is not None
                          else subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False)


def expect_in(text: str, *wanted: str) -> None:
    for pattern in wanted:
        check(re.search(pattern, text, re.M) is not None, f"/{pattern}/ in:\n{text}")


def syntaxes(app: tp.Testpmd) -> list[str]:
    """How every command is written, from 'help all'."""
    found = re.findall(r"^  (\S.*)\n      \S", app.command("help all"), re.M)
    check(len(found) > 40, f"more than 40 commands in help all, found {found}")
    return found


def bad_options_are_one_line_and_status_1(w: Workspace) -> None:
    cases = {
        "--nonsense": "Unknown option --nonsense",
        "--forwrd-mode=io": "is --forward-mode meant",
        "--rxq=0": "takes a number from 1",
        "--txpkts=7": "at least 42",
        "--forward-mode=warp": "one of io mac",
        "--nb-cores=99": "give it more with -l",
        "--max-sleep=100001": "takes a number from 0 to 100000",
        "--proc-id=1": "1 is not below the 1 of --num-procs",
        "--vdpa=nothing": "DEVICE=SOCKET",
        "extra": "is no option",
    }
    for option, wanted in cases.items():
        ended = plain(w, PAIR, [option])
        check(ended.returncode == 1, f"status 1 for {option}, got {ended.returncode}")
        lines = [line for line in ended.stderr.splitlines() if line and "EAL:" not in line
                 and "TELEMETRY" not in line]
        check(len(lines) == 1 and wanted in lines[0], f"one line with '{wanted}', got {lines}")


def what_cannot_be_had_is_told(w: Workspace) -> None:
    cases = [
        (["net_tap0"], ["--rxq=17"], r"Port 0: --rxq 17 is more than the device's 16"),
        (PAIR, ["--vdpa=vdpa_none=/tmp/s"], r"There is no vDPA device vdpa_none"),
        (PAIR, ["--total-num-mbufs=4000000"], r"No memory for 4000000 mbufs.*-m.*--total-num-mbufs"),
        (PAIR, ["--cmdline-file=/nowhere"], r"/nowhere cannot be read: No such file"),
        (PAIR, ["--stats-json=/nowhere/f"], r"--stats-json: /nowhere/f cannot be written"),
        (["net_tap0"], ["--max-pkt-len=99999999"], r"--max-pkt-len 99999999 is outside"),
        (PAIR, ["--portmask=0x10"], r"No port to forward on"),
    ]
    for vdevs, args, wanted in cases:
        ended = plain(w, vdevs, args)
        check(ended.returncode == 1, f"status 1 for {args}, got {ended.returncode}:\n{ended.stdout}")
        expect_in(ended.stdout, wanted)


def help_is_there_without_eal(w: Workspace) -> None:
    ended = plain(w, args=["--help"], eal=[])
    check(ended.returncode == 0, f"status 0, got {ended.returncode}")
    for option in ("--rxq=N", "--vdpa=DEVICE=SOCKET", "--stats-period=SECONDS", "-i, --interactive"):
        check(option in ended.stdout, f"{option} in:\n{ended.stdout}")


def every_command_has_help(w: Workspace) -> None:
    app = pmd(w)
    for syntax in syntaxes(app):
        words = re.split(r"[\[|]| [A-Z]", syntax)[0].split()
        text = app.command("help " + " ".join(words[:4]))
        check(f"  {syntax}\n      " in text, f"'{syntax}' explained in:\n{text}")
    expect_in(app.command("help set fwd"), "^      macswap +swap", "^      seqcheck +receive")
    expect_in(app.command("help nonsense"), "No section or command begins with 'nonsense'")
    app.quit()


def first_words_complete(w: Workspace) -> None:
    app = pmd(w, PAIR)
    begin = app.mark()
    app.send("sh\tpo\tsu\tall")
    app.expect(r"Number of available ports: 2", start=begin)
    begin = app.mark()
    app.send("set fwd macs\t")
    app.expect(r"Set macswap packet forwarding mode", start=begin)
    begin = app.mark()
    app.send("show port info \t")
    app.expect(r"^ *1 ", start=begin)
    app.quit()


def wrong_commands_are_told_apart(w: Workspace) -> None:
    app = pmd(w, PAIR)
    expect_in(app.command("fly"), "Command not found: fly", "'help' lists")
    expect_in(app.command("port fly 0"), "Bad arguments: port fly 0", r"^  port start PORT\|all")
    expect_in(app.command("show port info 7"), "Invalid port 7", r"\[ 0 1 \]")
    expect_in(app.command("set fwd warp"), "no forwarding mode warp: it is one of io")
    expect_in(app.command("set txpkts 1"), "at least 42")
    expect_in(app.command("set burst 0"), "from 1 to 512")
    expect_in(app.command("set nbcore 9"), "from 1 to 1")
    expect_in(app.command("set eth-peer 0 x"), "not an Ethernet address")
    expect_in(app.command("set seq size 1"), "MIN-MAX")
    expect_in(app.command("start tx_first x"), "not a number of bursts")
    expect_in(app.command("stop"), "not started")
    expect_in(app.command("csum set ip hw 0"), "'port stop 0' first")
    expect_in(app.command("port attach no_such_driver0"), "no driver took it")
    expect_in(app.command("port detach no_such_device"), "no device no_such_device")
    expect_in(app.command("vdpa attach nothing /tmp/s"), "no vDPA device nothing")
    expect_in(app.command("vdpa detach nothing"), "neither an attached vDPA device")
    expect_in(app.command("vdpa info nothing"), "no vDPA device nothing")
    app.quit()


def every_command_runs(w: Workspace) -> None:
    """Each as it is written, with a value for every word in upper case; the program survives."""
    values = {"PORT": "0", "ENGINE": "mac", "COUNT": "1", "LENGTHS": "64", "LIST": "0-1",
              "MASK": "0x3", "MAC": "02:00:00:00:00:09", "LEVEL": "0", "SECONDS": "0",
              "DEVARGS": "net_null7", "VALUE": "64", "SIZE": "100", "MICROSECONDS": "1",
              "DEVICE": "vdpa_none", "SOCKET": "/nowhere/s", "WORD": "set", "NAME": "net_null7",
              "QUEUE": "0", "FILE": "/nowhere"}
    app = pmd(w, PAIR)
    for syntax in syntaxes(app):
        if syntax == "quit":
            continue
        words = re.sub(r"[\[\]]", "", syntax).split()
        line = " ".join(values.get(word.split("|")[0], word.split("|")[0]) for word in words)
        text = app.command(line)
        check("Bad arguments" not in text and "not found" not in text, f"'{line}' taken:\n{text}")
    app.quit()


def a_file_of_commands_is_run_first(w: Workspace) -> None:
    commands = w.path("commands")
    commands.write_text("# a comment\n\nset fwd\tmac\nnonsense\nshow config fwd\n")
    ended = plain(w, PAIR, ["-i", f"--cmdline-file={commands}"], stdin="")
    check(ended.returncode == 0, f"status 0, got {ended.returncode}")
    expect_in(ended.stdout, "Set mac packet forwarding", "Command not found: nonsense",
              "That was line 4 of", "^mac packet forwarding - ports=2",
              f"Read CLI commands from {commands}", "^Bye")
    commands.write_text("quit\nset fwd mac\n")
    ended = plain(w, PAIR, [f"--cmdline-file={commands}"])
    check("Set mac" not in ended.stdout and "Bye" in ended.stdout, "quit ends the file")


def commands_come_through_a_pipe(w: Workspace) -> None:
    ended = plain(w, LOOP, ["-i"], stdin="start tx_first 2\nstop\nshow port stats 0\n")
    check(ended.returncode == 0, f"status 0, got {ended.returncode}")
    expect_in(ended.stdout, r"testpmd> start tx_first 2", "Accumulated forward statistics",
              r"NIC statistics for port 0", "^Bye")


def ends_of_input_and_signals_end_it_well(w: Workspace) -> None:
    ended = plain(w, LOOP)
    check(ended.returncode == 0, f"status 0 at the end of input, got {ended.returncode}")
    expect_in(ended.stdout, "Press enter to exit", "Accumulated forward statistics", "^Bye")
    for args in (["-i", "--auto-start"], ["--stats-period=1", "--tx-first"], ["-i"]):
        for number in (signal.SIGTERM, signal.SIGINT):
            app = pmd(w, LOOP, wait=False)
            app.kill()
            argv = app.argv[:app.argv.index("--") + 1] + args
            child = w.start("signalled", argv)
            child.expect("testpmd> $" if "-i" in args else "Logical Core")
            child.signal(number)
            status = child.wait()
            check(status == 0, f"status 0 after signal {number}, got {status}:\n{child.tail()}")
            check("Bye..." in child.text, f"a clean end:\n{child.tail()}")
            if args != ["-i"]:
                expect_in(child.text, "Accumulated forward statistics", "Port 0 is closed")


def come_and_go(w: Workspace, device: str, rounds: int, netns: int | None = None) -> None:
    app = pmd(w, PAIR, netns=netns)

    def attach_and_detach(times: int) -> None:
        for _ in range(times):
            expect_in(app.command(f"port attach {device}"), "Port 2 is attached. Now total ports is 3")
            expect_in(app.command("port start 2"), "^Done")
            expect_in(app.command("port detach 2"), "'port stop 2' first")
            expect_in(app.command("port stop 2"), "^Done")
            expect_in(app.command("port detach 2"), "is detached. Now total ports is 2", "^Done")

    attach_and_detach(2)  # what is set up once and kept
    fds = app.fd_count()
    attach_and_detach(rounds)
    check(app.fd_count() == fds, f"{fds} descriptors after {rounds} rounds of {device}, "
          f"found {app.fd_count()}")
    app.quit()


def runs_without_input_until_a_signal(w: Workspace) -> None:
    """As in a container whose standard input is /dev/null."""
    argv = [tp.ours(), *w.eal_args(0, "service"), "--vdev", "net_null0", "--", "--stats-period=1"]
    child = w.start("service", ["sh", "-c", 'exec "$0" "$@" </dev/null', *argv])
    child.expect("Port statistics", start=0)
    child.expect("Port statistics")
    child.signal(signal.SIGTERM)
    check(child.wait() == 0 and "Signal 15 received" in child.text,
          f"status 0 after SIGTERM, and no end before:\n{child.tail()}")


def ports_come_and_go(w: Workspace) -> None:
    come_and_go(w, "net_null9", 50)


def taps_come_and_go(w: Workspace) -> None:
    come_and_go(w, "net_tap9,iface=vdpacli0", 10, w.network_namespace())


def ports_come_and_go_while_forwarding(w: Workspace) -> None:
    app = pmd(w, PAIR, ["--auto-start"])
    expect_in(app.command("port attach net_null5"), "Port 2 is attached", "forwards after")
    expect_in(app.command("port start 2"), "^Done")
    expect_in(app.command("port stop 1"), "Port 1 is forwarding: 'stop' first")
    expect_in(app.command("port detach 1"), "'port stop 1' first")
    expect_in(app.command("port stop 2"), "^Done")
    expect_in(app.command("port detach 2"), "is detached")
    app.command("stop")
    expect_in(app.command("port stop 1"), "^Done")
    expect_in(app.command("port close 1"), "Port 1 is closed")
    expect_in(app.command("port start 1"), "is closed")
    expect_in(app.command("show port stats 1"), "is closed")
    expect_in(app.command("port detach 1"), "is detached")
    expect_in(app.command("start"), r"ports=1 - cores=1 - streams=1")
    app.quit()


def switches(process: tp.Testpmd) -> int:
    """How often the thread of the only worker lcore gave its processor up."""
    tasks = {(task / "comm").read_text(encoding="ascii").strip(): task
             for task in Path(f"/proc/{process.pid}/task").iterdir()}
    workers = [name for name in tasks if "worker" in name]
    check(len(workers) == 1, f"one worker's thread, got {list(tasks)}")
    status = (tasks[workers[0]] / "status").read_text(encoding="ascii")
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.M)[1])


def idle_lcores_sleep(w: Workspace) -> None:
    app = pmd(w, LOOP, ["--max-sleep=1000"])
    expect_in(app.command("show config fwd"), r"^  idle lcores sleep up to 1000 us$")
    app.command("set fwd rxonly")
    app.command("start")
    before = switches(app)
    app.until("naps", lambda: switches(app) > before + 10)
    app.command("stop")
    for line in ("set fwd seq", "set seq count 100000", "start"):
        app.command(line)
    app.expect(r"^  verdict: passed$")
    app.quit()


def fewer_cores_than_streams(w: Workspace) -> None:
    cpus = cores()
    places = ",".join(f"{n}@{cpus[n % len(cpus)]}" for n in range(4))
    eal = w.eal_args(0, "cores", huge=False)
    eal[eal.index("--lcores") + 1] = places
    app = w.start("cores", [tp.ours(), *eal, "--vdev", "net_null0", "--vdev", "net_null1", "--",
                            "-i", "--rxq=4", "--txq=2", "--nb-cores=3"])
    app.expect(tp.PROMPT)
    app.send("show config fwd")
    app.expect(r"cores=3 - streams=8")
    app.send("quit")
    app.wait()
    # Streams of one transmit queue are on one core: nobody locks.
    owner: dict[str, str] = {}
    core = ""
    for line in app.text.splitlines():
        core = (re.match(r"Logical Core (\d+)", line) or [core, core])[1]
        queue = re.search(r"TX (P=\d+/Q=\d+)", line)
        if queue:
            check(owner.setdefault(queue[1], core) == core, f"{queue[1]} on one core")
    check(len(owner) == 4 and len(set(owner.values())) == 3, f"four queues on three cores: {owner}")


def counters_come_as_json(w: Workspace) -> None:
    lines = w.path("stats.json")
    ended = plain(w, LOOP, ["--forward-mode=seq", "--seq-count=50000", "--rxq=2", "--txq=2",
                            f"--stats-json={lines}", "--stats-period=1"])
    check(ended.returncode == 0, f"status 0, got {ended.returncode}:\n{ended.stdout}")
    last = [json.loads(line) for line in lines.read_text().splitlines()][-1]
    check(last["mode"] == "seq" and last["forwarding"] is False, f"the last state: {last}")
    check(last["seq"]["passed"] and last["seq"]["received"] == 100000, f"100000 frames: {last}")
    check([s["rx_packets"] for s in last["streams"]] == [50000, 50000], f"two streams: {last}")
    check(last["ports"][0]["rx_packets"] == 100000, f"the port's counters: {last}")
    app = pmd(w, LOOP)
    text = app.command("show stats json")
    check(json.loads(re.search(r"^\{.*\}$", text, re.M)[0])["mode"] is None, "nothing forwarded yet")
    app.quit()


def numbered_frames_pass_a_good_path(w: Workspace) -> None:
    for args in (["--seq-size=40-9000"], ["--txpkts=64,100,900,5,1"], ["--seq-window=1"],
                 ["--rxq=4", "--txq=2"], ["--seq-window=1000", "--burst=512"]):
        ended = plain(w, LOOP, ["--forward-mode=seq", "--seq-count=20000", *args])
        check(ended.returncode == 0, f"status 0 with {args}, got {ended.returncode}")
        expect_in(ended.stdout, r"lost=0 duplicate=0 reordered=0 corrupt=0 misrouted=0",
                  "verdict: passed")
    # Generator and checker apart: two processes' worth of work on two ports of one.
    ended = plain(w, LOOP, ["--forward-mode=seqgen", "--seq-count=100"])
    check(ended.returncode == 0, f"status 0 of seqgen, got {ended.returncode}")


def numbered_frames_fail_a_bad_path(w: Workspace) -> None:
    # net_null's frames are whatever mbufs were lying about: repeated and out of order.
    ended = plain(w, ["net_null0"], ["--forward-mode=seq", "--seq-count=1000"])
    check(ended.returncode == 1, f"status 1, got {ended.returncode}:\n{ended.stdout}")
    expect_in(ended.stdout, "verdict: (FAILED|incomplete)")


def numbered_frames_that_never_return_are_lost(w: Workspace) -> None:
    app = pmd(w, ["net_null0,no-rx=1"], ["--forward-mode=seq", "--seq-timeout=20",
                                         "--seq-count=200"])
    begin = app.mark()
    app.send("start")
    app.expect(r"sent=200 received=0 lost=200", start=begin)
    app.expect("verdict: FAILED")
    app.send("quit")
    check(app.wait() == 1, "status 1 after a failed run")


def sim_server(w: Workspace, *args: str, devices: int = 1) -> tuple[tp.Testpmd, Path]:
    vdevs = [f"vdpa_sim{n}" for n in range(devices)]
    return pmd(w, vdevs, args), w.path("vdpa.sock")


def front_end(w: Workspace, path: Path, args: list[str], **arguments) -> tp.Process:
    """A testpmd that sends numbered frames through a socket and ends by itself."""
    argv = [tp.ours(), *w.eal_args(1, "front"), "--vdev",
            tp.vdev("net_virtio_user0", path=path, **arguments), "--", "--forward-mode=seq",
            "--total-num-mbufs=16384", *args]
    return w.start("front", argv)


def vdpa_counters(app: tp.Testpmd) -> list[dict]:
    text = app.command("show stats json")
    return json.loads(re.search(r"^\{.*\}$", text, re.M)[0])["vdpa"]


def vdpa_devices_serve_sockets(w: Workspace) -> None:
    app, path = sim_server(w)
    expect_in(app.command("vdpa list"), r"^vdpa_sim0 +1 0x[0-9a-f]+ +- +-")
    expect_in(app.command(f"vdpa attach vdpa_sim0 {path} server"), "listening on")
    expect_in(app.command("port detach vdpa_sim0"), "'vdpa detach vdpa_sim0' first")
    front = front_end(w, path, ["--seq-count=20000"])
    check(front.wait(60) == 0, f"the frames pass:\n{front.tail()}")
    app.expect("vDPA device vdpa_sim0: front end on .* is ready", start=0)
    app.expect("vDPA device vdpa_sim0: front end on .* stopped")
    queues = vdpa_counters(app)[0]["queues"]
    check([q["packets"] for q in queues] == [20000, 20000], f"20000 frames each way: {queues}")
    text = app.command("vdpa stats 1")
    expect_in(text, "statistics for device vdpa_sim0 queue 1", "^packets: 20000$")
    expect_in(app.command("vdpa stats reset"), "vdpa_sim0 cleared")
    expect_in(app.command("vdpa stats vdpa_sim0 1"), "^packets: 0$")
    expect_in(app.command("vdpa stats reset 1"), "vdpa_sim0 queue 1 cleared")
    expect_in(app.command("vdpa stats reset vdpa_sim0 0"), "vdpa_sim0 queue 0 cleared")
    expect_in(app.command("vdpa stats reset 2"), "has queues 0 to 1")
    expect_in(app.command("vdpa stats reset vdpa_sim0 x"), "'x' is not a queue")
    expect_in(app.command(f"vdpa detach {path}"), "detached from")
    check(not path.exists(), "the socket is gone")
    app.quit()


def vdpa_devices_come_and_go(w: Workspace) -> None:
    app, path = sim_server(w)

    def rounds(count: int) -> None:
        for _ in range(count):
            expect_in(app.command(f"vdpa attach vdpa_sim0 {path}"), "listening on")
            expect_in(app.command("vdpa detach vdpa_sim0"), "detached from")
            expect_in(app.command(f"vdpa attach vdpa_sim0 {path} client"), "connecting to")
            expect_in(app.command("vdpa detach vdpa_sim0"), "detached from")
            expect_in(app.command("port attach vdpa_sim9,queues=2"), "a device without a port")
            expect_in(app.command(f"vdpa attach vdpa_sim9 {path}"), "listening on")
            expect_in(app.command("vdpa detach vdpa_sim9"), "detached from")
            expect_in(app.command("port detach vdpa_sim9"), "is detached")

    rounds(3)
    fds = app.fd_count()
    rounds(30)
    check(app.fd_count() == fds, f"{fds} descriptors after 30 rounds, found {app.fd_count()}")
    app.quit()


def vdpa_options_serve_at_once_until_a_signal(w: Workspace) -> None:
    path, second = w.path("first.sock"), w.path("second.sock")
    # A killed process leaves its socket behind.
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = w.start("server", [
        tp.ours(), *w.eal_args(0, "server", huge=False), "--vdev", "vdpa_sim0", "--vdev",
        "vdpa_sim1", "--", f"--vdpa=vdpa_sim0={path}", f"--vdpa=vdpa_sim1={second},server"])
    server.expect("vDPA device vdpa_sim1: listening on")
    front = front_end(w, path, ["--seq-count=5000"])
    check(front.wait(60) == 0, f"the frames pass:\n{front.tail()}")
    server.expect("front end on .* stopped")
    server.signal(signal.SIGTERM)
    check(server.wait() == 0, f"status 0 after SIGTERM:\n{server.tail()}")
    expect_in(server.text, "statistics for device vdpa_sim0 queue 1\npackets: 5000",
              "vdpa_sim0: detached from", "vdpa_sim1: detached from")
    check(not path.exists() and not second.exists(), "both sockets are gone")


def vdpa_devices_leave_while_their_front_end_runs(w: Workspace) -> None:
    app, path = sim_server(w)
    app.command(f"vdpa attach vdpa_sim0 {path}")
    check("Agreed" not in app.command("vdpa info"), "nothing agreed on with nobody")
    front = front_end(w, path, ["--seq-timeout=100", "--stats-period=1"], packed_vq=1,
                      in_order=0)
    app.expect("front end on .* is ready", start=0)
    info = app.command("vdpa info vdpa_sim0")
    expect_in(info, "^Front end: ready$", r"^Agreed features: 0x\w+:.* version_1 .*ring_packed",
              "^Features: .* in_order", r"^Agreed protocol features: 0x\w+:.* reply_ack ")
    check("in_order" not in info[info.index("Agreed"):], f"no in_order, which one end has:\n{info}")
    app.until("frames through the device",
              lambda: vdpa_counters(app)[0]["queues"][0]["packets"] > 1000)
    expect_in(app.command("vdpa detach vdpa_sim0"), "detached from")
    expect_in(app.command("vdpa list"), r"^vdpa_sim0 .* - +-")
    check(front.running, f"the front end survives:\n{front.tail()}")
    app.quit()


@contextmanager
def namespace(fd: int):
    """This process in another network namespace."""
    with open("/proc/self/ns/net", encoding="ascii") as home:
        if LIBC.setns(fd, CLONE_NEWNET) != 0:
            raise Failure("cannot enter the network namespace")
        try:
            yield
        finally:
            LIBC.setns(home.fileno(), CLONE_NEWNET)


def tap(w: Workspace, args: list[str]) -> tuple[int, tp.Testpmd]:
    """A namespace with device vdpacli0, 10.9.0.1, whose other end is port 0."""
    ns = w.network_namespace()
    app = pmd(w, ["net_tap0,iface=vdpacli0"], args, netns=ns)
    w.run(["ip", "addr", "add", "10.9.0.1/24", "dev", "vdpacli0"], netns=ns)
    w.run(["ip", "link", "set", "vdpacli0", "up"], netns=ns)
    return ns, app


def pings_are_answered(w: Workspace) -> None:
    ns, app = tap(w, ["--forward-mode=icmpecho", "--auto-start"])
    ping(w, ns, 5, "10.9.0.77")
    ping(w, ns, 3, "-s", "1400", "10.9.0.78")
    app.quit()


def pings_are_answered_over_several_mbufs(w: Workspace) -> None:
    ns, app = tap(w, ["--forward-mode=icmpecho", "--auto-start", "--max-pkt-len=1518",
                      "--mbuf-size=384"])
    ping(w, ns, 3, "-M", "do", "-s", "1400", "10.9.0.77")
    app.quit()


def ping(w: Workspace, ns: str, count: int, *words: str) -> None:
    """Each by itself: once there was an answer, ping waits no longer for the next ones than for that."""
    for _ in range(count):
        text = w.run([installed("ping", "iputils-ping"), "-c", "1", "-W", "10", *words], netns=ns)
        expect_in(text, "1 received, 0% packet loss")


def folded(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) // 2 * 2]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def check_udp(frame: bytes) -> tuple[bytes, bytes]:
    """Fail unless a frame is IPv4 and UDP with right checksums; its addresses."""
    ip = frame[14:]
    length = struct.unpack("!H", ip[2:4])[0]
    pseudo = ip[12:20] + struct.pack("!BBH", 0, 17, length - 20)
    check(folded(ip[:20]) == 0xffff, f"a right IP checksum in {frame.hex()}")
    check(ip[9] == 17 and ip[26:28] != b"\0\0", f"UDP with a checksum in {frame.hex()}")
    check(folded(pseudo + ip[20:length]) == 0xffff, f"a right UDP checksum in {frame.hex()}")
    return ip[12:16], ip[16:20]


def sniffer(ns: int, device: str) -> socket.socket:
    with namespace(ns):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
    sock.bind((device, ETH_P_IP))
    return sock


def receive(sock: socket.socket, accept, count: int, timeout: float = 30) -> list[bytes]:
    """The first count frames that accept() likes."""
    frames: list[bytes] = []
    deadline = time.monotonic() + timeout
    while len(frames) < count:
        ready, _, _ = select.select([sock], [], [], max(0, deadline - time.monotonic()))
        check(bool(ready), f"{count} frames within {timeout} s, got {len(frames)}")
        frame = sock.recv(65536)
        if accept(frame):
            frames.append(frame)
    return frames


def generated_frames_are_what_they_say(w: Workspace) -> None:
    for mode, txpkts, flows in (("txonly", "64", 1), ("txonly", "100,500,801", 1),
                                ("flowgen", "79", 16)):
        ns, app = tap(w, [f"--forward-mode={mode}", f"--txpkts={txpkts}", "--tx-udp=77,78",
                          f"--flowgen-flows={flows}"])
        with sniffer(ns, "vdpacli0") as sock:
            app.command("start")
            frames = receive(sock, lambda f: f[34:38] == struct.pack("!HH", 77, 78), 200)
        pairs = {check_udp(frame) for frame in frames}
        check(len(pairs) == flows, f"{flows} flows with {mode}, found {len(pairs)}")
        length = sum(int(n) for n in txpkts.split(","))
        check(all(len(f) == length for f in frames), f"frames of {length} bytes with {mode}")
        app.quit()


def wrong_checksums_are_set_right(w: Workspace) -> None:
    for setting in ("sw", "hw"):
        ns, app = tap(w, ["--forward-mode=csum", "--port-topology=loop"])
        app.command("port stop 0")
        for layer in ("ip", "udp", "tcp"):
            expect_in(app.command(f"csum set {layer} {setting} 0"), f"{layer} checksums: {setting}")
        expect_in(app.command("port start 0"), "^Done")
        peer = "set eth-peer 0 02:00:00:00:00:42"
        check(app.command(peer).strip() == peer, "no word of complaint")
        app.command("start")
        payload = bytes(range(33))
        udp = struct.pack("!HHHH", 5, 6, 8 + len(payload), 0xbad1) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 9, 17, 0xbad2,
                         b"\x0a\x01\x01\x01", b"\x0a\x02\x02\x02")
        frame = b"\x02\0\0\0\0\x01" + b"\x02\0\0\0\0\x02" + struct.pack("!H", ETH_P_IP) + ip + udp
        with sniffer(ns, "vdpacli0") as sock:
            sock.send(frame)
            back = receive(sock, lambda f: f[:6] == b"\x02\0\0\0\0\x42", 1)[0]
        check_udp(back)
        check(back[42:] == payload, "an unchanged payload")
        app.quit()


if __name__ == "__main__":
    run(bad_options_are_one_line_and_status_1,
        what_cannot_be_had_is_told,
        help_is_there_without_eal,
        every_command_has_help,
        first_words_complete,
        wrong_commands_are_told_apart,
        every_command_runs,
        a_file_of_commands_is_run_first,
        commands_come_through_a_pipe,
        ends_of_input_and_signals_end_it_well,
        runs_without_input_until_a_signal,
        ports_come_and_go,
        taps_come_and_go,
        ports_come_and_go_while_forwarding,
        idle_lcores_sleep,
        fewer_cores_than_streams,
        counters_come_as_json,
        numbered_frames_pass_a_good_path,
        numbered_frames_fail_a_bad_path,
        numbered_frames_that_never_return_are_lost,
        vdpa_devices_serve_sockets,
        vdpa_devices_come_and_go,
        vdpa_options_serve_at_once_until_a_signal,
        vdpa_devices_leave_while_their_front_end_runs,
        pings_are_answered,
        pings_are_answered_over_several_mbufs,
        generated_frames_are_what_they_say,
        wrong_checksums_are_set_right)
