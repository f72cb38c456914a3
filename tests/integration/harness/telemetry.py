# SPDX-License-Identifier: BSD-3-Clause
"""What a process tells the distribution's dpdk-telemetry.py."""
import json
import subprocess
import sys

from .process import Process
from .result import Failure
from .workspace import installed


def ask(process: Process, *commands: str) -> list:
    """The answer to each command, None for one that was refused."""
    prefix = process.argv[process.argv.index("--file-prefix") + 1]
    # Without a terminal it prints answers only, one to a line. It asks for some python3, which may be one
    # that takes seconds to be found.
    output = subprocess.run([sys.executable, installed("dpdk-telemetry.py", "dpdk-dev"), "-f", prefix],
                            input="".join(f"{command}\n" for command in commands),
                            capture_output=True, text=True, check=True, timeout=120).stdout
    answers = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    if len(answers) != len(commands):
        raise Failure(f"expected {len(commands)} answers of dpdk-telemetry.py, got:\n{output}")
    return [answer[command.split(",")[0]] for answer, command in zip(answers, commands)]


def ask_one(process: Process, command: str):
    return ask(process, command)[0]
