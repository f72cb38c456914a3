#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A back end that talks nonsense, lies in its rings or falls silent costs the front end a line in the log
and that connection; the program goes on, and the next back end that is honest has every frame.

Each lie is told in each ring format that has it. VDPA_EVERY_MODE, if not empty, asks for every front end
rather than a few: one queue pair or two, with vector functions or without, in our program and, but for
silence, in the distribution's. With sanitizers it is lies alone that are told, to our program.
"""
import random
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from harness.backends import vhost_port
from harness.front import EVERY_MODE, FrontEnd
from harness.result import Failure, check
from harness.rude_backend import LIES, Format, answer, answer_nonsense, fall_silent, lie_in_ring
from harness.runner import run
from harness.vhost_user import VERSION, Feature, Request, mask
from harness.workspace import sanitized

NONSENSE = [
    random.Random(1).randbytes(64),
    answer(size=0xffffffff),
    answer(size=4, payload=bytes(4)),
    answer(request=Request.GET_QUEUE_NUM),
    answer(flags=VERSION),
]
# A liar returns nothing: as many frames as often as it takes until its front end wants to have them back.
LOSING = {"window": 32, "patience_ms": 50}
LINK_DOWN = "(?s:.*?): link down"


@dataclass
class Mode:
    """The front end."""
    pairs: int
    vectorized: bool
    theirs: bool = False    # our driver is in the distribution's program

    @property
    def name(self) -> str:
        return "_".join([f"{self.pairs}_pairs"] + ["vectorized"] * self.vectorized +
                        ["in_theirs"] * self.theirs)


def honest(workspace, socket: Path, front: FrontEnd, pairs: int) -> None:
    """An honest back end comes and has every frame."""
    with vhost_port(workspace, [socket], pairs, client=True) as backend:
        front.start()
        front.flows()
        front.every_frame_comes_back()
        backend.quit()


def frontend(workspace, socket: Path, mode: Mode, **arguments) -> FrontEnd:
    """One that listens, and has had a back end that it sends frames to."""
    front = FrontEnd(workspace, socket, mode.theirs, mode.pairs, server=True, wait=False, packed_vq=True,
                     vectorized=mode.vectorized, **arguments)
    with vhost_port(workspace, [socket], mode.pairs, client=True):
        front.ready()
        front.start(**LOSING)
        front.flows()
    front.testpmd.expect("link down")
    return front


def nonsense_is_hung_up_on(workspace, mode: Mode) -> None:
    """It answers something else than it was asked for."""
    socket = workspace.path("socket")
    front = frontend(workspace, socket, mode)
    for what, before in product(NONSENSE, (0, 1)):
        answer_nonsense(socket, what, before)
    front.numbers.command("stop")
    honest(workspace, socket, front, mode.pairs)
    front.quit()


def lies_stop_the_queue(workspace, mode: Mode) -> None:
    """It returns what is no buffer of the ring, or no frame."""
    socket = workspace.path("socket")
    front = frontend(workspace, socket, mode)
    formats = [Format(*have) for have in product((False, True), repeat=3)]
    for form, lie in [(form, lie) for form in formats for lie in LIES if lie.fits(form)]:
        begin = front.testpmd.mark()
        try:
            complaint = lie_in_ring(socket, lie, form, mode.pairs)
            front.testpmd.rewind(begin)
            front.testpmd.expect(rf"{complaint}\s(?s:.*?)is left for a queue that failed{LINK_DOWN}")
        except Failure as failure:
            raise Failure(f"told {lie} in {form}: {failure}") from failure
    front.numbers.command("stop")
    honest(workspace, socket, front, mode.pairs)
    front.quit()


def silence_while_it_comes_up_is_bounded(workspace, mode: Mode) -> None:
    """It never confirms a feature word."""
    socket = workspace.path("socket")
    front = frontend(workspace, socket, mode)
    fall_silent(socket, Request.SET_FEATURES, pairs=mode.pairs)
    front.testpmd.expect("SET_FEATURES to the back end at .*: Connection timed out")
    front.numbers.command("stop")
    honest(workspace, socket, front, mode.pairs)
    front.quit()


# A back end behind a socket gets no commands, whatever it offers: what they ask for, the front end does.
CONTROL = mask(Feature.NET_CTRL_VQ, Feature.NET_CTRL_RX, Feature.NET_CTRL_VLAN, Feature.NET_CTRL_MAC_ADDR,
               Feature.NET_GUEST_ANNOUNCE)
ADDRESS = "02:00:00:00:00:07"
COMMANDS = ["set promisc 0 off", "set allmulti 0 on", f"mac_addr set 0 {ADDRESS}",
            "mac_addr add 0 02:00:00:00:00:08", "mcast_addr add 0 01:00:5e:00:00:01"]
SHOWN = ["Promiscuous mode: disabled", "Allmulticast mode: enabled", f"MAC address: {ADDRESS}"]


def control_commands_ask_no_backend(front: FrontEnd) -> None:
    for line in COMMANDS:
        said = front.testpmd.command(line)
        check(not re.search("error|fail|cannot|timed", said, re.I), f"nothing amiss of {line}, got {said}")
    info = front.testpmd.command("show port info 0")
    for line in SHOWN:
        check(line in info, f"'{line}', got {info}")


def silence_when_the_port_stops_is_bounded(workspace, mode: Mode) -> None:
    """It has a control queue to offer, and does not answer when it is to give its rings back."""
    socket = workspace.path("socket")
    front = frontend(workspace, socket, mode, cq=True)

    def stop() -> None:
        control_commands_ask_no_backend(front)
        front.numbers.command("stop")
        front.testpmd.send("port stop 0")

    begin = front.testpmd.mark()
    fall_silent(socket, Request.GET_VRING_BASE, CONTROL, mode.pairs, stop)
    front.testpmd.rewind(begin)
    front.testpmd.expect("GET_VRING_BASE to the back end at .*: Connection timed out")
    front.testpmd.expect("Done")
    front.testpmd.command("port start 0")
    honest(workspace, socket, front, mode.pairs)
    front.quit()


IN_OURS = [Mode(*mode) for mode in product((1, 2), (False, True))]
MODES = IN_OURS + [Mode(*mode, theirs=True) for mode in product((1, 2), (False, True))]
SILENCE = [silence_when_the_port_stops_is_bounded, silence_while_it_comes_up_is_bounded]
SCENARIOS = {
    **{scenario: [Mode(2, False)] for scenario in SILENCE},
    lies_stop_the_queue: [Mode(1, False), Mode(2, True), Mode(2, False, theirs=True)],
    nonsense_is_hung_up_on: [Mode(1, False, theirs=True)],
}


def chosen(scenario) -> list[Mode]:
    if EVERY_MODE:
        return IN_OURS if scenario in SILENCE else MODES
    if sanitized():
        return [mode for mode in SCENARIOS[scenario]
                if scenario == lies_stop_the_queue and not mode.theirs]
    return SCENARIOS[scenario]


def case(scenario, mode: Mode):
    return f"{scenario.__name__}_{mode.name}", lambda workspace: scenario(workspace, mode)


if __name__ == "__main__":
    run(*[case(scenario, mode) for scenario in SCENARIOS for mode in chosen(scenario)], at_once=4)
