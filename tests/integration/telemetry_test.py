#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The distribution's dpdk-telemetry.py reads sockets, devices, rings and vDPA devices of a running
program, and what it is told is what the program's own commands say."""
import os

from harness.net_frontend import NetFrontend
from harness.result import Failure, check
from harness.runner import run
from harness.telemetry import ask, ask_one
from harness.testpmd import Testpmd, ours, vdev
from harness.vdpa import vdpa_stats
from harness.vhost_user import Memory, Request

COMMANDS = ["/vdpa/info", "/vdpa/list", "/vdpa/stats", "/vhost/info", "/vhost/list",
            "/vhost/socket", "/vhost/sockets", "/vhost/vring"]
FRAMES = 300


def program(workspace):
    """A vhost port that sends back what it gets, and a vDPA device that does so too."""
    port, device = workspace.path("port"), workspace.path("device")
    testpmd = Testpmd(workspace, "ours", ours(), 0,
                      [vdev("net_vhost0", iface=port), vdev("vdpa_sim0", mode="loop")],
                      [f"--vdpa=vdpa_sim0={device}", "--port-topology=loop"])
    testpmd.command("start")
    return testpmd, port, device


def frontend(socket, memory: Memory, packed: bool) -> NetFrontend:
    """One that has had its frames sent back."""
    end = NetFrontend.to(socket).setup(memory, packed=packed).bring_up()
    frames = [os.urandom(60 + i % 1400) for i in range(FRAMES)]
    check(end.exchange(frames) == frames, "every frame back")
    return end


def every_command_has_help(workspace) -> None:
    testpmd, _, _ = program(workspace)
    listed = [name for name in ask_one(testpmd, "/") if name.startswith(("/vhost/", "/vdpa/"))]
    check(listed == COMMANDS, f"commands {COMMANDS}, got {listed}")
    for name, answer in zip(COMMANDS, ask(testpmd, *(f"/help,{name}" for name in COMMANDS))):
        check("arameter" in answer[name], f"the parameters in the help of {name}, got {answer}")
    testpmd.quit()


def figures_are_those_of_the_program(workspace) -> None:
    testpmd, port, device = program(workspace)
    check(ask(testpmd, "/vhost/list", "/vdpa/list") == [[], ["vdpa_sim0"]], "no device yet")
    memories = [Memory(), Memory()]
    ends = [frontend(port, memories[0], False), frontend(device, memories[1], True)]

    devices, sockets = ask(testpmd, "/vhost/list", "/vhost/sockets")
    check(sorted(sockets) == sorted([str(port), str(device)]), f"both sockets, got {sockets}")
    infos = [ask_one(testpmd, f"/vhost/info,{vid}") for vid in devices]
    check([info["socket"] for info in infos] == [str(port), str(device)], f"both ends, got {infos}")
    check([info["data_path"] for info in infos] == ["library", "vdpa"], f"data paths: {infos}")
    for info, end, memory in zip(infos, ends, memories):
        check(info["running"] == 1 and info["vrings"] == 2, f"a running device: {info}")
        check(int(info["features"], 0) == end.features, f"features {end.features:#x}: {info}")
        check(info["memory_bytes"] == sum(region.size for region in memory.regions),
              f"the size of the memory: {info}")
        check(info["messages"]["SET_VRING_KICK"] == 2, f"one kick descriptor a ring: {info}")
        check(info["messages"]["SET_MEM_TABLE"] == 1, f"one memory table: {info}")

    stats = testpmd.port_stats()
    check(stats.rx_packets == stats.tx_packets == FRAMES, f"{FRAMES} frames, got {stats}")
    rings = ask(testpmd, "/vhost/vring,0,0", "/vhost/vring,0,1")
    for ring, bytes_ in zip(rings, (stats.tx_bytes, stats.rx_bytes)):
        check(ring["format"] == "split" and ring["ready"] == ring["enabled"] == 1, f"up: {ring}")
        check(ring["counters"]["good_packets"] == FRAMES, f"{FRAMES} frames: {ring}")
        check(ring["counters"]["good_bytes"] == bytes_, f"{bytes_} bytes: {ring}")
    check(rings[1]["used_index"] == rings[1]["avail_index"] == FRAMES, f"positions: {rings[1]}")
    check(ask_one(testpmd, "/vhost/vring,1,0")["format"] == "packed", "the format of ring 0")

    queues = vdpa_stats(testpmd, "vdpa_sim0")
    check([ask_one(testpmd, f"/vdpa/stats,vdpa_sim0,{i}") for i in range(2)] == queues,
          f"what 'vdpa stats' says: {queues}")
    info = ask_one(testpmd, "/vdpa/info,vdpa_sim0")
    check(info["name"] == "vdpa_sim0" and info["type"] == "net" and info["vrings"] == 2 and
          not ends[1].features & ~(int(info["features"], 0) | 1 << 30),
          f"a network device with the features that were agreed on, got {info}")
    check(ask_one(testpmd, f"/vhost/socket,{device}")["vdpa_device"] == "vdpa_sim0",
          "the device of the socket")
    total = ask_one(testpmd, "/vdpa/stats,vdpa_sim0")
    check(total["packets"] == sum(queue["packets"] for queue in queues) == 2 * FRAMES,
          f"both queues together, got {total}")
    for end in ends:
        end.teardown()
    testpmd.until("end of both devices", lambda: ask_one(testpmd, "/vhost/list") == [])
    testpmd.quit()


def connections_and_refused_messages_are_counted(workspace) -> None:
    testpmd, port, _ = program(workspace)
    socket = f"/vhost/socket,{port}"
    check(ask_one(testpmd, socket)["connections"] == 0, "no connection yet")
    memory = Memory()
    for i in range(3):
        end = NetFrontend.to(port).setup(memory, packed=False).bring_up()
        check(ask_one(testpmd, socket)["devices"] == [0], "one device")
        end.teardown()
        testpmd.until("end of the connection", lambda: not ask_one(testpmd, socket)["devices"])
        memory.free_all()
        check(ask_one(testpmd, socket)["connections"] == i + 1, f"{i + 1} connections")

    end = NetFrontend.to(port).setup(memory, packed=False).bring_up()
    end.need_reply = True
    try:
        end.set_vring_state(Request.SET_VRING_NUM, 0, 64)
        check(False, "a change of a ring that runs to be refused")
    except Failure as refusal:
        check("SET_VRING_NUM was refused" in str(refusal), f"the refusal, got {refusal}")
    info = ask_one(testpmd, "/vhost/info,0")
    check(info["refused_messages"] == 1, f"one refused message, got {info}")
    check(info["messages"]["SET_VRING_NUM"] == 3, f"three of them by now, got {info}")
    end.need_reply = False
    end.set_vring_state(Request.SET_VRING_NUM, 4711, 64)
    end.wait_closed()
    testpmd.until("end of the connection", lambda: not ask_one(testpmd, socket)["devices"])
    info = ask_one(testpmd, socket)
    check(info["expelled_front_ends"] == 1 and info["role"] == "server",
          f"one front end expelled, got {info}")
    memory.close()
    testpmd.quit()


def client_tells_of_its_attempts(workspace) -> None:
    socket = workspace.path("nobody")
    testpmd = Testpmd(workspace, "ours", ours(), 0,
                      [vdev("net_vhost0", iface=socket, client=True)])
    info = ask_one(testpmd, f"/vhost/socket,{socket}")
    check(info["role"] == "client" and info["started"] == 1, f"a client, got {info}")
    testpmd.until("another attempt", lambda: ask_one(
        testpmd, f"/vhost/socket,{socket}")["failed_attempts"] > info["failed_attempts"])
    testpmd.quit()


def what_is_not_there_is_refused(workspace) -> None:
    testpmd, port, _ = program(workspace)
    memory = Memory()
    end = NetFrontend.to(port).setup(memory, packed=False).bring_up()
    bad = ["/vhost/list,x", "/vhost/list,-1", "/vhost/list,1024", "/vhost/list,0,0",
           "/vhost/info", "/vhost/info,", "/vhost/info,1", "/vhost/info,0x0", "/vhost/info, 0",
           "/vhost/info,99999999999999999999", "/vhost/info,4294967296",
           "/vhost/vring,0", "/vhost/vring,0,2", "/vhost/vring,0,65536", "/vhost/vring,1,0",
           "/vhost/vring,0,0,0", "/vhost/vring,0,", "/vhost/vring,,0",
           "/vhost/sockets,x", "/vhost/socket", "/vhost/socket,/not/there",
           "/vdpa/list,x", "/vdpa/info", "/vdpa/info,vdpa_sim1", "/vdpa/info,vdpa_sim0,0",
           "/vdpa/info,", "/vdpa/info," + "x" * 300, "/vdpa/stats", "/vdpa/stats,vdpa_sim",
           "/vdpa/stats,vdpa_sim0,2", "/vdpa/stats,vdpa_sim0,x", "/vdpa/stats,vdpa_sim0,0,0"]
    for command, answer in zip(bad, ask(testpmd, *bad)):
        check(answer is None, f"{command} to be refused, got {answer}")
    good = ["/vhost/list,0", "/vhost/list,1", "/vhost/sockets,1", "/vhost/sockets,2"]
    counts = [len(answer) for answer in ask(testpmd, *good)]
    check(counts == [1, 0, 1, 0], f"the rest of each list, got {counts}")
    end.teardown()
    memory.close()
    testpmd.quit()


if __name__ == "__main__":
    run(every_command_has_help, figures_are_those_of_the_program,
        connections_and_refused_messages_are_counted, client_tells_of_its_attempts,
        what_is_not_there_is_refused)
