#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Watch frames go through a software vDPA device and back. See usage().
set -euo pipefail

usage() {
	cat <<-USAGE
	Usage: devtools/demo.sh [OPTION]...

	Prepare the machine (devtools/setup.sh), build what is not built, and show the whole path at
	work: a virtio-user port in one process sends numbered frames over a vhost-user socket into
	the software vDPA device of another process, which sends them back. A live table has the
	rates of both directions, for each queue, from the counters of both ends. The summary
	compares these counts; the exit status is 0 only if they agree, and are not zero.

	Options:
	  --seconds N   how long frames go (default 10)
	  --packed      packed rings instead of split ones
	  --queues N    queue pairs, 1 to 32 (default 1)
	  --guest       Linux's virtio_net in a QEMU guest instead of the virtio-user port; the device
	                is connected to a tap, behind which the guest fetches files. Needs root.
	  --no-setup    do not call devtools/setup.sh
	  -h, --help    this text

	Uses hugepages if there are any, else ordinary memory. BUILD names the build directory
	(default: build).
	USAGE
}

die() { printf 'demo: %s\n' "$*" >&2; exit 2; }

setup=1 groups=(build test) arguments=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds | --queues)
		[ $# -ge 2 ] || die "$1 needs a value; see --help"
		most=32
		[ "$1" = --queues ] || most=999999
		[[ $2 =~ ^[1-9][0-9]{0,5}$ && $2 -le $most ]] ||
			die "$1 takes a number from 1 to $most, not '$2'"
		arguments+=("$1" "$2")
		shift ;;
	--packed) arguments+=("$1") ;;
	--guest) arguments+=("$1"); groups+=(guest) ;;
	--no-setup) setup=0 ;;
	-h | --help) usage; exit 0 ;;
	*) die "unknown argument '$1'; see --help" ;;
	esac
	shift
done

cd "$(dirname "$0")/.."
[ $setup -eq 0 ] || devtools/setup.sh "${groups[@]}"

build=${BUILD:-build}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "demo: building in $build/"
if ! { [ -f "$build/build.ninja" ] || meson setup "$build"; } >"$log" 2>&1 ||
	! ninja -C "$build" app/test-pmd/dpdk-vdpa-testpmd >>"$log" 2>&1; then
	tail -n 40 "$log" >&2
	die "the build failed; its last words are above"
fi
VDPA_BUILD=$(readlink -f "$build")
export VDPA_BUILD
/usr/bin/python3 devtools/demo.py "${arguments[@]}"
