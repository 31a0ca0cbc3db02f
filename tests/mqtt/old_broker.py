#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A broker on port 1884 that refuses MQTT 5. Relays clients with an older protocol to port
1883, one at a time."""
import select
import socket

ADDRESS = "10.0.0.1"
REFUSED = b"\x20\x02\x00\x01"  # CONNACK: unacceptable protocol version


def relay(one, two):
    """Until one of them closes."""
    other = {one: two, two: one}
    while True:
        for end in select.select([one, two], [], [])[0]:
            data = end.recv(65536)
            if not data:
                return
            other[end].sendall(data)


def serve(client):
    """Expects CONNECT in one piece, with the version after the name of the protocol."""
    hello = client.recv(65536)
    if hello[hello.index(b"MQTT") + 4] > 4:
        client.sendall(REFUSED)
        return
    with socket.create_connection((ADDRESS, 1883)) as broker:
        broker.sendall(hello)
        relay(client, broker)


with socket.create_server((ADDRESS, 1884)) as server:
    while True:
        with server.accept()[0] as accepted:
            serve(accepted)
