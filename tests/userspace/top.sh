#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of lastline top on a terminal of tmux. They need root and the installed command, and
# unload the module.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"
wants lastline tmux python3
# Reloading hides channels that were written before.
await rmmod lastline 2>/dev/null
put_channels_back

# top ARGUMENT...: starts lastline top and waits for its first screen
top()
{
	open_terminal "echo before; lastline top $*; echo \"ended with \$?\"; exec sleep 1000"
	await shows "q quit"
}

# column NUMBER NAME: prints that column of the channel
column() { screen | awk -v n="$1" -v name="$2" '$2 == name { print $n }'; }
column_is() { [ "$(column "$1" "$2")" = "$3" ]; }
once() { lastline top --once --interval 100ms "$@"; }

# Publishes up to 20 lines per second; returns after the first one.
start_writer()
{
	python3 -u -c '
import time
i = 0
while True:
    print(i := i + 1)
    time.sleep(0.05)' >"$dev" &
	lastline get --next "$number" >"$tmp/line"
}

# is_between LOW NUMBER HIGH
is_between()
{
	awk -v low="$1" -v number="$2" -v high="$3" \
		'BEGIN { exit !(low <= number && number <= high) }'
}

rows()
{
	make engine
	start_writer
	tail -f "$dev" >/dev/null &
	top
	await shows "^ *$number  engine "
	await column_is 5 engine 1
	await column_is 6 engine 1
	await shows "^ *$number  engine .*[0-9] ms  +[▁▂▃▄▅▆▇█ ]*[▁▂▃▄▅▆▇█]$"
	expect 1 "$(attribute readers)" "the number of readers, without top"
}
test_that "a row shows the number, name, readers, writers, age and history" rows

one_block() { [ "$(screen | grep -o '[▁▂▃▄▅▆▇█]' | paste -sd '')" = "$1" ]; }
graph()
{
	make engine
	top
	await shows engine
	one_block "" || fail "there is a history without a line"
	echo x >"$dev"
	await one_block █
	await column_is 3 engine 0
	one_block █ || fail "the history changes without a line"
}
test_that "a single line is one block in the history" graph

missed()
{
	make engine
	miss 10
	top
	await column_is 4 engine 10
	# This process inherits the open file.
	sleep 1000 &
	expect 10 "$(once | awk '$2 == "engine" { print $4 }')" "lines missed through one file"
	exec 5<&-
	kill $!
	await column_is 4 engine -
}
test_that "missed lines of a file that processes share count once" missed

there_are_rows() { [ "$(screen | grep -cE '^ *[0-9]+  ')" = "$1" ]; }
add_and_remove()
{
	local idle

	idle=$(lastline list | awk '$4 == 0 && $6 == 0' | wc -l)
	make engine
	top
	await shows engine
	await shows "$idle idle hidden"
	await there_are_rows 1
	terminal send-keys a
	await shows " 0 idle hidden"
	await there_are_rows $((idle + 1))
	terminal send-keys a
	lastline add wheels >/dev/null
	await shows wheels
	lastline remove engine
	await shows_not engine
	await there_are_rows 1
}
test_that "added channels appear, removed ones disappear, and a shows idle ones" add_and_remove

# first_is NAME: the first row is this channel
first_is() { [ "$(screen | awk 'NR == 3 { print $2 }')" = "$1" ]; }
# sorted_by KEY NAME: after pressing s, NAME is first
sorted_by()
{
	terminal send-keys s
	await shows "by $1"
	await first_is "$2"
}

sorts()
{
	make quiet
	make engine
	start_writer
	make last
	top --interval 500ms
	await first_is quiet
	sorted_by rate engine
	# It searches /proc rarely, and must not do so halfway through this.
	pkill -STOP -x lastline
	miss 10
	pkill -CONT -x lastline
	sorted_by missed last
	sorted_by age engine
	sorted_by number quiet
}
test_that "s sorts by rate, missed lines, age and number" sorts

# goes_to NAME KEY...: after these keys, NAME is the first row
goes_to()
{
	terminal send-keys "${@:2}"
	await first_is "$1"
}

scrolls()
{
	local i

	for ((i = 0; i < 40; i++)); do
		make "a$i"
	done
	top
	await first_is a0
	shows_not a27 || fail "there is room for 27 rows"
	goes_to a1 Down
	goes_to a13 NPage
	await shows a39
	goes_to a0 PPage Up
	goes_to a13 End
	goes_to a0 Home
}
test_that "arrows, page keys, Home and End scroll, but not beyond the ends" scrolls

# resizes_to COLUMNS ROWS: returns after the screen was drawn again
resizes_to()
{
	local before

	before=$(written)
	terminal resize-window -x "$1" -y "$2"
	await has_written "$before"
}
written() { awk '/^wchar/ { print $2 }' "/proc/$(pgrep -x lastline)/io"; }
has_written() { [ "$(written)" != "$1" ]; }

resizes()
{
	make engine
	top --interval 300ms
	await shows engine
	resizes_to 1 1
	resizes_to 30 2
	await shows "^q quit"
	resizes_to 1 50
	resizes_to 200 4
	await shows "^ *$number  engine"
	await shows "PgDn scroll"
	resizes_to 100 30
	await shows "^ *$number  engine"
	terminal send-keys q
	await shows "ended with 0"
}
test_that "top draws on terminals of any size" resizes

ascii()
{
	make engine
	start_writer
	open_terminal "LC_ALL=C lastline top"
	await shows "engine .*@"
	one_block "" || fail "there are blocks"
}
test_that "without UTF-8 the history is ASCII" ascii

# ends STATUS COMMAND...: COMMAND ends top, which restores the terminal
ends()
{
	make engine
	cat >"$tmp/shell" <<-END
		echo before
		# Without a trap Ctrl-C would end the shell, too.
		trap : INT
		stty -a >$tmp/before
		lastline top
		echo "ended with \$?"
		stty -a >$tmp/after
		exec sleep 1000
	END
	open_terminal "bash $tmp/shell"
	await shows "q quit"
	"${@:2}"
	await shows "^ended with $1$"
	await test -s "$tmp/after"
	cmp "$tmp/before" "$tmp/after" || fail "the terminal is not restored"
	shows "^before$" || fail "the screen is not restored"
	shows_not "q quit" || fail "the screen is not cleared"
}
test_that "q ends top with status 0 and restores the terminal" \
	ends 0 terminal send-keys q
test_that "Ctrl-C ends top with status 130 and restores the terminal" \
	ends 130 terminal send-keys C-c
test_that "SIGTERM ends top with status 143 and restores the terminal" \
	ends 143 pkill -TERM -x lastline

closed_terminal()
{
	make engine
	top
	close_terminal
	await eval '! pgrep -x lastline'
}
test_that "top ends when its terminal is closed" closed_terminal

module_removed()
{
	make engine
	top --interval 300ms
	await shows engine
	lastline remove engine
	rmmod lastline || fail "top keeps the module from being unloaded"
	await shows "modprobe lastline"
	await shows_not engine
	put_channels_back
	make wheels
	await shows "^ *$number  wheels"
	await shows_not "modprobe"
	terminal send-keys q
	await shows "ended with 0"
}
test_that "without the module top shows how to load it, and continues when it is loaded" module_removed

bad_terminal()
{
	local kind

	for kind in "" dumb nosuch; do
		open_terminal "TERM=$kind lastline top; echo \"ended with \$?\"; exec sleep 1000"
		await shows "\"$kind\".*--once"
		await shows "ended with 1"
		close_terminal
	done
}
test_that "top reports an unsupported terminal with status 1" bad_terminal

# Compares one snapshot. On a busy machine the writer may have published nothing.
rate_is_right()
{
	local before

	before=$(attribute generation)
	env -u TERM -u LC_ALL lastline top --once --interval 2s >"$tmp/out" </dev/null ||
		fail "it fails"
	generations=$(($(attribute generation) - before))
	read -r _ _ rate missed readers writers age < <(tail -n 1 "$tmp/out")
	# The command ran longer than the interval.
	is_between $((generations / 8)) "$rate" $((generations / 2 + 1)) &&
		is_between 0.1 "$rate" 25 && is_between 0 "$age" 5
}

first_once_is() { [ "$(once "${@:2}" | awk 'NR == 2 { print $2 }')" = "$1" ]; }
snapshot()
{
	local generations rate missed readers writers age

	make quiet
	make engine
	miss 10
	start_writer
	await rate_is_right
	cat "$tmp/out"
	expect 3 "$(lines_in "$tmp/out")" "the number of lines"
	expect "10 1 1" "$missed $readers $writers" "missed lines, readers and writers"
	expect "$(lastline list | wc -l)" "$(once --all | wc -l)" "the number of all lines"
	await first_once_is engine --sort rate --interval 2s
	first_once_is quiet --sort number || fail "it is not sorted by number"
}
test_that "top --once prints a row of text for each channel, without a terminal" snapshot

after=put_all_back
run_tests
