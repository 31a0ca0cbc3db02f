#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline-mqtt(1) with TLS connects only to a broker with a valid certificate.
# Needs an installed lastline, root, and a machine of its own.
set -u

# shellcheck source=tests/mqtt/network.sh
. "$(dirname "$0")/network.sh"

# new_key FILE: options of "openssl req" that make the key $keys/FILE.key
new_key() { key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$keys/$1.key"); }

authority()
{
	new_key "$1"
	openssl req -x509 "${key[@]}" -days 30 -out "$keys/$1.crt" -subj "/CN=$1"
}

# certify FILE HOST AUTHORITY [OPTION]...: $keys/FILE.crt and FILE.key
certify()
{
	new_key "$1"
	openssl req -new "${key[@]}" -subj "/CN=$2" -addext "subjectAltName=DNS:$2" |
		openssl x509 -req -copy_extensions copy -days 30 -CA "$keys/$3.crt" \
			-CAkey "$keys/$3.key" -CAcreateserial -out "$keys/$1.crt" "${@:4}"
}

make_keys()
{
	keys=$(mktemp -d)
	authority ca
	authority other-ca
	certify hub hub ca
	certify expired hub ca -days -1
	certify elsewhere elsewhere ca
	certify stranger hub other-ca
	certify bridge bridge ca
} >/dev/null 2>&1

# start_tls_broker CERTIFICATE [LINE]...
start_tls_broker()
{
	start_broker "listener 8883" "cafile $keys/ca.crt" "certfile $keys/$1.crt" \
		"keyfile $keys/$1.key" "${@:2}"
}

make_keys
tls=(--broker mqtts://hub --ca-file "$keys/ca.crt")

# refused REGEX OPTION...: bridge near does not connect, and its log matches REGEX
refused()
{
	launch_bridge near --publish a=t/a "${@:2}"
	await log_has "$1"
	disconnected near || fail "it is connected"
}
log_has() { grep -qiE -- "$1" "$tmp/near"; }

# recovers: bridge near sends the newest line when the broker has a valid certificate
recovers()
{
	lastline pub a x=1
	lastline pub a x=2
	end TERM "$broker"
	start_tls_broker hub
	start_bridge far "${tls[@]}" --subscribe t/a=b
	await newest_is b x=2
}

valid_certificates()
{
	local mine=("${tls[@]}" --cert-file "$keys/bridge.crt" --key-file "$keys/bridge.key")

	add a b
	start_tls_broker hub "require_certificate true"
	start_bridge near "${mine[@]}" --publish a=t/a
	start_bridge far "${mine[@]}" --subscribe t/a=b
	crosses a b x=1
}
test_that "lines arrive with valid certificates on both sides" valid_certificates

# broker_refused CERTIFICATE WORDS
broker_refused()
{
	add a b
	start_tls_broker "$1"
	refused "$2" "${tls[@]}"
	recovers
}
test_that "a broker with an expired certificate is refused until it has a valid one" \
	broker_refused expired expired
test_that "a broker with the certificate of another host is refused until it has its own" \
	broker_refused elsewhere host
test_that "a broker with a certificate of another authority is refused until it has a valid one" \
	broker_refused stranger issuer

not_trusted()
{
	add a
	start_tls_broker hub
	refused "issuer|self-signed" --broker mqtts://hub
}
test_that "without --ca-file the bridge trusts only the authorities of the system" not_trusted

# In TLS 1.3 the broker closes the connection after the handshake.
no_certificate()
{
	add a
	start_tls_broker hub "require_certificate true"
	refused "certificate required|alert" "${tls[@]}"
	end TERM "${bridge[near]}"
	refused "unknown ca|alert" "${tls[@]}" --cert-file "$keys/stranger.crt" \
		--key-file "$keys/stranger.key"
}
test_that "a broker that requires a certificate refuses none and one of another authority" no_certificate

missing_file()
{
	add a b
	start_tls_broker hub
	refused "$tmp/nosuch" --broker mqtts://hub --ca-file "$tmp/nosuch"
	cp "$keys/ca.crt" "$tmp/nosuch"
	await connected near
	recovers
}
test_that "a missing certificate file is reported, and used when it appears" missing_file

wrong_password()
{
	add a
	mosquitto_passwd -b -c "$tmp/passwords" me right
	echo wrong >"$tmp/password"
	start_tls_broker hub "allow_anonymous false" "password_file $tmp/passwords"
	refused authori "${tls[@]}"
	end TERM "${bridge[near]}"
	refused authori "${tls[@]}" --user me --password-file "$tmp/password"
	echo right >"$tmp/password"
	await connected near
}
test_that "a missing or wrong password is refused, and the file is read at each attempt" wrong_password

run_tests
