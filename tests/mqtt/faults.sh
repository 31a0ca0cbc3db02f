#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline-mqtt(1) with processes that die, hang or are slow, and with bad links: the newest
# line of each channel arrives in the end, and no older line after it. Needs an installed
# lastline, root, and a machine of its own.
set -u

# shellcheck source=tests/mqtt/network.sh
. "$(dirname "$0")/network.sh"

keepalive=5s	# until a silent peer counts as lost
publish=(--qos 0 --publish a0=t/0 --qos 1 --publish a1=t/1)
subscribe=(--qos 0 --subscribe t/0=b0 --qos 1 --subscribe t/1=b1)

pub() { lastline pub a0 "$1"; lastline pub a1 "$1"; }
arrives() { await newest_is b0 "$1"; await newest_is b1 "$1"; }

# begin [BROKER-LINE]...: a line of each QoS has arrived. All lines that arrive are in
# $tmp/b0 and $tmp/b1.
begin()
{
	local channel

	add a0 a1 b0 b1
	start_broker "$@"
	start_bridge near "${publish[@]}"
	start_bridge far "${subscribe[@]}"
	pub before
	arrives before
	for channel in b0 b1; do
		lastline watch --plain "$channel" >>"$tmp/$channel" &
		await has_line "$tmp/$channel" before
	done
}

# pub_many: only the newest of these lines may arrive
pub_many()
{
	local number

	for number in 1 2 3 4 5; do
		pub "stale $number"
	done
	pub newest
}

# send_one: a line of each QoS has been sent, unless near has noticed the failure already;
# it may arrive or get lost
send_one()
{
	local sent

	sent=$(figure near publish sent)
	pub "in flight"
	await sent_or_lost "${sent% *}" "${sent#* }"
}
sent_or_lost()
{
	local sent

	sent=$(figure near publish sent)
	[[ ${sent% *} -gt $1 && ${sent#* } -gt $2 ]] || not_connected
}
not_connected() { ! connected near; }

# ends_well CHANNEL...: the newest lines and the next ones arrive, on these channels no
# older ones, and none twice
ends_well()
{
	local channel

	arrives newest
	pub after
	arrives after
	for channel; do
		await has_line "$tmp/$channel" after
		cat "$tmp/$channel"
		! grep stale "$tmp/$channel" || fail "an older line arrived on $channel"
		expect "" "$(sort "$tmp/$channel" | uniq -d)" "what arrived twice on $channel"
	done
}

#
# Broker, network and processes fail
#

stop_broker() { end TERM "$broker"; }
kill_broker() { end KILL "$broker"; }
freeze_broker() { kill -STOP "$broker"; send_one; }
thaw_broker() { kill -CONT "$broker"; }
cut_near() { cut_link near; send_one; }
mend_near() { mend_link near; }
kill_publisher() { end KILL "${bridge[near]}"; }
start_publisher() { start_bridge near "${publish[@]}"; }

# outage BREAK REPAIR CHANNEL...: lines are written before and after near notices the
# failure. When the connection survives, the kernel may send one more line of QoS 0, so that
# only b1 can be checked.
outage()
{
	begin "persistence true" "persistence_location $tmp/"
	"$1"
	pub_many
	await not_connected
	pub_many
	"$2"
	ends_well "${@:3}"
}
test_that "after a restart of the broker the newest line arrives, and none twice" \
	outage stop_broker restart_broker b0 b1
test_that "after SIGKILL of the broker the newest line arrives, and none twice" \
	outage kill_broker restart_broker b0 b1
test_that "a broker that hangs counts as lost, and then gets the newest line" \
	outage freeze_broker thaw_broker b1
test_that "after a failure of the network the newest line arrives, and none twice" \
	outage cut_near mend_near b0 b1
test_that "after SIGKILL of the publishing bridge the newest line arrives, and none twice" \
	outage kill_publisher start_publisher b0 b1

broker_forgets()
{
	begin
	end KILL "$broker"
	restart_broker
	expect "before before" "$(foreign sub -q 1 -t 't/+' -C 2 -W 60 | paste -sd ' ')" \
		"what the broker retains"
}
test_that "a broker that lost its state gets the newest line of each channel again" broker_forgets

far_cut_off()
{
	begin
	cut_link far
	send_one
	pub_many
	await disconnected far
	pub newest
	mend_link far
	arrives newest
}
test_that "after a failure of the subscriber's network the newest line arrives" far_cut_off

lost_for_a_while()
{
	begin
	hamper near netem loss 100%
	send_one
	pub_many
	mend_link near
	ends_well b1
}
test_that "while packets get lost, one line is in flight and the newest follows" lost_for_a_while

bad_network()
{
	local line

	hamper near netem delay 200ms loss 10%
	hamper far netem delay 200ms loss 10%
	begin
	for line in {1..50}; do
		pub "line $line"
	done
	pub newest
	arrives newest
	expect "" "$(sort -c -s -V -k 2 <(grep line "$tmp/b1") 2>&1)" "the order of lines"
}
test_that "with 200 ms delay and 10 % loss the newest line arrives, and lines in order" bad_network

subscriber_killed()
{
	begin
	end KILL "${bridge[far]}"
	pub_many
	await confirmed_all
	start_bridge far "${subscribe[@]}"
	ends_well b0 b1
}
confirmed_all()
{
	[ "$(figure near publish sent)" = "$(figure near publish confirmed)" ]
}
test_that "after SIGKILL of the subscribing bridge the newest line arrives" subscriber_killed

# The line of a returning bridge may be older or newer than the one that the broker has.
back_both_ways()
{
	local near=(--publish a=t --subscribe t=a)

	add a b
	start_broker
	start_bridge near "${near[@]}"
	start_bridge far --publish b=t --subscribe t=b
	crosses a b old
	end KILL "${bridge[near]}"
	lastline pub b newer
	await figure_is far publish confirmed 1
	start_bridge near "${near[@]}"
	await newest_is a newer
	expect newer "$(retained t)" "what the broker retains"
	end KILL "${bridge[near]}"
	lastline pub a newest
	start_bridge near "${near[@]}"
	await newest_is b newest
	expect newest "$(lastline get a)" "the line"
}
test_that "a returning bridge with both directions replaces no newer line" back_both_ways

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
	crosses a0 b0 after
	await has_line "$tmp/b0" after
	! grep half "$tmp/b0" || fail "a partial line arrived"
}
test_that "the partial line of a killed writer does not travel, and later lines do" writer_killed

#
# Overload
#

# flood CHANNEL: as many lines as the machine can write, each by a write of its own
flood()
{
	[ -e "$tmp/lines" ] || seq -f '%063.0f' 1 100000 >"$tmp/lines"
	while :; do
		dd if="$tmp/lines" of="/dev/lastline/$1" bs=64 status=none
	done &
	writer=$!
}

# stop_flood FROM TO: the newest line arrives
stop_flood()
{
	kill "$writer"
	wait "$writer"
	await has_no_writer "$1"
	echo "$(generation "$1") lines were written, $(generation "$2") arrived"
	await newest_is "$2" "$(lastline get "$1")"
} 2>/dev/null

has_no_writer() { [ "$(info "$1" writers)" = 0 ]; }
written() { [ "$(generation "$1")" -ge "$2" ]; }

# In kB. Libraries allocate a little at each attempt to connect.
slack=512
resident() { awk '/^RssAnon/ { print $2 }' "/proc/${bridge[near]}/status"; }

# keeps_memory BEFORE
keeps_memory()
{
	[ "$(resident)" -le $(($1 + slack)) ] || fail "$1 kB in memory became $(resident) kB"
}

flood_without_broker()
{
	local before patience=600

	begin
	end KILL "$broker"
	await disconnected near
	before=$(resident)
	flood a1
	await written a1 300000
	keeps_memory "$before"
	restart_broker
	stop_flood a1 b1
}
test_that "without a broker the memory of a bridge does not grow with the lines" flood_without_broker

# A packet has about 300 bytes, which take 25 ms at 100 kbit/s. One is in flight, and with
# the answer to the one before that makes less than 100 ms. Without conflation lines would
# wait in the socket's buffer for 10 s and more. The limit leaves room for a busy machine.
age_max_ns=1000000000

# slow_link QOS
slow_link()
{
	local i age before both=(--qos "$1")

	start_both
	crosses a b before
	hamper near tbf rate 100kbit burst 2kb latency 1s
	before=$(resident)
	flood a
	await written a 100000
	for ((i = 0; i < 15; i++)); do
		figure far subscribe age_ns
		sleep 0.2
	done >"$tmp/ages"
	keeps_memory "$before"
	stop_flood a b
	age=$(sort -n "$tmp/ages" | sed -n 8p)
	[ "$age" -lt "$age_max_ns" ] || fail "the median age is $age ns: $(paste -s "$tmp/ages")"
}
for qos in 0 1; do
	test_that "over a link of 100 kbit/s lines of QoS $qos arrive fresh, however many are written" \
		slow_link $qos
done

slow_subscriber()
{
	add a b
	start_broker
	start_bridge near --publish a=t/a
	start_bridge far --max-lag 2s --subscribe t/a=b
	crosses a b before
	# Less than the slowest machine sends. The broker queues for a slow subscriber.
	hamper far tbf rate 20kbit burst 2kb latency 1s
	flood a
	await reconnected far
	stop_flood a b
}
reconnected() { [ "$(status "$1" reconnects)" -gt 0 ]; }
test_that "with --max-lag a slow subscriber drops the broker's queue by a new connection" \
	slow_subscriber

limited_rate()
{
	local count begun us both=(--max-rate 5)

	start_both
	see t/a '%p'
	begun=${EPOCHREALTIME/./}
	flood a
	await lines_at_least "$tmp/seen" 15
	stop_flood a b
	count=$(wc -l <"$tmp/seen") us=$((${EPOCHREALTIME/./} - begun))
	# Plus "ready", the first and the last line, and what the division drops.
	[ "$count" -le $((us / 200000 + 4)) ] || fail "$count lines in $us us"
}
lines_at_least() { [ "$(wc -l <"$1")" -ge "$2" ]; }
test_that "--max-rate limits the lines sent in a second, and the newest arrives" limited_rate

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
test_that "a bridge carries 1000 channels, and the newest line of each arrives" many_channels

restore()
{
	mend_link near
	mend_link far
	put_channels_back
}

after=restore
run_tests
