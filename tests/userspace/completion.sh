#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of completion with TAB, in shells on a terminal of tmux. They need root and the
# installed command.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"
wants lastline tmux

# Includes trailing spaces, which follow a complete word.
screen() { terminal capture-pane -pN; }

# start bash|zsh: with only the installed completions
start()
{
	needs "$1"
	lastline add engine >/dev/null
	cat >"$tmp/bashrc" <<-'END'
		. /usr/share/bash-completion/bash_completion
		PS1='ready '
	END
	# A directory with the name of a channel must not be offered.
	mkdir "$tmp/zsh" "$tmp/engine"
	cd "$tmp" || fail "no directory $tmp"
	cat >"$tmp/zsh/.zshrc" <<-'END'
		autoload -Uz compinit && compinit -u -D
		PS1='ready '
	END
	[ "$1" = zsh ] || set -- bash --rcfile "$tmp/bashrc"
	open_terminal "ZDOTDIR=$tmp/zsh exec $* -i"
	await shows ready
}

# becomes TYPED LINE: TAB turns TYPED into LINE; then deletes it
becomes()
{
	terminal send-keys -l "$1"
	terminal send-keys Tab
	await shows "ready $2"
	terminal send-keys C-u C-l
}

completes()
{
	local typed line

	start "$1"
	while IFS='|' read -r typed line _; do
		becomes "$typed" "$line"
	done <<-END
		lastline wa|lastline watch |
		lastline get en|lastline get engine |
		lastline watch --pl|lastline watch --plain|
		lastline add --group last|lastline add --group lastline|
		lastline add --group=last|lastline add --group=lastline|
		lastline add --owner nob|lastline add --owner nobody|
		lastline add --from /etc/hostn|lastline add --from /etc/hostname|
		lastline top --sort mi|lastline top --sort missed|
		lastline pub --ev|lastline pub --every|
		lastline pub --every 1s engine -- mkfif|lastline pub --every 1s engine -- mkfifo|
		lastline get /dev/lastline-con|lastline get /dev/lastline-control|
		lastline-mqtt --statu|lastline-mqtt --status |
		lastline-mqtt --publish en|lastline-mqtt --publish engine=|
		lastline-mqtt -s robot/engine=en|lastline-mqtt -s robot/engine=engine |
		lastline-mqtt --ca-file /etc/hostn|lastline-mqtt --ca-file /etc/hostname |
	END
	# If two match, both are shown.
	lastline add exhaust >/dev/null
	terminal send-keys -l "lastline remove e"
	terminal send-keys Tab Tab
	await shows exhaust
	terminal send-keys C-u C-l
	lastline remove exhaust
	becomes "lastline remove e" "lastline remove engine"
}
test_that "TAB completes commands, options, groups and channels in bash" completes bash
test_that "TAB completes commands, options, groups and channels in zsh" completes zsh

# offered WORD...: prints the completions of the last word, without bash-completion
offered()
{
	# shellcheck disable=SC2016 # expanded by that shell
	bash --norc -c '
		. "/usr/share/bash-completion/completions/$1"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE=$* COMP_POINT=${#COMP_LINE}
		"_${1//-/_}"
		echo "${COMPREPLY[*]}"' bash "$@"
}

by_function()
{
	lastline add engine >/dev/null
	expect engine "$(offered lastline get en)" "the words for a channel"
	expect "" "$(offered lastline watch --count '')" "the words for a number"
	expect "" "$(offered lastline watch -c '')" "the words for a number"
	expect engine= "$(offered lastline-mqtt --publish en)" "the words for a route"
	expect "" "$(offered lastline-mqtt -b '')" "the words for a URL"
}
test_that "completion works in bash without the package bash-completion" by_function

options_are_known()
{
	local words option

	while read -ra words; do
		for option in $("${words[@]}" --help | grep -oE -- '--[a-z-]+'); do
			grep -qE -- "$option([^a-z-]|$)" "/usr/share/zsh/vendor-completions/_${words[0]}" ||
				fail "zsh does not complete ${words[*]} $option"
		done
	done < <(lastline --help | sed -n 's/^  \([a-z]*\) .*/lastline \1/p'; echo lastline-mqtt)
}
test_that "zsh completes each option of each command" options_are_known

after=put_all_back
run_tests
