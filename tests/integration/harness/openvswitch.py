# SPDX-License-Identifier: BSD-3-Clause
"""An Open vSwitch of one test: the distribution's daemons, their state in the test's directory, in a
network namespace of their own."""
from pathlib import Path

from .drop_in import environment
from .process import Process
from .result import Skip
from .workspace import Workspace, cores, free_hugepages_mb, installed, require_root

PACKAGE = "openvswitch-switch-dpdk"
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
DAEMON = Path("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk")
MEMORY_MB = 192
START_SECONDS = 60


class OpenVSwitch:
    """One bridge with a userspace data path, and ports on it."""

    def __init__(self, workspace: Workspace, core: int = 0):
        require_root("run Open vSwitch")
        for file in (SCHEMA, DAEMON):
            if not file.exists():
                raise Skip(f"{file} is not there (package {PACKAGE})")
        if free_hugepages_mb() < MEMORY_MB:
            raise Skip(f"Open vSwitch with DPDK needs {MEMORY_MB} MB of hugepages")
        self._workspace = workspace
        self.dir = workspace.path("ovs")
        self.dir.mkdir()
        self._netns = workspace.network_namespace()
        self._env = {name: str(self.dir) for name in
                     ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")}
        self._db = f"unix:{self.dir}/db.sock"
        self._control = self.dir / "control"
        self._ports = 0
        self._start_database()
        self.daemon = self._start_daemon(cores()[core % len(cores())])
        self._vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev",
                    "fail_mode=secure")

    def _start_database(self) -> None:
        database = self.dir / "conf.db"
        self._run("ovsdb-tool", "create", database, SCHEMA)
        server = self._workspace.start(
            "ovsdb-server", [installed("ovsdb-server", PACKAGE), f"--remote=p{self._db}",
                             "-vconsole:info", database], env=self._env, netns=self._netns)
        server.expect("ovsdb-server .*Open vSwitch", START_SECONDS)

    def _start_daemon(self, cpu: int) -> Process:
        prefix = self._workspace.unique("ovs")
        settings = {
            "dpdk-init": "true",
            "dpdk-lcore-mask": hex(1 << cpu),
            "pmd-cpu-mask": hex(1 << cpu),
            "dpdk-socket-limit": str(MEMORY_MB),
            "dpdk-extra": f"--no-pci --in-memory --single-file-segments --file-prefix {prefix}",
        }
        self._vsctl("--no-wait", "init")
        self._vsctl("--no-wait", "set", "Open_vSwitch", ".",
                    *(f'other_config:{key}="{value}"' for key, value in settings.items()))
        daemon = self._workspace.start("ovs-vswitchd", [DAEMON, self._db, "-vconsole:info",
                                                        f"--unixctl={self._control}"],
                                       env={**self._env, **environment()}, netns=self._netns)
        daemon.expect("DPDK Enabled - initialized", START_SECONDS)
        return daemon

    def add_vhost_client(self, socket: Path) -> int:
        """A port that connects to a front end on socket; returns its number."""
        self._ports += 1
        name = f"vhost{self._ports}"
        self._vsctl("add-port", "br0", name, "--", "set", "Interface", name,
                    "type=dpdkvhostuserclient", f"options:vhost-server-path={socket}",
                    f"ofport_request={self._ports}")
        return self._ports

    def connect(self, port: int, other: int) -> None:
        """What comes in on one goes out of the other; both may be the same."""
        for source, target in {(port, other), (other, port)}:
            action = "in_port" if source == target else f"output:{target}"
            self._run("ovs-ofctl", "add-flow", f"unix:{self.dir}/br0.mgmt",
                      f"in_port={source},actions={action}")

    def settle(self) -> None:
        """Have the switch finish what it is about to change, which drops frames: it answers a change
        of its settings when it has gone once through all of them, ports that came up included."""
        for value in ("first", "second"):
            self._vsctl("set", "bridge", "br0", f"external_ids:settle={value}")

    def statistics(self, port: int) -> dict[str, int]:
        text = self._vsctl("get", "Interface", f"vhost{port}", "statistics")
        return {key.strip(' "'): int(value) for key, _, value in
                (item.partition("=") for item in text.strip(" {}\n").split(",")) if value}

    def _vsctl(self, *args) -> str:
        return self._run("ovs-vsctl", f"--db={self._db}", "--timeout=30", *args)

    def _run(self, program: str, *args) -> str:
        return self._workspace.run([installed(program, PACKAGE), *args], netns=self._netns,
                                   env=self._env)

    def stop(self) -> None:
        """Ask the daemon to end, and wait until it has."""
        self._run("ovs-appctl", "-t", self._control, "exit")
        status = self.daemon.wait(START_SECONDS)
        if status != 0:
            raise self.daemon.failure(f"ended with status {status}")
