#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vhost-net
# lab-timeout: 300
# devtools/lab/run --host, on this Linux that has the modules: a device is made for the command, and
# nobody's device is left or lost. Shares a guest with a test that needs no vDPA device.
set -eu

fail() { printf 'expected %s\n' "$*"; exit 1; }

# status, what for, command...
expect_status() {
	wanted=$1 why=$2 got=0
	shift 2
	"$@" || got=$?
	[ "$got" -eq "$wanted" ] || fail "status $wanted $why, got $got"
}

no_device() { ! vdpa dev show vdpa0 2>/dev/null || fail "no vDPA device $1"; }

expect_status 7 "of a command that fails with it" \
	devtools/lab/run --host --vdpa-sim -- sh -c 'vdpa dev show vdpa0 && exit 7'
no_device "after a run that made one"

# The second set names a device that is not there.
export LAB_DEVICES='0000:ff:1f.7 vp-vdpa -'
expect_status 1 "when a set cannot be loaded" devtools/lab/enable vdpa-sim vp-vdpa
no_device "of the set before one that could not be loaded"
vdpa dev add name vdpa0 mgmtdev vdpasim_net
expect_status 1 "when somebody else has a device of that name" devtools/lab/enable vdpa-sim
vdpa dev del vdpa0 || fail "somebody else's device to stay"
