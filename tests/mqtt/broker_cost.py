#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What one mosquitto spends on connections, retained messages, lines and TLS handshakes.

usage: broker_cost.py

Memory is the broker's own (VmRSS), without the kernel's for sockets. Processor time is the
broker's, on one core, from schedstat; time on a busy machine does not count. The figures
are typed into BROKER of scale.py by hand: they differ from machine to machine.
"""
import re
import signal
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
GONE = 90		# below the backlog with which mosquitto listens, 100
LINES = 20000
TOPICS = 20000
SUBSCRIPTIONS = 4000
ASLEEP = 30000		# lines; more than the kernel keeps for a reader


def free_port():
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return sock.getsockname()[1]


def receive(sock):
    """The next packet: its first byte and its body."""
    def exactly(count):
        data = b""
        while len(data) < count:
            piece = sock.recv(count - len(data))
            if not piece:
                raise EOFError("the broker hung up")
            data += piece
        return data

    kind, length, shift = exactly(1)[0], 0, 0
    while True:
        byte = exactly(1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return kind, exactly(length)


def expect(sock, kind):
    got, body = receive(sock)
    if got & 0xf0 != kind:
        raise ValueError(f"packet {got:#x}, not {kind:#x}")
    return body


class Broker:
    """A mosquitto of its own, with a plain and a TLS listener."""

    def __init__(self, directory):
        self.directory = directory
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

    def proc(self, name):
        return Path(f"/proc/{self.process.pid}/{name}").read_text(encoding="ascii")

    def memory(self):
        return int(re.search(r"VmRSS:\s+(\d+)", self.proc("status")).group(1)) * 1024

    def cpu(self):
        return int(self.proc("schedstat").split()[0]) / 1e9

    def client(self, name, tls=False):
        deadline = time.monotonic() + 60
        while True:
            try:
                sock = socket.create_connection((HOST, self.tls_port if tls else self.port))
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            sock = self.context.wrap_socket(sock)
        sock.sendall(connect(name, 600))
        expect(sock, 0x20)
        return sock


def make_certificates(directory):
    """A CA, and for each side a key on P-256: the cheapest that everybody takes."""
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
    """Bytes for each connection with a subscription; plain, then with TLS, and seconds."""
    clients, memory = [], {}
    for number in range(MANY):
        if number == FEW:
            memory[FEW] = broker.memory()
        clients.append(broker.client(f"plain-{number}"))
        clients[-1].sendall(subscribe(f"plant-07/machine-{number:06}/+", 1))
        expect(clients[-1], 0x90)
    yield "bytes of a connection", (broker.memory() - memory[FEW]) / (MANY - FEW)

    before, cpu = broker.memory(), broker.cpu()
    clients += [broker.client(f"tls-{number}", tls=True) for number in range(TLS_CLIENTS)]
    yield "bytes of a connection with TLS", (broker.memory() - before) / TLS_CLIENTS
    yield "microseconds of a TLS handshake", (broker.cpu() - cpu) / TLS_CLIENTS * 1e6
    # tcpi_bytes_acked and tcpi_bytes_received; CONNECT and CONNACK are in them.
    info = clients[-1].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
    yield "bytes of a TLS handshake", sum(struct.unpack_from("QQ", info, 120))
    for client in clients:
        client.close()


def gone(broker):
    """What a TLS client costs that hung up before the broker came to its first message."""
    broker.client("first", tls=True).close()
    broker.process.send_signal(signal.SIGSTOP)
    for _ in range(GONE):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = broker.context.wrap_bio(incoming, outgoing)
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        with socket.create_connection((HOST, broker.tls_port)) as sock:
            sock.sendall(outgoing.read())
    cpu = broker.cpu()
    broker.process.send_signal(signal.SIGCONT)
    # Who comes behind them is served after them.
    served = broker.client("behind", tls=True)
    yield "microseconds of a client that is gone", (broker.cpu() - cpu) / GONE * 1e6
    served.close()


def lines_in(sock, broker, topics, count):
    """Microseconds for each line of QoS 1 that is published, one in flight."""
    before = broker.cpu()
    for number in range(count):
        sock.sendall(line(number % topics, packet_id=number % 65535 + 1))
        expect(sock, 0x40)
    return (broker.cpu() - before) / count * 1e6


def retained(broker, sock):
    """Bytes for each retained message."""
    lines_in(sock, broker, 1000, 1000)
    before = broker.memory()
    lines_in(sock, broker, TOPICS, TOPICS)
    yield "bytes of a retained message", (broker.memory() - before) / (TOPICS - 1000)


def deliveries(broker, sock):
    """Microseconds for each line, without a subscriber and with ten."""
    alone = lines_in(sock, broker, 10, LINES)
    readers = [broker.client(f"reader-{number}") for number in range(10)]
    for reader in readers:
        reader.sendall(subscribe("plant-07/machine-000007/+", 1))
        expect(reader, 0x90)
        acknowledge(reader, expect(reader, 0x30))
    before = broker.cpu()
    for number in range(LINES // 10):
        sock.sendall(line(7, packet_id=number % 65535 + 1))
        expect(sock, 0x40)
        for reader in readers:
            acknowledge(reader, expect(reader, 0x30))
    each = (broker.cpu() - before) / (LINES // 10) * 1e6
    yield "microseconds of a line published", alone
    yield "microseconds of a line delivered", (each - alone) / 10


def acknowledge(reader, body):
    end = 2 + int.from_bytes(body[:2], "big")
    reader.sendall(puback(int.from_bytes(body[end:end + 2], "big")))


def arrived(broker, qos, topics):
    """How many retained messages come of subscriptions that are sent in one go."""
    reader = broker.client(f"reader-of-{len(topics)}-{qos}")
    reader.settimeout(5)
    packets = b"".join(subscribe(topic, qos) for topic in topics)
    # The broker does not read on while nobody reads what it sends.
    sender = threading.Thread(target=reader.sendall, args=(packets,))
    sender.start()
    count = 0
    try:
        while True:
            kind, body = receive(reader)
            if kind & 0xf0 == 0x30:
                count += 1
                if qos:
                    acknowledge(reader, body)
    except TimeoutError:
        pass
    sender.join()
    return count


def after_subscribing(broker):
    every = [f"plant-07/machine-{number:06}/spindle-07" for number in range(SUBSCRIPTIONS)]
    for qos in (0, 1):
        yield (f"of {TOPICS} retained, wildcard, QoS {qos}",
               arrived(broker, qos, ["plant-07/#"]))
        yield (f"of {SUBSCRIPTIONS} retained, each by its topic, QoS {qos}",
               arrived(broker, qos, every))


def asleep(broker):
    """Which line is the last that comes to a reader who reads only when all are written."""
    for qos in (0, 1):
        reader = broker.client(f"asleep-{qos}")
        reader.settimeout(5)
        reader.sendall(subscribe("one", qos))
        expect(reader, 0x90)
        with broker.client("writer") as sock:
            for number in range(1, ASLEEP + 1):
                sock.sendall(publish("one", b"%320d" % number, (), number % 65535))
                expect(sock, 0x40)
        last = 0
        try:
            while True:
                kind, body = receive(reader)
                if kind & 0xf0 == 0x30:
                    last = int(body[-320:])
                    if qos:
                        acknowledge(reader, body)
        except TimeoutError:
            pass
        yield f"the last of {ASLEEP} to a reader asleep, QoS {qos}", last


def messages(broker):
    with broker.client("writer") as sock:
        yield from retained(broker, sock)
        yield from deliveries(broker, sock)
    yield from after_subscribing(broker)
    yield from asleep(broker)


def main():
    with tempfile.TemporaryDirectory() as directory:
        broker = Broker(Path(directory))
        try:
            for measure in (gone, connections, messages):
                for name, value in measure(broker):
                    print(f"{name:46} {value:8.1f}", flush=True)
        finally:
            broker.process.kill()
            broker.process.wait()


if __name__ == "__main__":
    main()
