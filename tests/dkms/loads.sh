#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Checks, on a machine with Secure Boot, which modules in /modules the kernel loads: unsigned;
# signed with a key that is not enrolled; signed by DKMS; signed by hand; modified after
# signing. mok.pub is the certificate of DKMS's key.
#
# usage: loads.sh before|after	the key is enrolled. "before" also requests enrolment.
#
# shellcheck source=tests/tap.sh
. /tests/tap.sh

modules=/modules
certificate=$modules/mok.pub
rejected="Key was rejected by service"
password=secret			# also passed to enrol

# refuses FILE [REASON]: the kernel rejects the module, and logs the reason
refuses()
{
	dmesg -c >/dev/null
	fails_with 1 "$rejected" insmod "$modules/$1"
	[ $# = 1 ] || dmesg | grep -q "${*:2}" || fail "not in the log: ${*:2}; $(dmesg)"
}

# accepts FILE: the kernel loads the module
accepts()
{
	insmod "$modules/$1" || exit
	[ -c /dev/lastline0 ] || fail "no /dev/lastline0"
	[ "$(cat /sys/module/lastline/taint)" = O ] ||
		fail "tainted as $(cat /sys/module/lastline/taint)"
}

secure()
{
	mokutil --sb-state | grep -qx "SecureBoot enabled" || fail "$(mokutil --sb-state)"
	grep -q '\[integrity\]' /sys/kernel/security/lockdown ||
		fail "$(cat /sys/kernel/security/lockdown)"
}

enforced() { expect Y "$(cat /sys/module/module/parameters/sig_enforce)" sig_enforce; }

requested()
{
	printf '%s\n' "$password" "$password" | mokutil --import "$certificate" || exit
	mokutil --list-new | grep -q "CN=DKMS module signing key" || fail "$(mokutil --list-new)"
}

# The exit status differs between versions of mokutil.
enrolled()
{
	local output

	output=$(mokutil --test-key "$certificate" 2>&1) || true
	[[ $output == *"$1"* ]] || fail "mokutil printed: $output"
}

trusted() { grep 'DKMS module signing key' /proc/keys || fail "$(grep X509 /proc/keys)"; }

unload()
{
	[ ! -d /sys/module/lastline ] || rmmod lastline
}
after=unload

insmod /efivarfs.ko && mount -t efivarfs efivarfs /sys/firmware/efi/efivars &&
	mount -t securityfs securityfs /sys/kernel/security || exit

test_that "Secure Boot is on and the kernel is locked down" secure
test_that "the kernel loads only signed modules" enforced
test_that "an unsigned module is rejected" \
	refuses unsigned.ko Loading of unsigned module is rejected
test_that "a module signed with another key is rejected" \
	refuses foreign.ko Loading of module with unavailable key is rejected
case $1 in
before)
	test_that "the module signed by DKMS is rejected before its key is enrolled" \
		refuses dkms.ko Loading of module with unavailable key is rejected
	test_that "mokutil --test-key reports that the key is not enrolled" enrolled "not enrolled"
	test_that "mokutil --import requests enrolment" requested ;;
after)
	test_that "mokutil --test-key reports that the key is enrolled" enrolled "already enrolled"
	test_that "the kernel trusts the key" trusted
	test_that "the module signed by DKMS is loaded" accepts dkms.ko
	test_that "the module signed by hand is loaded" accepts by-hand.ko
	test_that "a module modified after signing is rejected" refuses changed.ko ;;
esac
run_tests
