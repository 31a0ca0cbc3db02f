#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Prints the newest line of a channel once a second.
#
#	newest.sh [/dev/lastline0]

while read -r line; do
	printf '%s\n' "$line"
	sleep 1
done <"${1:-/dev/lastline0}"
