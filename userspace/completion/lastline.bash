# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bash completion of lastline(1). Options come from --help, channels from sysfs.

# _lastline_options COMMAND: prints its options
_lastline_options()
{
	lastline "$1" --help 2>/dev/null | grep -oE '^  -[A-Za-z], --[a-z-]+' |
		grep -oE -- '--[a-z-]+'
	echo --help
}

# _lastline_takes_argument COMMAND OPTION: does --help show an argument, in capitals?
_lastline_takes_argument()
{
	[[ $2 =~ ^--?[A-Za-z-]+$ ]] &&
		lastline "$1" --help 2>/dev/null | grep -qE "^  (-., )?$2(, --[a-z-]+)? [A-Z]"
}

_lastline_commands() { lastline --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p'; }

# Prints the numbers and names of all channels.
_lastline_channels()
{
	local device name

	for device in /sys/class/lastline/lastline*; do
		# The channel may have been removed.
		{ read -r name <"$device/name"; } 2>/dev/null || continue
		echo "${device##*/lastline}"
		[ -z "$name" ] || echo "$name"
	done
}

# _lastline_offer OPTION...: offers the words of compgen that match the current one
_lastline_offer() { mapfile -t COMPREPLY < <(compgen "$@" -- "$word"); }

# Only here, because a channel may have the name of a directory.
_lastline_offer_files()
{
	compopt -o filenames 2>/dev/null
	_lastline_offer -f
}

_lastline()
{
	local command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]}
	local before=${COMP_WORDS[COMP_CWORD - 1]} joined='' dashes

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		_lastline_offer -W "$(_lastline_commands) --help --version"
		return
	fi
	# bash splits "--group=video" into three words.
	if [[ $word == = ]]; then
		word='' joined=1
	elif [[ $before == = ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]} joined=1
	fi
	for ((dashes = 2; dashes < COMP_CWORD; dashes++)); do
		[ "${COMP_WORDS[dashes]}" != -- ] || break
	done
	if [ "$dashes" = $((COMP_CWORD - 1)) ] && [ "$command" = pub ]; then
		_lastline_offer -c
		return
	elif [ "$dashes" -lt "$COMP_CWORD" ]; then
		_lastline_offer_files
		return
	fi
	case $command$before in
	add--owner | add-o)	_lastline_offer -u ;;
	add--group | add-g)	_lastline_offer -g ;;
	add--from | add-f)	_lastline_offer_files ;;
	watch--exec | watch-e | watch--on-stale | watch-S)
				_lastline_offer -c ;;
	top--sort | top-s)	_lastline_offer -W "number rate missed age" ;;
	*)
		if [ -n "$joined" ] || _lastline_takes_argument "$command" "$before"; then
			return
		elif [[ $word == -* ]]; then
			_lastline_offer -W "$(_lastline_options "$command")"
		elif [[ $word == */* ]]; then
			_lastline_offer_files
		elif [[ ! $command =~ ^(add|list|top)$ ]]; then
			_lastline_offer -W "$(_lastline_channels)"
		fi ;;
	esac
}

complete -F _lastline lastline
