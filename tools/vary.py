#!/usr/bin/env python3
"""Varies a combined access log to a given size: vary.py LOG MEGABYTES > OUT

Each copy is moved on in time by the span of the log and comes from other addresses, so that a longer log of a larger site
results; paths, agents and sizes stay those of the log.
"""
import datetime
import gzip
import re
import sys

LINE = re.compile(rb"(\d+)\.(\d+)\.(\d+)\.(\d+) (\S+ \S+) \[(\d+/\w+/\d+:\d+:\d+:\d+) ([+-]\d+)\](.*)", re.S)
FORMAT = "%d/%b/%Y:%H:%M:%S"


def main(path, megabytes):
    opened = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")
    lines = [LINE.match(line).groups() for line in opened]
    times = {row[5]: datetime.datetime.strptime(row[5].decode(), FORMAT) for row in lines}
    span = max(times.values()) - min(times.values()) + datetime.timedelta(hours=1)
    left, copy = megabytes * 1_000_000, 0
    while left > 0:
        moved = {text: (time + span * copy).strftime(FORMAT).encode() for text, time in times.items()}
        for a, b, c, d, users, time, zone, rest in lines:
            third, fourth = (int(c) + copy) % 256, (int(d) + 7 * copy) % 256
            line = b"%s.%s.%d.%d %s [%s %s]%s" % (a, b, third, fourth, users, moved[time], zone, rest)
            sys.stdout.buffer.write(line)
            left -= len(line)
            if left <= 0:
                break
        copy += 1


main(sys.argv[1], int(sys.argv[2]))
