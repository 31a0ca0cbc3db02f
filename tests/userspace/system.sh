#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A Debian that was booted with all of it installed and robot.conf in /etc/lastline.d:
# what the system makes of that, before anybody has typed anything.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"

{ [ -d /run/systemd/system ] && [ -e /etc/lastline.d/robot.conf ]; } ||
	skip_all "needs systemd, and lastline installed with robot.conf"
useradd --groups lastline member
udevadm settle
units=/run/systemd/system

loaded()
{
	[ -d /sys/module/lastline ] || fail "the module is not there"
	expect 0660 "$(cat /sys/module/lastline/parameters/mode)" "the permissions"
	expect "root lastline 660" "$(stat -c '%U %G %a' /dev/lastline0)" "the node"
}
test_that "the module is loaded at boot, and its channels are for the group lastline" loaded

control_is_roots()
{
	expect "root root 600" "$(stat -c '%U %G %a' /dev/lastline-control)" "the control device"
}
test_that "the control device is for root" control_is_roots

made_at_boot()
{
	expect "drive pose camera" "$(lastline list | awk '$2 ~ /^[a-z]/ && $2 != "name" {
		print $2 }' | paste -sd' ')" "the channels"
	expect "root lastline 660" "$(stat -L -c '%U %G %a' /dev/lastline/drive)" "drive"
	expect "root lastline 664" "$(stat -L -c '%U %G %a' /dev/lastline/pose)" "pose"
	expect record "$(cat /sys/class/lastline/"$(basename "$(readlink /dev/lastline/camera)")"/mode)" \
		"the mode of camera"
}
test_that "what is in /etc/lastline.d is there after boot, as /dev/lastline/NAME" made_at_boot

early()
{
	local made sysinit

	made=$(systemctl show -P ExecMainExitTimestampMonotonic lastline)
	sysinit=$(systemctl show -P ActiveEnterTimestampMonotonic sysinit.target)
	if [ "$made" = 0 ] || [ "$made" -gt "$sysinit" ]; then
		fail "the channels were made at $made us, sysinit.target reached at $sysinit us"
	fi
}
test_that "the channels are made before any ordinary service is started" early

healthy()
{
	expect "" "$(systemctl --failed --plain --no-legend)" "the list of failed units"
	# It complains about units of others, too.
	! systemd-analyze verify lastline.service 2>&1 | grep lastline || fail "see above"
	! udevadm test-builtin path_id /sys/class/lastline/lastline0 2>&1 | grep -i 'lastline.*unknown' ||
		fail "see above"
	! journalctl -b -p warning -t systemd-udevd -t systemd-sysusers -t systemd-modules-load |
		grep -i lastline || fail "see above"
}
test_that "no unit failed, and nobody complains about ours" healthy

links_come_and_go()
{
	lastline add engine >/dev/null
	await test -e /dev/lastline/engine
	echo from the link >/dev/lastline/engine
	expect "from the link" "$(lastline get engine)" "the line"
	expect "from the link" "$(runuser -u member -- head -n 1 /dev/lastline/engine)" "the line"
	lastline remove engine
	await test ! -L /dev/lastline/engine
	[ -e /dev/lastline/drive ] || fail "another link is gone"
}
test_that "udev makes /dev/lastline/NAME when a channel is added, and removes it" links_come_and_go

own_group()
{
	expect "root users 660" "$(stat -c '%U %G %a' "$(lastline add --group users theirs)")" \
		"the node"
	udevadm settle
	expect "root users 660" "$(stat -L -c '%U %G %a' /dev/lastline/theirs)" "the node"
	lastline remove theirs
}
test_that "a channel with a group of its own keeps it" own_group

again()
{
	lastline pub drive stop
	systemctl restart lastline || fail "it does not restart"
	expect stop "$(lastline get drive)" "the line"
	echo wheel >/etc/lastline.d/wheel.conf
	systemctl restart lastline || fail "it does not restart"
	await test -e /dev/lastline/wheel
	echo 'arm --frobnicate' >/etc/lastline.d/wheel.conf
	! systemctl restart lastline || fail "it restarts with a mistake in a file"
	await journal_has lastline 'wheel.conf:1: there is no option --frobnicate'
	rm /etc/lastline.d/wheel.conf
	lastline remove wheel
	systemctl restart lastline
}
test_that "systemctl restart lastline adds what is new and leaves the rest" again

journal_has() { journalctl -u "$1" | grep -qF "$2"; }

# service NAME LINE...: a unit with these lines in [Service]
service()
{
	{
		echo '[Service]'
		printf '%s\n' "${@:2}"
	} >"$units/$1.service"
	systemctl daemon-reload
	systemctl start "$1" || fail "$(systemctl status "$1")"
}

# shellcheck disable=SC2016 # systemd makes $ of $$
standard_output()
{
	service talker 'ExecStart=sh -c "for i in 1 2 3; do echo line $$i; done; exec sleep 60"' \
		'StandardOutput=file:/dev/lastline0'
	await newest_is 0 "line 3"
	systemctl restart talker
	await newest_is 0 "line 3"
	service eater 'ExecStart=sh -c "read -r line; echo got $$line; exec sleep 60"' \
		'StandardInput=file:/dev/lastline0' 'StandardOutput=file:/dev/lastline1'
	await newest_is 1 "got line 3"
	systemctl stop talker eater
}
test_that "a service with StandardOutput=file:/dev/lastline0 publishes its output" standard_output

as_member()
{
	service member 'DynamicUser=yes' 'SupplementaryGroups=lastline' \
		'ExecStart=sh -c "id -Gn | lastline pub pose; exec sleep 60"'
	await has_group
	systemctl stop member
}
has_group() { lastline get pose 2>/dev/null | grep -qw lastline; }
test_that "a service with SupplementaryGroups=lastline uses a channel" as_member

run_tests
