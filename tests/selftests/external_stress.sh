#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs stress-ng, trinity, fio and strace on the channels, while invariant_monitor.py publishes
# and reads. After each test every channel works, and no reader, writer or sleeper is left.
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

[ "$EUID" = 0 ] || skip_all "needs root"
[ -c /dev/lastline0 ] || skip_all "/dev/lastline0 does not exist; load the module"
for program in stress-ng trinity fio strace python3 setpriv timeout; do
	type -P "$program" >/dev/null || skip_all "$program is not installed"
done

home=$(mktemp -d) && chmod 755 "$home" || exit 1
trap 'rm -rf "$home"' EXIT

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

# stress USER DEVICE...: opens, maps, polls and seeks each; no channel is added or removed
stress()
{
	local before after device output

	before=$(ls /sys/class/lastline)
	for device in "${@:2}"; do
		output=$(as "$1" stress-ng --temp-path . --dev 2 --dev-file "$device" \
			--timeout "$duration" 2>&1) || fail "$output"
	done
	after=$(ls /sys/class/lastline)
	expect "$before" "$after" "the list of channels"
}

# trinity makes calls with mostly invalid arguments, here the calls that take a descriptor.
# fcntl is for nobody only: F_SETOWN and F_SETSIG of root could kill any process.
descriptor_calls=(read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2
	lseek ioctl poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait mmap munmap
	mprotect mremap madvise msync mincore splice tee vmsplice sendfile fsync fdatasync
	sync_file_range newfstat fadvise64 readahead fallocate ftruncate flock
	copy_file_range io_uring_setup io_uring_enter io_uring_register dup dup2 dup3)
providers=(sockets pipes perf epoll eventfd timerfd testfile memfd drm)

# trinity_calls USER [OPTION]: about 500 a second
trinity_calls()
{
	local output

	output=$(as "$1" timeout -s INT -k 30 $((10 * duration + 60)) trinity --dangerous -q \
		-l off -C 4 -N $((duration * 500)) -s "$seed" -V "$home/victims" \
		"${providers[@]/#/--disable-fds=}" "${descriptor_calls[@]/#/-c}" \
		"${@:2}" 2>&1)
	grep -qE 'Ran [1-9][0-9]* syscalls' <<<"$output" || fail "$output"
}

# fio: each block that is written has a checksum or a pattern, and each reader verifies what
# it reads. Only engines that work without a file position can be used.
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
	# The error of each job
	awk -F ';' '$2 ~ /^fio-/ { jobs++; bad += $5 != 0 } END { exit bad || jobs != 4 }' \
		<<<"$output" || fail "$output"
}

blocks_by()
{
	blocks root "$1" "$record" --verify=crc32c &&
		blocks nobody "$1" /dev/lastline1 --verify=pattern --verify_pattern="$line_of_block"
}

# strace makes the reads of a channel fail, delays them, interrupts them or kills the program in
# them. After these faults, PROGRAM...|FAULT, a program still gets the newest line:
survived=(
	"cat sh newest.sh newest.py newest mapped|read:signal=SIGWINCH:when=1+2"
	"cat sh newest.sh newest.py newest mapped|read:delay_enter=3ms:delay_exit=3ms"
	"newest.py newest mapped|ioctl,lseek:delay_exit=5ms"
	"cat newest.py|read:error=EINTR:when=2+3"
	"newest.py mapped|poll,ppoll,select,pselect6:error=EINTR:when=1+2"
	"newest.py mapped|poll,ppoll,select,pselect6:retval=1:when=1+2"
)
# These may end it:
ended=(
	"cat newest newest.py|read:error=EAGAIN:when=5"
	"cat newest newest.py|read:signal=SIGKILL:when=3"
	"newest.py mapped|poll,ppoll,select,pselect6:signal=SIGKILL:when=2"
)
dev=/dev/lastline2
# shellcheck disable=SC2016 # the shell that runs it expands it
copy='while IFS= read -r line; do echo "$line"; done <$0'

# start_readers PROGRAM...|FAULT ...: the output of each one is in one of "${outputs[@]}"
start_readers()
{
	local entry program command fault

	for entry; do
		fault=${entry#*|}
		for program in ${entry%%|*}; do
			case $program in
			cat)		command=(cat) ;;
			sh)		command=(busybox sh -c "$copy") ;;
			newest.sh)	command=(busybox sh "$here/examples/newest.sh") ;;
			newest.py)	command=(python3 "$here/examples/newest.py") ;;
			*)		command=("$here/$program") ;;
			esac
			outputs+=("$home/$program with $fault")
			# With --seccomp-bpf only the traced calls are slow.
			as nobody strace -f --seccomp-bpf -qqq -o /dev/null -P "$dev" \
				-e "trace=${fault%%:*}" -e "inject=$fault" "${command[@]}" "$dev" \
				>"${outputs[-1]}" 2>>"$home/errors" &
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
	local readers=() outputs=() survivors out status=0

	tokens monitor0 >"$dev"
	start_readers "${survived[@]}"
	survivors=("${outputs[@]}")
	start_readers "${ended[@]}"
	monitored sleep $((duration + 3)) || return 1
	tokens monitor999999999 >"$dev"
	for out in "${survivors[@]}"; do
		await grep -qF monitor999999999 "$out"
	done
	for out in "${outputs[@]}"; do
		all_whole "$out" && grep -oE 'monitor[0-9]+$' "$out" | cut -c 8- | sort -cn ||
			status=1
	done
	# strace does not end the processes that it traces.
	kill -TERM "${readers[@]}" 2>/dev/null
	pkill -KILL -u nobody
	wait "${readers[@]}" 2>/dev/null
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
finish
