"""Datagrams and messages for a running receiver, and what it used for them."""

import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from . import service
from .process import BENCH, LAPWING, run

BURST = 32


def capture(version, hosts, flows):
    """A capture of generated datagrams that end about now."""
    path = BENCH / f"flows-v{version}-{hosts}-{flows}.pcap"
    BENCH.mkdir(parents=True, exist_ok=True)
    begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - flows / (5 + hosts * 0.165)))
    command = [LAPWING, "generate", "--kind", "flows", "--mode", "pcap", "--netflow", version, "--hosts", hosts, "--count", flows]
    run(*command, "--start", begin, "--to", path)
    return path


def payloads(path):
    """What the datagrams of a capture of ours carry."""
    with open(path, "rb") as file:
        file.read(24)
        while head := file.read(16):
            yield file.read(struct.unpack("<4I", head)[2])[28:]


def send(port, datagrams, per_second):
    """Sends them to loopback, so many a second; returns how many."""
    begun = time.perf_counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        for number, datagram in enumerate(datagrams):
            sender.send(datagram)
            if number % BURST == 0:
                ahead = number / per_second - (time.perf_counter() - begun)
                if ahead > 0.001:
                    time.sleep(ahead)
    return len(datagrams)


def stream(port, path):
    """Sends a file over a connection, and ends it."""
    with socket.create_connection(("127.0.0.1", port)) as connection, open(path, "rb") as file:
        connection.sendfile(file)
        connection.shutdown(socket.SHUT_WR)
        # Its end is taken note of.
        connection.settimeout(60)
        with contextlib.suppress(OSError):
            connection.recv(1)


def metric(port, name):
    """The sum of a metric over its labels."""
    rows = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", service.get(port, "/metrics")[1], re.M)
    return int(sum(float(value) for value in rows))


def until_still(value, patience=1.5):
    """Waits until a figure no longer grows; returns it."""
    last, since = value(), time.monotonic()
    while time.monotonic() - since < patience:
        time.sleep(0.1)
        if (now := value()) != last:
            last, since = now, time.monotonic()
    return last


@contextlib.contextmanager
def peer(*command):
    """A collector of others; yields its process. `{port}` and `{folder}` in its command are filled in."""
    port = free_udp_port()
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        words = [str(word).format(port=port, folder=folder) for word in command]
        child = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            yield child, port
        finally:
            end(child)


def end(child):
    """Ends a process and those that it started: some do not listen."""
    own = [child.pid, *children(child)]
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(3)
    for pid in own:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    child.wait(5)


def children(child):
    with open(f"/proc/{child.pid}/task/{child.pid}/children") as file:
        return [int(pid) for pid in file.read().split()]


def cpu_of_all(child):
    """CPU seconds of a process and of its children that run."""
    total = 0
    for pid in [child.pid, *children(child)]:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / service.TICKS
    return total


def collectors():
    """Name -> command of a collector that is installed."""
    nfcapd = ["nfcapd", "-p", "{port}", "-w", "{folder}", "-B", "20000000"]
    nfacctd = ["nfacctd", "-l", "{port}", "-P", "memory", "-c", "src_host,dst_host,src_port,dst_port,proto", "-p", "{folder}/pipe"]
    wanted = {"nfcapd (nfdump), writes files": nfcapd, "nfacctd (pmacct), aggregates in memory": nfacctd}
    place = lambda name: shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return {name: [place(command[0]), *command[1:]] for name, command in wanted.items() if place(command[0])}


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
