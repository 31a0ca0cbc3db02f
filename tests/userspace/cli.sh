#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline(1), as people use it: root, a member of the group lastline, and nobody. Wants
# the command installed, root, and a machine of its own: it adds users and channels.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"
wants lastline
getent group lastline >/dev/null || groupadd --system lastline
id member >/dev/null 2>&1 || useradd --groups lastline member

engine=$(lastline add engine)
engine=${engine#/dev/lastline}

# After each test: the one channel it began with, empty, and no other of a name.
put_back()
{
	put_channels_back
	lastline add --number "$engine" engine
} >/dev/null

generation() { cat "/sys/class/lastline/lastline$engine/generation"; }
readers() { cat "/sys/class/lastline/lastline$engine/readers"; }
there_are_readers() { [ "$(readers)" = "$1" ]; }
lines_in() { wc -l <"$1"; }

#
# The whole
#

help_fits()
{
	local command text

	for command in '' $(lastline --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
		# shellcheck disable=SC2086 # none at all for the first
		text=$(lastline $command --help) || fail "lastline $command --help fails"
		[ "$(wc -l <<<"$text")" -le 24 ] || fail "$command: more than 24 lines"
		! grep -E '.{81}' <<<"$text" || fail "$command: more than 80 columns"
	done
}
test_that "the help of each command fits a screen" help_fits

wrong_calls()
{
	fails_with 2 "usage: lastline" lastline
	fails_with 2 "no command frobnicate" lastline frobnicate
	fails_with 2 "no option --frobnicate" lastline watch --frobnicate engine
	fails_with 2 "wants an argument" lastline watch engine --rate
	fails_with 2 "which channel?" lastline get
	fails_with 2 "only one channel" lastline get engine 0
	fails_with 2 "no time like" lastline get --wait=soon engine
	fails_with 2 "no time like" lastline get --wait=-1s engine
	fails_with 2 "no number from 0 to" lastline watch --count many engine
	fails_with 2 "lines a second" lastline watch --rate 0 engine
	fails_with 2 "--on-stale without --stale" lastline watch --on-stale true engine
	fails_with 2 "wants a command" lastline pub --every 1s engine
	fails_with 2 "no user" lastline add --owner nosuch x
	fails_with 2 "no permissions like" lastline add --permissions 0999 x
	fails_with 2 "64 to 1048576" lastline add --line-max 63 x
	fails_with 2 "letters, digits" lastline add 'a b'
	fails_with 2 "letters, digits" lastline add ..
	fails_with 2 "1 to 63 bytes" lastline add ''
	fails_with 2 "taken for a number" lastline add 77
	fails_with 2 "taken for a number" lastline add lastline77
	fails_with 2 "--from stands alone" lastline add --record --from /etc/lastline.d
	fails_with 2 "no option -q" lastline get -qn engine
}
test_that "who calls it wrongly is told what is wrong, with status 2" wrong_calls

no_such_channel()
{
	local command

	for command in get watch info remove clear "pub --wait-reader"; do
		# shellcheck disable=SC2086 # an option is a word of its own
		fails_with 1 "no such channel" lastline $command nosuch
	done
	fails_with 1 "no such channel" lastline get 4095
	fails_with 1 "not a channel" lastline get /dev/null
	fails_with 1 "no such channel" lastline get /dev/lastline/nosuch
	# What a script gives whose variable is not set.
	fails_with 1 "no such channel" lastline remove ""
	lastline clear nosuch engine 2>/dev/null && fail "clear forgives a channel that is not there"
	expect 8 "$(lastline list | awk '$2 == "-"' | wc -l)" "channels without a name"
}
test_that "a channel that is not there is named, with status 1" no_such_channel

no_module()
{
	lastline remove engine
	rmmod lastline || fail "the module does not unload"
	fails_with 1 "modprobe lastline" lastline list
	fails_with 1 "modprobe lastline" lastline get engine
	fails_with 1 "modprobe lastline" lastline get /dev/lastline0
	fails_with 1 "modprobe lastline" lastline pub 0 x
	fails_with 1 "modprobe lastline" lastline add engine
	fails_with 1 "modprobe lastline" lastline remove 0
}
test_that "without the module it says how to load it" no_module

by_any_name()
{
	local name

	lastline pub engine rpm=900
	for name in engine "$engine" "lastline$engine" "/dev/lastline$engine"; do
		expect rpm=900 "$(lastline get "$name")" "the line of $name"
	done
}
test_that "a channel can be named by number, name or path" by_any_name

#
# Permissions
#

member_may()
{
	runuser -u member -- lastline pub engine from a member || fail "a member cannot publish"
	expect "from a member" "$(runuser -u member -- lastline get engine)" "the line"
}
test_that "a member of the group lastline uses a channel that root added" member_may

nobody_may_not()
{
	fails_with 1 "for the group lastline. As root: usermod -aG lastline" \
		runuser -u nobody -- lastline get engine
	fails_with 1 "only root may add" runuser -u member -- lastline add mine
	fails_with 1 "only root may" runuser -u member -- lastline remove engine
	lastline add --permissions 0600 secret
	fails_with 1 "only its owner" runuser -u member -- lastline get secret
}
test_that "who may not is told which group may" nobody_may_not

anybody_lists()
{
	runuser -u nobody -- lastline list | grep -q engine || fail "nobody sees no list"
	runuser -u nobody -- lastline info engine | grep -q 'permissions *0660 root lastline' ||
		fail "nobody sees no permissions"
}
test_that "anybody may see which channels there are" anybody_lists

#
# list, info
#

lists()
{
	lastline add --record --line-max 100 frame
	lastline pub engine x
	lastline list >"$tmp/list"
	grep -qE "^ +$engine +engine +line +[0-9]+ +[0-9.]+ (ms|s) +0 +0 +4096$" "$tmp/list" ||
		fail "$(cat "$tmp/list")"
	grep -qE '^ +[0-9]+ +frame +record +0 +- +0 +0 +100$' "$tmp/list" ||
		fail "$(cat "$tmp/list")"
	expect 0 "$(readers)" "the number of readers"
}
test_that "list shows name, mode, generation, age, readers, writers and limit" lists

lists_json()
{
	lastline add --record --line-max 100 frame
	lastline pub engine x
	lastline list --json >"$tmp/json"
	expect "['engine', 'frame']" \
		"$(json '[c["name"] for c in it if c["name"]]' <"$tmp/json")" "the names"
	expect "['record', 100, 0, 0, 0, 0]" \
		"$(json '[[c["mode"], c["line_max"], c["generation"], c["readers"], c["writers"],
			c["monotonic_ns"]] for c in it if c["name"] == "frame"][0]' <"$tmp/json")" "frame"
	expect None "$(json 'it[0]["name"]' <"$tmp/json")" "the name of a channel without one"
}
test_that "list --json is JSON" lists_json

shows_holders()
{
	mkfifo "$tmp/go"
	python3 -c '
import sys
with open(f"/dev/lastline{sys.argv[1]}", "rb", buffering=0) as channel:
    for _ in sys.stdin:
        channel.read(4096)
' "$engine" <"$tmp/go" &
	exec 5>"$tmp/go"
	await there_are_readers 1
	for i in 1 2 3 4; do
		lastline pub engine $i
	done
	echo >&5
	await missed_is 3
	lastline pub engine 5
	lastline info engine >"$tmp/info"
	has_word "$tmp/info" "reads, 1 behind, 3 missed" || fail "$(cat "$tmp/info")"
	lastline info --json engine >"$tmp/json"
	expect "[True, False, 'python3', 3]" \
		"$(json '[it["holders"][0][k] for k in ("reads", "writes", "program", "missed")]' \
			<"$tmp/json")" "the holder"
	expect "1 432 0" "$(json 'it["readers"], it["permissions"], it["uid"]' <"$tmp/json" |
		tr -d '(),')" "readers, permissions and owner"
}
missed_is() { lastline info engine | grep -q " $1 missed"; }
test_that "info shows who has a channel open, and what he missed" shows_holders

#
# get
#

gets()
{
	fails_with 3 "nothing is published" lastline get engine
	lastline pub engine one
	lastline pub engine two
	expect two "$(lastline get engine)" "the line"
	expect two "$(lastline get engine)" "the line again"
	lastline clear engine
	fails_with 3 "nothing is published" lastline get engine
}
test_that "get prints the newest line, or ends with status 3" gets

gets_later()
{
	fails_with 3 "nothing came in time" lastline get --wait=100ms engine
	lastline get --wait engine >"$tmp/line" &
	await there_are_readers 1
	lastline pub engine late
	wait $! || fail "get --wait fails"
	expect late "$(cat "$tmp/line")" "the line"
	lastline clear engine
	fails_with 3 "nothing is published" lastline get --wait=0 engine
	fails_with 3 "nothing is published" lastline get --next --wait=0 engine
	lastline pub engine late
	# One that is there needs no wait.
	expect late "$(lastline get -w engine)" "the line"
}
test_that "get --wait waits for a line if there is none" gets_later

gets_next()
{
	lastline pub engine old
	fails_with 3 "nothing came in time" lastline get --next --wait=100ms engine
	lastline get --next engine >"$tmp/line" &
	await there_are_readers 1
	await is_asleep $!
	lastline pub engine new
	wait $! || fail "get --next fails"
	expect new "$(cat "$tmp/line")" "the line"
}
is_asleep()
{
	local stat

	read -r stat <"/proc/$1/stat" && [[ ${stat##*) } == S* ]]
}
test_that "get --next waits for a line that is not there yet" gets_next

#
# watch
#

# watch OPTION...: in the background, into $tmp/out and $tmp/err
watch()
{
	lastline watch "$@" engine >"$tmp/out" 2>"$tmp/err" &
	watcher=$!
	await there_are_readers 1
}

watches()
{
	lastline pub engine one
	watch
	await has_word "$tmp/out" one
	lastline pub engine two
	await has_word "$tmp/out" two
	grep -vE '^[0-9-]{10} [0-9:]{8}\.[0-9]{6} [0-9]+ \+0 (one|two)$' "$tmp/out" &&
		fail "that is no time, generation, missed and line"
	expect 2 "$(lines_in "$tmp/out")" "the number of lines"
	# Restarts of the producer are nothing to it.
	(echo three; sleep 0.2; echo four) >"/dev/lastline$engine"
	await has_word "$tmp/out" four
}
test_that "watch prints each line, its time and generation" watches

# misses_three RATE: four lines come, one by one, before the next one may be taken
misses_three()
{
	lastline pub engine one
	watch --rate "$1"
	await has_word "$tmp/out" "+0 one"
	for i in 2 3 4 five; do
		echo $i >"/dev/lastline$engine"
		sleep 0.1
	done
	await has_word "$tmp/out" five
	kill "$watcher"
	wait "$watcher"
	has_word "$tmp/out" "+3 five" && [ "$(lines_in "$tmp/out")" = 2 ]
}

counts_missed()
{
	# The machine may have other things to do, and then not.
	for rate in 0.5 0.2 0.1 0.05; do
		! misses_three "$rate" || return 0
	done
	fail "$(cat "$tmp/out")"
}
test_that "watch --rate takes only so many, and says what it missed" counts_missed

ends()
{
	lastline pub engine one
	expect one "$(lastline watch --plain --count 1 engine)" "the line"
	fails_with 3 "nothing came in time" lastline watch --new --timeout 200ms engine
	watch --plain --new --count 2
	await is_asleep "$watcher"
	lastline pub engine two
	await has_line "$tmp/out" two
	lastline pub engine three
	wait "$watcher" || fail "watch --count ends with status $?"
	expect "two three" "$(paste -sd' ' "$tmp/out")" "the lines"
}
test_that "watch ends after --count lines, or a --timeout with status 3" ends

watch_removed()
{
	watch
	lastline remove engine
	wait "$watcher" && fail "watch goes on without a channel"
	has_word "$tmp/err" "no such channel, or not any more" || fail "$(cat "$tmp/err")"
}
test_that "watch ends with status 1 when the channel is removed" watch_removed

watch_records()
{
	lastline add --record frame
	printf 'a\nb' | lastline pub frame
	expect $'a\nb.' "$(lastline watch --plain --count 1 frame; echo .)" "the bytes of a record"
	expect 2 "$(lastline watch --count 1 frame | wc -l)" "the lines of a record"
}
test_that "watch --plain prints the bytes of a record as they are" watch_records

# shellcheck disable=SC2016 # the command is to expand it
executes()
{
	lastline pub engine 1
	lastline pub engine rpm 900
	lastline watch --count 1 --exec \
		'read -r a b; echo "$b $LASTLINE_GENERATION $LASTLINE_MISSED $LASTLINE_CHANNEL"' \
		engine >"$tmp/out" || fail "watch fails"
	expect "900 $(generation) 0 engine" "$(cat "$tmp/out")" "what the command says"
	lastline watch --count 1 --exec 'exit 7' engine 2>"$tmp/err" || fail "watch fails"
	has_word "$tmp/err" "failed with status 7" || fail "$(cat "$tmp/err")"
}
test_that "watch --exec runs a command with the line as its input" executes

# shellcheck disable=SC2016
never_piles_up()
{
	lastline pub engine 0
	watch --exec 'echo $$ >>'"$tmp"'/begun; cat; sleep 0.5; echo $$ >>'"$tmp"'/ended'
	for i in $(seq 1 30); do
		echo "$i" >"/dev/lastline$engine"
	done
	await has_line "$tmp/out" 30
	[ "$(lines_in "$tmp/out")" -le 20 ] || fail "$(lines_in "$tmp/out") commands for 31 lines"
	# Each had ended when the next began.
	head -n -1 "$tmp/begun" | cmp - <(head -n "$(($(lines_in "$tmp/begun") - 1))" "$tmp/ended") ||
		fail "two of them ran at a time"
}
test_that "watch --exec runs one command at a time, and the last gets the newest line" never_piles_up

says_stale()
{
	lastline pub engine one
	watch --plain --stale 300ms --on-stale 'echo STOP'
	await has_line "$tmp/out" STOP
	has_word "$tmp/err" "the newest line is too old" || fail "$(cat "$tmp/err")"
	sleep 0.5
	expect 1 "$(grep -c STOP "$tmp/out")" "how often it said STOP"
	await two_is_news
	await says_stale_again
}
says_stale_again() { paste -sd' ' "$tmp/out" | grep -qxE 'one STOP( (two )+STOP)+'; }
stopped() { [ "$(grep -c STOP "$tmp/out")" -ge "$1" ]; }
# On a busy machine not the first one: that is too old when it is taken.
two_is_news()
{
	lastline pub engine two
	sleep 0.1
	has_word "$tmp/err" "there is a new line"
}
test_that "watch --stale says when the newest line is too old, and runs a command once" says_stale

# shellcheck disable=SC2016
nothing_stale_is_executed()
{
	lastline pub engine old
	sleep 0.6
	watch --stale 500ms --on-stale 'echo STOP$LASTLINE_GENERATION' \
		--exec 'cat; until [ -e '"$tmp"'/go ]; do sleep 0.1; done; echo ended'
	await has_line "$tmp/out" STOP
	await is_executed one
	# While the command runs: it is too old when that ends.
	echo two >"/dev/lastline$engine"
	sleep 0.6
	await stopped 2
	: >"$tmp/go"
	await has_line "$tmp/out" ended
	await is_executed three
	! grep -xE 'old|two' "$tmp/out" || fail "that line was too old"
	! grep 'STOP[0-9]' "$tmp/out" || fail "--on-stale gets what is known of a line"
}
# On a busy machine not the first one.
is_executed()
{
	lastline pub engine "$1"
	sleep 0.1
	has_line "$tmp/out" "$1"
}
test_that "watch --exec runs no command for a line that is too old" nothing_stale_is_executed

says_stale_of_nothing()
{
	watch --stale 200ms
	await has_word "$tmp/err" "there is no line"
}
test_that "watch --stale says so, too, if there never was a line" says_stale_of_nothing

stale_while_busy()
{
	lastline pub engine one
	watch --stale 300ms --on-stale 'echo STOP' --exec 'sleep 60'
	await has_line "$tmp/out" STOP
	# The machine may have other things to do, and lines not come.
	for seconds in 2 4 8 16 32; do
		! stays_fresh "$seconds" || break
		kill $!
		wait $!
	done
	! has_line "$tmp/slow" late || fail "it is stale while lines come"
	await has_line "$tmp/slow" late
}
# stays_fresh SECONDS: a line that cannot be taken yet is news all the same
stays_fresh()
{
	echo again >"/dev/lastline$engine"
	lastline watch --stale "$1s" --rate 0.01 --on-stale 'echo late' engine >"$tmp/slow" 2>&1 &
	await there_are_readers 2
	for _ in $(seq $((8 * $1))); do
		echo again >"/dev/lastline$engine"
		sleep 0.25
	done
	! has_line "$tmp/slow" late
}
test_that "watch --stale watches the newest line also while it may not take it" stale_while_busy

#
# pub
#

publishes()
{
	lastline pub engine hello, world
	expect "hello, world" "$(lastline get engine)" "the line"
	lastline pub engine ''
	expect "" "$(lastline get engine)" "an empty line"
	fails_with 1 "only one newline" lastline pub engine "$(printf 'a\nb')"
	fails_with 1 "too long" lastline pub engine "$(head -c 4096 /dev/zero | tr '\0' x)"
	lastline pub engine -5 degrees
	expect "-5 degrees" "$(lastline get engine)" "a line that begins with a dash"
	lastline pub engine -- --every
	expect --every "$(lastline get engine)" "a line that begins with dashes"
}
test_that "pub publishes its words as a line" publishes

publishes_input()
{
	seq 1 3 | lastline pub engine
	expect 3 "$(lastline get engine)" "the last line"
	printf 'no newline' | lastline pub engine
	expect "no newline" "$(lastline get engine)" "the last line"
	# Somebody who types: each line is published when it is there.
	mkfifo "$tmp/typed"
	lastline pub engine <"$tmp/typed" &
	exec 5>"$tmp/typed"
	echo first >&5
	await newest_is engine first
	printf new >&5
	sleep 0.2
	expect first "$(lastline get engine)" "the line while the next is begun"
	echo er >&5
	await newest_is engine newer
	seq 1 300000 | lastline pub engine || fail "pub fails with much input"
	expect 300000 "$(lastline get engine)" "the last line"
}
too_long_input()
{
	local long

	long=$(head -c 70000 /dev/zero | tr '\0' x)
	mkfifo "$tmp/input"
	lastline pub engine <"$tmp/input" 2>"$tmp/err" &
	exec 5>"$tmp/input"
	printf half >&5
	sleep 0.2
	echo "$long" >&5
	await has_word "$tmp/err" "too long"
	fails_with 3 "nothing is published" lastline get engine
	echo next >&5
	await newest_is engine next
	exec 5>&-
	wait $! && fail "pub ends with status 0"
	expect next "$(lastline get engine)" "the line at the end"
}
test_that "pub leaves out a line of its input that is too long, and says so" too_long_input

pub_removed()
{
	lastline pub --wait-reader engine x 2>"$tmp/err" &
	sleep 0.3
	lastline pub --every 50ms engine -- echo x 2>"$tmp/every" &
	sleep 0.3
	lastline remove engine
	wait %1 && fail "pub --wait-reader succeeds without a channel"
	wait %2 && fail "pub --every succeeds without a channel"
	has_word "$tmp/err" "no such channel" || fail "$(cat "$tmp/err")"
	has_word "$tmp/every" "no such channel" || fail "$(cat "$tmp/every")"
}
test_that "pub ends with status 1 when the channel is removed" pub_removed

test_that "pub publishes each line of its input as it comes" publishes_input

publishes_records()
{
	lastline add --record --line-max 64 frame
	printf '{"a":\n1}\n' | lastline pub frame
	expect 1 "$(lastline get frame | json 'it["a"]')" "the record"
	lastline pub frame words
	expect words. "$(lastline get frame; echo .)" "the record"
	head -c 65 /dev/zero >"$tmp/long"
	fails_with 1 "too long" lastline pub frame <"$tmp/long"
	fails_with 1 "at least one byte" lastline pub frame ''
	expect words "$(lastline get frame)" "the record after errors"
}
test_that "pub publishes its input as one record where the channel has records" publishes_records

publishes_often()
{
	# shellcheck disable=SC2016 # the inner shell does
	lastline pub --every 50ms engine -- sh -c 'echo several; echo lines; echo "pid $$"' &
	lastline watch --plain --count 4 engine >"$tmp/out" || fail "watch fails"
	! grep -v '^pid [0-9]*$' "$tmp/out" || fail "that is not the last line"
	expect 4 "$(sort -u "$tmp/out" | wc -l)" "different lines"
}
test_that "pub --every publishes the last line that a command prints" publishes_often

not_if_it_fails()
{
	lastline pub engine good
	lastline pub --every 50ms engine -- sh -c 'echo bad; exit 1' 2>"$tmp/err" &
	await has_word "$tmp/err" "failed with status 1"
	expect good "$(lastline get engine)" "the line"
	lastline pub --every 50ms engine -- true &
	sleep 0.3
	expect good "$(lastline get engine)" "the line after commands that print nothing"
	# Some who start others ignore the end of children, and that is inherited.
	python3 -c 'import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp("timeout", "timeout 1 lastline pub --every 100ms engine -- sh -c".split() +
	  ["echo bad; exit 1"])' 2>/dev/null
	expect good "$(lastline get engine)" "the line"
	fails_with 1 "cannot run" lastline pub --every 1s engine -- /no/such/command
}
test_that "pub --every does not publish what a failing command prints" not_if_it_fails

waits_for_reader()
{
	fails_with 3 "nobody reads" lastline pub --wait-reader=100ms engine x
	fails_with 3 "nothing is published" lastline get engine
	lastline pub --wait-reader engine hello &
	sleep 0.2
	expect hello "$(lastline get --wait engine)" "the line"
	wait $! || fail "pub --wait-reader fails"
}
test_that "pub --wait-reader publishes when somebody reads" waits_for_reader

works_for_readers()
{
	lastline pub --wait-reader --every 20ms engine -- sh -c 'echo >>'"$tmp"'/runs; echo line' &
	sleep 0.3
	[ ! -e "$tmp/runs" ] || fail "the command runs though nobody reads"
	lastline watch --count 3 engine >"$tmp/out" || fail "watch fails"
	await runs_no_more
}
# The last run may end after the reader left.
runs_no_more()
{
	local before

	before=$(lines_in "$tmp/runs")
	sleep 2
	[ "$(lines_in "$tmp/runs")" = "$before" ]
}
test_that "pub --every --wait-reader runs the command only while somebody reads" works_for_readers

#
# add, remove, clear
#

adds()
{
	expect /dev/lastline4000 "$(lastline add -n 4000 -l 128 -r -o member -g nogroup -p 0640 x)" \
		"what add prints"
	expect "member nogroup 640" "$(stat -c '%U %G %a' /dev/lastline4000)" "the node"
	expect "record 128 x" "$(cd /sys/class/lastline/lastline4000 && cat mode line_max name |
		paste -sd' ')" "the channel"
	fails_with 1 "already" lastline add x
	fails_with 1 "already" lastline add -n 4000
	lastline remove x
	[ ! -e /dev/lastline4000 ] || fail "it is still there"
	expect "root lastline 660" "$(stat -c '%U %G %a' "$(lastline add y)")" "the node of y"
}
test_that "add makes a channel as it is asked to, and for the group lastline else" adds

adds_from_files()
{
	mkdir "$tmp/conf"
	printf '# two\n\n  one --record # a comment\n\ttwo -p 0600\n' >"$tmp/conf/a.conf"
	echo 'three' >"$tmp/conf/b.conf"
	echo 'four' >"$tmp/conf/c.not"
	lastline add --from "$tmp/conf" >"$tmp/out" || fail "add --from fails"
	expect 3 "$(lines_in "$tmp/out")" "channels made"
	expect "engine one two three" "$(lastline list | awk '$2 != "-" { print $2 }' |
		tail -n +2 | paste -sd' ')" "the names"
	lastline pub one kept
	lastline add --from "$tmp/conf" 2>"$tmp/err" || fail "add --from fails the second time"
	expect 3 "$(grep -c 'is there already and stays' "$tmp/err")" "channels that stay"
	expect kept "$(lastline get one)" "the record"
}
test_that "add --from makes the channels of files, and lets those be that are there" adds_from_files

mistake_in_file()
{
	printf 'good\n\nbad --frobnicate\n' >"$tmp/a.conf"
	fails_with 2 "a.conf:3: there is no option --frobnicate" lastline add --from "$tmp/a.conf"
	printf 'good\nbad/name\n' >"$tmp/a.conf"
	fails_with 2 "a.conf:2: bad/name: a name has letters" lastline add --from "$tmp/a.conf"
	fails_with 1 "no such channel" lastline get good
	echo '--record' >"$tmp/b.conf"
	fails_with 2 "b.conf:1: a channel in a file has a name" lastline add --from "$tmp/b.conf"
	fails_with 1 "No such file" lastline add --from "$tmp/nosuch"
}
test_that "a mistake in a file is named with its line, and nothing is made" mistake_in_file

clears()
{
	lastline add other
	lastline pub engine x
	lastline pub other x
	lastline clear engine other
	fails_with 3 "nothing is published" lastline get engine
	fails_with 3 "nothing is published" lastline get other
	fails_with 1 "no such channel" lastline remove other nosuch
	fails_with 1 "no such channel" lastline get other
}
test_that "clear and remove take several channels" clears

#
# All of it
#

pipelines()
{
	local shell

	# shellcheck disable=SC2016 # that shell does
	for shell in bash dash zsh; do
		seq 1 1000 | lastline pub engine
		expect "1000 is the newest" "$($shell -c '
			lastline watch --plain --count 1 engine | while read -r line; do
				echo "$line is the newest"
			done')" "what $shell says"
	done
	# A reader that goes away ends it, as any command.
	lastline pub --every 10ms engine -- date +%N &
	lastline watch engine | head -n 2 >"$tmp/out"
	expect 141 "${PIPESTATUS[0]}" "the status of watch"
	fails_with 1 "cannot write" sh -c 'lastline get engine >/dev/full'
}
test_that "it works in pipelines of bash, dash and zsh" pipelines

# Not with --exec and --every: Debian 12's valgrind does not know pidfd_open().
no_leaks()
{
	local checked="valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect
		--error-exitcode=99"

	needs valgrind
	printf 'a\nb --record\n' >"$tmp/a.conf"
	while read -r words; do
		# shellcheck disable=SC2086 # words
		$checked lastline $words >"$tmp/out" 2>&1 </dev/null ||
			fail "$(echo "lastline $words:"; cat "$tmp/out")"
	done <<-END
	add --from $tmp/a.conf
	pub a some words
	pub b
	list
	list --json
	info --json a
	get a
	watch --count 1 a
	clear a
	remove a b
	END
}
test_that "valgrind finds neither a leak nor an error" no_leaks

after=put_back
run_tests
