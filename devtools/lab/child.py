# SPDX-License-Identifier: BSD-3-Clause
"""Processes that do not outlive the one that started them, whatever becomes of it."""
import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """Called in a child between fork and exec: the kernel kills it when parent dies."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(127)


def bound_to_us():
    """preexec_fn for a child of this process."""
    parent = os.getpid()
    return lambda: die_with(parent)


def end_session(child) -> None:
    """Kill a child that began a session of its own, with all of it that still runs, and reap it."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
