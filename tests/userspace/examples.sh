#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The programs of userspace/examples/lib, each run, and what they print looked at. Wants
# root, the module, and the programs in the directory examples beside it.
set -u

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"

examples=$(readlink -f "$(dirname "$0")")/examples

{ [ "$(id -u)" = 0 ] && [ -c /dev/lastline-control ]; } || skip_all "needs root and the module"

example() { "$examples/$1" "${@:2}"; }

# add NAME: $node is a channel that the test has for itself
add() { node=$(example channel add "$1") || fail "no channel '$1'"; }
# shellcheck disable=SC2317 # called after each test
remove_all()
{
	local name

	for name in $(example channel list | sed -n 's/.* name=\([^ ][^ ]*\) .*/\1/p'); do
		example channel remove "$name"
	done
}
after=remove_all

attribute() { cat "/sys/class/lastline/${node#/dev/}/$1"; }
has_readers() { [ "$(attribute readers)" = "$1" ]; }
has_writers() { [ "$(attribute writers)" = "$1" ]; }
has_line() { grep -qxF -- "$2" "$1"; }
has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

# begin EXAMPLE ARGUMENT...: its output is $tmp/out, and it has the channel open
begin()
{
	example "$@" >"$tmp/out" &
	await has_readers 1
}

lists_adds_and_removes()
{
	local there

	there=$(example channel list)
	add engine
	expect "$there
${node#/dev/lastline} name=engine line_max=65536 generation=0" "$(example channel list)" "the list"
	example channel add engine 2>"$tmp/error" && fail "a name was given twice"
	expect "engine: File exists" "$(cat "$tmp/error")" "what it says"
	example channel remove engine || fail "it does not go"
	expect "$there" "$(example channel list)" "the list"
	example channel remove engine 2>"$tmp/error" && fail "it was removed twice"
	expect "engine: No such device" "$(cat "$tmp/error")" "what it says"
}
test_that "channel adds, lists and removes a channel" lists_adds_and_removes

publishes()
{
	add engine
	head -n 1 "$node" >"$tmp/first" &
	await has_readers 1
	example publish engine 30 || fail "it failed"
	wait $!
	# A reader that the machine keeps waiting gets a later one.
	grep -x 'count=[1-9][0-9]*' "$tmp/first" || fail "the first line is '$(cat "$tmp/first")'"
	expect "done" "$(head -n 1 "$node")" "the last line"
	expect 31 "$(attribute generation)" "the number of lines"
	example publish nowhere 3 2>"$tmp/error" && fail "it published nowhere"
	expect "nowhere: No such device" "$(cat "$tmp/error")" "what it says"
}
test_that "publish publishes as many lines as it was told" publishes

takes()
{
	add engine
	echo lost >"$node"
	echo here >"$node"
	example take engine >"$tmp/out" || fail "it failed"
	sed 's/^[0-9]*\.[0-9]\{6\} /TIME /' "$tmp/out" >"$tmp/lines"
	expect "TIME (0 missed): here
nothing new" "$(cat "$tmp/lines")" "what it prints"
	# To the second, and the machine may be slow.
	[ $(($(date +%s) - $(cut -d. -f1 "$tmp/out" | head -n 1))) -lt 30 ] ||
		fail "the time is $(head -n 1 "$tmp/out"), and now it is $(date +%s)"
}
test_that "take prints lines with their times until none comes" takes

peeks()
{
	add engine
	expect "no line
no line" "$(example peek engine)" "what it prints at first"
	echo here >"$node"
	expect "newest: here
taken: here
newest: here
nothing new" "$(example peek engine)" "what it prints of a line"
}
test_that "peek looks at the newest line and takes it once" peeks

follows()
{
	add engine
	begin follow engine
	echo one >"$node"
	await has_line "$tmp/out" one
	echo stop >"$node"
	wait $! || fail "it failed"
	expect "one
stop
2 lines, 0 missed" "$(cat "$tmp/out")" "what it prints"
}
test_that "follow calls its function for each line, and ends when that wants" follows

loses_channel()
{
	add engine
	echo one >"$node"
	begin follow engine 2>"$tmp/error"
	await has_line "$tmp/out" one
	example channel remove engine
	wait $! && fail "it went on without a channel"
	expect "engine: No such device" "$(cat "$tmp/error")" "what it says"
}
test_that "follow says so when its channel is removed" loses_channel

waits_for_first()
{
	local first

	add left
	first=$node
	add right
	begin first left right 2>"$tmp/error"
	echo r >"$node"
	await has_line "$tmp/out" "right: r"
	echo l >"$first"
	await has_line "$tmp/out" "left: l"
	example channel remove left
	wait $! && fail "it went on without a channel"
	expect "No such device" "$(cat "$tmp/error")" "what it says"
	expect "right: r
left: l" "$(cat "$tmp/out")" "what it prints"
}
test_that "first prints the lines of several channels as they come" waits_for_first

waits_for_reader()
{
	add engine
	example reader engine &
	await has_writers 1
	expect 0 "$(attribute generation)" "the number of lines without a reader"
	expect "hello, the 1 of you" "$(head -n 1 "$node")" "what the reader gets"
	wait $! || fail "it failed"
}
test_that "reader publishes when somebody reads" waits_for_reader

looks_at_the_map()
{
	add engine
	begin mapped engine
	echo ab >"$node"
	await has_line "$tmp/out" "1: 3 bytes, sum 205"
	echo b >"$node"
	await has_line "$tmp/out" "2: 2 bytes, sum 108"
	example channel remove engine
	wait $! || fail "it did not end well with its channel"
	expect 2 "$(wc -l <"$tmp/out")" "the number of lines"
}
test_that "mapped sums the bytes of each line where it lies" looks_at_the_map

loops()
{
	add engine
	begin loop engine
	echo one >"$node"
	await has_lines "$tmp/out" 1
	sleep 1
	echo stop >"$node"
	wait $! || fail "it failed"
	expect "after N ticks: one
after N ticks: stop" "$(sed 's/after [1-9][0-9]* /after N /; 1s/after 0 /after N /' "$tmp/out")" \
		"what it prints"
}
test_that "loop gets lines beside the ticks of a clock" loops

run_tests
