#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of lastline bench. They need the command, the module and root.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"
wants lastline python3

channels() { find /sys/class/lastline/ -name 'lastline*' | sort; }

is_table()
{
	local text before

	before=$(channels)
	text=$(lastline bench --seconds 1) || fail "it fails: $text"
	echo "$text"
	expect 8 "$(grep -cE '^[a-z].* [0-9]+(\.[0-9])? +[0-9]' <<<"$text")" "the number of figures"
	expect 2 "$(grep -c '^a pipe.* 1.00$' <<<"$text")" "the rows of a pipe"
	expect "$before" "$(channels)" "the channels"
}
test_that "bench prints a table and removes its temporary channel" is_table

is_json()
{
	local before

	make engine
	before=$(attribute generation)
	lastline bench --seconds 1 --json engine >"$tmp/out" || fail "it fails"
	[ "$(attribute generation)" -gt $((before + 1000)) ] || fail "it did not publish on engine"
	cat "$tmp/out"
	python3 - "$tmp/out" <<-'END'
		import json, sys
		it = json.load(open(sys.argv[1]))
		calls, wakes = it["calls"], it["wake_ups"]
		for call in calls.values():
		    assert 0 < call["fastest_ns"] <= call["median_ns"] <= call["slowest_ns"], call
		for wake in wakes.values():
		    assert 0 < wake["median_ns"] <= wake["p99_ns"], wake
		    assert wake["samples"] > 0, wake
		pipe = calls["pipe_write_read"]["median_ns"]
		for name in "write_read", "write_take":
		    ratio = calls[name]["median_ns"] / pipe
		    assert abs(calls[name]["of_pipe"] / ratio - 1) < 0.01, name
		# Even under load, reading memory costs less than a system call.
		assert calls["newer"]["median_ns"] < calls["write"]["median_ns"], calls
		assert it["rounds"] >= 3 and it["line_bytes"] == 64, it
	END
}
test_that "bench --json CHANNEL prints consistent figures and ratios" is_json

# is_at calls|wake-ups PROCESS: PROCESS measures these now
is_at()
{
	local threads=("/proc/$2/task"/*)

	case $1 in
	calls)		readlink "/proc/$2/fd"/* | grep -q '^/dev/lastline[0-9]' ;;
	# One thread reads the channel, another one the pipe.
	wake-ups)	[ ${#threads[@]} = 3 ] ;;
	esac
}

# ends STATUS calls|wake-ups SIGNAL|remove: the event ends bench while it measures these
ends()
{
	local before channel=()

	[ "$3" != remove ] || { make engine && channel=(engine); }
	before=$(channels)
	# A shell ignores SIGINT in a background command.
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp("lastline", sys.argv[1:])' lastline bench --seconds 60 "${channel[@]}" 2>"$tmp/err" &
	await is_at "$2" $!
	if [ "$3" = remove ]; then
		lastline remove engine
	else
		grep -q '^bench\.' /sys/class/lastline/lastline*/name ||
			fail "it has no temporary channel"
		kill "-$3" $!
	fi
	wait $!
	expect "$1" $? "the status"
	if [ "$3" = remove ]; then
		has_word "$tmp/err" engine || fail "it prints '$(cat "$tmp/err")'"
	else
		expect "$before" "$(channels)" "the channels"
	fi
}
test_that "SIGTERM during calls ends bench, which removes its channel" ends 143 calls TERM
test_that "SIGHUP during wake-ups ends bench, which removes its channel" ends 129 wake-ups HUP
test_that "SIGINT ends bench, which removes its channel" ends 130 calls INT
test_that "removing the channel during calls ends bench with status 1" \
	ends 1 calls remove
test_that "removing the channel during wake-ups ends bench with status 1" \
	ends 1 wake-ups remove

after=put_channels_back
run_tests
