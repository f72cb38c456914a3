#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Compile the libraries and drivers for 64-bit Arm. See usage().
set -euo pipefail

usage() {
	cat <<-USAGE
	Usage: devtools/cross-arm64.sh [BUILD]

	Compile every archive of the tree (libraries and drivers) for 64-bit Arm in BUILD (build-arm64/),
	with gcc of package gcc-aarch64-linux-gnu: devtools/setup.sh cross. The headers of DPDK for Arm come
	from the distribution's package, which is fetched into BUILD the first time; nothing of it is
	installed, and apt's configuration stays as it is. Programs and shared objects are not linked, as
	that takes DPDK's libraries for Arm, and nothing is run.
	USAGE
}

cd "$(dirname "$0")/.."
die() { printf 'cross-arm64: %s\n' "$*" >&2; exit 1; }

build='build-arm64'
case ${1:-} in
-h | --help) usage; exit 0 ;;
-*) die "unknown option '$1'; see --help" ;;
?*) build=$1 ;;
esac
[ $# -le 1 ] || die "one argument at most; see --help"
command -v aarch64-linux-gnu-gcc >/dev/null ||
	die "aarch64-linux-gnu-gcc is not installed: devtools/setup.sh cross"

mkdir -p "$build"
build=$(cd "$build" && pwd)
apt=$build/apt
root=$build/root

# apt-get for the other architecture, with lists and caches of its own; what it fetches is checked
# against the signatures of the user's repositories as ever.
apt_arm64() {
	apt-get -q -o APT::Architectures::=arm64 -o Dir::State::lists="$apt/lists" \
		-o Dir::Cache="$apt/cache" -o APT::Sandbox::User= -o Acquire::Retries=2 \
		-o Acquire::Languages=none "$@" >>"$apt/log" 2>&1
}

fetch_dpdk() {
	local version
	version=$(dpkg-query -W -f '${Version}' libdpdk-dev 2>/dev/null) ||
		die "libdpdk-dev is not installed: devtools/setup.sh"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	: >"$apt/log"
	# One unreachable repository of many is no reason to stop; the next step tells.
	apt_arm64 update || true
	(cd "$apt" && apt_arm64 download "libdpdk-dev:arm64=$version") ||
		die "libdpdk-dev $version for arm64 cannot be fetched: $(tail -n 1 "$apt/log")"
	rm -rf "$root.tmp"
	dpkg-deb -x "$apt"/libdpdk-dev_*_arm64.deb "$root.tmp"
	mv "$root.tmp" "$root"
	rm -rf "$apt"
}

[ -d "$root" ] || fetch_dpdk

# DPDK's description names the place that it was made for; what else it needs is the host's, of which
# only names count.
pc=$build/pkgconfig
mkdir -p "$pc"
for file in "$root"/usr/lib/aarch64-linux-gnu/pkgconfig/libdpdk*.pc; do
	sed "s|/usr/|$root/usr/|g; s|^prefix=/usr\$|prefix=$root/usr|" "$file" >"$pc/${file##*/}"
done
host_pc=$(pkg-config --variable pc_path pkg-config)
cat >"$build/where.ini" <<-FILE
	[properties]
	pkg_config_libdir = '$pc:$host_pc'
FILE

if [ ! -f "$build/build.ninja" ]; then
	rm -rf "$build/meson-private" "$build/meson-info"
	meson setup "$build" -Dtests=false --cross-file config/arm64/arm64_linux_gcc --cross-file "$build/where.ini"
fi
mapfile -t archives < <(ninja -C "$build" -t targets all | sed -n 's/^\([^:]*\.a\): .*/\1/p')
ninja -C "$build" "${archives[@]}"
printf 'cross-arm64: %d archives in %s\n' "${#archives[@]}" "$build"
