#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The channel in the hands of shells and everyday programs. LASTLINE_DEV names it,
# /dev/lastline0 unless it is set; nothing else may use it meanwhile.
set -u

dev=${LASTLINE_DEV:-/dev/lastline0}
sysfs=/sys/class/lastline/${dev##*/}
group_dir=/sys/fs/cgroup/lastline-scenarios
pause=0.2	# seconds in which something that must not happen would have

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"

if [ ! -c "$dev" ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP no $dev here; load the module"
	exit 4
fi

generation() { cat "$sysfs/generation"; }
published_since() { echo $(($(generation) - $1)); }
newest() { head -n 1 "$dev"; }
newest_is() { [ "$(newest)" = "$1" ]; }
has_line() { grep -qxF -- "$2" "$1" 2>/dev/null; }

is_asleep()
{
	local stat

	read -r stat <"/proc/$1/stat" && [[ ${stat##*) } == S* ]]
}

# Every reader begins with the present line, so a test makes it one that it knows.
begin() { echo "${1:-start}" >"$dev"; }

# A line that shows whether it is whole.
tokens() { echo "$1 $1 $1 $1 $1 $1 $1 $1"; }

# Overwrites one such line with the next, of several lengths, as fast as it can.
write_fast()
{
	local i=0 t

	while :; do
		t=$((++i % 5 ? i : i * 1000003))
		echo "$t $t $t $t $t $t $t $t"
	done
}

# The same in pieces.
write_pieces()
{
	local i=0

	while :; do
		printf '%s ' "$1$((++i))" "$1$i" "$1$i"
		printf '%s %s %s ' "$1$i" "$1$i" "$1$i"
		printf '%s %s\n' "$1$i" "$1$i"
	done
}

# For any shell: reads $1 lines and looks whether each is whole.
# shellcheck disable=SC2016 # that shell expands it
read_whole='
	n=0
	while [ "$n" -lt "$1" ]; do
		IFS= read -r line || { echo "read failed after $n lines"; exit 1; }
		t=${line%% *}
		[ "$line" = "$t $t $t $t $t $t $t $t" ] || { echo "torn: $line"; exit 1; }
		n=$((n + 1))
	done
	[ "$n" = "$1" ]'

# For any shell: prints what it reads, until "stop". Ends in 1 at end-of-file.
# shellcheck disable=SC2016
print_lines='
	while IFS= read -r line; do
		echo "$line"
		[ "$line" != stop ] || exit 0
	done
	exit 1'

# shell NAME PROGRAM ARGUMENT...
shell()
{
	case $1 in
	busybox)	exec busybox sh -c "${@:2:1}" "$1" "${@:3}" ;;
	*)		exec "$1" -c "${@:2:1}" "$1" "${@:3}" ;;
	esac
}

# Looks at a file of lines made by tokens() and the like.
all_whole()
{
	bash -c "$read_whole" - "$(wc -l <"$1")" <"$1"
}

# follow COMMAND...: starts a reader, its output in $out, its process $reader, and
# waits until it sleeps with the present line taken.
follow()
{
	out=$tmp/out
	begin
	"$@" >"$out" &
	reader=$!
	await has_line "$out" start
	await is_asleep "$reader"
}

#
# Shells that read
#

reads_whole_lines()
{
	needs "$1"
	tokens start >"$dev"
	write_fast >"$dev" &
	(shell "$1" "$read_whole" 300 <"$dev") || fail "$1 did not read 300 whole lines"
}

carries_on_after_restarts()
{
	local i j

	needs "$1"
	follow shell "$1" "$print_lines" <"$dev"
	for i in 1 2 3 4 5; do
		(for j in 1 2 3 4 5 6 7 8; do echo "writer $i line $j"; done) >"$dev"
		await has_line "$out" "writer $i line 8"
		# Writers may even come and go without a word.
		: >"$dev"
		: >>"$dev"
	done
	echo stop >"$dev"
	wait "$reader" || fail "the loop in $1 ended with status $?"
	! grep -vxE 'start|stop|writer [1-5] line [1-8]' "$out" || fail "half a line"
}

for name in bash dash zsh busybox; do
	test_that "read -r in $name gets whole lines while a fast writer overwrites them" \
		reads_whole_lines $name
	test_that "while read -r in $name carries on when the writer is restarted" \
		carries_on_after_restarts $name
done

read_timeout()
{
	local line

	begin
	exec 3<"$dev"
	read -r -t "$patience" -u 3 line || fail "no present line"
	expect start "$line" "the present line"
	! read -r -t "$pause" -u 3 line || fail "read -t got '$line', and nothing was new"
	echo new >"$dev"
	read -r -t "$patience" -u 3 line || fail "read -t got nothing"
	expect new "$line" "the new line"
}
test_that "read -t in bash gives up when nothing is new, and loses nothing" read_timeout

one_descriptor_for_both()
{
	local line

	begin
	exec 3<>"$dev"
	read -r -u 3 line
	expect start "$line" "the present line"
	echo mine >&3
	read -r -u 3 line
	expect mine "$line" "the line read back"
}
test_that "a descriptor opened by <> reads what it wrote" one_descriptor_for_both

#
# Programs that write
#

echo_publishes()
{
	local before

	before=$(generation)
	echo hello >"$dev"
	expect hello "$(newest)" "the newest line"
	echo again >>"$dev"
	expect again "$(newest)" "the newest line"
	expect 2 "$(published_since "$before")" "the number of publications"
}
test_that "echo > and echo >> publish a line, without any reader" echo_publishes

printf_at_close()
{
	begin
	exec 4>"$dev"
	printf 'no ' >&4
	printf newline >&4
	expect start "$(newest)" "the newest line before the close"
	exec 4>&-
	expect "no newline" "$(newest)" "the newest line after the close"
}
test_that "printf without a newline publishes at the close" printf_at_close

rises_to()
{
	local i last=-1

	while read -r i; do
		[ "$i" -gt "$last" ] || fail "$i after $last"
		last=$i
		[ "$i" != "$1" ] || return 0
	done
	fail "end of file"
}

seq_leaves_last()
{
	needs seq
	begin 0
	rises_to 200000 <"$dev" &
	seq 1 200000 >"$dev"
	expect 200000 "$(newest)" "the newest line"
	wait $! || fail "the reader did not see numbers rise to 200000"
}
test_that "seq 1 200000 leaves 200000, and a reader sees numbers rise to it" seq_leaves_last

yes_does_not_hang()
{
	local i line status

	needs yes timeout
	echo y >"$dev"
	yes >"$dev" &
	exec 3<"$dev"
	for ((i = 0; i < 100; i++)); do
		read -r line <&3
		expect y "$line" "the line"
	done
	kill $!
	wait $!
	timeout 1 yes >"$dev"
	status=$?
	# 124 from coreutils, 143 from busybox
	[[ $status == 124 || $status == 143 ]] || fail "timeout ended with $status"
	expect y "$(newest)" "the newest line"
	yes n | head -n 100000 >"$dev"
	expect n "$(newest)" "the newest line"
}
test_that "yes > runs until it is stopped, and a reader sees nothing but y" yes_does_not_hang

cat_copies_file()
{
	local i

	for ((i = 1; i <= 5000; i++)); do
		tokens $i
	done >"$tmp/file"
	cat "$tmp/file" >"$dev"
	expect "$(tokens 5000)" "$(newest)" "the newest line"
	printf 'and no newline' >>"$tmp/file"
	cat "$tmp/file" >"$dev"
	expect "and no newline" "$(newest)" "the newest line"
}
test_that "cat FILE > leaves the last line, even if it has no newline" cat_copies_file

cat_passes_pipe_on()
{
	begin
	mkfifo "$tmp/pipe"
	cat "$tmp/pipe" >"$dev" &
	exec 4>"$tmp/pipe"
	echo one >&4
	await newest_is one
	echo two >&4
	await newest_is two
}
test_that "cat > passes each line of a pipe on" cat_passes_pipe_on

tee_copies()
{
	needs tee
	printf 'one\ntwo\nthree\n' | tee "$dev" >"$tmp/copy"
	expect three "$(newest)" "the newest line"
	expect 3 "$(wc -l <"$tmp/copy")" "the number of lines copied"
}
test_that "tee leaves the last line and passes all on" tee_copies

dd_writes_bytes()
{
	local before i

	needs dd
	for i in 1 20 300 4000; do
		tokens $i
	done >"$tmp/file"
	follow cat "$dev"
	before=$(generation)
	dd bs=1 if="$tmp/file" of="$dev" 2>/dev/null || fail "dd failed"
	expect 4 "$(published_since "$before")" "the number of publications"
	expect "$(tokens 4000)" "$(newest)" "the newest line"
	await has_line "$out" "$(tokens 4000)"
	sed -i 1d "$out"
	all_whole "$out" || fail "half a line"
}
test_that "dd bs=1 writes byte by byte, and each line comes out whole" dd_writes_bytes

stdio_chunks()
{
	needs awk
	tokens start >"$dev"
	awk 'BEGIN {
		for (;;) {
			i++
			print i, i, i, i, i, i, i, i
		}
	}' >"$dev" &
	bash -c "$read_whole" - 300 <"$dev" || fail "half a line"
	kill -KILL $!
	wait $!
	bash -c "$read_whole" - 1 <"$dev" || fail "half a line at the end"
}
test_that "a program that writes through stdio never publishes half a line" stdio_chunks

writers_in_pieces()
{
	tokens start >"$dev"
	write_pieces a >"$dev" &
	write_pieces b >"$dev" &
	bash -c "$read_whole" - 200 <"$dev" || fail "half a line"
}
test_that "two shells that write in pieces never mix inside a line" writers_in_pieces

#
# Programs that read
#

head_ends()
{
	begin one
	expect one "$(head -n 1 "$dev")" "what head got"
	begin two
	expect two "$(head -n 1 <"$dev")" "what head got"
	# The present line, and another one that it has to wait for.
	head -n 2 "$dev" >"$tmp/two" &
	await has_line "$sysfs/readers" 1
	await is_asleep $!
	echo three >"$dev"
	wait $!
	expect $'two\nthree' "$(cat "$tmp/two")" "what head -n 2 got"
}
test_that "head -n 1 takes the newest line and ends, head -n 2 waits for one more" head_ends

write_fixed_length()
{
	local i=1000000

	while :; do
		tokens $((i++))
	done
}

dd_reads_bytes()
{
	needs dd
	tokens 1000000 >"$dev"
	write_fixed_length >"$dev" &
	dd bs=1 count=1280 if="$dev" of="$tmp/lines" 2>/dev/null || fail "dd failed"
	expect 20 "$(wc -l <"$tmp/lines")" "the number of lines"
	all_whole "$tmp/lines" || fail "half a line"
}
test_that "dd bs=1 reads whole lines while a fast writer overwrites them" dd_reads_bytes

# follows COMMAND...: each of five lines that it is given time for comes out
follows()
{
	local i

	needs "$1"
	follow "$@"
	for i in 1 2 3 4 5; do
		echo "line $i" >"$dev"
		await has_line "$out" "line $i"
	done
	expect 6 "$(wc -l <"$out")" "the number of lines"
}
test_that "cat follows the channel" follows cat "$dev"
test_that "socat follows the channel" follows socat -u "OPEN:$dev,rdonly" STDOUT

tail_follows()
{
	local i=0 end=$((SECONDS + patience))

	needs tail
	tokens start >"$dev"
	# Without +1 tail would wait for an end before it shows anything.
	tail -n +1 -f "$dev" >"$tmp/out" &
	# It writes when its buffer is full.
	until [ -s "$tmp/out" ]; do
		[ $SECONDS -lt $end ] || fail "tail shows nothing"
		tokens $((++i)) >"$dev"
	done
	kill $!
	head -n -1 "$tmp/out" >"$tmp/lines"
	all_whole "$tmp/lines" || fail "half a line"
}
test_that "tail -n +1 -f follows the channel" tail_follows

socat_writes()
{
	needs socat
	begin
	printf 'one\ntwo\n' | socat -u STDIN "OPEN:$dev,wronly" || fail "socat failed"
	expect two "$(newest)" "the newest line"
}
test_that "socat writes the channel" socat_writes

socat_both_ways()
{
	needs socat
	begin
	mkfifo "$tmp/in"
	socat STDIO "FILE:$dev" <"$tmp/in" >"$tmp/out" &
	exec 4>"$tmp/in"
	await has_line "$tmp/out" start
	echo mine >&4
	await has_line "$tmp/out" mine
	expect mine "$(newest)" "the newest line"
	echo theirs >"$dev"
	await has_line "$tmp/out" theirs
}
test_that "socat reads and writes the channel through one open file" socat_both_ways

#
# Readers that wait
#

sleeps_idly()
{
	local before after

	follow cat "$dev"
	await stays_asleep
	before=$(switches)
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		: >"$dev"
	done
	sleep 1
	after=$(switches)
	expect "$before" "$after" "what the reader's context switches say"
	is_asleep "$reader" || fail "the reader does not sleep"
	echo end >"$dev"
	await has_line "$out" end
}
switches() { grep ctxt "/proc/$reader/status"; }
# It is asleep by its state a moment before it leaves the processor.
stays_asleep()
{
	local before

	before=$(switches)
	sleep "$pause"
	[ "$(switches)" = "$before" ]
}
test_that "a reader sleeps without using a processor while writers come and go" sleeps_idly

# blocked_reader_survives COMMAND...: writers killed in the middle of a line
blocked_reader_survives()
{
	local before i

	follow "$@"
	before=$(generation)
	for i in 1 2 3 4 5; do
		(echo "whole $i"; printf half; kill -KILL "$BASHPID") >"$dev"
		expect "whole $i" "$(newest)" "the newest line after a kill"
		await has_line "$out" "whole $i"
		await is_asleep "$reader"
	done
	# The last one is killed by another process, asleep, with nothing but half a line.
	mkfifo "$tmp/never"
	(printf half; : >"$tmp/ready"; read -r <>"$tmp/never") >"$dev" &
	await test -e "$tmp/ready"
	kill -KILL $!
	wait $!
	sleep "$pause"
	expect 5 "$(published_since "$before")" "the number of publications"
	echo end >"$dev"
	await has_line "$out" end
	! grep half "$out" || fail "half a line"
	expect 7 "$(wc -l <"$out")" "the number of lines"
}

read_and_print()
{
	exec bash -c "$print_lines" <"$dev"
}
test_that "a blocked cat carries on when writers are killed, and gets no half line" \
	blocked_reader_survives cat "$dev"
test_that "a blocked shell carries on when writers are killed, and gets no half line" \
	blocked_reader_survives read_and_print

survives_random_kills()
{
	local i

	tokens start >"$dev"
	bash -c "while :; do $read_whole; done" - 1 <"$dev" >"$tmp/out" &
	reader=$!
	for i in 1 2 3 4 5 6 7 8; do
		write_pieces "$i." >"$dev" &
		sleep "0.0$RANDOM"
		kill -KILL $!
		wait $!
		newest >"$tmp/last"
		all_whole "$tmp/last" || fail "half a line is left"
	done
	tokens end >"$dev"
	await is_asleep "$reader"
	expect "" "$(cat "$tmp/out")" "what the reader complains about"
}
test_that "a writer killed at any moment leaves a whole line" survives_random_kills

stopped_by_timeout()
{
	needs timeout cat
	begin
	mkfifo "$tmp/pipe"
	exec 4<>"$tmp/pipe"
	printf 'whole\nhalf' >&4
	timeout 1000 cat "$tmp/pipe" >"$dev" &
	await newest_is whole
	# What it gets it hands on, as it does when the time is over.
	kill $!
	wait $!
	expect whole "$(newest)" "the newest line"
}
test_that "a writer stopped by timeout publishes no half line" stopped_by_timeout

next_writer_begins_anew()
{
	begin
	exec 4>"$dev"
	(printf half; kill -KILL "$BASHPID") >&4
	expect start "$(newest)" "the newest line after the first kill"
	echo whole >&4
	expect whole "$(newest)" "the newest line of the next writer"
	(printf half; kill -KILL "$BASHPID") >&4
	exec 4>&-
	expect whole "$(newest)" "the newest line after the close"
}
test_that "the next writer in a shell does not continue the line of one that was killed" \
	next_writer_begins_anew

stays_frozen()
{
	[ "$EUID" = 0 ] || skip "needs root"
	[ -e /sys/fs/cgroup/cgroup.procs ] || skip "no cgroup2 at /sys/fs/cgroup"
	mkdir -p "$group_dir" || skip "no new cgroup at /sys/fs/cgroup"
	[ -e "$group_dir/cgroup.freeze" ] || skip "no cgroup.freeze"
	follow cat "$dev"
	echo "$reader" >"$group_dir/cgroup.procs" || fail "the reader does not move"
	echo 1 >"$group_dir/cgroup.freeze"
	await has_line "$group_dir/cgroup.events" "frozen 1"
	echo one >"$dev"
	echo two >"$dev"
	sleep "$pause"
	has_line "$group_dir/cgroup.events" "frozen 1" || fail "a publication thawed the reader"
	expect start "$(cat "$out")" "what the frozen reader got"
	echo 0 >"$group_dir/cgroup.freeze"
	await has_line "$out" two
	expect 2 "$(wc -l <"$out")" "the number of lines"
	echo three >"$dev"
	await has_line "$out" three
}
test_that "a blocked reader stays frozen across a publication, and then gets the newest" \
	stays_frozen

leave_group()
{
	local tries=0

	[ -d "$group_dir" ] || return
	echo 0 >"$group_dir/cgroup.freeze" 2>/dev/null
	until rmdir "$group_dir" 2>/dev/null || [ $((++tries)) = 100 ]; do
		sleep 0.05
	done
}

#
# Who may
#

as_nobody()
{
	if [ "$EUID" = 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

any_user()
{
	needs setpriv
	[ "$(stat -L -c %a "$dev")" = 666 ] || skip "the mode is not 0666"
	begin
	expect start "$(as_nobody head -n 1 "$dev")" "what nobody read"
	# shellcheck disable=SC2016 # nobody expands it
	as_nobody bash -c 'echo "from nobody" >"$1"' - "$dev" || fail "nobody cannot write"
	expect "from nobody" "$(newest)" "the newest line"
}
test_that "any user reads and writes it" any_user

after=leave_group
run_tests
