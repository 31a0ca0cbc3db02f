# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bash completion of lastline-mqtt(1). The options come from its --help.

# Provides _lastline_offer and _lastline_channels.
# shellcheck source=userspace/completion/lastline.bash
. "${BASH_SOURCE[0]%-mqtt}"

_lastline_mqtt_options()
{
	lastline-mqtt --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u
	echo --help
}

# _lastline_mqtt_takes_argument OPTION: does --help show an argument, in capitals?
_lastline_mqtt_takes_argument()
{
	[[ $1 =~ ^--?[a-z-]+$ ]] &&
		lastline-mqtt --help 2>/dev/null | grep -qE "(^|[ ,])$1(, --[a-z-]+)? [A-Z]"
}

_lastline_mqtt()
{
	local word=${COMP_WORDS[COMP_CWORD]} words last before

	# bash splits "engine=topic" into three words and replaces the last one.
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
		_lastline_mqtt_takes_argument "$before" ||
			_lastline_offer -W "$(_lastline_mqtt_options)" ;;
	esac
}

complete -F _lastline_mqtt lastline-mqtt
