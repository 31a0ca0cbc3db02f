# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# For tests of lastline-mqtt(1): three network namespaces, joined by two links.
#
#	near ------- hub ------- far
#
# The broker runs in hub, the bridge "near" in near, the bridge "far" in far. All channels
# belong to one kernel.
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/userspace/machine.sh
. "$here/../userspace/machine.sh"
wants lastline lastline-mqtt mosquitto mosquitto_pub mosquitto_sub ip tc openssl python3

hub=(nsenter --net=/run/netns/hub)	# prefix of commands that run there
broker=		# its process
keepalive=60s	# long, so that a slow machine does not look like a lost connection
declare -A bridge	# the process of each, by name
both=()		# options of the bridges of start_both

# fail WORDS: also prints the last log lines of the broker and the bridges
fail()
{
	tail -n 5 "$tmp/broker.log" "$tmp/near" "$tmp/far" 2>/dev/null
	echo "$*"
	exit 1
}

# join NAME NUMBER: link a new namespace to hub, whose address is 10.0.0.1 for all
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

cut_link() { ip -n hub link set "$1" down; }

# shape_link NAME QDISC ARGUMENT...: both directions of that link
shape_link()
{
	tc -n hub qdisc replace dev "$1" root "${@:2}"
	tc -n "$1" qdisc replace dev eth0 root "${@:2}"
}

restore_link()
{
	ip -n hub link set "$1" up
	tc -n hub qdisc del dev "$1" root
	tc -n "$1" qdisc del dev eth0 root
} 2>/dev/null

# start_broker [LINE]...: with these lines in its configuration
start_broker()
{
	printf '%s\n' "user root" "$@" >"$tmp/broker.conf"
	[[ $* == *listener* ]] || echo "listener 1883" >>"$tmp/broker.conf"
	[[ $* == *allow_anonymous* ]] || echo "allow_anonymous true" >>"$tmp/broker.conf"
	restart_broker
}

restart_broker()
{
	"${hub[@]}" mosquitto -c "$tmp/broker.conf" >>"$tmp/broker.log" 2>&1 &
	broker=$!
	await listens "$broker"
}

listens() { "${hub[@]}" ss -Hltnp | grep -q "pid=$1,"; }

# foreign pub|sub OPTION...: mosquitto's own client
foreign() { "${hub[@]}" "mosquitto_$1" -h hub "${@:2}"; }

# log_messages TOPIC FORMAT: from now on writes each message to $tmp/messages, its topic
# first. The message on the topic "ready" shows that the subscriptions are active.
log_messages()
{
	foreign pub -r -t ready -m yes
	"${hub[@]}" mosquitto_sub -h hub -V 5 -q 1 -t "$1" -t ready -F "%t $2" >"$tmp/messages" &
	await has_word "$tmp/messages" ready
}

# start_bridge NAME OPTION...: in the namespace of that name; its log is $tmp/NAME
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

# start_both: near publishes channel a, far subscribes to it as channel b
start_both()
{
	add a b
	start_broker
	start_bridge near "${both[@]}" --publish a=t/a
	start_bridge far "${both[@]}" --subscribe t/a=b
}

# end SIGNAL PROCESS
end()
{
	kill "-$1" "$2"
	wait "$2"
} 2>/dev/null

# values KEY: from JSON with one member per line; Python is too slow to be called in a loop
values() { sed -n "s/^ *\"$1\": \"\?\([^\",]*\).*/\1/p"; }

# status NAME KEY
status() { lastline-mqtt --id "$1" --status --json 2>/dev/null | values "$2"; }
connected() { [ "$(status "$1" connected)" = true ]; }
disconnected() { [ "$(status "$1" connected)" = false ]; }

# metric NAME publish|subscribe KEY: the values of all mappings, in one line
metric()
{
	lastline-mqtt --id "$1" --status --json | sed -n "/^  \"$2\"/,/^  \]/p" | values "$3" |
		paste -sd ' '
} 2>/dev/null
metric_is() { [ "$(metric "$1" "$2" "$3")" = "$4" ]; }

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

# crosses FROM TO LINE: a line published on channel FROM arrives on channel TO
crosses()
{
	lastline pub "$1" "$3"
	await newest_is "$2" "$3"
}

[ -e /run/netns/hub ] || make_network
after=put_channels_back
