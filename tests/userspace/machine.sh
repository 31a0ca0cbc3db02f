# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Helpers for tests of the commands in the virtual machine: channels, processes, and the
# screen of a terminal of tmux.
# shellcheck source=tests/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

unset TMUX
export TERM=xterm-256color
[ ! -d /usr/lib/locale/C.utf8 ] || export LC_ALL=C.UTF-8

# wants PROGRAM...: skips all tests without these programs or root
wants()
{
	{ [ "$(id -u)" = 0 ] && type -P "$@" >/dev/null; } || skip_all "needs root and $*"
}

has_word() { grep -qF -- "$2" "$1" 2>/dev/null; }
lines_in() { wc -l <"$1"; }
has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; } 2>/dev/null

newest_is() { [ "$(lastline get "$1" 2>/dev/null)" = "$2" ]; }

# retained TOPIC: prints the retained message; the test defines foreign
retained() { foreign sub -t "$1" -C 1 -W 60; }
retained_is() { [ "$(retained "$1")" = "$2" ]; }

# json EXPRESSION: evaluates it for the JSON on stdin, the variable "it"
json()
{
	python3 -c "import json, sys; it = json.load(sys.stdin); print($1)"
}

# make NAME: adds a channel; sets $number and $dev, its device node
make()
{
	dev=$(lastline add "$1") || fail "$1 cannot be added"
	number=${dev#/dev/lastline}
}

# attribute NAME: prints the sysfs attribute of the last channel of make
attribute() { cat "/sys/class/lastline/lastline$number/$1"; }
attribute_is() { [ "$(attribute "$1")" = "$2" ]; }

# miss COUNT: opens descriptor 5 as a reader that missed COUNT lines
miss()
{
	local i

	exec 5<"$dev"
	for ((i = 0; i <= $1; i++)); do
		echo "$i" >"$dev"
	done
	read -r <&5
	expect "$1" "$REPLY" "the line that was read"
}

# Reads lines "STATUS | FACT | ARGUMENT...": lastline with these arguments, run by the command
# $by, ends with STATUS and prints FACT.
by=
statuses()
{
	local status fact words

	while IFS='|' read -r status fact words; do
		read -r fact <<<"$fact"
		eval "fails_with $status '$fact' $by lastline $words </dev/null"
	done
}

# Loads the module if necessary, and removes all named channels.
put_channels_back()
{
	[ -d /sys/class/lastline ] || modprobe lastline || insmod /vm/lastline.ko
	lastline list | awk '$2 != "-" && $1 ~ /^[0-9]/ { print $2 }' | xargs -r lastline remove
} >/dev/null 2>&1

# The server must not inherit the descriptor of miss.
terminal() { tmux -u -f /dev/null -L lastline "$@" 5<&-; }

open_terminal() { terminal new-session -d -x 100 -y 30 "$1"; }

# A server that is still ending would remove the socket of the next one.
close_terminal()
{
	local server

	server=$(terminal display-message -p '#{pid}') || return 0
	terminal kill-server
	await_end "$server"
} 2>/dev/null

put_all_back()
{
	close_terminal
	put_channels_back
}

screen() { terminal capture-pane -p; }
shows() { grep -qE -- "$1" <<<"$(screen)"; }
shows_not() { ! shows "$1"; }
