#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs stress-ng, trinity, fio and strace on the channels. Meanwhile invariant_monitor.py
# publishes and reads on the same channels. After each test every channel must work, and no
# reader, writer or sleeper may be left.
#
# usage: external_stress.sh [SECONDS]	for each tool (default 2)
#
# Needs root, all channels of the module and a machine without anything of value: run it
# in the virtual machine. The programs of userspace/examples must be in the same directory,
# the C programs compiled.
set -u

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

duration=${1:-2}
seed=${LASTLINE_SEED:-$((RANDOM * 32768 + RANDOM))}
control=/dev/lastline-control
channels=(/dev/lastline[0-9]*)
record=

[ "$EUID" = 0 ] || skip_all "needs root"
[ -c /dev/lastline0 ] || skip_all "/dev/lastline0 does not exist; load the module"
for program in stress-ng trinity fio strace python3 setpriv timeout; do
	type -P "$program" >/dev/null || skip_all "$program is not installed"
done

home=$(mktemp -d) && chmod 755 "$home" || exit 1
clean_up()
{
	[ -z "$record" ] || ioctl "$control" 0xbe11 "${record#/dev/lastline}" >"$home/log"
	rm -rf "$home"
}
trap clean_up EXIT

# as USER COMMAND...: in a directory that the user owns
as()
{
	local dir

	dir=$(mktemp -d "$home/$1.XXXXXX")
	chown "$1:nogroup" "$dir"
	(cd "$dir" && exec setpriv --reuid="$1" --regid=nogroup --clear-groups "${@:2}")
}

# ioctl NODE REQUEST [ARGUMENT]: prints its result; REQUEST and ARGUMENT are Python
ioctl()
{
	python3 -c "import fcntl, struct
print(fcntl.ioctl(open('$1', 'w'), $2, ${3:-0}))"
}

# at_rest COMMAND...: then nobody uses the channels, and they work
at_rest() { "$@" && "$here/invariant_monitor.py" rest "${channels[@]}"; }

# monitored COMMAND...
monitored()
{
	local monitor

	"$here/invariant_monitor.py" watch "${channels[@]}" >"$home/monitor" 2>&1 &
	monitor=$!
	await grep -q . "$home/monitor"
	"$@" || return 1
	kill -TERM "$monitor" 2>/dev/null
	wait "$monitor" || fail "$(cat "$home/monitor")"
}

#
# stress-ng opens, maps, polls and seeks a device, and tries ioctls of many other devices.
#

# stress USER DEVICE...: and no channel is added or removed
stress()
{
	local before after device output

	before=$(ls /sys/class/lastline)
	for device in "${@:2}"; do
		output=$(as "$1" stress-ng --temp-path . --dev 2 --dev-file "$device" \
			--timeout "$duration" --metrics-brief 2>&1) || fail "$output"
		awk '$4 == "dev" { print $5 }' <<<"$output" >>"$home/counts"
	done
	after=$(ls /sys/class/lastline)
	expect "$before" "$after" "the list of channels"
}

#
# trinity makes calls with mostly invalid arguments, here the calls that take a descriptor.
# fcntl is for nobody only: F_SETOWN and F_SETSIG of root could kill any process.
#
descriptor_calls=(read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2
	lseek ioctl poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait mmap munmap
	mprotect mremap madvise msync mincore splice tee vmsplice sendfile fsync fdatasync
	sync_file_range newfstat fadvise64 readahead fallocate ftruncate flock
	copy_file_range io_uring_setup io_uring_enter io_uring_register dup dup2 dup3)
providers=(sockets pipes perf epoll eventfd timerfd testfile memfd drm)

# trinity_calls USER [OPTION]: about 500 a second
trinity_calls()
{
	local output ran

	output=$(as "$1" timeout -s INT -k 30 $((10 * duration + 60)) trinity --dangerous -q \
		-l off -C 4 -N $((duration * 500)) -s "$seed" -V "$home/victims" \
		"${providers[@]/#/--disable-fds=}" "${descriptor_calls[@]/#/-c}" \
		"${@:2}" 2>&1)
	ran=$(grep -oE 'Ran [0-9]+ syscalls' <<<"$output" | grep -oE '[0-9]+')
	[ -n "$ran" ] || fail "$output"
	echo "$ran" >>"$home/counts"
}

#
# fio: each block that is written has a checksum or a pattern, and each reader verifies what
# it reads. Only engines that work without a file position can be used.
#
block=512
line_of_block=0x$(printf '61%.0s' $(seq $((block - 1))))0a

# blocks USER ENGINE DEVICE OPTION...: by two writers and two readers
blocks()
{
	local output

	# Else the first read might return a line of another test.
	ioctl "$3" 0xbe02 >"$home/log" || return 1
	output=$(as "$1" fio --output-format=terse --ioengine="$2" --filename="$3" \
		--size="$block" --bs="$block" --time_based --runtime="$duration" --thread \
		--numjobs=2 "${@:4}" --verify_fatal=1 --do_verify=0 --name=write --rw=write \
		--name=read --rw=read 2>&1)
	# The error of each job, and KiB read and written
	awk -F ';' '$2 ~ /^fio-/ { jobs++; bad += $5 != 0; sum += $6 + $47 }
		END { print int(sum * 1024 / '"$block"'); exit bad || jobs != 4 }' \
		<<<"$output" >>"$home/counts" || fail "$output"
}

blocks_by()
{
	blocks root "$1" "$record" --verify=crc32c &&
		blocks nobody "$1" /dev/lastline1 --verify=pattern --verify_pattern="$line_of_block"
}

#
# strace makes system calls on a channel fail, delays them or injects a signal. It does not
# inject a number of bytes: a program that believes it would continue inside a line.
#
dev=/dev/lastline2

# shellcheck disable=SC2016 # the shell that runs it expands it
copy_lines='while IFS= read -r line; do echo "$line"; done <$1'

# inject FAULT PROGRAM [ARGUMENT]...: into its calls on the channel
inject()
{
	local fault=$1 command
	shift
	case $1 in
	bash)		command=(bash -c "$copy_lines" bash "$dev") ;;
	sh)		command=(busybox sh -c "$copy_lines" sh "$dev") ;;
	cat)		command=(cat "$dev") ;;
	newest.sh)	command=(busybox sh "$here/examples/newest.sh" "$dev") ;;
	newest.py)	command=(python3 "$here/examples/newest.py" "$dev") ;;
	newest|mapped)	command=("$here/$1" "$dev") ;;
	*)		command=("$@") ;;
	esac
	# With --seccomp-bpf only the traced calls are slow.
	as nobody strace -f --seccomp-bpf -qqq -o /dev/null -P "$dev" -e "trace=${fault%%:*}" \
		-e "inject=$fault" "${command[@]}"
}

# Faults after which these readers still get the newest line.
survived=(
	"bash cat sh newest.sh newest.py newest mapped|read:signal=SIGWINCH:when=1+2"
	"bash cat sh newest.sh newest.py newest mapped|read:delay_enter=3ms:delay_exit=3ms"
	"newest.py newest mapped|ioctl,lseek:delay_exit=5ms"
	"bash cat newest.py|read:error=EINTR:when=2+3"
	"newest.py mapped|poll,ppoll,select,pselect6:error=EINTR:when=1+2"
	"newest.py mapped|poll,ppoll,select,pselect6:retval=1:when=1+2"
)
# Faults that may end the reader.
ended=(
	"bash cat sh newest.sh newest|read:error=EIO:when=4"
	"bash cat newest newest.py|read:error=EAGAIN:when=5"
	"newest|ioctl:error=EFAULT:when=3"
	"bash cat newest newest.py|read:signal=SIGKILL:when=3"
	"newest.py mapped|poll,ppoll,select,pselect6:signal=SIGKILL:when=2"
)

# start_readers KIND PROGRAMS|FAULT...: each one's output is in "KIND PROGRAM FAULT"
start_readers()
{
	local entry program out

	for entry in "${@:2}"; do
		for program in ${entry%%|*}; do
			out="$home/$1 $program ${entry#*|}"
			inject "${entry#*|}" "$program" >"$out" 2>"$home/errors ${out##*/}" &
			readers+=($!)
		done
	done
}

# all_whole FILE: each line has eight equal words; some examples print a prefix
all_whole()
{
	! grep -HvEm 1 '^(nothing new.*|([0-9]+( \([0-9]+ missed\))?: )?(monitor[0-9]+)( \4){7})$' "$1"
}

tokens() { echo "$1 $1 $1 $1 $1 $1 $1 $1"; }

readers_get_whole_lines()
{
	local readers=() out status=0

	tokens monitor0 >"$dev"
	start_readers survived "${survived[@]}"
	start_readers ended "${ended[@]}"
	monitored sleep $((duration + 3)) || return 1
	tokens monitor999999999 >"$dev"
	for out in "$home/survived "*; do
		await grep -qF monitor999999999 "$out"
	done
	for out in "$home/survived "* "$home/ended "*; do
		all_whole "$out" && grep -oE 'monitor[0-9]+$' "$out" | cut -c 8- | sort -cn ||
			status=1
	done
	# strace does not end the processes that it traces.
	kill -TERM "${readers[@]}" 2>/dev/null
	pkill -KILL -u nobody
	wait "${readers[@]}" 2>/dev/null
	return "$status"
}

# Faults after which all lines are published, and faults that may lose lines.
write_survived=("write:signal=SIGWINCH:when=1+1" "write:delay_enter=1ms:delay_exit=1ms"
	"close:delay_enter=1ms" "lseek,fstat,ioctl:error=EPERM")
write_ended=("write:error=EAGAIN:when=2+3" "write:error=ENOSPC:when=3+2"
	"write:error=EINTR:when=2+2" "write:signal=SIGKILL:when=7" "close:error=EIO"
	"write:signal=SIGTERM:when=1")

# write_by PROGRAM FAULT: copies twenty lines to $dev
write_by()
{
	case $1 in
	sh)	inject "$2" busybox sh -c "$copy_lines >$dev" sh "$home/lines" ;;
	python)	inject "$2" python3 -c "channel = open('$dev', 'w')
for line in open('$home/lines'):
    print(line, end='', file=channel, flush=True)" ;;
	esac
}

# write_with DEVICE PROGRAM all|some FAULT...: each line is whole; with all, the last one is
# then the newest
write_with()
{
	local dev=$1 fault reader

	cat "$dev" >"$home/seen $2 $3" &
	reader=$!
	for fault in "${@:4}"; do
		tokens monitor0 >"$dev"
		write_by "$2" "$fault" 2>"$home/errors $2 $3" || [ "$3" = some ] ||
			fail "$2 fails with $fault"
		[ "$3" = some ] || expect "$(tokens monitor20)" "$(head -n 1 "$dev")" "$2, $fault"
	done
	kill "$reader"
	wait "$reader" 2>/dev/null
	all_whole "$home/seen $2 $3"
}

writers_publish_whole_lines()
{
	local i status=0

	for i in {1..20}; do
		tokens "monitor$i"
	done >"$home/lines"
	write_with /dev/lastline3 sh all "${write_survived[@]}" &
	write_with /dev/lastline4 python all "${write_survived[@]}" "write:error=EINTR:when=1+2" &
	write_with /dev/lastline5 sh some "${write_ended[@]}" &
	write_with /dev/lastline6 python some "${write_ended[@]}" &
	for i in {1..4}; do
		wait -n || status=1
	done
	return "$status"
}

# Nodes of all channels and of the control device that anybody may open.
mkdir "$home/victims" && cp -a /dev/lastline* "$home/victims" && chmod 666 "$home/victims"/* ||
	exit 1
record=/dev/lastline$(ioctl "$control" 0x4080be10 \
	"bytearray(struct.pack('=i5I104x', -1, 1, $block, 0o666, 0, 0))") || exit 1
check "stress-ng --dev as root breaks nothing" \
	at_rest monitored stress root /dev/lastline0 "$control"
check "stress-ng --dev as nobody breaks nothing" \
	at_rest monitored stress nobody /dev/lastline0 "$home/victims/lastline-control"
check "trinity as root breaks nothing, seed $seed" at_rest monitored trinity_calls root
check "trinity as nobody breaks nothing, seed $seed" \
	at_rest monitored trinity_calls nobody -cfcntl
for engine in sync libaio io_uring posixaio; do
	check "fio by $engine reads whole lines and records" at_rest blocks_by "$engine"
done
check "readers whose calls fail, are late or interrupted get whole lines and the newest one" \
	at_rest readers_get_whole_lines
check "writers whose calls fail, are late or interrupted publish whole lines and the last one" \
	at_rest writers_publish_whole_lines
echo "# amount: $(awk '{ sum += $1 } END { print sum + 0 }' "$home/counts") calls"
finish
