#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Build the tree and run its tests. See usage().
set -uo pipefail

usage() {
	cat <<-USAGE
	Usage: devtools/test.sh [OPTION]...

	Prepare the machine (devtools/setup.sh), build, test. The last line printed is
	    N passed, N failed[, N skipped]
	and the exit status is 0 only if nothing failed. Above it is why something failed or was skipped;
	a case that a test left out counts as skipped besides the test.

	With no option, two passes: gcc release with every test; clang with the address and
	undefined-behaviour sanitizers with the unit tests and those of hostile peers. Under 15 minutes on
	2 cores.

	Options:
	  --cc CC         one pass with this compiler (gcc or clang), every test
	  --sanitize      one pass with the sanitizers, every test but the lab's, whose devices do not
	                  reach the memory that sanitizers leave; goes together with --cc
	  --everything    those tests in all of the passes: gcc, clang, each with and without sanitizers, and
	                  every mode of tests that else take some (VDPA_EVERY_MODE=1), and 10,000 front ends
	                  that come and go (VDPA_CONNECTS=10000)
	  --quick         one pass, gcc release, unit tests only
	  --only PATTERN  only tests whose name matches this shell pattern, e.g. '*packed*'
	  --list          list the tests and stop
	  --no-skips      what is skipped has failed, but for want of real hardware (.ci/run asks for it)
	  --no-setup      do not call devtools/setup.sh
	  -v, --verbose   show what tests print
	  -h, --help      this text

	Build directories: build (gcc), build-clang, build-gcc-asan, build-clang-asan. A pass ends with
	meson's own log in DIR/meson-logs/testlog.txt.
	USAGE
}

say() { printf '\n== %d:%02d %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
die() { printf 'test: %s\n' "$*" >&2; exit 2; }

cc='' sanitize=0 quick=0 everything=0 only='' list=0 setup=1 verbose=0
no_skips=''
while [ $# -gt 0 ]; do
	case $1 in
	--cc | --only)
		[ $# -ge 2 ] || die "$1 needs a value; see --help"
		if [ "$1" = --cc ]; then cc=$2; else only=$2; fi
		shift ;;
	--sanitize) sanitize=1 ;;
	--everything) everything=1 ;;
	--quick) quick=1 ;;
	--list) list=1 ;;
	--no-skips) no_skips=no-skips ;;
	--no-setup) setup=0 ;;
	-v | --verbose) verbose=1 ;;
	-h | --help) usage; exit 0 ;;
	*) die "unknown argument '$1'; see --help" ;;
	esac
	shift
done
case $cc in '' | gcc | clang) ;; *) die "--cc takes gcc or clang, not '$cc'" ;; esac

cd "$(dirname "$0")/.." || exit 2
results=$(mktemp) prepare='' ahead=''
clean_up() {
	rm -f "$results"
	[ -z "$prepare" ] || kill "$prepare" 2>/dev/null
	stop_ahead
}
trap clean_up EXIT
trap 'exit 130' INT TERM

[ $setup -eq 0 ] || devtools/setup.sh || exit 2
# For those that run several tests at once, such as devtools/lab/test.
export VDPA_ONLY=$only

# What guests boot from is fetched and built while compilers run. The tests that need it wait for it,
# and say what is wrong if it cannot be had.
if [ -z "$only" ] && [ $quick$list = 00 ]; then
	devtools/lab/prepare >/dev/null 2>&1 &
	prepare=$!
fi

# Directory of a pass: compiler, then "asan" or nothing.
dir_of() {
	case $1$2 in
	gcc) echo build ;;
	*) echo "build-$1${2:+-$2}" ;;
	esac
}

# Configure and build one pass, all of it: what a compiler has to say is a result as well.
build() {
	local cc=$1 asan=$2 dir options
	dir=$(dir_of "$cc" "$asan")
	options=(-Dtests=true)
	if [ -n "$asan" ]; then
		# More optimization makes instrumented code compile ten times longer, and hardly faster.
		# clang links the sanitizers' run time into programs only.
		options+=(-Ddebug=true -Doptimization=1 "-Db_sanitize=address,undefined"
			-Db_lundef=false)
	fi
	if ! { [ -f "$dir/build.ninja" ] && meson configure "$dir" "${options[@]}"; }; then
		rm -rf "$dir"
		CC=$cc meson setup "$dir" "${options[@]}" || return 1
	fi
	ninja -C "$dir"
}

# Tests wait for guests, for sockets, for each other. What processors have left then goes to the
# builds of the passes that follow, at a priority at which nothing is late because of it.
start_ahead() {
	[ $# -gt 0 ] || return
	# shellcheck disable=SC2016
	setsid bash -c '
		echo 19 2>/dev/null >/proc/self/autogroup
		chrt --idle --pid 0 $$
		for pass; do
			IFS=: read -r cc asan _ <<<"$pass"
			build "$cc" "$asan"
		done' _ "$@" >/dev/null 2>&1 &
	ahead=$!
}

# The build that goes on where this one was interrupted is ninja's again.
stop_ahead() {
	[ -n "$ahead" ] || return
	kill -TERM -- "-$ahead" 2>/dev/null
	wait "$ahead" 2>/dev/null
	ahead=''
}
export -f build dir_of

# Build one pass, COMPILER:[asan]:[SUITE,..], and run these suites of it, or all of it; the other arguments
# are the passes that follow.
run() {
	local cc asan suites dir options names
	IFS=: read -r cc asan suites <<<"$1"
	shift
	dir=$(dir_of "$cc" "$asan")
	say "$cc${asan:+ with sanitizers}: build in $dir/"
	stop_ahead
	if ! build "$cc" "$asan"; then
		printf 'FAIL\tbuild with %s\t\n' "$cc${asan:+ and sanitizers}" >>"$results"
		return
	fi
	mapfile -t names < <(devtools/meson-tests.py names "$dir" "$suites" "$only")
	if [ ${#names[@]} -eq 0 ]; then
		return
	fi
	if [ $list -eq 1 ]; then
		devtools/meson-tests.py list "$dir" "$suites" "$only"
		return
	fi
	say "$cc${asan:+ with sanitizers}: ${#names[@]} ${suites:-unit and integration} tests"
	options=(--print-errorlogs)
	[ $verbose -eq 0 ] || options=(--verbose)
	rm -f "$dir/meson-logs/testlog.json"
	start_ahead "$@"
	# Tests wait much of the time, for each other's processes, guests and time limits.
	meson test --no-rebuild -C "$dir" --num-processes $((2 * $(nproc))) "${options[@]}" "${names[@]}"
	devtools/meson-tests.py results "$dir" $no_skips >>"$results" ||
		printf 'FAIL\tmeson test in %s\t\n' "$dir" >>"$results"
}

on_host=unit,integration
if [ $everything -eq 1 ]; then
	passes=(gcc:: "gcc:asan:$on_host" clang:: "clang:asan:$on_host")
	export VDPA_EVERY_MODE=1 VDPA_CONNECTS=10000
elif [ $quick -eq 1 ]; then
	passes=("${cc:-gcc}:$([ $sanitize -eq 0 ] || echo asan):unit")
elif [ $sanitize -eq 1 ]; then
	passes=("${cc:-gcc}:asan:$on_host")
elif [ -n "$cc" ]; then
	passes=("$cc::")
elif [ $list -eq 1 ]; then
	passes=(gcc::)
else
	passes=(gcc:: 'clang:asan:unit,hostile')
fi
while [ ${#passes[@]} -gt 0 ]; do
	run "${passes[@]}"
	passes=("${passes[@]:1}")
done
if [ $list -eq 1 ]; then
	exit 0
fi

passed=$(grep -c '^OK' "$results")
failed=$(grep -c '^FAIL' "$results")
skipped=$(grep -c '^SKIP' "$results")
say "result"
awk -F '\t' '$1 != "OK" { printf "%s  %s%s\n", $1, $2, $3 == "" ? "" : ": " $3 }' "$results"
if [ "$passed" -eq 0 ] && [ "$failed" -eq 0 ]; then
	echo "no test ran; --list names them"
	failed=1
fi
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
