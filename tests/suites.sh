# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What tests/check, tests/matrix, tests/architectures and tests/torture share: suites of
# tests, two at a time, each with a log in KTAP of its own.

top=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/..")
build=${BUILD:-$top/build}
# shellcheck source=tests/vm/arch.sh
. "$top/tests/vm/arch.sh"
machine=()	# options of tests/vm/run for the suites that follow
programs=$build/vm/selftests	# the tests in their machine
coverage=	# where the counts of lines go
prefix=		# of their names
names=()
passed=0 failed=0 skipped=0
explained=()	# what failed, and why, of each suite where something did
# What the suites on other kernels depend on.
sources=(Kbuild Makefile module tests/check tests/suites.sh tests/coverage tests/selftests
	tests/vm)

contract=(write_test read_test take_test poll_test rest_test control_test fault_test map_test uring_test
	fresh_test module_test.sh)
tools=(bash dash zsh socat python3 cat dd env head mktemp seq setpriv sleep stat stdbuf tail
	tee timeout tr yes)
strangers=(bash cat env fio head mktemp paste pkill python3 sed seq setpriv sleep stat strace
	stress-ng timeout tr trinity xargs)

# begin DIRECTORY: for the logs
begin()
{
	logs=$1
	rm -rf "$logs"
	mkdir -p "$logs"
	# Ctrl-C does not reach what runs in the background.
	trap 'trap "" TERM; kill -TERM 0; exit 130' INT TERM
}

# tally LOG: prints passed, failed, skipped. Tests inside a test ("# ok ...") count
# instead of the one around them, unless only that one failed: it crashed.
tally()
{
	awk '
	/^# (ok|not ok) [0-9]+/	{ inside++ }
	/^# ok [0-9]+/		{ /# SKIP/ ? skip++ : pass++ }
	/^# not ok [0-9]+/	{ fail++; bad++ }
	/^ok [0-9]+/		{ if (!inside) { /# SKIP/ ? skip++ : pass++ } inside = bad = 0 }
	/^not ok [0-9]+/	{ if (!bad) fail++; inside = bad = 0 }
	END			{ print pass + 0, fail + 0, skip + 0 }' "$1"
}

# suite NAME COMMAND...: begins when one of two places is free
suite()
{
	local name=$prefix$1
	shift
	names+=("$name")
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n
	done
	{
		start=$SECONDS
		"$@" >"$logs/$name" 2>&1
		echo "$? $((SECONDS - start))" >"$logs/$name.status"
	} &
}

# built COMMAND...: the suite build, on which those that follow depend; fails if it did
built()
{
	local status

	suite build "$@"
	wait
	read -r status _ <"$logs/${prefix}build.status" && [ "$status" = 0 ]
}

# key PATH...: changes with any file there, with the compiler and the kernel's source
key()
{
	{
		cd "$top" && find "$@" -type f -exec sha256sum {} + | sort
		gcc --version
		dpkg-query -Wf '${Version}' linux-source-6.1
	} | sha256sum | cut -c-16
}

# remember FILE COMMAND...: keeps what it printed, if it passed. Not by the status alone:
# the kernel's own runner has none.
remember()
{
	local file=$1 status=0 fail
	shift
	mkdir -p "$(dirname "$file")"
	"$@" >"$file.new" || status=$?
	cat "$file.new"
	read -r _ fail _ < <(tally "$file.new")
	[ "$status$fail" != 00 ] || mv "$file.new" "$file"
	return "$status"
}

# still NAME PATH... -- COMMAND...: a suite that depends on nothing but the files there;
# what passed is not run again until one of them changes
still()
{
	local name=$1 paths=() known
	shift
	while [ "$1" != -- ]; do
		paths+=("$1")
		shift
	done
	shift
	known=$build/known/$prefix$name-$(key "${paths[@]}")
	if [ -e "$known" ]; then
		suite "$name" cat "$known"
	else
		suite "$name" remember "$known" "$@"
	fi
}

# count NAME: what a suite said, in $status, $seconds, $pass, $fail, $skip, and in the sums
count()
{
	status=1 seconds=0
	read -r status seconds 2>/dev/null <"$logs/$1.status"
	read -r pass fail skip < <(tally "$logs/$1")
	# An end that no test explains is a failure of its own.
	[ "$status" = 0 ] || [ "$fail" != 0 ] || fail=1
	[ $((pass + fail + skip)) != 0 ] || fail=1
	passed=$((passed + pass)) failed=$((failed + fail)) skipped=$((skipped + skip))
}

# explain NAME: what failed, and why
explain()
{
	echo "$1"
	echo "  ended with status $status; the whole log is $logs/$1"
	{
		grep -E -B 12 '^(# )?not ok' "$logs/$1"
		tail -n 12 "$logs/$1"
	} | grep -vE '^(# )+#? *( RUN| OK|ok )' | sed 's/^/  /'
}

# Counts and prints what a suite said.
report()
{
	local status seconds pass fail skip

	count "$1"
	printf '%-16s %3d passed, %d failed, %d skipped (%d s)\n' \
		"$1" "$pass" "$fail" "$skip" "$seconds"
	[ "$fail" = 0 ] || explained+=("$(explain "$1")")
	grep -E '^(# )?ok .*# SKIP' "$logs/$1" | sed 's/^/  /'
}

# The sums of what was reported, and before them, where nobody has to look for it, what
# failed; its status is that of all.
conclude()
{
	[ "$failed" = 0 ] || printf '%s\n' "${explained[@]}"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}

# stage_selftests [NAME MAKE-VARIABLE...]: lays the programs of tests/selftests out as the
# kernel's own runner wants them; with a name, beside the ordinary ones
stage_selftests()
{
	local name=selftests${1:+-$1} harness=$build/linux/tools/testing/selftests stage
	stage=$build/vm/$name
	make -s -C "$top/tests/selftests" OUTPUT="$build/$name" "${@:2}" || return 1
	rm -rf "$stage"
	mkdir -p "$stage/lastline"
	cp -r "$harness/kselftest" "$harness/run_kselftest.sh" "$stage" &&
		cp "$top"/tests/selftests/{settings,*.sh,*.py} "$stage/lastline" &&
		cp "$top"/tests/tap.{sh,py} "$stage" &&
		find "$build/$name" -type f -executable -exec cp {} "$stage/lastline" \; &&
		(cd "$stage/lastline" && find . -type f -executable -printf 'lastline:%P\n') \
			>"$stage/kselftest-list.txt"
}

# Lays out what "make install" installs, as packages would do it.
stage_userspace()
{
	local stage=$build/vm/installed release
	release=$(cat "$build/kernel-release") &&
		rm -rf "$stage" &&
		# Debian's zsh looks in site-functions only below /usr/local.
		make -s -C "$top" install DESTDIR="$stage" prefix=/usr MQTT=yes \
			zshdir=/usr/share/zsh/vendor-completions \
			KDIR="/usr/src/linux-headers-$release" &&
		# Of the kernel's own modules there is none in the machine.
		depmod -b "$stage" "$release" 2>/dev/null
}

# The library's tests and the examples; once, before the suites that take them, of which two
# run at a time.
build_library_tests()
{
	make -s -C "$top/tests/userspace"
}

# in_debian [VM-OPTION...] -- COMMAND...: in a Debian where all of it is installed
in_debian()
{
	"$top/tests/vm/run" --debian --no-module --timeout 3600 --add "$build/vm/installed:/" \
		--add "$top/tests/userspace:/tests/userspace" \
		--add "$top/tests/tap.sh:/tests/tap.sh" --add "$top/tests/tap.py:/tests/tap.py" "$@"
}

# As an administrator leaves it who wants the channels of robot.conf from boot on.
stage_robot()
{
	local etc=$build/vm/robot/etc wants=systemd/system/sysinit.target.wants
	rm -rf "$build/vm/robot" &&
		install -D -m 0644 "$top/userspace/examples/robot.conf" "$etc/lastline.d/robot.conf" &&
		mkdir -p "$etc/$wants" &&
		ln -s /usr/lib/systemd/system/lastline.service "$etc/$wants"
}

# A machine's shell that runs tests one after another.
# shellcheck disable=SC2016 # that shell does
in_turn=(sh -c 'status=0; for test; do "$test" || status=1; done; exit $status' sh)

# debian_tests TEST...: of tests/userspace, one after another
debian_tests()
{
	in_debian -- "${in_turn[@]}" "${@/#//tests/userspace/}"
}

# mqtt_tests TEST...: of tests/mqtt, with Debian's broker, between networks of one machine
mqtt_tests()
{
	in_debian --driver veth --driver sch_netem --driver sch_tbf \
		--add "$top/tests/mqtt:/tests/mqtt" -- "${in_turn[@]}" "${@/#//tests/mqtt/}"
}

# The library's tests, with the library in them and with the one that is installed.
library_tests()
{
	in_debian --add "$build/userspace-tests:/tests/library" -- \
		sh -c '/tests/library/lib_test && /tests/library/lib_test_shared'
}

# An error or a leak fails the test that it is in.
valgrind_tests()
{
	in_debian --add "$build/userspace-tests:/tests/library" -- \
		/tests/userspace/valgrind.sh /tests/library/lib_test_shared
}

# The programs of userspace/examples/lib, in a machine without libraries.
example_tests()
{
	local here=tests/userspace

	"$top/tests/vm/run" --with bash --add "$top/$here/examples.sh:/$here/examples.sh" \
		--add "$build/userspace-tests/examples:/$here/examples" \
		--add "$top/tests/tap.sh:/tests/tap.sh" --add "$top/tests/tap.py:/tests/tap.py" -- \
		"/$here/examples.sh"
}

# With two kernels, and where only what is signed is loaded.
dkms_tests()
{
	"$top/tests/dkms/run" && "$top/tests/dkms/secure-boot"
}

# in_vm [VM-OPTION...] -- COMMAND...: in a machine with the tests in /tests
in_vm()
{
	"$top/tests/vm/run" "${machine[@]}" --add "$programs:/tests" "$@"
}

# selftests [VM-OPTION...] -- TEST...: by the kernel's own runner
selftests()
{
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	in_vm "${options[@]}" --with bash --with timeout -- \
		sh -c "cd /tests && ./run_kselftest.sh ${*/#/-t lastline:}"
}

# on_kernel NAME: the suites that follow run on that debug kernel, which is built first,
# with the module for it. That has -g, so that scripts/faddr2line of the kernel's source
# finds the line that a report means. It is slow by design, so that all get more time.
on_kernel()
{
	local name=$1 dir=$build/kernels/$1 make=(make -s -C "$top" modules KCFLAGS=-g) module

	prefix=$name.
	# Lines are counted, and which places a call reached can be asked for.
	[ "$name" != kasan ] || make+=(GCOV_PROFILE=y KCOV_INSTRUMENT=y)
	"$top/tests/vm/kernel" "$name" >/dev/null && "${make[@]}" KDIR="$dir" || return 1
	module=$build/$(cat "$dir/include/config/kernel.release")/lastline.ko
	machine=(--kernel "$dir/vmlinuz" --module "$module" --mem 2048 --timeout 3600)
	case $name in
	kasan)
		coverage=$build/coverage/$(key "${sources[@]}")
		if [ ! -e "$coverage" ]; then
			# What is known brings no counts.
			rm -rf "$build"/known/kasan.* "$build/coverage"
			mkdir -p "$coverage"
		fi
		machine+=(--coverage "$coverage") ;;
	# It tells of the kernel's own races, too, and is to go on after those.
	kcsan)		machine+=(--append panic_on_warn=0) ;;
	preempt)	machine+=(--append threadirqs) ;;
	esac
}

# builds_for DIRECTORY: of tests/vm/distribution. Each warning counts.
builds_for()
{
	local release backports="what was brought to a kernel that calls itself 5.14 is found"

	release=$(cat "$1/release")
	# shellcheck source=tests/tap.sh
	. "$top/tests/tap.sh"
	# As RHEL 9 does. It has all that this kernel has.
	if printf '%s\n' 5.14 "$release" | sort -CV; then
		check "$backports" build_for "$1" "KERNEL_VERSION(5, 14, 0)"
	else
		tap_result 4 "$backports" "this kernel is older"
	fi
	check "$(cat "$1/compiler") builds the module for $release without a warning" build_for "$1"
	finish
}

# in_root ROOT COMMAND...: with /proc, which objtool wants since 7.0, where we may mount
in_root()
{
	if unshare --mount --propagation private true 2>/dev/null; then
		# shellcheck disable=SC2016 # the inner shell does
		unshare --mount --propagation private \
			sh -c 'mount -t proc proc "$1/proc" && exec chroot "$@"' sh "$@"
	else
		chroot "$@"
	fi
}

# build_for DIRECTORY [VERSION]: prints the compiler's words, as far as they are warnings or
# errors; with a version that the kernel pretends to have
build_for()
{
	local root=$1/root source=usr/src/lastline log=$1/log status=0

	rm -rf "${root:?}/$source" "$1/lastline.ko"
	mkdir -p "$root/$source" && cp -r "$top/Kbuild" "$top/module" "$root/$source" || return
	[ $# = 1 ] || sed -i "s/LINUX_VERSION_CODE/$2/" "$root/$source/module/compat.h"
	in_root "$root" make -C "/usr/src/linux-headers-$(cat "$1/release")" M="/$source" W=1 \
		modules >"$log" 2>&1 || status=$?
	grep -iE 'warning|error' "$log"
	[ "$status" = 0 ] && cp "$root/$source/lastline.ko" "$1"
}

# on_distribution NAME DIRECTORY: the suites that follow run on the kernel of that
# tests/vm/distribution, with the module that its compiler made
on_distribution()
{
	prefix=$1.
	built builds_for "$2" || return 1
	machine=(--kernel "$2/vmlinuz" --module "$2/lastline.ko")
}

# with_32_bits: the suites that follow have programs of 32 bits
with_32_bits()
{
	local root gcc

	prefix=i386.
	root=$("$top/tests/vm/sysroot" i386) || return 1
	gcc="gcc -m32 --sysroot=$root -B$root/usr/lib/gcc/i686-linux-gnu/12"
	stage_selftests i386 CC="$gcc" && programs=$build/vm/selftests-i386
}

# get_architecture NAME: what it takes to build for it and to run it; the directory of
# tests/vm/sysroot in $sysroot
get_architecture()
{
	arch "$1" && "$top/tests/setup" "$build" "${needs[@]}" &&
		sysroot=$("$top/tests/vm/sysroot" "$1")
}

# What runs on that architecture, and is built here. Each warning counts.
builds_across()
{
	local gcc="${cross}gcc --sysroot=$sysroot"
	local own=(BUILD="$build/$arch" CC="$gcc" AR="${cross}ar" MQTT=yes)
	# shellcheck source=tests/tap.sh
	. "$top/tests/tap.sh"

	# There is no kernel with debug information to take types from.
	check "the module builds without a warning" \
		make -s -C "$top" modules KDIR="$sysroot/headers" CROSS_COMPILE="$cross" W=1 \
		CONFIG_DEBUG_INFO_BTF_MODULES=
	check "the tests build without a warning" stage_selftests "$arch" CC="$gcc"
	check "library and command build without a warning" \
		make -s -C "$top/userspace" "${own[@]}"
	check "the library's tests build without a warning" \
		make -s -C "$top/tests/userspace" "${own[@]}" \
		KSELFTEST="$build/linux/tools/testing/selftests" \
		"$build/$arch/userspace-tests/lib_test"
	finish
}

# on_architecture: the suites that follow run on Debian's kernel for the one that was got,
# with module and programs that were built here
on_architecture()
{
	prefix=$arch.
	built builds_across || return 1
	machine=(--arch "$arch" --mem 2048 --timeout 3600)
	programs=$build/vm/selftests-$arch
}

# steadily NAME COMMAND...: a suite that depends on driver and tests alone
steadily()
{
	still "$1" "${sources[@]}" -- "${@:2}"
}

# machine_suites RUN: all that runs in a machine, on any kernel; by suite or by steadily
machine_suites()
{
	"$1" scenarios selftests "${tools[@]/#/--with=}" -- scenarios.sh scenarios.py
	program_suites "$1"
}

# program_suites RUN: as far as it is made of programs of ours
program_suites()
{
	local run=$1

	"$run" soak selftests --smp 4 -- soak lifetimes
	"$run" contract selftests -- "${contract[@]}"
	"$run" limits selftests --param line_max=64 --param devices=256 -- \
		write_test read_test rest_test
	"$run" large selftests --param line_max=1048576 -- \
		write_test read_test rest_test fault_test map_test
	"$run" calls in_vm --smp 4 -- /tests/lastline/calls --seconds 10
}

# disturb SECONDS [VM-OPTION...]: tools of others, made to break things, for so long each
disturb()
{
	local seconds=$1 lastline=/tests/lastline
	shift
	in_vm --smp 4 "$@" --add "$top/userspace/examples:$lastline/examples" \
		"${strangers[@]/#/--with=}" -- "$lastline/tools.sh" "$seconds"
}

# Memory is full of a pattern: the test frees pages with one, the kernel objects.
with_pattern()
{
	in_vm --append "slub_debug=P init_on_alloc=0" -- /tests/lastline/fresh_test
}
