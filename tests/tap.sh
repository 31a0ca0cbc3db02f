# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shell tests with KTAP output. There are two forms:
#
# check NAME COMMAND...: runs COMMAND immediately, in a subshell. It passes if COMMAND
# succeeds and prints nothing. The last command of the script is: finish
#
# test_that NAME COMMAND...: registers COMMAND for run_tests, which runs each command in its
# own process group and kills that afterwards. Its output is printed if it fails. $tmp is an
# empty directory for the test. The last command of the script is: run_tests
#
# A command of either form may call fail, skip and the other helpers below.
limit=1200	# time limit of a test in run_tests, in seconds
patience=180	# timeout of await, in seconds
after=:		# command that run_tests runs after each test, and at the end
tap_number=0 tap_failed=0 tap_skipped=0
tap_names=() tap_commands=()

# tap_result STATUS NAME OUTPUT: prints a result. Status 0 is a pass, 4 a skip, for which the
# last line of the output is the reason; any other is a failure.
tap_result()
{
	tap_number=$((tap_number + 1))
	case $1 in
	0)	echo "ok $tap_number - $2" ;;
	4)	echo "ok $tap_number - $2 # SKIP ${3##*$'\n'}"
		tap_skipped=$((tap_skipped + 1)) ;;
	*)	head -n 100 <<<"$3" | sed 's/^/# /'
		echo "not ok $tap_number - $2"
		tap_failed=$((tap_failed + 1)) ;;
	esac
}

check()
{
	local name=$1 output status=0
	shift

	[ "$tap_number" != 0 ] || echo "TAP version 13"
	output=$("$@" 2>&1) || status=$?
	[ "$status" != 0 ] || [ -z "$output" ] || status=1
	tap_result "$status" "$name" "$output"
}

# finish: prints the plan and exits like kselftest: 0 passed, 1 failed, 4 all skipped
finish()
{
	echo "1..$tap_number"
	[ "$tap_failed" = 0 ] || exit 1
	[ "$tap_skipped" != "$tap_number" ] || exit 4
	exit 0
}

# skip_all REASON: exits from a program whose tests cannot run here
skip_all()
{
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit 4
}

test_that()
{
	tap_names+=("$1")
	tap_commands+=("${*:2}")
}

fail()
{
	echo "$*"
	exit 1
}

skip()
{
	echo "$*"
	exit 4
}

# needs PROGRAM...: skips the test if one is missing
needs()
{
	local program

	for program; do
		type -P "$program" >/dev/null || skip "$program is not installed"
	done
}

# quiet COMMAND...: prints the end of the output, and only if COMMAND fails
quiet()
{
	local output status=0

	output=$("$@" 2>&1) || status=$?
	[ "$status" = 0 ] || tail -n 50 <<<"$output"
	return "$status"
}

# await COMMAND...: repeats COMMAND until it succeeds
await()
{
	local end=$((SECONDS + patience))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || fail "timed out after $patience s: $*"
		sleep 0.02
	done
}

has_line() { grep -qxF -- "$2" "$1" 2>/dev/null; }

# is_asleep PROCESS: it sleeps in a system call
is_asleep() { local stat; read -r stat <"/proc/$1/stat" && [[ ${stat##*) } == S* ]]; }

# expect WANTED ACTUAL WHAT
expect()
{
	[ "$2" = "$1" ] || fail "$3 is '$2' instead of '$1'"
}

# fails_with STATUS TEXT COMMAND...: COMMAND exits with STATUS and its output contains TEXT
fails_with()
{
	local status=0 output

	output=$("${@:3}" 2>&1) || status=$?
	expect "$1" "$status" "the exit status of ${*:3}"
	[[ $output == *"$2"* ]] || fail "${*:3} prints '$output' without '$2'"
}

# await_end PROCESS|-GROUP: waits for the end of a killed process, which may take a moment
# to close its files
await_end()
{
	local end=$((SECONDS + patience))

	while kill -0 -- "$1" && [ "$SECONDS" -lt "$end" ]; do
		sleep 0.01
	done
}

# run_test NAME COMMAND
run_test()
{
	local command watchdog status

	read -ra command <<<"$2"
	rm -rf "$tmp"
	mkdir "$tmp"
	set -m
	("${command[@]}") </dev/null >"$log" 2>&1 &
	group=$!
	(
		sleep "$limit"
		echo "took longer than $limit s" >>"$log"
		kill -KILL -- -"$group"
	) &
	watchdog=$!
	set +m
	disown "$watchdog"
	wait "$group"
	status=$?
	kill -KILL -- -"$watchdog" -"$group"
	await_end "-$group"
	group=
	"$after"
	tap_result "$status" "$1" "$(cat "$log")"
} 2>/dev/null

# shellcheck disable=SC2317 # called by the trap
clean_up()
{
	[ -z "$group" ] || kill -KILL -- -"$group" 2>/dev/null
	"$after"
	rm -rf "$home"
}

# run_tests: runs all tests of test_that, then calls finish
run_tests()
{
	local i

	group=''
	home=$(mktemp -d) || exit 1
	tmp=$home/test log=$home/log
	trap clean_up EXIT
	trap 'exit 1' INT TERM HUP

	echo "TAP version 13"
	for i in "${!tap_names[@]}"; do
		run_test "${tap_names[i]}" "${tap_commands[i]}"
	done
	finish
}
