"""Runs commands and says what they used."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "target/bench"
DATA = ROOT / "../shared/data"
LAPWING = os.path.abspath(os.environ.get("LAPWING", ROOT / "target/release/lapwing"))


class Skip(Exception):
    """Why something can not be measured here."""


@dataclass
class Used:
    cpu: float  # seconds, user and system
    wall: float  # seconds
    peak: float  # MiB resident
    out: IO[bytes]

    @property
    def output(self):
        """All of standard output, as text."""
        return "".join(self.rows())

    def rows(self):
        """Standard output line by line."""
        self.out.seek(0)
        return (row.decode(errors="replace") for row in self.out)


def run(*command, **environment):
    """Runs `command` to its end; standard error is shown only where it fails. Output stays in a file until it is asked for.

    The kernel counts what this interpreter held at its most as part of the child's peak (getrusage(2), vfork(2)): never read
    much at once here. About 20 MiB are the least that can be seen.
    """
    out = tempfile.TemporaryFile()
    with tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        child = subprocess.Popen([str(word) for word in command], stdout=out, stderr=err, cwd=ROOT, env=env(**environment))
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        if child.returncode != 0:
            sys.exit(
                f"error: {line(*command, **environment)} ended with {child.returncode}: {err.read().decode(errors='replace')}"
            )
        return Used(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, out)


def env(**more):
    """This environment less settings of lapwing's own, and `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LAPWING__")}
    return kept | {"LAPWING_LOG": "warn"} | {name: str(value) for name, value in more.items()}


def line(*command, **environment):
    """The command as one would type it at the root of the project."""
    words = [f"{name}={value}" for name, value in environment.items()]
    words += [str(word).replace(f"{ROOT}/", "") for word in command]
    return " ".join(f"'{word}'" if set(word) & set(" {}$*") else word for word in words)


def in_turn(rounds, runs):
    """Calls each of `runs` (name -> function) once a round, so that a change of the machine's load meets all of them."""
    results = {name: [] for name in runs}
    for _ in range(rounds):
        for name, call in runs.items():
            results[name].append(call())
    return results


def median(values):
    return statistics.median(values)


def has_command(name):
    """Whether lapwing has such a command already."""
    out = subprocess.run([LAPWING, "help", name], capture_output=True, env=env())
    return out.returncode == 0


def machine():
    model = next((row.split(":")[1].strip() for row in open("/proc/cpuinfo") if row.startswith("model name")), "unknown CPU")
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores of {model}; load average {load}"
