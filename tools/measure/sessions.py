"""Labelled sessions of HDFS, as logs that lapwing reads."""

import csv
import gzip
import json
import os

from .process import BENCH, DATA, LAPWING, ROOT, Skip, run

KEY = r"blk_-?\d+"
SETS = DATA / "logs"


def normal_and_abnormal(say):
    """For each third held out: abnormal sessions told, all of them, normal ones told, all of those held out."""
    normal, abnormal = (event_ids(f"hdfs-sessions/{name}.txt") for name in ("train-normal", "test-abnormal-2000"))
    for fold in range(3):
        known = [session for number, session in enumerate(normal) if number % 3 != fold]
        held = [session for number, session in enumerate(normal) if number % 3 == fold]
        model, learned = BENCH / "hdfs.model", written("hdfs-learn.log", "n", known)
        command = [LAPWING, "learn", "--out", model, "--session", r"[nha]-\d+", learned]
        say(command) if fold == 0 else None
        run(*command)
        counts = []
        for name, sessions in (("a", abnormal), ("h", held)):
            rows = scored(model, written(f"hdfs-{name}.log", name, sessions))
            counts += [sum(row["anomalous"] for row in rows.values()), len(sessions)]
        yield counts


def in_time(share, say):
    """Learns the normal sessions of the first part in time; measures the others. The report, and the groups of alerts."""
    order = labels()
    cut = int(len(order) * share)
    known = [row for row in order[:cut] if row["anomalous"] == "0"]
    chosen, others = listed("hdfs-known.csv", known), listed("hdfs-others.csv", order[cut:])
    log, model = SETS / "hdfs-time-order/hdfs.log.gz", BENCH / "hdfs-time.model"
    learn = [LAPWING, "learn", "--out", model, "--session", KEY, "--sessions", chosen, log]
    say(learn)
    run(*learn)
    # Sessions that were learned are not in what is scored: a log without their lines.
    rest = without(log, {row["session"] for row in order[:cut]})
    return report(rest, others, ["--model", model], say)


def online(say):
    """Scores, then learns, the whole log, without a label."""
    return report(SETS / "hdfs-time-order/hdfs.log.gz", listed("hdfs-all.csv", labels()), ["--session", KEY], say)


def report(log, labelled, how, say):
    command = [LAPWING, "eval", "--by", "session", "--labels", labelled, "--json", *how, log]
    say(command)
    told = json.loads(run(*command).output)
    rows = json_rows([LAPWING, "score", "--by", "session", *how, log])
    truth = {row["session"]: row["anomalous"] != "0" for row in csv.DictReader(open(labelled, encoding="utf-8"))}
    groups = {}
    for row in rows:
        if row["anomalous"] and row["session"] in truth:
            groups[row["pattern"]] = groups.get(row["pattern"], False) or truth[row["session"]]
    return told, groups


def event_ids(name):
    path = SETS / name
    if not path.exists():
        raise Skip(f"there is no {os.path.relpath(path, ROOT)}")
    return [line.split() for line in path.read_text().splitlines() if line.strip()]


def labels():
    path = SETS / "hdfs-time-order/labels.csv"
    if not path.exists():
        raise Skip(f"there is no {os.path.relpath(path, ROOT)}")
    with open(path, encoding="utf-8") as rows:
        return sorted(csv.DictReader(rows), key=lambda row: int(row["first_seen_unix"]))


def text(event):
    """A message for each event id, of words that no other has."""
    number = int(event)
    word = "bdfgklmnprstvz"[number % 14] + "aeiou"[number // 14 % 5] + "lmnrst"[number // 70 % 6]
    return f"{word}ard {word}ering {word}esh"


def written(name, prefix, sessions):
    path = BENCH / name
    BENCH.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        for number, session in enumerate(sessions):
            out.writelines(f"{text(event)} {prefix}-{number}\n" for event in session)
    return path


def listed(name, rows):
    path = BENCH / name
    BENCH.mkdir(parents=True, exist_ok=True)
    path.write_text("session,anomalous\n" + "".join(f"{row['session']},{row['anomalous']}\n" for row in rows))
    return path


def without(log, sessions):
    path = BENCH / "hdfs-rest.log"
    with gzip.open(log, "rt", encoding="utf-8", errors="replace") as lines, open(path, "w", encoding="utf-8") as out:
        for line in lines:
            start = line.find("blk_")
            if start < 0 or line[start:].split()[0].rstrip(".,") not in sessions:
                out.write(line)
    return path


def scored(model, log):
    return {row["session"]: row for row in json_rows([LAPWING, "score", "--by", "session", "--model", model, log])}


def json_rows(command):
    return [json.loads(row) for row in run(*command).rows()]
