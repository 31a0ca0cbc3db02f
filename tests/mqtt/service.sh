#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline-mqtt.service, which systemd runs with /etc/lastline-mqtt.conf. Needs an installed
# lastline, root, and a machine of its own.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/../userspace/machine.sh"
wants lastline lastline-mqtt mosquitto mosquitto_pub mosquitto_sub systemctl

unit=lastline-mqtt
file=/etc/lastline-mqtt.conf
port=1884	# Debian's own broker may use 1883
drop_in=/run/systemd/system/$unit.service.d
useradd --groups lastline member
useradd stranger

# start_broker [LINE]...: with these lines in its configuration
start_broker()
{
	printf '%s\n' "listener $port" "allow_anonymous true" "$@" >/run/broker.conf
	systemd-run --quiet --unit=broker mosquitto -c /run/broker.conf ||
		fail "the broker does not start"
}

# configure LINE...
configure() { printf '%s\n' "broker mqtt://localhost:$port" "id robot" "$@" >"$file"; }

# start LINE...: with a broker, and these lines in the service's configuration
start()
{
	[ -e /run/broker.conf ] || start_broker
	configure "$@"
	systemctl start "$unit" || fail "$(journalctl -b -u "$unit")"
	(await connected) || fail "$(journalctl -b -u "$unit")"
}

status() { lastline-mqtt --status --id robot "$@"; }
connected() { status --json 2>/dev/null | grep -q '"connected": true'; }
property() { systemctl show -P "$1" "$unit"; }
status_has() { [[ $(property StatusText) == *"$1"* ]]; }
journal_has() { journalctl -b -u "$unit" | grep -qF "$1"; }
foreign() { "mosquitto_$1" -p "$port" "${@:2}"; }

# receives CHANNEL TOPIC LINE
receives()
{
	foreign pub -r -t "$2" -m "$3"
	await newest_is "$1" "$3"
}

restore()
{
	systemctl stop "$unit" broker
	systemctl reset-failed "$unit" broker
	rm -rf "$file" "$drop_in" "/etc/credstore/$unit".* /run/broker.*
	systemctl daemon-reload
	put_channels_back
} >/dev/null 2>&1

without_file()
{
	systemctl start "$unit" || fail "it fails"
	expect inactive "$(property ActiveState)" "its state"
}
test_that "without a configuration file the service is skipped, and does not fail" without_file

# of_process KEY: from /proc/PID/status of the service
of_process() { sed -n "s/^$1:\t//p" "/proc/$(property MainPID)/status"; }

few_permissions()
{
	start "publish 0=there"
	[ "$(stat -c %u "/proc/$(property MainPID)")" != 0 ] || fail "it runs as root"
	expect lastline "$(stat -c %G "/proc/$(property MainPID)")" "its group"
	expect 0000000000000000 "$(of_process CapBnd)" "its bounding set of capabilities"
	expect 2 "$(of_process Seccomp)" "its seccomp mode"
	expect 1 "$(of_process NoNewPrivs)" "NoNewPrivs"
	! systemd-analyze verify "$unit.service" 2>&1 | grep "$unit" || fail "the unit is wrong"
	systemd-analyze security --no-pager --threshold=20 "$unit.service" ||
		fail "its exposure is above the threshold"

	status | grep -q robot || fail "root does not get the status"
	runuser -u member -- lastline-mqtt --status --id robot | grep -q robot ||
		fail "a member of the group does not get the status"
	fails_with 1 robot runuser -u stranger -- lastline-mqtt --status --id robot
}
test_that "the service has few permissions, and only its group and root get its status" few_permissions

whole_life()
{
	lastline add engine >/dev/null
	lastline add drive >/dev/null
	configure "publish engine=robot/engine" "subscribe robot/drive=drive"
	systemctl start "$unit" || fail "it does not start without a broker"
	await status_has refused
	start_broker
	await status_has connected
	lastline pub engine started
	await retained_is robot/engine started
	receives drive robot/drive forward
	expect online "$(retained lastline-mqtt/robot)" "the state topic"
	systemctl stop "$unit"
	expect "success 0" "$(property Result) $(property ExecMainStatus)" "its result"
	expect offline "$(retained lastline-mqtt/robot)" "the state topic"
	[ ! -e /run/lastline-mqtt ] || fail "files remain: $(ls -lR /run/lastline-mqtt)"
}
test_that "the service starts without a broker, carries lines both ways, and stops cleanly" whole_life

reloaded()
{
	local pid

	start "subscribe robot/drive=0"
	pid=$(property MainPID)
	configure "subscribe robot/drive=0" "subscribe robot/arm=1" "publish 2=robot/out"
	systemctl reload "$unit" || fail "it fails"
	receives 1 robot/arm up
	configure "subscribe robot/+=1"
	systemctl reload "$unit" || fail "it fails"
	await journal_has "$file:3: "
	receives 1 robot/arm down
	lastline pub 2 out
	await retained_is robot/out out
	expect "$pid" "$(property MainPID)" "the process"
	status --json | grep -q '"reconnects": 0' || fail "it connected again"
}
test_that "systemctl reload applies the configuration, and ignores an invalid one" reloaded

secret()
{
	local password=/etc/credstore/$unit.password

	mosquitto_passwd -b -c /run/broker.passwords robot swordfish 2>/dev/null ||
		fail "no file of passwords"
	chmod 644 /run/broker.passwords
	start_broker "password_file /run/broker.passwords" "allow_anonymous false"
	(umask 077 && mkdir -p /etc/credstore && echo swordfish >"$password")
	start "user robot" "password-file /run/credentials/$unit.service/password" "publish 0=there"
	! grep -a swordfish "/proc/$(property MainPID)"/{cmdline,environ} || fail "ps shows it"
}
test_that "the service has a password that only root can read" secret

wildcards()
{
	mkdir -p "$drop_in"
	# The lines in the comment of the unit
	sed -n 's/^#\t//p' "/usr/lib/systemd/system/$unit.service" >"$drop_in/wildcards.conf"
	systemctl daemon-reload
	start "subscribe sensors/#=s-*"
	receives s-hall-door sensors/hall/door open
	await test -e /dev/lastline/s-hall-door
	expect lastline "$(stat -L -c %G /dev/lastline/s-hall-door)" "its group"
	expect 0000000000200000 "$(of_process CapEff)" "its capabilities, CAP_SYS_ADMIN only"
}
test_that "wildcards add channels with the drop-in from the comment of the unit" wildcards

invalid_file()
{
	configure "publish nothing"
	! systemctl start "$unit" 2>/dev/null || fail "it starts"
	expect "2 failed 0" "$(property ExecMainStatus) $(property ActiveState) $(property NRestarts)" \
		"status, state and number of restarts"
	await journal_has "$file:3: "
}
test_that "with an invalid configuration the service fails and is not restarted" invalid_file

killed()
{
	local pid

	start "subscribe robot/drive=0"
	pid=$(property MainPID)
	kill -KILL "$pid"
	await restarted "$pid"
	await connected
	receives 0 robot/drive forward
}
restarted() { [ "$(property ActiveState)" = active ] && [ "$(property MainPID)" != "$1" ]; }
test_that "the service is restarted after SIGKILL" killed

after=restore
run_tests
