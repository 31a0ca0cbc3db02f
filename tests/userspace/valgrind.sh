#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the tests of the library, some commands and the bridge under valgrind. An error or a
# leak fails the test. Needs root, the module, and all installed. The argument is
# lib_test_shared.
#
# valgrind derives the size and direction of an ioctl from its number, and would warn of
# CLEAR. It does not report reachable memory, which killed processes leave. --exec and
# --every are not tested, because valgrind of Debian 12 does not support pidfd_open().
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"
wants lastline lastline-mqtt valgrind
export ON_VALGRIND=1

checked=(valgrind --quiet --error-exitcode=99 --leak-check=full --sim-hints=lax-ioctls)

commands()
{
	local words

	printf 'a\nb --record\n' >"$tmp/a.conf"
	while read -r words; do
		# shellcheck disable=SC2086 # words
		"${checked[@]}" lastline $words >"$tmp/out" 2>&1 </dev/null ||
			fail "lastline $words: $(cat "$tmp/out")"
	done <<-END
		add --from $tmp/a.conf
		pub a some words
		pub b
		list
		list --json
		info --json a
		get a
		watch --count 1 a
		top --once --interval 100ms --all
		bench --seconds 0.1
		clear a
		remove a b
	END
}
test_that "valgrind finds no error or leak in the commands" commands

# There is no broker. The bridge reads the password for each attempt to connect.
bridge()
{
	set -- "${checked[@]}" lastline-mqtt --broker mqtt://127.0.0.1:1 --publish 0=t \
		--user me --password-file "$tmp/password"
	: >"$tmp/password"
	fails_with 2 "$tmp/password: " "$@"
	echo secret >"$tmp/password"
	"$@" 2>"$tmp/log" &
	await grep refused "$tmp/log"
	: >"$tmp/password"
	await grep "$tmp/password: " "$tmp/log"
	kill -TERM "$!"
	wait "$!" || fail "$(cat "$tmp/log")"
}
test_that "valgrind finds no error or leak in a bridge whose password file becomes empty" bridge

after=put_channels_back
"${checked[@]}" "$1" || tap_failed=1
run_tests
