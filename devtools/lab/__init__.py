# SPDX-License-Identifier: BSD-3-Clause
"""The lab: QEMU guests in which this tree meets a real kernel. See doc/guides/contributing/lab.rst.

child     processes that do not outlive the one that started them
devices   devices of a guest, from the words that describe them
kernel    what a guest boots from, and the orders that it finds there
machine   the emulator's command line for a guest
needs     what a command or a test wants of its guest: options, module sets, devices
peer      a process on the host that serves a guest's device
vm        a guest that runs one command: its output, its end, its time limit

On the guest's side: init, then guest, which calls enable for each set of modules.
"""
