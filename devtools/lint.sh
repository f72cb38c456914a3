#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What a change has to look like. See usage().
set -uo pipefail

max_lines=820
# One file by contract: programs include it under its name.
any_length=lib/vhost/rte_vhost.h

usage() {
	cat <<-USAGE
	Usage: devtools/lint.sh [--fix] [CHECK]...

	Check the files that git knows (or would add). Checks, all by default:
	  format   C sources are as clang-format leaves them; --fix formats them
	  spdx     a licence line is among the first three lines
	  shell    shellcheck has nothing to say about scripts
	  python   scripts compile, and pyflakes has nothing to say
	  spelling codespell finds no mistake (exceptions: devtools/codespell-ignore.txt)
	  space    no space at line ends, and a newline at the end of files
	  length   no source file is longer than $max_lines lines, but for headers that are the API
	  devargs  the device arguments that a driver registers are those in its guide
	  environ  the environment variables of tests and tools are those in the guides
	USAGE
}

cd "$(dirname "$0")/.." || exit 2
fix=0
checks=()
for arg; do
	case $arg in
	--fix) fix=1 ;;
	-h | --help) usage; exit 0 ;;
	*)
		usage | grep -q "^  $arg " || {
			echo "lint: unknown check '$arg'; see --help" >&2
			exit 2
		}
		checks+=("$arg") ;;
	esac
done
[ ${#checks[@]} -gt 0 ] || checks=(format spdx shell python spelling space length devargs environ)

# files PATTERN...: tracked and new files, those that are still there.
files() {
	git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r file; do
		[ -f "$file" ] && printf '%s\n' "$file"
	done
}

# scripts SUFFIX INTERPRETER: scripts, by name, by their first line or by what they tell shellcheck.
scripts() {
	files | while IFS= read -r file; do
		case ${file##*/} in
		*".$1") echo "$file" ;;
		*.*) ;;
		*) head -n 3 "$file" | grep -qE "^#( shellcheck shell=|!.*\\b)$2\\b" && echo "$file" ;;
		esac
	done
}

need() {
	command -v "$1" >/dev/null || {
		echo "$1 is not installed: devtools/setup.sh lint"
		return 1
	}
}

check_format() {
	need clang-format || return 1
	if [ $fix -eq 1 ]; then
		files '*.c' '*.h' | xargs -r clang-format -i
		return
	fi
	files '*.c' '*.h' | xargs -r clang-format --dry-run -Werror >"$log" 2>&1 && return 0
	# The first place in each file.
	awk -F : '/error: code should/ && !seen[$1]++ {
		print $1 ":" $2 ": not formatted; devtools/lint.sh --fix format" }' "$log"
	return 1
}

# All but plain text: pages for people, lists of words, what fuzzers are fed with, and the licence.
check_spdx() {
	local bad=0 file
	while IFS= read -r file; do
		head -n 3 "$file" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' && continue
		echo "$file: no 'SPDX-License-Identifier: BSD-3-Clause' in its first three lines"
		bad=1
	done < <(files ':!*.md' ':!devtools/*.txt' ':!devtools/fuzz/corpus' ':!license' ':!VERSION' \
		':!.gitignore')
	return $bad
}

check_shell() {
	need shellcheck || return 1
	{ scripts sh '(ba)?sh'; files '*.bash'; } | xargs -r shellcheck -x
}

check_python() {
	local bad=0 tool
	for tool in pyflakes3 pyflakes; do
		if command -v $tool >/dev/null; then
			scripts py python3 | xargs -r $tool || bad=1
			return $bad
		fi
	done
	scripts py python3 | xargs -r /usr/bin/python3 -c '
import sys
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as source:
        compile(source.read(), name, "exec")' || bad=1
	return $bad
}

check_spelling() {
	need codespell || return 1
	files | grep -v '^devtools/codespell-ignore.txt$' |
		xargs -r codespell -q 3 -I devtools/codespell-ignore.txt
}

check_space() {
	local bad=0 file
	while IFS= read -r file; do
		grep -Iq . "$file" || continue
		if grep -nE '[[:blank:]]+$' "$file" >"$log"; then
			sed "s|^\([0-9]*\):.*|$file:\1: space at the end of the line|" "$log"
			bad=1
		fi
		[ -z "$(tail -c 1 "$file")" ] || { echo "$file: no newline at its end"; bad=1; }
	done < <(files)
	return $bad
}

check_length() {
	{
		files '*.c' '*.h' '*.bash' ":!$any_length"
		scripts sh '(ba)?sh'
		scripts py python3
	} | xargs -r wc -l | awk -v max=$max_lines '
		$2 != "total" && $1 > max { print $2 ": " $1 " lines, more than " max; bad = 1 }
		END { exit bad }'
}

check_devargs() {
	devtools/check-devargs.py
}

check_environ() {
	devtools/check-environment.py
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
for check in "${checks[@]}"; do
	if output=$("check_$check" 2>&1); then
		printf '%-9s ok\n' "$check"
	else
		printf '%-9s FAILED\n%s\n' "$check" "$output"
		failed=$((failed + 1))
	fi
done
[ $failed -eq 0 ]
