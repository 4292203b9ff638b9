"""The inputs, made once into target/bench/."""

import gzip
import json
import os
import re
import subprocess
import sys

from .process import BENCH, DATA, ROOT, Skip

SAMPLE = ROOT / "examples/apache-10k.log.gz"
COMBINED = re.compile(
    r'(?P<client>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<bytes>\d+|-)'
    r' "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"'
)
MONTHS = {name: number for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}


def access_log(megabytes):
    """The real log of the examples, varied to `megabytes`."""
    return made(
        f"access-{megabytes}.log",
        lambda out: subprocess.run([sys.executable, ROOT / "tools/vary.py", SAMPLE, str(megabytes)], stdout=out, check=True),
    )


def requests(name):
    """A labelled set of requests as JSON lines in ECS names, and the label of each."""
    source = DATA / f"web/requests/{name}.jsonl.gz"
    if not source.exists():
        raise Skip(f"there is no {os.path.relpath(source, ROOT)}")
    with gzip.open(source, "rt", encoding="utf-8", errors="replace") as lines:
        rows = [json.loads(line) for line in lines]

    def convert(out):
        for number, row in enumerate(rows):
            event = {
                "@timestamp": f"2025-03-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
                "source": {"ip": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"},
                "http": {"request": {"method": row["method"]}, "response": {"status_code": 200}},
                "url": {"original": row["uri"]},
                "user_agent": {"original": row.get("ua", "")},
            }
            if row.get("body"):
                event["http"]["request"]["body"] = {"content": row["body"]}
            if row.get("extra"):
                event["http"]["request"]["headers"] = row["extra"]
            if row.get("ref"):
                event["http"]["request"]["referrer"] = row["ref"]
            out.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    return made(f"requests-{name}-2.ndjson", convert), [row["label"] for row in rows]


def small_log():
    return made("apache-10k.log", lambda out: subprocess.run(["gzip", "-dc", SAMPLE], stdout=out, check=True))


def ndjson(log):
    """The lines of an access log as an ECS shipper sends them."""

    def convert(out):
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                out.write(json.dumps(ecs(line), separators=(",", ":")).encode() + b"\n")

    return made(f"{log.stem}.ndjson", convert)


def ecs(line):
    found = COMBINED.match(line)
    if not found:
        return {"message": line.rstrip("\n")}
    day, month, year, clock = re.match(r"(\d+)/(\w+)/(\d+):(\S+)", found["time"]).groups()
    method, _, rest = found["request"].partition(" ")
    return {
        "@timestamp": f"{year}-{MONTHS[month]:02}-{day}T{clock}.000Z",
        "ecs": {"version": "8.11.0"},
        "source": {"address": found["client"], "ip": found["client"]},
        "http": {
            "request": {"method": method, "referrer": found["referrer"]},
            "response": {"status_code": int(found["status"]), "body": {"bytes": int(found["bytes"].replace("-", "0"))}},
        },
        "url": {"original": rest.rpartition(" ")[0]},
        "user_agent": {"original": found["agent"]},
        "event": {"dataset": "apache.access"},
    }


def templates():
    folder = DATA / "logs/templates"
    if not folder.is_dir():
        raise Skip(f"there is no {os.path.relpath(folder, ROOT)}")
    return folder


def count(path):
    """Lines of a file; reading it also puts it into the page cache."""
    with open(path, "rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def made(name, make):
    path = BENCH / name
    if not path.exists():
        BENCH.mkdir(parents=True, exist_ok=True)
        print(f"  making {path.relative_to(ROOT)} ...", flush=True)
        unfinished = path.with_suffix(".unfinished")
        with open(unfinished, "wb") as out:
            make(out)
        unfinished.rename(path)
    return path
