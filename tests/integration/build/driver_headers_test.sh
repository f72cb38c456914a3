#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Where buildtools/driver-headers.sh takes headers from, and what it says when it cannot.
# No network: apt-get and dpkg-query are stand-ins that each case writes.
set -u

script=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

headers="ethdev_driver.h ethdev_vdev.h ethdev_pci.h bus_vdev_driver.h bus_pci_driver.h
bus_auxiliary_driver.h bus_driver.h dev_driver.h"
failures=0

bad() {
	echo "FAIL: $case_name: $*"
	sed 's/^/    output: /' out.log
	failures=$((failures + 1))
}

# Run the script as `headers_for VERSION [TREE] [INCLUDEDIR]`, with the stand-ins first on PATH.
headers_for() {
	local version=$1
	shift
	PATH="$dir/bin:$PATH" "$script" "$version" "$dir/build/headers" "$@" >out.log 2>&1
}

expect_ok() {
	headers_for "$@" || bad "exit status $?, expected 0"
	for h in $headers; do
		[ -s "build/headers/$h" ] || bad "$h was not gathered"
	done
}

# expect_error TEXT ARGUMENT...: it fails, says TEXT, and leaves nothing behind.
expect_error() {
	local text=$1
	shift
	headers_for "$@" && bad "succeeded, expected an error"
	grep -qF -- "$text" out.log || bad "does not say '$text'"
	[ -z "$(ls -A build 2>/dev/null)" ] || bad "left behind: $(ls -A build)"
}

stand_in() {
	printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
	chmod +x "bin/$1"
}

begin() {
	case_name=$1
	rm -rf bin build tree include archive lists other
	mkdir bin build
	: >out.log
	stand_in apt-get 'echo "E: apt-get was called: $*" >&2; exit 100'
	stand_in dpkg-query 'echo 22.11.9-1+deb12u1'
}

make_headers() {
	mkdir -p "$1"
	for h in $headers; do
		echo "/* $h of $1 */" >"$1/$h"
	done
}

make_tree() {
	mkdir -p "$1/lib/ethdev" "$1/lib/eal/include" "$1/drivers/bus/vdev"
	make_headers flat
	mv flat/ethdev_*.h "$1/lib/ethdev/"
	mv flat/bus_vdev_driver.h "$1/drivers/bus/vdev/"
	mv flat/*.h "$1/lib/eal/include/"
	rmdir flat
	echo "$2" >"$1/VERSION"
}

begin "an installed DPDK that has the headers"
make_headers include
expect_ok 22.11.9 "" "$dir/include"

begin "a source tree of the installed version"
make_tree tree 22.11.9
expect_ok 22.11.9 "$dir/tree"

begin "headers gathered before are used again"
make_tree tree 22.11.9
expect_ok 22.11.9 "$dir/tree"
rm -rf tree
expect_ok 22.11.9

begin "headers of another version are not used again"
make_tree tree 22.11.9
expect_ok 22.11.9 "$dir/tree"
expect_error "it is not the distribution's, which is 22.11.9-1+deb12u1" 23.11.1

begin "another build directory has them"
make_headers other/headers
echo 22.11.9 >other/headers/VERSION
expect_ok 22.11.9

begin "an interrupted copy is not used again"
make_headers build/headers
rm build/headers/ethdev_pci.h
make_tree tree 22.11.9
expect_ok 22.11.9 "$dir/tree"

begin "a source tree of another version"
make_tree tree 22.11.8
expect_error "is DPDK 22.11.8, but the installed one is 22.11.9" 22.11.9 "$dir/tree"

begin "a directory that is no source tree"
mkdir tree
expect_error "is no DPDK source tree" 22.11.9 "$dir/tree"

begin "a source tree that lacks a header"
make_tree tree 22.11.9
rm tree/drivers/bus/vdev/bus_vdev_driver.h
expect_error "has no bus_vdev_driver.h" 22.11.9 "$dir/tree"

begin "no network"
stand_in apt-get 'echo "E: Unable to connect to mirror.test:80" >&2; exit 100'
expect_error "source package dpdk 22.11.9-1+deb12u1 cannot be fetched" 22.11.9
expect_error "Unable to connect to mirror.test:80" 22.11.9
expect_error "-Ddpdk_source=DIR" 22.11.9

begin "no package"
stand_in dpkg-query 'exit 1'
expect_error "it does not come from a Debian package" 22.11.9

# The stand-in for `apt-get source` leaves an archive where it was started.
fetch='case "$*" in *" source dpdk="*)
	cp ../../../archive dpdk_22.11.9.orig.tar.gz
	cp -r ../parts ../../../lists
esac'
signed_by() { cat "$@" 2>/dev/null | grep -io 'signed-by.*' | sort; }

begin "the source package"
make_tree dpdk 22.11.9
tar -czf archive dpdk && rm -r dpdk
stand_in apt-get "$fetch"
expect_ok 22.11.9
[ "$(signed_by /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list)" \
	= "$(signed_by lists/*)" ] || bad "the keys that package lists are signed with got lost"
grep -q 'source package dpdk 22.11.9-1+deb12u1' out.log || bad "does not say where they are from"

begin "a source package cut short"
make_tree dpdk 22.11.9
tar -czf whole dpdk && rm -r dpdk
head -c 150 whole >archive
stand_in apt-get "$fetch"
expect_error "cannot be unpacked" 22.11.9

begin "a disk that is full"
make_headers include
head -c 8192 /dev/zero >include/bus_driver.h
(
	trap '' XFSZ
	ulimit -f 4
	expect_error "is the disk full" 22.11.9 "" "$dir/include"
	exit $failures
)
failures=$?

begin "a place that cannot be written"
rmdir build
: >build
make_headers include
headers_for 22.11.9 "" "$dir/include" && bad "succeeded, expected an error"
grep -q "cannot create $dir/build/headers.tmp" out.log || bad "does not say what it cannot create"

[ $failures -eq 0 ] || exit 1
echo "all cases pass"
