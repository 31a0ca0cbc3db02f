#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline bench. Wants the command installed, root, and a machine of its own: it adds
# users, and looks at all channels.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"
wants lastline

bench() { lastline bench --seconds 1 "$@"; }
channels() { find /sys/class/lastline/ -name 'lastline*' | sort; }
has_own() { cat /sys/class/lastline/lastline*/name | grep -q '^bench\.'; }

table()
{
	local text before

	before=$(channels)
	text=$(bench) || fail "it fails: $text"
	echo "$text"
	expect 8 "$(grep -cE '^[a-z].* [0-9]+(\.[0-9])? +[0-9]' <<<"$text")" "the number of figures"
	expect 2 "$(grep -c '^a pipe.* 1.00$' <<<"$text")" "how often the pipe is the yardstick"
	expect "$before" "$(channels)" "what channels there are"
}
test_that "it measures on a channel of its own, prints a table, and removes the channel" table

is_json()
{
	needs python3
	bench --json >"$tmp/out" || fail "it fails"
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
		# Whatever the machine does meanwhile: a load is less than a system call.
		assert calls["newer"]["median_ns"] < calls["write"]["median_ns"], calls
		assert it["rounds"] >= 3 and it["line_bytes"] == 64, it
	END
}
test_that "--json is JSON whose figures and ratios fit together" is_json

on_channel()
{
	local before after number

	number=$(lastline add engine)
	number=${number#/dev/lastline}
	before=$(cat "/sys/class/lastline/lastline$number/generation")
	bench engine | grep "/dev/lastline$number;" || fail "it does not name the channel"
	after=$(cat "/sys/class/lastline/lastline$number/generation")
	[ "$after" -gt $((before + 1000)) ] || fail "it did not publish there"
}
test_that "with a channel it publishes there" on_channel

# is_at calls|wake-ups PROCESS: what it measures at present
is_at()
{
	local threads=("/proc/$2/task"/*)

	case $1 in
	calls)		readlink "/proc/$2/fd"/* | grep -q '^/dev/lastline[0-9]' ;;
	# With a thread that sleeps for lines, and one for the pipe.
	wake-ups)	[ ${#threads[@]} = 3 ] ;;
	esac
}

# removes_own SIGNAL STATUS calls|wake-ups
removes_own()
{
	local before

	before=$(channels)
	lastline bench --seconds 60 &
	await is_at "$3" $!
	has_own || fail "there is no channel of its own"
	kill "-$1" $!
	wait $!
	expect "$2" $? "its status"
	expect "$before" "$(channels)" "what channels there are"
}
test_that "SIGTERM while it measures calls ends it, and its channel is removed" \
	removes_own TERM 143 calls
test_that "SIGHUP while a reader sleeps ends it, and its channel is removed" \
	removes_own HUP 129 wake-ups

interrupted()
{
	local before status=0

	needs setsid
	before=$(channels)
	# What a shell runs in the background ignores SIGINT.
	setsid --wait timeout --preserve-status --foreground -s INT 2 \
		lastline bench --seconds 20 || status=$?
	expect 130 "$status" "its status"
	expect "$before" "$(channels)" "what channels there are"
}
test_that "SIGINT ends it, and its channel is removed" interrupted

# loses_channel calls|wake-ups
loses_channel()
{
	local status=0

	lastline add engine >/dev/null
	lastline bench --seconds 60 engine 2>"$tmp/err" &
	await is_at "$1" $!
	lastline remove engine
	wait $! || status=$?
	expect 1 "$status" "its status"
	grep "engine: there is no such channel" "$tmp/err" || fail "it says '$(cat "$tmp/err")'"
}
test_that "a channel that is removed while it measures calls ends it with status 1" \
	loses_channel calls
test_that "a channel that is removed while a reader sleeps ends it with status 1" \
	loses_channel wake-ups

refuses()
{
	fails_with 1 "no such channel" bench nosuch
	fails_with 1 "not a channel" bench /dev/null
	fails_with 2 "0.1s to 1h" lastline bench --seconds 0
	fails_with 2 "only one channel" bench 0 1
	rmmod lastline || fail "the module does not unload"
	fails_with 1 "as root: modprobe lastline" bench
}
test_that "it says what is wrong with its arguments, or without the module" refuses

unprivileged()
{
	needs setpriv
	fails_with 1 "only root" setpriv --reuid=65534 --regid=65534 --clear-groups \
		lastline bench --seconds 1
}
test_that "who may not add a channel is told to name one" unprivileged

clean()
{
	needs valgrind
	valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect \
		--error-exitcode=99 lastline bench --seconds 0.1 2>&1 || fail "valgrind complains"
}
test_that "valgrind finds neither a leak nor an error" clean

after=put_channels_back
run_tests
