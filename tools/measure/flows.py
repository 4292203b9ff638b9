"""How well anomalies agree with the labels of generated flows."""

import datetime

from . import detection

# What each class of attack is called where it is found, and whether it is about who acts (0) or whom it meets (1).
TOLD_AS = {
    "vertical-scan": ({"port-scan"}, 0),
    "horizontal-scan": ({"port-scan"}, 0),
    "slow-scan": ({"port-scan"}, 0),
    "distributed-scan": ({"port-scan"}, 1),
    "syn-flood": ({"flood"}, 1),
    "udp-flood": ({"flood"}, 1),
    "reflection": ({"flood"}, 1),
    "beacon": ({"beacon"}, 0),
    "exfiltration": ({"exfiltration"}, 0),
    "dns-tunnel": ({"dns-tunnel"}, 0),
    "brute-force": ({"brute-force"}, 0),
    "lateral-movement": ({"lateral-movement"}, 0),
}


def told(anomalies):
    """Those that a person is told of: of severity low and above."""
    least = detection.SEVERITIES.index("low")
    return [anomaly for anomaly in anomalies if detection.SEVERITIES.index(anomaly["severity"]) >= least]


def incidents(labels):
    """(class, incident) -> (who acts, whom it meets), of its first flow."""
    first = {}
    for label in labels:
        first.setdefault((label["class"], label["incident"]), (label["source"], label["destination"]))
    return first


def matched(labels, anomalies):
    """(class, incident) -> the anomalies that tell of it; and those that tell of none."""
    found, others = {key: [] for key in incidents(labels)}, []
    for anomaly in anomalies:
        hits = [key for key, ends in incidents(labels).items() if tells(anomaly, key[0], ends)]
        for key in hits:
            found[key].append(anomaly)
        if not hits:
            others.append(anomaly)
    return found, others


def tells(anomaly, name, ends):
    """Whether an anomaly is of the class that an attack is told as, and about the one it is about."""
    classes, which = TOLD_AS[name]
    return anomaly["class"] in classes and ends[which] in anomaly["entity"].split(" > ")


def after(start, time):
    """Hours and minutes from one time to the other."""
    took = detection.moment(time) - start
    return f"{took // datetime.timedelta(hours=1)}:{took // datetime.timedelta(minutes=1) % 60:02}"
