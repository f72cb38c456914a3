#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Fuzz the vhost library and the virtio front end. See usage().
set -euo pipefail

usage() {
	cat <<-USAGE
	Usage: devtools/fuzz/run.sh [--afl] [--seconds N] [TARGET]...

	Build the fuzz targets with clang, libFuzzer and the address and undefined-behaviour sanitizers in
	build-fuzz/, and run each named one (all by default), one after the other, for N seconds (60).
	Interesting inputs are collected in build-fuzz/corpus/TARGET and go on from there the next time.
	A finding ends the run with status 1 and leaves its input in build-fuzz/findings/; give that file to
	build-fuzz/devtools/fuzz/fuzz_TARGET to see it again.

	With --afl, do the same with AFL++ (package afl++), which changes inputs in other ways and so finds
	others. All of it is in build-afl/ then: what was collected, and findings, in build-afl/findings/TARGET.

	Targets: $(targets | tr -s "[:space:]" " ")
	USAGE
}

cd "$(dirname "$0")/../.."
targets() { printf '%s ' devtools/fuzz/fuzz_*.c | sed 's|devtools/fuzz/fuzz_\([a-z_]*\)\.c|\1|g; s/\beal\b//; s/\bmain\b//'; }
die() { printf 'fuzz: %s\n' "$*" >&2; exit 2; }

time=60 chosen=() afl=
while [ $# -gt 0 ]; do
	case $1 in
	--afl) afl=1 ;;
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

# DIRECTORY COMPILER [OPTION]...: build the targets.
build() {
	local dir=$1 compiler=$2
	shift 2
	# As for tests with sanitizers: more optimization takes ten times as long to compile.
	[ -f "$dir/build.ninja" ] || CC=$compiler meson setup "$dir" "$@" -Ddebug=true -Doptimization=1 \
		-Db_sanitize=address,undefined -Db_lundef=false
	ninja -C "$dir" "${chosen[@]/#/devtools/fuzz/fuzz_}"
}

# TARGET: run it with libFuzzer. Fails if there is a finding.
fuzz_with_libfuzzer() {
	mkdir -p "build-fuzz/corpus/$1" build-fuzz/findings
	# Printing functions starts a symbolizer, whose descriptors a target would take for left ones.
	"build-fuzz/devtools/fuzz/fuzz_$1" \
		-max_total_time="$time" -max_len=4096 -timeout=10 -print_final_stats=1 -print_funcs=0 \
		-artifact_prefix="build-fuzz/findings/$1-" \
		"build-fuzz/corpus/$1" "devtools/fuzz/corpus/$1"
}

# TARGET: the same with AFL++, in its build directory, where the target leaves its last input. The environment
# lets it run where governors, core dumps and other programs are as they are.
fuzz_with_afl() (
	mkdir -p build-afl/findings
	cd build-afl
	# In a condition, set -e does not work.
	AFL_AUTORESUME=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_SKIP_CPUFREQ=1 \
		AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 \
		afl-fuzz -V "$time" -t 10000 -G 4096 -i "../devtools/fuzz/corpus/$1" -o "findings/$1" \
		-- "devtools/fuzz/fuzz_$1" || return
	! compgen -G "findings/$1/default/crashes/id*" && ! compgen -G "findings/$1/default/hangs/id*"
)

if [ -n "$afl" ]; then
	command -v afl-clang-fast >/dev/null || die "AFL++ is not installed: apt-get install afl++"
	AFL_QUIET=1 build build-afl afl-clang-fast
else
	command -v clang >/dev/null || die "clang is not installed: devtools/setup.sh"
	build build-fuzz "${CC:-clang}" -Dfuzz=true
fi

failed=0
for target in "${chosen[@]}"; do
	printf '\n== %s, %s s\n' "$target" "$time"
	if [ -n "$afl" ]; then
		fuzz_with_afl "$target"
	else
		fuzz_with_libfuzzer "$target"
	fi || {
		printf 'fuzz: %s has a finding, or did not run\n' "$target" >&2
		failed=1
	}
done
exit $failed
