# SPDX-License-Identifier: GPL-2.0-only
"""MQTT 5 packets: scale.py uses their sizes, broker_cost.py sends them to a broker."""

# Overhead of a packet, one per segment. IPv4 20, TCP with timestamps 32; TLS 1.3: header 5,
# type 1, AEAD tag 16.
SEGMENT = 20 + 32
TLS_RECORD = 5 + 1 + 16
PUBACK = 4
PING = 2


def on_wire(size):
    return SEGMENT + TLS_RECORD + size


def text(string):
    data = string.encode()
    return len(data).to_bytes(2, "big") + data


def packet(kind, body):
    """Returns a packet; its length is a variable byte integer."""
    head, rest = bytearray([kind]), len(body)
    while True:
        rest, low = divmod(rest, 128)
        head.append(low | (128 if rest else 0))
        if not rest:
            return bytes(head) + body


def connect(client_id, keepalive):
    return packet(0x10, text("MQTT") + bytes([5, 0x02]) + keepalive.to_bytes(2, "big") +
                  b"\0" + text(client_id))


def subscribe(topic, qos):
    return packet(0x82, b"\0\1\0" + text(topic) + bytes([qos]))


def publish(topic, payload, properties=(), packet_id=None):
    """A retained PUBLISH, with QoS 1 if there is a packet_id."""
    user = b"".join(b"\x26" + text(key) + text(value) for key, value in properties)
    return packet(0x31 | (0x02 if packet_id else 0),
                  text(topic) + (packet_id.to_bytes(2, "big") if packet_id else b"") +
                  packet(0, user)[1:] + payload)


def puback(packet_id):
    return packet(0x40, packet_id.to_bytes(2, "big"))


def line(machine=12345, channel=7, packet_id=None, own=True):
    """A line of 64 bytes. own: with the message properties of lastline-mqtt."""
    name = f"spindle-{channel:02}"
    properties = (
        ("lastline-origin", f"machine-{machine:06}/{name}"),
        ("lastline-generation", "31536000"),
        ("lastline-time", "1700000000000000000"),
        ("lastline-via", "0123456789abcdef/7"),
    ) if own else ()
    return publish(f"plant-07/machine-{machine:06}/{name}", b"x" * 64, properties, packet_id)
