# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# For tests that run on this machine and are one command each. KTAP output.
number=0 failed=0

# check SENTENCE COMMAND...: passes if the command succeeds and says nothing
check()
{
	local sentence=$1 output status
	shift
	number=$((number + 1))
	output=$("$@" 2>&1)
	status=$?
	if [ "$status" = 0 ] && [ -z "$output" ]; then
		echo "ok $number - $sentence"
	else
		head -n 60 <<<"$output" | sed 's/^/# /'
		echo "not ok $number - $sentence"
		failed=1
	fi
}

# quiet COMMAND...: says something only if it fails
quiet()
{
	local said status=0

	said=$("$@" 2>&1) || status=$?
	[ "$status" = 0 ] || tail -n 50 <<<"$said"
	return "$status"
}

# skip SENTENCE REASON
skip()
{
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}
