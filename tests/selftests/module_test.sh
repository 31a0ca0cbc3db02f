#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Loading and unloading. Needs root, the module as $LASTLINE_KO, and nobody who
# uses the one that is loaded; it is loaded again at the end as it was.

ko=${LASTLINE_KO:-/vm/lastline.ko}
number=0 failed=0
sysfs=/sys/module/lastline

if [ "$(id -u)" != 0 ] || [ ! -e "$ko" ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP needs root, and LASTLINE_KO=path of lastline.ko"
	exit 4
fi

# check SENTENCE COMMAND...: one test
check()
{
	sentence=$1
	shift
	number=$((number + 1))
	if "$@"; then
		echo "ok $number - $sentence"
	else
		echo "not ok $number - $sentence"
		failed=1
	fi
}

# await COMMAND...: until it succeeds, but not for ever: what comes next tells
await()
{
	tries=0
	until "$@" || [ "$tries" = 600 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
}

# skip SENTENCE REASON
skip()
{
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

load() { insmod "$ko" "$@" 2>/tmp/load_error; }
unload() { rmmod lastline 2>/dev/null; }
nodes() { set -- /dev/lastline[0-9]*; [ -e "$1" ] && echo $# || echo 0; }
channels() { set -- /sys/class/lastline/lastline*; [ -e "$1" ] && echo $# || echo 0; }
log_since() { dmesg | sed "1,/$1/d"; }

# refuses WORDS PARAMETER...: the load fails, undoes everything, and says why
refuses()
{
	words=$1
	shift
	mark="module_test $$ $number"
	echo "$mark" >/dev/kmsg
	! load "$@" && grep -q "Invalid argument" /tmp/load_error && [ ! -e "$sysfs" ] &&
		[ "$(channels)" = 0 ] && [ "$(nodes)" = 0 ] &&
		! grep -q lastline /proc/devices && log_since "$mark" | grep -q "$words"
}

loads() { load "$@"; }

mode_of() { stat -c %a "$1"; }

default_load()
{
	load && [ "$(nodes)" = 8 ] && [ "$(channels)" = 8 ] &&
		[ "$(mode_of /dev/lastline0)" = 666 ] && [ "$(mode_of /dev/lastline7)" = 666 ] &&
		[ "$(cat /sys/class/lastline/lastline0/line_max)" = 4096 ] &&
		[ "$(cd "$sysfs"/parameters && cat devices line_max mode | tr '\n' ' ')" = \
			"8 4096 0666 " ]
}

fresh_channel_is_empty()
{
	[ "$(cat /sys/class/lastline/lastline3/generation)" = 0 ] &&
		! dd if=/dev/lastline3 iflag=nonblock bs=64 count=1 of=/dev/null 2>/dev/null &&
		[ "$(cat /sys/class/lastline/lastline3/generation)" = 0 ]
}

first_publication_is_one()
{
	echo first >/dev/lastline3 &&
		[ "$(cat /sys/class/lastline/lastline3/generation)" = 1 ]
}

channels_are_independent()
{
	echo four >/dev/lastline4 && echo five >/dev/lastline5 &&
		[ "$(head -n 1 /dev/lastline4)" = four ] &&
		[ "$(head -n 1 /dev/lastline5)" = five ] &&
		[ "$(cat /sys/class/lastline/lastline4/generation)" = 1 ]
}

line_survives_its_writer()
{
	(echo still here >/dev/lastline6)
	[ "$(head -n 1 /dev/lastline6)" = "still here" ]
}

uevents_name_the_device()
{
	grep -q '^DEVNAME=lastline0$' /sys/class/lastline/lastline0/uevent &&
		grep -q '^DEVMODE=0666$' /sys/class/lastline/lastline0/uevent
}

# refused_while FLAGS: with an open file
refused_while_reading() { ! unload && [ -e "$sysfs" ]; } 3</dev/lastline0
refused_while_writing() { ! unload && [ -e "$sysfs" ]; } 3>/dev/lastline0

has_a_reader() { [ "$(cat /sys/class/lastline/lastline7/readers)" != 0 ]; }

refused_while_sleeping()
{
	cat /dev/lastline7 >/dev/null &
	pid=$!
	await has_a_reader
	! unload && [ -e "$sysfs" ]
	result=$?
	kill "$pid"
	wait "$pid" 2>/dev/null
	return "$result"
}

unloads_clean()
{
	unload && [ ! -e "$sysfs" ] && [ "$(nodes)" = 0 ] && [ ! -e /sys/class/lastline ] &&
		! grep -q lastline /proc/devices
}

custom_load()
{
	load devices="$1" line_max="$2" mode="$3" && [ "$(nodes)" = "$1" ] &&
		[ "$(mode_of /dev/lastline0)" = "$4" ] &&
		[ "$(cat /sys/class/lastline/lastline0/line_max)" = "$2" ] &&
		echo works >/dev/lastline0 && [ "$(head -n 1 /dev/lastline0)" = works ] && unload
}

longest_line()
{
	load devices=1 line_max=1048576 || return 1
	head -c 1048575 /dev/zero | tr '\0' x >/tmp/longest
	echo >>/tmp/longest
	# One write each, or dd would cut it.
	dd if=/tmp/longest of=/dev/lastline0 bs=2M 2>/dev/null &&
		dd if=/dev/lastline0 bs=2M count=1 2>/dev/null | cmp -s - /tmp/longest
	result=$?
	rm /tmp/longest
	unload && return "$result"
}

loads_and_unloads()
{
	i=0
	while [ "$i" -lt 50 ]; do
		load devices=16 || return 1
		echo "$i" >/dev/lastline15 || return 1
		[ "$(head -n 1 /dev/lastline15)" = "$i" ] || return 1
		unload || return 1
		i=$((i + 1))
	done
}

events_are_traced()
{
	tracing=/sys/kernel/tracing
	load || return 1
	echo >"$tracing"/trace
	echo 1 >"$tracing"/events/lastline/enable
	(await grep -q 'wait: lastline2' "$tracing"/trace; echo traced >/dev/lastline2) &
	head -n 1 /dev/lastline2 >/dev/null
	wait
	echo 0 >"$tracing"/events/lastline/enable
	grep -q 'wait: lastline2 generation=0' "$tracing"/trace &&
		grep -q 'publish: lastline2 generation=1 length=7' "$tracing"/trace &&
		grep -q 'read: lastline2 generation=1 missed=0' "$tracing"/trace
	result=$?
	unload && return "$result"
}

# A process opens in one group and writes in another one.
buffers_are_charged_to_the_opener()
{
	root=/sys/fs/cgroup
	group=$root/lastline_test
	load devices=1 line_max=65536 || return 1
	echo +memory >"$root"/cgroup.subtree_control && mkdir -p "$group" || return 1
	# shellcheck disable=SC2016 # the inner shell expands these
	sh -c 'echo $$ >$1/cgroup.procs
		exec 3>/dev/lastline0 4>/dev/lastline0 5>/dev/lastline0 6>/dev/lastline0
		echo $$ >$2/cgroup.procs
		cat $1/memory.current
		for fd in 3 4 5 6; do printf x >&$fd; done
		cat $1/memory.current' sh "$group" "$root" >/tmp/charged
	{ read -r before; read -r after; } </tmp/charged
	rm /tmp/charged
	unload
	rmdir "$group"
	echo "# $((after - before)) bytes more in the group of the opener"
	[ $((after - before)) -ge 262144 ]
}

was=
if [ -e $sysfs ]; then
	was="devices=$(cat $sysfs/parameters/devices)"
	was="$was line_max=$(cat $sysfs/parameters/line_max) mode=$(cat $sysfs/parameters/mode)"
	if ! unload; then
		echo "TAP version 13"
		echo "1..0 # SKIP the module is in use"
		exit 4
	fi
fi

echo "TAP version 13"
check "devices=0 is refused, and the log says why" refuses "devices=0 is out of range" devices=0
check "devices=257 is refused" refuses "devices=257 is out of range" devices=257
check "line_max=63 is refused" refuses "line_max=63 is out of range" line_max=63
check "line_max=1048577 is refused" refuses "line_max=1048577 is out of range" line_max=1048577
check "mode=1777 is refused" refuses "mode=1777 is out of range" mode=1777
check "mode=9 is refused" refuses "mode=9 is out of range, use 0000 to 0777" mode=9
check "devices=-1 is refused" refuses "devices=-1 is out of range, use 1 to 256" devices=-1
check "devices=many is refused" refuses "devices=many is out of range" devices=many
check "line_max=99999999999 is refused" refuses "line_max=99999999999 is out of range" \
	line_max=99999999999
check "without parameters there are 8 channels of 4096 bytes, mode 0666" default_load
check "the generation is 0 while nothing was published, and there is nothing to read" \
	fresh_channel_is_empty
check "the first publication has generation 1" first_publication_is_one
check "channels are independent" channels_are_independent
check "the line survives its writer" line_survives_its_writer
check "uevents name the device and its mode" uevents_name_the_device
check "unloading is refused while a file is open for reading" refused_while_reading
check "unloading is refused while a file is open for writing" refused_while_writing
check "unloading is refused while a read sleeps" refused_while_sleeping
check "unloading leaves nothing behind" unloads_clean
check "the smallest limits work" custom_load 1 64 0600 600
check "the largest limits work, and the mode may go without its 0" custom_load 256 1048576 660 660
check "a line of 1 MiB is read as it was written" longest_line
check "the module can be loaded and unloaded fifty times" loads_and_unloads
if [ -d /sys/kernel/tracing/events ]; then
	check "publish, read and wait are traced" events_are_traced
else
	skip "publish, read and wait are traced" "no tracefs at /sys/kernel/tracing"
fi
if grep -q memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
	check "the buffers of an open file are charged to its opener" \
		buffers_are_charged_to_the_opener
else
	skip "the buffers of an open file are charged to its opener" "no memory controller"
fi
echo "1..$number"

# shellcheck disable=SC2086 # several parameters
[ -z "$was" ] || load $was
exit $failed
