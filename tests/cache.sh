# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A cache of kernels, images and root file systems, shared by all checkouts of this user.
# The name of an entry contains a hash of its inputs, so an entry never changes. Test
# results are never cached here.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/lastline

# hash_of TEXT...: prints the part of an entry's name that depends on its inputs
hash_of()
{
	printf '%s\n' "$@" | sha256sum | cut -c-16
}

# code_of SCRIPT: prints it without comments, so that rewording one creates no entry again
code_of()
{
	grep -v '^[[:space:]]*#' "$1"
}

# cached NAME COMMAND...: prints $cache/NAME. If it does not exist, COMMAND first creates
# $cache/NAME.new, with its output in $cache/NAME.log. COMMAND may find an incomplete
# NAME.new of an interrupted run. A lock makes other processes wait for the entry.
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
		# In the background, because "set -e" has no effect inside a condition.
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
