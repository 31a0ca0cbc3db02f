#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline-mqtt(1) with processes that die, hang or are slow, and with bad links: finally the
# newest line of each channel arrives, and no older line after it. Needs an installed
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

# send_one: sends a line of each QoS, which may arrive or get lost, unless near has noticed
# the failure already
send_one()
{
	local sent

	sent=$(metric near publish sent)
	pub "in flight"
	await sent_or_lost "${sent% *}" "${sent#* }"
}
sent_or_lost()
{
	local sent

	sent=$(metric near publish sent)
	[[ ${sent% *} -gt $1 && ${sent#* } -gt $2 ]] || not_connected
}
not_connected() { ! connected near; }

# recovers CHANNEL...: the newest and the next lines arrive; on these channels no older line
# arrives, and no line twice
recovers()
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
restore_near() { restore_link near; }
kill_publisher() { end KILL "${bridge[near]}"; }
start_publisher() { start_bridge near "${publish[@]}"; }

# outage BREAK REPAIR CHANNEL...: writes lines before and after near notices the failure. If
# the connection survives, the kernel may send one more line of QoS 0, so only b1 is checked.
outage()
{
	begin "persistence true" "persistence_location $tmp/"
	"$1"
	pub_many
	await not_connected
	pub_many
	"$2"
	recovers "${@:3}"
}
test_that "after a restart of the broker the newest line arrives, and none twice" \
	outage stop_broker restart_broker b0 b1
test_that "after SIGKILL of the broker the newest line arrives, and none twice" \
	outage kill_broker restart_broker b0 b1
test_that "the bridge disconnects from a hanging broker, and sends it the newest line later" \
	outage freeze_broker thaw_broker b1
test_that "after a failure of the network the newest line arrives, and none twice" \
	outage cut_near restore_near b0 b1
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
	restore_link far
	arrives newest
}
test_that "after a failure of the subscriber's network the newest line arrives" far_cut_off

packets_lost()
{
	begin
	shape_link near netem loss 100%
	send_one
	pub_many
	restore_link near
	recovers b1
}
test_that "while all packets are lost, one line is in flight, and the newest follows" packets_lost

bad_network()
{
	local line

	shape_link near netem delay 200ms loss 10%
	shape_link far netem delay 200ms loss 10%
	begin
	for line in {1..50}; do
		pub "line $line"
	done
	pub newest
	arrives newest
	expect "" "$(sort -c -s -V -k 2 <(grep line "$tmp/b1") 2>&1)" "the order of lines"
}
test_that "with 200 ms delay and 10 % loss lines arrive in order, and the newest arrives" bad_network

subscriber_killed()
{
	begin
	end KILL "${bridge[far]}"
	pub_many
	await confirmed_all
	start_bridge far "${subscribe[@]}"
	recovers b0 b1
}
confirmed_all()
{
	[ "$(metric near publish sent)" = "$(metric near publish confirmed)" ]
}
test_that "after SIGKILL of the subscribing bridge the newest line arrives" subscriber_killed

# The line of a restarted bridge may be older or newer than the retained message.
restarted_both_ways()
{
	local near=(--publish a=t --subscribe t=a)

	add a b
	start_broker
	start_bridge near "${near[@]}"
	start_bridge far --publish b=t --subscribe t=b
	crosses a b old
	end KILL "${bridge[near]}"
	lastline pub b newer
	await metric_is far publish confirmed 1
	start_bridge near "${near[@]}"
	await newest_is a newer
	expect newer "$(retained t)" "what the broker retains"
	end KILL "${bridge[near]}"
	lastline pub a newest
	start_bridge near "${near[@]}"
	await newest_is b newest
	expect newest "$(lastline get a)" "the line"
}
test_that "a restarted bridge with both directions does not replace a newer line" restarted_both_ways

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
test_that "the partial line of a killed writer is not sent, and later lines are" writer_killed

#
# Overload
#

# flood CHANNEL: writes as many lines as the machine can, one per write
flood()
{
	[ -e "$tmp/lines" ] || seq -f '%063.0f' 1 100000 >"$tmp/lines"
	while :; do
		dd if="$tmp/lines" of="/dev/lastline/$1" bs=64 status=none
	done &
	writer=$!
}

# stop_flood FROM TO: stops the writer; the newest line arrives
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
test_that "the memory of a bridge does not grow without a broker" flood_without_broker

# A packet has about 300 bytes, which take 25 ms at 100 kbit/s. A line waits for at most one
# packet and one confirmation, less than 100 ms. Without conflation lines would wait in the
# socket buffer for 10 s and more. The limit leaves room for a busy machine.
age_max_ns=1000000000

# slow_link QOS
slow_link()
{
	local i age before both=(--qos "$1")

	start_both
	crosses a b before
	shape_link near tbf rate 100kbit burst 2kb latency 1s
	before=$(resident)
	flood a
	await written a 100000
	for ((i = 0; i < 15; i++)); do
		metric far subscribe age_ns
		sleep 0.2
	done >"$tmp/ages"
	keeps_memory "$before"
	stop_flood a b
	age=$(sort -n "$tmp/ages" | sed -n 8p)
	[ "$age" -lt "$age_max_ns" ] || fail "the median age is $age ns: $(paste -s "$tmp/ages")"
}
for qos in 0 1; do
	test_that "over a link of 100 kbit/s lines of QoS $qos arrive in time while a writer floods" \
		slow_link $qos
done

slow_subscriber()
{
	add a b
	start_broker
	start_bridge near --publish a=t/a
	start_bridge far --max-lag 2s --subscribe t/a=b
	crosses a b before
	# Slower than any machine sends, so that the broker has to queue lines
	shape_link far tbf rate 20kbit burst 2kb latency 1s
	flood a
	await reconnected far
	stop_flood a b
}
reconnected() { [ "$(status "$1" reconnects)" -gt 0 ]; }
test_that "a slow subscriber with --max-lag reconnects to drop the queue of the broker" \
	slow_subscriber

limited_rate()
{
	local count start us both=(--max-rate 5)

	start_both
	log_messages t/a '%p'
	start=${EPOCHREALTIME/./}
	flood a
	await lines_at_least "$tmp/messages" 15
	stop_flood a b
	count=$(wc -l <"$tmp/messages") us=$((${EPOCHREALTIME/./} - start))
	# Plus "ready", the first and the last line, and the rounding of the division
	[ "$count" -le $((us / 200000 + 4)) ] || fail "$count lines in $us us"
}
lines_at_least() { [ "$(wc -l <"$1")" -ge "$2" ]; }
test_that "--max-rate limits the lines sent per second, and the newest line arrives" limited_rate

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
	restore_link near
	restore_link far
	put_channels_back
}

after=restore
run_tests
