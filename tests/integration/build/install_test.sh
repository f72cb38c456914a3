#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Install the build into a directory, and use it from there as another project would: through
# pkg-config, linked dynamically, with the drivers linked in or loaded, and statically.
#
# Usage: install_test.sh BUILD_DIR PREFIX LIBDIR SANITIZE CC...
set -eu

build=$1 prefix=$2 libdir=$3 sanitize=$4
shift 4
cc=("$@")
here=$(dirname "$(realpath "$0")")
# EAL loads no drivers from below a directory that everybody may write, such as /tmp.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dpdk-vdpa
mkdir -p "$cache"
dir=$(mktemp -d -p "$cache" install.XXXXXX)
file_prefix=installed$$
# EAL makes a directory for each file prefix, and never removes it.
runtime=${RUNTIME_DIRECTORY:-/var/run}/dpdk/$file_prefix
trap 'rm -rf "$dir" "$runtime"' EXIT

eal=(--no-huge --no-shconf -m 64 --no-pci --lcores '0@0,1@0' --file-prefix "$file_prefix")

fail() {
	echo "FAIL: $*"
	exit 1
}

meson install -C "$build" --no-rebuild --destdir "$dir" >"$dir/log" || {
	cat "$dir/log"
	fail "meson install"
}
root=$dir$prefix
lib=$root/$libdir
# What was installed does not stand under its prefix.
sed -i "s|^prefix=.*|prefix=$root|" "$lib"/pkgconfig/*.pc
export PKG_CONFIG_PATH=$lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}

cflags=(-O2 -Wall -Werror)
[ "$sanitize" = none ] || cflags+=("-fsanitize=$sanitize")
read -ra words < <(pkg-config --cflags libdpdk-vdpa)
cflags+=("${words[@]}")

# compile NAME PKG_CONFIG_ARGUMENT...
compile() {
	local name=$1
	shift
	read -ra words < <(pkg-config --libs "$@")
	"${cc[@]}" "${cflags[@]}" "$here/installed.c" -o "$dir/$name" "${words[@]}" ||
		fail "cannot link $name with: $(pkg-config --libs "$@")"
}

# run NAME EAL_ARGUMENT...
run() {
	local name=$1
	shift
	LD_LIBRARY_PATH=$lib "$dir/$name" "${eal[@]}" --vdev vdpa_sim0 "$@" "$dir/socket" \
		>"$dir/log" 2>&1 ||
		{ cat "$dir/log"; fail "$name $*"; }
	grep -q '^installed: ok' "$dir/log" || { cat "$dir/log"; fail "$name $*: said nothing"; }
	echo "$name: $(tail -n 1 "$dir/log")"
}

# Which librte_vhost.so a program is going to load.
vhost_of() {
	LD_LIBRARY_PATH=$lib ldd "$dir/$1" | awk '/librte_vhost/ { print $3 }'
}

# What a person finds of the program: its page, and completion of its options.
[ -s "$root/share/man/man1/dpdk-vdpa-testpmd.1" ] || fail "no manual page"
bash -c '. "$1" && complete -p dpdk-vdpa-testpmd >/dev/null' _ \
	"$root/share/bash-completion/completions/dpdk-vdpa-testpmd" || fail "no completion in bash"

# The Makefile takes a prefix for a directory that is configured, if somebody gives one.
make() { command make -s -n -C "$here/../../.." BUILD="$build" "$@"; }
[[ $(make install PREFIX=/elsewhere) == *"meson configure $build --prefix=/elsewhere"* ]] ||
	fail "make install PREFIX=/elsewhere does not configure it"
[[ $(env -u PREFIX make install) != *configure* ]] || fail "make install configures another prefix"

# Headers: ours, not those of the installed DPDK.
for header in rte_vhost.h rte_vdpa.h rte_vhost_inflight.h vdpa_driver.h rte_eth_vhost.h; do
	printf '#include <%s>\n' "$header" >"$dir/header.c"
	[[ $("${cc[@]}" "${cflags[@]}" -M "$dir/header.c") == *"$root/include/dpdk-vdpa/$header"* ]] ||
		fail "$header is found elsewhere than in $root/include/dpdk-vdpa"
done

compile loaded libdpdk-vdpa
run loaded -d "$(pkg-config --variable=driverdir libdpdk-vdpa)"
compile linked libdpdk-vdpa-drivers
run linked
for name in loaded linked; do
	[[ $(vhost_of $name) == "$lib"/librte_vhost.so.* ]] ||
		fail "$name loads librte_vhost from '$(vhost_of $name)', not from $lib"
done

compile static --static libdpdk-vdpa
run static
ldd "$dir/static" | grep librte_ && fail "the static program needs shared libraries of DPDK"
exit 0
