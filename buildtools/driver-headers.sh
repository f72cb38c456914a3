#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Gather the DPDK driver headers that the distribution's package leaves out.
#
# Usage: driver-headers.sh VERSION OUTDIR [SOURCE_TREE] [INCLUDEDIR]
#
# Three places are tried in turn: INCLUDEDIR (a DPDK built with -Denable_driver_sdk=true has them),
# SOURCE_TREE (a DPDK source tree of the same version), and the distribution's source package of
# the same version, fetched with package lists of our own so that no apt configuration changes.
set -eu

headers="ethdev_driver.h ethdev_vdev.h ethdev_pci.h bus_vdev_driver.h bus_pci_driver.h
bus_auxiliary_driver.h bus_driver.h dev_driver.h"

version=$1 out=$2 tree=${3:-} includedir=${4:-/nonexistent}

have_all() {
	for h in $headers; do
		[ -f "$1/$h" ] || return 1
	done
}

# Copy each header out of a source tree, wherever in it the release keeps it.
take_from_tree() {
	mkdir -p "$out"
	for h in $headers; do
		found=$(find "$1/lib" "$1/drivers/bus" -name "$h" -print -quit 2>/dev/null)
		[ -n "$found" ] || return 1
		cp "$found" "$out/$h"
	done
}

take_from_package() {
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$work/lists/partial" "$work/parts" "$work/src"
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] && sed 's/^Types:.*/Types: deb-src/' "$f" >"$work/parts/$(basename "$f")"
	done
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$f" ] && sed -n 's/^deb /deb-src /p' "$f" >"$work/parts/$(basename "$f" .list).list"
	done
	apt="apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$work/parts
	-o Dir::State::lists=$work/lists -o APT::Sandbox::User=root"
	package=$(dpkg-query -W -f '${source:Version}' libdpdk-dev)
	# shellcheck disable=SC2086 # a list of words
	$apt update >"$work/log" 2>&1 || true
	# shellcheck disable=SC2086
	(cd "$work/src" && $apt --download-only source "dpdk=$package") >>"$work/log" 2>&1 || return 1
	mkdir "$work/tree"
	tar -xf "$work"/src/dpdk_*.orig.tar.* -C "$work/tree" --strip-components=1 --wildcards \
		'*/lib/*_driver.h' '*/lib/*/ethdev_*.h' '*/drivers/bus/*_driver.h'
	take_from_tree "$work/tree"
}

have_all "$out" && [ "$(cat "$out/VERSION" 2>/dev/null)" = "$version" ] && exit 0
rm -rf "$out"
if have_all "$includedir"; then
	mkdir -p "$out"
	for h in $headers; do
		cp "$includedir/$h" "$out/$h"
	done
elif [ -n "$tree" ]; then
	take_from_tree "$tree" || {
		echo "no DPDK driver headers under '$tree' (given with -Ddpdk_source)" >&2
		exit 1
	}
elif ! take_from_package; then
	cat >&2 <<-EOF
	DPDK $version is installed without its driver headers, and its source package cannot be fetched.
	Three ways out: install a DPDK that was built with -Denable_driver_sdk=true; unpack the source of
	DPDK $version and configure with -Ddpdk_source=DIR; or give apt a reachable source repository.
	EOF
	exit 1
fi
echo "$version" >"$out/VERSION"
