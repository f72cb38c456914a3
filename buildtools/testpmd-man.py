#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the manual page of dpdk-vdpa-testpmd from the tables in its sources.

Usage: testpmd-man.py SOURCE_DIR VERSION OUTPUT DEPFILE

DEPFILE is written as well: the files that the page is made from, for ninja.
"""
import sys
from pathlib import Path

import testpmd_tables as tables

HEAD = r"""\" SPDX-License-Identifier: BSD-3-Clause
.TH DPDK-VDPA-TESTPMD 1 "" "dpdk-vdpa {version}" "User Commands"
.SH NAME
dpdk-vdpa-testpmd \- forward frames between DPDK ports, serve vDPA devices on vhost-user sockets
.SH SYNOPSIS
.B dpdk-vdpa-testpmd
.RI [ "EAL options" ]
.B \-\-
.RI [ options ]
.SH DESCRIPTION
Forwards frames between Ethernet ports, with those options and commands of
.B dpdk-testpmd
that are used most, and offers vDPA devices on vhost-user sockets.
The first lcore reads commands, each further one forwards.
Of the EAL options, those needed most are
.B \-\-vdev
for devices without hardware,
.B \-l
for lcores,
.B \-m
for megabytes of memory,
.B \-\-file\-prefix
to run several programs at a time, and either
.B \-\-in\-memory
with hugepages or
.B \-\-no\-huge \-\-single\-file\-segments
without.
"""

TAIL = r"""
.SH INPUT AND SIGNALS
With
.B \-i
commands are read until
.B quit
or the end of standard input. Without it, forwarding starts at once, and a line or the end of standard
input ends it; with
.B \-\-stats\-period
or
.BR \-\-seq\-count ,
standard input is not read.
SIGINT, SIGTERM and SIGHUP stop forwarding, print what it has done, detach vDPA devices and close the
ports.
.SH COUNTERS AS JSON
.B \-\-stats\-json
and
.B show stats json
write one line each, an object of these members:
.TP
.B time
seconds since 1970
.TP
.BR mode ", " forwarding
the forwarding mode that ran last, or null, and whether it runs
.TP
.B ports
a list: port, device, driver, started, link, rx_packets, rx_bytes, rx_missed, rx_errors, rx_nombuf,
tx_packets, tx_bytes, tx_errors, and xstats with what else the device counts
.TP
.B streams
a list, what forwarding counted on each receive queue and the transmit queue behind it: rx_port,
rx_queue, tx_port, tx_queue, rx_packets, rx_bytes, tx_packets, tx_bytes, tx_dropped
.TP
.B seq
only with numbered frames: sent, received, lost, duplicate, reordered, corrupt, misrouted, foreign,
in_flight, complete, passed
.TP
.B vdpa
a list: device, socket (or null), ready, and queues, a list with what the device counts
.SH EXIT STATUS
0 if everything that was asked for could be done and, with numbered frames, all of them arrived
unharmed; 1 otherwise.
.SH EXAMPLES
A vDPA device in software with two queue pairs, and a prompt:
.PP
.nf
dpdk-vdpa-testpmd \-\-in\-memory \-\-no\-pci \-l 0\-1 \-m 128 \e
    \-\-vdev vdpa_sim0,queues=2 \-\- \-i \-\-vdpa vdpa_sim0=/tmp/vdpa.sock
.fi
.PP
A front end for it, which sends numbered frames and checks them as they come back:
.PP
.nf
dpdk-vdpa-testpmd \-\-in\-memory \-\-no\-pci \-l 0\-1 \-m 128 \-\-file\-prefix fe \e
    \-\-vdev net_virtio_user0,path=/tmp/vdpa.sock,queues=2 \-\- \e
    \-\-rxq 2 \-\-txq 2 \-\-forward\-mode seq \-\-seq\-count 1000000
.fi
.SH SEE ALSO
.BR qemu-system-x86_64 (1),
the guides of this package, and those of DPDK for EAL options.
"""


def roff(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def entry(term: str, text: str) -> str:
    return f".TP\n.B {roff(term)}\n{roff(text)}\n"


def main() -> int:
    if len(sys.argv) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    source, version = Path(sys.argv[1]), sys.argv[2]
    output, depfile = Path(sys.argv[3]), Path(sys.argv[4])
    page = ".\\" + HEAD.format(version=version).lstrip("\\")
    page += ".SH OPTIONS\n"
    for option in tables.options(source):
        name = f"--{option.name}" + (f" {option.argument}" if option.argument else "")
        page += entry(f"-{option.letter}, {name}" if option.letter else name, option.help)
    page += ".SH FORWARDING MODES\n"
    for name, text in tables.modes(source):
        page += entry(name, text)
    page += ".SH COMMANDS\n"
    for title, commands in tables.sections(source):
        page += f".SS {roff(title)}\n"
        for command in commands:
            page += entry(command.syntax, command.help)
    output.write_text(page + TAIL.lstrip("\n"), encoding="utf-8")
    made_from = [*sorted(source.glob("*.c")), Path(tables.__file__)]
    depfile.write_text(f"{output}: " + " ".join(map(str, made_from)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
