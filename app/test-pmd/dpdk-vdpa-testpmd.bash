# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Completes the options after "--" from what the program itself says of them.

_dpdk_vdpa_testpmd() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} word ours=''
	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[ "$word" = -- ] && ours=yes
	done
	[ -n "$ours" ] || return
	case $previous in
	--cmdline-file | --stats-json)
		mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	--port-topology)
		mapfile -t COMPREPLY < <(compgen -W 'paired chained loop' -- "$current") ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" -- --help 2>/dev/null |
			grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+')" -- "$current") ;;
	esac
}

complete -o default -F _dpdk_vdpa_testpmd dpdk-vdpa-testpmd
