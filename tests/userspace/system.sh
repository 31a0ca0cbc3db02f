#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of systemd units, udev rules and permissions, in a Debian that was booted with lastline
# installed and robot.conf in /etc/lastline.d.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/machine.sh"

{ [ -d /run/systemd/system ] && [ -e /etc/lastline.d/robot.conf ]; } ||
	skip_all "needs systemd, and lastline installed with robot.conf"
useradd --groups lastline member
udevadm settle
units=/run/systemd/system

# node PATH: prints owner, group and permissions
node() { stat -L -c '%U %G %a' "$1"; }

booted()
{
	local made sysinit

	expect 0660 "$(cat /sys/module/lastline/parameters/mode)" "the parameter of the module"
	expect "root lastline 660" "$(node /dev/lastline0)" "the first node"
	expect "root root 600" "$(node /dev/lastline-control)" "the control device"
	expect "drive pose camera" "$(lastline list | awk '$2 ~ /^[a-z]/ && $2 != "name" {
		print $2 }' | paste -sd' ')" "the channels"
	expect "root lastline 660" "$(node /dev/lastline/drive)" "drive"
	expect "root lastline 664" "$(node /dev/lastline/pose)" "pose"
	lastline info /dev/lastline/camera | grep -qE '^mode +record$' || fail "no records in camera"
	made=$(systemctl show -P ExecMainExitTimestampMonotonic lastline)
	sysinit=$(systemctl show -P ActiveEnterTimestampMonotonic sysinit.target)
	if [ "$made" = 0 ] || [ "$made" -gt "$sysinit" ]; then
		fail "the channels were added at $made us, after sysinit.target at $sysinit us"
	fi
}
test_that "the channels of /etc/lastline.d exist before services start" booted

healthy()
{
	expect "" "$(systemctl --failed --plain --no-legend)" "the list of failed units"
	# These commands also report problems of other units and rules.
	! systemd-analyze verify lastline.service 2>&1 | grep lastline || fail "see above"
	! udevadm test-builtin path_id /sys/class/lastline/lastline0 2>&1 | grep -i 'lastline.*unknown' ||
		fail "see above"
	! journalctl -b -p warning -t systemd-udevd -t systemd-sysusers -t systemd-modules-load |
		grep -i lastline || fail "see above"
}
test_that "no unit fails, and there is no warning about lastline" healthy

restarts()
{
	lastline pub drive stop
	echo wheel >/etc/lastline.d/wheel.conf
	systemctl restart lastline || fail "it does not restart"
	await test -e /dev/lastline/wheel
	expect stop "$(lastline get drive)" "the line"
	echo 'arm --frobnicate' >/etc/lastline.d/wheel.conf
	! systemctl restart lastline || fail "it restarts with an error in a file"
	await journal_has lastline 'wheel.conf:1: '
	rm /etc/lastline.d/wheel.conf
	lastline remove wheel
	systemctl restart lastline
}
journal_has() { journalctl -u "$1" | grep -qF "$2"; }
test_that "systemctl restart lastline adds new channels and keeps the others" restarts

links()
{
	expect "root lastline 660" "$(node "$(lastline add engine)")" "the node"
	[ -e /dev/lastline/engine ] || fail "add ends before the link exists"
	echo from the link >/dev/lastline/engine
	expect "from the link" "$(lastline get engine)" "the line"
	expect "from the link" "$(lastline get /dev/lastline/engine)" "the line"
	expect "member users 600" \
		"$(node "$(lastline add -o member -g users -p 0600 theirs)")" "the other node"
	udevadm settle
	expect "member users 600" "$(node /dev/lastline/theirs)" "the other node, by its link"
	lastline remove engine theirs
	await test ! -L /dev/lastline/engine
	[ -e /dev/lastline/drive ] || fail "another link was removed"
}
test_that "udev creates and removes /dev/lastline/NAME, and keeps owner and group" links

accounts()
{
	lastline add engine >/dev/null
	lastline add --permissions 0600 secret >/dev/null
	runuser -u member -- lastline pub engine from a member || fail "a member cannot publish"
	expect "from a member" "$(runuser -u member -- head -n 1 /dev/lastline/engine)" "the line"
	by="runuser -u nobody --"
	statuses <<-END
		0 | engine                      | list
		0 | 0660 root lastline          | info engine
		1 | usermod -aG lastline        | get engine
		1 | engine                      | watch engine
		1 | engine                      | pub engine x
		1 | engine                      | clear engine
		1 | secret                      | get secret
		1 | root                        | add mine
		1 | root                        | remove engine
		1 | bench CHANNEL               | bench
	END
	lastline remove engine secret
}
test_that "members of the group may use a channel; an error names it to others" accounts

# service NAME LINE...: starts a unit with these lines in its section [Service]
service()
{
	printf '%s\n' '[Service]' "${@:2}" >"$units/$1.service"
	systemctl daemon-reload
	systemctl start "$1" || fail "$(systemctl status "$1")"
}

# shellcheck disable=SC2016 # systemd replaces $$ by $
services()
{
	service talker 'ExecStart=sh -c "for i in 1 2 3; do echo line $$i; done; exec sleep 60"' \
		'StandardOutput=file:/dev/lastline0'
	await newest_is 0 "line 3"
	lastline clear 0
	systemctl restart talker
	await newest_is 0 "line 3"
	service eater 'ExecStart=sh -c "read -r line; echo got $$line; exec sleep 60"' \
		'StandardInput=file:/dev/lastline0' 'StandardOutput=file:/dev/lastline1'
	await newest_is 1 "got line 3"
	service member 'DynamicUser=yes' 'SupplementaryGroups=lastline' \
		'ExecStart=sh -c "id -Gn | lastline pub pose; exec sleep 60"'
	await has_group
	systemctl stop talker eater member
}
has_group() { lastline get pose 2>/dev/null | grep -qw lastline; }
test_that "a service can use a channel as input or output, or join the group" services

run_tests
