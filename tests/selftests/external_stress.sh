#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The channels in the hands of tools that were made to break things: stress-ng,
# trinity, fio, strace. Needs root, all channels of the module to itself, and nothing on
# the machine that matters: run it in the virtual machine.
#
# usage: tools.sh [S]	each tool goes on for S seconds (default 2)
#
# Beside it lie witness.py and the programs of userspace/examples, the C ones compiled.
# What counts is not only that nothing breaks. While a tool is at work, a witness
# publishes and reads on the same channels, and gets whole lines, each newer than the
# one before. Afterwards each channel works, no generation went back, and no reader,
# writer or sleeper is left.
set -u

duration=${1:-2}
seed=${LASTLINE_SEED:-$((RANDOM * 32768 + RANDOM))}
here=$(dirname "$(readlink -f "$0")")
control=/dev/lastline-control
number=0 failed=0 calls=0 faults=0
channels=(/dev/lastline[0-9]*)
programs=(stress-ng trinity fio strace python3 setpriv timeout)

skip_all()
{
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit 4
}

[ "$EUID" = 0 ] || skip_all "needs root"
[ -c /dev/lastline0 ] || skip_all "no /dev/lastline0 here; load the module"
for program in "${programs[@]}"; do
	type -P "$program" >/dev/null || skip_all "no $program here"
done

home=$(mktemp -d) || exit 1
chmod 755 "$home"
# shellcheck disable=SC2317 # called by the trap
clean_up()
{
	jobs -p | xargs -r kill -KILL 2>/dev/null
	rm -rf "$home"
}
trap clean_up EXIT

# as USER COMMAND...: in a directory that is the user's own
as()
{
	local user=$1 dir
	shift
	dir=$(mktemp -d "$home/$user.XXXXXX")
	if [ "$user" = root ]; then
		(cd "$dir" && exec "$@")
	else
		chown "$user:nogroup" "$dir"
		(cd "$dir" && exec setpriv --reuid="$user" --regid=nogroup --clear-groups "$@")
	fi
}

fail()
{
	echo "$*"
	return 1
}

at_rest() { "$here/witness.py" rest "$home/generations" "${channels[@]}"; }

# witnessed COMMAND...: while the witness looks on
witnessed()
{
	local witness status

	"$here/witness.py" watch "${channels[@]}" >"$home/witness" 2>&1 &
	witness=$!
	until grep -q . "$home/witness" || ! kill -0 "$witness"; do
		sleep 0.1
	done
	"$@"
	status=$?
	kill -TERM "$witness" 2>/dev/null
	wait "$witness" || status=1
	echo "the witness: $(cat "$home/witness")"
	return "$status"
}

# test_that SENTENCE COMMAND...
test_that()
{
	local sentence="$((++number)) - $1"
	shift
	if "$@" >"$home/log" 2>&1 && at_rest >>"$home/log" 2>&1; then
		echo "ok $sentence"
	else
		tail -n 40 "$home/log" | sed 's/^/# /'
		echo "not ok $sentence"
		failed=1
	fi
}

#
# stress-ng opens a device in all ways, maps, polls, seeks, and tries the ioctls that
# it knows for any kind of device.
#

# stress USER DEVICE...
stress()
{
	local user=$1 device output
	shift
	for device; do
		output=$(as "$user" stress-ng --temp-path . --dev 2 --dev-file "$device" \
			--timeout "$duration" --metrics-brief 2>&1) || fail "$output" || return 1
		calls=$((calls + $(awk '$4 == "dev" { print $5 }' <<<"$output")))
	done
}

# unchanged COMMAND...: the channels are the same as before
unchanged()
{
	local before=(/sys/class/lastline/*)
	local after

	"$@" || return 1
	after=(/sys/class/lastline/*)
	[ "${before[*]}" = "${after[*]}" ]
}

#
# trinity calls with arguments that are mostly wrong. Only what takes a descriptor can
# reach the driver; and root's F_SETOWN and F_SETSIG could kill anybody.
#
descriptor_calls=(read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2
	lseek ioctl poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait mmap munmap
	mprotect mremap madvise msync mincore splice tee vmsplice sendfile fsync fdatasync
	sync_file_range newfstat fadvise64 readahead fallocate ftruncate flock
	copy_file_range io_uring_setup io_uring_enter io_uring_register dup dup2 dup3)
providers=(sockets pipes perf epoll eventfd timerfd testfile memfd drm)

# Nodes of all channels and of the control device, to be opened by anybody.
make_victims()
{
	local node

	mkdir "$home/victims"
	for node in /dev/lastline*; do
		mknod -m 666 "$home/victims/${node##*/}" c $((0x$(stat -c %t "$node"))) \
			$((0x$(stat -c %T "$node")))
	done
}

# trinity_calls USER [CALL]...: some 500 a second, where nothing slows it down
trinity_calls()
{
	local user=$1 output ran
	shift
	output=$(as "$user" timeout -s INT -k 30 $((10 * duration + 60)) trinity --dangerous -q \
		-l off -C 4 -N $((duration * 500)) -s "$seed" -V "$home/victims" \
		"${providers[@]/#/--disable-fds=}" "${descriptor_calls[@]/#/-c}" \
		"${@/#/-c}" 2>&1)
	ran=$(grep -oE 'Ran [0-9]+ syscalls' <<<"$output" | grep -oE '[0-9]+')
	[ -n "$ran" ] || fail "$output" || return 1
	echo "$ran" >>"$home/ran"
}

trinity_as_both()
{
	local other

	trinity_calls nobody fcntl &
	other=$!
	trinity_calls root && wait "$other"
}

#
# fio knows files, so it takes engines that can do without an offset. In a channel of
# records each write is a block with a checksum inside, and each reader looks whether
# what it got is such a block. Elsewhere the blocks are lines.
#
block=512
line_of_block=0x$(printf '61%.0s' $(seq $((block - 1))))0a
record=

add_record_channel()
{
	record=/dev/lastline$(python3 -c "import fcntl, struct
add = bytearray(struct.pack('=i5I104x', -1, 1, $block, 0o666, 0, 0))
print(fcntl.ioctl(open('$control'), 0x4080be10, add))")
}

remove_record_channel()
{
	python3 -c "import fcntl
fcntl.ioctl(open('$control'), 0xbe11, ${record#/dev/lastline})"
}

# blocks ERROR USER ENGINE DEVICE OPTION...: two writers and two readers, who all are to
# end with this error
blocks()
{
	local error=$1 user=$2 engine=$3 device=$4 output
	shift 4
	output=$(as "$user" fio --output-format=terse --ioengine="$engine" --filename="$device" \
		--size="$block" --bs="$block" --time_based --runtime="$duration" --thread \
		--numjobs=2 "$@" --verify_fatal=1 --do_verify=0 --name=write --rw=write \
		--name=read --rw=read 2>&1)
	awk -F ';' -v error="$error" '$2 ~ /^fio-/ { jobs++; bad += $5 != error }
		END { exit bad || jobs != 4 }' <<<"$output" || fail "$output" || return 1
	# KiB read and written
	calls=$((calls + 1024 *
		$(awk -F ';' '{ sum += $6 + $47 } END { print sum + 0 }' <<<"$output") / block))
}

# A reader that comes first would get a line of somebody else.
clear_channel()
{
	python3 -c "import fcntl
fcntl.ioctl(open('$1', 'w'), 0xbe02)"
}

blocks_by()
{
	clear_channel /dev/lastline1
	blocks 0 root "$1" "$record" --verify=crc32c &&
		blocks 0 nobody "$1" /dev/lastline1 --verify=pattern --verify_pattern="$line_of_block"
}

# ESPIPE and EINVAL
refused()
{
	blocks 29 nobody psync /dev/lastline1 && blocks 29 root pvsync2 "$record" &&
		blocks 22 nobody splice /dev/lastline1
}

#
# strace lets system calls on a channel fail, delays them, or has a signal come in the
# middle. Not with a number of bytes that were read or written: there are none, and who
# believes it goes on in the middle of a line.
#
dev=/dev/lastline2

# For any shell: copies the lines of a file.
# shellcheck disable=SC2016 # that shell expands it
copy_lines='while IFS= read -r line; do echo "$line"; done <"$1"'

# disturbed FAULT PROGRAM [ARGUMENT]...: with what happens in its calls on the channel
disturbed()
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
	# It is slow unless the kernel filters the calls.
	as nobody strace -f --seccomp-bpf -qqq -o /dev/null -P "$dev" -e "trace=${fault%%:*}" \
		-e "inject=$fault" "${command[@]}"
}

# Readers, and what they live through: each gets the newest line in the end.
survived=(
	"bash cat sh newest.sh newest.py newest mapped|read:signal=SIGWINCH:when=1+2"
	"bash cat sh newest.sh newest.py newest mapped|read:delay_enter=3ms:delay_exit=3ms"
	"newest.py newest mapped|ioctl,lseek:delay_exit=5ms"
	"bash cat newest.py|read:error=EINTR:when=2+3"
	"newest.py mapped|poll,ppoll,select,pselect6:error=EINTR:when=1+2"
	"newest.py mapped|poll,ppoll,select,pselect6:retval=1:when=1+2"
)
# Or may end with.
ended=(
	"bash cat sh newest.sh newest|read:error=EIO:when=4"
	"bash cat newest newest.py|read:error=EAGAIN:when=5"
	"newest|ioctl:error=EFAULT:when=3"
	"bash cat newest newest.py|read:signal=SIGKILL:when=3"
	"newest.py mapped|poll,ppoll,select,pselect6:signal=SIGKILL:when=2"
)

# start_readers NAME PROGRAMS|FAULT...: what each prints goes to NAME.N
start_readers()
{
	local name=$1 entry program out
	shift
	for entry; do
		for program in ${entry%%|*}; do
			out=$home/$name.$((++faults))
			echo "$program with ${entry#*|}" >"$home/about.$faults"
			disturbed "${entry#*|}" "$program" >"$out" 2>"$home/errors.$faults" &
			readers+=($!)
		done
	done
}

# Whole lines of eight words, none older than the one before it? Some programs print
# more before each.
all_whole()
{
	awk -v rising="$2" '/^nothing new/ { next }
	{ sub(/^[0-9]+( \([0-9]+ missed\))?: /, ""); number = substr($1, 8) + 0 }
	NF != 8 || rising && number < last { bad = 1; print; exit }
	{ last = number; for (i = 2; i <= 8; i++) if ($i != $1) { bad = 1; print; exit } }
	END { exit bad }' "$1"
}

tokens() { echo "$1 $1 $1 $1 $1 $1 $1 $1"; }

all_have_it()
{
	local out tries

	for out in "$home"/survived.*; do
		for ((tries = 0; tries < 3000; tries++)); do
			! grep -qF witness999999999 "$out" || continue 2
			sleep 0.1
		done
		fail "not the newest line: $(cat "$home/about.${out##*.}" "$home/errors.${out##*.}")" ||
			return 1
	done
}

readers_get_whole_lines()
{
	local readers=() out status=0

	tokens witness0 >"$dev"
	start_readers survived "${survived[@]}"
	start_readers ended "${ended[@]}"
	witnessed sleep $((duration + 3)) || return 1
	tokens witness999999999 >"$dev"
	all_have_it || status=1
	for out in "$home"/{survived,ended}.*; do
		all_whole "$out" 1 || { cat "$home/about.${out##*.}"; status=1; }
	done
	# strace goes, and takes along whom it traces.
	kill -TERM "${readers[@]}" 2>/dev/null
	pkill -KILL -u nobody
	wait "${readers[@]}"
	return "$status"
}

# Writers of twenty lines; the same two kinds, and what is tried again.
write_survived=("write:signal=SIGWINCH:when=1+1" "write:delay_enter=1ms:delay_exit=1ms"
	"close:delay_enter=1ms" "lseek,fstat,ioctl:error=EPERM")
write_again=("write:error=EINTR:when=1+2")
write_ended=("write:error=EAGAIN:when=2+3" "write:error=ENOSPC:when=3+2"
	"write:error=EINTR:when=2+2" "write:signal=SIGKILL:when=7" "close:error=EIO"
	"write:signal=SIGTERM:when=1")

write_by()
{
	local program=$1 fault=$2

	# shellcheck disable=SC2016 # that shell expands it
	case $program in
	shell)	disturbed "$fault" busybox sh -c 'while read -r line; do echo "$line"; done <$1 >$2' \
			sh "$home/lines" "$dev" ;;
	cat)	disturbed "$fault" busybox sh -c 'exec cat $1 >$2' sh "$home/lines" "$dev" ;;
	python)	disturbed "$fault" python3 -c 'import sys
with open(sys.argv[2], "w") as channel:
    for line in open(sys.argv[1]):
        print(line, end="", file=channel, flush=True)' "$home/lines" "$dev" ;;
	esac
}

# write_with DEVICE PROGRAM FAULT...: its last line is then the newest
write_with()
{
	local dev=$1 program=$2 fault
	shift 2
	for fault; do
		tokens witness0 >"$dev"
		write_by "$program" "$fault" || fail "$program failed with $fault" || return 1
		[ "$(head -n 1 "$dev")" = "$(tokens witness20)" ] ||
			fail "not the newest line: $program with $fault" || return 1
	done
}

# write_in_vain DEVICE PROGRAM FAULT...: what comes through is whole
write_in_vain()
{
	local dev=$1 program=$2 fault reader
	shift 2
	cat "$dev" >"$home/seen.$program" &
	reader=$!
	for fault; do
		write_by "$program" "$fault"
	done
	kill "$reader"
	all_whole "$home/seen.$program" 0
}

writers_publish_whole_lines()
{
	local i pid pids=() status=0

	for ((i = 1; i <= 20; i++)); do
		tokens "witness$i"
	done >"$home/lines"
	write_with /dev/lastline3 shell "${write_survived[@]}" & pids+=($!)
	write_with /dev/lastline4 python "${write_survived[@]}" "${write_again[@]}" & pids+=($!)
	write_with /dev/lastline5 cat "${write_again[@]}" & pids+=($!)
	write_in_vain /dev/lastline6 shell "${write_ended[@]}" & pids+=($!)
	write_in_vain /dev/lastline7 python "${write_ended[@]}" & pids+=($!)
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	faults=$((faults + 2 * ${#write_survived[@]} + 2 + 2 * ${#write_ended[@]}))
	return "$status"
}

make_victims
add_record_channel || exit 1
echo "TAP version 13"
test_that "stress-ng --dev as root" witnessed stress root /dev/lastline0 "$control"
test_that "stress-ng --dev as nobody, who adds and removes no channel" \
	witnessed unchanged stress nobody /dev/lastline0 "$home/victims/lastline-control"
test_that "trinity, as root and as nobody, seed $seed" witnessed trinity_as_both
[ ! -e "$home/ran" ] || calls=$((calls + $(paste -sd+ "$home/ran")))
for engine in sync libaio io_uring posixaio; do
	test_that "fio by $engine: each read is a whole line or record" blocks_by "$engine"
done
test_that "fio is refused by engines that want a position" refused
test_that "readers whose calls fail, are late or interrupted get whole lines, and the newest" \
	readers_get_whole_lines
test_that "writers whose calls fail, are late or interrupted publish whole lines, and the last" \
	writers_publish_whole_lines
remove_record_channel
echo "# amount: $calls calls, $faults programs disturbed"
echo "1..$number"
exit $failed
