#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Loads and unloads the module. Needs root and the module file, $LASTLINE_KO. No other program
# may use the module. At the end, the module is loaded again with its previous parameters.
set -u

ko=${LASTLINE_KO:-/vm/lastline.ko}
module=/sys/module/lastline
class=/sys/class/lastline
tracing=/sys/kernel/tracing
cgroup=/sys/fs/cgroup

# shellcheck source=SCRIPTDIR/../tap.sh
. "$(dirname "$0")/../tap.sh"
# Loading the module fifty times takes minutes on a debug kernel.
limit=300 patience=50

{ [ "$EUID" = 0 ] && [ -e "$ko" ]; } ||
	skip_all "run as root, and set LASTLINE_KO to the path of lastline.ko"

load() { insmod "$ko" "$@" || fail "insmod failed"; }
unload() { [ ! -e "$module" ] || rmmod lastline; }
newest() { head -n 1 "/dev/lastline$1"; }
attribute() { cat "$class/lastline$1/$2"; }
nodes() { compgen -G '/dev/lastline[0-9]*' | wc -l; }

expect_nothing_left()
{
	expect "" "$(compgen -G '/dev/lastline[-0-9]*'; compgen -G "$class*"; compgen -G "$module"
		grep -h lastline /proc/devices /proc/misc)" "what the module leaves behind"
}

# load_fails PARAMETER RANGE: the load fails, and the log states the range
load_fails()
{
	local mark="module_test $BASHPID" output

	echo "$mark" >/dev/kmsg
	! output=$(insmod "$ko" "$1" 2>&1) || fail "insmod succeeds"
	[[ $output == *"Invalid argument"* ]] || fail "$output"
	expect_nothing_left
	dmesg | sed "1,/$mark/d" | grep -q "lastline: $1 is out of range, use ${*:2}" ||
		fail "the log does not state the range"
}
for parameter in devices=0 devices=257 devices=-1 devices=many; do
	test_that "$parameter is rejected, and the log states the range" \
		load_fails $parameter "1 to 256"
done
for parameter in line_max=63 line_max=1048577 line_max=99999999999; do
	test_that "$parameter is rejected, and the log states the range" \
		load_fails $parameter "64 to 1048576"
done
for parameter in mode=1777 mode=9; do
	test_that "$parameter is rejected, and the log states the range" \
		load_fails $parameter "0000 to 0777"
done

# load_succeeds DEVICES LINE_MAX MODE PARAMETER...: loads the module with these parameters
load_succeeds()
{
	load "${@:4}"
	expect "$1 $2 $3" "$(cd "$module/parameters" && cat devices line_max mode | xargs)" \
		"the parameters in sysfs"
	expect "$1" "$(nodes)" "the number of nodes"
	expect "$2" "$(attribute $(($1 - 1)) line_max)" "line_max of the last channel"
	expect "$3" "0$(stat -c %a "/dev/lastline$(($1 - 1))")" "the mode of the last node"
	{ head -c $(($2 - 1)) /dev/zero | tr '\0' x; echo; } >/dev/lastline0
	expect "$2" "$(newest 0 | wc -c)" "the length of the longest line"
	unload
	expect_nothing_left
}
test_that "the default is 8 channels of 4096 bytes with mode 0666" load_succeeds 8 4096 0666
test_that "the smallest parameters work" load_succeeds 1 64 0600 devices=1 line_max=64 mode=0600
test_that "the largest parameters work, and a mode without a leading 0" \
	load_succeeds 256 1048576 0660 devices=256 line_max=1048576 mode=660

new_channels()
{
	load
	expect 0 "$(attribute 3 generation)" "the generation of a new channel"
	fails_with 1 "" dd if=/dev/lastline3 iflag=nonblock bs=64 count=1
	echo first >/dev/lastline3
	echo other >/dev/lastline4
	expect 1 "$(attribute 3 generation)" "the generation of the first line"
	expect first "$(newest 3)" "the line of a channel"
	expect other "$(newest 4)" "the line of the next channel"
	expect 0 "$(attribute 5 generation)" "the generation of a channel without lines"
}
test_that "a new channel is empty, and channels are independent" new_channels

uevent()
{
	load mode=0640
	for line in DEVNAME=lastline0 DEVMODE=0640; do
		grep -qx "$line" "$class/lastline0/uevent" || fail "$line is missing"
	done
}
test_that "uevents contain the name and the mode of the node" uevent

unload_fails()
{
	fails_with 1 "" rmmod lastline
	[ -c /dev/lastline0 ] || fail "the channel is missing"
}

reader_sleeps() { [ "$(attribute 0 readers)" = 1 ] && is_asleep "$1"; }

in_use()
{
	load
	unload_fails 3</dev/lastline0
	unload_fails 3>/dev/lastline0
	cat /dev/lastline0 >"$tmp/out" &
	await reader_sleeps $!
	unload_fails
}
test_that "unloading fails while a file is open or a read sleeps" in_use

fifty_times()
{
	local i

	for ((i = 0; i < 50; i++)); do
		load devices=2
		echo "$i" >/dev/lastline1
		expect "$i" "$(newest 1)" "the newest line"
		unload || fail "rmmod failed"
	done
	expect_nothing_left
}
test_that "the module can be loaded and unloaded fifty times" fifty_times

events()
{
	local event

	[ -d "$tracing/events" ] || skip "tracefs is not mounted at $tracing"
	load
	echo >"$tracing/trace"
	echo 1 >"$tracing/events/lastline/enable"
	newest 2 >"$tmp/line" &
	await grep -q 'wait: lastline2 generation=0' "$tracing/trace"
	echo traced >/dev/lastline2
	wait
	echo 0 >"$tracing/events/lastline/enable"
	for event in 'publish: lastline2 generation=1 length=7' \
			'read: lastline2 generation=1 missed=0'; do
		grep -q "$event" "$tracing/trace" || fail "missing event: $event"
	done
}
test_that "publish, read and wait have trace events" events

# Opens the channel in one cgroup, and writes in another one.
charged_to_opener()
{
	local group=$cgroup/lastline_module_test fd before bytes

	grep -q memory "$cgroup/cgroup.controllers" || skip "no memory controller"
	load devices=1 line_max=1048576
	echo +memory >"$cgroup/cgroup.subtree_control"
	mkdir -p "$group" || fail "cannot create a cgroup"
	echo "$BASHPID" >"$group/cgroup.procs"
	exec 3>/dev/lastline0 4>/dev/lastline0 5>/dev/lastline0 6>/dev/lastline0
	echo "$BASHPID" >"$cgroup/cgroup.procs"
	before=$(<"$group/memory.current")
	for fd in 3 4 5 6; do
		printf x >&"$fd"
	done
	bytes=$(($(<"$group/memory.current") - before))
	rmdir "$group"
	# Each CPU may have charged up to 64 pages in advance.
	[ "$bytes" -ge $((3 << 20)) ] || fail "only $bytes bytes were charged"
}
test_that "the buffers of an open file are charged to the process that opened it" \
	charged_to_opener

parameters=()
if [ -e "$module" ]; then
	for parameter in devices line_max mode; do
		parameters+=("$parameter=$(<"$module/parameters/$parameter")")
	done
	unload 2>/dev/null || skip_all "the module is in use"
fi
after=unload
(run_tests)
status=$?
[ ${#parameters[@]} = 0 ] || load "${parameters[@]}"
exit $status
