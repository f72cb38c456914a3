#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Install what this tree needs, and reserve memory for it. See usage().
set -euo pipefail

# One line for each group: what it is for; then its packages.
declare -A why=(
	[build]="compiling the libraries, drivers and programs against the distribution's DPDK"
	[test]="unit tests, the second compiler, and the distribution's dpdk-testpmd as a peer"
	[guest]="a QEMU guest whose virtio_net is a peer, and the network around it"
	[switch]="the distribution's Open vSwitch, as a user of our librte_vhost"
	[lint]="what 'make lint' runs"
	[docs]="building the guides and the API documentation"
	[cross]="compiling for 64-bit Arm: devtools/cross-arm64.sh"
)
declare -A packages=(
	[build]="gcc libc6-dev make dpkg-dev pkgconf meson ninja-build libdpdk-dev python3 python3-pyelftools
		ca-certificates xz-utils"
	[test]="libcmocka-dev clang libclang-rt-dev dpdk dpdk-dev abigail-tools procps socat"
	[guest]="qemu-system-x86 ipxe-qemu seabios busybox-static iproute2 iputils-ping kmod cpio
		make libelf1 xz-utils"
	[switch]="openvswitch-switch-dpdk"
	[lint]="clang-format shellcheck codespell pyflakes3"
	[docs]="python3-sphinx doxygen"
	[cross]="gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
)
default_groups="build test guest switch"

# Room for two testpmd-like processes with testpmd's own defaults, about 400 MB each. The tests and
# the demo ask for 128 MB a process, so that a smaller machine does as well.
huge_kb=2048
want_pages=512
least_pages=128

usage() {
	local group
	cat <<-USAGE
	Usage: devtools/setup.sh [OPTION]... [GROUP]...

	Prepare a Debian 12 machine (or a relative of it) for this tree: install missing packages and
	reserve hugepages. Run it as often as you like; what is there already is left alone, and when
	nothing is missing it takes no time. It needs root, or sudo, only for what is missing.
	It changes no file of apt's configuration, and hugepages last until the next boot.

	Groups (default: $default_groups; 'all' for every one):
	USAGE
	for group in build test guest switch lint docs cross; do
		printf '  %-6s %s:\n' "$group" "${why[$group]}"
		# shellcheck disable=SC2086 # a list of words
		printf '%s ' ${packages[$group]} | fold -s -w 84 | sed 's/^/         /'
		echo
	done
	cat <<-USAGE

	Options:
	  --check         install and reserve nothing; say what is missing, exit 1 if a package is
	  --no-hugepages  leave hugepages alone
	  -h, --help      this text
	USAGE
}

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

check_only=0 with_hugepages=1 groups=
while [ $# -gt 0 ]; do
	case $1 in
	--check) check_only=1 ;;
	--no-hugepages) with_hugepages=0 ;;
	-h | --help) usage; exit 0 ;;
	all) groups="build test guest switch lint docs cross" ;;
	-*) die "unknown option '$1'; see --help" ;;
	*) [ -n "${packages[$1]:-}" ] || die "unknown group '$1'; see --help"; groups+=" $1" ;;
	esac
	shift
done
: "${groups:=$default_groups}"

# Run a command as root, through sudo if need be.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		return 126
	fi
}

# Print the packages of a group that are not installed. A DPDK of the user's own, found by
# pkg-config, stands in for the distribution's development package.
missing_of() {
	local installed package
	# shellcheck disable=SC2086
	installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' ${packages[$1]} 2>/dev/null || true)"
	for package in ${packages[$1]}; do
		case $installed in *" installed=$package "*) continue ;; esac
		if [ "$package" = libdpdk-dev ] && pkg-config --exists 'libdpdk >= 22.11' 2>/dev/null; then
			continue
		fi
		echo "$package"
	done
}

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none \
		NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8 \
		apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 \
		-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# Whether apt's lists name a candidate for every package.
all_known() {
	[ "$(apt-cache policy "$@" 2>/dev/null | grep -c '^  Candidate: [^(]')" -eq $# ]
}

install_packages() {
	local log updated=0
	log=$(mktemp)
	# shellcheck disable=SC2064 # the name as it is now
	trap "rm -f '$log'" RETURN
	if ! all_known "$@"; then
		say "refreshing apt's package lists, which do not know all of them"
		apt_get update >"$log" 2>&1 || { tail -n 20 "$log" >&2; return 1; }
		updated=1
	fi
	apt_get install --no-install-recommends "$@" >"$log" 2>&1 && return 0
	if [ $updated -eq 0 ]; then
		# Lists that name a version which the archive has replaced.
		say "that failed; once more with fresh package lists"
		if apt_get update >"$log" 2>&1 &&
		   apt_get install --no-install-recommends "$@" >"$log" 2>&1; then
			return 0
		fi
	fi
	tail -n 20 "$log" >&2
	return 1
}

setup_packages() {
	local group all=() missing
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		say "this is no Debian; nothing installed. What is needed is in --help."
		return 0
	fi
	for group in $groups; do
		mapfile -t missing < <(missing_of "$group")
		[ ${#missing[@]} -gt 0 ] || continue
		say "$group (${why[$group]}): ${missing[*]}"
		all+=("${missing[@]}")
	done
	if [ ${#all[@]} -eq 0 ]; then
		say "packages: all there (${groups# })"
		return 0
	fi
	[ $check_only -eq 0 ] || return 1
	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		die "not root, and no sudo. As root: apt-get install --no-install-recommends ${all[*]}"
	fi
	say "installing ${#all[@]} packages and what they depend on; this can take minutes"
	install_packages "${all[@]}" ||
		die "apt-get could not install the packages (its last words are above)"
	say "packages: installed"
}

no_hugepages() {
	say "hugepages: $1. Programs here then run with --no-huge, on 4 kB pages: the same paths, slower."
}

setup_hugepages() {
	local dir=/sys/kernel/mm/hugepages/hugepages-${huge_kb}kB nr free available goal
	if [ ! -r "$dir/nr_hugepages" ]; then
		no_hugepages "the kernel has none of $huge_kb kB"
		return 0
	fi
	nr=$(<"$dir/nr_hugepages")
	free=$(<"$dir/free_hugepages")
	if [ "$nr" -ge $want_pages ] || [ "$free" -ge $want_pages ]; then
		say "hugepages: $nr of $huge_kb kB, $free free"
		return 0
	fi
	if [ $check_only -eq 1 ]; then
		say "hugepages: $nr of $huge_kb kB, would ask for $want_pages"
		return 0
	fi
	# Never more than a quarter of what programs could still get.
	available=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
	goal=$((nr + available / 4 / huge_kb))
	[ "$goal" -le $want_pages ] || goal=$want_pages
	if [ "$goal" -lt $least_pages ]; then
		no_hugepages "too little free memory ($((available / 1024)) MB) to reserve $((least_pages * huge_kb / 1024)) MB"
		return 0
	fi
	if ! as_root sh -c "echo $goal >$dir/nr_hugepages" 2>/dev/null; then
		no_hugepages "not allowed to reserve them (no root, or a container)"
		return 0
	fi
	nr=$(<"$dir/nr_hugepages")
	if [ "$nr" -lt $least_pages ]; then
		no_hugepages "the kernel found only $nr of $goal (memory is fragmented; reserve them after a boot)"
		return 0
	fi
	say "hugepages: reserved $nr of $huge_kb kB ($((nr * huge_kb / 1024)) MB) until the next boot"
}

setup_packages
[ $with_hugepages -eq 0 ] || setup_hugepages
