#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion by the TAB key, in shells of a terminal that tmux makes. Wants the command
# installed, root, and a machine of its own: it adds channels.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"
wants lastline tmux

# With the space behind a word that is complete.
screen() { terminal capture-pane -pN; }

# start bash|zsh: one that knows nothing but what is installed
start()
{
	needs "$1"
	lastline add engine >/dev/null
	cat >"$tmp/bashrc" <<-'END'
		. /usr/share/bash-completion/bash_completion
		PS1='ready '
	END
	# The second is called like a channel, which is no directory.
	mkdir "$tmp/zsh" "$tmp/engine"
	cd "$tmp" || fail "no directory $tmp"
	cat >"$tmp/zsh/.zshrc" <<-'END'
		autoload -Uz compinit && compinit -u -D
		PS1='ready '
	END
	case $1 in
	bash)	open_terminal "exec bash --rcfile $tmp/bashrc -i" ;;
	zsh)	open_terminal "ZDOTDIR=$tmp/zsh exec zsh -i" ;;
	esac
	await shows ready
}

# becomes TYPED LINE: after TAB; what stands there is then deleted
becomes()
{
	terminal send-keys -l "$1"
	terminal send-keys Tab
	await shows "ready $2"
	terminal send-keys C-u
	terminal send-keys C-l
}

completes()
{
	start "$1"
	becomes "lastline wa" "lastline watch "
	becomes "lastline get en" "lastline get engine "
	becomes "lastline watch --pl" "lastline watch --plain"
	becomes "lastline add --gr" "lastline add --group"
	becomes "lastline add --group last" "lastline add --group lastline"
	becomes "lastline add --group=last" "lastline add --group=lastline"
	becomes "lastline add --owner nob" "lastline add --owner nobody"
	becomes "lastline add --from /etc/hostn" "lastline add --from /etc/hostname"
	becomes "lastline top --sort mi" "lastline top --sort missed"
	becomes "lastline pub --ev" "lastline pub --every"
	becomes "lastline pub --every 1s engine -- mkfif" "lastline pub --every 1s engine -- mkfifo"
	becomes "lastline pub --every 1s engine -- cat /etc/hostn" \
		"lastline pub --every 1s engine -- cat /etc/hostname"
	becomes "lastline get /dev/lastline-con" "lastline get /dev/lastline-control"
	becomes "lastline-mqtt --statu" "lastline-mqtt --status "
	becomes "lastline-mqtt --publish en" "lastline-mqtt --publish engine="
	becomes "lastline-mqtt -s robot/engine=en" "lastline-mqtt -s robot/engine=engine "
	becomes "lastline-mqtt --ca-file /etc/hostn" "lastline-mqtt --ca-file /etc/hostname "
	# Two that begin so are both shown.
	lastline add exhaust >/dev/null
	terminal send-keys -l "lastline remove e"
	terminal send-keys Tab Tab
	await shows exhaust
	terminal send-keys C-u
	terminal send-keys C-l
	lastline remove exhaust
	becomes "lastline remove e" "lastline remove engine"
}
test_that "TAB completes commands, options, groups and channels in bash" completes bash
test_that "TAB completes commands, options, groups and channels in zsh" completes zsh

# Without bash-completion, which not everybody has.
# offered WORD...: for the last one
offered()
{
	# shellcheck disable=SC2016 # that shell does
	bash --norc -c '
		. "/usr/share/bash-completion/completions/$1"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE=$* COMP_POINT=${#COMP_LINE}
		"_${1//-/_}"
		echo "${COMPREPLY[*]}"' bash "$@"
}

by_function()
{
	lastline add engine >/dev/null
	expect "engine" "$(offered lastline get en)" "what is offered"
	expect "" "$(offered lastline watch --count '')" "what is offered for a number"
	expect "" "$(offered lastline watch -c '')" "what is offered for a number"
	expect "engine=" "$(offered lastline-mqtt --publish en)" "what is offered to publish"
	expect "" "$(offered lastline-mqtt --user '')" "what is offered for a name"
	expect "" "$(offered lastline-mqtt -b '')" "what is offered for a URL"
}
test_that "plain bash needs nothing but the file" by_function

# zsh_knows COMMAND [WORD]: the options that its --help has
zsh_knows()
{
	local option

	for option in $("$@" --help | grep -oE -- '--[a-z-]+'); do
		grep -qE -- "$option([^a-z-]|$)" "/usr/share/zsh/vendor-completions/_$1" ||
			fail "zsh does not know $* $option"
	done
}

options_are_known()
{
	local command

	for command in $(lastline --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
		zsh_knows lastline "$command"
	done
	zsh_knows lastline-mqtt
}
test_that "zsh knows each option of each command" options_are_known

after=put_all_back
run_tests
