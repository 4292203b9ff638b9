"""Random lines without end, and the memory of who reads them."""

import random
import subprocess
import time

from .process import ROOT, env

BLOCK = 10_000
BEGIN = 1_700_000_000
METHODS = ["GET"] * 20 + ["POST"] * 5 + ["PUT", "DELETE", "OPTIONS", "PROPFIND"]
LEVELS = ["INFO"] * 8 + ["WARN", "ERROR"]
WORDS = ["".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz", k=3 + n % 6)) for n in range(30_000)]


def web(draw, at):
    path = "/".join(draw.choices(WORDS, k=draw.randint(1, 4)))
    query = "&".join(f"{draw.choice(WORDS)}={draw.getrandbits(40):x}" for _ in range(draw.randint(0, 2)))
    agent = f"{draw.choice(WORDS)}/{draw.randint(1, 99)}.{draw.randint(0, 99)}"
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))
    status = draw.choice((200, 200, 200, 301, 404, 500))
    return f'{address(draw)} - {draw.choice(WORDS)} [{when}] "{draw.choice(METHODS)} /{path}?{query} HTTP/1.1" {status} {draw.randint(0, 1 << 20)} "-" "{agent}" {draw.random():.3f}'


def application(draw, at):
    """A session of its own about every fourth line."""
    session = draw.getrandbits(64) if draw.random() < 0.25 else draw.randint(0, 5_000)
    text = " ".join(draw.choices(WORDS, k=draw.randint(2, 12)))
    service = draw.choice(WORDS)
    return f'{{"timestamp":{at},"level":"{draw.choice(LEVELS)}","service":"{service}","session_id":"{session:x}","user":"{draw.choice(WORDS)}","logger":"{service}.{draw.choice(WORDS)}","duration_ms":{draw.expovariate(0.01):.1f},"message":"{text}"}}'


def login(draw, at):
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    return f"{when} host{draw.randint(0, 3000)} sshd[{draw.randint(1, 65535)}]: Failed password for {draw.choice(WORDS)} from {address(draw)} port {draw.randint(1024, 65535)} ssh2"


def text(draw, at):
    return " ".join(draw.choices(WORDS, k=draw.randint(1, 30)))


def flow(draw, at):
    """VPC flow logs."""
    ports = f"{draw.randint(1, 65535)} {draw.randint(1, 65535)}"
    packets = draw.randint(1, 5000)
    return f"2 123456789010 eni-{draw.getrandbits(32):08x} {address(draw)} {address(draw)} {ports} {draw.choice((6, 17, 1))} {packets} {packets * draw.randint(40, 1500)} {at} {at + draw.randint(0, 60)} ACCEPT OK"


def address(draw):
    return ".".join(map(str, draw.getrandbits(32).to_bytes(4)))


KINDS = [web, web, application, login, text, flow]


def lines(count):
    """Blocks of lines as bytes, about a hundred lines a second of their own time; nothing in them is bounded or repeats for long."""
    draw = random.Random(1)
    for begin in range(0, count, BLOCK):
        block = (draw.choice(KINDS)(draw, BEGIN + number // 100) for number in range(begin, min(begin + BLOCK, count)))
        yield ("\n".join(block) + "\n").encode()


def watch(command, marks, **environment):
    """Feeds `command` random lines through its standard input; at each mark (a number of lines) what it holds, in MiB."""
    child = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT, env=env(**environment)
    )
    held, written = {}, 0
    for block in lines(max(marks)):
        child.stdin.write(block)
        written += block.count(b"\n")
        if written in marks:
            held[written] = memory(child.pid)
    child.stdin.close()
    if child.wait() != 0:
        raise SystemExit(f"error: {command[0]} ended with {child.returncode} after {written} lines")
    return held


def memory(process):
    """Most ever and now, in MiB."""
    rows = dict(row.split(":", 1) for row in open(f"/proc/{process}/status"))
    return tuple(int(rows[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS"))
