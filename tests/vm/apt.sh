# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Root file systems of Debian's releases, from where this machine gets its own packages.

# The entries of this machine's apt that are Debian's own, in whatever form they are
# written; its lists say whose they are. Prints release, archive and component.
apt_entries()
{
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format '$(RELEASE) $(REPO_URI) $(COMPONENT)' \
		"Created-By: Packages" "Origin: Debian" | sort -u
}

# apt_sources SUITE: where its packages are. With a suite of this machine come its
# updates; for another one the archive that has all suites is asked, which those of the
# updates do not.
apt_sources()
{
	local suite=$1 key=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg

	apt_entries | awk -v suite="$suite" -v key="$key" '
	index($1, suite) == 1	{ print "deb [" key "]", $2, $1, $3; found = 1 }
	$1 !~ /[-\/]/		{ archive = $2 }
	END {
		if (!found && archive)
			print "deb [" key "]", archive, suite, "main"
		exit !(found || archive)
	}'
}

# apt_bootstrap SUITE TARGET PACKAGES [OPTION]...: makes one, with what is listed between
# commas besides the smallest there can be; the options are mmdebstrap's
apt_bootstrap()
{
	local suite=$1 target=$2 packages=$3 list proxy
	# What is not released any more, or not yet, may be out of date.
	local options=('--aptopt=Acquire::Check-Valid-Until "false"')
	shift 3

	list=$(apt_sources "$suite") || {
		echo "no Debian in apt's lists; try: apt-get update" >&2
		return 1
	}
	while read -r proxy; do
		options+=("--aptopt=$proxy")
	done < <(apt-config dump --no-empty Acquire | grep -i ::proxy)
	# When it fails it hangs up on its whole process group.
	setsid -w mmdebstrap --variant=minbase --include="$packages" "${options[@]}" "$@" \
		"$suite" "$target" - <<<"$list"
}
