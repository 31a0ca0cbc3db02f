#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline-mqtt(1) with a broker on the loopback interface: a short form of lines.sh and
# faults.sh for a machine without systemd and udev.
set -u

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
patience=60
export MALLOC_PERTURB_=165	# fills memory that a program must not use

start_broker()
{
	printf '%s\n' "user root" "listener 1883 127.0.0.1" "allow_anonymous true" >"$tmp/conf"
	mosquitto -c "$tmp/conf" >>"$tmp/broker" 2>&1 &
	broker=$!
	await listens 2>/dev/null
}
listens() { true >/dev/tcp/127.0.0.1/1883; }

stop_broker()
{
	kill "$broker"
	wait "$broker"
	await metric_is near connected false
}

# start_bridge ID OPTION...
start_bridge()
{
	lastline-mqtt --id "$1" --broker mqtt://127.0.0.1 "${@:2}" &
	await metric_is "$1" connected true
}

# value KEY: from JSON with one member per line
value() { sed -n "s/^ *\"$1\": \"\?\([^\",]*\).*/\1/p"; }
metric_is() { [ "$(lastline-mqtt --id "$1" --status --json 2>&1 | value "$2")" = "$3" ]; }
generation() { lastline info --json "$1" | value generation; }
newest_is() { [ "$(lastline get "$1" 2>&1)" = "$2" ]; }
microseconds() { echo "${EPOCHREALTIME/./}"; }

round_trip()
{
	local near far late name path written waited age

	for name in near far late; do
		path=$(lastline add) || fail "no channel"
		printf -v "$name" %s "${path#/dev/lastline}"
		echo "$path" >>"$home/channels"
	done
	start_broker
	# near receives its own lines.
	start_bridge near --publish "$near=t" --subscribe "t=$near"
	start_bridge far --subscribe "t=$far"
	lastline watch --plain "$far" >"$tmp/arrived" &
	lastline pub "$near" one
	await newest_is "$far" one

	stop_broker
	lastline pub "$near" two
	lastline pub "$near" three
	written=$(microseconds)
	start_broker
	waited=$(($(microseconds) - written))
	await newest_is "$far" three
	age=$(lastline-mqtt --id far --status --json | value age_ns)
	[[ $age -ge ${waited}000 && $age -le $(($(microseconds) - written))999 ]] ||
		fail "the age is $age ns after $waited us without a broker"

	# The broker loses its state, so that near sends its line again.
	stop_broker
	start_broker
	start_bridge late --subscribe "t=$late"
	await newest_is "$late" three
	await metric_is far connected true
	lastline pub "$near" four
	await newest_is "$late" four
	await newest_is "$far" four
	expect "4 3 2" "$(generation "$near") $(generation "$far") $(generation "$late")" \
		"the number of lines of near, far and late"
	await grep -q four "$tmp/arrived"
	expect "one three four" "$(paste -sd ' ' "$tmp/arrived")" "what arrived"
}
test_that "the newest line crosses a broker once, also after its restart" round_trip

bad_files()
{
	local file login=(--publish "0=t" --user me --password-file "$tmp/password")

	start_broker
	mkdir "$tmp/directory"
	mkfifo "$tmp/pipe"
	: >"$tmp/empty"
	printf '\r\nsecond' >"$tmp/blank"
	printf '\0' >"$tmp/nul"
	printf %065536d 0 >"$tmp/long"
	for file in empty blank nul long directory pipe nosuch; do
		ln -sfn "$file" "$tmp/password"
		fails_with 2 "lastline-mqtt: $tmp/password: " timeout 20 lastline-mqtt --id near \
			--broker mqtt://127.0.0.1 "${login[@]}"
	done
	fails_with 2 --publish lastline-mqtt --config "$tmp/empty"
	fails_with 2 "$tmp/nul:1: " lastline-mqtt --config "$tmp/nul"

	ln -sfn good "$tmp/password"
	printf right >"$tmp/good"
	printf '%s %s\n' "${login[@]#--}" >"$tmp/bridge.conf"
	start_bridge near --config "$tmp/bridge.conf" 2>>"$tmp/near"
	: >"$tmp/good"
	kill -HUP "$!"
	await grep "$tmp/password: " "$tmp/near"
	metric_is near connected true || fail "it does not keep its connection"
	stop_broker
	start_broker
	: >"$tmp/near"
	await grep "$tmp/password: " "$tmp/near"
	expect 1 "$(grep -c "as near" "$tmp/broker")" "the number of connections"
	echo right >"$tmp/good"
	await metric_is near connected true
}
test_that "a bad password file prevents start, reload and connections, and nothing is sent" bad_files

remove_channels()
{
	[ ! -e "$home/channels" ] || xargs lastline remove <"$home/channels"
	rm -f "$home/channels"
} >/dev/null 2>&1

after=remove_channels
run_tests
