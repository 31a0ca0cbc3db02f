# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# For tests that are sentences, in bash: name them by test_that, then run_all.
#
# Each runs in a process group of its own, which ends with it: nothing that a test
# started outlives it, and what blocks for too long is a failure. It has a directory of
# its own in $tmp, and what it prints is shown if it fails.
limit=1200	# seconds for one test
patience=180	# seconds until something that must happen counts as lost
after=:				# to be run after each test, and at the end
sentences=() commands=()

# test_that SENTENCE COMMAND...: to be run in turn at the end
test_that()
{
	sentences+=("$1")
	commands+=("${*:2}")
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

needs()
{
	local program

	for program; do
		type -P "$program" >/dev/null || skip "no $program here"
	done
}

# await COMMAND...: until it succeeds
await()
{
	local end=$((SECONDS + patience))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || fail "waited in vain: $*"
		sleep 0.02
	done
}

# expect WANTED GOT WHAT
expect()
{
	[ "$2" = "$1" ] || fail "$3 is '$2' instead of '$1'"
}

# fails_with STATUS WORDS COMMAND...: and says so
fails_with()
{
	local status=0 said

	said=$("${@:3}" 2>&1) || status=$?
	expect "$1" "$status" "the status of ${*:3}"
	[[ $said == *"$2"* ]] || fail "${*:3} says '$said', and not '$2'"
}

# await_end PROCESS|-GROUP: who was killed may have a channel open a while longer
await_end()
{
	local end=$((SECONDS + patience))

	while kill -0 -- "$1" && [ "$SECONDS" -lt "$end" ]; do
		sleep 0.01
	done
}

# run NUMBER: the test of that number
run()
{
	local name="$1 - ${sentences[$1 - 1]}" command watchdog status

	read -ra command <<<"${commands[$1 - 1]}"
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
	case $status in
	0)	echo "ok $name" ;;
	4)	echo "ok $name # SKIP $(tail -n 1 "$log")"
		skipped=$((skipped + 1)) ;;
	*)	sed 's/^/# /' "$log"
		echo "not ok $name"
		failed=$((failed + 1)) ;;
	esac
} 2>/dev/null

# shellcheck disable=SC2317 # called by the trap
clean_up()
{
	[ -z "$group" ] || kill -KILL -- -"$group" 2>/dev/null
	"$after"
	rm -rf "$home"
}

# All of them.
run_all()
{
	local number

	group='' skipped=0 failed=0
	home=$(mktemp -d) || exit 1
	tmp=$home/test log=$home/log
	trap clean_up EXIT
	trap 'exit 1' INT TERM HUP

	echo "TAP version 13"
	echo "1..${#sentences[@]}"
	for ((number = 1; number <= ${#sentences[@]}; number++)); do
		run $number
	done
	[ $failed = 0 ] || exit 1
	[ $skipped != ${#sentences[@]} ] || exit 4
}
