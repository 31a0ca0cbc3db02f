#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Shells and common programs use a channel as a file. LASTLINE_DEV selects the channel,
# /dev/lastline0 by default. No other program may use it during the tests.
set -u

dev=${LASTLINE_DEV:-/dev/lastline0}
sysfs=/sys/class/lastline/${dev##*/}
cgroup=/sys/fs/cgroup/lastline_shell_test

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
limit=60 patience=50

[ -c "$dev" ] || skip_all "no $dev: load the module"

generation() { cat "$sysfs/generation"; }
published_since() { echo $(($(generation) - $1)); }
newest() { head -n 1 "$dev"; }
newest_is() { [ "$(newest)" = "$1" ]; }

# Prints a line of eight equal words. A torn line has different words.
line_of() { echo "$1 $1 $1 $1 $1 $1 $1 $1"; }

# Publishes the line with which new readers start.
publish_start() { line_of start >"$dev"; }

# Publishes lines of several lengths as fast as it can.
write_fast()
{
	local i=0

	while line_of $((++i % 5 ? i : i * 1000003)); do :; done >"$dev"
}

expect_whole_lines()
{
	! grep -vxE '([^ ]+)( \1){7}' "$1" || fail "these lines are torn"
}

# start_reader COMMAND...: starts a reader with its output in $out and its process in $reader,
# and waits until it has read the current line and sleeps.
start_reader()
{
	out=$tmp/out
	publish_start
	"$@" >"$out" &
	reader=$!
	await has_line "$out" "$(line_of start)"
	await is_asleep "$reader"
}

# run_shell NAME PROGRAM ARGUMENT...: runs PROGRAM in this shell
run_shell()
{
	case $1 in
	busybox)	exec busybox sh -c "${@:2:1}" "$1" "${@:3}" ;;
	*)		exec "$1" -c "${@:2:1}" "$1" "${@:3}" ;;
	esac
}

# shell_reads NAME: reads lines in a loop of this shell
shell_reads()
{
	# shellcheck disable=SC2016 # the shell NAME expands it
	run_shell "$1" 'while IFS= read -r line; do echo "$line" || exit; done' <"$dev"
}

# needs_reader READER...: skips the test if the program or, for shell_reads, the shell is missing
needs_reader() { needs "${1/#shell_reads/$2}"; }

# gets_whole_lines READER...: the reader gets whole lines while they are overwritten
gets_whole_lines()
{
	needs_reader "$@"
	publish_start
	write_fast &
	"$@" 2>/dev/null | head -n 50 >"$tmp/lines"
	expect 50 "$(wc -l <"$tmp/lines")" "the number of lines"
	expect_whole_lines "$tmp/lines"
}

# survives_writers READER...: the reader gets each line that it waits for, and no partial line
survives_writers()
{
	local i

	needs_reader "$@"
	start_reader "$@"
	for i in 1 2 3 4 5; do
		(line_of "killed$i"; printf half; kill -KILL "$BASHPID") >"$dev"
		await has_line "$out" "$(line_of "killed$i")"
		: >"$dev"
		: >>"$dev"
		(line_of overwritten; line_of "restarted$i") >"$dev"
		await has_line "$out" "$(line_of "restarted$i")"
	done
	expect_whole_lines "$out"
	expect 11 "$(grep -cv overwritten "$out")" "the number of lines"
}

# A program for any shell with all kinds of redirection to the channel $1
# shellcheck disable=SC2016 # the shell expands it
redirections='
	dev=$1
	newest_is() { test "$(head -n 1 "$dev")" = "$1" || { echo "not published: $1"; exit 1; }; }
	reads() { IFS= read -r line <&3; test "$line" = "$1" || { echo "not read: $1"; exit 1; }; }
	set -C
	echo one >"$dev"
	newest_is one
	echo two >>"$dev"
	exec 3<>"$dev"
	reads two
	echo three >&3
	reads three
	cat <<-END >&3
	four
	five
	END
	reads five
	(printf " si"; printf "x") >&3
	newest_is five
	echo " seven" >&3
	reads " six seven"
	printf eight >&3
	newest_is " six seven"
	exec 3>&-
	newest_is eight'

redirects()
{
	needs "$1"
	run_shell "$1" "$redirections" "$dev"
}

for shell in bash dash zsh busybox; do
	test_that "redirections of $shell publish and read lines" redirects $shell
	test_that "a read loop in $shell gets whole lines while they are overwritten" \
		gets_whole_lines shell_reads $shell
	test_that "a read loop in $shell survives restarted and killed writers" \
		survives_writers shell_reads $shell
done

for command in "cat $dev" "dd bs=1 if=$dev" "socat -u OPEN:$dev,rdonly STDOUT" \
		"tail -n +1 -f $dev"; do
	test_that "${command%% *} gets whole lines while they are overwritten" \
		gets_whole_lines "$command"
done
test_that "a blocked cat survives restarted and killed writers" survives_writers cat "$dev"
test_that "a blocked socat survives restarted and killed writers" \
	survives_writers socat -u "OPEN:$dev,rdonly" STDOUT

read_timeout()
{
	local line

	publish_start
	exec 3<"$dev"
	read -r -t "$patience" -u 3 line || fail "no current line"
	! read -r -t 0.2 -u 3 line || fail "read -t got '$line' again"
	echo new >"$dev"
	read -r -t "$patience" -u 3 line || fail "read -t got nothing"
	expect new "$line" "the new line"
}
test_that "read -t in bash times out without a new line, and loses none" read_timeout

head_ends()
{
	local reader

	echo one >"$dev"
	expect one "$(head -n 1 "$dev")" "the line from head -n 1"
	head -n 2 "$dev" >"$tmp/two" &
	reader=$!
	await has_line "$sysfs/readers" 1
	await is_asleep "$reader"
	echo two >"$dev"
	wait "$reader"
	expect $'one\ntwo' "$(cat "$tmp/two")" "what head -n 2 got"
}
test_that "head -n 1 prints the newest line and exits, head -n 2 waits for another" head_ends

# publishes COMMAND...: COMMAND copies lines and a partial line to the channel
publishes()
{
	local i

	needs "${1%_into}"
	start_reader cat "$dev"
	for ((i = 1; i <= 100; i++)); do
		line_of "$i"
	done >"$tmp/file"
	printf 'without newline' >>"$tmp/file"
	"$@" <"$tmp/file" >"$tmp/copy" 2>/dev/null || fail "$1 failed"
	expect "without newline" "$(newest)" "the newest line"
	await has_line "$out" "without newline"
	sed -i '$d' "$out"
	expect_whole_lines "$out"
}
cat_into() { cat >"$dev"; }
test_that "cat publishes whole lines, and a partial line at its end" publishes cat_into
for command in "tee $dev" "dd bs=1 of=$dev" "socat -u STDIN OPEN:$dev,wronly"; do
	test_that "${command%% *} publishes whole lines, and a partial line at its end" \
		publishes "$command"
done

numbers_rise()
{
	local i last=0

	while [ "$last" != 200000 ]; do
		read -r i || fail "end of file"
		[ "$i" -gt "$last" ] || fail "$i after $last"
		last=$i
	done
}

seq_leaves_last()
{
	echo 1 >"$dev"
	numbers_rise <"$dev" &
	seq 2 200000 >"$dev"
	expect 200000 "$(newest)" "the newest line"
	wait $! || fail "the reader did not see the numbers rise to 200000"
}
test_that "seq leaves its last number, and a reader gets increasing numbers" seq_leaves_last

stdio_buffer()
{
	needs awk
	publish_start
	awk 'BEGIN { for (;;) { i++; print i, i, i, i, i, i, i, i } }' >"$dev" &
	head -n 50 "$dev" >"$tmp/lines"
	kill -KILL $!
	wait $!
	newest >>"$tmp/lines"
	expect_whole_lines "$tmp/lines"
}
test_that "a program with a stdio buffer never publishes a partial line" stdio_buffer

stopped_by_timeout()
{
	needs timeout
	publish_start
	mkfifo "$tmp/pipe"
	exec 4<>"$tmp/pipe"
	timeout 1000 cat "$tmp/pipe" >"$dev" &
	echo one >&4
	await newest_is one
	printf 'two\nhalf' >&4
	await newest_is two
	# A signal makes timeout end the command, as its time limit does.
	kill $!
	wait $!
	expect two "$(newest)" "the newest line"
}
test_that "cat copies each line from a pipe, and no partial line when timeout ends it" \
	stopped_by_timeout

socat_both_ways()
{
	needs socat
	publish_start
	mkfifo "$tmp/in"
	socat STDIO "FILE:$dev" <"$tmp/in" >"$tmp/out" &
	exec 4>"$tmp/in"
	await has_line "$tmp/out" "$(line_of start)"
	echo mine >&4
	await has_line "$tmp/out" mine
	expect mine "$(newest)" "the newest line"
	echo theirs >"$dev"
	await has_line "$tmp/out" theirs
}
test_that "socat reads and writes the channel through one open file" socat_both_ways

# write_pieces WORD: writes lines in several pieces
write_pieces()
{
	local i=0 word

	while word=$1.$((++i)); do
		printf '%s ' "$word" "$word" "$word"
		printf '%s %s %s %s %s\n' "$word" "$word" "$word" "$word" "$word"
	done
}

killed_at_any_moment()
{
	local i before

	start_reader cat "$dev"
	for i in 1 2 3 4 5; do
		before=$(generation)
		write_pieces "$i" >"$dev" &
		until [ "$(published_since "$before")" -gt $((RANDOM % 20)) ]; do :; done
		kill -KILL $!
		wait $!
		newest >>"$tmp/last"
	done
	expect_whole_lines "$tmp/last"
	line_of end >"$dev"
	await has_line "$out" "$(line_of end)"
	expect_whole_lines "$out"
}
test_that "a writer killed at any moment leaves a whole line" killed_at_any_moment

partial_line_discarded()
{
	publish_start
	exec 4>"$dev"
	(printf half; kill -KILL "$BASHPID") >&4
	newest_is "$(line_of start)" || fail "a partial line was published"
	echo whole >&4
	expect whole "$(newest)" "the newest line of the next writer"
	(printf half; kill -KILL "$BASHPID") >&4
	exec 4>&-
	expect whole "$(newest)" "the newest line after the close"
}
test_that "the next writer of an open file does not continue the line of a killed one" \
	partial_line_discarded

switches() { sed -n 's/^voluntary_ctxt_switches:\t//p' "/proc/$reader/status"; }

sleeps_idly()
{
	local before i

	start_reader cat "$dev"
	before=$(switches)
	for ((i = 0; i < 50; i++)); do
		: >"$dev"
	done
	# The reader may have been about to sleep.
	[ $(($(switches) - before)) -le 1 ] || fail "the reader was woken"
	is_asleep "$reader" || fail "the reader does not sleep"
	echo end >"$dev"
	await has_line "$out" end
}
test_that "opening and closing a channel for writing does not wake its reader" sleeps_idly

stays_frozen()
{
	[ "$EUID" = 0 ] || skip "needs root"
	[ -e /sys/fs/cgroup/cgroup.procs ] || skip "cgroup2 is not mounted at /sys/fs/cgroup"
	mkdir -p "$cgroup" || skip "cannot create a cgroup"
	[ -e "$cgroup/cgroup.freeze" ] || skip "the kernel has no cgroup.freeze"
	start_reader cat "$dev"
	echo "$reader" >"$cgroup/cgroup.procs" || fail "cannot move the reader to the cgroup"
	echo 1 >"$cgroup/cgroup.freeze"
	await has_line "$cgroup/cgroup.events" "frozen 1"
	echo one >"$dev"
	echo two >"$dev"
	sleep 0.2
	has_line "$cgroup/cgroup.events" "frozen 1" || fail "a write thawed the reader"
	expect "$(line_of start)" "$(cat "$out")" "what the frozen reader got"
	echo 0 >"$cgroup/cgroup.freeze"
	await has_line "$out" two
	expect 2 "$(wc -l <"$out")" "the number of lines"
	echo three >"$dev"
	await has_line "$out" three
}
test_that "a frozen reader stays frozen when a line is published, and then gets the newest" \
	stays_frozen

leave_cgroup()
{
	[ -d "$cgroup" ] || return 0
	echo 0 >"$cgroup/cgroup.freeze"
	(await rmdir "$cgroup")
} 2>/dev/null

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

any_user()
{
	needs setpriv
	[ "$EUID" = 0 ] || skip "needs root"
	[ "$(stat -L -c %a "$dev")" = 666 ] || skip "the mode is not 0666"
	publish_start
	expect "$(line_of start)" "$(as_nobody head -n 1 "$dev")" "the line that the user nobody read"
	as_nobody dd of="$dev" <<<"from nobody" 2>/dev/null || fail "the user nobody cannot write"
	as_nobody cat "/sys/class/lastline/${dev##*/}"/{generation,monotonic_ns,readers,writers} \
		>/dev/null || fail "the user nobody cannot read the attributes"
	expect "from nobody" "$(newest)" "the newest line"
}
test_that "any user reads and writes the channel" any_user

after=leave_cgroup
run_tests
