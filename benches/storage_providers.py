"""Programs that take C-STORE: irisnode and its peers, each fresh in a folder of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass

from places import IRISNODE, ROOT, WEIGHTS
from processes import free_port, http, wait_for

ORTHANC = "/usr/sbin/Orthanc"
DICOM_RS = "0.10.1"


@dataclass
class Provider:
    """One that is running."""

    ae_title: str
    port: int
    process: subprocess.Popen
    log: object


def irisnode(processes, folder, wrap=(), quiet_time="1h", settings="", sections="", data=None, port=None):
    """irisnode serve; without rules in `sections` it keeps what comes and segments nothing."""
    folder.mkdir(parents=True)
    port, log, configuration = port or free_port(), folder / "log", folder / "irisnode.toml"
    configuration.write_text(
        f"""\
[node]
ae_title = "IRISNODE"
listen = "127.0.0.1:{port}"
data_dir = "{data or folder / 'data'}"
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


def pynetdicom(processes, folder, wrap=()):
    """pynetdicom's storescp, a thread for each association. Its network time-out of 30 s ends associations that are not
    idle, where so many small instances keep it busy."""
    storage = folder / "storage"
    storage.mkdir(parents=True)
    port, log = free_port(), folder / "log"
    command = [*wrap, sys.executable, "-m", "pynetdicom", "storescp", "--quiet", "--ae-title", "PYNETDICOM",
               "--network-timeout", "600", "--output-directory", storage, port]
    return started(processes, command, "PYNETDICOM", port, log)


def dicom_rs(processes, folder, wrap=()):
    """The storescp of dicom-rs, its concurrent form."""
    storage = folder / "storage"
    storage.mkdir(parents=True)
    port, log = free_port(), folder / "log"
    command = [*wrap, dicom_rs_storescp(), "--non-blocking", "--calling-ae-title", "DICOMRS", "-o", storage, "-p", port]
    return started(processes, command, "DICOMRS", port, log)


def dicom_rs_storescp():
    """The program, built from its crate the first time."""
    place = ROOT / ".deps/dicom-rs"
    program = place / "bin/dicom-storescp"
    if not program.exists():
        print(f"building dicom-storescp {DICOM_RS}", flush=True)
        subprocess.run(["cargo", "install", "--quiet", "--locked", "--root", place, f"dicom-storescp@{DICOM_RS}"],
                       check=True, timeout=1800)
    return program


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
