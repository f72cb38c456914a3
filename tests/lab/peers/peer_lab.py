# SPDX-License-Identifier: BSD-3-Clause
"""What the peers share: they say when they are ready, and serve until they are told to end."""
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))

from harness.result import Failure, Skip  # noqa: E402
from harness.runner import EXIT_SKIP  # noqa: E402
from harness.workspace import Workspace  # noqa: E402


def serve(usage: str, start) -> None:
    """start(workspace, sockets) gives the process that serves them."""
    sockets = [Path(word) for word in sys.argv[1:]]
    if not sockets or sys.argv[1].startswith("-"):
        sys.exit(usage)
    signals = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        with Workspace("peer") as workspace:
            backend = start(workspace, sockets)
            print("ready", flush=True)
            while signal.sigtimedwait(signals, 1) is None:
                if not backend.running:
                    workspace.report()
                    sys.exit(1)
            backend.quit()
    except Skip as why:
        print(why, flush=True)
        sys.exit(EXIT_SKIP)
    except Failure as why:
        sys.exit(str(why))
