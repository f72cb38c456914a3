#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Gather the DPDK driver headers that the distribution's package leaves out.
#
# Usage: driver-headers.sh VERSION OUTDIR [SOURCE_TREE] [INCLUDEDIR]
#
# Four places are tried in turn: INCLUDEDIR (a DPDK built with -Denable_driver_sdk=true has them),
# SOURCE_TREE (a DPDK source tree), another build directory beside OUTDIR's, and the distribution's
# source package. They must be of VERSION, the DPDK that is installed: the headers describe
# structures that its libraries were compiled with. OUTDIR comes into being whole or not at all.
set -u

headers="ethdev_driver.h ethdev_vdev.h ethdev_pci.h bus_vdev_driver.h bus_pci_driver.h
bus_auxiliary_driver.h bus_driver.h dev_driver.h"

version=$1 out=$2 tree=${3:-} includedir=${4:-}
work=$out.tmp

fail() {
	printf '%s\n' "$*" >&2
	exit 1
}

give_up() {
	fail "DPDK $version is installed without its driver headers, and $1
Three ways out:
 - install a DPDK $version that was built with -Denable_driver_sdk=true;
 - unpack the source of DPDK $version and configure with -Ddpdk_source=DIR;
 - let apt reach a repository that has the source package of the installed libdpdk-dev, or
   upgrade libdpdk-dev to a version that has one there (mirrors drop superseded ones)."
}

# Whether a directory has every header, none of them empty.
have_all() {
	for h in $headers; do
		[ -s "$1/$h" ] || return 1
	done
}

# Copy one header here, or end.
take() {
	cp -- "$1" "$work/headers/" ||
		fail "cannot write $work/headers/${1##*/} (is the disk full, or the directory read-only?)"
	[ -s "$work/headers/${1##*/}" ] || fail "$1 is empty"
}

take_from_dir() {
	for h in $headers; do
		take "$1/$h"
	done
}

# The same out of a source tree, wherever in it the release keeps them.
take_from_tree() {
	for h in $headers; do
		found=$(find "$1/lib" "$1/drivers/bus" -name "$h" -print 2>/dev/null | head -n 1)
		[ -n "$found" ] || fail "DPDK source '$1' has no $h under lib/ or drivers/bus/"
		take "$found"
	done
}

check_tree() {
	[ -r "$1/VERSION" ] || fail "'$1' (from -Ddpdk_source) is no DPDK source tree: it has no VERSION"
	found=$(cat "$1/VERSION")
	[ "$found" = "$version" ] ||
		fail "'$1' (from -Ddpdk_source) is DPDK $found, but the installed one is $version"
}

# The user's package sources, as source repositories, with the keys they are to be checked with.
source_lists() {
	mkdir -p "$work/parts"
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] && sed 's/^Types:.*/Types: deb-src/' "$f" >"$work/parts/${f##*/}"
	done
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$f" ] && sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$f" \
			>"$work/parts/$(basename "$f" .list).list"
	done
	return 0
}

# apt-get with lists and caches of our own; signatures and checksums are checked as ever.
apt() {
	apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/parts" \
		-o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" \
		-o APT::Sandbox::User= -o Acquire::Retries=2 \
		-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@" >>"$work/log" 2>&1
}

# What apt complained about, if anything.
apt_says() {
	sed -n 's/^[EW]: */    /p' "$work/log" | sort -u | head -n 6
}

take_from_package() {
	package=$(dpkg-query -W -f '${source:Version}' libdpdk-dev 2>/dev/null) ||
		give_up "it does not come from a Debian package whose source could be fetched."
	upstream=${package#*:}
	[ "${upstream%-*}" = "$version" ] ||
		give_up "it is not the distribution's, which is $package."
	source_lists
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/src" "$work/tree" ||
		fail "cannot write to $work"
	: >"$work/log"
	# One unreachable repository of many is no reason to stop; the next step tells.
	apt update
	(cd "$work/src" && apt --download-only source "dpdk=$package") ||
		give_up "its source package dpdk $package cannot be fetched:
$(apt_says)"
	tar -xf "$work"/src/dpdk_*.orig.tar.* -C "$work/tree" --strip-components=1 --wildcards \
		'*/lib/*_driver.h' '*/lib/*/ethdev_*.h' '*/drivers/bus/*_driver.h' 2>>"$work/log" ||
		give_up "its source package dpdk $package cannot be unpacked:
$(tail -n 3 "$work/log")"
	take_from_tree "$work/tree"
}

have_all "$out" && [ "$(cat "$out/VERSION" 2>/dev/null)" = "$version" ] && exit 0

trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
rm -rf "$work" "$out"
mkdir -p "$work/headers" || fail "cannot create $work"

beside=
for d in "$(dirname "$out")"/../*/"${out##*/}"; do
	[ "$(cat "$d/VERSION" 2>/dev/null)" = "$version" ] && have_all "$d" && beside=$d
done

if [ -n "$includedir" ] && have_all "$includedir"; then
	from=$includedir
	take_from_dir "$includedir"
elif [ -n "$tree" ]; then
	from=$tree
	check_tree "$tree"
	take_from_tree "$tree"
elif [ -n "$beside" ]; then
	from=$beside
	take_from_dir "$beside"
else
	take_from_package
	from="the source package dpdk $package"
fi
{ echo "$version" >"$work/headers/VERSION" && mv "$work/headers" "$out"; } || fail "cannot write $out"
echo "driver headers of DPDK $version: from $from"
