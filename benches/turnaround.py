"""Turnaround, and the share of it that is not the network.

A CT series goes to irisnode; from the acknowledgement of its last instance
until the DICOM-SEG lies at its destination (DCMTK storescp), less the quiet
time an administrator chose to wait. The network's own time is what irisnode's
log says. Each round sends the same pixels under new UIDs.
"""

import datetime
import json
import re
import subprocess
import time

import pydicom
from drawn_series import drawn_series, files
from places import IRISNODE, WEIGHTS
from processes import Processes, wait_for
from pynetdicom import AE
from rounds import digits, seconds, spread, table
from storage_providers import irisnode, storescp

TITLE = "Turnaround"
QUIET = 1.0
TASK = ("liver", "spleen", "stomach", "kidney_left", "kidney_right")


def measure(quick, folder):
    slices, rounds = (20, 2) if quick else (100, 7)
    size, spacing = ((256, 256, slices), (1.6, 1.6, 8.0)) if quick else ((512, 512, slices), (0.8, 0.8, 3.0))
    instances = [pydicom.dcmread(file) for file in files(drawn_series(3, size, spacing))]
    with Processes() as processes:
        destination = storescp(processes, folder / "destination")
        node = start_node(processes, folder, destination)
        # The first, unmeasured, warms it.
        runs = [one_run(node, folder / "destination/storage", instances) for _ in range(rounds + 1)][1:]
    columns = {step: [run[step] for run in runs] for step in runs[0]}
    share = [100 * (1 - run["network"] / run["turnaround"]) for run in runs]
    rows = [[step, seconds(values), percent([100 * v / run["turnaround"] for v, run in zip(values, runs, strict=True)])]
            for step, values in columns.items()]
    rows.append(["all but the network", seconds([run["turnaround"] - run["network"] for run in runs]), percent(share)])
    notes = [f"{' × '.join(map(str, size))} CT, a task of {len(TASK)} segments, {rounds} rounds; quiet time {QUIET:.0f} s taken off."]
    return {"figures": columns | {"share_not_network_percent": share},
            "table": table(["", "time", "share of turnaround"], rows), "notes": notes}


def percent(values):
    s = spread(values)
    return f"{digits(s['median'])} % ({digits(s['least'])}–{digits(s['greatest'])})"


def start_node(processes, folder, destination):
    """An irisnode that knows one task and sends its results to the destination."""
    tasks = folder / "tasks"
    teach(folder, tasks)
    return irisnode(
        processes,
        folder / "irisnode",
        quiet_time=f"{QUIET:.0f}s",
        settings=f'task_dir = "{tasks}"',
        sections=f"""\
[[peer]]
name = "destination"
ae_title = "{destination.ae_title}"
host = "127.0.0.1"
port = {destination.port}

[[rule]]
name = "CT"
tasks = ["organs"]
destinations = ["destination"]
when = {{ Modality = "CT" }}
""",
    )


def teach(folder, tasks):
    """The task, by one drawn subject; its embedding is computed here."""
    example = drawn_series(10, (128, 96, 64), (3.0, 3.0, 4.0), TASK, form="nifti")
    configuration = folder / "teach.toml"
    configuration.write_text(f'[node]\ndata_dir = "{folder / "taught"}"\ntask_dir = "{tasks}"\nweights = "{WEIGHTS}"\n')
    command = [IRISNODE, "task", "add", "organs", "--config", configuration,
               "--image", example / "image.nii.gz", "--label", example / "labels.nii.gz"]
    for number, name in enumerate(TASK, 1):
        command += ["--segment", f"{number}={name}"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"the task was not taught\n{done.stderr}")


def one_run(node, arrivals, instances):
    """Sends the series under new UIDs; where the time until its result went, seconds."""
    logged = len(log_lines(node))
    before = set(arrivals.iterdir())
    acknowledged = send(node, instances)
    arrived = wait_for("the DICOM-SEG at its destination", 500,
                       lambda: delivered(node, logged) and set(arrivals.iterdir()) - before, node.process, node.log)
    at_destination = max(file.stat().st_mtime for file in arrived)
    events = {line["fields"]["message"]: line for line in log_lines(node)[logged:]}
    segmented = events["segmented"]
    times = {name: moment(line) for name, line in events.items()}
    network, elapsed = duration(segmented["fields"]["network"]), duration(segmented["fields"]["elapsed"])
    complete = times["series complete"] - acknowledged - QUIET
    return {
        "turnaround": at_destination - acknowledged - QUIET,
        "until the series counts as complete": complete,
        "network": network,
        "rest of segmenting: reading, resampling, encoding": elapsed - network,
        "sending": at_destination - times["segmented"],
    }


def send(node, instances):
    """C-STOREs the instances as a new series; the time at which the last was acknowledged."""
    study, series = pydicom.uid.generate_uid(), pydicom.uid.generate_uid()
    scanner = AE("SCANNER")
    scanner.add_requested_context(instances[0].SOPClassUID, pydicom.uid.ExplicitVRLittleEndian)
    association = scanner.associate("127.0.0.1", node.port, ae_title=node.ae_title)
    if not association.is_established:
        raise SystemExit("irisnode took no association")
    for instance in instances:
        instance.StudyInstanceUID, instance.SeriesInstanceUID = study, series
        instance.SOPInstanceUID = instance.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        status = association.send_c_store(instance)
        if status.get("Status") != 0:
            raise SystemExit(f"irisnode refused an instance: {status}")
    acknowledged = time.time()
    association.release()
    return acknowledged


def delivered(node, logged):
    messages = [line["fields"].get("message") for line in log_lines(node)[logged:]]
    if bad := {"failed", "nothing to send"} & set(messages):
        raise SystemExit(f"the series gave no result: {bad}\n{log_lines(node)[logged:]}")
    return "delivered" in messages


def log_lines(node):
    return [json.loads(line) for line in node.log.read_text().splitlines() if line.endswith("}")]


def moment(line):
    """Seconds since 1970 of a line of the log."""
    return datetime.datetime.fromisoformat(line["timestamp"]).timestamp()


def duration(text):
    """Seconds of a duration as Rust prints it: 1.2s, 34.5ms, 67µs."""
    number, unit = re.fullmatch(r"([\d.]+)(s|ms|µs|ns)", text).groups()
    return float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit]
