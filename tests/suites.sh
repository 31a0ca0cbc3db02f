# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The test suites, what each needs, and how they run: two at a time, each with its own log
# in $logs. tests/check, tests/torture, tests/mutants/run and others use this file.
#
# A suite is a command on this machine, or a member of a group that shares one boot of a
# VM. A member is called GROUP.NAME, or just NAME in the group "vm".

top=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/..")
build=${BUILD:-$top/build}
# shellcheck source=tests/vm/arch.sh
. "$top/tests/vm/arch.sh"
# shellcheck source=tests/cache.sh
. "$top/tests/cache.sh"

vm_options=()	# options of tests/vm/run that select the machine of a group
guest_options=()	# more options for its suites: processors, programs, files
programs=$build/vm/selftests	# the directory that becomes /tests in the VM
all_suites=()	# names
declare -A needs=()	# purposes of tests/setup
declare -A paths=()	# a suite that passed is not run again until one of these changes
declare -A command=()	# for a suite on this machine
declare -A group_of=()	# for a suite in a VM
fresh=		# if not empty, run also the suites that already passed

module_paths="Kbuild Makefile module tests/selftests tests/tap.sh tests/tap.py tests/suites.sh tests/vm"
user_paths="Makefile module packaging/version userspace tests/userspace tests/tap.sh tests/tap.py
	tests/suites.sh tests/vm tests/selftests/lastline_test.h"
package_paths="$user_paths Kbuild LICENSE packaging README.md CHANGELOG.md docs tests/packages"

# suite NAME NEEDS PATHS COMMAND...
suite()
{
	all_suites+=("$1")
	needs[$1]=$2 paths[$1]=$3 command[$1]=${*:4}
}

# vm_suites GROUP NEEDS PATHS NAME...: suites that share a boot; see prepare_group
vm_suites()
{
	local group=$1 name

	for name in "${@:4}"; do
		[ "$group" = vm ] || name=$group.$name
		all_suites+=("$name")
		needs[$name]=$2 paths[$name]=$3 group_of[$name]=$group
	done
}

user_needs="vm source selftests userspace"
debian_needs="$user_needs debian"
kernel_needs="vm source selftests kernel"
# The suites that run on every kernel.
contract=(contract limits large-lines soak add-remove syscall-fuzz)

# The suites of "make check".
vm_suites vm "vm source selftests" "$module_paths" "${contract[@]}" shell python
vm_suites vm "$user_needs" "$user_paths tests/mqtt tests/selftests" library command bridge
suite unit "unit source" "module tests/unit" make -s -C tests/unit run_tests
suite fuzz fuzz "module tests/fuzz tests/unit" tests/fuzz/run
suite barriers models "module tests/models" tests/models/run --barriers
suite models models "tests/models tests/tap.sh" tests/models/run --spin
suite lint "vm source lint userspace abi" . tests/lint
suite abi "vm userspace manuals abi" "$user_paths" tests/userspace/abi
# shellcheck disable=SC2034 # used by tests/check
fast_suites=("${all_suites[@]}")

# The suites that only "make check-all" has.
debug_paths="$module_paths tests/coverage"
vm_suites kasan "$kernel_needs" "$debug_paths" contract inject_test add-remove syscall-fuzz isolation \
	coverage known-bugs
vm_suites kcsan "$kernel_needs" "$debug_paths" contract syscall-fuzz known-bugs
vm_suites preempt "$kernel_needs" "$debug_paths" "${contract[@]}" known-bugs
for name in bullseye bookworm trixie sid; do
	vm_suites $name "vm source selftests debian" "$module_paths" build "${contract[@]}" shell python
done
vm_suites i386 "vm source selftests debian" "$module_paths" "${contract[@]}"
for name in arm64 armhf s390x; do
	vm_suites $name "$debian_needs $name" "$module_paths userspace tests/userspace" build rig \
		"${contract[@]}" library
done
suite system "$debian_needs" "$user_paths" debian_tests system.sh completion.sh top.sh bench.sh
suite mqtt "$debian_needs" "$user_paths tests/mqtt" mqtt_tests lines.sh tls.sh
suite mqtt-faults "$debian_needs" "$user_paths tests/mqtt" mqtt_tests faults.sh
suite service "$debian_needs" "$user_paths tests/mqtt" \
	in_debian --add "$top/tests/mqtt:/tests/mqtt" -- /tests/mqtt/service.sh
suite machines "$debian_needs" "$user_paths tests/mqtt README.md" tests/mqtt/machines
suite valgrind "$debian_needs valgrind" "$user_paths" valgrind_tests
suite tutorial "$debian_needs" "$user_paths docs/tutorial.md" page_tests docs/tutorial.md
suite readme "$debian_needs" "$user_paths README.md docs/install.md" readme_tests
suite examples "$user_needs" "$user_paths" example_tests
suite install "vm userspace" "$user_paths" tests/userspace/install
suite packages "$debian_needs packages" "$package_paths" tests/packages/debian
suite recipes "vm userspace packages" "$package_paths" tests/packages/others
suite dkms "$kernel_needs debian" "$module_paths LICENSE packaging tests/dkms" tests/dkms/run
suite secure-boot "$kernel_needs debian secure-boot" "$module_paths packaging tests/dkms" \
	tests/dkms/secure-boot
suite kernel-tree "$kernel_needs kernel-tree lint" "$module_paths packaging userspace/abi tests/kernel-tree" \
	tests/kernel-tree
suite rig "vm debian" "module tests/vm" tests/vm/run_test
suite isolation "vm source selftests" "$module_paths" in_vm -- /tests/lastline/isolation_test 1000 100
suite external "vm source selftests external" "$module_paths userspace/examples" external_stress 1
suite litmus "models source" "module tests/models" tests/models/run --herd
suite fuzz-long fuzz "module tests/fuzz tests/unit" tests/fuzz/run --seconds 20
suite mutants "$user_needs unit fuzz models lint abi" \
	"module userspace tests" tests/mutants/run
suite bench "vm" "module tests/bench tests/vm" tests/bench/check

# expand_names NAME...: prints the selected suites. NAME is a suite, a group, "matrix",
# "architectures", or [GROUP.]PROGRAM of tests/selftests.
expand_names()
{
	local word name found group program status=0

	for word; do
		case $word in
		matrix)		expand_names bullseye bookworm trixie sid; continue ;;
		architectures)	expand_names arm64 armhf s390x; continue ;;
		esac
		found=
		for name in "${all_suites[@]}"; do
			if [ "$name" = "$word" ] || [ "${group_of[$name]:-}" = "$word" ]; then
				echo "$name"
				found=1
			fi
		done
		if [ -z "$found" ] && split_name "$word"; then
			echo "$word"
			found=1
		fi
		[ -n "$found" ] || {
			echo "no suite '$word'; tests/check --list prints the names" >&2
			status=2
		}
	done
	return "$status"
}

# split_name NAME: sets group and program of [GROUP.]PROGRAM; fails if there is no such program
split_name()
{
	local source=$top/tests/selftests

	group=vm program=$1
	if [ -n "${paths[${1%%.*}.contract]:-}" ]; then
		group=${1%%.*} program=${1#*.}
	fi
	[ -e "$source/$program" ] || [ -e "$source/$program.c" ]
}

# add_programs NAME...: makes a suite of each name that is a single program
add_programs()
{
	local name group program contract

	for name; do
		if [ -z "${paths[$name]:-}" ] && split_name "$name"; then
			contract=$group.contract
			contract=${contract#vm.}
			vm_suites "$group" "${needs[$contract]}" "${paths[$contract]}" "$program"
		fi
	done
}

# start_run DIRECTORY: empties the directory for the logs
start_run()
{
	logs=$1
	rm -rf "$logs"
	mkdir -p "$logs" "$build/passed"
	# Ctrl-C does not reach background jobs.
	trap 'trap "" TERM; kill -TERM 0; exit 130' INT TERM
	cd "$top" || exit
}

# hash_of_paths PATH...: changes with any file there, with the compiler and the VM's kernel
hash_of_paths()
{
	{
		cd "$top" && git ls-files -z --cached --others --exclude-standard -- "$@" |
			sort -z | xargs -0 sha256sum 2>/dev/null
		gcc --version
		cat "$build/kernel-release" 2>/dev/null
	} | sha256sum | cut -c-16
}

# passed_file NAME: prints where the log of the suite is kept if it passed
passed_file()
{
	# shellcheck disable=SC2086 # several words
	echo "$build/passed/$1-$(hash_of_paths ${paths[$1]})"
}

# count_log FILE: prints the numbers of passed, failed and skipped tests. Nested results
# ("# ok ...") count instead of the outer one, unless only the outer one failed: a crash.
count_log()
{
	awk '
	/^# (ok|not ok) [0-9]+/	{ inside++ }
	/^# ok [0-9]+/		{ /# SKIP/ ? skip++ : pass++ }
	/^# not ok [0-9]+/	{ fail++; bad++ }
	/^ok [0-9]+/		{ if (!inside) { /# SKIP/ ? skip++ : pass++ } inside = bad = 0 }
	/^not ok [0-9]+/	{ if (!bad) fail++; inside = bad = 0 }
	END			{ print pass + 0, fail + 0, skip + 0 }' "$1"
}

# count_results NAME: sets status, seconds, pass, fail and skip from the suite's log
count_results()
{
	status=1 seconds=0 pass=0 fail=0 skip=0
	[ -e "$logs/$1.status" ] || return
	read -r status seconds <"$logs/$1.status"
	read -r pass fail skip < <(count_log "$logs/$1")
	# A bad status without a failed test is a failure, and so is a suite without tests.
	[ "$status" = 0 ] || [ "$status" = 4 ] || [ "$fail" != 0 ] || fail=1
	[ $((pass + fail + skip)) != 0 ] || fail=1
}

# record_result NAME STATUS SECONDS: keeps the log if the suite passed
record_result()
{
	local status seconds pass fail skip

	echo "$2 $3" >"$logs/$1.status"
	count_results "$1"
	[ "$fail" = 0 ] && cp "$logs/$1" "$(passed_file "$1")"
	printf '%-22s %s\n' "$1" "$([ "$fail" = 0 ] && echo passed || echo FAILED), $3 s" >&2
}

# start_job COMMAND...: in the background, at most two at a time
start_job()
{
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n
	done
	"$@" &
}

run_suite()
{
	local name=$1 start=$SECONDS words status=0

	read -ra words <<<"${command[$name]}"
	# In a subshell, because the command may call exit.
	("${words[@]}") >"$logs/$name" 2>&1 || status=$?
	record_result "$name" "$status" $((SECONDS - start))
}

# prepare_group GROUP NAME...: sets $vm_options, $guest_options and $programs
prepare_group()
{
	case $1 in
	vm)			prepare_vm "${@:2}" ;;
	kasan|kcsan|preempt)	prepare_debug "$1" ;;
	i386)			prepare_i386 ;;
	arm64|armhf|s390x)	prepare_architecture "$1" ;;
	*)			prepare_distribution "$1" ;;
	esac
}

# run_group GROUP NAME...: boots once for all suites of the group. If the kernel reports a
# bug, memory leaks or the module does not unload, all of them fail.
run_group()
{
	local group=$1 prefix=$1. start=$SECONDS status=0 name booted=() word
	shift

	[ "$group" != vm ] || prefix=
	if ! prepare_group "$group" "$@" >"$logs/$group.prepare" 2>&1; then
		for name; do
			cp "$logs/$group.prepare" "$logs/$name"
			record_result "$name" 1 $((SECONDS - start))
		done
		return
	fi
	for name; do
		word=${name#"$prefix"}
		case $word in
		build|rig|coverage|known-bugs) ;;
		*)	booted+=("$word") ;;
		esac
	done
	if [ ${#booted[@]} -gt 0 ]; then
		in_vm "${guest_options[@]}" -- env SECONDS_EACH="${SECONDS_EACH:-10}" \
			ISOLATION="${ISOLATION-100 20}" /tests/guest "${booted[@]}" >"$logs/$group.vm" 2>&1 || status=$?
		split_log "$prefix" "$logs/$group.vm" "$status"
	fi
	# These boot their own VMs, or read files that the others left.
	for name; do
		word=${name#"$prefix"} start=$SECONDS status=0
		case $word in
		build|rig|coverage|known-bugs)
			("run_${word//-/_}" "$group") >"$logs/$name" 2>&1 || status=$?
			record_result "$name" "$status" $((SECONDS - start)) ;;
		esac
	done
}

# split_log PREFIX LOG STATUS: gives each suite its part. With a status above 4 the machine
# failed, and so did all suites.
split_log()
{
	local prefix=$1 log=$2 machine_status=$3 word status seconds

	awk -v prefix="$logs/$prefix" '
	/^# begin /	{ file = prefix $3; next }
	/^# end /	{ close(file); print $4, $5 >(file ".end"); close(file ".end"); file = ""; next }
	file != ""	{ print >file }' "$log"
	for word in "${booted[@]}"; do
		status=125 seconds=0
		[ ! -e "$logs/$prefix$word.end" ] || read -r status seconds <"$logs/$prefix$word.end"
		if [ "$machine_status" -gt 4 ]; then
			[ "$status" != 0 ] || status=125
			grep -A 70 '^run: ' "$log" >>"$logs/$prefix$word"
		fi
		record_result "$prefix$word" "$status" "$seconds"
	done
}

# run_suites NAME...: sets up and runs the suites that have not passed, or whose files changed
run_suites()
{
	local name other file group groups=() all_needs=() words
	local -A waiting=()

	add_programs "$@"
	for name; do
		read -ra words <<<"${needs[$name]}"
		all_needs+=("${words[@]}")
	done
	mapfile -t all_needs < <(printf '%s\n' "${all_needs[@]}" | sort -u)
	"$top/tests/setup" "$build" "${all_needs[@]}" || return
	for name; do
		file=$(passed_file "$name")
		if [ -z "$fresh" ] && [ -e "$file" ]; then
			cp "$file" "$logs/$name"
			echo "0 unchanged" >"$logs/$name.status"
		else
			waiting[$name]=1
		fi
	done
	stage "${!waiting[@]}" >"$logs/stage" 2>&1 || {
		tail -n 30 "$logs/stage" >&2
		echo "cannot build the programs that the suites run; the whole log is $logs/stage" >&2
		return 1
	}
	for name; do
		[ -n "${waiting[$name]:-}" ] || continue
		group=${group_of[$name]:-}
		if [ -z "$group" ]; then
			start_job run_suite "$name"
		elif [[ " ${groups[*]} " != *" $group "* ]]; then
			groups+=("$group")
			mapfile -t words < <(for other; do
				[ "${group_of[$other]:-}" != "$group" ] || [ -z "${waiting[$other]:-}" ] ||
					echo "$other"
			done)
			start_job run_group "$group" "${words[@]}"
		fi
	done
	wait
}

# print_failures NAME: prints the failed tests with the lines before them
print_failures()
{
	echo "$1 ended with status $status; the whole log is $logs/$1"
	{
		grep -E -B 12 '^(# )?not ok' "$logs/$1"
		tail -n 12 "$logs/$1"
	} 2>/dev/null | grep -vE '^(# )+#? *( RUN| OK|ok )' | sed 's/^/  /'
}

# summary NAME...: prints failures, table and totals; fails if a test failed
summary()
{
	local name status seconds pass fail skip passed=0 failed=0 skipped=0 rows=()

	for name; do
		count_results "$name"
		passed=$((passed + pass)) failed=$((failed + fail)) skipped=$((skipped + skip))
		rows+=("$(printf '%-24s %6d %6d %7d %9s' "$name" "$pass" "$fail" "$skip" "$seconds")")
		[ "$fail" = 0 ] || print_failures "$name"
	done
	printf '\n%-24s %6s %6s %7s %9s\n' suite passed failed skipped seconds
	printf '%s\n' "${rows[@]}"
	grep -hE '^(# )?ok .*# SKIP' "${@/#/$logs/}" 2>/dev/null | sed 's/^/skipped: /'
	sed -n 's/^# built for/built for/p' "${@/#/$logs/}" 2>/dev/null
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}

# stage NAME...: builds, before any suite runs, what several of these suites use
stage()
{
	local all=" ${*/%/ }" name purposes=''

	for name; do
		purposes+=" ${needs[$name]} "
	done
	if [[ $purposes == *" vm "* ]]; then
		make -s -C "$top" modules KDIR="/usr/src/linux-headers-$(cat "$build/kernel-release")" || return
	fi
	[[ $purposes != *" selftests "* ]] || stage_selftests || return
	if [[ $purposes == *" userspace "* ]]; then
		stage_userspace && stage_robot || return
	fi
	if [[ $purposes == *" userspace "* && $purposes == *" source "* ]]; then
		make -s -C "$top/tests/userspace" || return
	fi
	[[ $all != *" bridge "* ]] || "$top/tests/mqtt/broker" >/dev/null
}

# stage_selftests [NAME MAKE-VARIABLE...]: builds tests/selftests for the kernel's test
# runner in $build/vm/selftests, or $build/vm/selftests-NAME
stage_selftests()
{
	local name=selftests${1:+-$1} harness=$build/linux/tools/testing/selftests stage
	stage=$build/vm/$name
	make -s -C "$top/tests/selftests" OUTPUT="$build/$name" "${@:2}" || return 1
	rm -rf "$stage"
	mkdir -p "$stage/lastline"
	cp -r "$harness/kselftest" "$harness/run_kselftest.sh" "$stage" &&
		cp "$top"/tests/selftests/{settings,*.sh,*.py} "$stage/lastline" &&
		cp "$top"/tests/tap.{sh,py} "$top/tests/vm/guest" "$stage" &&
		find "$build/$name" -type f -executable -exec cp {} "$stage/lastline" \; &&
		(cd "$stage/lastline" && find . -type f -executable -printf 'lastline:%P\n') \
			>"$stage/kselftest-list.txt"
}

# Runs "make install" with the paths that packages use.
stage_userspace()
{
	local stage=$build/vm/installed release
	release=$(cat "$build/kernel-release") &&
		rm -rf "$stage" &&
		# Debian's zsh reads site-functions only below /usr/local.
		make -s -C "$top" install DESTDIR="$stage" prefix=/usr MQTT=yes \
			zshdir=/usr/share/zsh/vendor-completions \
			KDIR="/usr/src/linux-headers-$release" &&
		# The VM has none of the kernel's own modules.
		depmod -b "$stage" "$release" 2>/dev/null
}

# Configuration that creates the channels of robot.conf at boot.
stage_robot()
{
	local etc=$build/vm/robot/etc wants=systemd/system/sysinit.target.wants
	rm -rf "$build/vm/robot" &&
		install -D -m 0644 "$top/userspace/examples/robot.conf" "$etc/lastline.d/robot.conf" &&
		mkdir -p "$etc/$wants" &&
		ln -s /usr/lib/systemd/system/lastline.service "$etc/$wants"
}

# in_vm [VM-OPTION...] -- COMMAND...: in a VM with the tests in /tests
in_vm()
{
	"$top/tests/vm/run" "${vm_options[@]}" --add "$programs:/tests" "$@"
}

# in_debian [VM-OPTION...] -- COMMAND...: in a Debian VM where everything is installed
in_debian()
{
	"$top/tests/vm/run" --debian --no-module --timeout 3600 --add "$build/vm/installed:/" \
		--add "$top/tests/userspace:/tests/userspace" \
		--add "$top/tests/tap.sh:/tests/tap.sh" --add "$top/tests/tap.py:/tests/tap.py" "$@"
}

# A command in the VM that runs each of its arguments.
# shellcheck disable=SC2016 # the shell in the VM expands them
run_each=(sh -c 'status=0; for test; do "$test" || status=1; done; exit $status' sh)

# debian_tests TEST...: of tests/userspace, with the channels of robot.conf
debian_tests()
{
	in_debian --mem 3072 --add "$build/vm/robot:/" -- "${run_each[@]}" "${@/#//tests/userspace/}"
}

# mqtt_tests TEST...: of tests/mqtt, between network namespaces, with Debian's broker
mqtt_tests()
{
	in_debian --driver veth --driver sch_netem --driver sch_tbf \
		--add "$top/tests/mqtt:/tests/mqtt" -- "${run_each[@]}" "${@/#//tests/mqtt/}"
}

# page_tests PAGE [VM-OPTION...]: types the commands of a page in the machine of "make shell"
page_tests()
{
	in_debian --add "$top/$1:/pages/1" "${@:2}" -- sh -c "/tests/userspace/page_test.py /pages/*"
}

# The README's C program is built here with its own command: that machine has no compiler.
readme_tests()
{
	local work=$build/vm/readme installed=$build/vm/installed/usr

	rm -rf "$work" && mkdir "$work" &&
		sed -n '/c newest\.c$/,/^}$/{/newest/!p}' README.md >"$work/newest.c" &&
		(cd "$work" && CPATH=$installed/include LIBRARY_PATH=$installed/lib \
			sh -c "$(grep -o 'cc -o newest[a-z. -]*' "$top/README.md")") &&
		page_tests README.md --add "$work:/readme" --add "$top/docs/install.md:/pages/2"
}

valgrind_tests()
{
	in_debian --add "$build/userspace-tests:/tests/library" -- \
		/tests/userspace/valgrind.sh /tests/library/lib_test_shared
}

# The programs of userspace/examples/lib, in a VM without libraries.
example_tests()
{
	local here=tests/userspace

	"$top/tests/vm/run" --with bash --add "$top/$here/examples.sh:/$here/examples.sh" \
		--add "$build/userspace-tests/examples:/$here/examples" \
		--add "$top/tests/tap.sh:/tests/tap.sh" -- "/$here/examples.sh"
}

# external_stress SECONDS [VM-OPTION...]: each tool stresses the driver for that time
external_stress()
{
	local seconds=$1 lastline=/tests/lastline tools
	tools=(bash cat env fio head mktemp pkill python3 sed seq setpriv sleep stat strace
		stress-ng timeout tr trinity)
	shift
	in_vm --smp 4 "$@" --add "$top/userspace/examples:$lastline/examples" \
		"${tools[@]/#/--with=}" -- "$lastline/external_stress.sh" "$seconds"
}

# Shells and tools of this machine that the suites use in a VM.
tools=(bash dash zsh socat python3 cat dd env head mktemp seq setpriv sleep stat stdbuf tail
	tee timeout tr yes)

# prepare_vm NAME...: Debian's kernel, with full preemption and poisoned slabs
prepare_vm()
{
	guest_options=(--smp 4 --mem 2048 --append "preempt=full threadirqs slub_debug=P init_on_alloc=0"
		--with bash --with timeout)
	case " $* " in
	*" shell "*|*" python "*|*" command "*|*" bridge "*)
		guest_options+=("${tools[@]/#/--with=}") ;;
	esac
	case " $* " in
	*" library "*|*" command "*|*" bridge "*)
		# --with adds the libraries, --add the programs at their installed paths.
		export PATH="$build/vm/installed/usr/bin:$PATH"
		export LD_LIBRARY_PATH=$build/vm/installed/usr/lib
		guest_options+=(--with lastline --with lastline-mqtt --add "$build/vm/installed:/"
			--add "$build/userspace-tests:/tests/library"
			--add "$top/tests/userspace:/tests/userspace" --add "$top/tests/mqtt:/tests/mqtt") ;;
	esac
	[[ " $* " != *" bridge "* ]] || guest_options+=(--add "$("$top/tests/mqtt/broker"):/")
}

# prepare_debug NAME: builds the debug kernel and the module for it. With -g, the kernel's
# scripts/faddr2line can find the line of a report.
prepare_debug()
{
	local name=$1 dir make=(make -s -C "$top" modules KCFLAGS=-g) module

	# For the coverage suite.
	[ "$name" != kasan ] || make+=(GCOV_PROFILE=y)
	dir=$("$top/tests/vm/kernel" "$name") && "${make[@]}" KDIR="$dir" || return
	ln -sfn "$dir" "$build/kernel-$name"
	module=$build/$(cat "$dir/include/config/kernel.release")/lastline.ko
	vm_options=(--kernel "$dir/vmlinuz" --module "$module" --mem 2048 --timeout 3600)
	guest_options=(--smp 4 --with bash --with timeout)
	case $name in
	kasan)
		# shellcheck disable=SC2086 # several words
		coverage=$build/coverage/$(hash_of_paths $module_paths)
		mkdir -p "$coverage"
		vm_options+=(--coverage "$coverage") ;;
	# It also reports races in the kernel itself, which must not stop the run.
	kcsan)		vm_options+=(--append panic_on_warn=0) ;;
	preempt)	vm_options+=(--append threadirqs) ;;
	esac
}
run_coverage() { tests/coverage/run "$coverage"; }
run_known_bugs() { tests/vm/known_bugs/run "$1" "${vm_options[@]}"; }

# prepare_distribution NAME: the release's kernel, and a module built with its compiler
prepare_distribution()
{
	distribution=$("$top/tests/vm/distribution" "$1") && build_for "$1" >/dev/null || return
	vm_options=(--kernel "$distribution/vmlinuz" --module "$build/$1.ko" --timeout 3600)
	guest_options=(--smp 4 "${tools[@]/#/--with=}")
}

# in_root ROOT COMMAND...: in a chroot; with /proc, which objtool needs since Linux 7.0, if
# mounting is allowed
in_root()
{
	if unshare --mount --propagation private true 2>/dev/null; then
		# shellcheck disable=SC2016 # the inner shell expands them
		unshare --mount --propagation private \
			sh -c 'mount -t proc proc "$1/proc" && exec chroot "$@"' sh "$@"
	else
		chroot "$@"
	fi
}

# build_for NAME [VERSION]: builds $build/NAME.ko with the release's compiler and headers,
# and prints warnings and errors. VERSION replaces the version of the kernel in compat.h.
build_for()
{
	local name=$1 dir=$distribution log=$build/$1.log root source status=0

	root=$dir/root source=tmp/lastline.$$
	mkdir "$root/$source" && cp -r "$top/Kbuild" "$top/module" "$root/$source" || return
	[ $# = 1 ] || sed -i "s/LINUX_VERSION_CODE/$2/" "$root/$source/module/compat.h"
	in_root "$root" make -C "/usr/src/linux-headers-$(cat "$dir/release")" M="/$source" W=1 \
		modules >"$log" 2>&1 || status=$?
	grep -iE 'warning|error' "$log"
	[ "$status" != 0 ] || cp "$root/$source/lastline.ko" "$build/$name.ko" || status=1
	rm -rf "${root:?}/$source"
	return "$status"
}

# run_build DISTRIBUTION|ARCHITECTURE: builds without a warning
run_build()
{
	# shellcheck source=tests/tap.sh
	. "$top/tests/tap.sh"
	if [ -n "${distribution:-}" ]; then
		echo "# built for $1: Linux $(cat "$distribution/release"), $(cat "$distribution/compiler")"
		# Like RHEL 9, which backports features to a kernel with the version 5.14.
		if printf '%s\n' 5.14 "$(cat "$distribution/release")" | sort -CV; then
			check "the module builds where features are backported to a kernel of version 5.14" \
				build_for "$1" "KERNEL_VERSION(5, 14, 0)"
		fi
		check "$(cat "$distribution/compiler") builds the module for $(cat "$distribution/release") without a warning" \
			build_for "$1"
	else
		echo "# built for $1: Linux $(cat "$sysroot/kernel-release"), gcc $("${cross}gcc" -dumpfullversion)"
		# BTF needs a vmlinux with debug information, which is not available.
		check "the module builds without a warning" make -s -B -C "$top" modules \
			KDIR="$sysroot/headers" CROSS_COMPILE="$cross" W=1 CONFIG_DEBUG_INFO_BTF_MODULES=
		check "library and command build without a warning" \
			make -s -B -C "$top/userspace" BUILD="$build/$arch" CC="$cc" AR="${cross}ar" MQTT=yes
	fi
	finish
}

# 32-bit programs on the 64-bit kernel.
prepare_i386()
{
	local root gcc

	root=$("$top/tests/vm/sysroot" i386) || return
	gcc="gcc -m32 --sysroot=$root -B$root/usr/lib/gcc/i686-linux-gnu/12"
	stage_selftests i386 CC="$gcc" && programs=$build/vm/selftests-i386
	guest_options=(--smp 4 --with bash --with timeout)
}

# prepare_architecture NAME: Debian's kernel, and module and programs that are cross-built
prepare_architecture()
{
	arch "$1" && sysroot=$("$top/tests/vm/sysroot" "$1") || return
	cc="${cross}gcc --sysroot=$sysroot"
	make -s -C "$top" modules KDIR="$sysroot/headers" CROSS_COMPILE="$cross" \
		CONFIG_DEBUG_INFO_BTF_MODULES= &&
		stage_selftests "$1" CC="$cc" &&
		make -s -C "$top/userspace" BUILD="$build/$1" CC="$cc" AR="${cross}ar" MQTT=yes &&
		make -s -C "$top/tests/userspace" BUILD="$build/$1" CC="$cc" AR="${cross}ar" MQTT=yes \
			KSELFTEST="$build/linux/tools/testing/selftests" \
			"$build/$1/userspace-tests/lib_test" || return
	vm_options=(--arch "$1" --mem 2048 --timeout 3600)
	programs=$build/vm/selftests-$1
	guest_options=(--smp 4 --with bash --with timeout --add "$build/$1/userspace-tests:/tests/library")
}

run_rig() { tests/vm/run_test "${vm_options[@]}"; }
