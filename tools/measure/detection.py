"""How well verdicts agree with the labels of generated traffic."""

import collections
import datetime

SEVERITIES = ["info", "low", "medium", "high", "critical"]
# The label of a silence is on the line after it, but the silence is noticed while nothing comes.
SILENT = {"silence", "service-silence"}
LONGEST_SILENCE = datetime.timedelta(minutes=30)


def flagged(rows, at="low"):
    """The numbers of the lines that `score` rated at least so severe."""
    return {row["line"] for row in rows if SEVERITIES.index(row["severity"]) >= SEVERITIES.index(at)}


def by_line(found, labels):
    """Precision, recall and F1 of the lines found."""
    true = {label["line"] for label in labels}
    right = len(found & true)
    precision, recall = right / max(len(found), 1), right / max(len(true), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def by_class(found, labels, times, anomalies):
    """Class -> [incidents found, incidents, lines found, lines]. An incident is found where one of its lines is."""
    incidents = collections.defaultdict(list)
    for label in labels:
        incidents[label["class"], label["incident"]].append(label["line"])
    table = collections.defaultdict(lambda: [0, 0, 0, 0])
    for (name, _), lines in sorted(incidents.items()):
        hits = len(found.intersection(lines))
        row = table[name]
        row[0] += hits > 0 or name in SILENT and silence_told(times[lines[0]], anomalies)
        row[1] += 1
        row[2] += hits
        row[3] += len(lines)
    return dict(table)


def true_anomalies(anomalies, labels, times):
    """How many anomalies show at least one labelled line as evidence, or are a silence that ended with one."""
    lines = {label["line"] for label in labels}
    ends = [times[label["line"]] for label in labels if label["class"] in SILENT]

    def true(anomaly):
        return any(evidence["line"] in lines for evidence in anomaly["evidence"]) or any(
            silence_told(end, [anomaly]) for end in ends
        )

    return sum(map(true, anomalies))


def silence_told(end, anomalies):
    """Whether an anomaly of the detector of silences fell into the time before `end`."""
    told = [moment(anomaly["time"]) for anomaly in anomalies if anomaly["detector"] == "silence"]
    return any(end - LONGEST_SILENCE <= time <= end for time in told)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
