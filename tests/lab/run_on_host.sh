#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# lab: --vhost-net
# lab-timeout: 300
# devtools/lab/run --host, on this Linux that has the modules: the command's status, its end, and that
# nothing stays behind. Shares a guest with a test that needs no vDPA device.
set -eu

fail() { printf 'expected %s\n' "$*"; exit 1; }

# Prints the status of a command, whatever it is.
status_of() { ( set +e; "$@" >/dev/null 2>&1; echo $? ); }

expect_status() { # status, what for, command...
	wanted=$1 why=$2
	shift 2
	got=$(status_of "$@")
	[ "$got" -eq "$wanted" ] || fail "status $wanted $why, got $got"
}

no_device() { ! vdpa dev show vdpa0 2>/dev/null || fail "no vDPA device $1"; }

run() { devtools/lab/run --host "$@"; }

expect_status 7 "of a command that fails with it" \
	run --vdpa-sim -- sh -c 'vdpa dev show vdpa0 && exit 7'
no_device "after a run that made one"
expect_status 143 "of a command that SIGTERM ends" run -- sh -c 'kill $$'
expect_status 127 "when there is no such command" run -- /nonexistent

expect_status 124 "when the time is over" \
	run --timeout 1 --vdpa-sim -- sh -c 'sleep 1234 & sleep 1235'
! pgrep -f 'sleep 123[45]' || fail "no process left of a command whose time was over"
no_device "after a command whose time was over"

# The second set names a device that is not there.
export LAB_DEVICES='0000:ff:1f.7 vp-vdpa -'
expect_status 1 "when a set cannot be loaded" devtools/lab/enable vdpa-sim vp-vdpa
no_device "of the set before one that could not be loaded"
vdpa dev add name vdpa0 mgmtdev vdpasim_net
expect_status 1 "when somebody else has a device of that name" devtools/lab/enable vdpa-sim
vdpa dev del vdpa0 || fail "somebody else's device to stay"

said=$(setpriv --reuid=65534 --regid=65534 --clear-groups \
	devtools/lab/run --host --vdpa-sim -- true 2>&1) && fail "an error without root"
case $said in
*"needs root"*) ;;
*) fail "to hear that root is needed, got: $said" ;;
esac
