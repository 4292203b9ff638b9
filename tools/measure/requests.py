"""Sets of whole HTTP requests, as an ECS shipper would send them."""

import gzip
import hashlib
import json
import os
import random

from .process import BENCH, DATA, ROOT, Skip


def read(name):
    path = DATA / f"web/requests/{name}.jsonl.gz"
    if not path.exists():
        raise Skip(f"there is no {os.path.relpath(path, ROOT)}")
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        return [json.loads(row) for row in rows]


def key(row):
    return row["method"], row["uri"], row.get("body") or ""


def unique(rows):
    """Each request once, where it came first."""
    first = {}
    for row in rows:
        first.setdefault(key(row), row)
    return list(first.values())


def halves(rows, seed):
    """Two halves by a hash of the request, so that the same request is in one of them only."""
    second = [hashlib.sha256("\0".join((str(seed), *key(row))).encode()).digest()[0] & 1 for row in rows]
    return [[row for row, half in zip(rows, second) if half == which] for which in (0, 1)]


def as_they_came(rows, seed):
    """Two halves by lot: what is asked for again and again is in both."""
    mixed = shuffled(rows, seed)
    return mixed[::2], mixed[1::2]


def shuffled(rows, seed):
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    return rows


def write(name, rows):
    """The path of the rows as ECS lines, made anew."""
    BENCH.mkdir(parents=True, exist_ok=True)
    path = BENCH / name
    with open(path, "w", encoding="utf-8") as out:
        for row in rows:
            request = {"method": row["method"]}
            if row.get("body"):
                request["body"] = {"content": row["body"]}
            line = {"http": {"request": request}, "url": {"original": row["uri"]}, "user_agent": {"original": row.get("ua", "")}}
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
    return path
