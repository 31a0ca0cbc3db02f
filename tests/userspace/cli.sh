#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of lastline(1) that need no udev, systemd or accounts; system.sh has those. They need
# root, the module and the command, and remove all named channels. They check a message for
# its facts (a channel, an option, what to do), not for its wording.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"
wants lastline python3

# Each test has the channel "engine".
with_engine() { make engine && "$@"; }
engine_test() { test_that "$1" with_engine "${@:2}"; }

# sleeps PROCESS: it has the channel open and is waiting
sleeps() { [ "$(attribute readers)$(attribute writers)" != 00 ] && is_asleep "$1"; }

bytes_read() { awk '/^rchar/ { print $2 }' "/proc/$1/io"; }
has_read() { [ "$(bytes_read "$1")" -ge "$2" ]; }
names() { lastline list | awk '$1 ~ /^[0-9]/ && $2 != "-" { print $2 }' | paste -sd' '; }
errors() { paste -sd' ' "$tmp/err"; }

help_fits()
{
	local command text

	for command in '' $(lastline --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
		# shellcheck disable=SC2086 # the first one is empty
		text=$(lastline $command --help) || fail "lastline $command --help fails"
		[ "$(wc -l <<<"$text")" -le 24 ] || fail "$command: more than 24 lines"
		! grep -E '.{81}' <<<"$text" || fail "$command: more than 80 columns"
	done
}
test_that "the help of each command fits on a screen" help_fits

wrong_arguments()
{
	statuses <<-END
		2 | lastline               |
		2 | frobnicate             | frobnicate
		2 | --frobnicate           | watch --frobnicate engine
		2 | -q                     | get -qn engine
		2 | engine                 | list engine
		2 | lastline info          | info
		2 | lastline get           | get
		2 | 0                      | get engine 0
		2 | soon                   | get --wait=soon engine
		2 | --rate                 | watch engine --rate
		2 | many                   | watch --count many engine
		2 | 0                      | watch --rate 0 engine
		2 | --on-stale             | watch --on-stale true engine
		2 | lastline pub           | pub
		2 | --every                | pub --every 1s engine
		2 | --every                | pub --every 0 engine -- true
		2 | nosuch                 | add --owner nosuch x
		2 | 0999                   | add --permissions 0999 x
		2 | 64                     | add --line-max 63 x
		2 | 1048576                | add --line-max 1048577 x
		2 | a b                    | add "a b"
		2 | ..                     | add ..
		2 | 63                     | add ""
		2 | 63                     | add $(printf %064d 0)
		2 | 77                     | add 77
		2 | lastline77             | add lastline77
		2 | y                      | add x y
		2 | --from                 | add --record --from /etc
		2 | lastline remove        | remove
		2 | lastline clear         | clear
		2 | size                   | top --sort size
		2 | 10ms                   | top --interval 1ms
		2 | 1h                     | bench --seconds 0
		2 | 1                      | bench 0 1
	END
	expect "" "$(names)" "the channels with names"
}
test_that "an error names the wrong argument, and the status is 2" wrong_arguments

no_such_channel()
{
	local command

	for command in get watch info remove clear pub "pub --wait-reader" bench; do
		statuses < <(printf "1 | %s | $command %s\n" nosuch nosuch "lastline list" nosuch \
			/dev/null /dev/null "lastline list" '""')
	done
	statuses <<-END
		1 | 4095                 | get 4095
		1 | /dev/lastline/x      | get /dev/lastline/x
		1 | nosuch               | clear nosuch engine
		1 | nosuch               | remove engine nosuch
		1 | engine               | get engine
		1 | No such file         | add --from $tmp/nosuch
		1 | --once               | top
	END
}
engine_test "an error names the missing channel, and the status is 1" no_such_channel

no_module()
{
	lastline remove engine
	rmmod lastline || fail "the module does not unload"
	statuses < <(printf '1 | modprobe lastline | %s\n' list "info 0" "get engine" "watch 0" \
		"get /dev/lastline0" "pub 0 x" "add engine" "remove 0" "clear 0" "top --once" bench)
}
engine_test "without the module an error shows how to load it, and the status is 1" no_module

# waits MS ARGUMENT...: lastline ends with status 3 after at least this time
waits()
{
	local begin=${EPOCHREALTIME/[.,]/}

	fails_with 3 engine timeout 60 lastline "${@:2}"
	begin=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
	[ "$begin" -ge "$1" ] || fail "${*:2} ended after $begin ms"
}

no_line_in_time()
{
	waits 0 get engine
	waits 0 get --wait=0 engine
	waits 0 get --next --wait=0 engine
	waits 300 get --wait=300ms engine
	waits 300 watch --timeout 300ms engine
	waits 0 pub --wait-reader=0 engine x
	waits 300 pub --wait-reader=300ms engine x
	lastline pub engine old
	waits 300 get --next --wait=300ms engine
	waits 300 watch --new --timeout 0.3 engine
	lastline clear engine
	waits 0 get engine
}
engine_test "the status is 3 if no line arrives in time" no_line_in_time

pipelines()
{
	lastline pub engine one
	fails_with 1 lastline sh -c 'lastline get engine >/dev/full'
	expect "1000 is the newest" "$(seq 1 1000 | lastline pub engine &&
		lastline watch --plain -c 1 engine | while read -r line; do
			echo "$line is the newest"
		done)" "the output of a pipeline"
	lastline pub --every 10ms engine -- sh -c 'echo $$' &
	lastline watch engine | head -n 2 >"$tmp/out"
	expect 141 "${PIPESTATUS[0]}" "the status of watch without a reader"
}
engine_test "a command ends when its output is full or closed" pipelines

# row NAME: of lastline list, without the age
row() { lastline list | awk -v name="$1" '$2 == name { print $1, $2, $3, $4, $(NF - 2), $(NF - 1), $NF }'; }

lists()
{
	lastline add --number 4000 --record --line-max 100 frame >/dev/null
	lastline pub engine x
	exec 5<>"$dev"
	expect "$number engine line 1 1 1 4096" "$(row engine)" "the row of engine"
	expect "4000 frame record 0 0 0 100" "$(row frame)" "the row of frame"
	lastline list --json >"$tmp/json"
	expect "None ['engine', 'frame']" \
		"$(json 'it[0]["name"], [c["name"] for c in it if c["name"]]' <"$tmp/json")" "the names"
	expect "['record', 100, 0, 0, 0, 0]" \
		"$(json '[[c["mode"], c["line_max"], c["generation"], c["readers"], c["writers"],
			c["monotonic_ns"]] for c in it if c["name"] == "frame"][0]' <"$tmp/json")" "frame"
}
engine_test "list and list --json show the parameters and state of each channel" lists

shows_processes()
{
	local process=$BASHPID

	miss 3
	echo unread >"$dev"
	lastline info engine >"$tmp/info"
	grep -E "^ *$process .* 1 .* 3 " "$tmp/info" || fail "$(cat "$tmp/info")"
	lastline info --json engine >"$tmp/json"
	expect "[True, False, 'cli.sh', 3, 4]" \
		"$(json "[[h[k] for k in ('reads', 'writes', 'program', 'missed', 'taken')]
			for h in it['holders'] if h['pid'] == $process][0]" <"$tmp/json")" "the open file"
	expect "1 432 0" "$(json 'it["readers"], it["permissions"], it["uid"]' <"$tmp/json")" \
		"readers, permissions and owner"
}
engine_test "info shows the processes that have a channel open, and their missed lines" shows_processes

# gets_later OPTION: get waits for a line that is published later
gets_later()
{
	[ "$1" = --wait ] || lastline pub engine old
	lastline get "$1" engine >"$tmp/line" &
	await sleeps $!
	lastline pub engine new
	wait $! || fail "get $1 ends with status $?"
	expect new "$(cat "$tmp/line")" "the line"
}
engine_test "get --wait waits if there is no line" gets_later --wait
engine_test "get --next waits for the next line" gets_later --next

# watch OPTION...: in the background, into $tmp/out and $tmp/err
watch()
{
	lastline watch "$@" engine >>"$tmp/out" 2>"$tmp/err" &
	watcher=$!
	await attribute_is readers 1
}
out() { paste -sd' ' "$tmp/out"; }
out_is() { [ "$(out)" = "$1" ]; }

watches()
{
	lastline pub engine one
	watch
	await has_word "$tmp/out" one
	lastline pub engine two
	await has_word "$tmp/out" two
	kill -STOP "$watcher"
	seq 3 6 | while read -r line; do
		echo "$line" >"$dev"
	done
	kill -CONT "$watcher"
	await has_word "$tmp/out" 6
	sed -i -E 's/^[0-9-]{10} [0-9:]{8}\.[0-9]{6} /TIME /' "$tmp/out"
	expect "TIME 1 +0 one TIME 2 +0 two TIME 6 +3 6" "$(out)" "the output"
}
engine_test "watch prints the time, generation, missed lines and the line" watches

counts()
{
	lastline pub engine one
	expect one "$(lastline watch --plain --count 1 engine)" "the line"
	watch --plain --new --count 2
	await sleeps "$watcher"
	lastline pub engine two
	await out_is two
	await sleeps "$watcher"
	lastline pub engine three
	wait "$watcher" || fail "watch --count ends with status $?"
	expect "two three" "$(out)" "the lines"
}
engine_test "watch --count ends after that number of lines" counts

keeps_rate()
{
	local begin=$EPOCHSECONDS

	lastline pub --every 5ms engine -- date &
	expect 3 "$(lastline watch --rate 1 --count 3 engine | wc -l)" "the number of lines"
	[ "$((EPOCHSECONDS - begin))" -ge 2 ] || fail "three lines in less than two seconds"
}
engine_test "watch --rate prints at most that number of lines per second" keeps_rate

# shellcheck disable=SC2016 # expanded by the command
executes()
{
	lastline pub engine rpm 900
	lastline watch --count 1 --exec \
		'read -r a b; echo "$b $LASTLINE_GENERATION $LASTLINE_MISSED $LASTLINE_CHANNEL"' \
		engine >"$tmp/out" || fail "watch fails"
	expect "900 1 0 engine" "$(cat "$tmp/out")" "what the command prints"
	lastline watch --count 1 --exec 'exit 7' engine 2>"$tmp/err" || fail "watch fails"
	has_word "$tmp/err" 7 || fail "it prints '$(errors)'"
}
engine_test "watch --exec runs a command with the line as its input" executes

one_at_a_time()
{
	lastline pub engine 0
	watch --exec "cat; until [ -e $tmp/go ]; do sleep 0.01; done"
	await out_is 0
	for i in $(seq 1 30); do
		echo "$i" >"$dev"
	done
	: >"$tmp/go"
	await has_line "$tmp/out" 30
	expect "0 30" "$(out)" "the lines"
}
engine_test "watch --exec runs one command at a time, then reads the newest line" one_at_a_time

# becomes_fresh LINE MESSAGES: on a busy machine the line may be stale when it is read
becomes_fresh()
{
	lastline pub engine "$1"
	has_lines "$tmp/err" "$2"
}
is_stale_again() { paste -sd' ' "$tmp/out" | grep -qxE 'one STOP( (two )+STOP)+'; }

reports_stale()
{
	lastline pub engine one
	watch --plain --stale 500ms --on-stale 'echo STOP'
	await has_line "$tmp/out" STOP
	has_word "$tmp/err" engine || fail "it prints '$(errors)'"
	sleep 1	# time to report it again, which must not happen
	expect "one STOP" "$(out)" "the output"
	expect 1 "$(lines_in "$tmp/err")" "the number of messages"
	await becomes_fresh two 2
	await is_stale_again
}
engine_test "watch --stale reports each time that the newest line becomes stale, once" reports_stale

is_executed()
{
	lastline pub engine "$1"
	has_line "$tmp/out" "$1"
}

# shellcheck disable=SC2016
nothing_stale_is_executed()
{
	lastline pub engine old
	sleep 0.6
	watch --stale 500ms --on-stale 'echo STOP$LASTLINE_GENERATION' \
		--exec "cat; until [ -e $tmp/go ]; do sleep 0.1; done; echo ended"
	await has_line "$tmp/out" STOP
	await is_executed one
	# This line becomes stale while the command runs.
	echo two >"$dev"
	sleep 0.6
	: >"$tmp/go"
	await has_line "$tmp/out" ended
	await is_executed three
	! grep -xE 'old|two' "$tmp/out" || fail "that line was stale"
	! grep 'STOP[0-9]' "$tmp/out" || fail "--on-stale gets the generation of a line"
}
engine_test "watch --exec runs no command for a stale line" nothing_stale_is_executed

stale_without_line()
{
	watch --stale 200ms --on-stale 'echo STOP'
	await out_is STOP
	has_word "$tmp/err" engine || fail "it prints '$(errors)'"
}
engine_test "watch --stale reports a channel without a line" stale_without_line

stale_while_busy()
{
	local age

	watch --stale 6s --exec 'echo line; sleep 60'
	await is_executed line
	sleep 1
	lastline pub engine two
	await has_word "$tmp/err" stale
	age=$(grep -oEm 1 '[0-9.]+ s' "$tmp/err")
	[ "${age%.*}" -ge 6 ] || fail "it reports a line that is not stale: $age"
}
engine_test "watch --stale checks the newest line while a command runs" stale_while_busy

publishes()
{
	lastline pub engine hello, world
	expect "hello, world" "$(lastline get engine)" "the line"
	expect "hello, world" "$(lastline get --wait "$dev")" "the same line again"
	lastline pub "$number" ''
	expect "" "$(lastline get engine)" "an empty line"
	lastline pub engine -5 degrees
	expect "-5 degrees" "$(lastline get engine)" "a line that begins with a dash"
	lastline pub engine -- --every
	expect --every "$(lastline get engine)" "a line that begins with dashes"
	fails_with 1 newline lastline pub engine $'a\nb'
	fails_with 1 engine lastline pub engine "$(head -c 4096 /dev/zero | tr '\0' x)"
	expect 4 "$(attribute generation)" "the generation"
}
engine_test "pub publishes its arguments as one line, and get prints it each time" publishes

# Starts lastline pub with descriptor 5 as its input.
start_typing()
{
	mkfifo "$tmp/typed"
	lastline pub engine <"$tmp/typed" 2>"$tmp/err" &
	publisher=$!
	exec 5>"$tmp/typed"
	await sleeps "$publisher"
}

# types TEXT: returns when pub has read it
types()
{
	local before

	before=$(bytes_read "$publisher")
	printf '%s' "$1" >&5
	await has_read "$publisher" $((before + ${#1}))
}

publishes_input()
{
	seq 1 3 | lastline pub engine
	expect 3 "$(lastline get engine)" "the last line"
	printf 'no newline' | lastline pub engine
	expect "no newline" "$(lastline get engine)" "the last line"
	start_typing
	types $'first\n'
	await newest_is engine first
	types new
	expect first "$(lastline get engine)" "the line before the newline is typed"
	types $'er\n'
	await newest_is engine newer
	seq 1 300000 | lastline pub engine || fail "pub fails with much input"
	expect 300000 "$(lastline get engine)" "the last line"
}
engine_test "pub publishes each line of its input when it is complete" publishes_input

too_long_input()
{
	start_typing
	types half
	head -c 70000 /dev/zero | tr '\0' x >&5
	echo >&5
	await test -s "$tmp/err"
	fails_with 3 engine lastline get engine
	echo next >&5
	await newest_is engine next
	exec 5>&-
	wait "$publisher"
	expect 1 $? "the status"
	expect next "$(lastline get engine)" "the line at the end"
}
engine_test "pub skips and reports a line of its input that is too long" too_long_input

removed()
{
	local words

	for words in "get --next engine" "watch engine" "pub --wait-reader engine x" \
		"pub --every 50ms engine -- echo x"; do
		make engine
		# shellcheck disable=SC2086 # words
		lastline $words 2>"$tmp/err" &
		await sleeps $!
		lastline remove engine
		wait $!
		expect 1 $? "the status of $words"
		has_word "$tmp/err" engine || fail "$words prints '$(errors)'"
	done
}
test_that "a command ends with status 1 when its channel is removed" removed

records()
{
	lastline add --record --line-max 64 frame >/dev/null
	printf 'a\n\nb' | lastline pub frame
	expect $'a\n\nb.' "$(lastline get frame; echo .)" "the record"
	expect $'a\n\nb.' "$(lastline watch --plain --count 1 frame; echo .)" "the record"
	expect 3 "$(lastline watch --count 1 frame | wc -l)" "the number of newlines"
	lastline pub frame words
	expect words. "$(lastline get frame; echo .)" "the record"
	head -c 65 /dev/zero >"$tmp/long"
	fails_with 1 frame lastline pub frame <"$tmp/long"
	fails_with 1 frame lastline pub frame ''
	expect words "$(lastline get frame)" "the record after errors"
}
test_that "pub and watch do not change the bytes of a record" records

# shellcheck disable=SC2016 # expanded by the inner shell
publishes_often()
{
	lastline pub --every 50ms engine -- sh -c 'echo several; echo lines; echo "pid $$"' &
	lastline watch --plain --count 4 engine >"$tmp/out" || fail "watch fails"
	! grep -v '^pid [0-9]*$' "$tmp/out" || fail "that is not the last line"
	expect 4 "$(sort -u "$tmp/out" | wc -l)" "the number of different lines"
}
engine_test "pub --every publishes the last line of a command" publishes_often

# not_published COMMAND: two runs of it do not change the line
not_published()
{
	rm -f "$tmp/runs"
	"${by[@]}" lastline pub --every 20ms engine -- sh -c "echo >>$tmp/runs; $1" 2>"$tmp/err" &
	await has_lines "$tmp/runs" 2
	kill $!
	expect good "$(lastline get engine)" "the line after: $1"
}

not_if_it_fails()
{
	local by=()

	lastline pub engine good
	not_published 'echo bad; exit 7'
	has_word "$tmp/err" 7 || fail "it prints '$(errors)'"
	not_published 'echo bad; kill -9 $$'
	not_published true
	# A process inherits an ignored SIGCHLD.
	by=(python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])')
	not_published 'echo bad; exit 7'
	fails_with 1 /no/such/command lastline pub --every 1s engine -- /no/such/command
}
engine_test "pub --every does not publish the output of a failed command" not_if_it_fails

runs_are_records()
{
	lastline add --record --line-max 64 frame >/dev/null
	lastline pub --every 20ms frame -- head -c 50 /dev/zero &
	lastline watch --count 3 --timeout 10s frame >/dev/null || fail "only the first run is a record"
}
test_that "pub --every publishes each run as one record" runs_are_records

waits_for_reader()
{
	lastline pub --wait-reader engine hello &
	await sleeps $!
	expect 0 "$(attribute generation)" "the generation without a reader"
	expect hello "$(lastline get --wait engine)" "the line"
	wait $! || fail "pub --wait-reader ends with status $?"
}
engine_test "pub --wait-reader waits for a reader" waits_for_reader

works_for_readers()
{
	lastline pub --wait-reader --every 20ms engine -- sh -c "echo >>$tmp/runs; echo line" &
	await sleeps $!
	[ ! -e "$tmp/runs" ] || fail "the command runs without a reader"
	lastline watch --count 3 engine >"$tmp/out" || fail "watch fails"
	await runs_stop
}
# The last run may end after the reader.
runs_stop()
{
	local before

	before=$(lines_in "$tmp/runs")
	sleep 0.5
	[ "$(lines_in "$tmp/runs")" = "$before" ]
}
engine_test "pub --every --wait-reader runs the command only while there is a reader" \
	works_for_readers

adds()
{
	expect /dev/lastline4000 "$(lastline add -n 4000 -l 128 -r -o 7 -g nogroup -p 0640 x)" \
		"what add prints"
	expect "7 nogroup 640" "$(stat -c '%u %G %a' /dev/lastline4000)" "the node"
	number=4000
	expect "record 128 x" "$(attribute mode) $(attribute line_max) $(attribute name)" "the channel"
	fails_with 1 "lastline list" lastline add x
	fails_with 1 "lastline list" lastline add -n 4000
	lastline remove x
	[ ! -e /dev/lastline4000 ] || fail "it is still there"
}
test_that "add creates a channel with its options" adds

adds_from_files()
{
	mkdir "$tmp/conf"
	printf '# two\n\n  one --record # a comment\n\ttwo -p 0600\n' >"$tmp/conf/a.conf"
	echo three >"$tmp/conf/b.conf"
	echo four >"$tmp/conf/c.not"
	lastline add --from "$tmp/conf" >"$tmp/out" || fail "add --from fails"
	expect 3 "$(lines_in "$tmp/out")" "the number of channels"
	expect "one two three" "$(names)" "the names"
	lastline pub one kept
	lastline add --from "$tmp/conf" 2>"$tmp/err" || fail "add --from fails the second time"
	expect 3 "$(grep -cE 'conf:[0-9]*: .*(one|two|three)' "$tmp/err")" "the number of messages"
	expect kept "$(lastline get one)" "the record"
	# The number is in use; the channel after it is still created.
	printf 'taken --number %s\nfive\n' "$(lastline list | awk '$2 == "one" { print $1 }')" >"$tmp/d.conf"
	fails_with 1 d.conf:1: lastline add --from "$tmp/d.conf"
	expect "one two three five" "$(names)" "the names"
}
test_that "add --from creates the channels of files, and keeps existing ones" adds_from_files

error_in_file()
{
	printf 'good\n\nbad --frobnicate\n' >"$tmp/a.conf"
	printf 'good\nbad/name\n' >"$tmp/b.conf"
	echo --record >"$tmp/c.conf"
	printf 'good\n#\0\n' >"$tmp/d.conf"
	mkdir -p "$tmp/directory/e.conf"
	statuses <<-END
		2 | a.conf:3: | add --from $tmp/a.conf
		2 | --frobnicate | add --from $tmp/a.conf
		2 | b.conf:2: bad/name | add --from $tmp/b.conf
		2 | c.conf:1: | add --from $tmp/c.conf
		2 | d.conf:2: | add --from $tmp/d.conf
		1 | e.conf: Is a directory | add --from $tmp/directory
		2 | a.conf:3: | add --from $tmp
	END
	expect "" "$(names)" "the names"
}
test_that "an error in a file is reported with its line, and no channel is created" error_in_file

clears()
{
	lastline add other >/dev/null
	lastline pub engine x
	lastline pub other x
	lastline clear engine other
	fails_with 3 engine lastline get engine
	fails_with 3 other lastline get other
	fails_with 1 nosuch lastline remove nosuch other engine
	expect "" "$(names)" "the names"
}
engine_test "clear and remove accept several channels" clears

after=put_channels_back
run_tests
