#!/usr/bin/env python3
"""Yardsticks in Python, each a process of its own: peer.py regex|json FILE, drain3 FOLDER, http PORT.

`regex` does to each line what a shipper does that is told the combined format as a regular expression; `json` reads each
line and takes five fields out of it; `drain3` is the template miner that most studies compare with (python -m pip install drain3);
`http` takes batches of lines as a service would, with the server of Python's library, and only counts them.
"""

import collections
import csv
import http.server as http_server
import json
import os
import pathlib
import re
import signal
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


def http(port):
    class Counting(http_server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        lines = 0

        def do_POST(self):
            Counting.lines += self.rfile.read(int(self.headers["Content-Length"])).count(b"\n")
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    http_server.ThreadingHTTPServer(("127.0.0.1", int(port)), Counting).serve_forever()


if __name__ == "__main__":
    {"regex": regex, "json": fields, "drain3": drain3, "http": http}[sys.argv[1]](sys.argv[2])
