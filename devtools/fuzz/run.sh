#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Fuzz the vhost library and the virtio front end. See usage().
set -euo pipefail

usage() {
	cat <<-USAGE
	Usage: devtools/fuzz/run.sh [--seconds N] [TARGET]...

	Build the fuzz targets with clang, libFuzzer and the address and undefined-behaviour sanitizers in
	build-fuzz/, and run each named one (all by default), one after the other, for N seconds (60).
	Interesting inputs are collected in build-fuzz/corpus/TARGET and go on from there the next time.
	A finding ends the run with status 1 and leaves its input in build-fuzz/findings/; give that file to
	build-fuzz/devtools/fuzz/fuzz_TARGET to see it again.

	Targets: $(targets | tr -s "[:space:]" " ")
	USAGE
}

cd "$(dirname "$0")/../.."
targets() { printf '%s ' devtools/fuzz/fuzz_*.c | sed 's|devtools/fuzz/fuzz_\([a-z_]*\)\.c|\1|g; s/\beal\b//; s/\bmain\b//'; }
die() { printf 'fuzz: %s\n' "$*" >&2; exit 2; }

time=60 chosen=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds)
		[[ "${2:-}" =~ ^[0-9]+$ ]] || die "--seconds takes a number; see --help"
		time=$2
		shift ;;
	-h | --help) usage; exit 0 ;;
	-*) die "unknown option '$1'; see --help" ;;
	*) [ -f "devtools/fuzz/fuzz_$1.c" ] || die "no target '$1'; there are: $(targets)"
		chosen+=("$1") ;;
	esac
	shift
done
read -ra all <<<"$(targets)"
[ ${#chosen[@]} -gt 0 ] || chosen=("${all[@]}")

command -v clang >/dev/null || die "clang is not installed: devtools/setup.sh"
if [ ! -f build-fuzz/build.ninja ]; then
	# As for tests with sanitizers: more optimization takes ten times as long to compile.
	CC="${CC:-clang}" meson setup build-fuzz -Dfuzz=true -Ddebug=true -Doptimization=1 \
		-Db_sanitize=address,undefined -Db_lundef=false
fi
ninja -C build-fuzz "${chosen[@]/#/devtools/fuzz/fuzz_}"

failed=0
mkdir -p build-fuzz/findings
for target in "${chosen[@]}"; do
	printf '\n== %s, %s s\n' "$target" "$time"
	mkdir -p "build-fuzz/corpus/$target"
	# Printing functions starts a symbolizer, whose descriptors a target would take for left ones.
	"build-fuzz/devtools/fuzz/fuzz_$target" \
		-max_total_time="$time" -max_len=4096 -timeout=10 -print_final_stats=1 -print_funcs=0 \
		-artifact_prefix="build-fuzz/findings/$target-" \
		"build-fuzz/corpus/$target" "devtools/fuzz/corpus/$target" || {
		printf 'fuzz: %s has a finding\n' "$target" >&2
		failed=1
	}
done
exit $failed
