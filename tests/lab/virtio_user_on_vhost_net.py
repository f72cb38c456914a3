#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vhost-net
# lab-timeout: 600
"""net_virtio_user on vhost-net: a program between two tap interfaces, at each of which is a network
stack of the kernel's. Unfinished TCP segments and checksums pass as they are."""
import hashlib
import os
import re
import subprocess
import time
from pathlib import Path

from virtio_lab import LINES
from virtio_user_lab import (LITTLE_MB, NOBODY, ROUNDS, Numbered, command, heap_grows_and_shrinks,
                             hugepages_kb, refused, unprivileged)

from harness.result import check
from harness.runner import run
from harness.testpmd import START_SECONDS, Testpmd, ours, vdev
from harness.workspace import Workspace, built

VHOST_NET = "/dev/vhost-net"
HERE, THERE, BRIDGE = "vua", "vub", "vubr"
MAC, PEER_MAC = "02:00:00:00:0a:01", "02:00:00:00:0a:02"
ADDRESS, PEER = "10.9.0.1", "10.9.0.2"
NETNS = "peer"
FILE_MB = int(os.environ.get("VDPA_FILE_MB", "1"))
FIRST_TCP_PORT = 5000
TRANSFER_SECONDS = 300
MULTI_SEGS_TSO_TCP_CKSUM = 0x8000 | 0x20 | 0x8
ETHERNET_MAX = 1514
FORWARDING = "3\n"      # state of a bridge's port


def exists(interface: str) -> bool:
    return Path(f"/sys/class/net/{interface}").exists()


def bridge(workspace: Workspace, pairs: int, receive: int = 0) -> Testpmd:
    """A program that hands on what one interface sends to the other one."""
    queues = {"queues": pairs} if pairs > 1 else {}
    testpmd = Testpmd(workspace, "bridge", ours(), 0,
                      [vdev("net_virtio_user0", path=VHOST_NET, iface=HERE, mac=MAC, **queues),
                       vdev("net_virtio_user1", path=VHOST_NET, iface=THERE, mac=PEER_MAC, **queues)],
                      # Forward mode csum writes addresses of its own.
                      [f"--eth-peer=0,{MAC}", f"--eth-peer=1,{PEER_MAC}", "--enable-lro",
                       f"--tx-offloads={MULTI_SEGS_TSO_TCP_CKSUM:#x}",
                       f"--rxq={receive or pairs}", f"--txq={pairs}"], [LINES])
    testpmd.command("port stop all")
    for port in (0, 1):
        testpmd.command(f"csum set tcp hw {port}")
        testpmd.command(f"tso set 1448 {port}")
    testpmd.command("port start all")
    testpmd.command("set fwd csum")
    testpmd.command("start")
    return testpmd


def stacks() -> None:
    """Addresses for both interfaces, the second one in a network namespace of its own."""
    command("ip", "netns", "add", NETNS)
    command("ip", "link", "set", THERE, "netns", NETNS)
    command("ip", "address", "add", f"{ADDRESS}/24", "dev", HERE)
    command("ip", "link", "set", HERE, "up")
    command("ip", "-n", NETNS, "address", "add", f"{PEER}/24", "dev", THERE)
    command("ip", "-n", NETNS, "link", "set", THERE, "up")


def transfers(workspace: Workspace, streams: int) -> None:
    """Files arrive over TCP as they are."""
    source = workspace.path("source")
    with source.open("wb") as file:
        for _ in range(FILE_MB):
            file.write(os.urandom(1 << 20))
    pairs = []
    for stream in range(streams):
        port = FIRST_TCP_PORT + stream
        sink = f"socat -u TCP-LISTEN:{port},reuseaddr - | sha256sum >{workspace.path(f'sum{stream}')}"
        server = workspace.start("server", ["ip", "netns", "exec", NETNS, "sh", "-c", sink])
        client = workspace.start("client", ["socat", "-u", f"FILE:{source}",
                                            f"TCP:{PEER}:{port},retry=100,interval=0.1"])
        pairs.append((server, client))
    with source.open("rb") as file:
        wanted = hashlib.file_digest(file, "sha256").hexdigest()
    for stream, (server, client) in enumerate(pairs):
        check(client.wait(TRANSFER_SECONDS) == 0 and server.wait(TRANSFER_SECONDS) == 0, "both ends to be content")
        got = workspace.path(f"sum{stream}").read_text(encoding="ascii").split()[0]
        check(got == wanted, f"a file of {FILE_MB} MB as it was, whose SHA-256 is {wanted}, got {got}")


def connects(workspace: Workspace, testpmd: Testpmd, streams: int) -> None:
    # Each by itself: once there was an answer, ping waits no longer for the next ones than for that.
    for _ in range(3):
        answers = subprocess.run(["ping", "-c", "1", "-W", "10", PEER], check=False,
                                 capture_output=True, text=True, timeout=60).stdout
        check(" 0% packet loss" in answers, f"an answer, got:\n{answers}")
    before = [testpmd.port_stats(port) for port in (0, 1)]
    transfers(workspace, streams)
    comes, goes = (testpmd.port_stats(port) - before[port] for port in (0, 1))
    check(comes.rx_bytes > comes.rx_packets * ETHERNET_MAX,
          f"segments larger than any frame on a wire, got {comes}")
    check(goes.tx_bytes > goes.tx_packets * ETHERNET_MAX,
          f"segments handed on as large as they came, got {goes}")
    for counts in comes, goes:
        check(counts.tx_errors == 0 and counts.rx_errors == 0, f"no errors, got {counts}")
    told = testpmd.command("show fwd stats all").split("Accumulated")[1]
    dropped, total = map(int, re.search(r"TX-dropped: (\d+) +TX-total: (\d+)", told).groups())
    # A ring may be full while the kernel is busy with what is in it: TCP sends again.
    check(dropped * 10 < total, f"frames handed on but for a few, got {told}")


def link_follows(testpmd: Testpmd) -> None:
    for state, says in (("down", "Link down"), ("up", "Link up")):
        begin = testpmd.mark()
        command("ip", "link", "set", HERE, state)
        testpmd.expect(rf"Port 0: {says}", start=begin)


def one_pair(workspace: Workspace) -> None:
    testpmd = bridge(workspace, 1)
    address = Path(f"/sys/class/net/{HERE}/address").read_text(encoding="ascii").strip()
    check(address == MAC, f"the interface to have address {MAC}, got {address}")
    stacks()
    connects(workspace, testpmd, 1)
    link_follows(testpmd)
    refused(workspace, VHOST_NET, rf"cannot open tap interface '{HERE}': .*another program has it",
            iface=HERE)
    begin = testpmd.mark()
    command("ip", "link", "del", HERE)
    testpmd.expect("back end at /dev/vhost-net is gone: link down", start=begin)
    testpmd.expect("back end at /dev/vhost-net connected", start=begin)
    check(exists(HERE), f"{HERE} to be there again")
    testpmd.quit()
    command("ip", "netns", "del", NETNS)
    check(not exists(HERE), f"{HERE} to be gone with the program")


def one_receive_queue(workspace: Workspace) -> None:
    """With further ones only to transmit, all frames of all streams come to it."""
    testpmd = bridge(workspace, 2, receive=1)
    stacks()
    connects(workspace, testpmd, 4)
    testpmd.quit()
    command("ip", "netns", "del", NETNS)


def two_pairs(workspace: Workspace) -> None:
    """On an interface that was there before, and stays."""
    command("ip", "tuntap", "add", HERE, "mode", "tap", "multi_queue")
    testpmd = bridge(workspace, 2)
    stacks()
    connects(workspace, testpmd, 4)
    counts = testpmd.xstats(0)
    for queue in ("rx_q0", "rx_q1"):
        check(counts[f"{queue}_packets"] > 0, f"frames on both pairs, got {counts}")
    testpmd.quit()
    check(exists(HERE), f"{HERE} to stay")
    command("ip", "link", "del", HERE)
    command("ip", "netns", "del", NETNS)


def carrier_follows(workspace: Workspace) -> None:
    """The interface has one while the port is started, from the beginning on."""
    testpmd = Testpmd(workspace, "carrier", ours(), 0,
                      [vdev("net_virtio_user0", path=VHOST_NET, iface=HERE, queues=2)],
                      ["--disable-device-start"], [])
    carrier = Path(f"/sys/class/net/{HERE}/carrier")
    command("ip", "link", "set", HERE, "up")
    for line, wanted in (("show port info 0", "0"), ("port start 0", "1"), ("port stop 0", "0")):
        testpmd.command(line)
        got = carrier.read_text(encoding="ascii").strip()
        check(got == wanted, f"carrier {wanted} after '{line}', got {got}")
    testpmd.quit()


class Bridged(Numbered):
    """What one port sends, the other one receives."""
    ports = 2


def bridge_interfaces() -> None:
    """Those of a program, so that each gets what the other one sends, and nothing that the kernel has to
    say."""
    command("modprobe", "bridge")
    command("ip", "link", "add", BRIDGE, "type", "bridge", "mcast_snooping", "0")
    for interface in (BRIDGE, HERE, THERE):
        Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6").write_text("1", encoding="ascii")
        if interface != BRIDGE:
            command("ip", "link", "set", interface, "master", BRIDGE)
        command("ip", "link", "set", interface, "up")
    for interface in (HERE, THERE):
        state = Path(f"/sys/class/net/{interface}/brport/state")
        deadline = time.monotonic() + START_SECONDS
        while state.read_text(encoding="ascii") != FORWARDING:
            check(time.monotonic() < deadline, f"the bridge to forward from {interface}")
            time.sleep(0.05)


def frames_wake_a_sleeper(workspace: Workspace) -> None:
    sleeper = workspace.start("sleeper", [
        built("tests/lab/sleeper"), *workspace.eal_args(0, "sleeper"),
        "--vdev", vdev("net_virtio_user0", path=VHOST_NET, iface=HERE),
        "--vdev", vdev("net_virtio_user1", path=VHOST_NET, iface=THERE), "--", str(ROUNDS), "wait"])
    sleeper.expect("^ready", START_SECONDS)
    bridge_interfaces()
    sleeper.send("go")
    sleeper.expect(f"^woken {ROUNDS} times", START_SECONDS)
    check(sleeper.wait(START_SECONDS) == 0, "the sleeper to end")
    command("ip", "link", "del", BRIDGE)


def heap_grows(workspace: Workspace) -> None:
    testpmd = Testpmd(workspace, "testpmd", ours(), 0,
                      [vdev("net_virtio_user0", path=VHOST_NET, iface=HERE),
                       vdev("net_virtio_user1", path=VHOST_NET, iface=THERE)], [],
                      [LINES, "-m", LITTLE_MB], huge=True)
    bridge_interfaces()
    heap_grows_and_shrinks(workspace, Bridged(testpmd), hugepages_kb)
    testpmd.quit()
    command("ip", "link", "del", BRIDGE)


def user_without_rights(workspace: Workspace) -> None:
    """An interface that was made for a user takes no rights: frames come to it, and it stays."""
    command("ip", "tuntap", "add", HERE, "mode", "tap", "user", str(NOBODY))
    command("ip", "address", "add", f"{ADDRESS}/24", "dev", HERE)
    command("ip", "link", "set", HERE, "up")
    refused(workspace, VHOST_NET, r"cannot open /dev/vhost-net: Permission denied: let this user",
            program=unprivileged, iface=HERE)
    Path(VHOST_NET).chmod(0o666)
    refused(workspace, VHOST_NET, r"interface 'vua': Permission denied: .* /dev/net/tun",
            program=unprivileged, iface=HERE)
    Path("/dev/net/tun").chmod(0o666)
    testpmd = Testpmd(workspace, "unprivileged", unprivileged(), 0,
                      [vdev("net_virtio_user0", path=VHOST_NET, iface=HERE)], [], [LINES])
    status = Path(f"/proc/{testpmd.pid}/status").read_text(encoding="ascii")
    check(re.search(rf"^Uid:\t{NOBODY}\b.*^CapEff:\t0+$", status, re.M | re.S), f"no rights, got:\n{status}")
    testpmd.command("start")
    # Nobody answers, but the kernel asks who has the address.
    subprocess.run(["ping", "-c", "1", "-W", "1", PEER], check=False, capture_output=True, timeout=60)
    testpmd.until("frames of the kernel's", lambda: testpmd.port_stats().rx_packets > 0)
    testpmd.quit()
    check(exists(HERE), f"{HERE} to stay")
    command("ip", "link", "del", HERE)
    command("ip", "tuntap", "add", HERE, "mode", "tap", "user", "root")
    refused(workspace, VHOST_NET, r"cannot open tap interface .*: it takes CAP_NET_ADMIN, or",
            program=unprivileged, iface=HERE)
    command("ip", "link", "del", HERE)


def what_cannot_be(workspace: Workspace) -> None:
    command("ip", "tuntap", "add", HERE, "mode", "tap")
    refused(workspace, VHOST_NET, rf"interface '{HERE}': Invalid argument: .* multi_queue",
            iface=HERE, queues=2)
    command("ip", "link", "del", HERE)
    refused(workspace, "/tmp/socket", r"/tmp/socket has none: use path=/dev/vhost-net", iface=HERE)
    refused(workspace, VHOST_NET, r"cannot open tap interface .*: it takes CAP_NET_ADMIN",
            before=("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"))


if __name__ == "__main__":
    run(one_pair, one_receive_queue, two_pairs, carrier_follows, frames_wake_a_sleeper, heap_grows,
        user_without_rights, what_cannot_be)
