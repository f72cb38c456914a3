# SPDX-License-Identifier: BSD-3-Clause
"""What the tests on real processes, the demo and the benchmark share.

result      Failure and Skip
process     a child on a terminal of its own
workspace   directory, cores, memory and programs of one test case
testpmd     a testpmd, ours or the distribution's
vhost_user  the protocol as a scripted peer
vring       virtqueues as a driver in Python fills them
runner      the cases of a test file, and its exit status

Guests come from devtools/lab, the package lab.
"""
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "devtools"))
