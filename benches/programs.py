"""The benchmarks written in Rust, built by cargo."""

import json
import subprocess

from places import ROOT


def built(name):
    """The program of benches/NAME.rs."""
    command = ["cargo", "bench", "--locked", "--no-run", "--bench", name, "--message-format", "json-render-diagnostics"]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=3600).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == name:
            return message["executable"]
    raise SystemExit(f"cargo built no benchmark `{name}`")
