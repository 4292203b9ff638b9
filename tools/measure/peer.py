#!/usr/bin/env python3
"""Yardsticks in Python, each a process of its own: peer.py regex|json FILE, peer.py drain3 FOLDER.

`regex` does to each line what a shipper does that is told the combined format as a regular expression; `json` reads each
line and takes five fields out of it; `drain3` is the template miner that most studies compare with (python -m pip install drain3).
"""

import collections
import csv
import json
import pathlib
import re
import sys
import time

COMBINED = re.compile(rb'^(\S+) \S+ (\S+) \[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"')


def regex(path):
    statuses = collections.Counter()
    with open(path, "rb") as lines:
        for line in lines:
            found = COMBINED.match(line)
            statuses[found.groups()[5] if found else None] += 1
    print(statuses.most_common(3))


def fields(path):
    statuses = collections.Counter()
    with open(path, "rb") as lines:
        for line in lines:
            row = json.loads(line)
            if "http" in row:
                key = row["@timestamp"], row["source"]["ip"], row["url"]["original"], row["user_agent"]["original"]
                statuses[row["http"]["response"]["status_code"]] += len(key) == 4
    print(statuses.most_common(3))


def drain3(folder):
    """Prints lines per CPU-second, warm: each system's lines are put under templates twice, the second time counts."""
    from drain3 import TemplateMiner

    lines, seconds, groups = 0, 0.0, {}
    for path in sorted(pathlib.Path(folder).glob("*_2k.log_structured.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            contents = [row["Content"] for row in csv.DictReader(file)]
        miner = TemplateMiner()
        groups[path.name.split("_2k")[0]] = [miner.add_log_message(content)["cluster_id"] for content in contents]
        start = time.process_time()
        for content in contents:
            miner.add_log_message(content)
        seconds += time.process_time() - start
        lines += len(contents)
    json.dump({"rate": lines / seconds, "groups": groups}, sys.stdout)


if __name__ == "__main__":
    {"regex": regex, "json": fields, "drain3": drain3}[sys.argv[1]](sys.argv[2])
