#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Which lines of lib/vhost do the tests run? See usage().
set -uo pipefail

reasons=devtools/coverage-reasons.txt

usage() {
	cat <<-USAGE
	Usage: devtools/coverage.sh [OPTION]... [-- TEST...]

	Build with gcc's line counts in build-coverage/, run the unit and integration tests, and print for
	each file of lib/vhost how many of its lines were run, and every line that was not, with the reason
	for it in $reasons.

	Exit status 0 if enough lines were run, each of the others has a reason, and each reason is
	still needed; 1 if not; 2 if it cannot be told. That a test fails is said, but it is not what this
	is about.

	Options:
	  --at-least PERCENT  how many lines have to be run (default 90)
	  --add               go on counting from the last time; default is to begin again
	  --report            run nothing, tell of the last time
	  -h, --help          this text
	TESTs are names of meson's; default are the suites unit and integration.
	USAGE
}

die() { printf 'coverage: %s\n' "$*" >&2; exit 2; }

percent=90 add=0 report=0
while [ $# -gt 0 ]; do
	case $1 in
	--at-least)
		[ $# -ge 2 ] || die "$1 needs a value; see --help"
		[[ $2 =~ ^([0-9]|[1-9][0-9]|100)$ ]] || die "$1 takes 0 to 100, not '$2'"
		percent=$2
		shift ;;
	--add) add=1 ;;
	--report) add=1 report=1 ;;
	-h | --help) usage; exit 0 ;;
	--) shift; break ;;
	*) die "unknown argument '$1'; see --help" ;;
	esac
	shift
done

cd "$(dirname "$0")/.." || exit 2
dir=build-coverage
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(--suite unit --suite integration)
command -v gcov >/dev/null || die "no gcov: install gcc"

if [ $report -eq 0 ]; then
	options=(-Dtests=true -Db_coverage=true -Doptimization=1 -Ddebug=true)
	if ! { [ -f $dir/build.ninja ] && meson configure $dir "${options[@]}"; }; then
		rm -rf $dir
		CC=${CC:-gcc} meson setup $dir "${options[@]}" || die "cannot configure $dir"
	fi
	meson compile -C $dir || die "cannot build $dir"
	[ $add -eq 1 ] || find $dir -name '*.gcda' -delete
	meson test -C $dir --no-rebuild "${tests[@]}" || echo "coverage: not every test has passed"
fi
[ -d $dir ] || die "there is no $dir yet: run it without --report"
devtools/coverage-report.py $dir lib/vhost $reasons "$percent"
