#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline-mqtt(1) while all goes well, and what it makes of bad lines and bad settings.
# Wants all of it installed, root, and a machine of its own.
set -u

# shellcheck source=tests/mqtt/network.sh
. "$(dirname "$0")/network.sh"

# start_both: channel a of near arrives in channel b of far
start_both()
{
	add a b
	start_broker
	start_bridge near --publish a=t/a
	start_bridge far --subscribe t/a=b
}

#
# Lines
#

travels()
{
	start_both
	lastline pub a x=1
	await newest_is b x=1
	lastline pub a "  two words, and ü"
	await newest_is b "  two words, and ü"
	expect 2 "$(generation b)" "the generation at the far end"
}
test_that "a line published on a channel appears on the other one" travels

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
test_that "who subscribes later gets the newest line at once, on each channel" newest_for_new

with_foreign_peers()
{
	start_both
	see t/a '%r %l %p'
	lastline pub a x=1
	await has_line "$tmp/seen" "t/a 0 3 x=1"
	foreign pub -t t/a -m "from 3.1.1"
	await newest_is b "from 3.1.1"
	foreign pub -V 5 -q 1 -r -t t/a -m "from 5"
	await newest_is b "from 5"
}
test_that "mosquitto_sub gets lines without their newline, and mosquitto_pub sends some" with_foreign_peers

properties()
{
	local number

	start_both
	see t/a '%P'
	lastline pub a old
	lastline pub a x=1
	await has_word "$tmp/seen" lastline-generation:2
	number=$(info a number)
	grep -F lastline-generation:2 "$tmp/seen" >"$tmp/last"
	cat "$tmp/last"
	for property in "lastline-origin:near/a" "lastline-time:[0-9]{19}" "lastline-via:[^ ]*/$number"; do
		grep -qE "(^| )$property( |$)" "$tmp/last" || fail "no $property"
	done
}
test_that "origin, generation, time and channel travel as user properties" properties

tells_missed()
{
	start_both
	lastline pub a first
	await newest_is b first
	kill -STOP "${bridge[near]}"
	for line in second third fourth; do
		lastline pub a $line
	done
	kill -CONT "${bridge[near]}"
	await newest_is b fourth
	expect 2 "$(figure near publish conflated)" "lines that near says were conflated"
	expect 2 "$(figure far subscribe missed)" "lines that far says it missed"
	[ "$(figure far subscribe age_ns)" -gt 0 ] || fail "the line has no age"
}
test_that "the far end tells how many lines it missed, and how old the last one was" tells_missed

records()
{
	lastline add --record a >/dev/null
	lastline add --record b >/dev/null
	start_broker
	start_bridge near --publish a=t/a
	start_bridge far --subscribe t/a=b
	printf 'a\nb\0c\377\n\n' >"$tmp/record"
	cat "$tmp/record" >/dev/lastline/a
	await newest_is_not b ""
	cmp "$tmp/record" <(lastline get b) || fail "that is another record"
}
newest_is_not() { [ "$(lastline get "$1" 2>/dev/null | tr -d '\0')" != "$2" ]; }
test_that "a record arrives byte for byte" records

empty_line()
{
	start_both
	see t/a '%l'
	lastline pub a x=1
	await newest_is b x=1
	lastline pub a ''
	await newest_is b ''
	expect 2 "$(generation b)" "the generation at the far end"
	await has_line "$tmp/seen" "t/a 1"
}
test_that "an empty line is one, and arrives as such" empty_line

empty_payload()
{
	start_both
	lastline pub a x=1
	await newest_is b x=1
	foreign pub -r -n -t t/a
	await fails_to_get b
	lastline pub a x=2
	await newest_is b x=2
}
fails_to_get() { ! lastline get "$1" 2>/dev/null; }
test_that "a retained message that is taken away clears the channel" empty_payload

cleared()
{
	start_both
	lastline pub a x=1
	await newest_is b x=1
	lastline clear a
	lastline pub a x=2
	await newest_is b x=2
}
test_that "a channel that is cleared goes on with the next line" cleared

comes_and_goes()
{
	start_broker
	start_bridge near --publish a=t/a
	start_bridge far --subscribe t/a=b
	add a b
	lastline pub a x=1
	await newest_is b x=1
	lastline remove a
	lastline remove b
	add a b
	lastline pub a x=2
	await newest_is b x=2
}
test_that "channels may come later, go, and come again" comes_and_goes

#
# More than one
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
	await fails_to_get t.home-attic
}
test_that "wildcards make a channel for each topic that appears" wildcards

limit_of_channels()
{
	start_broker
	start_bridge far --max-channels 2 --subscribe 's/#=s-*'
	for line in 1 2 3; do
		foreign pub -t s/$line -m $line
	done
	await has_word "$tmp/far" --max-channels
	await newest_is s-2 2
	fails_with 1 "no such channel" lastline get s-3
	foreign pub -t s/1 -m still
	await newest_is s-1 still
	expect "1 0 0" "$(figure far subscribe refused)" "messages refused"
}
test_that "wildcards make no more channels than they may, and the others go on" limit_of_channels

names_from_topics()
{
	start_broker
	start_bridge far --subscribe 's/#=*'
	foreign pub -t 's/../x y' -m bad
	foreign pub -t 's/7' -m bad
	foreign pub -t "s/$(printf %070d 0)" -m bad
	foreign pub -t s/a/b -m 1
	await newest_is a-b 1
	foreign pub -t s/a-b -m bad
	foreign pub -t s/c -m 2
	await newest_is c 2
	await newest_is a-b 1
	expect "4 0 0" "$(figure far subscribe refused)" "messages refused"
}
test_that "topics of which no channel's name comes disturb no others" names_from_topics

loops()
{
	add a b
	start_broker
	start_bridge near --publish a=there --subscribe back=a
	start_bridge far --publish b=back --subscribe there=b
	lastline pub a x=1
	await newest_is b x=1
	await looped near
	lastline pub b x=2
	await newest_is a x=2
	await looped far
	expect "2 2" "$(generation a) $(generation b)" "the generations"
}
looped() { [ "$(figure "$1" subscribe loops)" -gt 0 ]; }
test_that "a line goes round no loop of two bridges, and both directions work" loops

one_topic_both_ways()
{
	add a b
	start_broker
	start_bridge near --publish a=t --subscribe t=a
	start_bridge far --publish b=t --subscribe t=b
	lastline pub a x=1
	await newest_is b x=1
	lastline pub b x=2
	await newest_is a x=2
	foreign pub -t t -m x=3
	await newest_is a x=3
	await newest_is b x=3
	expect "3 3" "$(generation a) $(generation b)" "the generations"
}
test_that "channels of two machines and a topic can be one" one_topic_both_ways

#
# What is refused
#

bad_messages()
{
	add a b c
	start_broker
	start_bridge far --subscribe bad=b --subscribe good=c
	foreign pub -t bad -m $'two\nlines'
	await has_word "$tmp/far" "newline"
	head -c 5000 /dev/zero | tr '\0' x | foreign pub -t bad -s
	await figure_is far subscribe refused "2 0"
	foreign pub -t good -m fine
	await newest_is c fine
	fails_with 3 "nothing is published" lastline get b
	foreign pub -t bad -m $'one with its newline\n'
	await newest_is b "one with its newline"
}
test_that "payloads with a newline inside, or too long, are refused and disturb no other channel" bad_messages

broker_refuses()
{
	add a b
	start_broker "message_size_limit 100"
	start_bridge near --publish a=t/a
	start_bridge far --subscribe t/a=b
	lastline pub a "$(printf %0200d 0)"
	await figure_is near publish refused 1
	has_word "$tmp/near" "t/a" || fail "it does not say so"
	lastline pub a small
	await newest_is b small
	expect 0 "$(status near reconnects)" "connections anew"
}
test_that "a line that the broker refuses is counted, and the next one goes" broker_refuses

wrong_calls()
{
	while IFS='|' read -r words options; do
		# shellcheck disable=SC2086 # several
		fails_with 2 "$words" lastline-mqtt $options
	done <<-'END'
	nothing to do|
	no option --frobnicate|--frobnicate
	wildcards|--publish a=t/#
	wildcards|--publish a=+/t
	is empty|--publish a=
	CHANNEL=TOPIC|--publish a
	which channel|--publish =t
	whole level|--subscribe t/#/x=b-*
	whole level|--subscribe t+=b-*
	TOPIC=CHANNEL|--subscribe t
	wildcards|--subscribe t/#=b
	wildcards|--subscribe t=b-*
	no number|--qos 2 --publish a=t
	lines a second|--max-rate fast --publish a=t
	no broker like|--broker mqtt://:1883 --publish a=t
	options of their own|--broker mqtt://user:password@hub --publish a=t
	--keepalive wants|--keepalive 1s --publish a=t
	an id has|--id a/b --publish a=t
	--password-file without|--password-file /dev/null --publish a=t
	go together|--broker mqtts://hub --cert-file /dev/null --publish a=t
	mqtts://|--ca-file /dev/null --publish a=t
	END
	fails_with 2 "not UTF-8" lastline-mqtt --publish $'a=\377'
	fails_with 2 "longer than 65535" lastline-mqtt --publish "a=$(printf %065536d 0)"
	fails_with 1 "No such file" lastline-mqtt --config "$tmp/nosuch"
}
test_that "malformed topics and other wrong settings are named, with status 2" wrong_calls

mistake_in_file()
{
	printf '# a bridge\n\npublish a=t/a\n  qos 7\n' >"$tmp/conf"
	fails_with 2 "$tmp/conf:4: " lastline-mqtt --config "$tmp/conf"
}
test_that "a mistake in the file is named with its line" mistake_in_file

#
# Life of a bridge
#

reads_file_anew()
{
	add a b
	start_broker
	printf 'publish a=old\n' >"$tmp/conf"
	start_bridge near --config "$tmp/conf"
	start_bridge far --subscribe new=b
	printf 'publish a=old\npublish a=new\n' >"$tmp/conf"
	kill -HUP "${bridge[near]}"
	lastline pub a x=1
	await newest_is b x=1
	expect 0 "$(status near reconnects)" "connections anew"

	printf 'publish a=other\nnonsense\n' >"$tmp/conf"
	kill -HUP "${bridge[near]}"
	await has_word "$tmp/near" "$tmp/conf:2: "
	lastline pub a x=2
	await newest_is b x=2
	expect "old new" "$(figure near publish topic)" "the topics"
}
test_that "SIGHUP reads the file anew, and a broken one changes nothing" reads_file_anew

says_status()
{
	start_both
	lastline pub a 12345
	await newest_is b 12345
	await figure_is near publish confirmed 1
	lastline-mqtt --id near --status --json >"$tmp/near.json" || fail "no status of near"
	lastline-mqtt --id far --status --json >"$tmp/far.json" || fail "no status of far"
	cat "$tmp/near.json" "$tmp/far.json"
	expect "near mqtt://hub True 5 0" "$(json '*(it[key] for key in
		("id", "broker", "connected", "protocol", "reconnects"))' <"$tmp/near.json")" "what near is"
	expect "a t/a 1 1 1 0 0 5" "$(json '*(it["publish"][0][key] for key in ("channel",
		"topic", "qos", "sent", "confirmed", "conflated", "refused", "bytes"))' \
		<"$tmp/near.json")" "what it published"
	expect "b t/a 0 1 1 0 0 0 0 5" "$(json '*(it["subscribe"][0][key] for key in ("channel",
		"topic", "qos", "received", "published", "duplicates", "loops", "refused", "missed",
		"bytes"))' <"$tmp/far.json")" "what far got"
	lastline-mqtt --id far --status >"$tmp/table" || fail "no table"
	cat "$tmp/table"
	grep -qE '(^| )b( |$)' "$tmp/table" || fail "no channel in the table"
	fails_with 1 nosuch lastline-mqtt --id nosuch --status
}
test_that "--status tells what went through, for people and as JSON" says_status

old_protocol()
{
	add a b
	start_broker
	"${hub[@]}" python3 "$here/old_broker.py" &
	await listens $!
	start_bridge near --broker mqtt://hub:1884 --publish a=t/a
	start_bridge far --subscribe t/a=b
	expect 3.1.1 "$(status near protocol)" "the protocol"
	lastline pub a x=1
	await newest_is b x=1
	foreign pub -t t/a -m x=2
	await newest_is b x=2
}
test_that "a broker without MQTT 5 is spoken to in 3.1.1" old_protocol

keeps_password()
{
	add a
	echo "the password" >"$tmp/password"
	mosquitto_passwd -b -c "$tmp/passwords" me "the password"
	start_broker "allow_anonymous false" "password_file $tmp/passwords"
	start_bridge near --user me --password-file "$tmp/password" --publish a=t/a
	! tr '\0' ' ' <"/proc/${bridge[near]}/cmdline" | grep "the password" || fail "ps shows it"
	! tr '\0' ' ' <"/proc/${bridge[near]}/environ" | grep "the password" ||
		fail "ps shows it, in the environment"
	launch_bridge far --publish a=t/a
	await has_word "$tmp/far" "uthori"
	end TERM "${bridge[far]}"
	echo wrong >"$tmp/wrong"
	launch_bridge far --user me --password-file "$tmp/wrong" --publish a=t/a
	await has_word "$tmp/far" "uthori"
	disconnected far || fail "it is connected"
}
test_that "the password comes from a file, is never in ps, and a wrong one is refused" keeps_password

says_offline()
{
	add a
	start_broker
	see lastline-mqtt/near '%r %p'
	start_bridge near --publish a=t/a
	await has_line "$tmp/seen" "lastline-mqtt/near 0 online"
	kill -TERM "${bridge[near]}"
	wait "${bridge[near]}" || fail "its status is $?"
	await has_line "$tmp/seen" "lastline-mqtt/near 0 offline"
	expect offline "$(retained lastline-mqtt/near)" "the state that is retained"
}
test_that "it says online, ends with status 0 when asked to, and says offline" says_offline

last_will()
{
	add a
	start_broker
	see where/near '%p'
	start_bridge near --state-topic where/near --publish a=t/a
	await has_line "$tmp/seen" "where/near online"
	end KILL "${bridge[near]}"
	await has_line "$tmp/seen" "where/near offline"
}
test_that "the broker says offline for a bridge that was killed" last_will

tells_systemd()
{
	add a
	systemd-run -q --unit rig-near -p Type=notify -p NetworkNamespacePath=/run/netns/near \
		lastline-mqtt --id near --broker mqtt://hub --publish a=t/a ||
		fail "it does not say that it is ready"
	start_broker
	await unit_says rig-near "is connected"
	end TERM "$broker"
	await unit_says rig-near "next attempt"
	systemctl stop rig-near
	expect success "$(systemctl show -P Result rig-near)" "the result"
}
unit_says() { [[ $(systemctl show -P StatusText "$1") == *"$2"* ]]; }
test_that "systemd is told that it is ready, and whether it is connected" tells_systemd

run_tests
