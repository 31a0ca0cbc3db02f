#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Measures what mosquitto spends on connections, retained messages, lines and TLS handshakes.

usage: broker_cost.py

Memory is the broker's VmRSS, without the kernel's memory for sockets. CPU time is from
schedstat. Copy the figures into BROKER of scale.py by hand; they differ between machines.
"""
import re
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from packets import connect, line, puback, publish, subscribe

HOST = "127.0.0.1"
FEW, MANY = 500, 4500
TLS_CLIENTS = 500
LINES = 20000
TOPICS = 20000
SUBSCRIPTIONS = 4000
ASLEEP = 30000		# lines; more than the kernel's socket buffers hold
CONNACK, PUBLISH, PUBACK, SUBACK = 0x20, 0x30, 0x40, 0x90


class Client:
    """A connection to the broker."""

    def __init__(self, broker, name, tls=False, subscriptions=(), qos=0):
        self.qos = qos
        sock = socket.create_connection((HOST, broker.tls_port if tls else broker.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = broker.context.wrap_socket(sock) if tls else sock
        self.ask(connect(name, 600), CONNACK)
        for topic in subscriptions:
            self.ask(subscribe(topic, qos), SUBACK)

    def receive(self):
        """Returns kind and body of the next packet."""
        def exactly(count):
            data = b""
            while len(data) < count:
                piece = self.sock.recv(count - len(data))
                if not piece:
                    raise EOFError("the broker closed the connection")
                data += piece
            return data

        kind, length, shift, byte = exactly(1)[0] & 0xf0, 0, 0, 128
        while byte & 128:
            byte = exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
        return kind, exactly(length)

    def expect(self, wanted):
        kind, body = self.receive()
        if kind != wanted:
            raise ValueError(f"got packet {kind:#x} instead of {wanted:#x}")
        return body

    def ask(self, packet, answer):
        self.sock.sendall(packet)
        return self.expect(answer)

    def acknowledge(self, body):
        if self.qos:
            end = 2 + int.from_bytes(body[:2], "big")
            self.sock.sendall(puback(int.from_bytes(body[end:end + 2], "big")))

    def messages(self):
        """Yields messages until none arrives for 5 s."""
        self.sock.settimeout(5)
        try:
            while True:
                kind, body = self.receive()
                if kind == PUBLISH:
                    yield body
                    self.acknowledge(body)
        except TimeoutError:
            pass


class Broker:
    """A mosquitto process with a plain and a TLS listener."""

    def __init__(self, directory):
        self.port, self.tls_port = free_port(), free_port()
        make_certificates(directory)
        (directory / "conf").write_text(
            f"user root\nallow_anonymous true\nlistener {self.port} {HOST}\n"
            f"listener {self.tls_port} {HOST}\ncafile {directory}/ca.pem\n"
            f"certfile {directory}/broker.pem\nkeyfile {directory}/broker.key\n"
            "require_certificate true\n")
        self.process = subprocess.Popen(["mosquitto", "-c", directory / "conf"],
                                        stderr=subprocess.DEVNULL)
        self.context = ssl.create_default_context(cafile=directory / "ca.pem")
        self.context.check_hostname = False
        self.context.load_cert_chain(directory / "client.pem", directory / "client.key")
        while True:
            try:
                socket.create_connection((HOST, self.tls_port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)

    def proc(self, name):
        return Path(f"/proc/{self.process.pid}/{name}").read_text(encoding="ascii")

    def memory(self):
        return int(re.search(r"VmRSS:\s+(\d+)", self.proc("status")).group(1)) * 1024

    def cpu_us(self):
        return int(self.proc("schedstat").split()[0]) / 1e3


def free_port():
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return sock.getsockname()[1]


def make_certificates(directory):
    """Makes a CA, and a P-256 key for each side."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    for name in ("broker", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem")


def connections(broker):
    """Costs of connections: plain with a subscription, then with TLS."""
    clients, memory = [], {}
    for number in range(MANY):
        if number == FEW:
            memory[FEW] = broker.memory()
        clients.append(Client(broker, f"plain-{number}", qos=1,
                              subscriptions=[f"plant-07/machine-{number:06}/+"]))
    yield "bytes of a connection", (broker.memory() - memory[FEW]) / (MANY - FEW)

    before, cpu = broker.memory(), broker.cpu_us()
    clients += [Client(broker, f"tls-{number}", tls=True) for number in range(TLS_CLIENTS)]
    yield "bytes of a connection with TLS", (broker.memory() - before) / TLS_CLIENTS
    yield "microseconds of a TLS handshake", (broker.cpu_us() - cpu) / TLS_CLIENTS
    # tcpi_bytes_acked and tcpi_bytes_received, with CONNECT and CONNACK
    info = clients[-1].sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
    yield "bytes of a TLS handshake", sum(struct.unpack_from("QQ", info, 120))
    for client in clients:
        client.sock.close()


def lines_us(broker, writer, topics, count, readers=()):
    """Microseconds per published line, with QoS 1 and one line in flight."""
    before = broker.cpu_us()
    for number in range(count):
        writer.ask(line(number % topics, packet_id=number % 65535 + 1), PUBACK)
        for reader in readers:
            reader.acknowledge(reader.expect(PUBLISH))
    return (broker.cpu_us() - before) / count


def messages(broker):
    """Costs of retained messages, and of lines without and with ten subscribers."""
    writer = Client(broker, "writer")
    lines_us(broker, writer, 1000, 1000)
    before = broker.memory()
    lines_us(broker, writer, TOPICS, TOPICS)
    yield "bytes of a retained message", (broker.memory() - before) / (TOPICS - 1000)

    alone = lines_us(broker, writer, 10, LINES)
    readers = [Client(broker, f"reader-{number}", qos=1,
                      subscriptions=["plant-07/machine-000000/+"]) for number in range(10)]
    for reader in readers:
        reader.acknowledge(reader.expect(PUBLISH))
    each = lines_us(broker, writer, 1, LINES // 10, readers)
    yield "microseconds of a line published", alone
    yield "microseconds of a line delivered", (each - alone) / 10


def after_subscribing(broker):
    """How many retained messages arrive after sending all subscriptions at once."""
    def arrived(qos, topics):
        reader = Client(broker, f"reader-of-{len(topics)}-{qos}", qos=qos)
        packets = b"".join(subscribe(topic, qos) for topic in topics)
        # The broker stops reading while its own messages are not read.
        sender = threading.Thread(target=reader.sock.sendall, args=(packets,))
        sender.start()
        count = sum(1 for _ in reader.messages())
        sender.join()
        return count

    every = [f"plant-07/machine-{number:06}/spindle-07" for number in range(SUBSCRIPTIONS)]
    for qos in (0, 1):
        yield f"of {TOPICS} retained, wildcard, QoS {qos}", arrived(qos, ["plant-07/#"])
        yield (f"of {SUBSCRIPTIONS} retained, each by its topic, QoS {qos}",
               arrived(qos, every))


def asleep(broker):
    """The last line that reaches a reader that starts reading after all lines were written."""
    for qos in (0, 1):
        reader = Client(broker, f"asleep-{qos}", subscriptions=["one"], qos=qos)
        writer = Client(broker, f"writer-{qos}")
        for number in range(1, ASLEEP + 1):
            writer.ask(publish("one", b"%320d" % number, (), number % 65535), PUBACK)
        *_, last = reader.messages()
        yield f"the last of {ASLEEP} to a reader asleep, QoS {qos}", int(last[-320:])


def main():
    with tempfile.TemporaryDirectory() as directory:
        broker = Broker(Path(directory))
        try:
            for measure in (connections, messages, after_subscribing, asleep):
                for name, value in measure(broker):
                    print(f"{name:46} {value:8.1f}", flush=True)
        finally:
            broker.process.kill()
            broker.process.wait()


if __name__ == "__main__":
    main()
