# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of lastline(1) in bash. Asks the command for its options and sysfs for the
# channels, so that there is nothing here to keep up to date.

# Those of a command, from its --help.
_lastline_options()
{
	lastline "$1" --help 2>/dev/null | grep -oE '(^|, )--[a-z-]+|^  -[A-Za-z], --[a-z-]+' |
		grep -oE -- '--[a-z-]+'
	echo --help
}

_lastline_commands() { lastline --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p'; }

# Numbers, and the names of those that have one.
_lastline_channels()
{
	local device name

	for device in /sys/class/lastline/lastline*; do
		[ -e "$device/name" ] || continue
		echo "${device##*/lastline}"
		read -r name <"$device/name" 2>/dev/null && [ -z "$name" ] || echo "$name"
	done
}

# _lastline_offer WORD...: those that begin like the present one
_lastline_offer() { mapfile -t COMPREPLY < <(compgen "$@" -- "${COMP_WORDS[COMP_CWORD]}"); }

_lastline()
{
	local command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]}
	local before=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		_lastline_offer -W "$(_lastline_commands) --help --version"
		return
	fi
	case $command$before in
	add--owner | add-o)	_lastline_offer -u ;;
	add--group | add-g)	_lastline_offer -g ;;
	add--from | add-f)	_lastline_offer -f ;;
	watch--exec | watch-e | watch--on-stale | watch-S | pub--)
				_lastline_offer -c ;;
	top--sort | top-s)	_lastline_offer -W "number rate missed age" ;;
	*)
		if [[ $word == -* ]]; then
			_lastline_offer -W "$(_lastline_options "$command")"
		elif [[ $word == */* ]]; then
			_lastline_offer -f
		elif [[ ! $command =~ ^(add|list|top)$ ]]; then
			_lastline_offer -W "$(_lastline_channels)"
		fi ;;
	esac
}

complete -o filenames -F _lastline lastline
