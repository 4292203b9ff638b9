"""A real `lapwing run` on ports of its own with an empty store, and a client that sends it batches."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from .peers import PEER
from .process import LAPWING, env

TICKS = os.sysconf("SC_CLK_TCK")
CLIENTS = 8


@contextlib.contextmanager
def running(**settings):
    """Yields lapwing's (process, port, seconds from its start until it listened)."""
    with tempfile.TemporaryDirectory(prefix="lapwing-") as folder:
        port = free_port()
        with listening([LAPWING, "run"], port, folder, **settings_of(port, free_port(), folder) | settings) as service:
            yield service


@contextlib.contextmanager
def counting():
    """As `running`, but Python's own server, which counts lines and does nothing else."""
    with tempfile.TemporaryDirectory(prefix="counting-") as folder:
        port = free_port()
        with listening([sys.executable, str(PEER), "http", str(port)], port, folder) as service:
            yield service


@contextlib.contextmanager
def listening(command, port, folder, **environment):
    with open(f"{folder}/err", "w+b") as err:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": err}
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, env=env(**environment), **streams)
        try:
            yield child, port, until_listening(child, port, start, err)
        finally:
            # Where it died on its own, what it said about that is the news.
            code = child.poll() if child.poll() is not None else stop(child)
            if code != 0:
                err.seek(0)
                sys.exit(f"error: {' '.join(command)} ended with {code}: {err.read().decode(errors='replace')}")


def settings_of(http_port, tcp_port, folder):
    return {
        "LAPWING__SERVER__LISTEN": f"127.0.0.1:{http_port}",
        "LAPWING__SOURCES__TCP__LISTEN": f"127.0.0.1:{tcp_port}",
        "LAPWING__STORE__DIRECTORY": f"{folder}/store",
    }


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def until_listening(child, port, start, err):
    while time.perf_counter() - start < 30:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return time.perf_counter() - start
        if child.poll() is not None:
            break
        time.sleep(0.001)
    err.seek(0)
    sys.exit(f"error: {' '.join(child.args)} does not listen: {err.read().decode(errors='replace')}")


def stop(child):
    """Ends a service that was started here, and says with which code it ended."""
    child.send_signal(signal.SIGTERM)
    try:
        return child.wait(30)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        sys.exit(f"error: {child.args[0]} did not end within 30 s of SIGTERM")


def get(port, path):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, answer.read().decode()
    finally:
        client.close()


def until_ready(port):
    deadline = time.monotonic() + 30
    while get(port, "/ready")[0] != 200:
        if time.monotonic() > deadline:
            sys.exit(f"error: lapwing run is not ready: {get(port, '/ready')[1]}")
        time.sleep(0.05)


def cpu(child):
    """Seconds of user and system time so far of a process that still runs (proc(5))."""
    with open(f"/proc/{child.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def judged(port):
    """How many records the service says it has dealt with."""
    rows = [row.split() for row in get(port, "/metrics")[1].splitlines() if row.startswith("lapwing_events_received_total")]
    return int(sum(float(row[-1]) for row in rows))


def until_judged(port, lines):
    deadline, before = time.monotonic() + 120, -1
    while (now := judged(port)) < lines:
        if now != before:
            deadline, before = time.monotonic() + 120, now
        if time.monotonic() > deadline:
            sys.exit(f"error: {lines} lines were accepted but only {now} were judged")
        time.sleep(0.05)


def send(port, path, lines, batch):
    """Sends the first `lines` of the file in batches over keep-alive connections; returns how many answers said 429."""
    with open(path, "rb") as file:
        bodies = Bodies(file, lines, batch)
        clients = [Client(port, bodies) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    failures = [client.failure for client in clients if client.failure]
    if failures:
        sys.exit(f"error: POST /logs: {failures[0]}")
    return sum(client.refused for client in clients)


class Bodies:
    """The requests that are left to send, shared by all clients."""

    def __init__(self, file, lines, batch):
        self.file, self.left, self.batch, self.lock = file, lines, batch, threading.Lock()

    def next(self):
        with self.lock:
            count = min(self.left, self.batch)
            self.left -= count
            return b"".join(self.file.readline() for _ in range(count))


class Client(threading.Thread):
    def __init__(self, port, bodies):
        super().__init__(daemon=True)
        self.port, self.bodies, self.refused, self.failure = port, bodies, 0, None

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.answers = connection.makefile("rb")
                while body := self.bodies.next():
                    self.post(connection, body)
        except (OSError, ValueError) as error:
            self.failure = str(error)

    def post(self, connection, body):
        head = f"POST /logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        while True:
            connection.sendall(head.encode() + body)
            status, answer = self.answer()
            if status == 202:
                return
            if status != 429:
                raise ValueError(f"{status} {answer!r}")
            self.refused += 1
            time.sleep(0.1)

    def answer(self):
        status, length = int(self.answers.readline().split()[1]), 0
        while header := self.answers.readline().strip():
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return status, self.answers.read(length)
