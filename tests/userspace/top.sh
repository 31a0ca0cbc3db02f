#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline top, on a terminal that tmux makes and whose screen it captures. Wants the
# command installed, root, and a machine of its own: it adds channels and unloads the
# module.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"
wants lastline tmux

# make NAME: adds a channel, its number in $number and its node in $dev
make()
{
	dev=$(lastline add "$1") || fail "$1 cannot be added"
	number=${dev#/dev/lastline}
}

attribute() { cat "/sys/class/lastline/lastline$number/$1"; }

# top ARGUMENT...: starts it, and waits for its keys
top()
{
	open_terminal "echo before; lastline top $*; echo \"ended with \$?\"; exec sleep 1000"
	await shows "q quit"
}

# column NUMBER NAME: what the row of that channel says there
column() { screen | awk -v n="$1" -v name="$2" '$2 == name { print $n }'; }
column_is() { [ "$(column "$1" "$2")" = "$3" ]; }
once() { lastline top --once --interval 100ms "$@"; }
once_column() { once | awk -v n="$1" -v name="$2" '$2 == name { print $n }'; }

# Publishes 20 times a second or, on a busy machine, less often.
write_slowly()
{
	python3 -u -c '
import time
i = 0
while True:
    print(i := i + 1)
    time.sleep(0.05)' >"$dev"
}

there_are_writers() { [ "$(attribute writers)" != 0 ]; }

# is_between LOW NUMBER HIGH
is_between()
{
	awk -v low="$1" -v number="$2" -v high="$3" \
		'BEGIN { exit !(low <= number && number <= high) }'
}

# A reader that missed 10 lines, as descriptor 5
miss_ten()
{
	local i

	echo first >"$dev"
	exec 5<"$dev"
	read -r <&5
	for ((i = 0; i < 11; i++)); do
		echo "$i" >"$dev"
	done
	read -r <&5
	expect 10 "$REPLY" "the line that was taken"
}

#
# On the screen
#

rows()
{
	make engine
	write_slowly &
	tail -f "$dev" >/dev/null &
	top
	await shows "^ *$number  engine "
	await column_is 5 engine 1
	await column_is 6 engine 1
	await shows "^ *$number  engine .*[0-9] ms  +[▁▂▃▄▅▆▇█ ]*[▁▂▃▄▅▆▇█]$"
	screen
	# Nobody takes it for a reader.
	expect 1 "$(attribute readers)" "the number of readers"
}
test_that "a row shows a channel's number, name, readers, writers, age and history" rows

# What top says next to what is counted here, in the same seconds.
rate_is_right()
{
	local before generation

	before=$(attribute generation)
	sleep 6
	generation=$(attribute generation)
	wanted=$(((generation - before) / 6)) got=$(column 3 engine)
	is_between $((wanted * 2 / 3)) "$got" $((wanted * 3 / 2 + 1))
}

rate()
{
	local wanted='' got=''

	make engine
	write_slowly &
	top --interval 4s
	# The machine may have other things to do, and then not.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		! rate_is_right || return 0
	done
	fail "the rate is $got instead of about $wanted"
}
test_that "the rate is about what the writer publishes" rate

graph()
{
	make engine
	top
	await shows engine
	shows_not '[▁▂▃▄▅▆▇█]' || fail "a graph without a line"
	echo x >"$dev"
	await shows '█'
	await column_is 3 engine 0
	# One line in one interval: the rest of the history is empty.
	await shows '█ +$|█$'
	await one_block
}
one_block() { [ "$(screen | grep -o '█' | wc -l)" = 1 ]; }
test_that "a single line is one block in the history" graph

missed()
{
	make engine
	miss_ten
	top
	await column_is 4 engine 10
	# This one inherits it, as any child of a shell.
	sleep 1000 &
	expect 10 "$(once_column 4 engine)" "lines missed through one file of two processes"
	exec 5<&-
	kill $!
	await column_is 4 engine -
}
test_that "missed counts what a reader did, once for a file that processes share" missed

idle()
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
	await shows "$idle idle hidden"
}
there_are_rows() { [ "$(screen | grep -cE '^ *[0-9]+  ')" = "$1" ]; }
test_that "idle channels are hidden and counted, and a shows them" idle

comes_and_goes()
{
	make engine
	top
	await shows engine
	lastline add wheels >/dev/null
	await shows wheels
	lastline remove engine
	await shows_not engine
	await shows wheels
}
test_that "a channel that is added appears, and one that is removed disappears" comes_and_goes

# first_is NAME: its row is the first one
first_is() { [ "$(screen | awk 'NR == 3 { print $2 }')" = "$1" ]; }

sorts()
{
	make quiet
	make engine
	write_slowly &
	make last
	top --interval 500ms
	await first_is quiet
	terminal send-keys s
	await shows "by rate"
	await first_is engine
	# It does not look at each process each time, and shall not see half of this.
	pkill -STOP -x lastline
	miss_ten
	pkill -CONT -x lastline
	terminal send-keys s
	await shows "by missed"
	await first_is last
	terminal send-keys s
	await shows "by age"
	await first_is engine
	terminal send-keys s
	await shows "by number"
	await first_is quiet
}
test_that "s sorts by rate, missed, age and number again" sorts

scrolls()
{
	local i

	for ((i = 0; i < 40; i++)); do
		make "a$i"
	done
	top
	await first_is a0
	shows_not a27 || fail "there is room for 27 rows"
	terminal send-keys Down
	await first_is a1
	terminal send-keys NPage
	await first_is a13
	await shows a39
	terminal send-keys PPage Up
	await first_is a0
	terminal send-keys End
	await first_is a13
	terminal send-keys Home
	await first_is a0
}
test_that "arrows, page keys, Home and End scroll, and not beyond the ends" scrolls

resizes()
{
	make engine
	top --interval 300ms
	await shows engine
	terminal resize-window -x 1 -y 1
	sleep 1
	terminal resize-window -x 30 -y 2
	await shows "^q quit"
	terminal resize-window -x 1 -y 50
	sleep 1
	terminal resize-window -x 200 -y 4
	await shows "^ *$number  engine"
	await shows "PgDn scroll"
	terminal resize-window -x 100 -y 30
	await shows "^ *$number  engine"
	terminal send-keys q
	await shows "ended with 0"
}
test_that "it survives a terminal of 1 by 1, and draws all again when that grows" resizes

ascii()
{
	make engine
	write_slowly &
	open_terminal "LC_ALL=C lastline top"
	await shows "engine .*@"
	shows_not '[▁▂▃▄▅▆▇█]' || fail "there are blocks"
}
test_that "without UTF-8 the history is ASCII" ascii

#
# The end
#

# A shell that says what the terminal was like before, and after.
top_in_shell()
{
	cat >"$tmp/shell" <<-END
		echo before
		# A shell ends with what Ctrl-C ended, unless it has a trap.
		trap : INT
		stty -a >$tmp/before
		lastline top
		echo "ended with \$?"
		stty -a >$tmp/after
		exec sleep 1000
	END
	open_terminal "bash $tmp/shell"
	await shows "q quit"
}

# ended STATUS: the terminal is as it was
ended()
{
	await shows "^ended with $1$"
	await test -s "$tmp/after"
	cmp "$tmp/before" "$tmp/after" || fail "the terminal is not as it was"
	shows "^before$" || fail "what was on the screen is gone"
	shows_not "q quit" || fail "it left something on the screen"
}

quits()
{
	make engine
	top_in_shell
	terminal send-keys q
	ended 0
}
test_that "q quits, and the terminal is as it was" quits

# by_signal STATUS COMMAND...: that sends it
by_signal()
{
	make engine
	top_in_shell
	"${@:2}"
	ended "$1"
}
test_that "Ctrl-C ends it with status 130, and the terminal is as it was" \
	by_signal 130 terminal send-keys C-c
test_that "SIGTERM ends it with status 143, and the terminal is as it was" \
	by_signal 143 pkill -TERM -x lastline

terminal_goes()
{
	make engine
	top
	close_terminal
	await eval '! pgrep -x lastline'
}
test_that "it ends when its terminal goes away" terminal_goes

module_goes()
{
	make engine
	top --interval 300ms
	await shows engine
	lastline remove engine
	rmmod lastline || fail "top keeps the module from being unloaded"
	await shows "not loaded; as root: modprobe lastline"
	await shows_not engine
	insmod /vm/lastline.ko
	make wheels
	await shows "^ *$number  wheels"
	await shows_not "not loaded"
	terminal send-keys q
	await shows "ended with 0"
}
test_that "without the module it says so, and goes on when that is loaded again" module_goes

# refuses WORDS COMMAND...: with status 1
refuses()
{
	local status=0 said

	said=$("${@:2}" 2>&1) || status=$?
	expect 1 "$status" "the status of ${*:2}"
	[[ $said == *"$1"* ]] || fail "it says '$said', and not '$1'"
}

bad_terminal()
{
	local kind

	for kind in "" dumb nosuch; do
		open_terminal "TERM=$kind lastline top; echo \"ended with \$?\"; exec sleep 1000"
		await shows "cannot draw on a terminal of type \"$kind\""
		await shows "ended with 1"
		close_terminal
	done
	refuses "try: lastline top --once" lastline top
}
test_that "on a terminal that cannot be drawn on it says so, with status 1" bad_terminal

#
# Once
#

# Takes a snapshot, during which a writer that the machine keeps waiting publishes nothing.
writer_is_seen()
{
	env -u TERM -u LC_ALL lastline top --once --interval 300ms >"$tmp/out" </dev/null ||
		fail "it fails"
	read -r _ _ rate missed readers writers age < <(tail -n 1 "$tmp/out")
	is_between 0.1 "$rate" 25 && is_between 0 "$age" 5
}

snapshot()
{
	local rate missed readers writers age

	make engine
	miss_ten
	write_slowly &
	await there_are_writers
	await writer_is_seen
	cat "$tmp/out"
	expect "channel name lines/s missed readers writers age" \
		"$(head -n 1 "$tmp/out" | tr -s ' ' | sed 's/^ //')" "the head"
	expect 2 "$(wc -l <"$tmp/out")" "the number of lines"
	expect "10 1 1" "$missed $readers $writers" "what is missed, readers and writers"
	expect "$(lastline list | wc -l)" "$(once --all | wc -l)" "the number of all lines"
}
test_that "--once prints a row for each channel as text, with no terminal at all" snapshot

snapshot_sorts()
{
	make quiet
	make engine
	write_slowly &
	await there_are_writers
	# It may not have begun to write.
	await first_once_is engine --sort rate --interval 2s
	first_once_is quiet --sort number || fail "quiet is not the first row by number"
}
first_once_is() { [ "$(once "${@:2}" | awk 'NR == 2 { print $2 }')" = "$1" ]; }
test_that "--once sorts as it is told" snapshot_sorts

once_without_module()
{
	rmmod lastline || fail "the module does not unload"
	refuses "as root: modprobe lastline" lastline top --once
}
test_that "--once without the module says how to load it, with status 1" once_without_module

clean()
{
	needs valgrind
	make engine
	miss_ten
	valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect \
		--error-exitcode=99 lastline top --once --interval 100ms --all 2>&1 ||
		fail "valgrind complains"
}
test_that "valgrind finds neither a leak nor an error in --once" clean

after=put_all_back
run_tests
