#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline-mqtt.service, as systemd runs it from /etc/lastline-mqtt.conf. Wants it installed,
# root, and a machine of its own.
set -u

# shellcheck source=tests/userspace/machine.sh
. "$(dirname "$0")/../userspace/machine.sh"
wants lastline lastline-mqtt mosquitto mosquitto_pub mosquitto_sub systemctl

unit=lastline-mqtt
file=/etc/lastline-mqtt.conf
port=1884	# Debian's own broker may have the usual one
drop_in=/run/systemd/system/$unit.service.d
useradd --groups lastline member
useradd stranger

# broker [LINE]...: with these in its configuration
broker()
{
	printf '%s\n' "listener $port" "allow_anonymous true" "$@" >/run/broker.conf
	systemd-run --quiet --unit=broker mosquitto -c /run/broker.conf ||
		fail "the broker does not start"
}

# configure LINE...: joined by a bridge of the id robot
configure() { printf '%s\n' "broker mqtt://localhost:$port" "id robot" "$@" >"$file"; }

start()
{
	systemctl start "$unit" || fail "$(journalctl -b -u "$unit")"
	(await connected) || fail "$(journalctl -b -u "$unit")"
}

status() { lastline-mqtt --status --id robot "$@"; }
connected() { status --json 2>/dev/null | grep -q '"connected": true'; }
main_pid() { systemctl show -P MainPID "$unit"; }
said() { journalctl -b -u "$unit" | grep -qF "$1"; }
foreign() { "mosquitto_$1" -p "$port" "${@:2}"; }

put_back()
{
	systemctl stop "$unit" broker
	systemctl reset-failed "$unit" broker
	rm -rf "$file" "$drop_in" /etc/credstore/$unit.*
	systemctl daemon-reload
	put_channels_back
} >/dev/null 2>&1

without_file()
{
	systemctl start "$unit" || fail "it fails"
	expect inactive "$(systemctl show -P ActiveState "$unit")" "its state"
}
test_that "without a file the service does not run, which is no failure" without_file

may_do_little()
{
	local pid

	broker
	configure "publish 0=there"
	start
	pid=$(main_pid)
	expect 1 "$((0 < $(stat -c %u "/proc/$pid")))" "whether it is another user than root"
	expect lastline "$(stat -c %G "/proc/$pid")" "its group"
	expect 0000000000000000 "$(sed -n 's/^CapBnd:\t//p' "/proc/$pid/status")" "what it may ever do"
	expect 2 "$(sed -n 's/^Seccomp:\t//p' "/proc/$pid/status")" "the state of its filter"
	expect 1 "$(sed -n 's/^NoNewPrivs:\t//p' "/proc/$pid/status")" "whether it stays so"
	! systemd-analyze verify "$unit.service" 2>&1 | grep "$unit" || fail "see above"
	systemd-analyze security --no-pager --threshold=20 "$unit.service" ||
		fail "it is exposed more than that"
}
test_that "the service is a user of its own, in the group lastline, and may do little" may_do_little

there_and_back()
{
	broker
	lastline add engine >/dev/null
	lastline add drive >/dev/null
	configure "publish engine=robot/engine" "subscribe robot/drive=drive"
	start
	expect active "$(systemctl show -P ActiveState "$unit")" "its state"
	[[ $(systemctl show -P StatusText "$unit") == *"connected"* ]] || fail "it does not say so"
	lastline pub engine started
	await retained_is robot/engine started
	foreign pub -r -t robot/drive -m forward
	await newest_is drive forward
}
test_that "a line goes to the broker, and another one comes from there" there_and_back

reloaded()
{
	local pid

	broker
	configure "subscribe robot/drive=0"
	start
	pid=$(main_pid)
	configure "subscribe robot/drive=0" "subscribe robot/arm=1"
	systemctl reload "$unit" || fail "it fails"
	await said "read anew"
	foreign pub -r -t robot/arm -m up
	await newest_is 1 up
	configure "subscribe robot/+=1"
	systemctl reload "$unit" || fail "it fails"
	await said "$file:3: "
	foreign pub -r -t robot/arm -m down
	await newest_is 1 down
	expect "$pid" "$(main_pid)" "the process"
	[[ $(status) == *" 0 reconnects"* ]] || fail "it was connected anew"
}
test_that "systemctl reload reads the file anew, and a mistake changes nothing" reloaded

who_may_ask()
{
	broker
	configure "publish 0=there"
	start
	[[ $(status) == "robot: connected"* ]] || fail "it does not tell root"
	[[ $(runuser -u member -- lastline-mqtt --status --id robot) == "robot: connected"* ]] ||
		fail "it does not tell a member of the group"
	fails_with 1 "or not for you" runuser -u stranger -- lastline-mqtt --status --id robot
}
test_that "--status is for root and the group lastline" who_may_ask

secret()
{
	local password=/etc/credstore/$unit.password

	mosquitto_passwd -b -c /run/broker.passwords robot swordfish 2>/dev/null ||
		fail "no file of passwords"
	chmod 644 /run/broker.passwords
	broker "password_file /run/broker.passwords" "allow_anonymous false"
	(umask 077 && mkdir -p /etc/credstore && echo swordfish >"$password")
	configure "user robot" "password-file /run/credentials/$unit.service/password" "publish 0=there"
	start
	! tr '\0' ' ' <"/proc/$(main_pid)/cmdline" | grep swordfish || fail "others can see it"
}
test_that "the service has a password that only root may read" secret

wildcards()
{
	broker
	mkdir -p "$drop_in"
	# As the unit's own comment says.
	sed -n 's/^#\t//p' "/usr/lib/systemd/system/$unit.service" >"$drop_in/wildcards.conf"
	systemctl daemon-reload
	configure "subscribe sensors/#=s-*"
	start
	foreign pub -r -t sensors/hall/door -m open
	await newest_is s-hall-door open
	await test -e /dev/lastline/s-hall-door
	expect lastline "$(stat -L -c %G /dev/lastline/s-hall-door)" "its group"
	expect 0000000000200000 "$(sed -n 's/^CapEff:\t//p' "/proc/$(main_pid)/status")" \
		"what it may do, which is CAP_SYS_ADMIN"
}
test_that "a wildcard makes channels with the lines that the unit's comment names" wildcards

mistake()
{
	configure "publish nothing"
	! systemctl start "$unit" 2>/dev/null || fail "it starts with a mistake in the file"
	expect "2 failed 0" "$(systemctl show -P ExecMainStatus "$unit") $(systemctl show \
		-P ActiveState "$unit") $(systemctl show -P NRestarts "$unit")" "its end"
	await said "$file:3: "
}
test_that "with a mistake in the file it ends, and is not started again" mistake

killed()
{
	local pid

	broker
	configure "subscribe robot/drive=0"
	start
	pid=$(main_pid)
	kill -KILL "$pid"
	await started_again "$pid"
	await connected
	foreign pub -r -t robot/drive -m forward
	await newest_is 0 forward
}
started_again()
{
	[ "$(systemctl show -P ActiveState "$unit")" = active ] && [ "$(main_pid)" != "$1" ]
}
test_that "it is started again when it was killed" killed

stopped()
{
	broker
	configure "publish 0=there"
	start
	await retained_is lastline-mqtt/robot online
	systemctl stop "$unit"
	expect "success 0" "$(systemctl show -P Result "$unit") $(systemctl show -P ExecMainStatus \
		"$unit")" "its end"
	expect offline "$(retained lastline-mqtt/robot)" "what the broker tells of it"
	[ ! -e /run/lastline-mqtt ] || fail "something is left: $(ls -lR /run/lastline-mqtt)"
}
test_that "systemctl stop ends it well, and the broker tells that it is gone" stopped

after=put_back
run_tests
