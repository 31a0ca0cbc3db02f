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
	apt_entries | awk -v suite="$1" '
	index($1, suite) == 1	{ print "deb", $2, $1, $3; found = 1 }
	$1 !~ /[-\/]/		{ archive = $2 }
	END {
		if (!found && archive)
			print "deb", archive, suite, "main"
		exit !(found || archive)
	}'
}

# bootstrap_from SUITE TARGET PACKAGES [OPTION]...: from the sources in standard input
bootstrap_from()
{
	local suite=$1 target=$2 packages=$3 proxy options=()
	shift 3

	while read -r proxy; do
		options+=("--aptopt=$proxy")
	done < <(apt-config dump --no-empty Acquire | grep -i ::proxy)
	# What is not released any more, or not yet, may be out of date. And when mmdebstrap
	# fails, it hangs up on its whole process group.
	sed 's,^deb,& [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg],' |
		setsid -w mmdebstrap --variant=minbase --include="$packages" \
			--aptopt='Acquire::Check-Valid-Until "false"' "${options[@]}" "$@" \
			"$suite" "$target" -
}

no_debian()
{
	echo "no Debian in apt's lists; try: apt-get update" >&2
	return 1
}

# apt_bootstrap SUITE TARGET PACKAGES [OPTION]...: makes one, with what is listed between
# commas besides the smallest there can be; the options are mmdebstrap's
apt_bootstrap()
{
	local list

	list=$(apt_sources "$1") || no_debian || return
	bootstrap_from "$@" <<<"$list"
}

# apt_sysroot ARCHITECTURE TARGET PACKAGES: what packages for another architecture hold,
# with nothing of it run. Without updates: of those, this machine has never seen the lists.
apt_sysroot()
{
	local suite=bookworm list

	list=$(apt_sources "$suite" | grep " $suite ") || no_debian || return
	bootstrap_from "$suite" "$2" "$3" --variant=extract --architectures="$1" <<<"$list"
}
