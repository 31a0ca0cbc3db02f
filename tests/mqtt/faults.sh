#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline-mqtt(1) when something is gone, silent, slow or too much: the newest line of each
# channel arrives in the end, and nothing older than the newest does.
# Wants all of it installed, root, and a machine of its own.
set -u

# shellcheck source=tests/mqtt/network.sh
. "$(dirname "$0")/network.sh"

keepalive=5s	# until who is silent counts as gone
publish=(--qos 0 --publish a0=t/0 --qos 1 --publish a1=t/1)
subscribe=(--qos 0 --subscribe t/0=b0 --qos 1 --subscribe t/1=b1)

pub() { lastline pub a0 "$1"; lastline pub a1 "$1"; }
both_are() { newest_is b0 "$1" && newest_is b1 "$1"; }
arrives() { await both_are "$1"; }

# begin [BROKER-LINE]...: a line of each QoS has arrived. What comes from now on is in
# $tmp/b0 and $tmp/b1.
begin()
{
	add a0 a1 b0 b1
	start_broker "$@"
	start_bridge near "${publish[@]}"
	start_bridge far "${subscribe[@]}"
	pub before
	arrives before
	lastline watch --plain b0 >>"$tmp/b0" &
	lastline watch --plain b1 >>"$tmp/b1" &
	await has_line "$tmp/b0" before
	await has_line "$tmp/b1" before
}

# pub_many: lines of which only the newest is to arrive
pub_many()
{
	local number

	for number in 1 2 3 4 5; do
		pub "stale $number"
	done
	pub newest
}

# on_its_way: a line that is sent, whatever becomes of it
on_its_way()
{
	local sent

	sent=$(figure near publish sent)
	pub "on its way"
	await both_sent_more "${sent% *}" "${sent#* }"
}
both_sent_more()
{
	local sent

	sent=$(figure near publish sent)
	[ "${sent% *}" -gt "$1" ] && [ "${sent#* }" -gt "$2" ]
}

# ends_well: the newest arrives, all goes on, and nothing else came in between
ends_well()
{
	arrives newest
	pub after
	arrives after
	only_the_newest b0 stale
	only_the_newest b1 stale
}

# Where the connection stays, and with QoS 0 the kernel may have taken one line more.
ends_well_with_qos_1()
{
	arrives newest
	pub after
	arrives after
	only_the_newest b1 stale
}

# only_the_newest CHANNEL WORD: no line with that word came, and none came twice
only_the_newest()
{
	await has_line "$tmp/$1" after
	cat "$tmp/$1"
	! grep "$2" "$tmp/$1" || fail "an older line came on $1"
	expect "" "$(sort "$tmp/$1" | uniq -d)" "what came twice on $1"
}

#
# The broker
#

broker_restarts()
{
	begin "persistence true" "persistence_location $tmp/"
	end TERM "$broker"
	await disconnected near
	pub_many
	restart_broker
	ends_well
}
test_that "after a restart of the broker the newest line arrives, and none twice" broker_restarts

broker_killed()
{
	begin
	end KILL "$broker"
	await disconnected near
	pub_many
	restart_broker
	ends_well
}
test_that "after kill -9 of the broker, which forgets all, the newest line arrives" broker_killed

broker_forgets()
{
	begin
	end KILL "$broker"
	restart_broker
	expect "before before" "$(foreign sub -q 1 -t 't/+' -C 2 | paste -sd ' ')" \
		"what the broker has again"
}
test_that "a broker that has forgotten all gets the newest line of each channel again" broker_forgets

broker_silent()
{
	begin
	kill -STOP "$broker"
	on_its_way
	pub_many
	await disconnected near
	pub_many
	kill -CONT "$broker"
	ends_well_with_qos_1
}
test_that "a broker that is silent counts as gone, and gets the newest line when it is back" broker_silent

#
# The network
#

cut_off()
{
	begin
	cut_link near
	on_its_way
	pub_many
	await disconnected near
	pub_many
	mend_link near
	ends_well
}
test_that "after a cut of the network that is noticed the newest line arrives" cut_off

far_cut_off()
{
	begin
	cut_link far
	on_its_way
	pub_many
	await disconnected far
	pub newest
	mend_link far
	arrives newest
}
test_that "after a cut of the subscriber's network the newest line arrives" far_cut_off

lost_for_a_while()
{
	begin
	hamper near netem loss 100%
	on_its_way
	pub_many
	mend_link near
	ends_well_with_qos_1
}
test_that "while packets are lost, one line is on its way and the newest follows" lost_for_a_while

bad_network()
{
	local line

	hamper near netem delay 200ms loss 10%
	hamper far netem delay 200ms loss 10%
	begin
	for line in {1..50}; do
		pub "stale $line"
	done
	pub newest
	arrives newest
}
test_that "through delays of 200 ms and with every 10th packet lost the newest line arrives" bad_network

#
# Whoever takes part
#

publisher_killed()
{
	begin
	end KILL "${bridge[near]}"
	pub_many
	start_bridge near "${publish[@]}"
	ends_well
}
test_that "after kill -9 of the publishing bridge the newest line arrives" publisher_killed

subscriber_killed()
{
	begin
	end KILL "${bridge[far]}"
	pub_many
	await confirmed_all
	start_bridge far "${subscribe[@]}"
	ends_well
}
confirmed_all()
{
	[ "$(figure near publish sent)" = "$(figure near publish confirmed)" ]
}
test_that "after kill -9 of the subscribing bridge the newest line arrives" subscriber_killed

# What it has of the time before is older than what the broker has, and what is written while
# it is gone is newer.
back_both_ways()
{
	local near=(--publish a=t --subscribe t=a)

	add a b
	start_broker
	start_bridge near "${near[@]}"
	start_bridge far --publish b=t --subscribe t=b
	lastline pub a old
	await newest_is b old
	end KILL "${bridge[near]}"
	lastline pub b newer
	await figure_is far publish confirmed 1
	start_bridge near "${near[@]}"
	await newest_is a newer
	expect newer "$(retained t)" "what the broker has"
	end KILL "${bridge[near]}"
	lastline pub a newest
	start_bridge near "${near[@]}"
	await newest_is b newest
	expect newest "$(lastline get a)" "the line"
}
test_that "where both directions are joined, who comes back undoes nothing that is newer" back_both_ways

writer_killed()
{
	local writer

	begin
	(
		printf 'newest\nhalf a li' >&3
		exec sleep 1000
	) 3>/dev/lastline/a0 &
	writer=$!
	await newest_is b0 newest
	end KILL "$writer"
	lastline pub a0 after
	await newest_is b0 after
	only_the_newest b0 half
}
test_that "what a killed writer leaves unfinished does not travel, and the next one's lines do" writer_killed

reader_killed()
{
	local reader

	begin
	lastline watch b0 >"$tmp/out" &
	reader=$!
	await has_word "$tmp/out" before
	end KILL "$reader"
	pub after
	arrives after
}
test_that "a killed reader at the far end disturbs nobody" reader_killed

#
# Too much
#

# flood CHANNEL: as many lines as the machine can write, each by a write of its own
flood()
{
	[ -e "$tmp/lines" ] || seq -f '%063.0f' 1 100000 >"$tmp/lines"
	while :; do
		dd if="$tmp/lines" of="/dev/lastline/$1" bs=64 status=none
	done &
	writer=$!
	flooded=$(generation "$1") flooding=${EPOCHREALTIME/./}
}

# stop_flood CHANNEL: says how fast it was
stop_flood()
{
	kill "$writer"
	wait "$writer"
	await has_no_writer "$1"
	echo "$(($(generation "$1") - flooded)) lines in $((${EPOCHREALTIME/./} - flooding)) us"
} 2>/dev/null

has_no_writer() { [ "$(info "$1" writers)" = 0 ]; }
written() { [ "$(generation "$1")" -ge "$2" ]; }
# In kB. What libraries do at each attempt to connect is not always the same.
slack=512
resident() { awk '/^RssAnon/ { print $2 }' "/proc/${bridge[$1]}/status"; }

keeps_memory()
{
	local before now patience=600

	begin
	end KILL "$broker"
	await disconnected near
	before=$(resident near)
	flood a1
	await written a1 300000
	stop_flood a1
	now=$(resident near)
	[ "$now" -le $((before + slack)) ] || fail "$before kB in memory became $now"
	restart_broker
	await newest_is b1 "$(lastline get a1)"
}
test_that "while the broker is gone, a bridge's memory does not grow with lines" keeps_memory

# A message with its properties has about 300 bytes in its packet, for which a link of 100
# kbit/s takes 25 ms. One is on its way, and with the answer to the one before that makes
# less than 100 ms; what is not conflated would wait in the buffer of the socket for 10 s
# and more. Between the two is room for a machine that is busy.
age_max_ns=1000000000

# age NAME TIMES: the median, in ns, of what the subscriber of that name got
age()
{
	local i

	for ((i = 0; i < $2; i++)); do
		figure "$1" subscribe age_ns
		sleep 0.2
	done | tee "$tmp/ages" | sort -n | sed -n "$(($2 / 2 + 1))p"
}

# slow_link QOS
slow_link()
{
	local age before now

	add a b
	start_broker
	start_bridge near --qos "$1" --publish a=t/a
	start_bridge far --qos "$1" --subscribe t/a=b
	lastline pub a before
	await newest_is b before
	hamper near tbf rate 100kbit burst 2kb latency 1s
	before=$(resident near)
	flood a
	await written a 100000
	age=$(age far 15)
	now=$(resident near)
	[ "$now" -le $((before + slack)) ] || fail "$before kB in memory became $now"
	stop_flood a
	await newest_is b "$(lastline get a)"
	echo "$(generation b) lines arrived; ages: $(paste -sd ' ' "$tmp/ages")"
	[ "$age" -lt "$age_max_ns" ] || fail "lines arrive $age ns old"
}
for qos in 0 1; do
	test_that "over a link of 100 kbit/s, QoS $qos, lines arrive fresh however many are written" \
		slow_link $qos
done

# The broker knows no conflation: it queues for who is slow.
slow_subscriber()
{
	add a b
	start_broker
	start_bridge near --publish a=t/a
	start_bridge far --max-lag 2s --subscribe t/a=b
	lastline pub a before
	await newest_is b before
	# Less than the slowest machine sends.
	hamper far tbf rate 20kbit burst 2kb latency 1s
	flood a
	await reconnected far
	stop_flood a
	await newest_is b "$(lastline get a)"
	has_word "$tmp/far" "too late" || fail "it does not say why"
}
reconnected() { [ "$(status "$1" reconnects)" -gt 0 ]; }
test_that "a subscriber whose link is too slow drops with --max-lag what waits at the broker" \
	slow_subscriber

limited_rate()
{
	local count begun us

	add a b
	start_broker
	start_bridge near --max-rate 5 --publish a=t/a
	start_bridge far --subscribe t/a=b
	see t/a '%p'
	begun=${EPOCHREALTIME/./}
	flood a
	await lines_at_least "$tmp/seen" 15
	stop_flood a
	count=$(wc -l <"$tmp/seen") us=$((${EPOCHREALTIME/./} - begun))
	# And "ready", the first one, the last one, and what is left of a division.
	[ "$count" -le $((us / 200000 + 4)) ] || fail "$count lines in $us us"
	await newest_is b "$(lastline get a)"
}
lines_at_least() { [ "$(wc -l <"$1")" -ge "$2" ]; }
test_that "--max-rate sends no more lines a second, and the newest at the end" limited_rate

#
# Many
#

# 1000 that a bridge publishes, and as many that another one makes of their topics.
many_channels()
{
	local number

	for number in {1..1000}; do
		echo "a$number --line-max 64" >&3
		echo "publish a$number=t/$number" >&4
	done 3>"$tmp/channels" 4>"$tmp/near.conf"
	lastline add --from "$tmp/channels" >/dev/null || fail "cannot add them"
	start_broker
	start_bridge near --config "$tmp/near.conf"
	start_bridge far --max-channels 1000 --subscribe 't/#=b-*'
	publish_all old
	publish_all new
	await all_are new
}

# Without a process for each.
publish_all()
{
	local number

	for number in {1..1000}; do
		echo "$1 $number" >"/dev/lastline/a$number"
	done
}

all_are()
{
	local number name line count=0

	while read -r number name; do
		read -r line <"/dev/lastline$number"
		[ "$line" = "$1 ${name#b-}" ] || return
		count=$((count + 1))
	done < <(lastline list | awk '$2 ~ /^b-/ { print $1, $2 }')
	[ "$count" = 1000 ]
}
test_that "a bridge has 1000 channels, and the newest line of each arrives" many_channels

put_links_back()
{
	mend_link near
	mend_link far
	put_channels_back
}

after=put_links_back
run_tests
