# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Creates root file systems of Debian releases from this machine's own apt sources.

# Prints release, archive and component of this machine's sources with "Origin: Debian".
apt_entries()
{
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format '$(RELEASE) $(REPO_URI) $(COMPONENT)' \
		"Created-By: Packages" "Origin: Debian" | sort -u
}

# apt_sources SUITE: prints the sources for it. If this machine uses the suite, they include
# its updates; otherwise it is only the main archive, which has all suites.
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

# bootstrap_from SUITE TARGET PACKAGES [OPTION]...: runs mmdebstrap with the sources in
# standard input
bootstrap_from()
{
	local suite=$1 target=$2 packages=$3 proxy options=()
	shift 3

	while read -r proxy; do
		options+=("--aptopt=$proxy")
	done < <(apt-config dump --no-empty Acquire | grep -i ::proxy)
	# The lists of sid and of old releases may have expired. setsid, because mmdebstrap
	# sends SIGHUP to its process group when it fails.
	sed 's,^deb,& [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg],' |
		setsid -w mmdebstrap --variant=minbase --include="$packages" \
			--aptopt='Acquire::Check-Valid-Until "false"' "${options[@]}" "$@" \
			"$suite" "$target" -
}

no_debian()
{
	echo "apt's lists have no Debian archive; as root, run: apt-get update" >&2
	return 1
}

# apt_bootstrap SUITE TARGET PACKAGES [OPTION]...: creates a minimal root file system and
# PACKAGES, which are separated by commas. The options are those of mmdebstrap.
apt_bootstrap()
{
	local list

	list=$(apt_sources "$1") || no_debian || return
	bootstrap_from "$@" <<<"$list"
}

# apt_sysroot ARCHITECTURE TARGET PACKAGES: unpacks packages for another architecture and
# runs nothing from them. Without updates, because apt has no lists of those for it.
apt_sysroot()
{
	local suite=bookworm list

	list=$(apt_sources "$suite" | grep " $suite ") || no_debian || return
	bootstrap_from "$suite" "$2" "$3" --variant=extract --architectures="$1" <<<"$list"
}
