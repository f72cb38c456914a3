#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The distribution's dpdk-testpmd runs on our librte_vhost without being rebuilt: its net_vhost carries
frames as before, and its vDPA drivers load. A program that asks for nothing offers front ends what it did.

VDPA_EVERY_MODE, if not empty, asks for our front end in the distribution's program as well as in ours.
"""
import enum
import re

from harness.backends import vhost_port
from harness.drop_in import (check_all_else_is_theirs, check_runs_on_ours, environment, mapped,
                             their_environment)
from harness.front import EVERY_MODE, FrontEnd, both_ends
from harness.numbered import frames
from harness.result import check
from harness.runner import run
from harness.testpmd import Testpmd, distribution, vdev
from harness.vhost_user import Feature, ProtocolFeature, mask
from harness.workspace import built, cores

FRAMES = 1_000_000
VDPA_DRIVERS = ["ifc", "mlx5", "sfc"]
NET_VHOST = {
    "split": {"packed": False},
    "packed": {"packed": True},
    "two_pairs": {"packed": False, "pairs": 2},
    "client": {"packed": True, "client": True},
}


class Flag(enum.IntFlag):
    """RTE_VHOST_USER_*: how a socket is registered."""
    EXTBUF_SUPPORT = 1 << 5
    LINEARBUF_SUPPORT = 1 << 6
    ASYNC_COPY = 1 << 7


# Ours offers of itself what theirs offers only when a program asks for it: to be recovered from a crash, to be
# reset, memory in pieces, and (newer than theirs) the state of a device. Only theirs offers CRYPTO_SESSION: that is
# of use to virtio-crypto alone, which ours has not.
OTHER_PROTOCOL = mask(ProtocolFeature.INFLIGHT_SHMFD, ProtocolFeature.RESET_DEVICE,
                      ProtocolFeature.CONFIGURE_MEM_SLOTS, ProtocolFeature.DEVICE_STATE,
                      ProtocolFeature.CRYPTO_SESSION)
# Segments do not fit linear buffers, so both take back TSO4, TSO6 and UFO. ECN is nothing without TSO, and GSO
# stands for all of them: ours takes back these as well.
OTHER_LINEAR = mask(Feature.NET_GSO, Feature.NET_HOST_ECN)


def backend(workspace, sockets, **options) -> Testpmd:
    """Nothing of ours but the library."""
    testpmd = vhost_port(workspace, sockets, program=distribution, env=environment(), **options)
    check_runs_on_ours(testpmd)
    check_all_else_is_theirs(workspace, testpmd)
    return testpmd


def numbered_frames_come_back(workspace, packed: bool, pairs: int = 1, client: bool = False,
                              in_theirs: bool = False) -> None:
    """Our front end sends through their port on our library, and every frame is checked."""
    socket = workspace.path("socket")
    front, theirs = both_ends(
        lambda wait: FrontEnd(workspace, socket, in_theirs, pairs, packed_vq=packed, server=client,
                              wait=wait),
        lambda: backend(workspace, [socket], pairs=pairs, client=client), client)
    count = front.frames(FRAMES // pairs)
    result = front.run(count)
    check(result.received == result.sent == count * pairs, f"{count * pairs} frames, got {result}")
    theirs.command("stop")
    stats, xstats = theirs.port_stats(), theirs.xstats()
    check(stats.rx_packets == stats.tx_packets == count * pairs, f"all counted, got {stats}")
    for queue in range(pairs):
        names = (f"rx_q{queue}_good_packets", f"tx_q{queue}_good_packets")
        check([xstats.get(name) for name in names] == [count] * 2,
              f"{count} frames on queue {queue}, got {xstats}")
    front.quit()
    theirs.quit()


def both_ends_are_theirs(workspace, packed: bool) -> None:
    """Their front end, their back end; only the library in between is ours."""
    socket = workspace.path("socket")
    theirs = backend(workspace, [socket])
    frontend = Testpmd(workspace, "frontend", distribution(), 1,
                       [vdev("net_virtio_user0", path=socket, packed_vq=packed)])
    frontend.command("start tx_first 1")
    frontend.until("a million frames back",
                   lambda: frontend.port_stats().rx_packets > frames(FRAMES))
    frontend.command("stop")
    theirs.command("stop")
    sent, taken = frontend.port_stats().tx_packets, theirs.port_stats().rx_packets
    # What the front end sent last, the back end may not have been given the time to take.
    check(sent - 256 <= taken <= sent, f"{sent} frames to arrive, got {taken}")
    frontend.quit()
    theirs.quit()


def vdpa_drivers_load(workspace) -> None:
    """EAL loads every driver of its directory; those need all that they name."""
    theirs = Testpmd(workspace, "theirs", distribution(), 0, [vdev("net_null0")], env=environment())
    check_runs_on_ours(theirs)
    files = mapped(theirs)
    for driver in VDPA_DRIVERS:
        check(any(f"librte_vdpa_{driver}.so" in name for name in files),
              f"librte_vdpa_{driver} to be loaded, got {sorted(files)}")
    check("cannot open" not in theirs.text and "undefined symbol" not in theirs.text,
          f"no complaint of the loader, got:\n{theirs.tail()}")
    theirs.quit()


def offers(workspace, env: dict[str, str]) -> dict[int, list[int] | None]:
    """Flags that a socket is registered with -> features, protocol features, queue pairs; or it is not."""
    eal = ["--no-pci", "--no-huge", "-m", "16", "--no-shconf", "--no-telemetry", "-l", cores()[0]]
    said = workspace.run([built("tests/integration/drop_in/offers"), *eal, "--", workspace.dir], env=env)
    return {int(flags, 16): None if what == "refused" else [int(word, 0) for word in what.split()]
            for flags, what in re.findall(r"^(0x\w+) (refused|0x\w+ 0x\w+ \d+)$", said, re.M)}


def front_ends_are_offered_the_same(workspace) -> None:
    """By a program that says nothing of features."""
    # It has the sanitizer's run time in it, if there is one.
    ours = offers(workspace, {**environment(), "LD_PRELOAD": ""})
    theirs = offers(workspace, their_environment())
    check(len(theirs) == 10 and None not in theirs.values(), f"an answer to each flag, got {theirs}")
    # Ours has no data path with DMA devices.
    check(ours.pop(Flag.ASYNC_COPY) is None, "ASYNC_COPY to be refused")
    del theirs[Flag.ASYNC_COPY]
    check(ours.keys() == theirs.keys(), f"the same flags, got {ours.keys()} and {theirs.keys()}")
    for flags, (features, protocol, pairs) in ours.items():
        linear = flags & Flag.LINEARBUF_SUPPORT and not flags & Flag.EXTBUF_SUPPORT
        expected = [theirs[flags][0] ^ (OTHER_LINEAR if linear else 0),
                    theirs[flags][1] ^ OTHER_PROTOCOL, theirs[flags][2]]
        check([features, protocol, pairs] == expected,
              f"with flags {flags:#x} features {expected[0]:#x}, protocol features {expected[1]:#x}, "
              f"{expected[2]} queue pairs, got {features:#x}, {protocol:#x}, {pairs}")


def case(name: str, function, **options):
    return name, lambda workspace: function(workspace, **options)


if __name__ == "__main__":
    run(vdpa_drivers_load,
        front_ends_are_offered_the_same,
        *[case(f"net_vhost_{name}{suffix}", numbered_frames_come_back, in_theirs=in_theirs, **options)
          for suffix, in_theirs in (("", False), ("_in_theirs", True))[:2 if EVERY_MODE else 1]
          for name, options in NET_VHOST.items()],
        case("both_ends_theirs_split", both_ends_are_theirs, packed=False),
        case("both_ends_theirs_packed", both_ends_are_theirs, packed=True))
