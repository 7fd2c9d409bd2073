"""The figures of benches/README.md, irisnode and its peers in the same run.

usage: run.py [--quick] [PART ...]        (make bench)

PART is receive, receive_shipped, endurance, network, embedding, memory, seg_writing or turnaround; all
when none is named. Prints a table for each part and keeps every measurement in
target/bench/results.json. --quick shows that it works; its figures mean
nothing.
"""

import argparse
import datetime
import importlib
import json
import os
import pathlib
import platform
import shutil
import subprocess

from places import OUT, ROOT

PARTS = ["receive", "receive_shipped", "endurance", "network", "embedding", "memory", "seg_writing", "turnaround"]


def main():
    parser = argparse.ArgumentParser(description="The figures of benches/README.md, peers in the same run.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all when none is named")
    parser.add_argument("--quick", action="store_true", help="show that it works; the figures mean nothing")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    OUT.mkdir(parents=True, exist_ok=True)
    for name in asked.parts or PARTS:
        run_part(name, asked.quick)


def run_part(name, quick):
    """Measures one part, prints its table, and keeps its figures."""
    part = importlib.import_module(name)
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    load_before = os.getloadavg()[0]
    result = part.measure(quick, folder)
    shutil.rmtree(folder)
    print(f"\n## {part.TITLE}{' (quick: these figures mean nothing)' if quick else ''}\n")
    print(result["table"] + "\n")
    for note in result["notes"]:
        print(note)
    keep(name, {**circumstances(), "load_before": load_before, "quick": quick, **result})


def keep(name, result):
    """Lays one part's result over the file of all."""
    file = OUT / "results.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    results[name] = result
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False, default=str))


def circumstances():
    """When, of which commit, and on what kind of machine."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True).stdout.strip()
    processors = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = {line.split(":")[1].strip() for line in processors if line.startswith("model name")}
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit + ("+" if changed else ""),
        "processor": ", ".join(sorted(models)) or platform.machine(),
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("interrupted; everything it started is stopped") from None
