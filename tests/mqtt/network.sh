# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# For tests of lastline-mqtt(1): three networks of one machine, joined by two links.
#
#	near ------- hub ------- far
#
# In hub is Debian's broker. A bridge in near, of that name, publishes channels, one in far
# subscribes; the channels are of one kernel, and have their names from who uses them.
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/userspace/machine.sh
. "$here/../userspace/machine.sh"
wants lastline lastline-mqtt mosquitto mosquitto_pub mosquitto_sub ip tc openssl python3

hub=(nsenter --net=/run/netns/hub)	# what runs there
broker=		# its process
keepalive=60s	# so that who has to wait for the processor does not count as gone
declare -A bridge	# the process of each, by name

# fail WORDS: with what was said last by who takes part
fail()
{
	tail -n 5 "$tmp/broker.log" "$tmp/near" "$tmp/far" 2>/dev/null
	echo "$*"
	exit 1
}

#
# Links
#

# join NAME NUMBER: to hub, which has the one address 10.0.0.1 for all
join()
{
	ip netns add "$1"
	ip -n "$1" link set lo up
	ip link add "$1" netns hub type veth peer name eth0 netns "$1"
	ip -n hub addr add "10.0.$2.1/24" dev "$1"
	ip -n hub link set "$1" up
	ip -n "$1" addr add "10.0.$2.2/24" dev eth0
	ip -n "$1" link set eth0 up
	ip -n "$1" route add default via "10.0.$2.1"
}

make_network()
{
	ip netns add hub
	ip -n hub addr add 10.0.0.1/32 dev lo
	ip -n hub link set lo up
	join near 1
	join far 2
	echo 10.0.0.1 hub >>/etc/hosts
}

# cut NAME: nothing gets there or from there
cut_link() { ip -n hub link set "$1" down; }

# hamper NAME QDISC ARGUMENT...: both directions of that link
hamper()
{
	tc -n hub qdisc replace dev "$1" root "${@:2}"
	tc -n "$1" qdisc replace dev eth0 root "${@:2}"
}

mend_link()
{
	ip -n hub link set "$1" up
	tc -n hub qdisc del dev "$1" root
	tc -n "$1" qdisc del dev eth0 root
} 2>/dev/null

#
# The broker
#

# start_broker [LINE]...: with these in its configuration, besides
start_broker()
{
	printf '%s\n' "user root" "$@" >"$tmp/broker.conf"
	[[ $* == *listener* ]] || echo "listener 1883" >>"$tmp/broker.conf"
	[[ $* == *allow_anonymous* ]] || echo "allow_anonymous true" >>"$tmp/broker.conf"
	restart_broker
}

# As it was configured.
restart_broker()
{
	"${hub[@]}" mosquitto -c "$tmp/broker.conf" >>"$tmp/broker.log" 2>&1 &
	broker=$!
	await listens "$broker"
}

listens() { "${hub[@]}" ss -Hltnp | grep -q "pid=$1,"; }

# foreign pub|sub OPTION...: a client of others, beside the broker
foreign() { "${hub[@]}" "mosquitto_$1" -h hub "${@:2}"; }

# see TOPIC FORMAT: all that the broker sends there from now on, in $tmp/seen, each behind its
# topic. When the topic "ready" is there, so is the other subscription.
see()
{
	foreign pub -r -t ready -m yes
	"${hub[@]}" mosquitto_sub -h hub -V 5 -q 1 -t "$1" -t ready -F "%t $2" >"$tmp/seen" &
	await has_word "$tmp/seen" ready
}

#
# Bridges
#

# start_bridge NAME OPTION...: in the network of that name; what it says is in $tmp/NAME
start_bridge()
{
	launch_bridge "$@"
	await connected "$1"
}

launch_bridge()
{
	nsenter --net="/run/netns/$1" lastline-mqtt --id "$1" --broker mqtt://hub \
		--keepalive "$keepalive" "${@:2}" >"$tmp/$1" 2>&1 &
	bridge[$1]=$!
}

# end SIGNAL PROCESS: of this shell
end()
{
	kill "-$1" "$2"
	wait "$2"
} 2>/dev/null

# values KEY: of JSON that has each in a line of its own, as ours has. It is asked for again and
# again, for which Python takes too long to start.
values() { sed -n "s/^ *\"$1\": \"\?\([^\",]*\).*/\1/p"; }

# status NAME KEY: of what that bridge says of itself
status() { lastline-mqtt --id "$1" --status --json | values "$2"; }

# figure NAME publish|subscribe KEY: of each of its mappings there, in one line
figure()
{
	lastline-mqtt --id "$1" --status --json | sed -n "/^  \"$2\"/,/^  \]/p" | values "$3" |
		paste -sd ' '
} 2>/dev/null
figure_is() { [ "$(figure "$1" "$2" "$3")" = "$4" ]; }

# By what it logs.
state() { grep -E "is connected|next attempt" "$tmp/$1" | tail -n 1; }
connected() { [[ $(state "$1") == *"is connected"* ]]; }
disconnected() { [[ $(state "$1") == *"next attempt"* ]]; }

#
# Lines
#

# info CHANNEL KEY
info() { lastline info --json "$1" | values "$2"; }
generation() { info "$1" generation; }

# add CHANNEL...
add()
{
	local channel

	for channel; do
		lastline add "$channel" >/dev/null || fail "cannot add $channel"
	done
}

[ -e /run/netns/hub ] || make_network
after=put_channels_back
