#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lastline-mqtt(1) with TLS: it connects to the right broker, and to no other one.
# Wants all of it installed, root, and a machine of its own.
set -u

# shellcheck source=tests/mqtt/network.sh
. "$(dirname "$0")/network.sh"

# certify FILE HOST AUTHORITY [OPTION]...: in $keys, FILE.crt and FILE.key
certify()
{
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
		-keyout "$keys/$1.key" -subj "/CN=$2" -addext "subjectAltName=DNS:$2" |
		openssl x509 -req -copy_extensions copy -days 30 -CA "$keys/$3.crt" \
			-CAkey "$keys/$3.key" -CAcreateserial -out "$keys/$1.crt" "${@:4}"
}

authority()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
		-keyout "$keys/$1.key" -out "$keys/$1.crt" -subj "/CN=$1"
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
mine=(--cert-file "$keys/bridge.crt" --key-file "$keys/bridge.key")

right_ones()
{
	add a b
	start_tls_broker hub "require_certificate true"
	start_bridge near "${tls[@]}" "${mine[@]}" --publish a=t/a
	start_bridge far "${tls[@]}" "${mine[@]}" --subscribe t/a=b
	lastline pub a x=1
	await newest_is b x=1
}
test_that "with the right certificates on both sides lines travel" right_ones

# refuses CERTIFICATE WORDS OPTION...: a bridge that says so, goes on trying, and does its
# work as soon as the broker is the right one
refuses()
{
	add a b
	start_tls_broker "$1"
	launch_bridge near --publish a=t/a "${@:3}"
	lastline pub a x=1
	await says near "$2"
	disconnected near || fail "it is connected"
	lastline pub a x=2
	end TERM "$broker"
	start_tls_broker hub
	await connected near
	start_bridge far "${tls[@]}" --subscribe t/a=b
	await newest_is b x=2
}
says() { grep -qiE -- "$2" "$tmp/$1"; }

expired()
{
	refuses expired "expired" "${tls[@]}"
}
test_that "a broker whose certificate has expired is refused, until it has another one" expired

wrong_name()
{
	refuses elsewhere "another host" "${tls[@]}"
}
test_that "a broker whose certificate is another host's is refused, until it has its own" wrong_name

wrong_authority()
{
	refuses stranger "issuer" "${tls[@]}"
}
test_that "a broker whose certificate others have signed is refused, until it has the right one" \
	wrong_authority

not_trusted()
{
	add a
	start_tls_broker hub
	launch_bridge near --broker mqtts://hub --publish a=t/a
	await says near "issuer|self-signed"
	disconnected near || fail "it is connected"
}
test_that "without --ca-file it trusts whom the system trusts, and no others" not_trusted

# The broker closes the connection, in TLS 1.3 after all seemed well.
no_certificate()
{
	add a
	start_tls_broker hub "require_certificate true"
	launch_bridge near "${tls[@]}" --publish a=t/a
	await says near "certificate required|alert"
	disconnected near || fail "it is connected"
	end TERM "${bridge[near]}"
	launch_bridge near "${tls[@]}" --cert-file "$keys/stranger.crt" \
		--key-file "$keys/stranger.key" --publish a=t/a
	await says near "unknown ca|alert"
	disconnected near || fail "it is connected"
}
test_that "without a certificate, or with one of others, the broker refuses, which is said" no_certificate

missing_files()
{
	add a
	start_tls_broker hub
	launch_bridge near --broker mqtts://hub --ca-file "$tmp/nosuch" --publish a=t/a
	await has_word "$tmp/near" "$tmp/nosuch"
	lastline pub a x=1
	cp "$keys/ca.crt" "$tmp/nosuch"
	await connected near
	expect x=1 "$(mosquitto_pub_with_tls)" "what the broker has"
}
mosquitto_pub_with_tls() { foreign sub --cafile "$keys/ca.crt" -p 8883 -t t/a -C 1; }
test_that "a file that is not there is named, and used as soon as it is" missing_files

wrong_password()
{
	add a
	mosquitto_passwd -b -c "$tmp/passwords" me right
	echo wrong >"$tmp/password"
	start_tls_broker hub "allow_anonymous false" "password_file $tmp/passwords"
	launch_bridge near "${tls[@]}" --user me --password-file "$tmp/password" --publish a=t/a
	await says near "not authori"
	lastline pub a x=1
	echo right >"$tmp/password"
	await connected near
}
test_that "a wrong password is refused, and a right one is read from the file when it is there" \
	wrong_password

run_tests
