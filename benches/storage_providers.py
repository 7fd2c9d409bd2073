"""Programs that take C-STORE: irisnode and its peers, each fresh in a folder of its own."""

import json
import subprocess
from dataclasses import dataclass

from places import IRISNODE, WEIGHTS
from processes import free_port, http, wait_for

ORTHANC = "/usr/sbin/Orthanc"


@dataclass
class Provider:
    """One that is running."""

    ae_title: str
    port: int
    process: subprocess.Popen
    log: object


def irisnode(processes, folder, wrap=(), quiet_time="1h", settings="", sections=""):
    """irisnode serve; without rules in `sections` it keeps what comes and segments nothing."""
    folder.mkdir(parents=True)
    port, log, configuration = free_port(), folder / "log", folder / "irisnode.toml"
    configuration.write_text(
        f"""\
[node]
ae_title = "IRISNODE"
listen = "127.0.0.1:{port}"
data_dir = "{folder / 'data'}"
weights = "{WEIGHTS}"
quiet_time = "{quiet_time}"
accept_unknown_callers = true
{settings}
{sections}"""
    )
    command = [*wrap, IRISNODE, "serve", "--log", "json", "--config", configuration]
    return started(processes, command, "IRISNODE", port, log)


def storescp(processes, folder, options=(), wrap=()):
    """DCMTK's storescp, a process for each association."""
    storage = folder / "storage"
    storage.mkdir(parents=True)
    port, log = free_port(), folder / "log"
    command = [*wrap, "storescp", "--fork", *options, "--aetitle", "STORESCP", "--output-directory", storage, port]
    return started(processes, command, "STORESCP", port, log)


def orthanc(processes, folder, changes=None, wrap=()):
    """Orthanc with its own defaults; room for eight associations at once, as the others have."""
    folder.mkdir(parents=True)
    port, rest, log, configuration = free_port(), free_port(), folder / "log", folder / "orthanc.json"
    settings = {
        "Name": "bench",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "HttpPort": rest,
        "AuthenticationEnabled": False,
        "DicomThreadsCount": 8,
        "Plugins": [],
    }
    configuration.write_text(json.dumps(settings | (changes or {})))
    provider = started(processes, [*wrap, ORTHANC, configuration], "ORTHANC", port, log)
    wait_for("start Orthanc", 60, lambda: http("GET", f"http://127.0.0.1:{rest}/system"), provider.process, log)
    return provider


def started(processes, command, ae_title, port, log):
    """Starts a provider and waits until it answers C-ECHO."""
    process = processes.start(command, log)
    echo = ["echoscu", "-to", "5", "--call", ae_title, "127.0.0.1", str(port)]
    wait_for(f"start {ae_title}", 120,
             lambda: subprocess.run(echo, capture_output=True, timeout=30).returncode == 0, process, log)
    return Provider(ae_title, port, process, log)
