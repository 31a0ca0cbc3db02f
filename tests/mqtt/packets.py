# SPDX-License-Identifier: GPL-2.0-only
"""Packets of MQTT 5, made byte by byte: what a line costs on the wire.

The sizes of scale.py are the lengths of what broker_cost.py sends to a real broker.
"""

# What stands around a packet: IPv4 20 and TCP 32 with timestamps; TLS 1.3: a header of 5,
# the type, and the tag of an AEAD. One packet a segment.
SEGMENT = 20 + 32
TLS_RECORD = 5 + 1 + 16
PUBACK = 4
PING = 2


def number(value):
    """A variable byte integer."""
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def text(string):
    data = string.encode()
    return len(data).to_bytes(2, "big") + data


def packet(kind, body):
    return bytes([kind]) + number(len(body)) + body


def connect(client_id, keepalive=15):
    return packet(0x10, text("MQTT") + bytes([5, 0x02]) + keepalive.to_bytes(2, "big") +
                  number(0) + text(client_id))


def subscribe(topic, qos):
    return packet(0x82, bytes([0, 1]) + number(0) + text(topic) + bytes([qos]))


def publish(topic, payload, properties=(), packet_id=None):
    """A retained PUBLISH; with a packet_id it is of QoS 1."""
    user = b"".join(b"\x26" + text(key) + text(value) for key, value in properties)
    return packet(0x31 | (0x02 if packet_id else 0),
                  text(topic) + (packet_id.to_bytes(2, "big") if packet_id else b"") +
                  number(len(user)) + user + payload)


def puback(packet_id):
    return packet(0x40, packet_id.to_bytes(2, "big"))


def line(machine=12345, channel=7, packet_id=None, own=True):
    """A line of 64 bytes as lastline-mqtt sends it, or, without what is its own, as any."""
    name = f"spindle-{channel:02}"
    properties = (
        ("lastline-origin", f"machine-{machine:06}/{name}"),
        ("lastline-generation", "31536000"),
        ("lastline-time", "1700000000000000000"),
        ("lastline-via", "0123456789abcdef/7"),
    ) if own else ()
    return publish(f"plant-07/machine-{machine:06}/{name}", b"x" * 64, properties, packet_id)


def on_wire(size, tls=True):
    """A packet of that size with what stands around it."""
    return SEGMENT + (TLS_RECORD if tls else 0) + size
