#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which modules a kernel takes on a machine with Secure Boot; runs there. In /modules are
# some: as it was built; signed with a key that nobody enrolled; signed by DKMS; signed by
# hand; one that was changed later. mok.pub is the certificate of DKMS' key.
#
# usage: loads.sh before|after	the key is enrolled. Before, it asks for that.
#
# shellcheck source=tests/tap.sh
. /tests/tap.sh

modules=/modules
certificate=$modules/mok.pub
rejected="Key was rejected by service"
password=secret			# the one that enrol is given

# refuses FILE [REASON]: to load it; the kernel's log has the reason
refuses()
{
	dmesg -c >/dev/null
	fails_with 1 "$rejected" insmod "$modules/$1"
	[ $# = 1 ] || dmesg | grep -q "${*:2}" || fail "the log says: $(dmesg)"
}

# accepts FILE
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

# Its status has meant different things.
enrolled()
{
	local said

	said=$(mokutil --test-key "$certificate" 2>&1) || true
	[[ $said == *"$1"* ]] || fail "mokutil says: $said"
}

trusted() { grep 'DKMS module signing key' /proc/keys || fail "$(grep X509 /proc/keys)"; }

unload()
{
	[ ! -d /sys/module/lastline ] || rmmod lastline
}
after=unload

insmod /efivarfs.ko && mount -t efivarfs efivarfs /sys/firmware/efi/efivars &&
	mount -t securityfs securityfs /sys/kernel/security || exit

test_that "Secure Boot is on, and the kernel locked down" secure
test_that "it takes only modules that are signed" enforced
test_that "it refuses the module as it was built" \
	refuses unsigned.ko Loading of unsigned module is rejected
test_that "it refuses one that was signed with a key that nobody enrolled" \
	refuses foreign.ko Loading of module with unavailable key is rejected
case $1 in
before)
	test_that "it refuses the one that DKMS signed, as long as nobody enrolled its key" \
		refuses dkms.ko Loading of module with unavailable key is rejected
	test_that "mokutil --test-key says that the key is not enrolled" enrolled "not enrolled"
	test_that "mokutil --import asks for it" requested ;;
after)
	test_that "mokutil --test-key says that the key is enrolled" enrolled "already enrolled"
	test_that "the kernel trusts it" trusted
	test_that "it loads the module that DKMS signed" accepts dkms.ko
	test_that "it loads the one that was signed by hand" accepts by-hand.ko
	test_that "it refuses one that was changed after it was signed" refuses changed.ko ;;
esac
run_tests
