#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs stress-ng, trinity, fio and strace on the channels, while invariant_monitor.py publishes
# and reads. After each test, the channels must work and have no reader, writer or sleeper.
#
# usage: external_stress.sh [SECONDS]	for each tool, 2 by default
#
# Needs root. It may damage the system, so run it only in a VM. The C programs of
# userspace/examples must be in the same directory, the scripts in its directory examples.
set -u

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

duration=${1:-2}
seed=${LASTLINE_SEED:-$((RANDOM * 32768 + RANDOM))}
control=/dev/lastline-control
channels=(/dev/lastline[0-9]*)

[ "$EUID" = 0 ] || skip_all "needs root"
[ -c /dev/lastline0 ] || skip_all "no /dev/lastline0: load the module"
for program in stress-ng trinity fio strace python3 setpriv timeout; do
	type -P "$program" >/dev/null || skip_all "$program is not installed"
done

home=$(mktemp -d) && chmod 755 "$home" || exit 1
trap 'rm -rf "$home"' EXIT

# as USER COMMAND...: runs COMMAND in a directory that the user owns
as()
{
	local dir

	dir=$(mktemp -d "$home/$1.XXXXXX")
	chown "$1:nogroup" "$dir"
	(cd "$dir" && exec setpriv --reuid="$1" --regid=nogroup --clear-groups "${@:2}")
}

# ioctl NODE REQUEST [ARGUMENT]: prints the result. REQUEST and ARGUMENT are in Python.
ioctl()
{
	python3 -c "import fcntl, struct
print(fcntl.ioctl(open('$1', 'w'), $2, ${3:-0}))"
}

# leaves_idle COMMAND...: after COMMAND, the channels work and no process has them open
leaves_idle() { "$@" && "$here/invariant_monitor.py" rest "${channels[@]}"; }

# monitored COMMAND...: COMMAND runs while the monitor publishes, reads and checks lines
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

# stress USER DEVICE...: opens, maps, polls and seeks. No channel may be added or removed.
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
# fcntl is called without privileges only: as root, F_SETOWN and F_SETSIG could kill any process.
descriptor_calls=(read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2
	lseek ioctl poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait mmap munmap
	mprotect mremap madvise msync mincore splice tee vmsplice sendfile fsync fdatasync
	sync_file_range newfstat fadvise64 readahead fallocate ftruncate flock
	copy_file_range io_uring_setup io_uring_enter io_uring_register dup dup2 dup3)
providers=(sockets pipes perf epoll eventfd timerfd testfile memfd drm)

# trinity_calls USER [OPTION]: makes 500 calls for each second of the duration
trinity_calls()
{
	local output

	output=$(as "$1" timeout -s INT -k 30 $((10 * duration + 60)) trinity --dangerous -q \
		-l off -C 4 -N $((duration * 500)) -s "$seed" -V "$home/victims" \
		"${providers[@]/#/--disable-fds=}" "${descriptor_calls[@]/#/-c}" \
		"${@:2}" 2>&1)
	grep -qE 'Ran [1-9][0-9]* syscalls' <<<"$output" || fail "$output"
}

# fio writes blocks with a checksum or a pattern, and verifies the blocks that it reads. Only
# engines that work without a file position can be used.
block=512
line_of_block=0x$(printf '61%.0s' $(seq $((block - 1))))0a

# fio_blocks USER ENGINE DEVICE OPTION...: two writers and two readers
fio_blocks()
{
	local output

	# Clear the channel, so that the first read does not return a line of another test.
	ioctl "$3" 0xbe02 >"$home/log" || return 1
	output=$(as "$1" fio --output-format=terse --ioengine="$2" --filename="$3" \
		--size="$block" --bs="$block" --time_based --runtime="$duration" --thread \
		--numjobs=2 "${@:4}" --verify_fatal=1 --do_verify=0 --name=write --rw=write \
		--name=read --rw=read 2>&1)
	# Field 5 is the error of a job.
	awk -F ';' '$2 ~ /^fio-/ { jobs++; bad += $5 != 0 } END { exit bad || jobs != 4 }' \
		<<<"$output" || fail "$output"
}

fio_lines_and_records()
{
	fio_blocks root "$1" "$record" --verify=crc32c &&
		fio_blocks nobody "$1" /dev/lastline1 --verify=pattern \
			--verify_pattern="$line_of_block"
}

# strace injects faults into the calls of readers: errors, delays and signals. Each entry is
# PROGRAM...|FAULT. After these faults, a program must still get the newest line:
survived=(
	"cat sh newest.sh newest.py newest mapped|read:signal=SIGWINCH:when=1+2"
	"cat sh newest.sh newest.py newest mapped|read:delay_enter=3ms:delay_exit=3ms"
	"newest.py newest mapped|ioctl,lseek:delay_exit=5ms"
	"cat newest.py|read:error=EINTR:when=2+3"
	"newest.py mapped|poll,ppoll,select,pselect6:error=EINTR:when=1+2"
	"newest.py mapped|poll,ppoll,select,pselect6:retval=1:when=1+2"
)
# These faults may end the program:
ended=(
	"cat newest newest.py|read:error=EAGAIN:when=5"
	"cat newest newest.py|read:signal=SIGKILL:when=3"
	"newest.py mapped|poll,ppoll,select,pselect6:signal=SIGKILL:when=2"
)
dev=/dev/lastline2
# shellcheck disable=SC2016 # the shell that runs it expands it
copy='while IFS= read -r line; do echo "$line"; done <$0'

# start_readers PROGRAM...|FAULT ...: appends the readers and their output files to two arrays
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
			# --seccomp-bpf slows down only the traced calls.
			as nobody strace -f --seccomp-bpf -qqq -o /dev/null -P "$dev" \
				-e "trace=${fault%%:*}" -e "inject=$fault" "${command[@]}" "$dev" \
				>"${outputs[-1]}" 2>>"$home/errors" &
			readers+=($!)
		done
	done
}

# all_whole FILE: each line has eight equal words, after the prefix that some examples print
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
	# strace leaves the processes that it traces running.
	kill -TERM "${readers[@]}" 2>/dev/null
	pkill -KILL -u nobody
	wait "${readers[@]}" 2>/dev/null
	return "$status"
}

# Copies of all nodes, including the control device, that every user may open
mkdir "$home/victims" && cp -a /dev/lastline* "$home/victims" && chmod 666 "$home/victims"/* ||
	exit 1
record=/dev/lastline$(ioctl "$control" 0x4080be10 \
	"bytearray(struct.pack('=i5I104x', -1, 1, $block, 0o666, 0, 0))") || exit 1
check "channels keep the contract beside stress-ng as root" \
	leaves_idle monitored stress root /dev/lastline0 "$control"
check "channels keep the contract beside stress-ng without privileges" \
	leaves_idle monitored stress nobody /dev/lastline0 "$home/victims/lastline-control"
check "channels keep the contract beside trinity as root, seed $seed" \
	leaves_idle monitored trinity_calls root
check "channels keep the contract beside trinity without privileges, seed $seed" \
	leaves_idle monitored trinity_calls nobody -cfcntl
for engine in sync libaio io_uring posixaio; do
	check "fio by $engine reads whole lines and records" leaves_idle fio_lines_and_records "$engine"
done
check "readers get whole lines and the newest one despite injected faults" \
	leaves_idle readers_get_whole_lines
finish
