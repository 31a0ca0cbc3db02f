# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# For tests of the command that have a machine of their own: the channels they add, and a
# terminal that tmux makes and whose screen they capture.
# shellcheck source=tests/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

unset TMUX
export LC_ALL=C.UTF-8 TERM=xterm-256color

# wants PROGRAM...: and root
wants()
{
	{ [ "$(id -u)" = 0 ] && type -P "$@" >/dev/null; } || skip_all "needs root and $*"
}

has_line() { grep -qxF -- "$2" "$1" 2>/dev/null; }
has_word() { grep -qF -- "$2" "$1" 2>/dev/null; }

newest_is() { [ "$(lastline get "$1" 2>/dev/null)" = "$2" ]; }

# retained TOPIC: what the broker has, by the test's own way to ask it
retained() { foreign sub -t "$1" -C 1 -W 60; }
retained_is() { [ "$(retained "$1")" = "$2" ]; }

# json EXPRESSION: of what is read, as the variable "it"
json()
{
	python3 -c "import json, sys; it = json.load(sys.stdin); print($1)"
}

# The module, and of the channels only the nameless ones.
put_channels_back()
{
	[ -d /sys/class/lastline ] || modprobe lastline
	lastline list | awk '$2 != "-" && $1 ~ /^[0-9]/ { print $2 }' | xargs -r lastline remove
} >/dev/null 2>&1

# Its server would inherit what a test has open.
terminal() { tmux -u -f /dev/null -L lastline "$@" 5<&-; }

# open_terminal COMMAND
open_terminal() { terminal new-session -d -x 100 -y 30 "$1"; }

# Until its server is gone: while it dies it takes away the socket of the next one.
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
