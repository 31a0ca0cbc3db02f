#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline-mqtt(1) on a network without faults, also with invalid messages and settings.
# Needs an installed lastline, root, and a machine of its own.
set -u

# shellcheck source=tests/mqtt/network.sh
. "$(dirname "$0")/network.sh"

nanoseconds() { echo "${EPOCHREALTIME/./}000"; }

#
# Lines
#

arrives_plain()
{
	start_both
	log_messages t/a '%r %l %p'
	crosses a b "  two words, and ü"
	await has_line "$tmp/messages" "t/a 0 19   two words, and ü"
	# An empty payload would delete the retained message.
	crosses a b ''
	await has_line "$tmp/messages" "t/a 0 1 "
	expect 2 "$(generation b)" "the generation at the far end"
	foreign pub -t t/a -m "from 3.1.1"
	await newest_is b "from 3.1.1"
	foreign pub -V 5 -q 1 -r -t t/a -m "from 5"
	await newest_is b "from 5"
}
test_that "lines are sent without newline, also from and to other MQTT clients" arrives_plain

records()
{
	lastline add --record a >/dev/null
	lastline add --record b >/dev/null
	start_broker
	start_bridge near --publish a=t/a
	start_bridge far --subscribe t/a=b
	printf 'a\nb\0c\377\n\n' >"$tmp/record"
	cat "$tmp/record" >/dev/lastline/a
	await same_record
}
same_record() { lastline get b 2>/dev/null | cmp -s "$tmp/record"; }
test_that "a record arrives byte for byte" records

newest_for_new()
{
	add a b c
	start_broker
	start_bridge near --publish a=t/a
	lastline pub a old
	lastline pub a x=1
	await retained_is t/a x=1
	start_bridge far --subscribe t/a=b --subscribe t/a=c
	await newest_is b x=1
	await newest_is c x=1
}
test_that "a new subscriber gets the retained line at once, in each of its channels" newest_for_new

properties()
{
	local begin published time

	add a b
	start_broker
	start_bridge far --subscribe t/a=b
	log_messages t/a '%P'
	lastline pub a old
	begin=$(nanoseconds)
	lastline pub a x=1
	published=$(nanoseconds)
	start_bridge near --publish a=t/a
	await newest_is b x=1
	await has_word "$tmp/messages" lastline-generation:2
	cat "$tmp/messages"
	for property in "origin:near/a" "via:[^ ]*/$(info a number)"; do
		grep -qE "(^| )lastline-$property( |$)" "$tmp/messages" || fail "no $property"
	done
	time=$(grep -o 'lastline-time:[0-9]*' "$tmp/messages" | cut -d: -f2)
	[[ $time -ge $begin && $time -le $((published + 1000)) ]] ||
		fail "the time is $time, not from $begin to $published"
	time=$(metric far subscribe age_ns)
	[[ $time -ge 1000000 && $time -le $(($(nanoseconds) - begin)) ]] || fail "the age is $time"
}
test_that "a message has the line's origin, generation, time of publication and channel" properties

conflated()
{
	start_both
	crosses a b first
	kill -STOP "${bridge[near]}"
	for line in second third fourth; do
		lastline pub a "$line"
	done
	kill -CONT "${bridge[near]}"
	await newest_is b fourth
	expect 2 "$(generation b)" "the generation at the far end"
	expect 2 "$(metric near publish conflated)" "conflated of near"
	expect 2 "$(metric far subscribe missed)" "missed of far"
	expect fourth "$(retained t/a)" "what the broker retains"
}
test_that "only the newest of the lines that could not be sent arrives, and all are counted" conflated

cleared()
{
	start_both
	crosses a b x=1
	foreign pub -r -n -t t/a
	await fails_to_get b
	lastline clear a
	crosses a b x=2
}
fails_to_get() { ! lastline get "$1" 2>/dev/null; }
test_that "deleting the retained message clears the far channel, and the next line arrives" cleared

added_and_removed()
{
	start_broker
	start_bridge near --publish a=t/a
	start_bridge far --subscribe t/a=b
	add a b
	crosses a b x=1
	lastline remove a
	lastline remove b
	add a b
	crosses a b x=2
}
test_that "a bridge uses channels that are added later, or removed and added again" added_and_removed

#
# Several channels
#

wildcards()
{
	start_broker
	foreign pub -r -t home/kitchen/temp -m 21
	start_bridge far --subscribe 'home/#=h-*' --subscribe '+/+/temp=t.*'
	await newest_is h-kitchen-temp 21
	await newest_is t.home-kitchen 21
	foreign pub -t home/attic/light -m on
	await newest_is h-attic-light on
	await test -e /dev/lastline/h-attic-light
	expect "root lastline 660" "$(stat -L -c '%U %G %a' /dev/lastline/h-attic-light)" "the node"
	fails_to_get t.home-attic || fail "a topic without match made a channel"
}
test_that "a wildcard subscription adds a channel for each new topic" wildcards

refused_topics()
{
	start_broker
	start_bridge far --max-channels 2 --subscribe 's/#=*'
	foreign pub -t 's/../x y' -m bad
	foreign pub -t 's/7' -m bad
	foreign pub -t "s/$(printf %070d 0)" -m bad
	foreign pub -t s/a/b -m 1
	await newest_is a-b 1
	foreign pub -t s/a-b -m bad
	foreign pub -t s/c -m 2
	await newest_is c 2
	foreign pub -t s/d -m bad
	await has_word "$tmp/far" --max-channels
	fails_to_get d || fail "it has more channels than --max-channels"
	foreign pub -t s/c -m still
	await newest_is c still
	expect 1 "$(lastline get a-b)" "the line of the other channel"
	expect "5 0 0" "$(metric far subscribe refused)" "the number of refused messages"
}
test_that "topics without a valid channel name or above --max-channels are refused and counted" \
	refused_topics

loops()
{
	add a b
	start_broker
	start_bridge near --publish a=there --subscribe back=a
	start_bridge far --publish b=back --subscribe there=b
	crosses a b x=1
	await looped near
	crosses b a x=2
	await looped far
	expect "2 2" "$(generation a) $(generation b)" "the generations"
}
looped() { [ "$(metric "$1" subscribe loops)" -gt 0 ]; }
test_that "a line does not return to its channel through two bridges" loops

one_topic_both_ways()
{
	add a b
	start_broker
	start_bridge near --publish a=t --subscribe t=a
	start_bridge far --publish b=t --subscribe t=b
	crosses a b x=1
	crosses b a x=2
	foreign pub -t t -m x=3
	await newest_is a x=3
	await newest_is b x=3
	expect "3 3" "$(generation a) $(generation b)" "the generations"
}
test_that "two channels connected to one topic in both directions stay equal" one_topic_both_ways

#
# What is refused
#

bad_messages()
{
	add b c
	start_broker
	start_bridge far --subscribe bad=b --subscribe good=c
	foreign pub -t bad -m $'two\nlines'
	await has_word "$tmp/far" bad
	head -c 5000 /dev/zero | tr '\0' x | foreign pub -t bad -s
	await metric_is far subscribe refused "2 0"
	foreign pub -t good -m fine
	await newest_is c fine
	fails_to_get b || fail "a bad message was published"
	foreign pub -t bad -m $'one with its newline\n'
	await newest_is b "one with its newline"
}
test_that "payloads with a newline inside or over the limit are refused and counted" bad_messages

broker_refuses()
{
	add a b
	start_broker "message_size_limit 100"
	start_bridge near --publish a=t/a
	start_bridge far --subscribe t/a=b
	lastline pub a "$(printf %0200d 0)"
	await metric_is near publish refused 1
	has_word "$tmp/near" t/a || fail "no message names the topic"
	crosses a b small
	expect 0 "$(status near reconnects)" "the number of reconnections"
}
test_that "a line that the broker refuses is counted, and the next one is sent" broker_refuses

invalid_settings()
{
	while read -r options; do
		# shellcheck disable=SC2086 # several
		fails_with 2 lastline-mqtt: lastline-mqtt $options
	done <<-'END'

	--frobnicate
	--publish a=t/#
	--publish a=+/t
	--publish a=
	--publish a
	--publish =t
	--subscribe t/#/x=b-*
	--subscribe t+=b-*
	--subscribe t
	--subscribe t/#=b
	--subscribe t=b-*
	--qos 2 --publish a=t
	--max-rate fast --publish a=t
	--broker mqtt://:1883 --publish a=t
	--broker mqtt://user:password@hub --publish a=t
	--keepalive 1s --publish a=t
	--id a/b --publish a=t
	--password-file /dev/null --publish a=t
	--broker mqtts://hub --cert-file /dev/null --publish a=t
	--ca-file /dev/null --publish a=t
	END
	fails_with 2 UTF-8 lastline-mqtt --publish $'a=\377'
	fails_with 2 65535 lastline-mqtt --publish "a=$(printf %065536d 0)"
	fails_with 1 "No such file" lastline-mqtt --config "$tmp/nosuch"
	printf '# a bridge\n\npublish a=t/a\n  qos 7\n' >"$tmp/conf"
	fails_with 2 "$tmp/conf:4: " lastline-mqtt --config "$tmp/conf"
}
test_that "invalid settings exit with status 2, and with the line number in a file" invalid_settings

#
# Status, reload, protocol and last will
#

prints_status()
{
	start_both
	crosses a b 12345
	await metric_is near publish confirmed 1
	expect "near mqtt://hub True 5 0 a t/a 1 1 1 0 0 5" \
		"$(lastline-mqtt --id near --status --json | json "*(it[key] for key in
			('id', 'broker', 'connected', 'protocol', 'reconnects')),
			*(it['publish'][0][key] for key in ('channel', 'topic', 'qos', 'sent',
			'confirmed', 'conflated', 'refused', 'bytes'))")" "the status of near"
	expect "b t/a 0 1 1 0 0 0 0 5" \
		"$(lastline-mqtt --id far --status --json | json "*(it['subscribe'][0][key]
			for key in ('channel', 'topic', 'qos', 'received', 'published', 'duplicates',
			'loops', 'refused', 'missed', 'bytes'))")" "the status of far"
	lastline-mqtt --id far --status | grep -wE b || fail "no channel in the table"
	fails_with 1 nosuch lastline-mqtt --id nosuch --status
}
test_that "--status prints all counters as JSON and as a table" prints_status

refused_until_allowed()
{
	add a
	printf 'topic read #\ntopic write lastline-mqtt/#\n' >"$tmp/acl"
	start_broker "acl_file $tmp/acl"
	start_bridge near --publish a=t/a
	lastline pub a x=1
	await metric_is near publish refused 1
	echo "topic readwrite #" >"$tmp/acl"
	kill -HUP "$broker"
	await retained_is t/a x=1
}
test_that "a line that the broker refused is sent once the broker permits it" refused_until_allowed

new_rate_applies()
{
	add a b
	start_broker
	# One line in 1000 s.
	printf 'max-rate 0.001\npublish a=t/a\n' >"$tmp/conf"
	start_bridge near --config "$tmp/conf"
	start_bridge far --subscribe t/a=b
	crosses a b x=1
	lastline pub a x=2
	printf 'max-rate 100\npublish a=t/a\n' >"$tmp/conf"
	kill -HUP "${bridge[near]}"
	await newest_is b x=2
}
test_that "SIGHUP applies a new max-rate" new_rate_applies

old_protocol()
{
	add a b
	start_broker
	"${hub[@]}" python3 "$here/old_broker.py" &
	await listens $!
	start_bridge near --broker mqtt://hub:1884 --publish a=t/a
	start_bridge far --subscribe t/a=b
	expect 3.1.1 "$(status near protocol)" "the protocol"
	crosses a b x=1
}
test_that "a bridge uses MQTT 3.1.1 with a broker that refuses MQTT 5" old_protocol

last_will()
{
	add a
	start_broker
	log_messages where/near '%r %p'
	start_bridge near --state-topic where/near --publish a=t/a
	await has_line "$tmp/messages" "where/near 0 online"
	end KILL "${bridge[near]}"
	await has_line "$tmp/messages" "where/near 0 offline"
	expect offline "$(retained where/near)" "the retained state"
}
test_that "the state topic has online while a bridge runs, and offline after SIGKILL" last_will

run_tests
