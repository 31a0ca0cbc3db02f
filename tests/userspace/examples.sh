#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests the programs of userspace/examples/lib, which are in the directory examples beside
# this file. Needs root and the module.
set -u

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"

examples=$(readlink -f "$(dirname "$0")")/examples

{ [ "$(id -u)" = 0 ] && [ -c /dev/lastline-control ]; } || skip_all "needs root and the module"

example() { "$examples/$1" "${@:2}"; }
# add NAME: adds a channel and sets $node
add() { node=$(example channel add "$1") || fail "no channel '$1'"; }
# shellcheck disable=SC2317 # called after each test
remove_all()
{
	example channel list | sed -n 's/.* name=\([^ ][^ ]*\) .*/\1/p' |
		while read -r name; do
			example channel remove "$name"
		done
}
after=remove_all

attribute_is() { [ "$(cat "/sys/class/lastline/${node#/dev/}/$1")" = "$2" ]; }
# begin EXAMPLE ARGUMENT...: starts it, and waits until it has opened the channel
begin()
{
	example "$@" >"$tmp/out" 2>"$tmp/error" &
	await attribute_is readers 1
}
out_is() { [ "$(paste -sd'|' "$tmp/out")" = "$1" ]; }

# puts LINE OUT: publishes the line, and waits until the output of the example is OUT
puts()
{
	echo "$1" >"$node"
	await out_is "$2"
}

# ends STATUS OUT [ERROR]: waits for the end of the example, and checks what it printed
ends()
{
	wait $!
	expect "$1" $? "the status"
	expect "$2" "$(paste -sd'|' "$tmp/out")" "the output"
	[[ $(cat "$tmp/error") == *"${3:-}"* ]] || fail "it prints '$(cat "$tmp/error")'"
}

# prints OUT EXAMPLE ARGUMENT...: runs it, and checks what it printed
prints() { expect "$1" "$(example "${@:2}" | sed 's/^[0-9]*\.[0-9]\{6\} /TIME /' | paste -sd'|')" "$2"; }

lists_adds_and_removes()
{
	local existing

	existing=$(example channel list | paste -sd'|')
	add engine
	prints "$existing|${node#/dev/lastline} name=engine line_max=65536 generation=0" channel list
	fails_with 1 "engine: File exists" example channel add engine
	example channel remove engine || fail "it is not removed"
	prints "$existing" channel list
	fails_with 1 "engine: No such device" example channel remove engine
}
test_that "channel adds, lists and removes a channel" lists_adds_and_removes

publishes()
{
	add engine
	head -n 1 "$node" >"$tmp/first" &
	await attribute_is readers 1
	example publish engine 30 || fail "it fails"
	wait $!
	# On a busy machine the reader gets a later line.
	grep -x 'count=[1-9][0-9]*' "$tmp/first" || fail "the first line is '$(cat "$tmp/first")'"
	expect "done" "$(head -n 1 "$node")" "the last line"
	attribute_is generation 31 || fail "it published another number of lines"
	fails_with 1 "nowhere: No such device" example publish nowhere 3
}
test_that "publish publishes the given number of lines" publishes

takes_and_peeks()
{
	local began

	began=$(date +%s)
	add engine
	prints "no line|no line" peek engine
	echo lost >"$node"
	echo here >"$node"
	prints "TIME (0 missed): here|nothing new" take engine
	prints "newest: here|taken: here|newest: here|nothing new" peek engine
	[ "$(example take engine | cut -d. -f1 | head -n 1)" -ge "$began" ] || fail "the time is wrong"
}
test_that "take and peek print the newest line until there is no other" takes_and_peeks

follows()
{
	add engine
	begin follow engine
	puts one one
	echo stop >"$node"
	ends 0 "one|stop|2 lines, 0 missed"
	echo two >"$node"
	begin follow engine
	await out_is two
	example channel remove engine
	ends 1 two "engine: No such device"
}
test_that "follow prints each line until the line stop, or until the channel is removed" follows

waits_for_first()
{
	local left

	add left
	left=$node
	add right
	begin first left right
	puts r "right: r"
	node=$left
	puts l "right: r|left: l"
	example channel remove left
	ends 1 "right: r|left: l" "No such device"
}
test_that "first prints the lines of several channels as they arrive" waits_for_first

waits_for_reader()
{
	add engine
	example reader engine &
	await attribute_is writers 1
	attribute_is generation 0 || fail "it publishes without a reader"
	expect "readers=1" "$(head -n 1 "$node")" "what the reader gets"
	wait $! || fail "it fails"
}
test_that "reader publishes a line when there is a reader" waits_for_reader

reads_map()
{
	add engine
	begin mapped engine
	puts ab "1: 3 bytes, sum 205"
	puts b "1: 3 bytes, sum 205|2: 2 bytes, sum 108"
	example channel remove engine
	ends 0 "1: 3 bytes, sum 205|2: 2 bytes, sum 108"
}
test_that "mapped sums the bytes of each line in place" reads_map

loops()
{
	add engine
	begin loop engine
	echo one >"$node"
	await test -s "$tmp/out"
	sleep 1	# the clock ticks
	echo stop >"$node"
	wait $! || fail "it fails"
	[[ $(cat "$tmp/out") =~ ^after\ [0-9]+\ ticks:\ one.after\ [1-9][0-9]*\ ticks:\ stop$ ]] ||
		fail "it prints '$(cat "$tmp/out")'"
}
test_that "loop gets lines and ticks of a clock" loops

run_tests
