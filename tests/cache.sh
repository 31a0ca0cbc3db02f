# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Kernels, images and root file systems that every checkout of this user shares. The name
# of an entry contains a hash of what it was made from, so an entry never changes. Test
# results are never cached here.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/lastline

# hash_of TEXT...: the part of an entry's name that changes with what it is made from
hash_of()
{
	printf '%s\n' "$@" | sha256sum | cut -c-16
}

# cached NAME COMMAND...: prints $cache/NAME. If it does not exist, COMMAND creates
# $cache/NAME.new first and its output goes to $cache/NAME.log. COMMAND may find an
# unfinished NAME.new of an interrupted run. Processes that want the same entry wait for it.
cached()
{
	local entry=$cache/$1 lock
	shift

	if [ ! -e "$entry" ]; then
		mkdir -p "$(dirname "$entry")"
		exec {lock}>"$entry.lock"
		flock "$lock"
	fi
	if [ ! -e "$entry" ]; then
		echo "creating $entry" >&2
		# In the background, because "set -e" is off inside of a condition.
		(set -e; "$@" "$entry.new") >"$entry.log" 2>&1 &
		if ! wait $!; then
			tail -n 20 "$entry.log" >&2
			echo "cannot create $entry; the whole log is $entry.log" >&2
			return 1
		fi
		mv "$entry.new" "$entry"
	fi
	[ -z "${lock:-}" ] || exec {lock}>&-
	echo "$entry"
}
