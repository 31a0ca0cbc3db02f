# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of lastline-mqtt(1) in bash. Asks it for its options, so that there is nothing
# here to keep up to date.

# For what it offers; its own command is lastline(1).
# shellcheck source=userspace/completion/lastline.bash
. "${BASH_SOURCE[0]%-mqtt}"

_lastline_mqtt_options()
{
	lastline-mqtt --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u
	echo --help
}

# _lastline_mqtt_wants OPTION: something behind it, which --help has in capitals
_lastline_mqtt_wants()
{
	[[ $1 =~ ^--?[a-z-]+$ ]] &&
		lastline-mqtt --help 2>/dev/null | grep -qE "(^|[ ,])$1(, --[a-z-]+)? [A-Z]"
}

_lastline_mqtt()
{
	local word=${COMP_WORDS[COMP_CWORD]} words last before

	# "engine=topic" is three words to bash, and what is offered takes the place of the last.
	[[ $word != = ]] || word=''
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}."
	last=${words[-1]%.} before=${words[-2]}
	if [[ $last == --*=* ]]; then
		before=${last%%=*} last=${last#*=}
	fi
	COMPREPLY=()
	case $before in
	-p | --publish)
		if [[ $last != *=* ]]; then
			compopt -o nospace 2>/dev/null
			_lastline_offer -S = -W "$(_lastline_channels)"
		fi ;;
	-s | --subscribe)
		[[ $last != *=* ]] || _lastline_offer -W "$(_lastline_channels)" ;;
	--qos)	_lastline_offer -W "0 1" ;;
	-c | --config | --*-file)
		_lastline_offer_files ;;
	*)
		_lastline_mqtt_wants "$before" ||
			_lastline_offer -W "$(_lastline_mqtt_options)" ;;
	esac
}

complete -F _lastline_mqtt lastline-mqtt
